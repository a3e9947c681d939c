"""A training killed at random moments, each continued to its end: are the results equal to the bit?

    python bench/kills.py --kills 50

A small pre-training is run once without interruption and timed. Then it is begun again and again, killed at a random
moment between its start and its end (SIGKILL, which nothing can catch), and continued by the same command. Compared
are all weights and their descriptions, the whole state and the table of metrics, but for the seconds that epochs took
and the identity of the run. Nothing hidden may be left in the folder. It takes about 3 seconds a kill on one core;
the exit code is 1 where a result differs."""

import argparse
import multiprocessing
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from test_train import differing, outcome  # noqa: E402

from hysp.checkpoint import load_state  # noqa: E402
from hysp.prepare import prepare  # noqa: E402
from hysp.recipes import pretrain  # noqa: E402
from hysp.settings import Pretrain  # noqa: E402
from hysp.synthetic import generate  # noqa: E402


def small(place):
    "Settings of a run of a few seconds that saves often"
    return Pretrain(
        place / "data",
        place / "run",
        width=4,
        out_dim=8,
        epochs=12,
        batch=12,
        save_every=1,
        keep_every=3,
        threads=1,
        device="cpu",
    )


def train(place, log):
    "The whole command, what it prints in a file"
    with open(log, "a") as sys.stdout:
        sys.stderr = sys.stdout
        pretrain(small(place))


def started(*args):
    "A process that trains, forked from a server that has imported everything and computed nothing"
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["pytest", "hysp.recipes", "torch._dynamo", "geoopt"])
    process = server.Process(target=train, args=args)
    process.start()
    return process


def finish(process, log):
    process.join()
    if process.exitcode:
        raise SystemExit(f"a run ended with {process.exitcode}:\n{Path(log).read_text()}")


def where_killed(run):
    "How far a killed run had got, in words"
    if not run.is_dir():
        return "before there was a folder"
    if any(run.glob(".*.tmp")):
        return "while it wrote a file"
    if not (run / "last.pt").exists():
        return "before the first state"
    epoch = load_state(run / "last.pt")["epoch"]
    return "at its end" if epoch == 12 else "before the first epoch" if not epoch else "between"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args()
    place = Path(tempfile.mkdtemp())
    log = place / "log"
    people = generate(48, classes=["wave", "kick"], subjects=4, seed=0, difficulty="easy")
    prepare(people, place / "data", frames=8, progress=False)
    run = place / "run"
    finish(started(place, log), log)  # Starts the server, so that the next one is timed alone
    wanted = outcome(run)
    shutil.rmtree(run)
    begin = time.perf_counter()
    finish(started(place, log), log)
    whole = time.perf_counter() - begin
    print(f"a whole run: {whole:.1f} s, {len(wanted)} values; two of them equal:", end=" ")
    print(not differing(wanted, outcome(run)))

    chance = random.Random(args.seed)
    moments = Counter()
    odd = []
    while sum(moments.values()) < args.kills:
        shutil.rmtree(run, ignore_errors=True)
        process = started(place, log)
        process.join(chance.uniform(0, whole))
        process.kill()
        process.join()
        if process.exitcode != -signal.SIGKILL:  # Too late, it was done: another moment
            continue
        moments[where_killed(run)] += 1
        finish(started(place, log), log)
        differences = differing(wanted, outcome(run))
        differences += [path.name for path in run.glob(".*")]
        if differences:
            odd.append(f"kill {sum(moments.values())}: {sorted(differences)[:5]}")
    for moment, count in moments.most_common():
        print(f"killed {moment}: {count}")
    print(f"{args.kills - len(odd)} of {args.kills} results are equal to the bit")
    for line in odd:
        print(line)
    shutil.rmtree(place)
    return bool(odd)


if __name__ == "__main__":
    raise SystemExit(main())
