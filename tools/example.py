"""Remake hysp/assets/example, the run that the package ships: python tools/example.py

It takes about a minute on one quiet core."""

import os
import shutil
from pathlib import Path

from hysp.checkpoint import load_weights, save_weights
from hysp.config import load_config
from hysp.core import atomic_dir
from hysp.embeddings import embeddings, save_embeddings
from hysp.feeder import Dataset
from hysp.recipes import pretrain
from hysp.runs import _prepare_example, write_manifest
from hysp.settings import Demo, Pretrain

root = Path(__file__).parents[1]
shipped = root / "hysp" / "assets" / "example"
kept = 5, 20, 50, 133  # Epochs whose weights are shipped, the last among them


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
        _prepare_example(data)
    recipe = dict(data=data, out=run, steps=Demo.steps, threads=1)
    trained = pretrain(load_config(Pretrain, Demo.settings, recipe), keep)
    assert trained.epoch == kept[-1], f"the last epoch is {trained.epoch}: change `kept`"
    with atomic_dir(shipped, overwrite=True) as folder:
        for name in ("config.yaml", "metrics.csv", "run.json"):
            shutil.copy(run / name, folder)
        for epoch in kept:
            name = f"epoch_{epoch:04d}.safetensors"
            halve(run / name, folder / name)
        made = embeddings(folder, data)
        save_embeddings(made, folder / "embeddings.safetensors")
        (folder / "verified.json").unlink()  # A note on files of this machine
        write_manifest(
            folder,
            made_with="python tools/example.py",
            rounded="matrices to float16",
            data=dict(checksum=Dataset(data).checksum, made_with="hysp.runs.example_data"),
        )
    size = sum(file.stat().st_size for file in shipped.iterdir())
    right = (made.predicted == made.labels).float().mean(1)
    shares = ", ".join(f"{share:.1%}" for share in right)
    print(f"{size / 1e6:.2f} MB; linear probe right at epochs {made.epochs}: {shares}")
