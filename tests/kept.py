"""Small folders of each kind that hysp itself writes and reads again: one writer and one reader a kind

`kept[name].plant(folder)` writes it and `kept[name].read(folder)` opens it as the commands do; `bench/fuzz.py` spoils
its files."""

import contextlib
import io
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from hysp.checkpoint import load_reference, save_weights
from hysp.config import load_config
from hysp.embeddings import Embeddings, load_embeddings, save_embeddings
from hysp.explore import read_tags, sample_columns, write_tags
from hysp.feeder import Dataset, write_view
from hysp.models import SimSiam
from hysp.plot import read_curves
from hysp.prepare import prepare
from hysp.recipes import pretrain
from hysp.run_folder import RunFolder, identity_of
from hysp.runs import load_run
from hysp.settings import Pretrain
from hysp.synthetic import generate
from hysp.train import restore


class Whole(list):
    "What was read, in one piece: no clips that are read later, no faults"

    faults = ()


@dataclass(frozen=True)
class Kept:
    "How to write a folder, and how to open what is in it"

    plant: Callable  # `plant(folder)`
    open: Callable  # `open(folder)`, which raises or returns anything

    def read(self, folder):
        self.open(folder)
        return Whole()


def plant_set(folder):
    people = generate(8, classes=["wave", "kick"], subjects=2, seed=0, difficulty="easy")
    prepare(people, folder, frames=8, progress=False)
    return Dataset(folder)


def open_set(folder):
    data = Dataset(folder)
    data.batch(range(len(data)))
    sample_columns(data)


def plant_view(folder):
    write_view(plant_set(folder / "whole"), [0, 3, 5], folder / "view", {})


def plant_arrays(folder):
    "As the reference keeps a split"
    clips = np.random.default_rng(0).normal(size=(3, 3, 4, 25, 2)).astype("float32")
    (folder / "xsub").mkdir(parents=True)
    np.save(folder / "xsub/val_position.npy", clips)
    names = [f"S001C001P00{i}R001A00{i}" for i in (1, 2, 3)]
    (folder / "xsub/val_label.pkl").write_bytes(pickle.dumps((names, [0, 1, 2])))


def open_arrays(folder):
    data = Dataset(folder, "xsub/val")
    data.batch(range(len(data)))


def plant_config(folder):
    folder.mkdir(parents=True)
    (folder / "low.yaml").write_text("extends: quick\nlr: 0.1\nstrong: {blur: 0.5}\nramp: [2, 3]\n")
    (folder / "own.yaml").write_text("extends: low.yaml\ndata: clips\nsteps: 100\nstream: bone\n")


def open_config(folder):
    load_config(Pretrain, folder / "own.yaml", dict(out="run"))


@cache
def small_model():
    return SimSiam("coco", hidden=2, out=4, encoder="tcn")


def plant_weights(folder):
    model = small_model()
    spec = dict(model="simsiam", layout=model.online_encoder.layout.to_dict())
    spec |= dict(hidden=2, out=4, encoder="tcn")
    about = dict(spec=spec, epoch=1, c=1.0, seed=0, data="0" * 64, settings=dict(data="clips"))
    about |= dict(names=["a", "b"], clips="0" * 16, run="one")
    folder.mkdir(parents=True)
    save_weights(folder / "epoch_0001.safetensors", model.state_dict(), about)
    (folder / "run.json").write_text('{"run": "one"}')


def plant_embeddings(folder):
    folder.mkdir(parents=True)
    whole = dict(labels=[0, 1, 0], bodies=[1, 1, 2], frames=[8, 9, 7], subjects=[0, 1, -1])
    numbers = {name: torch.tensor(values) for name, values in whole.items()}
    made = Embeddings(
        epochs=[0, 5],
        z=torch.zeros(2, 3, 4),
        predicted=torch.zeros(2, 3, dtype=torch.int64),
        names=["a", "b", "c"],
        class_names=["wave", "kick"],
        about=dict(split="all", data="0" * 64, c=1.0, seed=0, weights=[None, "0" * 64]),
        **numbers,
    )
    save_embeddings(made, folder / "embeddings.safetensors")


def plant_reference(folder):
    "A checkpoint as the authors of HYSP keep it"
    folder.mkdir(parents=True)
    weights = SimSiam("coco", hidden=2, out=4).state_dict()
    torch.save(dict(state_dict=weights, epoch=3), folder / "theirs.ckpt")


@cache
def trained():
    "A trainer that has made one epoch, and its clips"
    import tempfile

    folder = tempfile.mkdtemp(prefix="kept-")
    plant_set(f"{folder}/set")
    given = dict(data=f"{folder}/set", out=f"{folder}/run", split="all", epochs=1, batch=4)
    given |= dict(encoder="tcn", model="simsiam", width=2, out_dim=4, pairs="own")
    given |= dict(head_dim=4, pred_dim=4)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return pretrain(load_config(Pretrain, "quick", given))


def plant_state(folder):
    shutil.copytree(trained().run, folder)


def open_state(folder):
    trainer = trained()
    trainer.folder = RunFolder(folder, writes=False)
    restore(trainer, trainer.folder.load())


def plant_tables(folder):
    folder.mkdir(parents=True)
    write_tags(folder / "tags.csv", dict(a=["good", "=1"], b=["bad"]))
    rows = "epoch,loss,norm,run\n1,1.5,0.2,one\n2,1.25,0.3,one\n"
    (folder / "metrics.csv").write_text(rows)
    (folder / "run.json").write_text('{"run": "one"}')


def open_tables(folder):
    read_tags(folder / "tags.csv")
    read_curves(folder)
    identity_of(folder)


kept = {
    "set": Kept(plant_set, open_set),
    "view": Kept(plant_view, lambda folder: open_set(folder / "view")),
    "reference-arrays": Kept(plant_arrays, open_arrays),
    "config": Kept(plant_config, open_config),
    "weights": Kept(plant_weights, load_run),
    "reference-weights": Kept(plant_reference, lambda o: load_reference(o / "theirs.ckpt", "coco")),
    "embeddings": Kept(plant_embeddings, load_embeddings),
    "state": Kept(plant_state, open_state),
    "tables": Kept(plant_tables, open_tables),
}
