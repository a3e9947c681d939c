"What belongs together and was exchanged, sorted, removed or linked elsewhere is said, not used, and nothing is lost"

import csv
import json
import os
import re
import shutil

import numpy as np
import pytest
import torch
from kept import plant_set

from hysp import cli
from hysp.checkpoint import load_weights, save_weights
from hysp.core import HyspError, atomic_dir, check_free, checksum, hold_folder, this_machine
from hysp.embeddings import load_embeddings
from hysp.feeder import Dataset
from hysp.prepare import prepare
from hysp.recipes import demo_data, pretrain, ready_trainer
from hysp.run_folder import identity_of
from hysp.runs import load_pairs, load_run
from hysp.settings import Demo, Pretrain
from hysp.skeleton import Layout
from hysp.synthetic import generate


def people(clips=24, seed=0):
    return generate(clips, classes=["wave", "kick"], subjects=4, seed=seed, difficulty="easy")


def settings(folder, run="run", **over):
    small = dict(width=4, out_dim=8, epochs=2, batch=8, save_every=1, keep_every=1)
    return Pretrain(folder / "set", folder / run, threads=1, device="cpu", **small | over)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    prepare(people(), folder / "set", frames=8, progress=False)
    pretrain(settings(folder))
    return folder


@pytest.fixture
def place(trained, tmp_path):
    "A copy of a set and of a run on it, which names its clips relatively"
    shutil.copytree(trained, tmp_path / "place")
    return tmp_path / "place"


def refused(capsys, *words):
    "What the command line says of what it refuses, in one line"
    capsys.readouterr()
    assert cli.main([*map(str, words)]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said.strip().splitlines()[-1]


def rows_of(folder):
    with open(folder / "samples.csv", newline="") as file:
        return list(csv.reader(file))


def write_rows(folder, rows):
    with open(folder / "samples.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


# Clips and their table


def test_a_sorted_table_is_refused(place, capsys):
    head, *rows = rows_of(place / "set")
    write_rows(place / "set", [head, *sorted(rows, key=lambda row: row[1])])
    assert "another order, than in position.npy" in refused(capsys, "info", place / "set")


def test_a_name_that_stands_twice_is_refused(place, capsys):
    head, *rows = rows_of(place / "set")
    rows[4][0] = rows[2][0]
    write_rows(place / "set", [head, *rows])
    said = refused(capsys, "info", place / "set")
    assert f"line 6: clip '{rows[2][0]}' stands in line 4 as well" in said


def test_only_columns_of_train_and_val_are_splits(place):
    head, *rows = rows_of(place / "set")
    rows[0][-1] = "Train"
    write_rows(place / "set", [head, *rows])
    with pytest.raises(HyspError, match="line 2: xsub 'Train'; write train, val or nothing"):
        Dataset(place / "set")
    rows[0][-1] = "train"
    notes = [[*row, note] for row, note in zip(rows, ["val", "good"] * 12)]
    write_rows(place / "set", [[*head, "note"], *notes])
    data = Dataset(place / "set")
    assert data.splits == ["xsub/train", "xsub/val", "all"]
    assert data.table()["note"][:2] == ["val", "good"]


def test_a_mask_that_is_gone_is_missed(tmp_path):
    data = plant_set(tmp_path / "set")
    about = (tmp_path / "set/dataset.yaml").read_text() + f"missing_checksum: '{'0' * 64}'\n"
    (tmp_path / "set/dataset.yaml").write_text(about)
    with pytest.raises(HyspError, match="missing.npy is gone, which dataset.yaml tells of"):
        Dataset(data.path)


@pytest.mark.parametrize("value", [1e30, 1e10, np.nan])
def test_a_coordinate_beyond_all_is_named_by_its_clip(place, capsys, value):
    file = place / "set/position.npy"
    before = checksum(file)
    positions = np.load(file)
    clip = int(Dataset(place / "set", "xsub/train").index[3])
    positions[clip, 0, 2, 5, 0] = value
    np.save(file, positions)
    about = (place / "set/dataset.yaml").read_text().replace(before, checksum(file))
    (place / "set/dataset.yaml").write_text(about)
    with pytest.raises(HyspError) as caught:
        pretrain(settings(place, "new"))
    assert re.search(
        rf"beyond 50,000, in clips {Dataset(place / 'set').names[clip]};", str(caught.value)
    )
    said = refused(capsys, "evaluate", place / "run", "--data", place / "set", "--no-baselines")
    assert "coordinates that are no number" in said and "learning rate" not in said


# Runs


def test_two_trainers_made_ready_in_one_folder(trained, tmp_path):
    shutil.copytree(trained / "set", tmp_path / "set")
    first = ready_trainer(settings(tmp_path, seed=0))
    second = ready_trainer(settings(tmp_path, seed=7))
    with pytest.raises(HyspError, match="another run .* has begun in .* since this one was made"):
        first.fit(progress=False)
    second.fit(progress=False)
    record = json.loads((tmp_path / "run/environment.json").read_text())
    told = {record["run"], identity_of(tmp_path / "run"), load_run(tmp_path / "run")[1]["run"]}
    assert len(told) == 1 and record["seed"] == load_run(tmp_path / "run")[1]["seed"] == 7


def test_records_of_another_run(place, trained, tmp_path, capsys):
    pretrain(settings(trained, "other", seed=3))
    for name in ("config.yaml", "environment.json", "pairs.safetensors"):
        shutil.copy(trained / "other" / name, place / "run")
    said = refused(capsys, "info", place / "run")
    assert "config.yaml is of another run" in said
    with pytest.raises(HyspError, match="pairs.safetensors is of another run"):
        load_pairs(place / "run/pairs.safetensors", Dataset(place / "set", "xsub/train"))
    shutil.copy(trained / "run/pairs.safetensors", place / "run")
    ready_trainer(settings(place, epochs=2))
    record = json.loads((place / "run/environment.json").read_text())
    assert record["run"] == identity_of(place / "run") and len(record["environments"]) == 1


@pytest.mark.parametrize(
    "change,says",
    [
        (dict(seed=2**70), "what no seed is"),
        (dict(settings=dict(data=5)), "what no folder is"),
    ],
)
def test_weights_that_say_what_cannot_be(place, change, says):
    file = sorted((place / "run").glob("epoch_*"))[-1]
    weights, about = load_weights(file)
    save_weights(file, weights, about | change)
    with pytest.raises(HyspError, match=says):
        load_run(file)


def test_a_skeleton_of_sixty_thousand_joints_is_refused_at_once():
    joints = [f"joint {i}" for i in range(60_000)]
    with pytest.raises(HyspError, match="60,000 joints, at most 1,000 do"):
        Layout("long", joints, range(-1, 59_999))
    with pytest.raises(HyspError, match="not None"):
        Layout("odd", ["a", "b"], [-1, 0], mirror=[0, None])


def test_a_record_that_is_no_file(tmp_path):
    (tmp_path / "run.json").mkdir()
    with pytest.raises(HyspError, match="cannot read .*run.json: Is a directory"):
        identity_of(tmp_path)


# What is kept of clips


def embedded(place):
    assert cli.main(["embed", str(place / "run"), "--data", str(place / "set")]) == 0
    return load_embeddings(place / "run")


def test_embeddings_are_made_again_where_labels_changed(place):
    first = embedded(place)
    head, *rows = rows_of(place / "set")
    for row in rows:
        row[1] = str(1 - int(row[1]))
    write_rows(place / "set", [head, *rows])
    assert embedded(place).labels.tolist() == [1 - label for label in first.labels.tolist()]


def test_embeddings_are_made_again_where_the_runs_own_set_is_another(trained, tmp_path):
    shutil.copytree(trained / "set", tmp_path / "set")
    pretrain(settings(tmp_path))
    assert cli.main(["embed", str(tmp_path / "run")]) == 0
    first = load_embeddings(tmp_path / "run")
    prepare(people(seed=1), tmp_path / "set", frames=8, progress=False, overwrite=True)
    assert cli.main(["embed", str(tmp_path / "run")]) == 0
    again = load_embeddings(tmp_path / "run")
    assert again.about["data"] == Dataset(tmp_path / "set").checksum != first.about["data"]


def test_verify_makes_kept_features_anew(place):
    words = ["evaluate", place / "run", "--data", place / "set", "--protocols", "knn"]
    words += ["--no-baselines"]
    assert cli.main([*map(str, words)]) == 0
    right = (place / "run/evaluation.csv").read_text()
    noise = torch.Generator().manual_seed(0)
    for file in (place / "run/features").glob("*.npy"):
        np.save(file, torch.randn(np.load(file).shape, generator=noise).numpy())
    assert cli.main([*map(str, words), "--verify"]) == 0
    assert (place / "run/evaluation.csv").read_text() == right


# Nothing of others is lost


@pytest.mark.parametrize("command", ["pretrain", "prepare"])
def test_a_lock_that_leads_elsewhere_is_refused(place, tmp_path, capsys, command):
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("all of it")
    if command == "pretrain":
        (place / "new").mkdir()
        (place / "new/.lock").symlink_to(thesis)
        with pytest.raises(HyspError, match=".lock is a link, which no lock of ours is"):
            pretrain(settings(place, "new"))
    else:
        (place / ".new.part").mkdir()
        (place / ".new.part/lock").symlink_to(thesis)
        with pytest.raises(HyspError, match="lock is a link, which no lock of ours is"):
            prepare(people(), place / "new", frames=8, progress=False)
    assert thesis.read_text() == "all of it"


def test_what_is_no_dataset_is_not_replaced(place, tmp_path):
    (tmp_path / "out/data").mkdir(parents=True)
    (tmp_path / "out/data/thesis.txt").write_text("all of it")
    with pytest.raises(HyspError, match="is not replaced, for it holds no dataset.yaml"):
        demo_data(Demo(out=tmp_path / "out"))
    with pytest.raises(HyspError, match="is not replaced, for it holds no dataset.yaml"):
        prepare(people(), place / "run", frames=8, progress=False, overwrite=True)
    (tmp_path / ".new.part").mkdir()
    (tmp_path / ".new.part/thesis.txt").write_text("all of it")
    with pytest.raises(HyspError, match="is not ours; move it away"):
        prepare(people(), tmp_path / "new", frames=8, progress=False)
    assert (tmp_path / "out/data/thesis.txt").exists() and (place / "run/last.pt").exists()
    assert (tmp_path / ".new.part/thesis.txt").exists()


def test_a_link_to_a_folder_stays_one(place, tmp_path):
    (tmp_path / "link").symlink_to(place / "set")
    prepare(people(12), tmp_path / "link", frames=8, progress=False, overwrite=True)
    assert (tmp_path / "link").is_symlink() and len(Dataset(place / "set")) == 12
    assert not list(place.glob(".*"))


@pytest.mark.parametrize(
    "words",
    [
        "export run --format torchscript --out run/last.pt",
        "export run --format onnx --out set/position.npy",
        "embed run --data set --out run/epoch_0002.safetensors",
        "embed run --data set --html run/config.yaml",
    ],
)
def test_files_of_runs_and_sets_are_not_written_over(place, monkeypatch, capsys, words):
    monkeypatch.chdir(place)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert "is a file of a run or of a dataset" in refused(capsys, *words.split())
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_folder_that_lost_its_name_is_named(place, capsys):
    old = (
        place / f".set.{this_machine()}.{os.getpid()}.old"
    )  # By the number of a process that lives
    os.rename(place / "set", old)
    said = refused(capsys, "info", place / "set")
    assert str(old) in said and "if that process is gone, rename it to set" in said
    with pytest.raises(HyspError, match="rename it to set"):
        with atomic_dir(place / "set"):
            pass
    os.rename(old, place / "set")
    assert check_free(place / "set", overwrite=True) == place / "set"


def test_a_lock_of_a_time_to_come_holds_nothing(tmp_path):
    (tmp_path / ".lock").write_text("elsewhere 123")
    os.utime(tmp_path / ".lock", (4e9, 4e9))
    with hold_folder(tmp_path):
        pass
    assert not (tmp_path / ".lock").exists()
