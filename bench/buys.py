"""What pre-training buys, and what the radius knows: every figure of nbs/tutorials/what_pretraining_buys.ipynb, one row at a time

    python bench/buys.py synthetic FOLDER --seeds 0 1 2
    python bench/buys.py uiprmd FOLDER --data DATASET_FOLDER --seeds 0

FOLDER keeps the runs. Each finished row is added to nbs/tutorials/what_pretraining_buys.csv, and one that is there is not computed again,
so the same command goes on after an interruption. `--epochs 2 --tune-epochs 2 --csv try.csv` tries it out.
"""

import argparse
import contextlib
import csv
import io
import os
from pathlib import Path

from hysp.core import write_table
from hysp.evaluate import features, linear_probe
from hysp.feeder import Dataset, write_view
from hysp.metrics import aurc, auroc
from hysp.prepare import prepare
from hysp.config import load_config
from hysp.recipes import evaluate, pretrain
from hysp.runs import load_run
from hysp.settings import Evaluate, Pretrain, Tune
from hysp.synthetic import generate
from hysp.uncertainty import (
    query_labels,
    branch,
    choose_by_certainty,
    explained,
    radii,
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
        self.path, self.rows = Path(path), []
        if self.path.exists():
            with open(self.path, newline="", encoding="utf-8") as f:
                self.rows = [tuple(r) for r in csv.reader(f)][1:]

    def has(self, *key):
        return any(r[:4] == tuple(map(str, key)) for r in self.rows)

    def add(self, *row):
        if self.has(*row[:4]):
            return
        self.rows.append(tuple(f"{o:.4f}" if isinstance(o, float) else str(o) for o in row))
        write_table(self.path, columns, self.rows)
        print(*self.rows[-1], flush=True)


def quiet(f, *args):
    with contextlib.redirect_stdout(io.StringIO()):
        return f(*args)


def trained(args, data, out, seed, **options):
    over = dict(data=data, out=out, seed=seed, device=args.device, **options) | (
        {"epochs": args.epochs, "ramp": (1, max(1, args.epochs // 4))} if args.epochs else {}
    )
    return quiet(pretrain, load_config(Pretrain, settings[args.set], over)).run


def accuracies(args, table, data, run, seed):
    "Pre-trained against random weights, protocol by protocol"
    names = {"encoder": "pretrained", "untrained": "random", "raw coordinates": "coordinates"}
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
            tune=Tune(
                epochs=args.tune_epochs,
                steps=(args.tune_epochs * 3 // 5, args.tune_epochs * 4 // 5),
            ),
        )
        for row in quiet(evaluate, cfg):
            weights = names.get(row["features"] if row["kind"] == "free" else row["kind"])
            if weights and measure in row["verdicts"]:
                v = row["verdicts"][measure][0]
                table.add(args.set, seed, weights, measure, v.top1, *v.interval, len(v.pred))


def radius_figures(args, table, data, run, seed, pool):
    "AUROC of radius and baseline within one-person clips, and what explains the radius, for one pooling of bodies"
    if table.has(args.set, seed, f"pool {pool}", "radius explained by all"):
        return
    model, about = load_run(run)
    a, b = (Dataset(data, f"xsub/{o}") for o in ("train", "val"))
    z = [features(model.online_encoder, o) for o in (a, b)]
    s = linear_probe(z[0], a.labels, z[1], a.classes, seed=seed).double()
    right, alone, r = (
        s.argmax(1).numpy() == b.labels,
        b.columns["bodies"] == 1,
        radii(features(branch(model), b)),
    )
    sure = s.softmax(1).max(1)[0].numpy()
    for who, i in (("", alone | ~alone), (", one person", alone), (", two people", ~alone)):
        if i.any():
            for name, c in (("radius", r), ("max probability", sure)):
                for what, f in (("AUROC", auroc), ("AURC", aurc)):
                    table.add(
                        args.set,
                        seed,
                        f"pool {pool}",
                        f"{what} of {name}{who}",
                        f(c[i], right[i]),
                        "",
                        "",
                        int(i.sum()),
                    )
    for k, v in explained(
        r,
        bodies=b.columns["bodies"].astype(int),
        length=b.columns["frames"].astype(float),
        **{"class": b.labels},
    ).items():
        table.add(args.set, seed, f"pool {pool}", f"radius explained by {k}", v, "", "", len(b))


def halves(args, table, data, run, seed, folder):
    "Pre-train on the certain, the uncertain and every other clip; linear probe on all training clips"
    model, _ = load_run(run)
    train = Dataset(data, "xsub/train")
    r = radii(features(branch(model), train))
    for keep in ("high", "low", "mixed"):
        if table.has(args.set, seed, f"half {keep}", "linear"):
            continue
        half = write_view(
            train,
            choose_by_certainty(r, keep),
            folder / f"{keep}{seed}",
            dict(by="radius", keep=keep),
            overwrite=True,
        )
        again = trained(args, half, folder / f"run_{keep}{seed}", seed)
        cfg = Evaluate(again, data=data, baselines=False, seed=seed, device=args.device)
        row = quiet(evaluate, cfg)[0]
        for measure in ("1-NN", "linear"):
            v = row["verdicts"][measure][0]
            table.add(args.set, seed, f"half {keep}", measure, v.top1, *v.interval, len(v.pred))


def labelling(args, table, data, run, seed):
    "Accuracy of the probe against the number of labels that were asked for, by each way of asking"
    from hysp.evaluate import judge

    a, b = (Dataset(data, f"xsub/{o}") for o in ("train", "val"))
    if table.has(args.set, seed, query_orders[-1], "labels 20 %"):
        return
    model, _ = load_run(run)
    z, r = [features(model.online_encoder, o) for o in (a, b)], radii(features(branch(model), a))
    shares = 0.01, 0.02, 0.05, 0.1, 0.2
    for way in query_orders:
        for share, i in zip(
            shares,
            query_labels(
                way,
                z[0],
                r,
                a.labels,
                a.classes,
                [max(1, round(o * len(a))) for o in shares],
                seed=seed,
            ),
        ):
            v = judge(
                linear_probe(z[0][i], a.labels[i], z[1], a.classes, seed=seed, by=z[0]), b.labels
            )
            table.add(args.set, seed, way, f"labels {100 * share:g} %", v.top1, *v.interval, len(b))


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
            radius_figures(
                args,
                table,
                data,
                trained(args, data, folder / f"run_all{seed}", seed, pool="all"),
                seed,
                "all",
            )
        if "labels" in args.parts:
            labelling(args, table, data, run, seed)
        if "halves" in args.parts:
            halves(args, table, data, run, seed, folder)


if __name__ == "__main__":
    main()
