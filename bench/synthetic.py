"""How hard the embedded set is: what costs nothing beside what labels give, odd subjects train and even ones judge.

    python bench/synthetic.py                            # seeds 0, 1 and 2: about 2 minutes each on one quiet core
    python bench/synthetic.py --seeds 5 --difficulty easy

Wanted of the hard world: raw, whitened, untrained and DTW at most 60 %, the supervised one at least 85 %. The rows that cost
nothing are those of `hysp evaluate`, of a run of one step that nobody looks at."""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hysp.augment import Natural
from hysp.encoders import TCN
from hysp.feeder import Dataset
from hysp.optim import make_optimizer, schedule
from hysp.prepare import prepare
from hysp.recipes import Evaluate, Pretrain, evaluate, load_config, pretrain
from hysp.synthetic import generate


def supervised(train, judged, steps, seed):
    "Accuracy of a tcn with a linear layer, trained by cross-entropy on natural views, half of them mirrored"
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    view = Natural(train.layout, mirror=0.5)
    model = nn.Sequential(TCN(train.layout), nn.Linear(256, train.classes))
    optimizer = make_optimizer(model.parameters(), "adamw", 2e-3, weight_decay=1e-2)
    factor = schedule("cosine", steps, warmup=0.05 * steps)
    labels = torch.tensor(train.labels)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * factor(step)
        some = torch.randint(len(train), (64,))
        loss = F.cross_entropy(model(view(train.batch(some), generator)), labels[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        answers = [model(x).argmax(1) for x, _ in judged.batches(256)]
    return float((torch.cat(answers).numpy() == judged.labels).mean())


def measure(seed, args, folder):
    "Print what costs nothing, and what labels give"
    people = generate(args.clips, subjects=args.subjects, seed=seed, difficulty=args.difficulty)
    data = prepare(people, folder / f"data{seed}", progress=False)
    own = dict(data=data, out=folder / f"run{seed}", epochs=1, pairs="own", seed=seed)
    run = pretrain(load_config(Pretrain, "quick", own)).run
    rows = evaluate(Evaluate(run, seed=seed, threads=1))
    train, judged = (Dataset(data, f"xsub/{o}") for o in ("train", "val"))
    print(f"seed {seed}: supervised {100 * supervised(train, judged, args.steps, seed):.1f} %")
    free = [o for o in rows if not o["weights"] and "⊕" not in o["features"]]
    found = [100 * o[k] for o in free for k in ("1-NN", "linear") if k in o]
    print(
        f"seed {seed}: what costs nothing, ⊕ left out, at most {np.max(found):.1f} %\n", flush=True
    )


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    p.add_argument("--difficulty", default="hard")
    p.add_argument("--clips", type=int, default=3600)
    p.add_argument("--subjects", type=int, default=30)
    p.add_argument(
        "--steps", type=int, default=2000, help="of the supervised training, 64 clips each"
    )
    args = p.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for seed in args.seeds:
            measure(seed, args, Path(folder))


if __name__ == "__main__":
    main()
