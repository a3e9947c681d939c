"""How time and memory grow: against clips, frames, joints, bodies, width and processes.

Each point is measured in a process of its own, in seconds of processor time; what several processes share, in seconds
of the clock.

    python bench/growth.py              # bench/growth.csv, nbs/images/growth.png; 6 minutes on two quiet cores
    python bench/growth.py --tiny       # to see it work
    python bench/growth.py --draw       # the picture again, from the table"""

import argparse
import csv
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from speed import dataset_of, peak, timed

from hysp.core import write_table
from hysp.devices import Devices
from hysp.evaluate import features, linear_probe, neighbours
from hysp.feeder import Dataset
from hysp.losses import curriculum_loss
from hysp.models import HYSP
from hysp.optim import make_optimizer
from hysp.skeleton import get_layout
from hysp.fast import faster
from hysp.stgcn import STGCN

root = Path(__file__).parents[1]
columns = "against", "x", "what", "seconds", "memory"

# What is measured: a function of a number that makes ready and returns what is to be timed


def stepper(layout="ntu-rgb+d", frames=50, bodies=2, hidden=16, batch=4, devices=None):
    "A training step of two views"
    torch.manual_seed(0)
    layout = get_layout(layout)
    devices = devices or Devices("cpu")
    shape = batch // devices.processes, 3, frames, len(layout), bodies
    x, y = torch.randn(shape) * 0.3, torch.randn(shape) * 0.3
    model = HYSP(layout, hidden=hidden, out=16 * hidden).train()
    net = devices.spread(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(trained, "sgd", lr=0.01)

    def step():
        loss = sum(curriculum_loss(*p, 0.5, geometry="tangent")[0] for p in net(x, y)).mean()
        optimizer.zero_grad()
        devices.accelerator.backward(loss)
        optimizer.step()
        model.after_step(0.999)

    return step


def small(n, work):
    return Dataset(dataset_of(Path(work) / f"{n}", n, (3, 12, 25, 1), 10))


def feed(n, work):
    data = small(n, work)
    return lambda: sum(
        len(x) for x, _ in data.batches(256, np.random.default_rng(0).permutation(n))
    )


def encode(n, work):
    data, net = small(n, work), faster(STGCN(hidden=4, out=32))
    with torch.no_grad():
        net(data.batch(range(8)))
    return lambda: features(net, data)


def nearest(n, work):
    z = torch.randn(n, 64)
    return lambda: neighbours(z, z[:500], 1, "poincare")


def probe(n, work):
    z = torch.randn(n, 64)
    return lambda: linear_probe(z, np.arange(n) % 10, z[:10], 10, epochs=5)


layouts = "coco", "ui-prmd", "ntu-rgb+d", "mediapipe"  # 17, 22, 25, 33 joints
sizes = dict(
    clips=(1_000, 10_000, 100_000),
    frames=(25, 50, 100, 200),
    joints=layouts,
    bodies=(1, 2, 4, 8),
    width=(8, 16, 32, 64),
    processes=(1, 2),
)
tiny = dict(
    clips=(100, 200),
    frames=(12, 24),
    joints=layouts[:2],
    bodies=(1, 2),
    width=(4, 8),
    processes=(1,),
)
made = dict(
    frames=lambda v: stepper(frames=v),
    joints=lambda v: stepper(v),
    bodies=lambda v: stepper(bodies=v),
    width=lambda v: stepper(hidden=v),
)


def jobs(sizes):
    "Against what, the number, what is measured, and what makes it ready"
    for n in sizes["clips"]:
        for f in (feed, encode, nearest, probe):
            yield "clips", n, f.__name__, lambda work, n=n, f=f: f(n, work)
    for against, make in made.items():
        for v in sizes[against]:
            yield (
                against,
                len(get_layout(v)) if against == "joints" else v,
                "training step",
                lambda work, v=v, make=make: make(v),
            )


# Measuring


def measure(make, rounds):
    """Seconds, and MB beyond what was held before, in a process that is forked for it

    The seconds are the median of some rounds, or those of the first where that is long."""

    def child(end):
        with tempfile.TemporaryDirectory() as work:
            f = make(work)
            first = [0.0]

            def once():
                first[0] = timed(f)

            used = peak(once)
            end.send((first[0] if first[0] > 10 else median(timed(f) for _ in range(rounds)), used))

    ours, theirs = multiprocessing.Pipe()
    p = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
    p.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        sys.exit("a measurement broke off; its own message is above")
    p.join()
    return found


def together(n, rounds):
    "Seconds of a step of 16 clips that n processes share, and MB of one of them"
    command = [sys.executable]
    if n > 1:
        port = 29500 + os.getpid() % 1000
        command += ["-m", "torch.distributed.run"]
        command += ["--nproc_per_node", str(n), "--master_port", str(port)]
    done = subprocess.run(
        [*command, __file__, "--share", str(rounds)],
        capture_output=True,
        text=True,
        env=os.environ | dict(OMP_NUM_THREADS="1"),
    )
    if done.returncode:
        sys.exit(done.stderr)
    return map(float, done.stdout.split()[-2:])


def clocked(f):
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def share(rounds):
    torch.set_num_threads(1)
    devices = Devices("cpu")
    f = stepper(batch=16, devices=devices)
    used = peak(f)
    seconds = [clocked(f) for _ in range(rounds)]
    if devices.main:
        print(median(seconds), used)


def run(out, sizes, rounds, only=""):
    "Measure, and write the table after each point; `only`: what against one of the six, the other rows stay"
    rows = [r for r in read(out) if r["against"] != only] if only else []
    sizes = {k: v if only in ("", k) else () for k, v in sizes.items()}

    def add(against, x, what, seconds, used):
        rows.append(dict(zip(columns, (against, x, what, f"{seconds:.4g}", f"{used:.1f}"))))
        print(*rows[-1].values(), flush=True)
        write_table(out, columns, [[row[name] for name in columns] for row in rows])

    for *what, make in jobs(sizes):
        add(*what, *measure(make, rounds))
    for n in sizes["processes"]:
        add("processes", n, "training step", *together(n, rounds))


def read(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


# Picture


def exponent(x, y):
    "Slope of the logarithms between the last two points: 1 where growth is linear"
    return math.log(y[-1] / y[-2]) / math.log(x[-1] / x[-2])


def draw(table, out):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator

    rows = read(table)
    fig, axs = plt.subplots(2, 6, figsize=(13, 5), layout="constrained", sharex="col")
    for column, against in zip(axs.T, sizes):
        mine = [r for r in rows if r["against"] == against]
        for what in dict.fromkeys(r["what"] for r in mine):
            own = [r for r in mine if r["what"] == what]
            x = [float(r["x"]) for r in own]
            for ax, key in zip(column, ("seconds", "memory")):
                y = [max(float(r[key]), 0.1 if key == "memory" else 0) for r in own]
                slope = f"{exponent(x, y):.2f}" if len(x) > 1 else ""
                ax.plot(
                    x,
                    y,
                    "o-",
                    ms=3,
                    lw=1,
                    label=f"{what}: {slope}" if against == "clips" else slope,
                )
        for ax in column:
            ax.set(xscale="log", yscale="log")
            ax.margins(y=0.35 if against == "clips" else 0.1)
            ax.legend(fontsize=7, frameon=False)
            ax.grid(alpha=0.2)
            ax.yaxis.set_major_locator(
                LogLocator(subs=(1,) if against == "clips" else (1, 1.5, 2, 3, 5, 7), numticks=9)
            )
            ax.yaxis.set_minor_locator(NullLocator())
            ax.yaxis.set_major_formatter("{x:g}")
        ticks = sorted({float(r["x"]) for r in mine})
        column[1].set_xticks(
            ticks, [f"{t:g}" if t < 1000 else f"$10^{round(math.log10(t))}$" for t in ticks]
        )
        column[1].minorticks_off()
        column[1].set_xlabel(against)
    axs[0, 0].set_ylabel("seconds")
    axs[1, 0].set_ylabel("memory, MB")
    out.parent.mkdir(exist_ok=True)
    fig.savefig(out, dpi=90)


if __name__ == "__main__":
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--out", type=Path, default=root / "bench" / "growth.csv")
    p.add_argument("--picture", type=Path, default=root / "nbs" / "images" / "growth.png")
    p.add_argument("--tiny", action="store_true")
    p.add_argument("--draw", action="store_true")
    p.add_argument("--only", default="", choices=["", *sizes], help="measure against this alone")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--share", type=int, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.share:
        share(args.share)
    else:
        torch.set_num_threads(1)
        if not args.draw:
            run(args.out, tiny if args.tiny else sizes, args.rounds, args.only)
        draw(args.out, args.picture)
