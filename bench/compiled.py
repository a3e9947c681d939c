"""Does torch.compile pay? A training step (two views, HYSP) as it is and compiled, in turn in one process.

    python bench/compiled.py                          # width 8/64, 16 clips of 16 frames, as the small settings have it
    python bench/compiled.py --width 16 256 --frames 50

It prints how long compiling took, what a step takes either way, and after how many steps the compiling is paid for."""

import argparse
import os
import time
from statistics import median

# Compiling is to be timed, not finding what was compiled before
os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
import torch
from speed import stepper, timed


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--width", type=int, nargs=2, default=(8, 64))
    p.add_argument("--clips", type=int, default=16)
    p.add_argument("--frames", type=int, default=16)
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    x, y = torch.randn(2, args.clips, 3, args.frames, 25, 1) * 0.3
    _, plain = stepper(*args.width, "all", dropout=0.0, gain=0.3)
    model, fast = stepper(*args.width, "all", dropout=0.0, gain=0.3)
    for part in model.children():
        part.compile(dynamic=False)
    start = time.perf_counter()
    first = plain(x, y), fast(x, y)
    took = time.perf_counter() - start
    assert abs(first[0] - first[1]) < 1e-3 * abs(first[0]), first
    plain_seconds, fast_seconds = [], []
    for _ in range(args.rounds):
        plain_seconds.append(timed(lambda: plain(x, y)))
        fast_seconds.append(timed(lambda: fast(x, y)))
    slow, quick = median(plain_seconds), median(fast_seconds)
    paid = f"{took / (slow - quick):,.0f} steps" if quick < slow else "no number of steps"
    print(
        f"compiling {took:.0f} s; a step {1000 * slow:.1f} ms, compiled {1000 * quick:.1f} ms, "
        f"ratio {slow / quick:.2f}; paid for after {paid}"
    )


if __name__ == "__main__":
    main()
