"Remake hysp/assets/example, the run that the package ships: `python bench/example.py`, about 10 minutes on one quiet core"

import os
import shutil
from pathlib import Path

from hysp.checkpoint import load_weights, save_weights
from hysp.core import atomic_dir
from hysp.feeder import Dataset
from hysp.prepare import prepare
from hysp.config import load_config
from hysp.embeddings import embeddings, save_embeddings
from hysp.recipes import pretrain
from hysp.runs import write_manifest
from hysp.settings import Pretrain
from hysp.synthetic import generate

root = Path(__file__).parents[1]
kept = 5, 20, 40, 75  # Epochs whose weights are shipped


def halve(source, out):
    "Weights with the matrices rounded to half their size; biases and batch statistics as they are"
    state, about = load_weights(source)
    save_weights(
        out,
        {k: v.half() if v.is_floating_point() and v.ndim > 1 else v for k, v in state.items()},
        about,
    )


if __name__ == "__main__":
    os.chdir(root)  # So that what is written names no folder of this machine
    data, out = Path("runs/example/data"), Path("runs/example/run")
    if not data.exists():
        people = generate(1200, subjects=10, seed=0, difficulty="easy")
        prepare(people, data, frames=16, align="frame", scale="none")
    pretrain(
        load_config(Pretrain, "uiprmd", dict(data=data, out=out, threads=1)),
        lambda t, row: t.keep(t.weights) if t.epoch in kept else None,
    )
    with atomic_dir(root / "hysp" / "assets" / "example", overwrite=True) as folder:
        for o in ("config.yaml", "metrics.csv"):
            shutil.copy(out / o, folder)
        for e in kept:
            halve(out / f"epoch_{e:04d}.safetensors", folder / f"epoch_{e:04d}.safetensors")
        e = embeddings(folder, data)
        save_embeddings(e, folder / "embeddings.safetensors")
        write_manifest(
            folder,
            made_with="python bench/example.py",
            rounded="matrices to float16",
            data=dict(checksum=Dataset(data).checksum, made_with="hysp synth, seed 0, 16 frames"),
        )
    right = (e.predicted == e.labels).float().mean(1)
    size = sum(o.stat().st_size for o in (root / "hysp" / "assets" / "example").iterdir())
    print(
        f"{size / 1e6:.2f} MB; linear probe right at epochs {e.epochs}: "
        + ", ".join(f"{o:.1%}" for o in right)
    )
