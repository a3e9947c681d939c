"""Many weightings of three streams, hysp.ensemble.sweep beside a plain loop:

python bench/ensemble.py [weightings of the loop]"""

import sys
import time

import numpy as np
import torch

from hysp.ensemble import sweep

n = 16_487
classes = 60
weightings = 1_000


def accuracy(scores, y):
    "Share of clips whose label alone has the highest score; a tie goes against it"
    at_least = (scores >= scores.gather(1, y[:, None])).sum(1)
    return at_least.eq(1).double().mean().item()


def plain(streams, y, weights):
    found = []
    for weight in weights:
        summed = sum(w * scores for w, scores in zip(weight, streams))
        found.append(accuracy(summed, y))
    return found


def timed(f, *args):
    start = time.perf_counter()
    found = f(*args)
    return time.perf_counter() - start, found


if __name__ == "__main__":
    some = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    rng = np.random.default_rng(0)
    y = torch.tensor(rng.integers(classes, size=n))
    w = torch.tensor(rng.random((weightings, 3)))
    print(
        f"{n} x {classes} scores, {weightings} weightings, {torch.get_num_threads()} threads; "
        f"the loop on {some} of them, scaled up"
    )
    for signal, what in (
        (2.5, "streams that are right four times in five"),
        (1.0, "one time in five"),
        (0.0, "streams that know nothing"),
    ):
        s = torch.tensor(rng.normal(size=(3, n, classes)))
        s[:, torch.arange(n), y] += signal
        fast, found = min((timed(sweep, s, y, w) for _ in range(3)), key=lambda o: o[0])
        slow, want = timed(plain, s, y, w[:some])
        assert found[:some].tolist() == want
        slow *= weightings / some
        print(
            f"{what}: {fast:.2f} s, the loop {slow:.1f} s, {slow / fast:.0f} times as long; the same accuracies"
        )
