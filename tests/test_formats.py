"Each format of `hysp prepare`: a made-up tree is read back, and a command makes a dataset folder of it"

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from formats import actions, formats

from hysp import cli
from hysp.clips import seen_joints
from hysp.feeder import Dataset
from hysp.formats import formats as known
from hysp.skeleton import get_layout

root = Path(__file__).parents[1]


def found(clip, source, layout):
    "Positions (T, V, 3) of the first body, in the joints' order of the layout that was written"
    order = [source.layout.joints.index(joint) for joint in get_layout(layout).joints]
    return clip.position[:, :, order, 0].transpose(1, 2, 0)


@pytest.mark.parametrize("name", formats)
def test_trees_are_read_back(tmp_path, name):
    form = formats[name]
    made = {(clip.label, clip.subject): clip for clip in form.plant(tmp_path / "tree", 6, 5)}
    source = form.read(tmp_path / "tree")
    assert len(source) == 6 and not source.faults
    own_classes = set(source.class_names) == set(actions)
    left = dict(made)
    for clip in source:
        label = actions.index(source.class_names[clip.label]) if own_classes else clip.label
        here = found(clip, source, form.layout)
        subjects = [clip.subject] if clip.subject else [1, 2, 3]  # PKU-MMD has no subjects
        match = [key for key in left if key[0] == label and key[1] in subjects]
        gaps = [abs(here / form.scale - made[key].x / form.scale).max() for key in match]
        assert min(gaps) < 1e-6, name
        left.pop(match[int(np.argmin(gaps))])
        assert seen_joints(clip)[..., 0].all()
    assert not left


def test_every_format_has_a_tree():
    kinds = {form.kind for form in formats.values()}
    assert set(known) - kinds == {"ntu120", "pku2"}  # As ntu60 and pku1


# What is typed in the README and in the tutorial


def table_of(notebook):
    "Commands of the table in a notebook, by the kind that they read"
    cells = json.loads((root / "nbs" / notebook).read_text("utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    commands = re.findall(r"^\|.*\| `(hysp prepare (\w+) [^`]*)`", text, re.M)
    return {kind: command for command, kind in commands}


tutorial = table_of("tutorials/your_own_skeletons.ipynb")
clips_of = {form.kind: form for form in formats.values()}


def test_tables_name_every_format_and_agree():
    assert set(tutorial) == set(known) - {"ntu120", "pku2"}
    short = table_of("index.ipynb")
    assert len(short) == 7
    for kind, command in short.items():
        assert tutorial[kind] == f"{command} --out data/mine"


@pytest.mark.parametrize("kind", tutorial)
def test_commands_of_the_table_make_a_dataset(tmp_path, monkeypatch, capsys, kind):
    monkeypatch.chdir(tmp_path)
    form = clips_of[kind]
    form.plant(tmp_path / "mine", 6, 12)
    if kind == "pku1":  # Its split is by recordings, of which the tree has one
        (tmp_path / "mine/cross-subject.txt").write_text("Training\n0002-L\nValidation\n0003-L\n")
        for where in ("skeleton", "label"):
            file = tmp_path / f"mine/{where}/0002-L.txt"
            file.with_name("0003-L.txt").write_bytes(file.read_bytes())
    assert cli.main(shlex.split(tutorial[kind])[1:]) == 0, capsys.readouterr()
    said = capsys.readouterr().out
    assert re.search(r"^taken +\d+ clips, \d+ classes by ", said, re.M)
    data = Dataset(tmp_path / "data/mine")
    assert len(data) == 6 * (1 + (kind == "pku1"))
    assert len(data.layout) == len(form.read(tmp_path / "mine").layout)
    assert data.batch([0]).isfinite().all() and data.batch([0]).any()
