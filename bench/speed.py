"""Each stage beside its plain way (bench/plain.py), both measured alternately in one process.

    python bench/speed.py                # small sizes, into bench/table.csv and bench/table.md; under 2 minutes
    python bench/speed.py --full --threads 2 # the sizes of the paper, about 4 minutes there
    python bench/speed.py --check        # the small sizes again; exit code 1 if a stage has lost its lead
    python bench/speed.py --only feeder  # the stages whose names hold this word

A ratio is the median over the rounds of baseline over ours. Seconds (of processor time on one thread, of the clock on
more) tell of one machine on one day; ratios may be compared."""

import argparse
import csv
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from collections.abc import Callable

import numpy as np
import plain
import torch
import yaml
from tqdm import tqdm

from hysp.augment import Normal, Strong, group_by_marks, several_bodies
from hysp.core import atomic_write, write_table
from hysp.evaluate import features, linear_probe, neighbours
from hysp.fast import faster
from hysp.feeder import Dataset
from hysp.losses import curriculum_loss
from hysp.models import HYSP
from hysp.optim import make_optimizer
from hysp.skeleton import get_layout
from hysp.stgcn import STGCN

folder = Path(__file__).parent
columns = (
    "mode",
    "stage",
    "size",
    "baseline",
    "ours",
    "ratio",
    "aim",
    "memory",
    "rounds",
    "threads",
    "machine",
)
lost = 0.7  # Share of the kept ratio below which a stage has got slower


@dataclass
class Race:
    stage: str
    size: str
    plain: Callable  # The plain way, or a part of it
    ours: Callable
    same: Callable  # Largest difference of what the two give, to be below `eps`
    aim: str  # As the project set it itself
    second: tuple = ()  # Another way of ours: what to add to the stage's name, the way, its aim
    eps: float = 1e-5
    part: float = 1.0  # Share of the work that `plain` does
    memory: str = ""  # What to measure in processes of their own


# Made-up clips


def clips(n, seed=0, alone=0.82):
    "n clips of NTU's shape, of which a share shows one person"
    x = torch.randn(n, 3, 50, 25, 2, generator=torch.Generator().manual_seed(seed)) * 0.3
    x[: round(alone * n), ..., 1] = 0
    return x[torch.randperm(n, generator=torch.Generator().manual_seed(seed))]


def dataset(path, n, classes=60):
    return dataset_of(path, n, (3, 50, 25, 2), classes, clips)


def dataset_of(path, n, shape, classes, make=None):
    "A dataset folder of n made-up clips, written a thousand at a time"
    path.mkdir(parents=True)
    x = np.lib.format.open_memmap(path / "position.npy", "w+", np.float32, (n, *shape))
    for i in range(0, n, 1000):
        x[i : i + 1000] = (
            make(min(1000, n - i), i) if make else torch.randn(min(1000, n - i), *shape)
        ).numpy()
    x.flush()
    about = dict(
        format=1,
        layout=get_layout("ntu-rgb+d").to_dict(),
        class_names=[f"A{i:03}" for i in range(classes)],
        checksum="0" * 64,
    )
    (path / "dataset.yaml").write_text(yaml.safe_dump(about))
    with open(path / "samples.csv", "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["name", "label"])
        w.writerows([f"clip{i:06}", i % classes] for i in range(n))
    return path


# Stages


def settled(model, x):
    "A model whose batch norms have seen clips, in eval mode"
    with torch.no_grad():
        model.train()(x)
    return model.eval()


def encoder(short, work):
    n = 12 if short else 24
    x = clips(n)
    ours = faster(STGCN(hidden=64, out=1024, dropout=0.0))
    theirs = plain.Encoder(64, 1024, 0.0)
    settled(ours, x[:8])
    theirs.load_state_dict(ours.state_dict())
    theirs.eval()

    def run(net):
        with torch.no_grad():
            return net(x)

    yield Race(
        "encoder, eval",
        f"64/1024, {n} clips, 82 % one person",
        lambda: run(theirs),
        lambda: run(ours),
        lambda: float((run(theirs) - run(ours)).abs().max()),
        "2.0",
    )


def stepper(hidden, out, pool, dropout=0.5, gain=1.0):
    torch.manual_seed(0)
    model = HYSP(hidden=hidden, out=out, dropout=dropout, pool=pool, gain=gain).train()
    optimizer = make_optimizer([p for p in model.parameters() if p.requires_grad], "sgd", lr=0.01)

    def step(x, y):
        loss = sum(curriculum_loss(*p, 0.5, geometry="tangent")[0] for p in model(x, y)).mean() / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.after_step(0.999)
        return loss.item()

    return model, step


def plain_stepper(hidden, out, state, dropout=0.5):
    model = plain.HYSP(hidden, out, dropout).train()
    model.load_state_dict(state)
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], 0.01, momentum=0.9, weight_decay=1e-4
    )
    return model, lambda x, y: plain.step(model, optimizer, x, y)


def step_gap(hidden, out, x, y):
    """Largest difference of loss and target after one step without dropout

    Tangents are so short that the ball can hold them."""
    a, ours = stepper(hidden, out, "all", 0.0, 0.05)
    state = {name: weight.clone() for name, weight in a.state_dict().items()}
    b, theirs = plain_stepper(hidden, out, state, 0.0)
    gaps = [abs(ours(x, y) - theirs(x, y))]
    for p, q in zip(a.parameters(), b.parameters()):
        if not p.requires_grad:
            gaps.append(float((p - q).detach().abs().max()))
    return max(gaps)


def training(short, work):
    for hidden, out, n in [(16, 256, 8)] if short else [(16, 256, 16), (64, 1024, 8)]:
        x, y = clips(n, 1), clips(n, 1) * 1.1
        model, step = stepper(hidden, out, "all")
        theirs = plain_stepper(hidden, out, model.state_dict())[1]
        there = stepper(hidden, out, "present")[1]
        yield Race(
            "training step",
            f"{hidden}/{out}, {n} clips",
            lambda x=x, y=y, f=theirs: f(x, y),
            lambda x=x, y=y, f=step: f(x, y),
            lambda h=hidden, o=out, x=x, y=y: step_gap(h, o, x, y),
            "1.3",
            (", pooling present bodies", lambda x=x, y=y, f=there: f(x, y), "2.2"),
        )


def view_gap(x, views, drawn, mirror):
    normal, strong = views
    g = torch.Generator().manual_seed(5)
    loud = torch.zeros_like(x)
    again = torch.Generator().manual_seed(5)
    order, groups = group_by_marks(drawn["flip"], drawn["noise"], drawn["blur"], several_bodies(x))
    for some, (_, noisy, _, several) in groups:
        bodies = x[order[some], ..., : 2 if several else 1]
        if noisy:
            loud[order[some], ..., : bodies.shape[-1]] = (
                torch.randn(bodies.shape, generator=again) * strong.noise_sigma
            )
    each = plain.rows(drawn, len(x))
    ours_normal = normal.apply(x, drawn).numpy()
    ours_strong = strong.apply(x, drawn, g).numpy()
    gaps = []
    for i, (clip, d, noise) in enumerate(zip(x.numpy(), each, loud.numpy())):
        if d["reverse"]:
            noise = noise[:, ::-1]  # Ours is reversed before the noise, the plain one after it
        p = plain.normal_view(clip, d)
        q = plain.strong_view(clip, d, mirror, 0, None, strong.normalise_blur, noise)
        gaps += [np.abs(ours_normal[i] - p).max(), np.abs(ours_strong[i] - q).max()]
    return float(max(gaps))


def augmentation(short, work):
    n = 128 if short else 512
    x, layout = clips(n), get_layout("ntu-rgb+d")
    normal, strong = Normal(layout), Strong(layout)
    g = torch.Generator().manual_seed(0)
    drawn = strong.sample(n, 50, g)
    mirror = list(layout.mirror)
    rng = np.random.default_rng(0)

    def theirs():
        each = list(zip(x.numpy(), plain.rows(drawn, n)))
        a = [plain.normal_view(clip, d).astype(np.float32) for clip, d in each]
        b = [plain.strong_view(clip, d, mirror, 0.01, rng, False) for clip, d in each]
        return torch.from_numpy(np.stack(a)), torch.from_numpy(np.stack(b))

    yield Race(
        "augmentation, both views",
        f"{n} clips",
        theirs,
        lambda: (normal(x, g), strong(x, g)),
        lambda: view_gap(x, (normal, strong), drawn, mirror),
        "10",
    )


def feeder(short, work):
    n = 7_000 if short else 70_000
    path = dataset(work / "clips", n)
    data = Dataset(path)
    items = plain.Items(path / "position.npy", np.arange(n) % 60)
    order = np.random.default_rng(0).permutation(n)
    part = 1 if short else 0.1
    some = order[: int(part * n)]

    def drain(batches):
        return sum(len(x) for x, _ in batches)

    def gap():
        theirs, _ = next(iter(plain.batches(items, 64, order)))
        ours, _ = next(iter(data.batches(64, order)))
        return float((theirs - ours).abs().max())

    yield Race(
        "feeder",
        f"{n} clips, {n * 30e3 / 1e9:.1f} GB",
        lambda: drain(plain.batches(items, 512, some)),
        lambda: drain(data.batches(512, order)),
        gap,
        "5",
        part=part,
        memory=f"feeder {path}",
    )


def evaluation(short, work):
    hidden, out, n = (16, 256, 96) if short else (64, 1024, 48)
    path = dataset(work / "labelled", n + 20, classes=10)
    data = Dataset(path)
    train, val = data.subset(np.arange(n)), data.subset(np.arange(n, n + 20))
    net = settled(faster(STGCN(hidden=hidden, out=out)), data.batch(np.arange(8)))

    def ours(epochs=100):
        return linear_probe(
            features(net, train), train.labels, features(net, val), 10, epochs=epochs
        )

    def gap():
        a, b = ours(2), plain.linear_evaluation(net, train, val, epochs=2)
        return float((a - b).abs().max() / b.abs().max())

    def epoch():
        head, y = torch.nn.Linear(out, 10), torch.tensor(train.labels)
        optimizer = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9)
        for i in torch.randperm(n).split(256):
            with torch.no_grad():
                x = net(train.batch(i))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(head(x), y[i]).backward()
            optimizer.step()

    yield Race(
        "linear evaluation, 100 epochs",
        f"{hidden}/{out}, {n} clips",
        epoch,
        ours,
        gap,
        "50",
        eps=1e-3,
        part=0.01,
    )


def distances(short, work):
    n, m, rows = (500, 4000, 10) if short else (5000, 20000, 10)
    g = torch.Generator().manual_seed(0)
    v = torch.randn(m, 256, generator=g) * 0.1
    u = torch.randn(n, 256, generator=g) * 0.1

    def near():
        return neighbours(v, u, 1, "poincare")

    def gap():
        d = plain.distances(u[:rows], v)
        return float((neighbours(v, u[:rows], m, "poincare")[0] - d.sort(1)[0]).abs().max())

    yield Race(
        "distances and nearest neighbour",
        f"{n} × {m}, d=256",
        lambda: plain.distances(u[:rows], v).min(1),
        near,
        gap,
        "10",
        part=rows / n,
        memory=f"distances {n} {m}",
    )


def python(*args):
    subprocess.run(
        [sys.executable, *args],
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | dict(OMP_NUM_THREADS="1"),
    )


def starting(short, work):
    for name, args, aim in [
        ("import hysp", ("-c", "import hysp"), "numpy + 0.3 s"),
        ("hysp --help", ("-m", "hysp", "--help"), "under 1 s"),
    ]:
        yield Race(
            name,
            "baseline: import numpy",
            lambda: python("-c", "import numpy"),
            lambda a=args: python(*a),
            lambda: 0.0,
            aim,
        )


stages = encoder, training, augmentation, feeder, evaluation, distances, starting

# Memory, in a process of its own: what the process itself holds, mapped files left out, at its peak


def held():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon")) / 1024


def peak(f):
    "MB that `f` takes beyond what was held before"
    before = held()
    top = [before]
    done = threading.Event()

    def watch():
        while not done.wait(0.002):
            top.append(held())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        f()
    finally:
        done.set()
        watcher.join()
    return max(top) - before


def memory(what, *args):
    if what == "feeder":
        data = Dataset(args[0])
        order = np.random.default_rng(0).permutation(len(data))
        print(f"{peak(lambda: sum(len(x) for x, _ in data.batches(512, order))):.0f} MB")
    if what == "distances":
        u, v = torch.randn(int(args[0]), 256), torch.randn(int(args[1]), 256)
        print(f"{peak(lambda: neighbours(v, u, 1, 'poincare')):.0f} MB")


def memory_apart(*what):
    "What `memory` prints in a process of its own"
    command = [sys.executable, __file__, "--memory", *what]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


# Race and table


def work():
    "Seconds of processor time of this process and of its children that have ended"
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def timed(f):
    "Seconds: on one thread of the processor, which others that work on it do not change; else of the clock"
    clock = work if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    f()
    return max(clock() - start, 1e-4)


def race(r, rounds):
    """Yields what is to be added to the stage's name, its aim, and medians

    The medians are of the plain way's seconds, of ours, and of the ratio."""
    gap = r.same()
    if not gap <= r.eps:
        sys.exit(
            f"{r.stage}: the two ways differ by {gap:.1e}, more than {r.eps:.0e}; "
            "what is faster must be the same first"
        )
    ways = [("", r.ours, r.aim)]
    if r.second:
        ways.append(r.second)
    for _, ours, _ in ways:
        ours()
    plain_seconds = []
    seconds = {name: [] for name, _, _ in ways}
    for _ in range(rounds):
        plain_seconds.append(timed(r.plain) / r.part)
        for name, ours, _ in ways:
            seconds[name].append(timed(ours))
    for name, _, aim in ways:
        ratios = [a / b for a, b in zip(plain_seconds, seconds[name])]
        yield name, aim, median(plain_seconds), median(seconds[name]), median(ratios)


@cache
def machine():
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        models = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
        name = models[0].strip() if models else name
    return f"{name}, {os.cpu_count()} cores, torch {torch.__version__}"


def measure(short, only="", rounds=5):
    "Yields a row a stage"
    with tempfile.TemporaryDirectory() as work:
        for stage in stages:
            for r in stage(short, Path(work)) if only in stage.__name__ else ():
                used = memory_apart(*r.memory.split()) if r.memory else ""
                for name, aim, a, b, ratio in race(r, rounds):
                    yield dict(
                        mode="short" if short else "full",
                        stage=r.stage + name,
                        size=r.size,
                        baseline=f"{a:.4g}",
                        ours=f"{b:.4g}",
                        ratio=f"{ratio:.2f}",
                        aim=aim,
                        memory=used,
                        rounds=rounds,
                        threads=torch.get_num_threads(),
                        machine=machine(),
                    )


def read(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def key(row):
    return row["mode"], row["stage"], row["size"]


def merged(old, new):
    "The old rows, those measured again replaced"
    rows = {key(row): row for row in [*old, *new]}
    return sorted(rows.values(), key=lambda row: row["mode"])


INTRODUCTION = """# How fast

Written by `make bench`. Each baseline is in `bench/plain.py`; a ratio is the median of baseline over ours, \
measured alternately. Seconds on one thread are of processor time.
Of the baselines of feeder (full), linear evaluation and distances a part was run, and its time divided by that part: \
a tenth of the clips, one epoch of 100, ten rows. Memory is what ours takes beyond what was held before, \
mapped files left out.
"""


def markdown(rows):
    shown = "stage", "size", "baseline", "ours", "ratio", "aim", "memory"
    lines = [INTRODUCTION]
    for mode in ("full", "short"):
        mine = [row for row in rows if row["mode"] == mode]
        if not mine:
            continue
        lines += [
            f"## {mode.capitalize()}",
            "",
            "| stage | size | baseline, s | ours, s | ratio | aim | memory |",
            "|---|---|---|---|---|---|---|",
        ]
        machines = {}
        for row in mine:
            cells = " | ".join(str(row[name]) for name in shown)
            lines.append(f"| {cells} |")
            machines[f"{row['machine']}; {row['threads']} threads, {row['rounds']} rounds"] = True
        lines += ["", "; ".join(machines), ""]
    return "\n".join(lines)


def write(rows, path):
    write_table(path, columns, [[row[name] for name in columns] for row in rows])
    with atomic_write(path.with_suffix(".md"), "w") as f:
        f.write(markdown(rows))


def complaints(kept, now):
    "A sentence for each stage that has lost its lead, or is not there any more"
    ratios = {key(row): float(row["ratio"]) for row in now}
    for row in kept:
        was = float(row["ratio"])
        name = f"{row['stage']} ({row['size']})"
        if key(row) not in ratios:
            yield f"{name}: kept in the table, but not measured"
        elif ratios[key(row)] < lost * was:
            yield (
                f"{name}: {ratios[key(row)]:.2f} times as fast as the plain way, was {was:.2f}; "
                f"less than {lost:.0%} of it"
            )


def told(rows):
    "The same rows, each printed when it is measured"
    for row in rows:
        tqdm.write(
            f"{row['stage']:32} {row['size']:38} {row['baseline']:>8} s {row['ours']:>8} s "
            f"{row['ratio']:>7} (aim {row['aim']}) {row['memory']}"
        )
        yield row


def check(path, only="", rounds=5):
    kept = [row for row in read(path) if row["mode"] == "short"]
    if not kept:
        sys.exit(f"{path} has no rows of the short mode to compare with: python bench/speed.py")
    now = list(told(measure(True, only, rounds)))
    if only:
        measured = {key(row) for row in now}
        kept = [row for row in kept if key(row) in measured]
    bad = list(complaints(kept, now))
    if bad:
        advice = (
            "measure again on a quiet machine; if it stays, find what did it, "
            f"or keep the new figures with python bench/speed.py ({path})"
        )
        sys.exit("\n".join(["slower than it was:", *bad, advice]))
    print("no stage has lost its lead")


if __name__ == "__main__":
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--full", action="store_true", help="the sizes of the paper")
    p.add_argument(
        "--check", action="store_true", help="compare with the table instead of writing it"
    )
    p.add_argument(
        "--only",
        default="",
        help=f"stages whose names hold this: {', '.join(stage.__name__ for stage in stages)}",
    )
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument(
        "--threads",
        type=int,
        default=1,
        help="1 by default: so a ratio depends least on what else the machine does",
    )
    p.add_argument("--table", type=Path, default=folder / "table.csv")
    p.add_argument("--memory", nargs="+", help=argparse.SUPPRESS)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    if args.memory:
        memory(*args.memory)
    elif args.check:
        check(args.table, args.only, args.rounds)
    else:
        rows = list(told(measure(not args.full, args.only, args.rounds)))
        write(merged(read(args.table) if args.table.exists() else [], rows), args.table)
