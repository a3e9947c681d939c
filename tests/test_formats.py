"Each format of `hysp prepare`: a made-up tree is read back, and a command makes a dataset folder of it"

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from formats import actions, formats

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


def hysp(*words):
    return subprocess.run(
        [sys.executable, "-m", "hysp", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=root,
    )
