"""A full disk at each write of each command: one sentence, nothing older lost, and with room the command works

    python bench/disk_full.py [COMMAND ...] [--every 1]

Each command is run again and again in a process of its own. In the n-th run the n-th call that writes (a flush, a
rename, a new folder, a row of an array) fails as on a full disk, until a run has no such call left. Then files may
not grow beyond half the size of each that the command writes, so that they fail in the middle. After each failure
the command must have said one sentence and ended with 2, files that were there before must be as they were, but for
the records that a run keeps of itself, and nothing hidden may be left, but for what a preparation continues from.
Then it is run once more with room, and must end well. The exit code is 1 where something breaks."""

import argparse
import errno
import io
import multiprocessing
import os
import re
import resource
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np

from hysp.cli import main as hysp
from hysp.prepare import prepare
from hysp.recipes import pretrain
from hysp.settings import Pretrain
from hysp.synthetic import generate

writers = "fsync replace mkdir pwrite ftruncate posix_fallocate".split()
small = "--width 4 --out-dim 8 --epochs 2 --batch 12 --save-every 1 --keep-every 1 --threads 1"
quick = "--threads 1 --device cpu"
commands = dict(
    prepare="arrays clips.npz --out new --frames 8 --train-subjects 1 2 --workers 1",
    synth="--out new --n 8 --classes 2 --subjects 4",
    pretrain=f"--data data --out new {small} --device cpu",
    evaluate=f"run --out new --rerank 3 {quick}",
    ensemble=f"run run --out new {quick}",
    subset=f"data --run run --out new {quick}",
    embed=f"run --html page.html --out here.npz {quick}",
    export="run --format torchscript --out encoder.pt",
    info="data --picture picture.png",
    demo="--data data --out new --steps 4 --threads 1 --device cpu",
)


def make_inputs(place):
    "Clips as an npz, a dataset folder, and a run"
    people = generate(48, classes=["wave", "kick"], subjects=4, seed=0, difficulty="easy")
    data = prepare(people, place / "data", frames=8, progress=False)
    rng = np.random.default_rng(0)
    np.savez(
        place / "clips.npz",
        frames=rng.normal(size=(64, 5, 3)),
        offsets=np.arange(0, 65, 8),
        label=np.arange(8) % 2,
        subject=np.arange(8) // 2,
        joint_names=["hip", "neck", "head", "left hand", "right hand"],
        parents=[-1, 0, 1, 1, 1],
    )
    options = dict(width=4, out_dim=8, epochs=2, batch=12, keep_every=1, device="cpu")
    os.chdir(place)  # The run names its data as it was told
    pretrain(Pretrain(data.relative_to(place), Path("run"), threads=1, **options))


def fail_at(n, count):
    "Make the n-th writing call fail; `count` holds how many there were"

    def watched(call):
        def wrapper(*args, **options):
            count.value += 1
            if count.value == n:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*args, **options)

        return wrapper

    for name in writers:
        setattr(os, name, watched(getattr(os, name)))


def in_a_process(place, words, count, n=None, size=None):
    "Run a command in a place; at the n-th call, or beyond the size, the disk is full"
    os.chdir(place)
    sys.stdout = sys.stderr = io.StringIO()
    if n is not None:
        fail_at(n, count)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    if size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        code = hysp(words)
    except BaseException:
        code = 1
        traceback.print_exc()
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    (place.parent / "said").write_text(sys.stdout.getvalue())
    os._exit(code)


def run(place, words, n=None, size=None):
    "Exit code, what was said, and how many writing calls there were"
    context = multiprocessing.get_context("fork")
    count = context.Value("i", 0)
    process = context.Process(target=in_a_process, args=(place, words, count, n, size))
    process.start()
    process.join()
    return process.exitcode, (place.parent / "said").read_text(), count.value


def contents(place):
    "Bytes of the files that are there, by name"
    files = [path for path in sorted(place.rglob("*")) if path.is_file()]
    return {str(path.relative_to(place)): path.read_bytes() for path in files}


def hidden(place):
    "Hidden names, but for the folder that an interrupted preparation continues from"
    found = [str(path.relative_to(place)) for path in place.rglob(".*")]
    return [name for name in found if not name.endswith(".part")]


def wrong(place, before, code, said):
    "What is wrong after a failure; an empty list is right"
    found = []
    *_, last = [line for line in re.split("[\r\n]", said) if line.strip()] or [""]
    if code != 2 or not last.startswith("hysp: ") or "Traceback" in said:
        found.append(f"exit code {code}: {last[:200]}")
    now = contents(place)
    older = [name for name in before if not name.endswith("verified.json")]
    found += [f"changed: {name}" for name in older if now.get(name) != before[name]]
    return found + [f"left: {name}" for name in hidden(place)]


def try_command(name, inputs, place, every):
    "Let one command fail everywhere; number of failures, and a line for each that broke something"
    words = [name, *commands[name].split()]
    before = contents(inputs)
    broken = []
    tried = 0

    def fresh():
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(inputs, place)

    def check(what, **limit):
        "False where the disk had room for all"
        nonlocal tried
        fresh()
        code, said, calls = run(place, words, **limit)
        if code == 0 and calls < limit.get("n", 1):
            return False
        tried += 1
        if code == 0:  # What failed was not needed, as the flush of a folder
            return True
        found = wrong(place, before, code, said)
        code, said, _ = run(place, words)
        if code:
            found.append(f"with room again, exit code {code}: {said[-200:]}")
        broken.extend(f"{name}, {what}: {line}" for line in found)
        return True

    fresh()
    code, said, _ = run(place, words)
    if code:
        return 0, [f"{name} does not work at all: {said[-300:]}"]
    sizes = {len(content) for path, content in contents(place).items() if path not in before}
    n = 1
    while check(f"call {n}", n=n):
        n += every
    for size in sorted(sizes):
        check(f"files of at most {size // 2} bytes", size=size // 2)
    return tried, broken


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs="*", default=list(commands))
    parser.add_argument("--every", type=int, default=1, help="try each so-manieth call alone")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    inputs = folder / "inputs"
    inputs.mkdir()
    make_inputs(inputs)
    bad = 0
    for name in args.command:
        tried, broken = try_command(name, inputs, folder / "place", args.every)
        print(f"{name:10}{tried:4} failures, {len(broken)} of them break something", flush=True)
        for line in broken:
            print(f"  {line}", flush=True)
        bad += len(broken)
    shutil.rmtree(folder)
    return bad > 0


if __name__ == "__main__":
    raise SystemExit(main())
