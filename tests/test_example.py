"The run that ships: whole, small, what its weights give, and in the wheel"

import os
import shutil
import zipfile
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hysp import runs
from hysp.core import HyspError
from hysp.evaluate import features
from hysp.feeder import Dataset
from hysp.embeddings import embeddings, load_embeddings, save_embeddings, scene
from hysp.protocols import nearest_is_right
from hysp.runs import example, example_data, load_run, read_manifest

root = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return Dataset(example_data(tmp_path_factory.mktemp("example") / "data"), "xsub/val")


def test_loads_without_data():
    e = load_embeddings(example())
    _, about = load_run(example())
    assert (
        e.epochs == [0, 5, 20, 50, 133]
        and about["epoch"] == 133
        and about["spec"]["model"] == "simclr"
    )
    n = len(e.names)
    assert e.z.shape == (5, n, about["spec"]["head"]) and e.predicted.shape == (5, n)
    assert all(len(column) == n for column in (e.labels, e.bodies, e.frames, e.subjects))
    assert e.z.isfinite().all() and set(e.bodies.tolist()) == {1, 2}
    assert 0 <= e.labels.min() and e.labels.max() < len(e.class_names)
    files = read_manifest(example())["files"]
    weights = [files[name] for name in sorted(files) if name.startswith("epoch_")]
    assert e.about["weights"] == [None, *weights]


def test_small():
    files = [*example().iterdir(), *example("uiprmd").iterdir()]
    assert sum(path.stat().st_size for path in files) < 3_000_000


def test_uiprmd_opens_and_draws():
    "Without the clips, which do not ship: who asks for them is told where to look"
    shown = scene(example("uiprmd"))
    e = shown.embeddings
    model, about = load_run(example("uiprmd"))
    assert e.epochs == [0, about["epoch"]] and e.z.isfinite().all()
    assert set(e.subjects.tolist()) == {2, 4, 6, 8, 10} and len(e.class_names) == 20
    assert model.online(torch.zeros(1, 3, 16, 15, 1)).shape == (1, e.z.shape[2])
    points = shown.drawing(about["epoch"], "polar").points
    assert points.shape == (len(e.names), 2) and (points.norm(dim=1) <= 1).all()
    with pytest.raises(HyspError, match=r"do not ship; prepare them as its README\.txt says"):
        shown.open_data()


def test_uiprmd_is_as_good_as_it_says():
    e = load_embeddings(example("uiprmd"))
    told = read_manifest(example("uiprmd"))
    text = (example("uiprmd") / "README.txt").read_text("utf-8")
    assert told["data"]["licence"] == "ODC PDDL 1.0" and "PDDL" in text and "Vakanski" in text
    judged = told["judged"]
    assert judged["epochs"] == e.epochs
    linear = (e.predicted == e.labels).double().mean(1).tolist()
    nearest = []
    for z in e.z:
        right = nearest_is_right(z, e.labels, e.bodies, e.subjects)
        nearest.append(right.double().mean().item())
    assert judged["linear"] == pytest.approx(linear, abs=1e-4)
    assert judged["nearest"] == pytest.approx(nearest, abs=2e-3)  # Two may be equally near
    free = *judged["raw_coordinates"].values(), judged["chance"]
    for share in (*judged["linear"], *judged["nearest"], *free):
        assert f"{share:.1%}" in text


def test_weights_give_the_embeddings(data):
    e = load_embeddings(example())
    model, _ = load_run(example())
    assert data.names == e.names and data.checksum == e.about["data"]
    assert data.labels.tolist() == e.labels.tolist()
    torch.testing.assert_close(features(model.online, data), e.at(133)[0], atol=2e-5, rtol=1e-4)


def test_clips_are_those_it_learnt_from(data):
    assert data.checksum == read_manifest(example())["data"]["checksum"]


def test_damage_is_told(tmp_path, monkeypatch):
    folder = tmp_path / "assets" / "example"
    shutil.copytree(example(), folder)
    with open(folder / "metrics.csv", "a") as f:
        f.write(" ")
    monkeypatch.setattr(runs, "files", lambda o: tmp_path)
    with pytest.raises(HyspError, match=r"metrics\.csv.*install hysp again"):
        example()


def test_other_clips_are_told(data, tmp_path):
    shutil.copytree(data.path, tmp_path / "other")
    file = tmp_path / "other" / "dataset.yaml"
    file.write_text(file.read_text().replace(data.checksum, "0" * 64))
    with pytest.warns(UserWarning, match="not those of the example"):
        example_data(tmp_path / "other")


def test_embeddings_of_a_run(data, tmp_path):
    "Made anew from a folder, written and read: the same; and of one weights file"
    shutil.copytree(example(), tmp_path / "run")
    for epoch in (5, 20, 50):
        (tmp_path / "run" / f"epoch_{epoch:04d}.safetensors").unlink()
    e = embeddings(tmp_path / "run", data.path)
    shipped = load_embeddings(example())
    assert e.epochs == [0, 133]
    torch.testing.assert_close(e.z, shipped.z[[0, -1]], atol=2e-5, rtol=1e-4)
    assert (
        e.predicted == shipped.predicted[[0, -1]]
    ).double().mean() > 0.99  # A logit may lie on the edge
    save_embeddings(e, tmp_path / "e.safetensors")
    back = load_embeddings(tmp_path / "e.safetensors")
    for a, b in zip(vars(e).values(), vars(back).values(), strict=True):
        assert (a == b).all() if torch.is_tensor(a) else a == b
    assert embeddings(
        tmp_path / "run" / "epoch_0133.safetensors", data.path, untrained=False
    ).epochs == [133]


def test_in_the_wheel(tmp_path):
    shutil.copytree(
        root,
        tmp_path / "source",
        ignore=shutil.ignore_patterns(
            ".git*",
            ".venv",
            "runs",
            "nbs",
            "tests",
            "build",
            "*.egg-info",
            "__pycache__",
            ".*_cache",
        ),
    )
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "bdist_wheel", "-d", str(tmp_path)],
        cwd=tmp_path / "source",
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    for run in (example(), example("uiprmd")):
        held = {Path(name).name for name in names if Path(name).parent.name == run.name}
        assert held == {"manifest.json", *read_manifest(run)["files"]}
