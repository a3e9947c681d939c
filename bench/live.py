"""What a live picture costs a training, and how calmly it moves: python bench/live.py [--seeds 0 1] [--clips 600]

Pre-trains by the quick recipe on the embedded synthetic set, once alone and once watched, and says how much longer
the watched one took and whether its weights are the same to the bit. Then it draws eight of the epochs that were
kept, one after the other, from a warm start and without one: how far a point moves on the disk, in the mean, as a
share of the disk's radius, and how well the last drawing keeps neighbours. A seed takes three minutes of a core."""

import argparse
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from hysp.config import load_config
from hysp.disk import learned
from hysp.explore import Live, turned
from hysp.prepare import prepare
from hysp.recipes import ready_trainer
from hysp.settings import Pretrain
from hysp.synthetic import generate


def trainer(data, out, seed):
    "The quick recipe, nothing run yet"
    return ready_trainer(load_config(Pretrain, "quick", dict(data=data, out=out, seed=seed)))


def seconds_of(train):
    "Processor and wall-clock seconds of a training"
    start = time.process_time(), time.perf_counter()
    train()
    return time.process_time() - start[0], time.perf_counter() - start[1]


def movement(scene, warm, steps):
    "Mean way of a point from one drawing to the next, and the fidelity of the last one"
    ways = []
    before = None
    epochs = scene.embeddings.epochs
    for epoch in epochs[:: max(1, len(epochs) // 8)]:
        start = before.map if warm and before else None
        drawing = learned(scene.at(epoch), scene.embeddings.labels, start=start, steps=steps)
        if before:
            drawing.points = turned(drawing.points, before.points)
            ways.append((drawing.points - before.points).norm(dim=1).mean().item())
        before = drawing
    return sum(ways) / len(ways), before.fidelity


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--clips", type=int, default=600, help="clips that are made")
    args = parser.parse_args()
    torch.set_num_threads(1)
    work = Path(tempfile.mkdtemp())
    data = prepare(generate(args.clips, seed=0), work / "data", frames=16, progress=False)
    for seed in args.seeds:
        alone = trainer(data, work / f"alone{seed}", seed)
        cpu, wall = seconds_of(partial(alone.fit, progress=False))
        watched = Live(trainer(data, work / f"watched{seed}", seed))
        drawn = []
        watched.observe(drawn.append, "fresh")
        cpu_too, wall_too = seconds_of(watched.go().wait)
        watching = watched.watching
        looking, drawing = watching.looking, watching.drawing
        print(
            f"seed {seed}: alone {cpu:.1f} CPU s, {wall:.1f} s; watched {cpu_too:.1f}, {wall_too:.1f}"
        )
        print(f"  {watching.worked:.1f} s of training, {looking.spent:.1f} of looking")
        print(f"  {drawing.spent:.1f} of drawing, of which the last one {drawing.last:.1f}")
        print(f"  {len(watched.looks)} epochs looked at, {len(drawn)} drawn")
        weights = [model.state_dict().values() for model in (alone.model, watched.trainer.model)]
        same = all(torch.equal(one, other) for one, other in zip(*weights))
        print(f"  the same weights: {same}. {watched.verdict}")
        for name, warm, steps in (("warm", True, 400), ("warm", True, 1000), ("cold", False, 1000)):
            start = time.process_time()
            way, kept = movement(watched.scene, warm, steps)
            taken = time.process_time() - start
            print(f"  {name}, steps={steps}, {taken:.1f} CPU s: a point moves by {way:.3f}; {kept}")
    shutil.rmtree(work)
