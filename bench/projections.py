"""What each projection keeps: python bench/projections.py [--seeds 0 1 2] [--data NAME=DIR …]

Pre-trains by the quick recipe on the embedded synthetic set and on the dataset folders given (UI-PRMD, say),
places the clips of people not trained on, and writes bench/projections.csv: one row a set, seed and projection.
Labels are looked at for the figures alone. Runs that are there already are used again. A set and seed take two
to four minutes of a core."""

import argparse
import time
from pathlib import Path

import torch
from hysp.config import load_config
from hysp.core import write_table
from hysp.disk import projections
from hysp.evaluate import features
from hysp.feeder import Dataset
from hysp.prepare import prepare
from hysp.recipes import pretrain
from hysp.runs import load_run
from hysp.settings import Pretrain
from hysp.synthetic import generate

root = Path(__file__).parents[1]
columns = "set seed projection clips knn ball trust distance radius seconds".split()


def trained(data, out, seed):
    "Tangents of the clips of `xsub/val`, and their labels"
    if not any(out.glob("epoch_*")):
        pretrain(load_config(Pretrain, "quick", dict(data=data, out=out, seed=seed)))
    model, about = load_run(out)
    clips = Dataset(data, "xsub/val")
    return features(model.online, clips, about["spec"]["stream"]), torch.as_tensor(clips.labels)


def measured(z, labels, seed):
    "A row a projection: name, clips, figures, CPU seconds"
    for name, project in projections.items():
        start = time.process_time()
        seeded = {} if name in ("polar", "tangent_pca") else dict(seed=seed)
        kept = project(z, labels, **seeded).fidelity
        figures = [kept.neighbours, kept.before, kept.trust, kept.distance, kept.radius]
        seconds = time.process_time() - start
        yield [name, len(z), *(f"{figure:.3f}" for figure in figures), f"{seconds:.1f}"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", nargs="*", default=[], help="name=folder of further sets")
    parser.add_argument("--work", type=Path, default=root / "runs/projections")
    parser.add_argument("--out", type=Path, default=root / "bench/projections.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    synthetic = args.work / "synthetic"
    if not synthetic.exists():
        prepare(generate(seed=0), synthetic, frames=16, progress=False)
    sets = {"synthetic": synthetic, **dict(word.split("=", 1) for word in args.data)}
    rows = []
    for seed in args.seeds:
        for name, data in sets.items():
            z, labels = trained(data, args.work / f"{name}_{seed}", seed)
            for row in measured(z, labels, seed):
                rows.append([name, seed, *row])
                print(*rows[-1], flush=True)
            write_table(args.out, columns, rows)
