"""How fast `hysp prepare ntu60` is beside a reader of the sort everyone writes, how near the floor, and how much memory
it takes: python bench/prepare.py"""

import argparse
import csv
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import numpy as np

from hysp.prepare import align, centre, keep_memory, prepare, resize, valid_frames
from hysp.kinect import ntu, ntu_protocols, read_skeleton
from hysp.synthetic import generate

# Made-up trees, in the form and of the size of NTU RGB+D: CRLF, 7 significant digits, 12 values a joint


def text(position, rng):
    "A clip (3, T, 25, M) as a .skeleton file"
    there = (position != 0).any((0, 2))
    out = [str(position.shape[1])]
    for t in range(position.shape[1]):
        out.append(str(there[t].sum()))
        for m in np.flatnonzero(there[t]):
            depth = rng.uniform(100, 500, (25, 2))
            colour = rng.uniform(300, 1500, (25, 2))
            orientation = rng.normal(size=(25, 4)) * 0.3
            place = position[:, t, :, m].T
            out += [f"7205759403793{1101 + m} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25"]
            for row in np.concatenate([place, depth, colour, orientation], 1):
                numbers = " ".join(f"{value:.7g}" for value in row)
                out.append(f"{numbers} 2")
    return ("\r\n".join(out) + "\r\n").encode()


def tree(folder, n, kinds=60, shortest=None):
    "n files: names as those of NTU RGB+D 60, contents of so many different clips"
    rng = np.random.default_rng(0)
    people = generate(kinds, subjects=10, seed=0, difficulty="easy")
    texts = [text(people[i].position[:, :shortest], rng) for i in range(kinds)]
    folder.mkdir(parents=True)
    for i in range(n):
        recording, action = divmod(i, 60)
        setup = 1 + recording // 240 % 17
        camera = 1 + recording // 40 % 3
        subject = 1 + recording % 40
        replication = 1 + recording // 120 % 2
        name = f"S{setup:03}C{camera:03}P{subject:03}R{replication:03}A{1 + action:03}.skeleton"
        (folder / name).write_bytes(texts[i % kinds])
    return sum(path.stat().st_size for path in folder.iterdir())


# The plain way

body_keys = (
    "bodyID",
    "clipedEdges",
    "handLeftConfidence",
    "handLeftState",
    "handRightConfidence",
    "handRightState",
    "isResticted",
    "leanX",
    "leanY",
    "trackingState",
)
joint_keys = (
    "x",
    "y",
    "z",
    "depthX",
    "depthY",
    "colorX",
    "colorY",
    "orientationW",
    "orientationX",
    "orientationY",
    "orientationZ",
    "trackingState",
)


def plain_words(file, keys):
    return {key: float(word) for key, word in zip(keys, file.readline().split())}


def plain_read(path):
    with open(path) as f:
        sequence = dict(frames=[], n=int(f.readline()))
        for _ in range(sequence["n"]):
            frame = dict(bodies=[], n=int(f.readline()))
            for _ in range(frame["n"]):
                body = plain_words(f, body_keys)
                joints = range(int(f.readline()))
                body["joints"] = [plain_words(f, joint_keys) for _ in joints]
                frame["bodies"].append(body)
            sequence["frames"].append(frame)
    x = np.zeros((3, 300, 25, 2), np.float32)
    for t, frame in enumerate(sequence["frames"]):
        for m, body in enumerate(frame["bodies"][:2]):
            for v, joint in enumerate(body["joints"]):
                x[:, t, v, m] = joint["x"], joint["y"], joint["z"]
    return x


def plain_prepare(raw, out):
    "Once a protocol: 300 frames to the disk, then centre, resize, align (these with our own functions)"
    for name, spec in ntu_protocols[60].items():
        train = set(spec["train"] if isinstance(spec, dict) else spec)
        for part in ("train", "val"):
            decides = slice(5, 8) if name == "xview" else slice(9, 12)  # Camera, or subject
            files = []
            for path in sorted(raw.iterdir()):
                if (int(path.name[decides]) in train) == (part == "train"):
                    files.append(path)
            folder = out / name
            folder.mkdir(parents=True, exist_ok=True)
            names = [path.stem for path in files]
            labels = [int(path.name[17:20]) - 1 for path in files]
            with open(folder / f"{part}_label.pkl", "wb") as f:
                pickle.dump((names, labels), f)
            full = np.lib.format.open_memmap(
                folder / f"{part}_300.npy", "w+", np.float32, (len(files), 3, 300, 25, 2)
            )
            for i, path in enumerate(files):
                full[i] = plain_read(path)
            full.flush()
            final = np.lib.format.open_memmap(
                folder / f"{part}_position.npy", "w+", np.float32, (len(files), 3, 50, 25, 2)
            )
            full = np.load(folder / f"{part}_300.npy", mmap_mode="r")
            for i, x in enumerate(full):
                centred = centre(x, "ntu-rgb+d")[:, : valid_frames(x)]
                final[i] = align(resize(centred, 50), "ntu-rgb+d")
            final.flush()


# Side by side


def timed(f, *args, clock=time.perf_counter):
    start = clock()
    f(*args)
    return clock() - start


def work():
    "Seconds of processor time of this process and of its children that have ended"
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def speed(folder, clips, rounds, workers):
    raw = folder / "raw"
    size = tree(raw, clips)
    keep_memory()  # As the workers of prepare do; the plain reader has it too
    print(
        f"{clips} clips, {size / 1e6:.1f} MB, {size / clips / 1e3:.0f} kB each; "
        f"{workers} workers, {rounds} rounds, medians"
    )
    some = sorted(raw.iterdir())[:40]
    data = [path.read_bytes() for path in some]
    wanted = list(map(positions, data))
    parts = dict(
        plain_parse=lambda: [plain_read(path) for path in some],
        parse=lambda: [read_skeleton(path.read_bytes()) for path in some],
        split=lambda: [content.split() for content in data],
        convert=lambda: [np.fromiter(map(float, words), float, len(words)) for words in wanted],
        read=lambda: [path.read_bytes() for path in some],
    )
    rows = defaultdict(list)
    for i in range(rounds):
        wholes = dict(
            plain=lambda i=i: plain_prepare(raw, folder / f"plain{i}"),
            ours=lambda i=i: prepare(
                ntu(raw), folder / f"ours{i}", workers=workers, progress=False
            ),
        )
        for name, whole in wholes.items():
            before = work()
            rows[name].append(timed(whole) / clips)
            rows[f"{name}_work"].append((work() - before) / clips)
        for name, part in parts.items():
            rows[name].append(timed(part, clock=time.process_time) / len(some))
    ms = {name: 1e3 * median(seconds) for name, seconds in rows.items()}
    check(folder / "plain0", folder / "ours0")
    report(ms, size / clips / 1e3, sum(map(len, wanted)) / len(some))


def positions(content):
    "Words of a .skeleton file that are positions: the first three of the twelve of a joint"
    words = []
    for line in content.split(b"\n"):
        if len(line.split()) == 12:
            words += line.split()[:3]
    return words


def report(ms, kilobytes, numbers):
    "Print milliseconds a clip side by side"
    print(f"the whole, plain, once a protocol   {ms['plain']:8.2f} ms a clip")
    print(
        f"the whole, hysp, both protocols     {ms['ours']:8.2f} ms a clip   "
        f"{ms['plain'] / ms['ours']:.1f} times faster"
    )
    print(
        f"processor time of the two           {ms['plain_work']:8.2f} and {ms['ours_work']:.2f} "
        f"ms a clip, all processes together: {ms['plain_work'] / ms['ours_work']:.1f} times less"
    )
    print(f"parsing alone, plain                {ms['plain_parse']:8.2f} ms a clip of one core")
    print(
        f"parsing alone, hysp                 {ms['parse']:8.2f} ms a clip of one core   "
        f"{ms['plain_parse'] / ms['parse']:.1f} times faster"
    )
    floor = ms["read"] + ms["split"] + ms["convert"]
    print(
        f"the floor: read {kilobytes:.0f} kB {ms['read']:.2f}, split them at blanks "
        f"{ms['split']:.2f}, {numbers:.0f} numbers from text {ms['convert']:.2f}: "
        f"{floor:.2f} ms; hysp parses in {ms['parse'] / floor:.1f} times that"
    )


def check(plain, ours):
    "Both ways give the same arrays"
    x = np.load(ours / "position.npy", mmap_mode="r")
    with open(ours / "samples.csv", newline="") as f:
        rows = {row["name"]: i for i, row in enumerate(csv.DictReader(f))}
    one_body = ((0, 0), (0, 0), (0, 0), (0, 2 - x.shape[-1]))
    for path in plain.rglob("*_position.npy"):
        with open(path.with_name(path.name.replace("position.npy", "label.pkl")), "rb") as f:
            names, _ = pickle.load(f)
        theirs = np.load(path, mmap_mode="r")
        for i, name in enumerate(names):
            np.testing.assert_allclose(np.pad(x[rows[name]], one_body), theirs[i], atol=1e-5)
    print("both gave the same arrays")


# Memory, in a process of its own


def memory(folder, counts, workers):
    for n in counts:
        raw = folder / f"raw{n}"
        size = tree(raw, n, kinds=20, shortest=8)
        done = subprocess.run(
            [sys.executable, __file__, "--peak", str(raw), "--workers", str(workers)],
            capture_output=True,
            text=True,
            check=True,
        )
        print(f"{n:6} clips of 8 frames, {size / 1e6:.0f} MB: {done.stdout.strip()}")


def peak(raw, workers):
    "Prepare, then say how much memory that took"

    def mb(who):
        return resource.getrusage(who).ru_maxrss / 1024

    before = mb(resource.RUSAGE_SELF)
    seconds = timed(
        lambda: prepare(ntu(raw), raw.with_suffix(".out"), workers=workers, progress=False)
    )
    print(
        f"peak {mb(resource.RUSAGE_SELF):.0f} MB ({before:.0f} of them before the first clip, "
        f"torch and NumPy), largest worker {mb(resource.RUSAGE_CHILDREN):.0f} MB, {seconds:.0f} s"
    )


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--clips", type=int, default=240, help="clips of the race")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--workers", type=int, default=min(2, os.cpu_count()))
    p.add_argument(
        "--memory",
        type=int,
        nargs="*",
        help="numbers of clips at which to measure the peak instead, such as 1000 20000",
    )
    p.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.peak:
        peak(args.peak, args.workers)
    else:
        with tempfile.TemporaryDirectory() as folder:
            if args.memory:
                memory(Path(folder), args.memory, args.workers)
            else:
                speed(Path(folder), args.clips, args.rounds, args.workers)
