"""The table of nbs/tutorials/geometry_matters.ipynb: three models in two geometries, three streams, and the options
that part from the paper.

    python tools/geometry_matters.py    # the embedded set, three seeds: 36 runs of about 2 minutes on one quiet core
    python tools/geometry_matters.py --set uiprmd --data DIR --seeds 0    # UI-PRMD, one seed
    python tools/geometry_matters.py --clips 240 --epochs 1 --seeds 0 --out try.csv    # to see it work

One row is written after each run. What is in the file already is not done again, and a run that was interrupted
continues."""

import argparse
import csv
from pathlib import Path

from hysp.config import load_config
from hysp.core import write_table
from hysp.prepare import prepare
from hysp.recipes import evaluate, pretrain
from hysp.settings import Evaluate, Pretrain
from hysp.synthetic import generate

root = Path(__file__).parents[1]
columns = (
    "set",
    "clips",
    "epochs",
    "model",
    "geometry",
    "stream",
    "option",
    "seed",
    "linear",
    "knn",
    "radius",
    "std",
    "rank",
    "seconds",
)
key = columns[:8]  # What tells one run from another
# HYSP and SimSiam with the set's own ramp
hyperbolic = dict(hysp={}, simsiam=dict(pred_dim=32), skeletonclr=dict(ramp=(0, 0), queue=256))
options = dict(
    pool=dict(pool="all"),
    ball=dict(geometry="ball"),
    sgd=dict(optimizer="sgd", lr=0.05, weight_decay=1e-4),
    riemannian_sgd=dict(optimizer="riemannian_sgd", lr=0.05, weight_decay=1e-4),
)


def plan():
    "Model, geometry, stream, option, and what they mean as settings"
    for model, own in hyperbolic.items():
        yield model, "euclidean", "joint", "", own | dict(ramp=None)
        yield model, "hyperbolic", "joint", "", own
    for stream in ("motion", "bone"):
        yield "hysp", "hyperbolic", stream, "", {}
    for name, own in options.items():
        yield "hysp", "hyperbolic", "joint", name, own


def read(path):
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, columns, [[row[name] for name in columns] for row in rows])


def same_run(row, other):
    return all(str(row[name]) == str(other[name]) for name in key)


def measured(args, data, row, own):
    "Pre-train, judge, and return the row filled in"
    out = args.work / "-".join(str(row[name]) for name in key if row[name] != "")
    settings = dict(
        data=data,
        out=out,
        model=row["model"],
        stream=row["stream"],
        seed=row["seed"],
        threads=1,
        **own,
    )
    if args.epochs:
        settings["epochs"] = args.epochs
    trainer = pretrain(load_config(Pretrain, f"tiny/{args.set}", settings))
    cfg = Evaluate(trainer.run, seed=row["seed"], threads=1, baselines=False)
    judged = evaluate(cfg)[0]
    last = trainer.rows[-1]
    return dict(
        row,
        linear=round(judged["linear"], 4),
        knn=round(judged["1-NN"], 4),
        radius=round(last["median_norm"], 4),
        std=round(last["std"], 3),
        rank=round(last["rank"], 2),
        seconds=round(sum(epoch["seconds"] for epoch in trainer.rows)),
    )


if __name__ == "__main__":
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--set", choices=["synth", "uiprmd"], default="synth")
    p.add_argument(
        "--data", type=Path, help="dataset folder; the embedded set is made if none is given"
    )
    p.add_argument("--clips", type=int, default=1200, help="of the embedded set")
    p.add_argument("--epochs", type=int, help="other than the tiny settings say")
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    p.add_argument(
        "--work", type=Path, default=root / "runs" / "geometry", help="where the runs go"
    )
    p.add_argument("--out", type=Path, default=root / "nbs" / "tutorials" / "geometry_matters.csv")
    args = p.parse_args()
    data = args.data or args.work / f"synth-{args.clips}"
    if not args.data and not data.exists():
        people = generate(args.clips, subjects=10, seed=0, difficulty="easy")
        prepare(people, data, frames=16, align="frame", scale="none")
    epochs = args.epochs or load_config(Pretrain, f"tiny/{args.set}", missing=Path()).epochs
    clips = args.clips if args.set == "synth" else 2000
    for seed in args.seeds:
        for model, geometry, stream, option, own in plan():
            values = args.set, clips, epochs, model, geometry, stream, option, seed
            row = dict(zip(key, values))
            rows = read(args.out)
            if not any(same_run(row, done) for done in rows):
                write(args.out, [*rows, measured(args, data, row, own)])
                print(f"{args.out}: {len(rows) + 1} rows")
