"Units and axes of bodies in every layout: measured, asked, answered as proposed; joints mapped"

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hysp.clips import Clip, Source, up_axes
from hysp.core import HyspError
from hysp.feeder import Dataset
from hysp.prepare import prepare
from hysp.readers import arrays
from hysp.skeleton import Layout, layouts
from hysp.synthetic import generate
from hysp.units import (
    convert,
    counterparts,
    is_flat,
    why_no_depth,
    map_joints,
    measure,
    metres,
    questions,
    scores_to_seen,
)

data = Path(__file__).parents[2] / "shared" / "data"

# Heights of the parts of a body, metres; how far to the left, and to the front
parts = {
    "head tip": (1.75, 0, 0),
    "head": (1.68, 0, 0),
    "nose": (1.66, 0, 0.1),
    "inner eye": (1.7, 0.02, 0.08),
    "eye": (1.7, 0.03, 0.08),
    "outer eye": (1.7, 0.04, 0.07),
    "ear": (1.68, 0.08, 0),
    "mouth": (1.62, 0.02, 0.09),
    "neck": (1.5, 0, 0),
    "spine shoulder": (1.43, 0, 0),
    "shoulder centre": (1.43, 0, 0),
    "thorax": (1.42, 0, 0),
    "chest": (1.35, 0, 0),
    "spine chest": (1.3, 0, 0),
    "spine3": (1.3, 0, 0),
    "torso": (1.2, 0, 0),
    "spine middle": (1.18, 0, 0),
    "spine": (1.16, 0, 0),
    "spine2": (1.15, 0, 0),
    "spine navel": (1.1, 0, 0),
    "spine1": (1.05, 0, 0),
    "pelvis": (0.95, 0, 0),
    "spine base": (0.95, 0, 0),
    "hip centre": (0.95, 0, 0),
    "mid hip": (0.95, 0, 0),
    "waist": (0.95, 0, 0),
    "collar": (1.4, 0.06, 0),
    "clavicle": (1.4, 0.05, 0),
    "shoulder": (1.43, 0.18, 0),
    "elbow": (1.15, 0.22, 0),
    "wrist": (0.9, 0.24, 0.04),
    "hand": (0.82, 0.25, 0.06),
    "hand tip": (0.74, 0.25, 0.08),
    "thumb": (0.8, 0.22, 0.1),
    "pinky": (0.8, 0.27, 0.04),
    "index": (0.78, 0.25, 0.08),
    "hip": (0.93, 0.1, 0),
    "knee": (0.5, 0.12, 0.03),
    "ankle": (0.08, 0.12, 0),
    "heel": (0.02, 0.12, -0.05),
    "foot": (0.02, 0.14, 0.12),
    "toes": (0.01, 0.15, 0.18),
    "big toe": (0.01, 0.13, 0.18),
    "small toe": (0.01, 0.17, 0.15),
}


def body(layout):
    "Positions of the joints of somebody who stands upright and faces along z, shape (V, 3)"
    rows = []
    for joint in layout.joints:
        side, _, part = joint.partition(" ")
        sign = {"left": 1, "right": -1}.get(side, 0)
        height, across, ahead = parts[part if sign else joint]
        rows.append([sign * across, height, ahead])
    return np.array(rows)


def standing(layout, change=lambda x: x, seen=None, **known):
    "Three clips of that person, who sways, after a change of coordinates (T, V, 3)"
    layout = layouts[layout] if isinstance(layout, str) else layout

    def load(i):
        sway = np.random.default_rng(i).normal(0, 0.01, (12, 1, 3)).cumsum(0)
        position = change(body(layout) + sway).astype(np.float32).transpose(2, 0, 1)[..., None]
        if seen is not None:
            position = position * seen
        return Clip(f"c{i}", position, label=i % 2, subject=i + 1, seen=seen)

    return Source(["c0", "c1", "c2"], load, layout, ["a", "b"], stamp="s", **known)


def answers(asked):
    "The options that questions propose"
    options = re.findall(r"--(unit|up|mirror-axis) (\S+)", " ".join(asked))
    return {option.replace("-", "_"): value for option, value in options}


# For each axis that may be up: the old axes of a body that stands along y, and their signs
laid = {
    "y": ([0, 1, 2], [1, 1, 1]),
    "-y": ([0, 1, 2], [1, -1, -1]),
    "z": ([0, 2, 1], [1, -1, 1]),
    "-z": ([0, 2, 1], [1, 1, -1]),
    "x": ([1, 0, 2], [1, -1, 1]),
    "-x": ([1, 0, 2], [-1, 1, 1]),
}


# Layouts with neither toes nor a nose, so nobody sees where a body faces
faceless = ["common-15", "h36m-17", "openni-15"]


def test_all_axes_are_tried():
    assert set(laid) == set(up_axes)


@pytest.mark.parametrize("name", layouts)
@pytest.mark.parametrize("up", up_axes)
@pytest.mark.parametrize("unit", metres)
def test_what_is_proposed_makes_metres_with_y_up(name, up, unit):
    axes, signs = laid[up]
    source = standing(name, lambda x: x[..., axes] * signs / metres[unit])
    options = answers(questions(source))
    wanted = dict(unit=unit, up=up)
    usual = dict(unit="m", up="y")
    assert options == {key: wanted[key] for key in wanted if wanted[key] != usual[key]}
    converted = convert(source, **options)
    np.testing.assert_allclose(converted[1].position, standing(name)[1].position, atol=1e-5)
    assert questions(converted) == []


@pytest.mark.parametrize("name", sorted(set(layouts) - set(faceless)))
@pytest.mark.parametrize("up", ["y", "-y", "z"])
def test_a_mirrored_set_is_asked_about(name, up):
    axes, signs = laid[up]
    source = standing(name, lambda x: x[..., axes] * signs * [-1, 1, 1])
    options = answers(questions(source))
    assert options.pop("mirror_axis") == "x"
    converted = convert(source, mirror_axis="x", **options)
    np.testing.assert_allclose(converted[0].position, standing(name)[0].position, atol=1e-5)


@pytest.mark.parametrize("name", faceless)
def test_where_nobody_sees_the_front_nothing_is_asked(name):
    assert measure(standing(name)).left_is_left is None
    assert questions(standing(name, lambda x: x * [-1, 1, 1])) == []


@pytest.mark.parametrize("height", [240, 480, 1080, 2160, 4320])
def test_pixels_of_any_resolution_are_treated_alike(height):
    source = standing("openpose", lambda x: (2 - x) * [1, 1, 0] * height / 2)
    asked = questions(source)
    assert why_no_depth(source) == "the clips are flat" and len(asked) == 2
    assert "no metres: are these pixels? --unit pixel" in asked[0]
    told = convert(source, unit="pixel", up="-y")
    assert questions(told) == [] and told.unit == "pixel"
    np.testing.assert_array_equal(told[0].position[1], -source[0].position[1])
    assert not told[0].position[2].any() and told[0].position.max() > height / 2


def test_a_score_is_no_depth():
    scored = standing("openpose", lambda x: 500 * (2 - x) * [1, 1, 0] + [0, 0, 1] * abs(x) / 9)
    assert why_no_depth(scored) == "the third coordinate lies between 0 and 1, as a score does"
    assert is_flat(scored) and why_no_depth(standing("ntu-rgb+d")) == ""


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e9])
def test_what_is_no_coordinate_is_refused_with_clip_frame_and_joint(value):
    def spoil(x):
        x[3, 2, 1] = value
        return x

    source = standing("coco", spoil)
    message = "clip c0 holds .* at frame 3, joint 'right eye', body 0"
    for change in (
        lambda: source[0],
        lambda: convert(source, unit="mm")[0],
        lambda: map_joints(source, "common-15")[0],
    ):
        with pytest.raises(HyspError, match=message):
            change()
    assert questions(source)[0].startswith("units and axes were not measured: none of 3 clips")
    assert is_flat(source) is False


@pytest.mark.parametrize("unit,least,end", [("m", 990, 1_010), ("inch", 39_000, 39_500)])
def test_one_kilometre_is_the_end_once_the_unit_is_known(unit, least, end):
    near = convert(standing("ntu-rgb+d", lambda x: x / metres[unit] + least), unit=unit)
    assert abs(near[0].position).max() < 1000
    far = standing("ntu-rgb+d", lambda x: x / metres[unit] + end)
    assert far[0].position.max() > end - 1, "what the numbers are is not known, so they may be"
    message = "clip c0 holds 1,0.. m at frame 0, joint 'spine base', body 0, .* 1 km"
    with pytest.raises(HyspError, match=message):
        convert(far, unit=unit)[0]


def test_clips_that_cannot_be_read_are_passed_over():
    good = standing("coco", lambda x: 1000 * x)

    def load(i):
        if i < 2:
            raise HyspError("damaged")
        return good.load(i)

    assert answers(questions(replace(good, load=load))) == dict(unit="mm")


def test_benchmarks_are_not_measured():
    def load(i):
        raise AssertionError("not to be read")

    source = replace(standing("ntu-rgb+d"), load=load, benchmark=True)
    assert questions(source) == [] and is_flat(source) is False


def test_a_benchmark_would_not_be_asked_about():
    made_up = replace(generate(n=24, subjects=4), benchmark=False)
    found = measure(made_up)
    assert (found.up, found.unit, found.left_is_left, found.flat) == ("y", "m", True, False)


@pytest.mark.parametrize("name", ["uiprmd_kinect", "kard", "msraction3d"])
def test_real_sets_are_as_usual(name):
    file = data / f"{name}.npz"
    if not file.exists():
        pytest.skip(f"there is no {file.name} in shared/data")
    source = arrays(file)
    found = measure(source)
    assert (found.up, found.unit, found.flat, found.scored) == ("y", "m", False, False)
    assert found.left_is_left is (None if name == "kard" else True)
    assert questions(source) == []


def test_a_slice_of_what_was_converted_and_its_layout():
    layout = replace(layouts["coco"], side_axis=1)
    source = standing(layout, lambda x: x[..., [2, 0, 1]])
    converted = convert(source, up="z")[1:]
    assert converted.layout.side_axis == 2 and len(converted) == 2
    assert converted.names == ["c1", "c2"] and converted[0].name == "c1"
    assert converted.up == "y" and converted.unit is None
    assert convert(source) is source


def test_other_answers_are_another_stamp():
    source = standing("coco")
    changed = [
        convert(source, unit="mm"),
        convert(source, unit="cm"),
        convert(source, up="z"),
        convert(source, mirror_axis="x"),
        map_joints(source, "common-15"),
        scores_to_seen(source),
    ]
    assert len({other.stamp for other in (source, *changed)}) == 7
    unstamped = replace(source, stamp=None)
    assert convert(unstamped, unit="mm").stamp is None
    assert map_joints(unstamped, "common-15").stamp is None


# Mapping


@pytest.mark.parametrize("name", layouts)
def test_every_layout_maps_to_the_common_body(name):
    mapped = map_joints(standing(name), "common-15")
    assert mapped.layout is layouts["common-15"]
    other = mapped[0].position
    common = standing("common-15")[0].position
    sway = np.linalg.norm(other - common, axis=0).max()
    assert sway < 0.16, "a hand for a wrist is 9 cm away, a neck at shoulder height 8, a nose 11"


@pytest.mark.parametrize(
    "name,to",
    [
        ("azure-32", "ntu-rgb+d"),
        ("mediapipe", "ntu-rgb+d"),
        ("ntu-rgb+d", "nw-ucla"),
        ("ntu-rgb+d", "kinect-v1"),
        ("kinect-v1", "nw-ucla"),
        ("nw-ucla", "kinect-v1"),
        ("azure-32", "openni-15"),
        ("body-25", "openpose"),
        ("halpe-26", "coco"),
        ("body-25", "coco"),
        ("mediapipe", "coco"),
        ("smpl-22", "h36m-17"),
    ],
)
def test_layouts_that_go_into_one_another(name, to):
    mapped = map_joints(standing(name), to)
    away = np.linalg.norm(mapped[0].position - standing(to)[0].position, axis=0)
    assert away.max() < 0.13
    groups = counterparts(layouts[name], layouts[to])
    assert len(set(groups)) == len(layouts[to]), "one place is never two joints"


@pytest.mark.parametrize(
    "name,to,missing",
    [
        ("coco", "ntu-rgb+d", "left hand, right hand, left foot, right foot, left hand tip"),
        ("kinect-v1", "ntu-rgb+d", "left hand tip, left thumb"),
        ("openni-15", "nw-ucla", "left wrist"),
        ("common-15", "coco", "nose, left eye"),
        ("ntu-rgb+d", "smpl-22", "spine1, spine3, left collar"),
    ],
)
def test_what_has_no_counterpart_is_refused(name, to, missing):
    message = f"layout '{re.escape(name)}' cannot be mapped to '{re.escape(to)}': .* for {missing}.*common-15"
    with pytest.raises(HyspError, match=message):
        map_joints(standing(name), to)


def test_unknown_layouts_are_refused():
    with pytest.raises(HyspError, match="did you mean 'common-15'"):
        map_joints(standing("coco"), "common15")


def test_names_are_found_however_they_are_spelled():
    def shout(joint):
        side, _, part = joint.partition(" ")
        part = part.title().replace(" ", "")
        return f"{part}{side.title()}" if side in ("left", "right") else joint.upper()

    coco = layouts["coco"]
    loud = Layout("loud", [shout(joint) for joint in coco.joints], coco.parents, coco.mirror)
    assert "ShoulderLeft" in loud.joints
    source = replace(standing("coco"), layout=loud)
    mapped = map_joints(source, "common-15")[0].position
    np.testing.assert_array_equal(mapped, map_joints(standing("coco"), "common-15")[0].position)
    assert measure(source).up == "y" and measure(source).left_is_left


def test_a_middle_is_seen_where_all_its_joints_are():
    coco = layouts["coco"]
    seen = np.ones((12, 17, 1), bool)
    seen[4, coco.joints.index("left hip")] = False
    seen[5, coco.joints.index("left knee")] = False
    clip = map_joints(standing("coco", seen=seen), "common-15")[0]
    joints = layouts["common-15"].joints
    lost = [(t, joints[v]) for t, v, _ in np.argwhere(~clip.seen)]
    assert sorted(lost) == [(4, "left hip"), (4, "pelvis"), (5, "left knee")]
    assert not clip.position[:, ~clip.seen].any()
    assert convert(standing("coco", seen=seen), unit="mm", up="-y")[0].seen is seen


def test_an_absent_body_stays_absent():
    def load(i):
        position = standing("coco").load(i).position
        return Clip(f"c{i}", np.concatenate([position, 0 * position], -1), label=0)

    source = replace(standing("coco"), load=load)
    for changed in (convert(source, up="z", unit="cm"), map_joints(source, "common-15")):
        assert not changed[0].position[..., 1].any()


@pytest.mark.parametrize("name", ["mediapipe", "azure-32", "h36m-17"])
def test_mapped_clips_are_prepared_as_those_of_the_other_layout(name, tmp_path):
    source = convert(standing(name, lambda x: 1000 * x[..., [0, 2, 1]] * [1, -1, 1]), "mm", "z")
    folder = tmp_path / "mapped"
    prepare(map_joints(source, "common-15"), folder, frames=8, workers=1, progress=False)
    prepared = Dataset(folder)
    assert prepared.layout == layouts["common-15"]
    prepare(standing("common-15"), tmp_path / "own", frames=8, workers=1, progress=False)
    own = Dataset(tmp_path / "own")
    assert abs(prepared.position[:] - own.position[:]).max() < 0.4, "in torsos"


# Whatever it is given


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_measures_of_anything(data):
    layout = layouts[data.draw(st.sampled_from(sorted(layouts)))]
    seed = data.draw(st.integers(0, 2**32 - 1))
    scale = data.draw(st.sampled_from([0, 1e-30, 1e-3, 1, 1e4]))
    lost = data.draw(st.sampled_from([0, 0.5, 0.99, 1]))
    rng = np.random.default_rng(seed)
    frames, bodies = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    seen = rng.random((frames, len(layout), bodies)) >= lost
    x = (rng.normal(size=(3, *seen.shape)) * scale * seen).astype(np.float32)
    told = data.draw(st.booleans())
    clip = Clip("c", x, label=0, seen=seen if told else None)
    source = Source(["c"], lambda i: clip, layout, ["a"])
    for sentence in questions(source):
        assert isinstance(sentence, str) and "nan" not in sentence.split()
    assert is_flat(source) in (True, False)
    mapped = map_joints(source, "common-15")[0]
    assert np.isfinite(mapped.position).all()
