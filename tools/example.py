"""Remake hysp/assets/example, the run that the package ships: python tools/example.py

It takes about 10 minutes on one quiet core."""

import os
import shutil
from pathlib import Path

from hysp.checkpoint import load_weights, save_weights
from hysp.config import load_config
from hysp.core import atomic_dir
from hysp.embeddings import embeddings, save_embeddings
from hysp.feeder import Dataset
from hysp.prepare import prepare
from hysp.recipes import pretrain
from hysp.runs import write_manifest
from hysp.settings import Pretrain
from hysp.synthetic import generate

root = Path(__file__).parents[1]
shipped = root / "hysp" / "assets" / "example"
kept = 5, 20, 40, 75  # Epochs whose weights are shipped


def halve(source, out):
    "Weights with the matrices rounded to half their size; biases and batch statistics as they are"
    state, about = load_weights(source)
    for name, weight in state.items():
        if weight.is_floating_point() and weight.ndim > 1:
            state[name] = weight.half()
    save_weights(out, state, about)


def keep(trainer, row):
    "Called after each epoch: keep the weights of some"
    if trainer.epoch in kept:
        trainer.keep(trainer.weights)


if __name__ == "__main__":
    os.chdir(root)  # So that what is written names no folder of this machine
    data, run = Path("runs/example/data"), Path("runs/example/run")
    if not data.exists():
        people = generate(1200, subjects=10, seed=0, difficulty="easy")
        prepare(people, data, frames=16, align="frame", scale="none")
    pretrain(load_config(Pretrain, "uiprmd", dict(data=data, out=run, threads=1)), keep)
    with atomic_dir(shipped, overwrite=True) as folder:
        for name in ("config.yaml", "metrics.csv"):
            shutil.copy(run / name, folder)
        for epoch in kept:
            name = f"epoch_{epoch:04d}.safetensors"
            halve(run / name, folder / name)
        made = embeddings(folder, data)
        save_embeddings(made, folder / "embeddings.safetensors")
        write_manifest(
            folder,
            made_with="python tools/example.py",
            rounded="matrices to float16",
            data=dict(checksum=Dataset(data).checksum, made_with="hysp synth, seed 0, 16 frames"),
        )
    size = sum(file.stat().st_size for file in shipped.iterdir())
    right = (made.predicted == made.labels).float().mean(1)
    shares = ", ".join(f"{share:.1%}" for share in right)
    print(f"{size / 1e6:.2f} MB; linear probe right at epochs {made.epochs}: {shares}")
