"""Where the tests of golden numbers and of interrupted runs compute: HYSP_TEST_DEVICE=cuda puts them on a GPU

There, two runs can be compared to the bit only with algorithms that add up in a fixed order."""

import os

import torch

device = os.environ.get("HYSP_TEST_DEVICE", "cpu")
if device != "cpu":
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.allow_tf32 = False
