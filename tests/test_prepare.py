"The reference's arrays from its raw clips; dataset folders that are whole or not there"

import csv
import fcntl
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import test_kinect
import yaml
from hypothesis import given, settings, strategies as st

from hysp.core import HyspError, checksum
from hysp.feeder import Dataset
from hysp.prepare import (
    align,
    align_clip,
    assign,
    centre,
    choose_bodies,
    interpolate,
    lost,
    prepare,
    problems,
    recorded_motion,
    resize,
    resize_masks,
    scale_by_torso,
    to_array,
    to_masks,
    torso_length,
    turn_about_y,
    turn_and_scale,
    valid_frames,
    would_do,
    would_leave_out,
)
from hysp.clips import Clip, Fault, Source
from hysp.kinect import ntu
from hysp.readers import arrays
from hysp.skeleton import Layout, layouts
from hysp.survey import survey_lines, survey

root = Path(__file__).parents[1]
golden = dict(np.load(root / "tests/golden/preprocess.npz", allow_pickle=False))
npz = root.parent / "shared/data/uiprmd_kinect.npz"
hand = Layout("hand", ("wrist", "left tip", "right tip"), (-1, 0, 0))
bust = Layout.from_dict(
    dict(name="bust", joints=["neck", "left shoulder", "right shoulder"], parents=[-1, 0, 0])
)
# Of sources that are no benchmark
usual = dict(aligned="clip", scaled="torso", cut="empty")


def made_up(
    n=6,
    bodies=1,
    there=lambda i: 1,
    layout=layouts["coco"],
    subject=lambda i: 1 + i // 2,
    told=True,
):
    def load(i):
        x = np.random.default_rng(i).normal(size=(3, 7 + i, len(layout), bodies)).astype(np.float32)
        x[..., there(i) :] = 0
        return Clip(f"c{i}", x, i % 2, subject(i))

    return Source(
        [f"c{i}" for i in range(n)], load, layout, ["a", "b"], 30, bodies if told else None
    )


def table(path):
    with open(path / "samples.csv", newline="") as f:
        return list(csv.DictReader(f))


# Steps


@pytest.mark.parametrize("i", range(3))
def test_position_and_motion_are_the_references(i):
    np.testing.assert_allclose(
        to_array(golden["raw"][i], "ntu-rgb+d"), golden["position"][i], atol=1e-5, rtol=0
    )
    np.testing.assert_allclose(
        recorded_motion(golden["raw"][i]), golden["motion"][i], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    "old,new", [(1, 50), (2, 5), (7, 3), (50, 50), (75, 50), (300, 50), (3, 1)]
)
def test_resize_is_that_of_torch(old, new):
    import torch

    x = np.random.default_rng(old).normal(size=(3, old, 4, 2)).astype(np.float32)
    flat = torch.from_numpy(x).permute(0, 2, 3, 1).reshape(1, -1, old)
    y = (
        torch.nn.functional.interpolate(flat, size=new, mode="linear", align_corners=False)
        .reshape(3, 4, 2, new)
        .permute(0, 3, 1, 2)
    )
    np.testing.assert_allclose(resize(x, new), y.numpy(), atol=2e-6)


def test_absent_bodies_stay_absent():
    x = golden["raw"][0]
    assert (
        not x[..., 1].any()
        and not to_array(x, "ntu-rgb+d")[..., 1].any()
        and to_array(x, "ntu-rgb+d")[..., 0].any()
    )


def test_turning_the_recording_changes_little_after_alignment():
    pose = np.random.default_rng(1).normal(size=(3, 1, 25, 1)).repeat(4, 1)
    for turn in (0.3, 1.2, 2.9, -2.0):
        c, s = np.cos(turn), np.sin(turn)
        x = np.einsum("ij,jtvm->itvm", [[c, 0, s], [0, 1, 0], [-s, 0, c]], pose)
        y = align(x, "ntu-rgb+d")
        line = y[:, :, 8] - y[:, :, 4]
        assert (line[0] > 0).all() and np.abs(line[2] / line[0]).max() < 0.02
        np.testing.assert_allclose(np.linalg.norm(y, axis=0), np.linalg.norm(x, axis=0), atol=1e-12)


def test_shoulders_that_point_at_the_sky_are_finite():
    x = np.zeros((3, 4, 25, 1), np.float32)
    x[1] = 1
    x[1, :, 8] = 2
    assert np.isfinite(to_array(x, "ntu-rgb+d")).all()


def test_a_clip_that_was_centred_on_its_first_joint_keeps_its_frames():
    x = np.random.default_rng(0).normal(size=(3, 9, 22, 1))
    assert valid_frames(x - x[:, :, :1]) == 9
    assert to_array(x - x[:, :, :1], "ui-prmd", 4).any()


def test_without_shoulders_nothing_is_aligned():
    x = np.random.default_rng(0).normal(size=(3, 5, 3, 1)).astype(np.float32)
    np.testing.assert_array_equal(to_array(x, hand, 5), centre(x, hand))


# Turned once, scaled by the torso


def people(layout, seed, frames=6, bodies=2):
    "Bodies who keep a pose of their own and waver about it, one of them absent in the last frame; float64"
    r = np.random.default_rng(seed)
    pose = r.normal(size=(3, 1, len(layout), bodies))
    left, right = layout.shoulders
    pose[0, :, right] = pose[0, :, left] + r.uniform(0.5, 1.0, (1, bodies))
    x = pose + 0.05 * r.normal(size=(3, frames, len(layout), bodies))
    x[:, -1, :, -1] = 0
    return x


def shoulder_line(x, layout):
    left, right = layout.shoulders
    return x[:, :, right] - x[:, :, left]


angle = st.floats(-np.pi, np.pi)
seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(sorted(layouts))


@given(names, seeds, angle)
@settings(deadline=None)
def test_turned_once_the_heading_of_the_recording_does_not_matter(name, seed, turn):
    layout = layouts[name]
    x = people(layout, seed)
    y = align_clip(x, layout)
    np.testing.assert_allclose(align_clip(turn_about_y(x, turn), layout), y, atol=1e-12)
    np.testing.assert_allclose(align_clip(y, layout), y, atol=1e-12)
    line = shoulder_line(y, layout).sum(1)
    assert (line[0] > 0).all() and np.abs(line[2]).max() < 1e-12
    np.testing.assert_allclose(np.linalg.norm(y, axis=0), np.linalg.norm(x, axis=0), atol=1e-12)
    assert not y[:, -1, :, -1].any()


@given(names, seeds, angle)
@settings(deadline=None)
def test_turned_once_or_each_frame_is_the_same_for_a_body_that_does_not_turn(name, seed, turn):
    layout = layouts[name]
    x = people(layout, seed)[:, :1].repeat(5, 1)
    x = turn_about_y(x, turn)
    once, each = align_clip(x, layout), align(x, layout)
    gap = np.linalg.norm(once - each, axis=0)
    off = np.sqrt(2e-4 / 0.5)  # arccos(1 - e) is sqrt(2 e), and e is 1e-4 over the shoulder line
    assert (gap <= 1.01 * off * np.linalg.norm(x, axis=0) + 1e-9).all()


@pytest.mark.parametrize("name", layouts)
def test_turned_by_30_degrees_comes_back(name):
    layout = layouts[name]
    x = align_clip(people(layout, 0), layout)
    turned = turn_about_y(x, np.radians(30))
    line = shoulder_line(turned, layout).sum(1)
    np.testing.assert_allclose(np.degrees(np.arctan2(line[2], line[0])), 30)
    np.testing.assert_allclose(align_clip(turned, layout), x, atol=1e-12)


def test_turned_once_a_turn_within_the_clip_stays():
    layout = layouts["coco"]
    still = align_clip(people(layout, 3)[:, :1].repeat(9, 1), layout)
    turns = np.linspace(-0.7, 0.7, 9)[:, None, None]
    x = turn_about_y(still, turns)
    np.testing.assert_allclose(align_clip(x, layout), x, atol=1e-12)
    each = align(
        turn_about_y(x, 1.0), layout
    )  # On one side of x, where `frame` turns the right way
    np.testing.assert_allclose(each, still, atol=0.05 * np.abs(still).max())


def test_who_has_no_mean_shoulder_line_is_finite():
    x = np.zeros((3, 2, 17, 1), np.float32)
    x[:, 0] = np.random.default_rng(0).normal(size=(3, 17, 1))
    x[::2, 1], x[1, 1] = -x[::2, 0], x[1, 0]
    assert np.isfinite(to_array(x, "coco", 2, **usual)).all()
    np.testing.assert_array_equal(align_clip(0 * x, "coco"), 0 * x)


@given(names, seeds, st.floats(1e-3, 1e4), st.booleans())
@settings(deadline=None)
def test_scaled_by_the_torso_size_does_not_matter(name, seed, factor, centred):
    layout = layouts[name]
    x = people(layout, seed)
    y = to_array(x, layout, 5, centred, scaled="torso")
    np.testing.assert_allclose(torso_length(y, layout), 1, atol=1e-5)
    larger = to_array(factor * x, layout, 5, centred, "none", scaled="torso")
    smaller = to_array(x, layout, 5, centred, "none", scaled="torso")
    np.testing.assert_allclose(larger, smaller, atol=1e-5 * np.abs(smaller).max())


@pytest.mark.parametrize("name", layouts)
def test_two_bodies_share_one_factor(name):
    layout = layouts[name]
    x = people(layout, 1, bodies=1)[:, :-1]
    pair = np.concatenate([x, x / 2], -1)
    length = torso_length(x, layout)
    np.testing.assert_allclose(torso_length(pair, layout), 0.75 * length)
    y = scale_by_torso(pair, layout)
    np.testing.assert_allclose(y, pair / (0.75 * length))
    np.testing.assert_allclose(y[..., 1], y[..., 0] / 2)
    lonely = np.concatenate([x, 0 * x], -1)
    np.testing.assert_allclose(torso_length(lonely, layout), length)


def test_torso_by_hand():
    x = np.zeros((3, 2, 17, 1))
    at = {o: i for i, o in enumerate(layouts["coco"].joints)}
    for side in ("left", "right"):
        x[:, :, at[f"{side} shoulder"], 0] = np.array([[1.0, 1.0], [5.0, 9.0], [2.0, 2.0]])
        x[:, :, at[f"{side} hip"], 0] = np.array([[1.0, 1.0], [1.0, 1.0], [-1.0, 8.0]])
    assert torso_length(x, "coco") == (5 + 10) / 2


@pytest.mark.parametrize(
    "layout,asked,message",
    [
        (hand, dict(align="clip"), "align 'clip' cannot be done: layout 'hand' has no shoulders; "),
        (hand, dict(align="frame"), "align 'frame' cannot be done: .* has no shoulders; "),
        (hand, dict(scale="torso"), "scale 'torso' .* has no shoulders and no hips; name those"),
        (bust, dict(scale="torso"), "scale 'torso' cannot be done: layout 'bust' has no hips; "),
        (bust, dict(align="clips"), "unknown way to align 'clips'; did you mean 'clip'"),
        (bust, dict(scale="torsos"), "unknown way to scale 'torsos'; did you mean 'torso'"),
    ],
)
def test_what_the_layout_lacks_is_refused_where_it_was_asked_for(tmp_path, layout, asked, message):
    with pytest.raises(HyspError, match=message):
        prepare(made_up(layout=layout), tmp_path / "s", progress=False, **asked)
    assert not list(tmp_path.iterdir())


def test_what_the_layout_lacks_is_left_out_and_said_where_it_is_only_usual(tmp_path):
    out = prepare(made_up(layout=bust), tmp_path / "s", frames=3, progress=False)
    why = "scale 'torso' was left out: layout 'bust' has no hips"
    prepared = Dataset(out).about["prepared"]
    assert prepared["not_done"] == [why]
    lines = survey_lines(survey(out, progress=False))
    assert lines[1:3] == ["prepared    3 frames, align clip, scale none", f"            {why}"]
    assert [line.strip() for line in lines[3 : 3 + len(prepared["done"])]] == prepared["done"]
    x = made_up(layout=bust)[2].position
    np.testing.assert_array_equal(
        np.load(out / "position.npy")[2], to_array(x, bust, 3, aligned="clip")
    )


def without_a_torso(x):
    return x[:, :, :1] + 0 * x


def test_a_clip_without_a_torso_is_left_out(tmp_path):
    s = spoilt(4, without_a_torso)
    why = "clip c4: the torso has length 0: shoulders and hips are at the same place in all frames"
    with pytest.raises(HyspError, match=why):
        prepare(s, tmp_path / "s", progress=False)
    assert not list(tmp_path.iterdir())
    out = prepare(s, tmp_path / "s", strict=False, progress=False)
    assert [r["name"] for r in table(out)] == ["c0", "c1", "c2", "c3", "c5"]
    (fault,) = problems(out)
    assert fault.file == "c4" and fault.reason.startswith(why)
    whole = prepare(s, tmp_path / "t", scale="none", progress=False)
    assert len(table(whole)) == 6 and not problems(whole)


def test_a_benchmark_is_prepared_as_the_reference_does(tmp_path):
    s = ntu(plant(tmp_path / "raw", walkers(3)))
    assert s.benchmark and s[1:].benchmark and not made_up()[1:].benchmark
    assert turn_and_scale(s) == ("frame", "none", [])
    assert turn_and_scale(made_up()) == ("clip", "torso", [])
    out = prepare(s, tmp_path / "out", frames=4, progress=False)
    np.testing.assert_array_equal(
        np.load(out / "position.npy")[1], to_array(s[1].position, "ntu-rgb+d", 4)
    )
    prepared = Dataset(out).about["prepared"]
    assert (prepared["align"], prepared["scale"]) == ("frame", "none")
    assert "not_done" not in prepared
    other = prepare(s, tmp_path / "other", 4, align="clip", scale="torso", progress=False)
    np.testing.assert_array_equal(
        np.load(other / "position.npy")[1],
        to_array(s[1].position, "ntu-rgb+d", 4, aligned="clip", scaled="torso"),
    )


@pytest.mark.parametrize("old,new", [(True, "frame"), (False, "none")])
def test_truth_values_are_still_understood(tmp_path, old, new):
    with pytest.warns(DeprecationWarning, match=f"'{new}' for {old}") as seen:
        a = prepare(made_up(), tmp_path / "a", frames=3, align=old, progress=False)
    assert seen[0].filename == __file__
    b = prepare(made_up(), tmp_path / "b", frames=3, align=new, progress=False)
    assert same_folder(a, b)
    x = golden["raw"][0]
    with pytest.warns(DeprecationWarning, match=f"'{new}' for {old}"):
        y = to_array(x, "ntu-rgb+d", aligned=old)
    np.testing.assert_array_equal(y, to_array(x, "ntu-rgb+d", aligned=new))


@pytest.mark.parametrize("old,word", [(True, "frame"), (False, "none")])
def test_folders_of_before_are_opened(tmp_path, old, word):
    out = prepare(made_up(), tmp_path / "s", frames=3, progress=False)
    about = yaml.safe_load((out / "dataset.yaml").read_text())
    about["prepared"]["align"] = old
    del about["prepared"]["scale"]
    (out / "dataset.yaml").write_text(yaml.safe_dump(about))
    assert len(Dataset(out)) == 6 and Dataset(out).layout == layouts["coco"]
    line = f"prepared    3 frames, align {word}, scale none"
    assert line in survey_lines(survey(out, progress=False))


# Joints that were not seen


def walk(layout, seed=0, frames=20, bodies=1):
    "Bodies who move evenly, so that interpolation finds every joint again; float64"
    r = np.random.default_rng(seed)
    pose = r.normal(size=(3, 1, len(layout), bodies))
    step = 0.02 * r.normal(size=(3, 1, len(layout), bodies))
    return pose + step * np.arange(frames)[:, None, None]


def masks(layout, seed, frames=20, bodies=1, share=0.3):
    "What may have been seen: every joint in the first and in the last frame, and some in between"
    r = np.random.default_rng(seed)
    seen = r.random((frames, len(layout), bodies)) > share
    seen[[0, -1]] = True
    return seen


@given(names, seeds, st.sampled_from(["frame", "clip", "none"]), st.sampled_from(["none", "torso"]))
@settings(deadline=None)
def test_what_was_lost_is_found_again(name, seed, aligned, scaled):
    layout = layouts[name]
    x, seen = walk(layout, seed), masks(layout, seed)
    how = dict(layout=layout, frames=20, aligned="none", cut="empty")
    whole = to_array(x, **how, seen=seen | True)
    np.testing.assert_allclose(to_array(x * seen, **how, seen=seen), whole, atol=1e-5)
    zeroed = to_array(x * seen, **how, seen=seen, missing="zero")
    np.testing.assert_allclose(zeroed, whole * seen, atol=1e-5)
    how |= dict(frames=7, aligned=aligned, scaled=scaled)
    out = to_array(x * seen, **how, seen=seen)
    junk = np.random.default_rng(seed).normal(size=x.shape)
    wild = to_array(np.where(seen, x, junk), **how, seen=seen)
    np.testing.assert_array_equal(out, wild)
    assert np.isfinite(out).all()


@given(seeds, st.integers(1, 30), st.integers(1, 40), st.floats(0, 1))
@settings(deadline=None)
def test_places_over_time_by_another_way(seed, frames, wanted, share):
    r = np.random.default_rng(seed)
    x, known = r.normal(size=(3, frames, 2, 2)), r.random((frames, 2, 2)) > share
    y = interpolate(x, known)
    for v, m in np.ndindex(2, 2):
        there = np.flatnonzero(known[:, v, m])
        for t in range(frames):
            before, after = there[there <= t], there[there >= t]
            if not len(there):
                expected = x[:, t, v, m]
            elif not len(before) or not len(after):
                expected = x[:, (before[-1] if len(before) else after[0]), v, m]
            else:
                a, b = before[-1], after[0]
                share_of_b = 0 if a == b else (t - a) / (b - a)
                expected = (1 - share_of_b) * x[:, a, v, m] + share_of_b * x[:, b, v, m]
            np.testing.assert_allclose(y[:, t, v, m], expected, atol=1e-12)
    there = known.any(1)
    hidden = lost(known)
    np.testing.assert_array_equal(hidden, there[:, None] & ~known)
    new_there, new_hidden = resize_masks(there, hidden, wanted)
    assert not (new_hidden & ~new_there[:, None]).any()
    same_there, same_hidden = resize_masks(there, hidden, frames)
    np.testing.assert_array_equal(same_there, there)
    np.testing.assert_array_equal(same_hidden, hidden)


@given(seeds, st.integers(1, 12), st.integers(1, 30))
@settings(deadline=None)
def test_who_comes_and_goes_never_moves_towards_the_origin(seed, frames, wanted):
    r = np.random.default_rng(seed)
    there = r.random((frames, 2)) > 0.5
    x = (5 + r.random((3, frames, 4, 2))) * there[:, None]
    y = resize(x, wanted, there)
    new_there, _ = resize_masks(there, np.zeros((frames, 4, 2), bool), wanted)
    np.testing.assert_array_equal((y != 0).all((0, 2)), new_there)
    np.testing.assert_array_equal((y != 0).any((0, 2)), new_there)
    assert ((y == 0) | (y >= 5 - 1e-9) & (y <= 6 + 1e-9)).all()
    np.testing.assert_array_equal(resize(x, frames, there), x)


@pytest.mark.parametrize("empty", [[*range(8)], [*range(6, 12)], [0, 3, 4, 19], [*range(12, 20)]])
def test_nobody_anywhere_takes_no_real_frame_along(tmp_path, empty):
    layout = layouts["coco"]
    x = walk(layout).astype(np.float32)
    x[:, empty] = 0
    real = np.delete(np.arange(20), empty)
    s = Source(["a"], lambda i: Clip("a", x, 0), layout, ["w"])
    as_is = dict(centre="none", align="none", scale="none", progress=False)
    out = prepare(s, tmp_path / "s", frames=len(real), **as_is)
    np.testing.assert_array_equal(np.load(out / "position.npy")[0], x[:, real])
    assert table(out)[0]["frames"] == str(len(real))
    resized = prepare(s, tmp_path / "t", frames=5, **as_is)
    np.testing.assert_array_equal(np.load(resized / "position.npy")[0], resize(x[:, real], 5))


def test_a_benchmark_counts_from_the_start_as_the_reference_does(tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 12, 25, 1)).astype(np.float32)
    x[:, 3:6] = 0
    s = ntu(plant(tmp_path / "raw", [skeleton(x)]))
    out = prepare(s, tmp_path / "s", frames=9, centre="none", align="none", progress=False)
    np.testing.assert_array_equal(np.load(out / "position.npy")[0], x[:, :9])
    assert Dataset(out).about["prepared"]["cut"] == "count"
    assert not (out / "missing.npy").exists()


def test_a_first_joint_that_is_lost_takes_no_frame_along(tmp_path):
    layout = layouts["coco"]
    x = walk(layout).astype(np.float32)
    x[:, ::2, 0] = 0
    clip = Clip("a", x, 0, seen=x.any(0))
    s = Source(["a"], lambda i: clip, layout, ["w"])
    out = prepare(s, tmp_path / "s", frames=20, centre=False, align="none", progress=False)
    assert table(out)[0]["frames"] == "20" and float(table(out)[0]["missing"]) == 0.0294
    y = np.load(out / "position.npy")[0]
    whole = to_array(walk(layout), layout, 20, "none", "none", scaled="torso")
    np.testing.assert_allclose(y[:, 1:], whole[:, 1:], atol=1e-5)
    mask = np.load(out / "missing.npy")[0]
    assert mask[::2, 0].all() and mask.sum() == 10


def test_shoulders_that_were_not_seen_turn_nobody(tmp_path):
    layout = layouts["coco"]
    whole = np.repeat(walk(layout, 4, frames=1), 20, 1).astype(np.float32)
    unseen = {"a": list(layout.shoulders), "b": [layout.joints.index("right wrist")]}
    clips = []
    for label, (name, joints) in enumerate(unseen.items()):
        seen = np.ones((20, 17, 1), bool)
        seen[7, joints] = False
        clips.append(Clip(name, whole * seen, label, seen=seen))
    s = Source(["a", "b"], clips.__getitem__, layout, ["a", "b"])
    for way in ("clip", "frame"):
        out = prepare(s, tmp_path / way, frames=20, align=way, progress=False)
        for y in np.load(out / "position.npy"):
            np.testing.assert_allclose(y, y[:, :1].repeat(20, 1), atol=1e-5)


def test_shoulders_and_hips_that_are_never_seen_at_once_are_known_all_the_same():
    layout = layouts["coco"]
    x = walk(layout, 4)
    seen = np.ones((20, 17, 1), bool)
    seen[::2, layout.shoulders[0]] = seen[1::2, layout.shoulders[1]] = False
    for how in (dict(aligned="clip", scaled="torso"), dict(aligned="frame", scaled="torso")):
        y = to_array(x * seen, layout, 20, **how, cut="empty", seen=seen)
        whole = to_array(x, layout, 20, **how, cut="empty", seen=seen | True)
        np.testing.assert_allclose(y[:, 1:-1], whole[:, 1:-1], atol=0.1)


def test_shoulders_never_seen_leave_a_body_as_it_stands():
    layout = layouts["coco"]
    x = walk(layout, bodies=2)
    seen = np.ones((20, 17, 2), bool)
    seen[:, layout.shoulders[0], 1] = False
    for way in (align, align_clip):
        y = way(x, layout, seen)
        np.testing.assert_array_equal(y[..., 1], x[..., 1])
        np.testing.assert_array_equal(y[..., :1], way(x[..., :1], layout))
        both = way(x[..., ::-1], layout, seen[..., ::-1], together=True)
        np.testing.assert_array_equal(both[..., 1:], way(x[..., :1], layout))


def losing(layout=layouts["coco"], n=40, **more):
    "Clips of which every fourth has lost a joint for a while, and every fifth has two people"

    def load(i):
        x = walk(layout, i, 6 + i % 4, 2).astype(np.float32)
        seen = np.ones(x.shape[1:], bool)
        seen[..., 1] = i % 5 == 0
        seen[2:4, 6, 0] = i % 4 > 0
        return Clip(f"c{i}", x * seen, i % 2, 1 + i % 3, seen=seen)

    return Source([f"c{i}" for i in range(n)], load, layout, ["a", "b"], bodies=2, **more)


@pytest.mark.parametrize("missing", ["interpolate", "zero"])
def test_a_folder_says_what_was_not_seen(tmp_path, missing):
    s = losing(n=8)
    out = prepare(s, tmp_path / "s", frames=5, missing_joints=missing, progress=False)
    x, mask = np.load(out / "position.npy"), np.load(out / "missing.npy")
    assert mask.shape == (8, 5, 17, 2) and mask.dtype == bool
    for i, row in enumerate(table(out)):
        bodies = 1 + (i % 5 == 0)
        clip = s[i]
        position, seen = clip.position[..., :bodies], clip.seen[..., :bodies]
        y = to_array(position, s.layout, 5, **usual, missing=missing, seen=seen)
        np.testing.assert_array_equal(x[i, ..., :bodies], y)
        np.testing.assert_array_equal(mask[i, ..., :bodies], to_masks(seen, 5)[1])
        assert not mask[i, ..., bodies:].any()
        share = 2 / seen.size if i % 4 == 0 else 0
        assert float(row["missing"]) == pytest.approx(share, rel=5e-3)
    if missing == "zero":
        assert not x.transpose(0, 2, 3, 4, 1)[mask].any()
    says = dict(interpolate="interpolated over time", zero="set to 0")[missing]
    line = f"joints that were not seen in 2 of 8 clips, up to 2.0% of a clip: {says}"
    assert line in Dataset(out).about["prepared"]["done"]


@pytest.mark.parametrize("workers", [1, 2])
def test_clips_that_lost_joints_are_dropped_where_asked(tmp_path, workers):
    s = losing(n=80)
    how = dict(frames=4, workers=workers, progress=False)
    out = prepare(s, tmp_path / "s", missing_joints="drop-clip", **how)
    assert [row["name"] for row in table(out)] == [f"c{i}" for i in range(80) if i % 4]
    assert len(problems(out)) == 20 and not (out / "missing.npy").exists()
    assert problems(out)[0].reason.startswith("clip c0: 0.98% of its joints were not seen")
    whole = prepare(s, tmp_path / "t", **how)
    kept = [i for i in range(80) if i % 4]
    np.testing.assert_array_equal(
        np.load(out / "position.npy"), np.load(whole / "position.npy")[kept]
    )


def test_masks_go_along_where_clips_and_places_are_taken_out(tmp_path):
    s = losing(n=9)
    load = s.load
    s.load = lambda i: Clip("c5", 0 * load(i).position, 0, 1) if i == 5 else load(i)
    out = prepare(s[1:], tmp_path / "s", frames=6, strict=False, max_bodies=1, progress=False)
    mask = np.load(out / "missing.npy")
    assert mask.shape == (7, 6, 17, 1)
    assert mask.any((1, 2, 3)).tolist() == [row["name"] in ("c4", "c8") for row in table(out)]


def test_a_run_with_masks_is_resumed(tmp_path):
    asked, stop = [], [20]

    def counted(source):
        load = source.load

        def one(i):
            asked.append(i)
            if len(asked) == stop[0]:
                raise KeyboardInterrupt
            return load(i)

        source.load = one
        return source

    how = dict(frames=4, align="none", workers=1, progress=False)
    with pytest.raises(KeyboardInterrupt, match="after 19 of 40"):
        prepare(counted(losing(stamp="files")), tmp_path / "s", **how)
    part = tmp_path / ".s.part"
    raw = bytearray((part / "missing.npy").read_bytes())
    raw[128 + 8 * 4 * 17 * 2 + 5] ^= 1  # Of the ninth clip
    (part / "missing.npy").write_bytes(raw)
    asked.clear()
    stop[0] = 0
    out = prepare(counted(losing(stamp="files")), tmp_path / "s", **how)
    assert asked == [8, *range(19, 40)]
    whole = prepare(losing(), tmp_path / "t", **how)
    assert same_folder(out, whole)
    assert checksum(out / "missing.npy") == checksum(whole / "missing.npy")


def test_a_centre_that_was_never_seen_is_told(tmp_path):
    x = walk(layouts["coco"]).astype(np.float32)
    x[:, :, 0] = 0
    s = Source(["a"], lambda i: Clip("a", x, 0, seen=x.any(0)), "coco", ["w"])
    with pytest.raises(HyspError, match="clip a: joint 'nose', the centre of layout 'coco', was"):
        prepare(s, tmp_path / "s", progress=False)
    out = prepare(s, tmp_path / "s", centre="none", progress=False)
    assert not np.load(out / "position.npy")[:, :, :, 0].any()


# Two people


@given(seeds, st.sampled_from(["first", "pair"]), angle)
@settings(deadline=None)
def test_two_people_keep_where_they_stand_to_each_other(seed, on, turn):
    layout = layouts["coco"]
    x = walk(layout, seed, bodies=2)
    apart = np.linalg.norm(x[..., 0] - x[..., 1], axis=0)
    for aligned in ("clip", "frame", "none"):
        y = to_array(x, layout, 20, on, aligned)
        np.testing.assert_allclose(np.linalg.norm(y[..., 0] - y[..., 1], axis=0), apart, atol=1e-4)
        middle = y[:, :, layout.centre]
        middle = middle[..., 0] if on == "first" else middle.mean(-1)
        np.testing.assert_allclose(middle, 0, atol=1e-6)
    moved = turn_about_y(x, turn) + np.array([3.0, 0, -2])[:, None, None, None]
    once = to_array(x, layout, 20, on, "clip")
    np.testing.assert_allclose(to_array(moved, layout, 20, on, "clip"), once, atol=1e-5)


@pytest.mark.parametrize("on", ["first", "pair", "each"])
def test_one_person_is_centred_alike(on):
    x = walk(layouts["coco"]).astype(np.float32)
    np.testing.assert_array_equal(centre(x, "coco", on), centre(x, "coco"))


def test_who_leaves_does_not_make_the_other_jump():
    x = np.zeros((3, 6, 17, 2))
    x[0, :, :, 0], x[0, :, :, 1] = 1.0, 3.0
    x[:, 3:, :, 0] = 0
    for on, place in (("first", 2.0), ("pair", 1.0)):
        y = centre(x, "coco", on)
        assert (y[0, :, :, 1] == place).all() and not y[:, 3:, :, 0].any()


@pytest.mark.parametrize(
    "benchmark,asked,settled",
    [
        (True, True, "each"),
        (True, "first", "first"),
        (False, True, "each"),
        (False, False, "none"),
        (False, "pair", "pair"),
    ],
)
def test_whose_centre(tmp_path, benchmark, asked, settled):
    s = made_up(bodies=2, there=lambda i: 2)
    s.benchmark = benchmark
    out = prepare(s, tmp_path / "s", frames=3, centre=asked, progress=False)
    assert Dataset(out).about["prepared"]["centre"] == settled
    how = dict(aligned="frame", centred=settled) if benchmark else usual | dict(centred=settled)
    np.testing.assert_array_equal(
        np.load(out / "position.npy")[1], to_array(s[1].position, "coco", 3, **how)
    )


# Flat clips


def flat(s):
    load = s.load
    s.load = lambda i: replace(load(i), position=load(i).position * [[[[1]]], [[[1]]], [[[0]]]])
    return s


def test_flat_clips_are_not_turned(tmp_path):
    out = prepare(flat(made_up()), tmp_path / "s", frames=4, progress=False)
    prepared = Dataset(out).about["prepared"]
    why = "the clips are flat, and to turn about the vertical needs depth"
    assert prepared["align"] == "none" and not np.load(out / "position.npy")[:, 2].any()
    assert prepared["not_done"] == [f"align 'clip' was left out: {why}"]
    with pytest.raises(HyspError, match=f"align 'frame' cannot be done: {why}; bring a third"):
        prepare(flat(made_up()), tmp_path / "t", align="frame", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


# What is checked before the work


@pytest.mark.parametrize(
    "steps,message",
    [
        (dict(protocols=dict(xsub=[1, 7])), "names subject 7, but no clip has it; the set has"),
        (dict(protocols=dict(xsub=[7])), "leaves no clip to train; the set has subject 1, 2, 3"),
        (dict(protocols=dict(xsub=[1, 2, 3])), "leaves no clip to val"),
        (dict(protocols=dict(x=dict(train=[1], val=[2, 8, 9]))), "names subject 8, 9, but no"),
        (dict(protocols=dict(x=dict(by="name", train=["c1", "c77"]))), "names name c77, but no"),
        (dict(protocols=dict(x=dict(by="camera", train=[1]))), "but clip c0 has none"),
        (dict(workers=0), "workers must be at least 1, or -1 for as many as cores, not 0"),
        (dict(workers=-2), "workers must be at least 1"),
        (dict(centre="last"), "unknown way to centre 'last'"),
        (dict(missing_joints="drop"), "did you mean 'drop-clip'"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_refused_before_a_clip_is_read(tmp_path, steps, message, known):
    s, asked = made_up(), []
    load = s.load
    s.load = lambda i: (asked.append(i), load(i))[1]
    if known:
        s.about = lambda i: dict(label=i % 2, subject=1 + i // 2)
    with pytest.raises(HyspError, match=message):
        prepare(s, tmp_path / "s", progress=False, **steps)
    assert not list(tmp_path.iterdir())
    assert not (known and asked)


def test_a_subject_whose_clips_are_all_broken_does_not_undo_the_work(tmp_path):
    s = spoilt(5, lambda x: 0 * x)
    load = s.load
    s.load = lambda i: Clip("c4", 0 * load(i).position, 0, 3) if i == 4 else load(i)
    s.about = lambda i: dict(label=i % 2, subject=1 + i // 2)
    out = prepare(s, tmp_path / "s", protocols=dict(xsub=[1, 3]), strict=False, progress=False)
    assert [row["xsub"] for row in table(out)] == ["train"] * 2 + ["val"] * 2


def test_all_cores(tmp_path):
    s = made_up(n=70)
    a, b = (prepare(s, tmp_path / str(n), frames=3, workers=n, progress=False) for n in (-1, 1))
    assert same_folder(a, b)


@pytest.mark.parametrize(
    "subject,why",
    [
        (lambda i: None, "no split: it is not known who is in each clip"),
        (lambda i: 4, "no split: one subject is in all clips, and by default odd subjects train"),
        (lambda i: 1 + 2 * i, "no split: all are odd, and by default odd subjects train"),
        (lambda i: 2 * i, "no split: all are even, and by default odd subjects train"),
    ],
)
def test_why_there_is_no_split(tmp_path, subject, why):
    out = prepare(made_up(subject=subject), tmp_path / "s", progress=False)
    about = Dataset(out).about
    assert about["prepared"]["not_done"][0].startswith(why) and about["protocols"] == {}


def test_who_trains_is_written_down(tmp_path):
    protocols = dict(few=dict(train=[1], val=[3]), named=dict(by="name", train=["c1"]))
    out = prepare(made_up(), tmp_path / "s", protocols=protocols, progress=False)
    about = Dataset(out).about
    assert about["protocols"] == dict(
        few=dict(by="subject", train=[1], val=[3]), named=dict(by="name")
    )
    assert about["prepared"]["done"][-2:] == [
        "few: subject 1 train (2 clips), 3 validate (2)",
        "named: 1 clips train, 5 validate, by name",
    ]


# The folder


def test_folder(tmp_path):
    s = made_up()
    out = prepare(
        s,
        tmp_path / "new" / "set",
        frames=5,
        protocols=dict(xsub=[1], some=dict(train=[1], val=[3])),
        progress=False,
    )
    assert sorted(o.name for o in out.iterdir()) == ["dataset.yaml", "position.npy", "samples.csv"]
    x, rows, about = (
        np.load(out / "position.npy"),
        table(out),
        yaml.safe_load((out / "dataset.yaml").read_text()),
    )
    assert x.shape == (6, 3, 5, 17, 1) and x.dtype == np.float32 and about["shape"] == list(x.shape)
    for i in range(6):
        np.testing.assert_array_equal(x[i], to_array(s[i].position, "coco", 5, **usual))
    assert list(rows[0]) == [
        "name",
        "label",
        "subject",
        "camera",
        "setup",
        "replication",
        "frames",
        "bodies",
        "missing",
        "xsub",
        "some",
    ]
    assert [r["xsub"] for r in rows] == ["train"] * 2 + ["val"] * 4 and [
        r["some"] for r in rows
    ] == ["train"] * 2 + [""] * 2 + ["val"] * 2
    assert [
        (r["name"], r["label"], r["subject"], r["camera"], r["frames"], r["bodies"])
        for r in rows[:2]
    ] == [("c0", "0", "1", "", "7", "1"), ("c1", "1", "1", "", "8", "1")]
    assert (
        about["checksum"] == checksum(out / "position.npy")
        and about["format"] == 2
        and about["class_names"] == ["a", "b"]
    )
    assert Layout.from_dict(about["layout"]) == layouts["coco"] and about["counts"]["some"] == dict(
        train=2, val=2
    )


def test_where_room_cannot_be_claimed_beforehand(tmp_path, monkeypatch):
    there = prepare(made_up(), tmp_path / "linux", frames=5, progress=False)
    monkeypatch.delattr(os, "posix_fallocate")  # as on macOS
    assert checksum(
        prepare(made_up(), tmp_path / "macos", frames=5, progress=False) / "position.npy"
    ) == checksum(there / "position.npy")


def test_same_source_same_bytes(tmp_path):
    a, b = (prepare(made_up(), tmp_path / o, progress=False) for o in "ab")
    for f in ("position.npy", "samples.csv", "dataset.yaml"):
        assert (a / f).read_bytes() == (b / f).read_bytes()


@pytest.mark.parametrize(
    "bodies,there,asked,expected",
    [
        (1, lambda i: 1, None, 1),
        (2, lambda i: 1, None, 1),
        (2, lambda i: 1 + i % 2, None, 2),
        (5, lambda i: 4, None, 2),
        (5, lambda i: 4, 3, 3),
        (2, lambda i: 2, 1, 1),
        (1, lambda i: 1, 2, 2),
    ],
)
def test_bodies(tmp_path, bodies, there, asked, expected):
    s = made_up(bodies=bodies, there=there)
    out = prepare(s, tmp_path / "s", frames=4, max_bodies=asked, progress=False)
    x = np.load(out / "position.npy")
    assert x.shape[-1] == expected
    kept = [min(there(i), expected) for i in range(6)]
    assert [int(r["bodies"]) for r in table(out)] == kept
    for i in range(6):
        np.testing.assert_array_equal(
            x[i, ..., : kept[i]], to_array(s[i].position[..., : kept[i]], "coco", 4, **usual)
        )
        assert not x[i, ..., kept[i] :].any()


def test_second_body_alone_moves_up(tmp_path):
    def load(i):
        x = np.zeros((3, 4, 17, 2), np.float32)
        x[..., 1] = np.random.default_rng(i).normal(size=(3, 4, 17))
        return Clip(f"c{i}", x, 0)

    out = prepare(
        Source(["c0", "c1"], load, "coco", ["a"]), tmp_path / "s", frames=4, progress=False
    )
    assert np.load(out / "position.npy").shape[-1] == 1 and np.load(out / "position.npy").any()


def test_unknown_number_of_bodies_is_found_out(tmp_path):
    out = prepare(made_up(bodies=2, told=False), tmp_path / "s", progress=False)
    assert np.load(out / "position.npy").shape[-1] == 1


@pytest.mark.parametrize("asked", [None, "frame", "clip"])
def test_a_score_is_no_depth_to_turn_in(tmp_path, asked):
    scores = made_up()
    load = scores.load

    def load_scores(i):
        position = 100 * load(i).position
        position[2] = np.linspace(0.2, 0.9, position[2].size).reshape(position[2].shape)
        return replace(load(i), position=position)

    scores.load = load_scores
    why = "the third coordinate lies between 0 and 1, as a score does"
    if asked:
        with pytest.raises(HyspError, match=f"align '{asked}' cannot be done: {why}"):
            prepare(scores, tmp_path / "s", align=asked, progress=False)
        return
    prepared = Dataset(prepare(scores, tmp_path / "s", progress=False)).about["prepared"]
    assert prepared["align"] == "none"
    assert prepared["not_done"][0].startswith(f"align 'clip' was left out: {why}")


@pytest.mark.parametrize(
    "asked,says",
    [
        (dict(), "scaled: each clip divided by the length of its torso"),
        (dict(max_bodies=2), "bodies kept: at most 2, the first in the file"),
        (dict(), "joints that were not seen: interpolated over time"),
        (dict(missing_joints="zero"), "joints that were not seen: set to 0"),
        (dict(missing_joints="drop-clip"), "joints that were not seen: their clip is left out"),
        (dict(max_bodies=1, bodies="motion"), "bodies kept: at most 1, those who move most"),
        (dict(frames=9, resize=False), "9 frames a clip: the first ones, not resized"),
    ],
)
def test_what_would_be_done_names_every_step(asked, says):
    assert says in would_do(made_up(), **asked)


def test_what_would_be_done_refuses_what_prepare_refuses():
    for asked in (dict(frames=0), dict(max_bodies=0)):
        with pytest.raises(HyspError, match="must be at least 1"):
            would_do(made_up(), **asked)


def test_what_would_be_left_out_is_what_is_left_out(tmp_path):
    some = made_up()
    load = some.load

    def load_some(i):
        if i == 2:
            raise Fault("c2.csv", 5, "is damaged")
        return replace(load(i), position=load(i).position * (i != 4))

    some.load = load_some
    planned = would_leave_out(some, 4, strict=False)
    out = prepare(some, tmp_path / "s", 4, strict=False, progress=False)
    assert [str(fault) for fault in planned] == [str(fault) for fault in problems(out)]
    assert len(planned) == 2
    with pytest.raises(HyspError, match="c2.csv, line 5: is damaged"):
        would_leave_out(some, 4)


def test_names_of_subjects_are_kept(tmp_path):
    named = replace(made_up(), subject_names={1: "anna", 3: "ben"})
    about = Dataset(prepare(named, tmp_path / "s", frames=3, progress=False)).about
    assert about["subject_names"] == {1: "anna", 3: "ben"}
    done = "xsub: subject anna, ben train (4 clips), 2 validate (2)"
    assert about["prepared"]["done"][-1] == done


def test_own_layout_and_switches(tmp_path):
    s = made_up(layout=hand)
    out = prepare(s, tmp_path / "s", frames=3, centre=False, progress=False)
    np.testing.assert_array_equal(np.load(out / "position.npy")[2], resize(s[2].position, 3))
    about = yaml.safe_load((out / "dataset.yaml").read_text())
    assert about["prepared"] == dict(
        frames=3,
        centre="none",
        align="none",
        scale="none",
        missing_joints="interpolate",
        cut="empty",
        resize=True,
        bodies="file",
        done=[
            "centred: none",
            "frames with nobody taken out",
            "bodies kept: at most 1, the first in the file",
            "mirrored pairs of joints: 1, left tip - right tip",
            "xsub: subject 1, 3 train (4 clips), 2 validate (2)",
        ],
        not_done=[
            "align 'clip' was left out: layout 'hand' has no shoulders",
            "scale 'torso' was left out: layout 'hand' has no shoulders and no hips",
        ],
    )
    assert Layout.from_dict(about["layout"]) == hand


@pytest.mark.parametrize(
    "subject,expected",
    [(lambda i: None, None), (lambda i: 1, None), (lambda i: i, ["val", "train"] * 3)],
)
def test_default_protocol(tmp_path, subject, expected):
    rows = table(prepare(made_up(subject=subject), tmp_path / "s", progress=False))
    assert [r.get("xsub") for r in rows] == (expected or [None] * 6)


@pytest.mark.parametrize(
    "kwargs,message",
    [
        (dict(frames=0), "at least 1"),
        (dict(max_bodies=0), "at least 1"),
        (dict(protocols=dict(xsub=[9])), "leaves no clip to train; the set has subject 1, 2, 3"),
        (dict(protocols=dict(xsub=[1, 2, 3])), "no clip to val"),
        (
            dict(protocols=dict(xview=dict(by="camera", train=[1]))),
            "goes by camera, but clip c0 has none",
        ),
        (dict(protocols=dict(x=dict(by="camra", train=[1]))), "did you mean 'camera'"),
        (dict(protocols={"a/b": [1]}), "name of a protocol"),
        (dict(protocols=dict(x="odd")), "list of numbers"),
        (dict(protocols=dict(x=[1.5])), "list of numbers"),
        (dict(protocols=dict(x=dict(train=[1], vall=[2]))), "did you mean 'val'"),
    ],
)
def test_refused_and_nothing_left(tmp_path, kwargs, message):
    with pytest.raises(HyspError, match=message):
        prepare(made_up(), tmp_path / "s", progress=False, **kwargs)
    assert not list(tmp_path.iterdir())


def spoilt(i, change):
    s = made_up()
    load = s.load

    def other(j):
        c = load(j)
        return Clip(c.name, change(c.position.copy()), c.label, c.subject) if j == i else c

    s.load = other
    return s


def put(value):
    def change(x):
        x[1, 3, 2, 0] = value
        return x

    return change


@pytest.mark.parametrize(
    "change,message",
    [
        (put(np.nan), "clip c4 holds nan at frame 3, joint 'right eye'"),
        (put(np.inf), "clip c4 holds inf"),
        (lambda x: 0 * x, "clip c4 has no frame with anybody"),
        (lambda x: x[:, :0], "clip c4 has no frames"),
        (lambda x: x[:, :, 1:], "clip c4 has 16 joints"),
    ],
)
def test_a_broken_clip_is_named_and_nothing_left(tmp_path, change, message):
    with pytest.raises(HyspError, match=message):
        prepare(spoilt(4, change), tmp_path / "s", progress=False)
    assert not list(tmp_path.iterdir())


def test_existing_folder_survives(tmp_path):
    out = prepare(made_up(), tmp_path / "s", progress=False)
    before = checksum(out / "position.npy")
    with pytest.raises(HyspError, match="exists already"):
        prepare(made_up(4), out, progress=False)
    with pytest.raises(HyspError, match="c4 holds nan"):
        prepare(spoilt(4, put(np.nan)), out, overwrite=True, progress=False)
    assert checksum(out / "position.npy") == before and [o.name for o in tmp_path.iterdir()] == [
        "s"
    ]
    assert len(table(prepare(made_up(4), out, overwrite=True, progress=False))) == 4


def test_interrupt_leaves_nothing(tmp_path):
    def stop(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(spoilt(4, stop), tmp_path / "s", progress=False)
    assert not list(tmp_path.iterdir())


def test_two_clips_of_one_name(tmp_path):
    s = made_up()
    s.names[3] = "c1"
    with pytest.raises(HyspError, match="two clips are named c1"):
        prepare(s, tmp_path / "s", progress=False)


def test_full_disk_is_one_sentence(tmp_path):
    code = f"""
import resource, sys
from pathlib import Path
sys.path[:0] = [{str(root)!r}, {str(root / "tests")!r}]
from test_prepare import made_up, prepare
from hysp.core import HyspError
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try: prepare(made_up(), Path({str(tmp_path)!r})/'s', 50, progress=False)
except HyspError as e: print('refused:', e)
"""
    res = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert res.stdout.startswith("refused: cannot write") and "too large" in res.stdout, (
        res.stdout + res.stderr
    )
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_set(tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 100, 17, 2)).astype(np.float32)

    def peak(n):
        s = Source(
            [str(i) for i in range(n)], lambda i: Clip(str(i), x, 0, i), "coco", ["a"], bodies=2
        )
        tracemalloc.start()
        prepare(s, tmp_path / str(n), progress=False)
        res = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return res

    peak(10)
    a, b = peak(50), peak(500)
    assert b - a < 450 * 3000, f"{a} bytes for 50 clips, {b} for 500: more than the rows of a table"


def test_assign_keeps_order():
    rows = [
        dict(name=str(i), subject=i, camera=None, setup=i % 2, replication=None)
        for i in (4, 1, 3, 2)
    ]
    assert assign(rows, "xset", dict(by="setup", train=range(0, 1))) == [
        "train",
        "val",
        "val",
        "train",
    ]
    assert assign(rows, "xsub", np.array([1, 3])) == ["val", "train", "train", "val"]


@pytest.mark.skipif(not npz.exists(), reason="needs the UI-PRMD data beside the project")
def test_uiprmd(tmp_path):
    s = arrays(npz)
    out = prepare(s, tmp_path / "s", frames=32, align="none", scale="none", progress=False)
    x, rows = np.load(out / "position.npy"), table(out)
    assert x.shape == (2000, 3, 32, 22, 1) and np.isfinite(x).all() and not x[:, :, :, 0].any()
    train = np.array([r["xsub"] == "train" for r in rows])
    label = np.array([int(r["label"]) for r in rows])
    assert train.sum() == 1000
    from sklearn.neighbors import KNeighborsClassifier

    flat = x.reshape(2000, -1)
    hit = KNeighborsClassifier(1).fit(flat[train], label[train]).predict(flat[~train])
    assert abs((hit == label[~train]).mean() - 0.793) < 0.02, (
        "the figure that comes with the data is 79.3 %"
    )
    assert abs((hit % 10 == label[~train] % 10).mean() - 0.955) < 0.01, (
        "the figure that comes with the data is 95.5 %"
    )


# From raw files to the reference's arrays


def skeleton(position, ids=range(100, 200)):
    "A clip (3,T,25,M) as a .skeleton file; numbers are written so that they are read to the bit"
    there = (position != 0).any((0, 2))
    return test_kinect.skeleton(
        [[(ids[m], position[:, t, :, m].T) for m in np.flatnonzero(o)] for t, o in enumerate(there)]
    )


def plant(
    folder,
    texts,
    name=lambda i: f"S{1 + i // 120:03}C{1 + i % 3:03}P{1 + i // 3 % 40:03}R001A{1 + i % 60:03}",
):
    return test_kinect.plant(folder, **{name(i): o for i, o in enumerate(texts)})


def test_golden_from_files_to_arrays(tmp_path):
    raw = plant(
        tmp_path / "raw",
        [skeleton(x[:, : (x != 0).any((0, 2, 3)).nonzero()[0][-1] + 1]) for x in golden["raw"]],
    )
    out = prepare(ntu(raw), tmp_path / "out", reference=True, workers=1, progress=False)
    np.testing.assert_allclose(np.load(out / "position.npy"), golden["position"], atol=1e-5, rtol=0)
    position, motion = np.empty_like(golden["position"]), np.empty_like(golden["motion"])
    for part in ("train", "val"):
        with open(out / f"action_dataset/xview/{part}_label.pkl", "rb") as f:
            names, labels = pickle.load(f)
        at = [
            ["S001C001P001R001A001", "S001C002P001R001A002", "S001C003P001R001A003"].index(o)
            for o in names
        ]
        assert labels == at
        position[at], motion[at] = (
            np.load(out / f"action_dataset/xview/{part}_{k}.npy") for k in ("position", "motion")
        )
    np.testing.assert_allclose(position, golden["position"], atol=1e-5, rtol=0)
    np.testing.assert_allclose(motion, golden["motion"], atol=1e-5, rtol=0)


def walkers(n, frames=6, people=1):
    "Texts of n clips, of which every seventeenth is the same"
    r = np.random.default_rng(5)
    some = [
        skeleton(r.normal(size=(3, frames + i % 4, 25, people)).astype(np.float32))
        for i in range(min(n, 17))
    ]
    return [some[i % 17] for i in range(n)]


def test_reference_arrays_are_opened_and_have_two_bodies(tmp_path):
    raw = plant(tmp_path / "raw", walkers(12))
    out = prepare(ntu(raw), tmp_path / "out", frames=4, reference=True, progress=False)
    assert np.load(out / "position.npy").shape == (12, 3, 4, 25, 1)
    whole, rows = np.load(out / "position.npy"), table(out)
    for split in ("xsub/train", "xsub/val", "xview/train", "xview/val"):
        theirs = Dataset(out / "action_dataset", split)
        mine = [i for i, r in enumerate(rows) if r[split.split("/")[0]] == split.split("/")[1]]
        assert (
            theirs.names == [rows[i]["name"] for i in mine]
            and theirs.labels.tolist() == [int(rows[i]["label"]) for i in mine]
            and theirs.bodies == 2
        )
        np.testing.assert_array_equal(theirs.position[..., :1], whole[mine])
        assert not theirs.position[..., 1].any()


def test_both_protocols_of_one_pass(tmp_path):
    out = prepare(
        ntu(plant(tmp_path / "raw", walkers(120))), tmp_path / "out", frames=4, progress=False
    )
    rows = table(out)
    assert all(
        (r["xview"] == "train") == (r["camera"] in "23")
        and (r["xsub"] == "train")
        == (
            int(r["subject"])
            in (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
        )
        for r in rows
    )


def test_a_part_of_a_set_is_prepared(tmp_path):
    out = prepare(
        ntu(plant(tmp_path / "raw", walkers(3), lambda i: f"S001C001P00{i + 1}R001A001")),
        tmp_path / "out",
        frames=4,
        progress=False,
    )
    assert [(r["xsub"], r["xview"]) for r in table(out)] == [
        ("train", "val"),
        ("train", "val"),
        ("val", "val"),
    ]


def test_swapped_order_and_a_phantom(tmp_path):
    r = np.random.default_rng(3)
    a, b = r.normal(size=(2, 3, 8, 25, 1)).astype(np.float32)
    chair = np.repeat(r.normal(size=(3, 1, 25, 1)), 8, 1).astype(np.float32)
    frames = [
        skeleton(
            np.concatenate([o[:, t : t + 1] for o in ((a, b) if t % 2 else (b, a))], -1),
            (7, 8) if t % 2 else (8, 7),
        ).split(b"\r\n", 1)[1]
        for t in range(8)
    ]
    raw = plant(
        tmp_path / "raw", [b"8\r\n" + b"".join(frames), skeleton(np.concatenate([chair, a, b], -1))]
    )
    s = ntu(raw)
    np.testing.assert_array_equal(s[0].position, np.concatenate([b, a], -1))
    plain, moving = (
        np.load(
            prepare(s, tmp_path / k, 8, bodies=k, align="none", progress=False) / "position.npy"
        )
        for k in ("file", "motion")
    )
    np.testing.assert_array_equal(
        plain[1], to_array(np.concatenate([chair, a], -1), "ntu-rgb+d", 8, aligned="none")
    )
    people = sorted([a, b], key=lambda o: -o.var(1).sum())
    np.testing.assert_array_equal(
        moving[1], to_array(np.concatenate(people, -1), "ntu-rgb+d", 8, aligned="none")
    )


def test_one_body_lost_and_found_keeps_all_its_frames(tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 9, 25, 1)).astype(np.float32)
    two = np.zeros((3, 9, 25, 2), np.float32)
    two[:, :4, :, 0] = x[:, :4, :, 0]
    two[:, 4:, :, 1] = x[:, 4:, :, 0]
    s = ntu(plant(tmp_path / "raw", [skeleton(two)]))
    np.testing.assert_array_equal(s[0].position, x)


def test_who_leaves_first_takes_no_frames_along():
    x = np.random.default_rng(0).normal(size=(3, 9, 25, 2)).astype(np.float32)
    x[:, 3:, :, 0] = 0
    assert valid_frames(x) == 9 and to_array(x, "ntu-rgb+d", 9)[:, 8, :, 1].any()


@pytest.mark.parametrize(
    "step,off", [("centred", False), ("aligned", "none"), ("cut", False), ("resized", False)]
)
def test_each_step_alone_can_be_left_out(step, off):
    x = golden["raw"][0]
    whole, without = to_array(x, "ntu-rgb+d"), to_array(x, "ntu-rgb+d", **{step: off})
    assert whole.shape == without.shape and not np.allclose(whole, without)
    n = valid_frames(x)
    y = x if step == "cut" else x[:, :n]
    if step != "centred":
        y = centre(y, "ntu-rgb+d")
    y = (
        resize(y, 50)
        if step != "resized"
        else np.pad(y[:, :50], ((0, 0), (0, max(0, 50 - y.shape[1])), (0, 0), (0, 0)))
    )
    np.testing.assert_array_equal(without, y if step == "aligned" else align(y, "ntu-rgb+d"))


def test_choose_orders_by_motion():
    r = np.random.default_rng(0)
    x = np.stack([k * r.normal(size=(3, 20, 5)) for k in (1, 3, 2)], -1)
    np.testing.assert_array_equal(choose_bodies(x, 2, "motion"), x[..., [1, 2]])
    np.testing.assert_array_equal(choose_bodies(x, 2), x[..., :2])
    with pytest.raises(HyspError, match="did you mean 'motion'"):
        choose_bodies(x, 2, "moton")


# Faults


def test_what_cannot_be_used_is_listed_and_the_rest_made(tmp_path):
    texts = walkers(100)
    texts[7], texts[50], texts[99] = (
        b"",
        b"\r\n".join(texts[50].split(b"\r\n")[:10]),
        skeleton(np.zeros((3, 4, 25, 1))),
    )
    raw = plant(tmp_path / "raw", texts)
    (raw / "other.skeleton").write_bytes(texts[0])
    out = prepare(ntu(raw), tmp_path / "out", frames=4, strict=False, workers=2, progress=False)
    with open(out / "problems.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 4 and {
        Path(r["file"]).name: (r["line"], r["reason"].split(";")[0]) for r in rows
    } == {
        "S001C002P003R001A008.skeleton": ("", "is empty"),
        "S001C003P017R001A051.skeleton": ("10", "the file ends within a body"),
        "S001C001P034R001A040.skeleton": ("", "nobody is in any of its 4 frames"),
        "other.skeleton": (
            "",
            "is not named as NTU RGB+D names its files, such as S001C002P003R002A013.skeleton",
        ),
    }
    assert [o.line for o in problems(out)] == [int(r["line"]) if r["line"] else None for r in rows]
    whole = prepare(
        ntu(plant(tmp_path / "good", walkers(100))), tmp_path / "all", frames=4, progress=False
    )
    keep = [i for i, r in enumerate(table(whole)) if r["name"] in {o["name"] for o in table(out)}]
    assert len(keep) == 97 and len(table(out)) == 97
    np.testing.assert_array_equal(
        np.load(out / "position.npy"), np.load(whole / "position.npy")[keep]
    )
    about = yaml.safe_load((out / "dataset.yaml").read_text())
    assert (
        about["counts"]["left_out"] == 4
        and about["counts"]["clips"] == 97
        and about["checksum"] == checksum(out / "position.npy")
    )


def test_strict_stops_at_the_first(tmp_path):
    texts = walkers(9)
    texts[4] = texts[4][:99]
    raw = plant(tmp_path / "raw", texts)
    with pytest.raises(HyspError, match=r"S001C002P002R001A005.skeleton, line \d+: "):
        prepare(ntu(raw), tmp_path / "out", progress=False)
    (raw / "x.skeleton").touch()
    with pytest.raises(HyspError, match="x.skeleton: is not named"):
        prepare(ntu(raw), tmp_path / "out", progress=False)
    assert [o.name for o in tmp_path.iterdir()] == ["raw"]


def test_nothing_usable(tmp_path):
    with pytest.raises(HyspError, match="none of the 3 clips can be used; the first: .*is empty"):
        prepare(
            ntu(plant(tmp_path / "raw", [b""] * 3)), tmp_path / "out", strict=False, progress=False
        )
    assert [o.name for o in tmp_path.iterdir()] == ["raw"]


# Many processes, resuming


def same_folder(a, b):
    return all(
        (a / f).read_bytes() == (b / f).read_bytes()
        for f in ("position.npy", "samples.csv", "dataset.yaml")
    )


def test_workers_change_nothing(tmp_path):
    s = ntu(plant(tmp_path / "raw", walkers(150)))
    a, b = (prepare(s, tmp_path / str(n), frames=4, workers=n, progress=False) for n in (1, 3))
    assert same_folder(a, b)


child = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler) # a shell has it ignored by what it starts in the background
sys.path[:0] = [{root!r}]
from hysp import kinect
from hysp.prepare import prepare
real = kinect.read_skeleton
def counted(*args):
    with open({log!r}, 'a') as f: f.write('x')
    {extra}
    return real(*args)
kinect.read_skeleton = counted
prepare(kinect.ntu({raw!r}), {out!r}, frames=4, workers={workers}, progress=False)
"""


def start(tmp_path, workers, extra="pass"):
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            child.format(
                root=str(root),
                raw=str(tmp_path / "raw"),
                out=str(tmp_path / "out"),
                log=str(tmp_path / "log"),
                workers=workers,
                extra=extra,
            ),
        ],
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    "how,workers", [(signal.SIGKILL, 1), (signal.SIGKILL, 2), (signal.SIGINT, 2)]
)
def test_killed_and_resumed(tmp_path, how, workers):
    raw = plant(tmp_path / "raw", walkers(300, 2))
    p = start(tmp_path, workers, "import time; time.sleep(.1)")
    journal = tmp_path / ".out.part/journal"
    wait_for(
        lambda: (
            journal.exists() and len(journal.read_text().split("\n")) > 30 or p.poll() is not None
        )
    )
    os.kill(p.pid, how)
    p.wait(60)
    assert p.returncode and not (tmp_path / "out").exists() and (tmp_path / ".out.part").is_dir()
    lock = open(tmp_path / ".out.part/lock")
    wait_for(lambda: free(lock))
    lock.close()  # its workers are gone as well
    told = len({json.loads(o)[0] for o in journal.read_text().split("\n")[1:-1]})
    if workers == 1:
        open(journal, "a").write("[3, 12")  # a line torn off
    (tmp_path / "log").unlink()
    p = start(tmp_path, workers)
    err = p.communicate(timeout=120)[1]
    assert p.returncode == 0, err
    assert os.path.getsize(tmp_path / "log") == 300 - told
    assert same_folder(
        tmp_path / "out", prepare(ntu(raw), tmp_path / "other", frames=4, progress=False)
    )
    assert sorted(o.name for o in tmp_path.iterdir()) == ["log", "other", "out", "raw"]


def free(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(lock, fcntl.LOCK_UN)
        return True
    except BlockingIOError:
        return False


def interrupted(tmp_path, at=20, **kwargs):
    "A run over 40 clips that was interrupted; how many clips were read"
    raw = tmp_path / "raw"
    if not raw.exists():
        plant(raw, walkers(40))
    s, asked = ntu(raw), []
    load = s.load

    def stop(i):
        asked.append(i)
        if len(asked) == at:
            raise KeyboardInterrupt
        return load(i)

    s.load = stop
    with pytest.raises(
        KeyboardInterrupt, match="interrupted after .* of 40 clips; the same command"
    ):
        prepare(s, tmp_path / "out", progress=False, **{"frames": 4, **kwargs})
    return tmp_path / ".out.part"


def asked_again(tmp_path, **kwargs):
    s, asked = ntu(tmp_path / "raw"), []
    load = s.load
    s.load = lambda i: (asked.append(i), load(i))[1]
    out = prepare(s, tmp_path / "out", progress=False, **{"frames": 4, **kwargs})
    assert same_folder(
        out,
        prepare(
            ntu(tmp_path / "raw"), tmp_path / "whole", progress=False, **{"frames": 4, **kwargs}
        ),
    )
    assert not (tmp_path / ".out.part").exists()
    return asked


def test_resumes_where_it_was(tmp_path):
    interrupted(tmp_path)
    assert asked_again(tmp_path) == list(range(19, 40))


def test_resumes_where_it_was_turned_and_scaled(tmp_path):
    new = dict(align="clip", scale="torso")
    interrupted(tmp_path, **new)
    assert asked_again(tmp_path, **new) == list(range(19, 40))


def test_resumed_twice(tmp_path):
    interrupted(tmp_path, 10)
    interrupted(tmp_path, 10)
    assert asked_again(tmp_path) == list(range(18, 40))


def test_a_spoilt_row_is_made_again(tmp_path):
    part = interrupted(tmp_path)
    raw = bytearray((part / "position.npy").read_bytes())
    raw[128 + 5 * 3 * 4 * 25 * 2 * 4 + 17] ^= 1
    (part / "position.npy").write_bytes(raw)
    assert asked_again(tmp_path) == [5, *range(19, 40)]


@pytest.mark.parametrize("change", ["frames", "align", "scale", "file", "journal", "position"])
def test_another_plan_begins_anew(tmp_path, change):
    part = interrupted(tmp_path)
    if change == "file":
        p = next((tmp_path / "raw").iterdir())
        p.write_bytes(p.read_bytes() + b"\r\n")
    if change == "journal":
        (part / "journal").write_bytes(os.urandom(500))
    if change == "position":
        os.truncate(part / "position.npy", 200)
    other = dict(frames=5, align="clip", scale="torso")
    assert asked_again(tmp_path, **{k: v for k, v in other.items() if k == change}) == list(
        range(40)
    )


def test_faults_are_remembered(tmp_path):
    texts = walkers(40)
    texts[3] = b"junk"
    plant(tmp_path / "raw", texts)
    interrupted(tmp_path, strict=False)
    asked = asked_again(tmp_path, strict=False)
    assert asked == list(range(19, 40)) and [o.reason for o in problems(tmp_path / "out")] == [
        "'junk' where the number of frames should be"
    ]


def test_two_at_once_are_refused(tmp_path):
    part = interrupted(tmp_path)
    with open(part / "lock") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        with pytest.raises(HyspError, match="being prepared by another process"):
            prepare(ntu(tmp_path / "raw"), tmp_path / "out", progress=False)
    assert (part / "journal").exists()


def test_a_worker_that_dies_is_told_and_work_goes_on(tmp_path):
    plant(tmp_path / "raw", walkers(200))
    p = start(tmp_path, 2, f"if os.path.getsize({str(tmp_path / 'log')!r})==150: os._exit(9)")
    err = p.communicate(timeout=120)[1].decode()
    assert (
        "HyspError: cannot write" in err
        and "a worker was killed" in err
        and not (tmp_path / "out").exists()
    )
    p = start(tmp_path, 2)
    assert p.communicate(timeout=120)[1] == b"" and (tmp_path / "out").exists()


def test_an_unforeseen_error_in_a_worker_is_not_hidden(tmp_path):
    plant(tmp_path / "raw", walkers(200))
    p = start(tmp_path, 2, f"if os.path.getsize({str(tmp_path / 'log')!r})==100: 1/0")
    assert (
        "ZeroDivisionError" in p.communicate(timeout=120)[1].decode()
        and not (tmp_path / "out").exists()
    )


def test_disk_too_small_for_the_rows_is_said_at_once(tmp_path, monkeypatch):
    s, asked = made_up(), []
    load = s.load
    s.load = lambda i: (asked.append(i), load(i))[1]

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(HyspError, match="cannot write .*No space left on device"):
        prepare(s, tmp_path / "s", align="none", progress=False)
    assert not asked and not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_leaves_what_is_done(tmp_path, monkeypatch):
    plant(tmp_path / "raw", walkers(40))
    real, count = os.pwrite, []

    def full(fd, data, at):
        if len(data) > 1000:
            count.append(1)
        if len(count) == 10:
            raise OSError(28, "No space left on device")
        return real(fd, data, at)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(
        HyspError,
        match="cannot write .*No space left on device; the same command, typed again, goes on",
    ):
        prepare(ntu(tmp_path / "raw"), tmp_path / "out", frames=4, progress=False)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(os, "pwrite", real)
    assert asked_again(tmp_path) == list(range(9, 40))


def test_journal_never_runs_ahead_of_the_rows(tmp_path, monkeypatch):
    "Each line of the journal is written after the flush that follows its row"
    plant(tmp_path / "raw", walkers(10))
    import hysp.prepare as p

    events, save, fsync = [], p._Part.save, os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (
            events.append(os.readlink(f"/proc/self/fd/{fd}").rpartition("/")[2]),
            fsync(fd),
        )[1],
    )
    monkeypatch.setattr(
        p._Part,
        "add",
        lambda self, i, crc, what: (
            self.note(i, crc, what),
            self.lines.append(json.dumps([i, crc, what]) + "\n"),
            self.save(),
        ),
    )

    def saved(self):
        events.clear()
        save(self)
        assert events == ["position.npy", "missing.npy", "journal"]

    monkeypatch.setattr(p._Part, "save", saved)
    prepare(ntu(tmp_path / "raw"), tmp_path / "out", frames=4, progress=False)
    assert events
