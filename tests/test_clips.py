"What all readers share: names, what was seen, trees, templates, gaps, bodies; CSV files of real tools"

import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hysp.clips import (
    Clip,
    Fault,
    File,
    Tokens,
    check_clip,
    find,
    folder_source,
    keep_identity,
    lost_joints,
    mend_gaps,
    naming_pattern,
    number_names,
    own_layout,
    read_rows,
    seen_joints,
)
from hysp.core import HyspError
from hysp.kinect import ntu
from hysp.readers import arrays, csv_folder, read_csv, split_axis
from hysp.skeleton import Layout, layouts, normal_name

joints = ("hip", "neck", "head", "left hand", "right hand")
five = Layout("five", joints, (-1, 0, 1, 1, 1))
rng = np.random.default_rng(0)


def clip_text(x, names=joints, before=None, axes="xyz"):
    "A CSV file of x, shape (T, V, C); `before` are cells before the coordinates, heading first"
    head = [f"{joint}_{axis}" for joint in names for axis in axes]
    before = before or [[]] * (len(x) + 1)
    lines = [",".join([*map(str, before[0]), *head])]
    for cells, frame in zip(before[1:], x):
        numbers = [f"{number:.5f}" for number in frame.ravel()]
        lines.append(",".join([*map(str, cells), *numbers]))
    return "\n".join(lines) + "\n"


def plant(folder, **texts):
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def read_text(tmp_path, text, layout=five, gaps="refuse"):
    plant(tmp_path, **{"a.csv": text})
    return read_csv(File(str(tmp_path / "a.csv")), layout, gaps)


# Names


@pytest.mark.parametrize("name", ["coco", "mediapipe", "openpose", "ntu-rgb+d", "ui-prmd"])
@pytest.mark.parametrize(
    "spell",
    [
        lambda side, rest: f"{side}_{rest.replace(' ', '_')}",
        lambda side, rest: f"{side} {rest}".upper().replace(" ", "_"),
        lambda side, rest: side.title() + rest.title().replace(" ", ""),
        lambda side, rest: rest.title().replace(" ", "") + side.title(),
        lambda side, rest: side[0].upper() + rest.title().replace(" ", ""),
        lambda side, rest: f"{rest}.{side[0].upper()}",
    ],
)
def test_every_spelling_is_one_name(name, spell):
    for joint in layouts[name].joints:
        if joint.startswith(("left", "right")):
            assert normal_name(spell(*joint.split(" ", 1))) == joint


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_a_normal_name_is_normal(text):
    once = normal_name(text)
    assert normal_name(once) == once or "left" in once or "right" in once
    split_axis(text, ("nose",))


def test_mirror_and_shoulders_are_found_in_any_spelling():
    spellings = ("left_shoulder", "LeftShoulder", "Shoulder Left", "LShoulder", "shoulder.L")
    for left in spellings:
        right = left.replace("left", "right").replace("Left", "Right")
        right = right.replace("LS", "RS").replace(".L", ".R")
        layout = own_layout(dict(joints=["hip", left, right], parents=[None, "hip", "hip"]))
        assert (layout.shoulders, layout.mirror) == ((1, 2), (0, 2, 1))


# What was seen


def test_seen_goes_with_positions():
    x = np.ones((3, 4, 5, 1), np.float32)
    clip = Clip("c", x, 0)
    assert seen_joints(clip).all() and not lost_joints(x).any()
    seen = np.ones((4, 5, 1), bool)
    seen[1, 2] = False
    with pytest.raises(HyspError, match="joint 'head' of body 0 was not seen in frame 1, but has"):
        check_clip(replace(clip, seen=seen), five, 1)
    x[:, 1, 2] = 0
    assert np.array_equal(lost_joints(x), ~seen)
    check_clip(replace(clip, seen=seen), five, 1)
    with pytest.raises(HyspError, match="must be bool of shape"):
        check_clip(replace(clip, seen=seen[:3]), five, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, -60_000])
def test_no_coordinate_is_that_far(value):
    x = np.ones((3, 4, 5, 1), np.float32)
    x[1, 2, 3, 0] = value
    with pytest.raises(HyspError, match="at frame 2, joint 'left hand', body 0"):
        check_clip(Clip("c", x, 0), five, 1)


# Trees


def test_links_pipes_and_deep_folders(tmp_path):
    line = " ".join([".1", ".2", ".3"] + ["0"] * 8) + " 2"
    text = "\n".join(["1", "1", "1 0 1 1 1 1 0 0 0 2", "25"] + [line] * 25)
    plant(tmp_path, **{"S001C001P001R001A001.skeleton": text})
    (tmp_path / "S001C001P002R001A001.skeleton").symlink_to("nowhere")
    os.mkfifo(tmp_path / "S001C001P003R001A001.skeleton")
    source = ntu(tmp_path)
    assert source.names == ["S001C001P001R001A001"] and source[0].position.shape == (3, 1, 25, 1)
    assert [fault.reason.split(";")[0] for fault in source.faults] == [
        "is a link to nothing",
        "is a pipe or a device, no file",
    ]
    home = os.getcwd()
    names = ["d"] * 1500 + ["deeper"] * 400
    try:
        os.chdir(tmp_path)
        for name in names:
            os.mkdir(name)
            os.chdir(name)
        deep = ntu(tmp_path)
    finally:  # What tidies up after tests cannot remove a tree so deep
        for name in reversed(names):
            os.chdir("..")
            os.rmdir(name)
        os.chdir(home)
    assert len(deep) == 1 and "cannot be looked into" in " ".join(map(str, deep.faults))


def test_names_that_no_table_can_hold(tmp_path):
    bad = os.path.join(os.fsencode(tmp_path), b"wave\xe9.csv")
    open(bad, "w").close()
    plant(tmp_path, **{"a\rb/1.csv": "", "b/1.csv": ""})
    found = find(tmp_path, ".csv")
    assert [file.path for file in found] == [str(tmp_path / "b/1.csv")]
    assert [fault.reason for fault in found.faults] == [
        "has a name that is not UTF-8; rename it",
        "has a name that holds a control character; rename it",
    ]
    for fault in found.faults:
        str(fault).encode()
    np.savez(
        tmp_path / "a.npz",
        frames=np.ones((2, 5, 3)),
        offsets=[0, 1, 2],
        label=[0, 0],
        name=["one\rtwo", "b"],
    )
    source = arrays(tmp_path / "a.npz", five)
    assert source.names == ["b"]
    assert "clip 0 has a name that holds a control character" in source.faults[0].reason


def test_what_is_no_data_is_passed_over(tmp_path):
    x = rng.normal(size=(4, 5, 3))
    for label in ("wave", "clap"):
        for i in range(2):
            plant(tmp_path, **{f"{label}/c{i}.csv": clip_text(x)})
        copy = f"{label}/.ipynb_checkpoints/c0-checkpoint.csv"
        plant(tmp_path, **{copy: clip_text(x)})
    plant(tmp_path, **{"prepared/samples.csv": "name\n", "prepared/dataset.yaml": ""})
    plant(tmp_path, **{"run/metrics.csv": "epoch\n", "run/config.yaml": ""})
    (tmp_path / "again").symlink_to(tmp_path / "wave")
    source = csv_folder(tmp_path, five)
    assert (len(source), source.class_names, source.faults) == (4, ["clap", "wave"], [])
    assert len([line for line in source.taken if line.startswith("passed over")]) == 5


def test_little_zip_that_takes_much(tmp_path):
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("S001C001P001R001A001.skeleton", b"1\n" * 16_000_000)
    with pytest.raises(Fault, match="has 16,000,000 words, more than any recording"):
        ntu(path)[0]
    with pytest.raises(Fault, match="lines, more than any recording"):
        Tokens(b"\n" * 2**22 + b"1")


# Templates and tables


def read_nothing(file):
    return np.ones((3, 2, 5, 1), np.float32), None


def test_a_template_says_what_is_what(tmp_path):
    for split in ("train", "test", "val"):
        for subject in ("anna", "bert"):
            plant(
                tmp_path,
                **{f"{split}/wave/{subject}_1.num": "", f"{split}/clap/{subject}_2.num": ""},
            )
    plant(tmp_path, **{"notes.num": ""})
    found = find(tmp_path, ".num")
    source = folder_source(tmp_path, found, read_nothing, five, "{split}/{label}/{subject}_{*}.num")
    assert (len(source), source.class_names) == (12, ["clap", "wave"])
    assert {clip.name: clip.subject for clip in source}["val/wave/bert_1"] == 2
    sizes = {held: (len(p["train"]), len(p["val"])) for held, p in source.protocols.items()}
    assert sizes == {"test": (4, 4), "val": (4, 4)}
    assert [Path(fault.file).name for fault in source.faults] == ["notes.num"]
    assert (
        "subject by the template" in source.taken[1] and "anna as 1, bert as 2" in source.taken[1]
    )
    trains = [file for file in found if "/train/" in file.path]
    with pytest.raises(HyspError, match="splits are train; a protocol needs"):
        folder_source(tmp_path, trains, read_nothing, five, "{split}/{label}/{*}")
    with pytest.raises(HyspError, match="holds no clip .* is not named as the template"):
        folder_source(tmp_path, found, read_nothing, five, "{label}/{subject}")


@pytest.mark.parametrize(
    "paths,found,naming",
    [
        (("train/1", "test/1"), "test, train", "{split}/{label}_{*}"),
        (("train/1", "test/1", "extra/1"), "test, train", "{split}/{label}_{*}"),
        (("train/wave/1", "test/wave/1"), "test, train", "{split}/{label}/{*}"),
        (("wave/Val/1", "clap/1"), "Val", "{label}/{split}/{*}"),
        (("own/train/wave/1",), "train", "{*}/{split}/{label}/{*}"),
    ],
)
def test_train_and_test_are_no_classes(tmp_path, paths, found, naming):
    plant(tmp_path, **{f"{path}.num": "" for path in paths})
    files = find(tmp_path, ".num")
    with pytest.raises(HyspError) as refusal:
        folder_source(tmp_path, files, read_nothing, five)
    assert f"lie in folders {found}, which are no classes" in str(refusal.value)
    first, as_classes = re.findall("--name '(.+?)'", str(refusal.value))
    assert first == naming
    assert len(folder_source(tmp_path, files, read_nothing, five, as_classes)) >= 1


def test_the_template_of_a_refusal_makes_splits(tmp_path):
    plant(tmp_path, **{"train/wave/1.num": "", "train/clap/1.num": "", "test/wave/1.num": ""})
    files = find(tmp_path, ".num")
    source = folder_source(tmp_path, files, read_nothing, five, "{split}/{label}/{*}")
    assert source.class_names == ["clap", "wave"] and source.protocols["test"]["val"]


@pytest.mark.parametrize(
    "paths,lines",
    [
        (("wave/1", "p1/1"), []),
        (("p1/wave_1", "p2/wave_1"), ["are these people: p1, p2? then --name T"]),
        (
            ("wave/monday/1", "clap/1"),
            ["folders above the class were not used: wave; if these are the classes: --name T"],
        ),
        (
            ("own/wave/Person-1/1", "own/clap/Person-2/1"),
            [
                "folders above the class were not used: clap, own, wave; "
                "if these are the classes: --name T",
                "are these people: Person-1, Person-2? then --name T",
            ],
        ),
    ],
)
def test_what_folders_may_be_is_asked(tmp_path, paths, lines):
    plant(tmp_path, **{f"{path}.num": "" for path in paths})
    files = find(tmp_path, ".num")
    told = folder_source(tmp_path, files, read_nothing, five).taken[2:]
    assert [re.sub("--name '.+'", "--name T", line) for line in told] == lines
    for naming in re.findall("--name '(.+?)'", " ".join(told)):
        source = folder_source(tmp_path, files, read_nothing, five, naming)
        assert not set(source.class_names) - {"wave", "clap"}


def test_a_person_folder_becomes_a_subject(tmp_path):
    plant(tmp_path, **{"wave/person1/1.num": "", "clap/person2/1.num": ""})
    files = find(tmp_path, ".num")
    above, _ = folder_source(tmp_path, files, read_nothing, five).taken[2:]
    naming = re.search("--name '(.+)'", above)[1]
    source = folder_source(tmp_path, files, read_nothing, five, naming)
    assert (source.class_names, [clip.subject for clip in source]) == (["clap", "wave"], [2, 1])


def test_an_archive_is_no_folder_that_was_not_used(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as z:
        z.writestr("wave/1.num", "")
    source = folder_source(tmp_path, find(tmp_path, ".num"), read_nothing, five)
    assert source.taken[2:] == []


@pytest.mark.parametrize(
    "head,says",
    [
        ("file,lable", "(it has file, lable); if 'lable' is that, call it 'label'"),
        ("file,Labels,x", "(it has file, Labels, x); if 'Labels' is that, call it 'label'"),
        ("file,what", "(it has file, what)"),
        ("file" + ",c" * 10, "(it has file, c, c, c, c, c, c, c and 3 more)"),
    ],
)
def test_a_column_that_is_missing(tmp_path, head, says):
    plant(tmp_path, **{"clips.csv": f"{head}\n1.num,wave\n", "1.num": ""})
    with pytest.raises(HyspError) as refusal:
        folder_source(tmp_path, find(tmp_path, ".num"), read_nothing, five)
    assert str(refusal.value).endswith(f"clips.csv has no column 'label' {says}")


def test_columns_that_were_passed_over_are_listed(tmp_path):
    plant(tmp_path, **{"clips.csv": "file,Label,Subjekt,notes,\n1.num,wave,1,,\n", "1.num": ""})
    source = folder_source(tmp_path, find(tmp_path, ".num"), read_nothing, five)
    assert source.taken[2:] == [
        "columns of clips.csv passed over: "
        "Subjekt (if that is the subject, call it 'subject'), notes"
    ]


@pytest.mark.parametrize("naming", ["", "{", "}{", "{label", "{}", "{label}{*}", "a/b", "{labels}"])
def test_refused_templates(naming):
    with pytest.raises(HyspError):
        naming_pattern(naming)


@given(st.lists(st.text("aS01239", min_size=1, max_size=4), max_size=6))
def test_numbers_of_names(words):
    numbers = number_names(words)
    assert len(set(numbers.values())) == len(numbers) and set(numbers) <= set(words)


def test_clips_in_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as z:
        z.writestr("wave/1.csv", clip_text(np.ones((3, 5, 3))))
    source = csv_folder(tmp_path, five)
    assert source.names == ["all.zip/wave/1"] and source[0].position.all()


# Time and bodies


def test_lines_are_ordered_by_frame(tmp_path):
    frames = [(t, 1) for t in range(5, 10)] + [(t, 2) for t in range(10)]
    x = np.stack([np.full((5, 3), body + t / 100) for t, body in frames])
    position, seen = read_text(tmp_path, clip_text(x, before=[["frame", "body"], *frames]))
    np.testing.assert_allclose(position[0, :, 0, 1], 2 + np.arange(10) / 100, atol=1e-6)
    np.testing.assert_allclose(position[0, 5:, 0, 0], 1 + np.arange(5, 10) / 100, atol=1e-6)
    assert not seen[:5, :, 0].any()
    for column in ("frame", "Frame Number", "timestamp", "time (s)"):
        order = rng.permutation(6)
        x = np.stack([np.full((5, 3), 1 + t / 100) for t in order])
        text = clip_text(x, before=[[column], *([t / 10] for t in order)])
        position, _ = read_text(tmp_path, text)
        np.testing.assert_allclose(position[0, :, 0, 0], 1 + np.arange(6) / 100, atol=1e-6)


@pytest.mark.parametrize(
    "column", "body person_id PersonID track_id id subject-id person player".split()
)
def test_people_by_any_usual_name(tmp_path, column):
    rows = [(t, body) for t in range(4) for body in ("a", "b")]
    x = np.stack([np.full((5, 3), 1 + (body == "b") + t / 100) for t, body in rows])
    position, seen = read_text(tmp_path, clip_text(x, before=[["frame", column], *rows]))
    assert position.shape == (3, 4, 5, 2) and seen.all()
    np.testing.assert_allclose(
        position[0, :, 0], [[1 + t / 100, 2 + t / 100] for t in range(4)], atol=1e-6
    )


def test_frames_that_are_there_twice(tmp_path):
    text = clip_text(np.ones((3, 5, 3)), before=[["frame"], [1], [2], [2]])
    with pytest.raises(Fault, match="line 4: frame 2 is there twice, also in line 3; where these"):
        read_text(tmp_path, text)


def test_an_id_a_line_is_no_person(tmp_path):
    text = clip_text(np.ones((30, 5, 3)), before=[["id"], *([i] for i in range(30))])
    assert read_text(tmp_path, text)[0].shape == (3, 30, 5, 1)


def test_one_person_under_new_ids(tmp_path):
    rows = [(t, t // 4) for t in range(20)]
    text = clip_text(np.ones((20, 5, 3)), before=[["frame", "track_id"], *rows])
    position, seen = read_text(tmp_path, text)
    assert position.shape == (3, 20, 5, 1) and seen.all()


@pytest.mark.parametrize("bodies", [2, 3, 5])
def test_exchanged_bodies_are_exchanged_back(bodies):
    steps = rng.normal(size=(3, 40, 1, bodies)) / 200
    x = np.cumsum(steps, 1) + 2 * np.arange(bodies) + rng.normal(size=(3, 1, 5, 1))
    swapped = x.copy()
    for _ in range(6):
        t = rng.integers(1, 40)
        a, b = rng.permutation(bodies)[:2]
        swapped[:, t:, :, [a, b]] = swapped[:, t:, :, [b, a]]
    seen = np.ones(x.shape[1:], bool)
    first = [int(np.argmin(abs(x[0, 0, 0] - value))) for value in swapped[0, 0, 0]]
    np.testing.assert_array_equal(keep_identity(swapped, seen, five)[0], x[..., first])


def test_gaps(tmp_path):
    rows = [[t] for t in (0, 1, 2, 3, 7, 8)]
    x = np.stack([np.full((5, 3), 1.0 + t) for (t,) in rows])
    text = clip_text(x, before=[["frame"], *rows])
    with pytest.raises(Fault, match="a gap from 3 to 7, where 1 is the usual step; .*--gaps fill"):
        read_text(tmp_path, text)
    np.testing.assert_allclose(
        read_text(tmp_path, text, gaps="fill")[0][0, :, 0, 0], 1.0 + np.arange(9)
    )
    np.testing.assert_allclose(read_text(tmp_path, text, gaps="cut")[0][0, :, 0, 0], [1, 2, 3, 4])
    with pytest.raises(HyspError, match="did you mean 'fill'"):
        csv_folder(tmp_path, five, gaps="fil")
    every_third = clip_text(x, before=[["frame"], *([3 * t] for t in range(6))])
    assert read_text(tmp_path, every_third)[0].shape[1] == 6


@settings(deadline=None)
@given(st.lists(st.sampled_from([1, 1, 1, 1, 2, 5]), min_size=3, max_size=20))
def test_what_is_filled_is_at_regular_times(steps):
    times = np.concatenate([[0], np.cumsum(steps)])
    x = np.broadcast_to(times[None, :, None, None] + 1.0, (3, len(times), 5, 1)).copy()
    usual = np.median(np.diff(times))
    filled, seen = mend_gaps(x, np.ones(x.shape[1:], bool), times, "fill")
    if usual == 1:
        np.testing.assert_allclose(filled[0, :, 0, 0], 1 + np.arange(times[-1] + 1))
    assert seen.all() and filled.shape[1] == seen.shape[0]


# Headings of tools


x6 = rng.normal(size=(6, 5, 3)).round(3)
plain = clip_text(x6).split("\n", 1)[1]
head = [f"{joint}_{axis}" for joint in joints for axis in "xyz"]
commas = plain.replace(",", ";").replace(".", ",")


@pytest.mark.parametrize(
    "text",
    [
        ";;;".join(joints) + ";;;\n" + "X;Y;Z;" * 5 + "\n" + commas.replace("\n", ";\n"),
        commas,
        ";".join(head) + "\n" + commas,
        "sep=;\n" + ";".join(head) + "\n" + plain.replace(",", ";"),
        "# 30 Hz\n" + ",".join(head) + "\n" + plain,
        "\n\n" + ",".join(head) + "\n" + plain,
        ",".join(f"{cell} (m)" for cell in head) + "\n" + plain,
        ",".join(f"{axis}_{joint}" for joint in joints for axis in "xyz") + "\n" + plain,
        ",".join(cell.title().replace(" ", "").replace("_", "") for cell in head) + "\n" + plain,
        ",".join(f"{joint} {axis}".upper() for joint in joints for axis in "xyz") + "\n" + plain,
        "scorer"
        + ",me" * 15
        + "\nbodyparts,"
        + ",".join(cell[:-2] for cell in head)
        + "\ncoords"
        + ",x,y,z" * 5
        + "\n"
        + "".join(f"{i},{row}\n" for i, row in enumerate(plain.split())),
    ],
)
def test_headings_of_tools(tmp_path, text):
    position, seen = read_text(tmp_path, text)
    np.testing.assert_allclose(position[..., 0].transpose(1, 2, 0), x6, atol=1e-6)
    assert seen.all()


def both(*names):
    return [f"{side}_{name}" for name in names for side in ("LEFT", "RIGHT")]


mediapipe = ["NOSE", "LEFT_EYE_INNER", "LEFT_EYE", "LEFT_EYE_OUTER"]
mediapipe += ["RIGHT_EYE_INNER", "RIGHT_EYE", "RIGHT_EYE_OUTER", "LEFT_EAR", "RIGHT_EAR"]
mediapipe += ["MOUTH_LEFT", "MOUTH_RIGHT", *both("SHOULDER", "ELBOW", "WRIST", "PINKY", "INDEX")]
mediapipe += both("THUMB", "HIP", "KNEE", "ANKLE", "HEEL", "FOOT_INDEX")
openpose = "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee"
openpose = f"{openpose} LAnkle REye LEye REar LEar".split()


@pytest.mark.parametrize("name,names", [("mediapipe", mediapipe), ("openpose", openpose)])
def test_names_of_estimators(tmp_path, name, names):
    x = rng.uniform(0.1, 1, (6, len(names), 3))
    position, seen = read_text(tmp_path, clip_text(x, names), layouts[name])
    np.testing.assert_allclose(position[..., 0].transpose(1, 2, 0), x, atol=1e-5)
    assert seen.all()


def test_what_was_taken_and_the_unit(tmp_path):
    text = clip_text(x6, before=[["Frame", "person", "score"], *([t, 1, 0.5] for t in range(6))])
    head, rest = text.split("\n", 1)
    for axis in "xyz":
        head = head.replace(f"_{axis}", f"_{axis} [mm]")
    plant(tmp_path, **{"wave/1.csv": f"{head}\n{rest}"})
    source = csv_folder(tmp_path, five)
    assert (source.unit, source.up) == ("mm", None)
    assert source.taken == [
        "1 clips, 1 classes by the folder of each file: wave 1",
        "subject: unknown, so there is no split across subjects",
        "columns of 1.csv: 'hip_x [mm]', 'hip_y [mm]', 'hip_z [mm]' as hip and so on; "
        "time by 'Frame'; bodies by 'person'; passed over: score",
    ]


def test_lost_joints_of_coco(tmp_path):
    coco = layouts["coco"]
    x = rng.uniform(0.2, 0.8, (20, 17, 2))
    x[7, [5, 6]] = 0
    position, seen = read_text(tmp_path, clip_text(x, coco.joints, axes="xy"), coco)
    assert np.argwhere(~seen[..., 0]).tolist() == [[7, 5], [7, 6]]
    assert not position[:, 7, 5:7].any()


@pytest.mark.parametrize(
    "text,says",
    [
        (b"," * 20_000, "has more than 4,000 cells"),
        (b"1\n" * 300_000, "has 300,000 lines, more than any table"),
        (b"_" * 100_000, "there is no column 'hip x'"),
        (("_" * 300 + ",").encode() * 3000, "there is no column 'hip x'"),
        (b"# only\n# comments\n", "holds nothing but comments"),
    ],
)
def test_limits_of_tables(tmp_path, text, says):
    with pytest.raises(Fault, match=says):
        read_text(tmp_path, text)


def test_rows_know_their_lines(tmp_path):
    plant(tmp_path, **{"a.csv": "\r\n# x\r\na,b\r\r\n1,2\r"})
    assert list(read_rows(File(str(tmp_path / "a.csv")))) == [(3, ["a", "b"]), (5, ["1", "2"])]


# npz


@pytest.mark.parametrize(
    "change,says",
    [
        (dict(joint_names="a"), "'joint_names' in .* must be a list"),
        (dict(class_names="a"), "'class_names' in .* must be a list"),
        (dict(name="a"), "'name' in .* must be a list"),
        (dict(fps=np.nan), "'fps' in .* one number above 0"),
        (dict(fps=-30), "'fps' in .* one number above 0"),
        (dict(label=[0, 2_000_000_000]), "at most 9 digits"),
        (dict(label=[0, 20_000]), "classes are numbered 0 to 9999"),
        (dict(frames=np.full((10, 3, 3), 1e30)), "holds 1e\\+30 at frame 0"),
        (dict(joint_names=np.zeros(10**6, "<U1")), "at most 1,000 names"),
    ],
)
def test_arrays_of_no_dimension_and_huge_labels(tmp_path, change, says):
    good = dict(frames=np.ones((10, 3, 3)), offsets=[0, 4, 10], label=[1, 0])
    good |= dict(joint_names=["a", "left b", "right b"], parents=[-1, 0, 0])
    np.savez(tmp_path / "x.npz", **{**good, **change})
    with pytest.raises(HyspError, match=says):
        list(arrays(tmp_path / "x.npz"))
