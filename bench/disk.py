"""Seconds and memory of each projection: python bench/disk.py [POINTS] [DIMENSIONS] [NAME …]

With --cuda on a GPU, where there is one."""

import resource
import sys
import time
import torch
from hysp.disk import projections


def embedding(n, d, classes=60, seed=0):
    "Tangents (n,d) in classes of their own direction, and their labels"
    g = torch.Generator().manual_seed(seed)
    label = torch.randint(classes, (n,), generator=g)
    way = torch.nn.functional.normalize(torch.randn(classes, d, generator=g), dim=-1)[label]
    z = torch.nn.functional.normalize(way + 0.8 * torch.randn(n, d, generator=g) / d**0.5, dim=-1)
    return z * (0.8 + 1.5 * torch.rand(n, 1, generator=g)), label


def bench(name, z, label):
    "Seconds on the clock and of the CPU for the whole call, with its fidelity"
    start, busy = time.perf_counter(), time.process_time()
    drawing = projections[name](z, label)
    if z.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - busy, drawing


if __name__ == "__main__":
    args = [word for word in sys.argv[1:] if word != "--cuda"]
    n, d = map(int, (args + ["5000", "1024"][len(args) :])[:2])
    z, label = embedding(n, d)
    if "--cuda" in sys.argv:
        z = z.cuda()
    print(f"{n} points, {d} dimensions, {z.device}, {torch.get_num_threads()} threads")
    bench("polar", z[:100], label[:100])
    for name in args[2:] or projections:
        seconds, busy, drawing = bench(name, z, label)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{name:12}{seconds:8.1f} s ({busy:.1f} s of CPU), "
            f"at most {most:.0f} MB so far · {drawing}",
            flush=True,
        )
