"""What a minute on one CPU core teaches, beside what costs nothing: the table of the tutorial *a minute on a laptop*

    python tools/a_minute_on_a_laptop.py --sets synthetic kard.npz ... --seeds 0 1 2 \\
        --out nbs/tutorials/a_minute_on_a_laptop.csv

A set is `synthetic` or an npz of plain arrays. Odd subjects train, even subjects judge. Each recipe has its steps from
the list below; the seconds of processor time that its training took are written down beside what it reached, pairs
included. Lines that are in the file already are not measured again."""

import argparse
import contextlib
import csv
import io
import itertools
import tempfile
import time
from pathlib import Path

import torch

from hysp.config import load_config
from hysp.core import write_table
from hysp.feeder import Dataset
from hysp.prepare import prepare
from hysp.readers import arrays
from hysp.recipes import evaluate, pretrain
from hysp.settings import Evaluate, Pretrain
from hysp.synthetic import generate

HEAD = "set", "recipe", "pairs", "seed", "features", "measure", "top1", "clips", "seconds"

# Name: the settings it starts from, and those that differ. The last is the paper's recipe, in small.
RECIPES = {
    "SimCLR, lorentz": ("quick", dict()),
    "SimCLR, angle": ("quick", dict(ramp=None)),
    "SkeletonCLR, ball": ("quick", dict(model="skeletonclr", queue=1024, ema=0.99)),
    "HYSP's loss": ("quick", dict(model="hysp", ema=0.99)),
    "HYSP as published": ("uiprmd", dict()),
}
PAPER_STEPS = 400  # of 16 clips: the better part of a minute


def prepared(name, folder):
    "A dataset folder of `synthetic` or of an npz"
    source = generate(seed=0) if name == "synthetic" else arrays(name)
    return prepare(source, folder / Path(name).stem, 16, progress=False)


def settings(recipe, pairs, data, out, seed, clips):
    "Settings of one run"
    config, own = RECIPES[recipe]
    if config == "uiprmd":
        epochs = max(2, round(PAPER_STEPS / (clips // 16)))
        own = dict(epochs=epochs, ramp=(1, max(2, epochs // 6)))
    rarely = dict(save_every=10**6, keep_every=10**6)
    given = dict(own, **rarely, data=data, out=out, seed=seed, pairs=pairs, threads=1)
    return load_config(Pretrain, config, given)


def measured(recipe, pairs, data, out, seed, free, rerank):
    "One run and what it reached: lines of the table; with `free`, what costs nothing too"
    cfg = settings(recipe, pairs, data, out, seed, len(Dataset(data, "xsub/train")))
    begun = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        run = pretrain(cfg).run
        seconds = time.process_time() - begun
        rows = evaluate(Evaluate(run, rerank=rerank, seed=seed, baselines=free, threads=1))
    for row in rows:
        for measure, (verdict, _) in row["verdicts"].items():
            measure = measure.replace("re-ranked", f"re-ranked from {rerank}")
            top1, count = f"{100 * verdict.top1:.2f}", len(verdict.pred)
            if row["weights"] is None:
                yield "nothing learnt", "", seed, row["features"], measure, top1, count, ""
            else:
                name = read_out(row["features"])
                yield recipe, pairs, seed, name, measure, top1, count, f"{seconds:.1f}"


def read_out(features):
    "How the table calls what was read out of an encoder"
    name = features.split(", epoch")[-1].lstrip(" 0123456789")
    return {"": "encoder", ", tangents": "tangents"}.get(name, name)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--sets", nargs="+", default=["synthetic"])
    p.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    p.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    p.add_argument("--pairs", nargs="+", default=["people", "own"])
    p.add_argument(
        "--rerank", type=int, default=5, help="neighbours that time warping looks at again"
    )
    p.add_argument("--out", type=Path, required=True)
    args = p.parse_args()
    torch.set_num_threads(1)
    table = []
    if args.out.exists():
        with open(args.out, encoding="utf-8", newline="") as f:
            table = [tuple(line.values()) for line in csv.DictReader(f)]
    with tempfile.TemporaryDirectory() as folder:
        for name in args.sets:
            data = prepared(name, Path(folder))
            for seed, recipe, pairs in itertools.product(args.seeds, args.recipes, args.pairs):
                done = {line[:4] for line in table}
                short = Path(name).stem
                if (short, recipe, pairs, str(seed)) in done:
                    continue
                free = (short, "nothing learnt", "", str(seed)) not in done
                out = Path(folder) / f"{short}-{recipe}-{pairs}-{seed}"
                lines = measured(recipe, pairs, data, out, seed, free, args.rerank)
                table += [(short, *map(str, line)) for line in lines]
                write_table(args.out, HEAD, table)
                print(short, recipe, pairs, seed, flush=True)


if __name__ == "__main__":
    main()
