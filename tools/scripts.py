"""Write explorer.js and page.js as a browser gets them, whole, into a folder: make lint reads them"""

import sys
from pathlib import Path

from hysp.explore import explorer_scripts
from hysp.page import asset
from hysp.result_page import result_scripts


def main(folder):
    wholes = {"explorer.js": explorer_scripts, "page.js": result_scripts}
    for name, scripts in wholes.items():
        (Path(folder) / name).write_text(asset(*scripts), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
