"`python -m hysp`, which torchrun needs"
import sys

from hysp.cli import main

sys.exit(main())
