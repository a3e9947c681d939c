"Motion capture: BVH against an independent computation, TRC and texts read back, recordings cut"

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hysp.clips import Clip, Fault, File, Source
from hysp.core import HyspError
from hysp.mocap import (
    bvh_folder,
    cut_by_intervals,
    joint_names,
    read_bvh,
    read_text,
    read_trc,
    text_folder,
    text_orders,
    tree_layout,
    trc_folder,
)
from hysp.skeleton import Layout, layouts, normal_name

arms = Layout("arms", ("neck", "left wrist", "right wrist"), (-1, 0, 0))


def file_of(path, text):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return File(str(path))


# BVH


def write_tree(names, parents, offsets, channels, numbers, seconds=0.04):
    "A BVH text; `channels` has a list of names for each joint"

    def block(joint, depth):
        pad = "  " * depth
        keyword = "JOINT" if depth else "ROOT"
        lines = [f"{pad}{keyword} {names[joint]}", pad + "{"]
        lines.append(f"{pad}  OFFSET {' '.join(map(repr, offsets[joint].tolist()))}")
        lines.append(f"{pad}  CHANNELS {len(channels[joint])} {' '.join(channels[joint])}")
        for child, parent in enumerate(parents):
            if parent == joint:
                lines += block(child, depth + 1)
        if joint not in parents:
            lines += [f"{pad}  End Site", pad + "  {", f"{pad}    OFFSET 0 0 0", pad + "  }"]
        return [*lines, pad + "}"]

    rows = [" ".join(map(repr, row)) for row in numbers.tolist()]
    head = ["MOTION", f"Frames: {len(numbers)}", f"Frame Time: {seconds}"]
    return "\n".join(["HIERARCHY", *block(0, 0), *head, *rows, ""])


def positions_by_scipy(parents, offsets, channels, numbers):
    "Joints of a tree frame by frame, with scipy's rotations; joints stand after their parents"
    res = np.zeros((len(numbers), len(parents), 3))
    for t, row in enumerate(numbers):
        values = iter(row)
        turns = []
        for joint, parent in enumerate(parents):
            offset = offsets[joint].copy()
            axes, angles = "", []
            for name in channels[joint]:
                if name.endswith("position"):
                    offset["XYZ".index(name[0])] = next(values)
                else:
                    axes += name[0]
                    angles.append(next(values))
            turn = Rotation.identity()
            if axes:  # Capitals: about the axes that turn along
                turn = Rotation.from_euler(axes, angles[0] if len(axes) == 1 else angles, True)
            if parent == -1:
                res[t, joint] = offset
                turns.append(turn)
            else:
                res[t, joint] = res[t, parent] + turns[parent].apply(offset)
                turns.append(turns[parent] * turn)
    return res


orders = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")
positions = ["Xposition", "Yposition", "Zposition"]


@pytest.mark.parametrize("order", (*orders, "Z", "YX", ""))
@pytest.mark.parametrize("moving", ("root", "all", "y alone"))
@pytest.mark.parametrize("seed", range(3))
def test_positions_are_those_of_scipy(tmp_path, order, moving, seed):
    rng = np.random.default_rng(seed)
    parents = [-1, 0, 1, 2, 1, 0, 5]  # Depth first, as the hierarchy lists them
    offsets = rng.uniform(-0.4, 0.4, (7, 3))
    turns = [f"{axis}rotation" for axis in order]
    of_root = ["Yposition"] if moving == "y alone" else positions
    others = positions if moving == "all" else []
    channels = [of_root + turns] + [others + turns] * 6
    columns = []
    for names in channels:
        columns += names
    numbers = rng.uniform(-180, 180, (5, len(columns)))
    numbers[:, [name.endswith("position") for name in columns]] *= 0.4 / 180
    text = write_tree("abcdefg", parents, offsets, channels, numbers)
    recording = read_bvh(file_of(tmp_path / "a.bvh", text))
    expected = positions_by_scipy(parents, offsets, channels, numbers)
    assert recording.parents == tuple(parents) and recording.fps == 25
    assert abs(recording.position - expected).max() <= 1e-6
    assert recording.seen.all()


def test_more_than_a_thousand_frames_are_the_same_as_a_few(tmp_path):
    rng = np.random.default_rng(0)
    channels = [["Zrotation", "Xrotation"]] * 3
    offsets = rng.uniform(-1, 1, (3, 3))
    numbers = rng.uniform(-180, 180, (2100, 6))
    parents = [-1, 0, 1]
    text = write_tree("abc", parents, offsets, channels, numbers)
    whole = read_bvh(file_of(tmp_path / "a.bvh", text)).position
    for start in (0, 990, 2090):
        part = write_tree("abc", parents, offsets, channels, numbers[start : start + 10])
        assert np.array_equal(
            read_bvh(file_of(tmp_path / "b.bvh", part)).position, whole[start : start + 10]
        )


cmu = (
    "Hips LHipJoint LeftUpLeg LeftLeg LeftFoot LeftToeBase RHipJoint RightUpLeg RightLeg RightFoot "
    "RightToeBase LowerBack Spine Spine1 Neck Neck1 Head LeftShoulder LeftArm LeftForeArm LeftHand "
    "LeftFingerBase LeftHandIndex1 LThumb RightShoulder RightArm RightForeArm RightHand "
    "RightFingerBase RightHandIndex1 RThumb"
).split()
cmu_parents = [-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14, 15]
cmu_parents += [13, 17, 18, 19, 20, 21, 20, 13, 24, 25, 26, 27, 28, 27]


def test_the_skeleton_of_cmu_has_shoulders_hips_and_a_mirror():
    layout = tree_layout(joint_names(cmu), cmu_parents)
    assert [cmu[joint] for joint in layout.shoulders] == ["LeftArm", "RightArm"]
    assert [cmu[joint] for joint in layout.hips] == ["LeftUpLeg", "RightUpLeg"]
    for joint, partner in enumerate(layout.mirror):
        swapped = {"Lef": "Right", "Rig": "Left"}.get(cmu[joint][:3])
        if swapped:
            assert cmu[partner] == swapped + cmu[joint].removeprefix("Left").removeprefix("Right")
    assert layout.mirror[cmu.index("LThumb")] == cmu.index("RThumb")
    assert layout.mirror[cmu.index("LHipJoint")] == cmu.index("RHipJoint")
    assert layout.mirror[cmu.index("Spine")] == cmu.index("Spine")


def test_a_prefix_makes_no_difference():
    plain = joint_names(cmu)
    assert joint_names([f"mixamorig:{name}" for name in cmu])[17:21] == plain[17:21]
    assert joint_names([f"Character1_{name}" for name in cmu]) == plain


def test_names_that_would_be_the_same_stay_apart():
    names = joint_names(["Hips", "LeftArm", "LeftUpperArm", "LeftForeArm"])
    assert names == ["hips", "left arm", "left upper arm", "left elbow"]
    names = joint_names(["Hips", "left_hand", "LeftHand"])
    assert names == ["hips", "left_hand", "LeftHand"]


small = write_tree(
    "abc",
    [-1, 0, 0],
    np.eye(3),
    [["Xrotation"]] * 3,
    np.array([[0.0, 0, 0], [90, 0, 0]]),
)


@pytest.mark.parametrize(
    "change",
    (
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("  ", "\t"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n{", " {"),
        lambda text: text.lower(),
        lambda text: text.replace("Frames: ", "\nFrames:\t") + "\n\n",
        lambda text: text.replace("JOINT b", "JOINT b of the arm"),
    ),
)
def test_small_differences_of_writers_do_not_matter(tmp_path, change):
    plain = read_bvh(file_of(tmp_path / "a.bvh", small))
    other = read_bvh(file_of(tmp_path / "b.bvh", change(small)))
    assert np.array_equal(other.position, plain.position)


@pytest.mark.parametrize(
    "text, says",
    (
        ("", "is empty"),
        ("{" * 100_000, "too many for a hierarchy"),
        ("HIERARCHY\nROOT a\n" + "{\n" * 60_000, "has no line MOTION"),
        ("HIERARCHY\nMOTION\nFrames: 1\n", "ends before its last }"),
        ("MOTION\n", "ends where HIERARCHY should be"),
        (small.replace("ROOT a", "JOINT a"), "JOINT stands outside a skeleton"),
        (small.replace("OFFSET 1.0 0.0 0.0", ""), "line 3: joint 'a' has no OFFSET"),
        (small.replace("JOINT b", "JOINT c"), "two joints are named 'c'"),
        (small.replace("Frame Time: 0.04", "Frame Time: nan"), "'Frame Time: nan' where"),
        (small.replace("Frame Time: 0.04", "Frame Time: 1e999"), "'Frame Time: 1e999' is no time"),
        (small.replace("Frame Time: 0.04", "Frame Time: 1e-9"), "'Frame Time: 1e-9' is no time"),
        (small.replace("Frames: 2", "Frames: 1e300"), "frames are said to follow, but 2 do"),
        (small.replace("Frames: 2", "Frames: 1"), "but 2 do; mend 'Frames:'"),
        (small.replace("90.0", "1e999"), "'1e999' is beyond 50,000"),
        (small.replace("CHANNELS 1 X", "CHANNELS 2 Xrotation x"), "xrotation is there twice"),
        (small.replace("CHANNELS 1 Xrotation", "CHANNELS 0"), "has no channels"),
        (small.replace("CHANNELS 1 X", "CHANNELS 7 X"), "7 channels; a joint has 0 to 6"),
        (small[: small.index("Frame Time")], "before its motion; it is cut short"),
        (small.encode().replace(b"90", b"\0"), "is no text: it holds zero bytes"),
    ),
)
def test_a_spoilt_bvh_is_refused_in_a_sentence(tmp_path, text, says):
    file = file_of(tmp_path / "a.bvh", text)
    with pytest.raises(Fault, match="a.bvh") as caught:
        read_bvh(file)
    assert says in str(caught.value)


def test_ten_thousand_joints_within_each_other_are_refused(tmp_path):
    joint = "{ OFFSET 0 0 0 CHANNELS 0 "
    inner = "".join(f"JOINT j{i} {joint}\n" for i in range(3000))
    text = f"HIERARCHY\nROOT a {joint}\n{inner}\n{'}' * 3001}\nMOTION\n"
    with pytest.raises(Fault, match="more than 500 joints"):
        read_bvh(file_of(tmp_path / "a.bvh", text))


def test_a_broken_first_file_is_passed_over(tmp_path):
    file_of(tmp_path / "x" / "1.bvh", "HIERARCHY")
    file_of(tmp_path / "x" / "2.bvh", small)
    source = bvh_folder(tmp_path)
    assert source.names == ["x/1", "x/2"] and source.fps == 25
    assert source[1].position.shape == (3, 2, 3, 1)
    with pytest.raises(Fault, match="1.bvh"):
        source[0]
    (tmp_path / "x" / "2.bvh").unlink()
    with pytest.raises(Fault, match="has no line MOTION"):
        bvh_folder(tmp_path)


def test_another_skeleton_shows_which_joint_is_missing(tmp_path):
    file_of(tmp_path / "x" / "1.bvh", small)
    file_of(tmp_path / "x" / "2.bvh", small.replace("JOINT c", "JOINT d"))
    with pytest.raises(Fault, match="2.bvh: unknown joint of layout 'bvh' among those of the file"):
        bvh_folder(tmp_path)[1]


def test_a_layout_chooses_joints_by_name_in_its_order(tmp_path):
    text = write_tree(
        ["Hips", "RightArm", "LeftArm"],
        [-1, 0, 0],
        np.array([[0.0, 0, 0], [-1, 1, 0], [1, 1, 0]]),
        [["Xrotation"]] * 3,
        np.zeros((1, 3)),
    )
    file_of(tmp_path / "x" / "1.bvh", text)
    two = Layout("two", ("left arm", "right arm"), (-1, 0))
    assert bvh_folder(tmp_path, two)[0].position[0, 0, :, 0].tolist() == [1, -1]
    two = Layout("two", ("left shoulder", "right shoulder"), (-1, 0))
    assert bvh_folder(tmp_path, two)[0].position[0, 0, :, 0].tolist() == [1, -1]
    with pytest.raises(HyspError, match="holds no file that ends in .trc"):
        trc_folder(tmp_path)


# TRC


def write_trc(markers, position, unit="mm", fps=60, divide="\t"):
    "A TRC text; NaN becomes an empty cell"
    keys = "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame"
    values = [fps, fps, len(position), len(markers), unit, fps, 1]
    names = ["Frame#", "Time"]
    axes = ["", ""]
    for i, marker in enumerate(markers, 1):
        names += [marker, "", ""] if divide == "\t" else [marker]
        axes += [f"{axis}{i}" for axis in "XYZ"]
    rows = []
    for t, row in enumerate(position.reshape(len(position), -1).tolist(), 1):
        cells = ["" if number != number else repr(number) for number in row]
        rows.append(divide.join([str(t), f"{t / fps:.3f}", *cells]))
    head = [f"PathFileType{divide}4{divide}(X/Y/Z){divide}a.trc", divide.join(keys.split())]
    head += [divide.join(map(str, values)), divide.join(names), divide.join(axes), ""]
    return "\n".join([*head, *rows, ""])


openpose = ["Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "Nose"]
openpose += ["RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar"]


@pytest.mark.parametrize("unit, scale", (("mm", 1000), ("m", 1)))
@pytest.mark.parametrize("seed", range(3))
def test_markers_come_back(tmp_path, unit, scale, seed):
    rng = np.random.default_rng(seed)
    position = rng.uniform(-1, 1, (7, 18, 3)) * scale
    lost = rng.random((7, 18)) < 0.2
    position[lost] = np.nan
    text = write_trc(openpose, position, unit)
    head, rows = text.splitlines()[:6], text.splitlines()[6:]
    rng.shuffle(rows)
    file_of(tmp_path / "walk" / "a.trc", "\n".join([*head, *rows, ""]))
    source = trc_folder(tmp_path)
    assert source.layout.name == "openpose" and source.unit == unit and source.fps == 60
    clip = source[0]
    order = [list(map(normal_name, openpose)).index(joint) for joint in source.layout.joints]
    expected = np.where(lost[..., None], 0, position)[:, order]
    assert np.array_equal(clip.seen[..., 0], ~lost[:, order])
    assert abs(clip.position[..., 0].transpose(1, 2, 0) - expected).max() <= 1e-6 * scale


# What Pose2Sim writes for its skeleton HALPE_26, and for BODY_25
of_leg = "Hip Knee Ankle BigToe SmallToe Heel".split()
of_arm = "Shoulder Elbow Wrist".split()
sided = [side + part for part in of_leg + of_arm for side in "RL"]


@pytest.mark.parametrize(
    "middle, name",
    (
        (["Hip", "Neck", "Head", "Nose"], "halpe-26, 22 of 26 joints"),
        (["CHip", "Neck", "Nose"], "body-25, 20 of 25 joints"),
    ),
)
def test_pose2sim_has_no_eyes_and_ears(tmp_path, middle, name):
    markers = [*middle, *sided]
    position = np.arange(3.0 * len(markers)).reshape(1, -1, 3) + 1
    file_of(tmp_path / "x" / "a.trc", write_trc(markers, position, unit="m"))
    source = trc_folder(tmp_path)
    layout = source.layout
    assert layout.name == name and layout.joints[layout.root] == "neck"
    assert [layout.joints[joint] for joint in layout.shoulders] == [
        "left shoulder",
        "right shoulder",
    ]
    knee, hip = layout.joints.index("left knee"), layout.joints.index("left hip")
    assert layout.parents[knee] == hip
    assert source[0].position[0, 0, knee, 0] == position[0, markers.index("LKnee"), 0]


@pytest.mark.parametrize(
    "spelt, says",
    (
        ("LKneeX", ["not there: left knee (nearest 'LKneeX')"]),
        ("belt", ["not there: left knee"]),
        ("LKnee", []),
    ),
)
def test_joints_that_no_marker_has_are_told_with_the_nearest(tmp_path, spelt, says):
    markers = [spelt if marker == "LKnee" else marker for marker in openpose]
    file_of(tmp_path / "x" / "a.trc", write_trc(markers, np.ones((2, 18, 3)), unit="m"))
    taken = trc_folder(tmp_path).taken
    assert [line for line in taken if line.startswith("not there")] == says
    alone = [line for line in taken if "twin" in line]
    assert alone == ["without a twin on the other side: right knee"][: len(says)]


def test_a_layout_of_ones_own_says_nothing_of_other_joints(tmp_path):
    file_of(tmp_path / "x" / "a.trc", write_trc(openpose, np.ones((2, 18, 3)), unit="m"))
    taken = trc_folder(tmp_path, arms).taken
    assert not any("not there" in line or "twin" in line for line in taken)


def test_blanks_divide_too_and_zero_or_nan_is_lost(tmp_path):
    position = np.arange(18.0).reshape(2, 3, 3) + 1
    position[1, 2] = 0
    text = write_trc(["a", "b", "c"], position, divide=" ").replace("4.0 5.0 6.0", "nan NaN nan")
    recording = read_trc(file_of(tmp_path / "a.trc", text))
    assert recording.seen.tolist() == [[True, False, True], [True, True, False]]
    assert recording.position[1, 0].tolist() == [10, 11, 12]


def test_a_file_that_is_cut_short_is_not_taken_for_lost_markers(tmp_path):
    text = write_trc(["a", "b"], np.ones((3, 2, 3)))
    faults = 0
    for end in range(1, 60):
        file = file_of(tmp_path / "a.trc", text[:-end])
        try:
            assert read_trc(file).seen.all()
        except Fault:
            faults += 1
    assert faults > 50


def test_units_and_rates_are_the_same_in_all_files(tmp_path):
    position = np.ones((2, 3, 3))
    markers = ["neck", "LWrist", "RWrist"]
    file_of(tmp_path / "x" / "1.trc", write_trc(markers, position))
    file_of(tmp_path / "x" / "2.trc", write_trc(markers, position, unit="m"))
    file_of(tmp_path / "x" / "3.trc", write_trc(markers, position, fps=30))
    source = trc_folder(tmp_path, arms)
    with pytest.raises(Fault, match="is in m, but the first file is in mm; prepare them apart"):
        source[1]
    with pytest.raises(Fault, match="has 30 frames a second, but the first file has 60"):
        source[2]


def test_more_gaps_than_steps_are_filled_as_well(tmp_path):
    text = write_trc(["neck", "LWrist", "RWrist"], np.arange(72.0).reshape(8, 3, 3) + 1)
    lines = [line for line in text.splitlines() if line[:2] not in ("2\t", "5\t", "7\t")]
    lines[2] = lines[2].replace("\t8\t", "\t5\t")
    file_of(tmp_path / "x" / "a.trc", "\n".join(lines) + "\n")
    clip = trc_folder(tmp_path, arms, gaps="fill")[0]
    np.testing.assert_allclose(clip.position[0, :, 0, 0], 9.0 * np.arange(8) + 1, rtol=1e-6)


@pytest.mark.parametrize("gaps, frames", (("refuse", None), ("fill", 10), ("cut", 5)))
def test_frames_that_are_missing(tmp_path, gaps, frames):
    text = write_trc(["neck", "LWrist", "RWrist"], np.arange(90.0).reshape(10, 3, 3) + 1)
    lines = [line for line in text.splitlines() if not line.startswith("6\t")]
    lines[2] = lines[2].replace("\t10\t", "\t9\t")
    file_of(tmp_path / "x" / "a.trc", "\n".join(lines) + "\n")
    source = trc_folder(tmp_path, arms, gaps=gaps)
    if frames is None:
        with pytest.raises(Fault, match="frame 5 is followed by 7; fill gaps with --gaps fill"):
            source[0]
    else:
        assert source[0].position.shape[1] == frames
        steps = np.diff(source[0].position[0, :, 0, 0])
        assert abs(steps - 9).max() <= 1e-6


# Texts of numbers


@pytest.mark.parametrize("flat", (False, True))
@pytest.mark.parametrize("order", (*text_orders, "a joint a row"))
def test_texts_come_back(tmp_path, order, flat):
    rng = np.random.default_rng(0)
    layout = layouts["nw-ucla"]
    x = rng.uniform(-2, 2, (6, 20, 2 if flat else 3))
    x[2, 4] = 0
    x[5] = 0
    if order == "TCV":
        rows = x.transpose(0, 2, 1).reshape(6, -1)
    else:
        rows = x.reshape(6, -1) if order == "TVC" else x.reshape(120, -1)
    np.savetxt(tmp_path / "a.txt", rows)
    file = File(str(tmp_path / "a.txt"))
    position, seen = read_text(file, layout, order if order in text_orders else "TVC")
    assert abs(position[: x.shape[2], ..., 0].transpose(1, 2, 0) - x).max() <= 1e-6
    assert not position[x.shape[2] :].any()
    expected = np.ones((6, 20), bool)
    expected[2, 4] = False
    expected[5] = False
    assert np.array_equal(seen[..., 0], expected)


def test_a_joint_that_is_always_the_origin_is_seen(tmp_path):
    rows = np.ones((4, 9))
    rows[:, :3] = 0
    np.savetxt(tmp_path / "a.txt", rows)
    position, seen = read_text(File(str(tmp_path / "a.txt")), arms)
    assert seen.all() and not position[:, :, 0].any()


def test_a_joint_a_row_has_no_other_order(tmp_path):
    file = file_of(tmp_path / "x" / "a.txt", "0 1 2\n" * 3)
    with pytest.raises(Fault, match="so order TCV has no meaning"):
        read_text(file, arms, "TCV")
    with pytest.raises(HyspError, match="did you mean 'TVC'"):
        text_folder(tmp_path, arms, order="TVX")


# Whatever is done to a file, what comes is a fault that names it


def spoil(text, rng):
    "A text with a few bytes, lines or numbers changed"
    data = bytearray(text.encode())
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(data)))
        what = rng.integers(5)
        if what == 0:
            data[at] = rng.integers(256)
        elif what == 1:
            del data[at : at + int(rng.integers(1, 40))]
        elif what == 2:
            data[at:at] = data[at : at + 50]
        elif what == 3:
            data[at:at] = rng.choice(
                [b" nan ", b"1e999", b" -1 ", b"}", b"{", b"\t", b"\n", b"9" * 400]
            )
        else:
            del data[at:]
        data = data or bytearray(b" ")
    return bytes(data)


@pytest.mark.parametrize("kind", ("bvh", "trc", "txt"))
def test_spoilt_files_end_in_faults(tmp_path, kind):
    rng = np.random.default_rng(0)
    good = dict(
        bvh=small,
        trc=write_trc(["neck", "LWrist", "RWrist"], rng.uniform(-9, 9, (4, 3, 3))),
        txt="0 1 2 3 4 5 6 7 8\n" * 4,
    )
    read = dict(bvh=read_bvh, trc=read_trc, txt=lambda file: read_text(file, arms))
    faults = 0
    for _ in range(400):
        file = file_of(tmp_path / f"a.{kind}", spoil(good[kind], rng))
        try:
            read[kind](file)
        except Fault as fault:
            faults += 1
            assert f"a.{kind}" in str(fault) and "\n" not in str(fault)
    assert faults > 100


@pytest.mark.parametrize("kind", ("bvh", "trc", "txt"))
@pytest.mark.parametrize("word", (b"\n", b"0 ", b"10\t", b"9", b"{\n", b"0\n"))
def test_floods_are_refused(tmp_path, kind, word):
    heads = dict(bvh=small.encode(), trc=write_trc(["a", "b", "c"], np.ones((1, 3, 3))).encode())
    data = heads.get(kind, b"") + word * (2**22 // len(word)) + b"1"
    read = dict(bvh=read_bvh, trc=read_trc, txt=lambda file: read_text(file, arms))
    with pytest.raises(Fault):
        read[kind](file_of(tmp_path / f"a.{kind}", data))


# Intervals


def recordings(fps=10, **change):
    "Three recordings of 100 frames; the number of the frame is the coordinate"

    def load(i):
        position = np.ones((3, 100, 3, 1), np.float32) * np.arange(100)[:, None, None] + 1000 * i
        return Clip(names[i], position, **about(i))

    def about(i):
        return dict(label=0, subject=7 + i, camera=2)

    names = ["s1/walk", "s2/walk", "s2/run"]
    fields = dict(fps=fps, about=about, stamp="made up") | change
    return Source(names, load, arms, ["whole"], **fields)


def table_of(tmp_path, text):
    (tmp_path / "intervals.csv").write_text(text)
    return tmp_path / "intervals.csv"


def test_parts_keep_what_is_known_of_their_recording(tmp_path):
    text = "file,start,end,label\ns2/walk,10,20,a\nrun.bvh,0,100,b\n"
    clips = cut_by_intervals(recordings(), table_of(tmp_path, text))
    assert [clip.name for clip in clips] == ["s2/walk_10-20", "s2/run_0-100"]
    assert [(clip.subject, clip.camera, clip.label) for clip in clips] == [(8, 2, 0), (9, 2, 1)]
    assert clips.about(0) == dict(subject=8, camera=2, label=0)
    assert clips[0].position[0, :, 0, 0].tolist() == list(range(1010, 1020))
    assert clips.skipped == {"recordings without an interval": 1} and not clips.files
    assert clips.stamp.startswith("made up") and clips.stamp != "made up"


@pytest.mark.parametrize(
    "column, cell, names",
    [("subject", "ben", {1: "ben"}), ("subject", "7", {}), ("camera", "7", {8: "anna"})],
)
def test_names_of_subjects_are_those_of_the_table(tmp_path, column, cell, names):
    text = f"file,start,end,label,{column}\ns2/walk,10,20,a,{cell}\n"
    clips = cut_by_intervals(recordings(subject_names={8: "anna"}), table_of(tmp_path, text))
    assert clips.subject_names == names


def test_a_name_that_two_recordings_end_with_is_refused(tmp_path):
    text = "file,start,end,label\nwalk,10,20,a\nrun,0,9,b\n"
    clips = cut_by_intervals(recordings(), table_of(tmp_path, text))
    assert clips.names == ["s2/run_0-9"]
    assert "no recording 'walk', or more than one ends so" in str(clips.faults[0])


@pytest.mark.parametrize(
    "head, start, end, frames",
    (
        ("start,end", "10", "20", (10, 20)),
        ("start,end", "1.0", "2.0", (10, 20)),
        ("start,end", "1.04", "1.06", (10, 11)),
        ("start_s,end_s", "1", "2", (10, 20)),
        ("start_time,end_time", "1", "2", (10, 20)),
        ("Start (seconds),End (seconds)", "1", "2", (10, 20)),
        ("start_frame,end_frame", "10", "20", (10, 20)),
    ),
)
def test_frames_and_seconds(tmp_path, head, start, end, frames):
    text = f"file,label,{head}\nrun,a,{start},{end}\n"
    clips = cut_by_intervals(recordings(), table_of(tmp_path, text))
    assert clips.names == [f"s2/run_{frames[0]}-{frames[1]}"]


def test_seconds_at_one_frame_a_second(tmp_path):
    text = "file,label,start,end\nrun,a,1.5,3.6\n"
    assert cut_by_intervals(recordings(fps=1), table_of(tmp_path, text)).names == ["s2/run_2-4"]


def test_splits_by_name_are_those_of_the_parts(tmp_path):
    protocols = dict(
        test=dict(by="name", train=["s1/walk", "s2/run"], val=["s2/walk"]),
        xsub=dict(train=[7, 8]),
    )
    text = "file,start,end,label\ns2/walk,0,5,a\nrun,0,5,b\nrun,5,9,a\n"
    clips = cut_by_intervals(recordings(protocols=protocols), table_of(tmp_path, text))
    assert clips.protocols["test"] == dict(
        by="name", train=["s2/run_0-5", "s2/run_5-9"], val=["s2/walk_0-5"]
    )
    assert clips.protocols["xsub"] == dict(train=[7, 8])


def test_a_subject_that_is_no_number_among_numbers_is_a_fault(tmp_path):
    text = "file,start,end,label,subject\nrun,0,5,a,3\nrun,5,9,a,anna\n"
    clips = cut_by_intervals(recordings(), table_of(tmp_path, text))
    assert [clip.subject for clip in clips] == [3]
    assert "line 3: subject 'anna' is no whole number" in str(clips.faults[0])


@pytest.mark.parametrize(
    "start, end", (("-1", "5"), ("5", "5"), ("9", "5"), ("nan", "5"), ("0", "1e999"), ("", "5"))
)
def test_what_is_no_interval(tmp_path, start, end):
    text = f"file,start,end,label\nrun,{start},{end},a\n"
    with pytest.raises(HyspError, match="are no interval"):
        cut_by_intervals(recordings(), table_of(tmp_path, text))


def test_what_was_seen_is_cut_as_well(tmp_path):
    rows = np.ones((6, 9))
    rows[4, 3:6] = np.nan
    np.savetxt(tmp_path / "take.txt", rows)
    source = text_folder(tmp_path / "take.txt", arms, naming="{label}")
    text = "file,start,end,label\ntake,3,6,a\ntake,0,3,a\n"
    clips = cut_by_intervals(source, table_of(tmp_path, text))
    assert clips[0].seen[..., 0].all(1).tolist() == [True, False, True]
    assert clips[1].seen.all()
    assert clips.files == [source.files[0]] * 2
