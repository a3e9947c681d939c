"""Remake the runs that the package ships

    python tools/example.py                 # hysp/assets/example, of synthetic people
    python tools/example.py --uiprmd FILE   # hysp/assets/example_uiprmd, of the npz of UI-PRMD

Each takes about a minute on one quiet core. The settings are those of `quick`; none was chosen for these runs."""

import argparse
import os
import shutil
from pathlib import Path

from hysp.checkpoint import load_weights, save_weights
from hysp.config import load_config
from hysp.core import atomic_dir
from hysp.embeddings import embeddings, save_embeddings
from hysp.evaluate import linear_probe
from hysp.feeder import Dataset
from hysp.prepare import prepare
from hysp.protocols import coordinates, nearest_is_right
from hysp.readers import arrays
from hysp.recipes import pretrain
from hysp.runs import _prepare_example, write_manifest
from hysp.settings import Demo, Pretrain
from hysp.units import map_joints

root = Path(__file__).parents[1]
assets = root / "hysp" / "assets"
synthetic_epochs = 5, 20, 50, 133  # Epochs whose weights are shipped, the last among them
uiprmd_epochs = (53,)

# README.txt of the run of UI-PRMD
about_uiprmd = """The run that hysp.runs.example("uiprmd") gives
===============================================

Made by `python tools/example.py --uiprmd FILE`: the recipe `quick` as it is, on the Kinect clips of UI-PRMD of the
subjects with odd numbers, without a label; 15 joints, 16 frames. The embeddings are of the other five subjects.

How many of their {count:,} clips are read right, of {classes} classes (ten exercises, each done correctly and
incorrectly); chance is {chance}:

                                        raw coordinates   untrained   epoch {epoch}
  nearest clip of another test person            {raw[0]:>6}      {nearest[0]:>6}     {nearest[1]:>6}
  linear probe of the training clips             {raw[1]:>6}      {linear[0]:>6}     {linear[1]:>6}

Nearest is by the angle of tangents, those in embeddings.safetensors; the probe reads the encoder. One seed.

Source: A. Vakanski, H. Jun, D. Paul, R. Baker, "A Data Set of Human Body Movements for Physical Rehabilitation
Exercises", Data 3(1):2, 2018. Licence of the data: Open Data Commons Public Domain Dedication and License (PDDL) 1.0,
as the descriptor states. The clips themselves are not shipped. Who has them prepares them and names their folder:

  hysp prepare uiprmd FOLDER --to common-15 --frames 16 --out data/uiprmd
  hysp embed RUN --data data/uiprmd --html page.html
"""


def halve(source, out):
    "Weights with the matrices rounded to half their size; biases and batch statistics as they are"
    state, about = load_weights(source)
    for name, weight in state.items():
        if weight.is_floating_point() and weight.ndim > 1:
            state[name] = weight.half()
    save_weights(out, state, about)


def train(data, run, kept, **more):
    "The quick recipe, of which the weights of some epochs are kept"

    def keep(trainer, row):
        if trainer.epoch in kept:
            trainer.keep(trainer.weights)

    recipe = dict(more, data=data, out=run, threads=1)
    trained = pretrain(load_config(Pretrain, Demo.settings, recipe), keep)
    last = kept[-1]
    assert trained.epoch == last, f"the last epoch is {trained.epoch}, not {last}: change it above"


def lay_out(folder, data, run, kept):
    "Fill the folder of a run that ships, but for its manifest; its embeddings"
    for name in ("config.yaml", "metrics.csv", "run.json"):
        shutil.copy(run / name, folder)
    for epoch in kept:
        name = f"epoch_{epoch:04d}.safetensors"
        halve(run / name, folder / name)
    made = embeddings(folder, data)
    save_embeddings(made, folder / "embeddings.safetensors")
    (folder / "verified.json").unlink()  # A note on files of this machine
    return made


def share_right(right):
    "A share as the manifest tells it, 0...1"
    return round(float(right.double().mean()), 4)


def nearest_right(z, made):
    "How often the nearest clip of another person is of the same class, by features of the clips"
    return share_right(nearest_is_right(z, made.labels, made.bodies, made.subjects))


def judged(made, data):
    "How often clips of the embeddings are read right at each epoch, beside what costs nothing"
    learnt, asked = [Dataset(data, split) for split in ("xsub/train", "xsub/val")]
    raw = coordinates(asked)
    probe = linear_probe(coordinates(learnt), learnt.labels, raw, learnt.classes).argmax(1)
    return dict(
        epochs=made.epochs,
        nearest=[nearest_right(z, made) for z in made.z],
        linear=[share_right(right) for right in made.predicted == made.labels],
        raw_coordinates=dict(
            nearest=nearest_right(raw, made), linear=share_right(probe == made.labels)
        ),
        chance=1 / len(made.class_names),
    )


def make_synthetic():
    "The run of synthetic people"
    data, run = Path("runs/example/data"), Path("runs/example/run")
    if not data.exists():
        _prepare_example(data)
    train(data, run, synthetic_epochs, steps=Demo.steps)
    with atomic_dir(assets / "example", overwrite=True) as folder:
        made = lay_out(folder, data, run, synthetic_epochs)
        write_manifest(
            folder,
            made_with="python tools/example.py",
            rounded="matrices to float16",
            data=dict(checksum=Dataset(data).checksum, made_with="hysp.runs.example_data"),
        )
    return made


def make_uiprmd(file):
    "The run of UI-PRMD, whose clips do not ship"
    data, run = Path("runs/example_uiprmd/data"), Path("runs/example_uiprmd/run")
    if not data.exists():
        prepare(map_joints(arrays(file), "common-15"), data, frames=16, workers=1)
    train(data, run, uiprmd_epochs)
    with atomic_dir(assets / "example_uiprmd", overwrite=True) as folder:
        made = lay_out(folder, data, run, uiprmd_epochs)
        figures = judged(made, data)
        (folder / "README.txt").write_text(uiprmd_text(made, figures), "utf-8")
        write_manifest(
            folder,
            made_with="python tools/example.py --uiprmd FILE",
            rounded="matrices to float16",
            data=dict(
                checksum=Dataset(data).checksum,
                source="UI-PRMD, Kinect (Vakanski et al., Data 3(1):2, 2018)",
                licence="ODC PDDL 1.0",
            ),
            judged=figures,
        )
    return made


def uiprmd_text(made, figures):
    "README.txt with its figures filled in"
    return about_uiprmd.format(
        count=len(made.names),
        classes=len(made.class_names),
        epoch=made.epochs[-1],
        nearest=[f"{share:.1%}" for share in figures["nearest"]],
        linear=[f"{share:.1%}" for share in figures["linear"]],
        raw=[f"{share:.1%}" for share in figures["raw_coordinates"].values()],
        chance=f"{figures['chance']:.1%}",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uiprmd", type=Path, help="npz of UI-PRMD's Kinect clips")
    file = parser.parse_args().uiprmd
    file = file and file.resolve()
    os.chdir(root)  # So that what is written names no folder of this machine
    made = make_uiprmd(file) if file else make_synthetic()
    sizes = {}
    for folder in (assets / "example", assets / "example_uiprmd"):
        sizes[folder.name] = sum(file.stat().st_size for file in folder.glob("*"))
    shares = [f"{share_right(right):.1%}" for right in made.predicted == made.labels]
    print(f"bytes: {sizes}; linear probe right at epochs {made.epochs}: {', '.join(shares)}")
