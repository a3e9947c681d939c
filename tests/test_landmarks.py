"MediaPipe's tables in the forms that scripts write, and FreeMoCap's recordings: read right, or refused in a sentence"

import csv

import numpy as np
import pytest
from formats import formats, made_up, write_rows

from hysp.clips import Fault, File
from hysp.core import HyspError
from hysp.landmarks import freemocap, landmark_kind, mediapipe, read_landmarks
from hysp.skeleton import layouts
from hysp.synthetic import generate
from hysp.units import convert, measure

layout = layouts["mediapipe"]
joints = layout.joints
x = made_up("mediapipe", 1, 6)[0].x  # (6, 33, 3)


def read(path, rows, write=csv.writer):
    with open(path, "w", newline="") as file:
        write(file).writerows(rows)
    return read_landmarks(File(str(path)))


def rows_of(heads, parts, frames=x, key=(), visibility=0.9):
    "A wide table: a column for each part of each landmark, under these headings"
    parts = np.concatenate([frames, np.full_like(frames[..., :1], visibility)], 2)[..., parts]
    table = [[*key, *heads]]
    for t, frame in enumerate(parts):
        table.append([*(t for _ in key), *frame.ravel()])
    return table


def headings(style, names, parts="xyz"):
    heads = []
    for name in names:
        heads += [style.format(name=name, part=part, camel=camel(name)) for part in parts]
    return heads


def camel(name):
    first, *rest = str(name).split("_")
    return first.lower() + "".join(word.title() for word in rest)


upper = [joint.upper().replace(" ", "_") for joint in joints]
official = [
    name.replace("INNER_EYE", "EYE_INNER").replace("OUTER_EYE", "EYE_OUTER") for name in upper
]
official = [
    name.replace("LEFT_MOUTH", "MOUTH_LEFT").replace("_TOES", "_FOOT_INDEX") for name in official
]
official = [name.replace("RIGHT_MOUTH", "MOUTH_RIGHT") for name in official]


@pytest.mark.parametrize(
    "style,names",
    [
        ("{name}_{part}", official),
        ("{name}_{part}", upper),
        ("{camel}_{part}", official),
        ("{camel}{part}", [f"{name}_" for name in range(33)]),
        ("PoseLandmark.{name}.{part}", official),
        ("{part}_{name}", official),
        ("{part}{name}", range(33)),
        ("{part}{name}", range(1, 34)),
        ("{name}_{part}", range(33)),
        ("landmark_{name}_{part}", range(33)),
        ("pose_world_landmarks_{name}_{part}", range(33)),
        ("body_{name}_{part}", [name.lower() for name in official]),
        ("{name} {part}", joints),
    ],
)
def test_styles_of_headings(tmp_path, style, names):
    position, seen = read(tmp_path / "a.csv", rows_of(headings(style, names), [0, 1, 2]))
    np.testing.assert_allclose(position[..., 0].transpose(1, 2, 0), x, atol=1e-6)
    assert seen.all() and position.dtype == np.float32


def test_columns_in_any_order_and_more_of_them(tmp_path):
    rows = np.array(rows_of(headings("{name}_{part}", official, "xyzv"), [0, 1, 2, 3]), object)
    rows = np.concatenate([rows, [["presence_0"]] + 6 * [["odd"]]], 1)
    mixed = rows[:, np.random.default_rng(0).permutation(rows.shape[1])]
    position, _ = read(tmp_path / "a.csv", mixed.tolist())
    np.testing.assert_allclose(position[..., 0].transpose(1, 2, 0), x, atol=1e-6)


def test_without_depth_and_without_visibility(tmp_path):
    position, seen = read(
        tmp_path / "a.csv", rows_of(headings("{name}_{part}", official, "xy"), [0, 1])
    )
    assert seen.all() and not position[2].any()
    np.testing.assert_allclose(position[:2, ..., 0].transpose(1, 2, 0), x[..., :2], atol=1e-6)


@pytest.mark.parametrize("visibility,seen", [(0.0, False), (0.499, False), (0.5, True), ("", True)])
def test_a_half_is_visible(tmp_path, visibility, seen):
    rows = rows_of(headings("{name}_{part}", official, "xyzv"), [0, 1, 2, 3])
    rows[3][4 * 15 + 3] = visibility
    position, told = read(tmp_path / "a.csv", rows)
    assert told[2, 15, 0] == seen and told.sum() == told.size - (not seen)
    assert position[:, 2, 15, 0].any() == seen


@pytest.mark.parametrize(
    "lost", [["", "", ""], ["nan", "NaN", "-nan"], [0, 0, 0], [0.5, "None", 1]]
)
def test_lost_landmarks(tmp_path, lost):
    rows = rows_of(headings("{name}_{part}", official), [0, 1, 2])
    rows[1][3 * 7 : 3 * 8] = lost
    position, seen = read(tmp_path / "a.csv", rows)
    assert np.argwhere(~seen[..., 0]).tolist() == [[0, 7]] and not position[:, 0, 7].any()


@pytest.mark.parametrize(
    "frames,places",
    [
        ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]),
        ([5, 3, 4, 0, 1, 2], [5, 3, 4, 0, 1, 2]),
        ([10, 12, 14, 16, 18, 20], [0, 1, 2, 3, 4, 5]),
        ([0, 1, 2, 6, 7, 8], [0, 1, 2, 6, 7, 8]),
        ([0, 2, 4, 10, 12, 14], [0, 1, 2, 5, 6, 7]),
    ],
)
@pytest.mark.parametrize("scale,key", [(1, "frame"), (1 / 30, "timestamp"), (33.3, "time_ms")])
def test_frames_by_number_or_time(tmp_path, frames, places, scale, key):
    rows = rows_of(headings("{name}_{part}", official), [0, 1, 2], key=[key])
    for row, frame in zip(rows[1:], frames):
        row[0] = frame * scale
    position, seen = read(tmp_path / "a.csv", rows)
    there = np.zeros(max(places) + 1, bool)
    there[places] = True
    assert (seen.all((1, 2)) == there).all() and (seen.any((1, 2)) == there).all()
    np.testing.assert_allclose(position[..., 0][:, places].transpose(1, 2, 0), x, atol=1e-6)


@pytest.mark.parametrize("scale,key", [(1, "frame"), (1 / 30, "timestamp"), (33.3, "time_ms")])
def test_frames_that_are_left_out_are_what_gaps_says(tmp_path, scale, key):
    moving = x[:1] + 0.1 * np.arange(7)[:, None, None]
    rows = rows_of(headings("{name}_{part}", official), [0, 1, 2], moving, key=[key])
    for row in rows[1:]:
        row[0] = scale * (row[0] + 4)
    del rows[3]
    read(tmp_path / "a.csv", rows)
    file = File(str(tmp_path / "a.csv"))
    position, seen = read_landmarks(file, "fill")
    np.testing.assert_allclose(position[..., 0].transpose(1, 2, 0), moving, atol=1e-6)
    assert seen.all()
    position, seen = read_landmarks(file, "cut")
    np.testing.assert_allclose(position[..., 0].transpose(1, 2, 0), moving[3:], atol=1e-6)
    gap = f"gap from {5 * scale:.10g} to {7 * scale:.10g}, where {scale:.10g} is the usual step"
    with pytest.raises(Fault, match=gap):
        read_landmarks(file, "refuse")


def test_both_readers_say_what_becomes_of_frames_that_are_left_out(tmp_path):
    formats["mediapipe"].plant(tmp_path / "m")
    formats["freemocap"].plant(tmp_path / "f")
    for reader, folder in ((mediapipe, "m"), (freemocap, "f")):
        rule = "frames that a file leaves out between others: "
        assert (
            f"{rule}they are filled in, on straight lines"
            in reader(tmp_path / folder, gaps="fill").taken
        )
        assert any(line.startswith(f"{rule}nobody") for line in reader(tmp_path / folder).taken)
        with pytest.raises(HyspError, match="did you mean 'cut'"):
            reader(tmp_path / folder, gaps="cutt")


def long_rows(people, frames=x):
    rows = [["frame", "person_id", "landmark", "x", "y", "z", "visibility"]]
    for t, frame in enumerate(frames):
        for person, name in enumerate(people):
            rows += [[t, name, upper[i], *(p + 2 * person), 1] for i, p in enumerate(frame)]
    return rows


def test_long_tables_of_several_people(tmp_path):
    rows = long_rows("ab")
    shuffled = [
        rows[0],
        *(rows[1 + i] for i in np.random.default_rng(0).permutation(len(rows) - 1)),
    ]
    for table in (rows, shuffled):
        position, seen = read(tmp_path / "a.csv", table)
        assert seen.all() and position.shape == (3, 6, 33, 2)
        for person in range(2):
            found = position[..., person].transpose(1, 2, 0)
            np.testing.assert_allclose(found, x + 2 * person, atol=1e-6)


def test_a_tracker_that_exchanges_people_is_undone(tmp_path):
    rows = long_rows("ab")
    for row in rows[1:]:
        if row[0] >= 3:
            row[1] = "ba"["ab".index(row[1])]
    position, _ = read(tmp_path / "a.csv", rows)
    np.testing.assert_allclose(position[..., 0].transpose(1, 2, 0), x, atol=1e-6)


@pytest.mark.parametrize(
    "table,says",
    [
        ([["frame", "a"], [0, 1]], "line 1: there is no column 'nose x'"),
        (long_rows("a")[:2] + long_rows("a")[1:2], "line 3: landmark 'NOSE' is twice in a frame"),
        ([long_rows("a")[0]], "has 0 lines below its heading"),
        ([["landmark", "x", "y"], [0, 1, 2]], "no column 'frame'"),
        ([["frame", "landmark", "x", "y"], [0, 33, 1, 2]], "'33' is none of MediaPipe's 33"),
        ([["frame", "landmark", "x", "y"], ["", 3, 1, 2]], "line 2: frame '' is no number"),
        ([["frame", "landmark", "x", "y"], ["1e999", 3, 1, 2]], "frame '1e999' is no number"),
        (rows_of(headings("{name}_{part}", official), [0, 1, 2], visibility=9)[:1], "has 0 lines"),
        (rows_of(headings("{name}_{part}", official), [0, 1, 2], x * np.nan), "nobody is seen"),
        (rows_of(headings("{name}_{part}", official), [0, 1, 2], x * 1e9), "is beyond 50,000"),
        (
            rows_of(headings("{name}_{part}", official), [0, 1, 2])[:2] + [[1]],
            "1 cells, expected 99",
        ),
    ],
)
def test_refused_tables(tmp_path, table, says):
    with pytest.raises(Fault) as error:
        read(tmp_path / "a.csv", table)
    assert says in str(error.value) and str(error.value).startswith(str(tmp_path / "a.csv"))


def test_a_frame_that_is_twice_asks_for_people(tmp_path):
    rows = rows_of(headings("{name}_{part}", official), [0, 1, 2], key=["frame"])
    with pytest.raises(Fault, match="line 8: frame '0' is there twice; several people need"):
        read(tmp_path / "a.csv", rows + rows[1:2])


def world(frames=x):
    hips = frames[:, list(layout.hips)].mean(1, keepdims=True)
    return frames - hips


def test_kinds_and_what_the_source_says(tmp_path):
    rows = dict(
        world=world(), image=0.2 * world() + [0.5, 0.6, 0], pixel=100 * world() + [320, 240, 0]
    )
    says = dict(world=("m", "-y"), image=(None, "-y"), pixel=("pixel", "-y"))
    for kind, frames in rows.items():
        table = rows_of(headings("{name}_{part}", official), [0, 1, 2], frames)
        write_rows(tmp_path / kind / "wave/a.csv", table)
        source = mediapipe(tmp_path / kind)
        assert (source.unit, source.up) == says[kind] and len(source) == 1
        clip = source[0]
        assert landmark_kind(clip.position, clip.seen) == kind
        assert any("y down" in line for line in source.taken)
    assert "which no file tells" in mediapipe(tmp_path / "image").taken[-1]
    with pytest.raises(Fault, match="holds pixel landmarks, but .* holds image landmarks"):
        list(mediapipe(tmp_path, naming="{*}/{label}/{name}"))


def test_freemocap_names_and_skips(tmp_path):
    formats["freemocap"].plant(tmp_path / "set", 4)
    source = freemocap(tmp_path / "set")
    assert (source.unit, source.up, source.layout) == ("mm", "z", layout)
    by_person = freemocap(tmp_path / "set", naming="{label}/p{subject}_{*}/output_data/{*}")
    assert [clip.subject for clip in by_person] == [1, 2, 1, 2]
    table = tmp_path / "set/wave/p1_1/output_data/mediapipe_body_3d_xyz.csv"
    np.save(table.with_suffix(".npy"), np.zeros((4, 33, 3)))
    np.save(table.with_name("mediapipe_face_3d_xyz.npy"), np.zeros((4, 478, 3)))
    again = freemocap(tmp_path / "set")
    assert len(again) == 4 and again.skipped == {"of a recording read from its CSV file": 1}
    (tmp_path / "empty").mkdir()
    with pytest.raises(HyspError, match="holds no clip"):
        freemocap(tmp_path / "empty")


def test_freemocap_stands_upright_in_metres_once_converted(tmp_path):
    people = generate(2, classes=["wave", "squat"], subjects=2, seed=0, difficulty="easy")
    at = [people.layout.joints.index(f"{joint}" if "hip" in joint else "head") for joint in joints]
    at[27:29] = [people.layout.joints.index(f"{side} ankle") for side in ("left", "right")]
    at[11:13] = [people.layout.joints.index(f"{side} shoulder") for side in ("left", "right")]
    upright = people[0].position[:, :, at, 0].transpose(1, 2, 0)
    out = tmp_path / "wave/rec/output_data"
    out.mkdir(parents=True)
    np.save(out / "mediapipe_body_3d_xyz.npy", 1000 * upright[..., [0, 2, 1]] * [1, -1, 1])
    source = freemocap(tmp_path)
    assert measure(source).up == "z"
    clip = convert(source, source.unit, source.up)[0]
    np.testing.assert_allclose(clip.position[..., 0].transpose(1, 2, 0), upright, atol=1e-5)
