"How fast `hysp prepare ntu60` is beside a reader of the sort everyone writes, how near the floor, and how much memory it takes: python bench/prepare.py"

import argparse
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from hysp.prepare import align, centre, keep_memory, prepare, resize, valid_frames
from hysp.kinect import ntu, ntu_protocols, read_skeleton
from hysp.synthetic import generate

# Made-up trees, in the form and of the size of NTU RGB+D: CRLF, 7 significant digits, 12 values a joint


def text(position, rng):
    "A clip (3, T, 25, M) as a .skeleton file"
    there, out = (position != 0).any((0, 2)), []
    out.append(str(position.shape[1]))
    for t in range(position.shape[1]):
        out.append(str(there[t].sum()))
        for m in np.flatnonzero(there[t]):
            rest = np.concatenate(
                [
                    rng.uniform(100, 500, (25, 2)),
                    rng.uniform(300, 1500, (25, 2)),
                    rng.normal(size=(25, 4)) * 0.3,
                ],
                1,
            )
            out += [f"7205759403793{1101 + m} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25"]
            out += [
                " ".join(f"{o:.7g}" for o in row) + " 2"
                for row in np.concatenate([position[:, t, :, m].T, rest], 1)
            ]
    return ("\r\n".join(out) + "\r\n").encode()


def tree(folder, n, kinds=60, shortest=None):
    "n files: names as those of NTU RGB+D 60, contents of so many different clips"
    rng, people = np.random.default_rng(0), generate(kinds, subjects=10, seed=0, difficulty="easy")
    texts = [text(people[i].position[:, :shortest], rng) for i in range(kinds)]
    folder.mkdir(parents=True)
    for i in range(n):
        j, subject = i // 60, 1 + i // 60 % 40
        (
            folder
            / f"S{1 + j // 240 % 17:03}C{1 + j // 40 % 3:03}P{subject:03}R{1 + j // 120 % 2:03}A{1 + i % 60:03}.skeleton"
        ).write_bytes(texts[i % kinds])
    return sum(o.stat().st_size for o in folder.iterdir())


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


def plain_read(path):
    with open(path) as f:
        sequence = dict(frames=[], n=int(f.readline()))
        for _ in range(sequence["n"]):
            frame = dict(bodies=[], n=int(f.readline()))
            for _ in range(frame["n"]):
                body = {k: float(v) for k, v in zip(body_keys, f.readline().split())}
                body["joints"] = [
                    {k: float(v) for k, v in zip(joint_keys, f.readline().split())}
                    for _ in range(int(f.readline()))
                ]
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
            files = [
                o
                for o in sorted(raw.iterdir())
                if ((int(o.name[5:8]) if name == "xview" else int(o.name[9:12])) in train)
                == (part == "train")
            ]
            folder = out / name
            folder.mkdir(parents=True, exist_ok=True)
            with open(folder / f"{part}_label.pkl", "wb") as f:
                pickle.dump(([o.stem for o in files], [int(o.name[17:20]) - 1 for o in files]), f)
            full = np.lib.format.open_memmap(
                folder / f"{part}_300.npy", "w+", np.float32, (len(files), 3, 300, 25, 2)
            )
            for i, o in enumerate(files):
                full[i] = plain_read(o)
            full.flush()
            final = np.lib.format.open_memmap(
                folder / f"{part}_position.npy", "w+", np.float32, (len(files), 3, 50, 25, 2)
            )
            full = np.load(folder / f"{part}_300.npy", mmap_mode="r")
            for i, x in enumerate(full):
                final[i] = align(
                    resize(centre(x, "ntu-rgb+d")[:, : valid_frames(x)], 50), "ntu-rgb+d"
                )
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
    keep_memory()  # as the workers of prepare do; the plain reader has it too
    files = sorted(raw.iterdir())
    data, some = [o.read_bytes() for o in files], files[:40]
    print(
        f"{clips} clips, {size / 1e6:.1f} MB, {size / clips / 1e3:.0f} kB each; {workers} workers, {rounds} rounds, medians"
    )
    wanted = [
        [x for line in o.split(b"\n") if len(v := line.split()) == 12 for x in v[:3]]
        for o in data[:40]
    ]
    rows = dict(
        plain=[],
        ours=[],
        plain_work=[],
        ours_work=[],
        plain_parse=[],
        parse=[],
        split=[],
        convert=[],
        read=[],
    )
    for i in range(rounds):
        for k, f in dict(
            plain=lambda i=i: plain_prepare(raw, folder / f"plain{i}"),
            ours=lambda i=i: prepare(
                ntu(raw), folder / f"ours{i}", workers=workers, progress=False
            ),
        ).items():
            before = work()
            rows[k].append(timed(f) / clips)
            rows[f"{k}_work"].append((work() - before) / clips)
        for k, f in dict(
            plain_parse=lambda: [plain_read(o) for o in some],
            parse=lambda: [read_skeleton(o.read_bytes()) for o in some],
            split=lambda: [o.split() for o in data[:40]],
            convert=lambda: [np.fromiter(map(float, o), float, len(o)) for o in wanted],
            read=lambda: [o.read_bytes() for o in some],
        ).items():
            rows[k].append(timed(f, clock=time.process_time) / 40)
    ms = {k: 1e3 * median(v) for k, v in rows.items()}
    check(folder / "plain0", folder / "ours0")
    print(
        f"the whole, plain, once a protocol   {ms['plain']:8.2f} ms a clip\nthe whole, hysp, both protocols     {ms['ours']:8.2f} ms a clip   {ms['plain'] / ms['ours']:.1f} times faster"
    )
    print(
        f"processor time of the two           {ms['plain_work']:8.2f} and {ms['ours_work']:.2f} ms a clip, all processes together: {ms['plain_work'] / ms['ours_work']:.1f} times less"
    )
    print(
        f"parsing alone, plain                {ms['plain_parse']:8.2f} ms a clip of one core\nparsing alone, hysp                 {ms['parse']:8.2f} ms a clip of one core   {ms['plain_parse'] / ms['parse']:.1f} times faster"
    )
    n = sum(map(len, wanted)) / 40
    print(
        f"the floor: read {size / clips / 1e3:.0f} kB {ms['read']:.2f}, split them at blanks {ms['split']:.2f}, {n:.0f} numbers from text {ms['convert']:.2f}: "
        f"{(floor := ms['read'] + ms['split'] + ms['convert']):.2f} ms; hysp parses in {ms['parse'] / floor:.1f} times that"
    )


def check(plain, ours):
    "Both ways give the same arrays"
    import csv

    x = np.load(ours / "position.npy", mmap_mode="r")
    with open(ours / "samples.csv", newline="") as f:
        rows = {o["name"]: i for i, o in enumerate(csv.DictReader(f))}
    for o in plain.rglob("*_position.npy"):
        with open(o.with_name(o.name.replace("position.npy", "label.pkl")), "rb") as f:
            names, _ = pickle.load(f)
        theirs = np.load(o, mmap_mode="r")
        for i, name in enumerate(names):
            np.testing.assert_allclose(
                np.pad(x[rows[name]], ((0, 0), (0, 0), (0, 0), (0, 2 - x.shape[-1]))),
                theirs[i],
                atol=1e-5,
            )
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
        f"peak {mb(resource.RUSAGE_SELF):.0f} MB ({before:.0f} of them before the first clip, torch and NumPy), largest worker {mb(resource.RUSAGE_CHILDREN):.0f} MB, {seconds:.0f} s"
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
        with tempfile.TemporaryDirectory() as d:
            if args.memory:
                memory(Path(d), args.memory, args.workers)
            else:
                speed(Path(d), args.clips, args.rounds, args.workers)
