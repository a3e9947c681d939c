"Each format of `hysp prepare`: a made-up tree is read back, and a command makes a dataset folder of it"

import json
import os
import pickle
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from formats import actions, formats, odd_names

from hysp import cli
from hysp.clips import farthest, largest, printable, seen_joints
from hysp.core import HyspError
from hysp.feeder import Dataset
from hysp.formats import formats as known
from hysp.prepare import prepare, problems
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


def planted(form, folder, **changes):
    "A tree of four clips, the second of which is changed, or all of them: `each`"
    each = changes.pop("each", {})
    written = form.write
    changed = []

    def write(folder, clips):
        for i, clip in enumerate(clips):
            change = {key: make(clip) for key, make in (changes if i == 1 else {}).items()}
            change |= {key: make(clip) for key, make in each.items()}
            changed.append(replace(clip, **change))
        written(folder, changed)

    replace(form, write=write).plant(folder, 4, 5)
    return form.read(folder)


def readable(source):
    "Clips that can be read, and why the others cannot"
    good, bad = [], []
    for i in range(len(source)):
        try:
            good.append(source[i])
        except HyspError as error:
            bad.append(str(error))
    return good, bad


@pytest.mark.parametrize("value", [1e30, 2 * largest, 1.5 * farthest])
@pytest.mark.parametrize("name", formats)
def test_a_coordinate_beyond_all_is_refused_and_costs_one_clip(tmp_path, name, value):
    form = formats[name]

    def far(clip):
        x = clip.x.copy()
        x[2, 3, 1] = value * form.scale
        return x

    source = planted(form, tmp_path / "tree", x=far)
    good, bad = readable(source)
    known_to_be_far = value * form.scale > largest or source.unit == "m"
    assert len(bad) == known_to_be_far and len(good) + len(bad) == 4, (name, bad)
    for clip in good:
        limit = farthest if source.unit == "m" else largest
        assert abs(clip.position).max() <= limit


@pytest.mark.parametrize("name", formats)
def test_subjects_of_thirty_digits_become_small_numbers_or_are_refused(tmp_path, name):
    try:
        source = planted(
            formats[name], tmp_path / "tree", each=dict(subject=lambda o: 10**30 + o.subject)
        )
    except HyspError as error:
        assert "\n" not in str(error)
        return
    for clip in readable(source)[0]:
        assert clip.subject is None or 0 <= clip.subject < 10**9


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


@pytest.mark.parametrize("name", [name for name, form in formats.items() if not form.file])
def test_files_with_odd_names_cost_no_clip(tmp_path, name):
    form = formats[name]
    form.plant(tmp_path / "tree")
    whole = form.read(tmp_path / "tree")
    files = [path for path in sorted((tmp_path / "tree").rglob("*")) if path.is_file()]
    deepest = max(files, key=lambda path: len(path.parts))
    for odd in odd_names:
        copy = os.path.join(os.fsencode(deepest.parent), odd + os.fsencode(deepest.suffix))
        Path(os.fsdecode(copy)).write_bytes(deepest.read_bytes())
    source = form.read(tmp_path / "tree")
    prepare(source, tmp_path / "set", frames=4, strict=False, progress=False)
    assert set(whole.names) <= set(Dataset(tmp_path / "set").names)
    left_out = problems(tmp_path / "set")
    assert all(str(fault) == printable(fault) for fault in left_out)


@pytest.mark.parametrize("odd", ["a\r", "\udce9", "a" * 131_073])
def test_a_clip_with_an_odd_name_within_a_file_costs_no_other(tmp_path, odd):
    clips = formats["arrays"].plant(tmp_path / "npz", 4)
    content = dict(np.load(tmp_path / "npz/own.npz"))
    names = [os.fsencode(f"clip {i}") for i in range(4)]
    names[1] = os.fsencode(odd)
    np.savez(tmp_path / "npz/own.npz", **content | dict(name=np.array(names)))
    source = formats["arrays"].read(tmp_path / "npz")
    assert source.names == ["clip 0", "clip 2", "clip 3"]
    np.testing.assert_allclose(source[1].position[..., 0], clips[2].x.transpose(2, 0, 1), rtol=1e-6)
    assert source[1].label == clips[2].label
    (fault,) = source.faults
    assert "clip 1 has a name that" in fault.reason and len(str(fault)) < 1000
    with pytest.raises(HyspError, match="clip 1 has a name that"):
        prepare(source, tmp_path / "set", progress=False)

    pickled = tmp_path / "pyskl/ntu60_2d.pkl"
    formats["pyskl"].plant(tmp_path / "pyskl", 4)
    content = pickle.loads(pickled.read_bytes())
    content["annotations"][1]["frame_dir"] = odd
    pickled.write_bytes(pickle.dumps(content))
    source = formats["pyskl"].read(tmp_path / "pyskl")
    assert len(source) == 3 and len(source.faults) == 1
