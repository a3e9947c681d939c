"""Every figure of nbs/tutorials/what_pretraining_buys.ipynb, one row at a time: what pre-training buys, and what the
radius knows.

    python tools/what_pretraining_buys.py synthetic FOLDER --seeds 0 1 2
    python tools/what_pretraining_buys.py uiprmd FOLDER --data DATASET_FOLDER --seeds 0

FOLDER keeps the runs. Each finished row is added to nbs/tutorials/what_pretraining_buys.csv, and one that is there is
not computed again, so the same command continues after an interruption. `--epochs 2 --tune-epochs 2 --csv try.csv`
tries it out.
"""

import argparse
import contextlib
import csv
import io
import os
from pathlib import Path

import numpy as np

from hysp.config import load_config
from hysp.core import write_table
from hysp.evaluate import features, judge, linear_probe
from hysp.feeder import Dataset, write_view
from hysp.metrics import aurc, auroc
from hysp.prepare import prepare
from hysp.recipes import evaluate, pretrain
from hysp.runs import load_run
from hysp.settings import Evaluate, Pretrain, Tune
from hysp.synthetic import generate
from hysp.uncertainty import (
    choose_by_certainty,
    clip_radii,
    explained_variance,
    online_part,
    query_labels,
    query_orders,
)

root = Path(__file__).parents[1]
columns = "set", "seed", "weights", "measure", "value", "low", "high", "clips"
settings = dict(synthetic="tiny/synth", uiprmd="uiprmd")
protocols = dict(
    knn=("1-NN", "knn"),
    linear=("linear", "linear"),
    few=("semi 1 %", "semi"),
    some=("semi 10 %", "semi"),
    supervised=("supervised", "supervised"),
)


class Table:
    "The CSV, written anew with every row"

    def __init__(self, path):
        self.path = Path(path)
        self.rows = []
        if self.path.exists():
            with open(self.path, newline="", encoding="utf-8") as f:
                self.rows = [tuple(row) for row in csv.reader(f)][1:]

    def has(self, *key):
        return any(row[:4] == tuple(map(str, key)) for row in self.rows)

    def add(self, *row):
        if self.has(*row[:4]):
            return
        self.rows.append(
            tuple(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row)
        )
        write_table(self.path, columns, self.rows)
        print(*self.rows[-1], flush=True)


def quiet(function, *args):
    with contextlib.redirect_stdout(io.StringIO()):
        return function(*args)


def trained(args, data, out, seed, **options):
    "A run folder"
    given = dict(data=data, out=out, seed=seed, device=args.device, **options)
    if args.epochs:
        given |= dict(epochs=args.epochs, ramp=(1, max(1, args.epochs // 4)))
    return quiet(pretrain, load_config(Pretrain, settings[args.set], given)).run


def accuracies(args, table, data, run, seed):
    "Pre-trained against random weights, protocol by protocol"
    names = {"encoder": "pretrained", "untrained": "random", "raw coordinates": "coordinates"}
    epochs = args.tune_epochs
    tune = Tune(epochs=epochs, steps=(epochs * 3 // 5, epochs * 4 // 5))
    for measure, protocol in protocols.values():
        if all(table.has(args.set, seed, w, measure) for w in ("pretrained", "random")):
            continue
        cfg = Evaluate(
            run,
            data=data,
            out=run / "judged",
            protocols=(protocol,),
            shares=(float(measure.split()[1]) / 100,) if protocol == "semi" else (0.1,),
            seed=seed,
            device=args.device,
            tune=tune,
        )
        for row in quiet(evaluate, cfg):
            weights = names.get(row["features"] if row["kind"] == "free" else row["kind"])
            if weights and measure in row["verdicts"]:
                verdict = row["verdicts"][measure][0]
                add_verdict(table, (args.set, seed, weights, measure), verdict)


def add_verdict(table, key, verdict):
    table.add(*key, verdict.top1, *verdict.interval, len(verdict.pred))


def both_splits(data):
    return Dataset(data, "xsub/train"), Dataset(data, "xsub/val")


def radius_figures(args, table, data, run, seed, pool):
    """AUROC of radius and baseline within one-person clips, and what explains the radius,
    for one pooling of bodies"""
    key = args.set, seed, f"pool {pool}"
    if table.has(*key, "radius explained by all"):
        return
    model, _ = load_run(run)
    train, val = both_splits(data)
    z_train, z_val = (features(model.online_encoder, split) for split in (train, val))
    scores = linear_probe(z_train, train.labels, z_val, train.classes, seed=seed).double()
    right = scores.argmax(1).numpy() == val.labels
    radius = clip_radii(features(online_part(model), val))
    certainties = {"radius": radius, "max probability": scores.softmax(1).max(1)[0].numpy()}

    alone = val.columns["bodies"] == 1
    everyone = np.ones(len(val), bool)
    parts = {"": everyone, ", one person": alone, ", two people": ~alone}
    for who, part in parts.items():
        for name, certainty in certainties.items() if part.any() else ():
            for what, function in (("AUROC", auroc), ("AURC", aurc)):
                value = function(certainty[part], right[part])
                table.add(*key, f"{what} of {name}{who}", value, "", "", int(part.sum()))
    causes = {
        "bodies": val.columns["bodies"].astype(int),
        "length": val.columns["frames"].astype(float),
        "class": val.labels,
    }
    for cause, share in explained_variance(radius, **causes).items():
        table.add(*key, f"radius explained by {cause}", share, "", "", len(val))


def halves(args, table, data, run, seed, folder):
    """Pre-train on the certain, the uncertain and every other clip; linear probe on all
    training clips"""
    model, _ = load_run(run)
    train = Dataset(data, "xsub/train")
    radius = clip_radii(features(online_part(model), train))
    for keep in ("high", "low", "mixed"):
        if table.has(args.set, seed, f"half {keep}", "linear"):
            continue
        chosen = choose_by_certainty(radius, keep)
        about = dict(by="radius", keep=keep)
        half = write_view(train, chosen, folder / f"{keep}{seed}", about, overwrite=True)
        again = trained(args, half, folder / f"run_{keep}{seed}", seed)
        cfg = Evaluate(again, data=data, baselines=False, seed=seed, device=args.device)
        row = quiet(evaluate, cfg)[0]
        for measure in ("1-NN", "linear"):
            add_verdict(
                table, (args.set, seed, f"half {keep}", measure), row["verdicts"][measure][0]
            )


def labelling(args, table, data, run, seed):
    "Accuracy of the probe against the number of labels that were asked for, by each way of asking"
    if table.has(args.set, seed, query_orders[-1], "labels 20 %"):
        return
    train, val = both_splits(data)
    model, _ = load_run(run)
    z_train, z_val = (features(model.online_encoder, split) for split in (train, val))
    radius = clip_radii(features(online_part(model), train))
    shares = 0.01, 0.02, 0.05, 0.1, 0.2
    counts = [max(1, round(share * len(train))) for share in shares]
    for order in query_orders:
        asked = query_labels(order, z_train, radius, train.labels, train.classes, counts, seed=seed)
        for share, chosen in zip(shares, asked):
            scores = linear_probe(
                z_train[chosen], train.labels[chosen], z_val, train.classes, seed=seed, by=z_train
            )
            key = args.set, seed, order, f"labels {100 * share:g} %"
            add_verdict(table, key, judge(scores, val.labels))


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("set", choices=settings)
    p.add_argument("folder", type=Path)
    p.add_argument("--data", type=Path)
    p.add_argument("--seeds", type=int, nargs="+", default=[0])
    p.add_argument(
        "--run", type=Path, help="a finished pre-training to judge in place of a new one (one seed)"
    )
    p.add_argument("--parts", nargs="+", default=["accuracy", "radius", "halves", "labels"])
    p.add_argument("--epochs", type=int)
    p.add_argument("--tune-epochs", type=int, default=100)
    p.add_argument("--csv", type=Path, default=root / "nbs/tutorials/what_pretraining_buys.csv")
    p.add_argument("--device", default="cpu")
    args = p.parse_args()
    os.environ.setdefault("TQDM_DISABLE", "1")
    table, folder = Table(args.csv), args.folder
    for seed in args.seeds:
        data = args.data or folder / "data"
        if args.set == "synthetic" and not data.exists():
            people = generate(1200, subjects=10, seed=0, difficulty="easy")
            prepare(people, data, 16, align="frame", scale="none", progress=False)
        run = args.run or trained(args, data, folder / f"run{seed}", seed)
        if "accuracy" in args.parts:
            accuracies(args, table, data, run, seed)
        if "radius" in args.parts:
            radius_figures(args, table, data, run, seed, load_run(run)[1]["spec"]["pool"])
        if "radius" in args.parts and args.set == "synthetic":
            all_bodies = trained(args, data, folder / f"run_all{seed}", seed, pool="all")
            radius_figures(args, table, data, all_bodies, seed, "all")
        if "labels" in args.parts:
            labelling(args, table, data, run, seed)
        if "halves" in args.parts:
            halves(args, table, data, run, seed, folder)


if __name__ == "__main__":
    main()
