"Raw files and plain arrays to clips; what is broken is refused in one sentence"

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hysp.clips import Clip, Source, check_clip, read_numbers
from hysp.core import HyspError
from hysp.readers import arrays, uiprmd
from hysp.skeleton import Layout, euler, forward_kinematics, layouts

data = Path(__file__).parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(
    not data.is_dir(), reason="needs the UI-PRMD data beside the project"
)
rng = np.random.default_rng(0)
good = dict(
    frames=rng.normal(size=(10, 3, 3)),
    offsets=[0, 4, 10],
    label=[1, 0],
    subject=[3, 4],
    joint_names=["a", "left b", "right b"],
    parents=[-1, 0, 0],
)


def save(path, **change):
    np.savez(path, **{k: v for k, v in {**good, **change}.items() if v is not None})
    return path


# The npz form


def test_two_bodies_and_all_columns(tmp_path):
    frames = rng.normal(size=(10, 2, 3, 3)).astype(np.float16)
    s = arrays(
        save(
            tmp_path / "a.npz",
            frames=frames,
            camera=[1, 2],
            setup=[5, 6],
            replication=[7, 8],
            name=["x", "y"],
            fps=25,
            class_names=["u", "v", "w"],
        )
    )
    assert (len(s), s.bodies, s.fps, s.class_names, s.names) == (
        2,
        2,
        25.0,
        ["u", "v", "w"],
        ["x", "y"],
    )
    c = s[1]
    assert (c.name, c.label, c.subject, c.camera, c.setup, c.replication) == ("y", 0, 4, 2, 6, 8)
    assert c.position.shape == (3, 6, 3, 2) and c.position.dtype == np.float32
    assert np.array_equal(c.position[1, 2, 0], frames[6, :, 0, 1].astype(np.float32))


def test_layout_is_the_registered_one_or_given(tmp_path):
    l = layouts["ui-prmd"]
    names = dict(frames=np.zeros((10, 22, 3)), joint_names=list(l.joints), parents=list(l.parents))
    assert arrays(save(tmp_path / "a.npz", **names)).layout is l
    assert (
        arrays(
            save(tmp_path / "a.npz", **{**names, "joint_names": None, "parents": None}), "ui-prmd"
        ).layout
        is l
    )
    other = arrays(save(tmp_path / "b.npz")).layout
    assert other.name == "b" and other.mirror == (0, 2, 1)


@pytest.mark.parametrize(
    "change,message",
    [
        (dict(frames=None), "no array 'frames'"),
        (dict(label=None), "no array 'label'"),
        (dict(frames=np.zeros((10, 3))), r"shape \(10, 3\)"),
        (dict(frames=np.zeros((10, 3, 3), complex)), "complex"),
        (dict(frames=np.zeros((10, 4, 3))), "4 joints, but layout 'bad' has 3"),
        (dict(offsets=[0, 7, 4, 10], label=[0, 0, 0], subject=None), "clip 1 goes from 7 to 4"),
        (dict(offsets=[0, 4, 4, 10], label=[0, 0, 0], subject=None), "clip 1 .* no frames"),
        (dict(offsets=[1, 4, 10]), "from 1 to 10"),
        (dict(offsets=[0, 4, 11]), "from 0 to 11"),
        (dict(offsets=[0.0, 4.0, 10.0]), "whole numbers"),
        (dict(offsets=[[0, 10]]), "whole numbers"),
        (dict(offsets=[0]), "whole numbers"),
        (dict(label=[0]), "'label'"),
        (dict(label=[0.0, 1.0]), "'label'"),
        (
            dict(label=[0, 3], class_names=["u", "v"]),
            "label 3, but the classes are numbered 0 to 1",
        ),
        (dict(label=[0, -1]), "label -1"),
        (dict(subject=[1, 2, 3]), "'subject'"),
        (dict(name=["x"]), "'name'"),
        (dict(fps=[30, 30]), "'fps'"),
        (dict(parents=[-1, 0]), "'parents'"),
        (dict(parents=[-1, 0, 9]), "no tree"),
        (dict(joint_names=["a", "b", "b"]), "twice"),
        (dict(joint_names=None), "no 'joint_names'"),
        (dict(label=np.array([0, None])), "'label' in .* Python objects"),
        (dict(frames=np.array([None] * 10)), "'frames' in .* Python objects"),
    ],
)
def test_refused_arrays(tmp_path, change, message):
    with pytest.raises(HyspError, match=message):
        arrays(save(tmp_path / "bad.npz", **change))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_not_finite_is_named(tmp_path, value):
    frames = good["frames"].copy()
    frames[6, 2, 1] = value
    s = arrays(save(tmp_path / "bad.npz", frames=frames))
    s[0]
    with (
        np.errstate(over="ignore"),
        pytest.raises(
            HyspError, match=r"clip clip00001 holds (nan|inf) at frame 2, joint 'right b', body 0"
        ),
    ):
        s[1]


def test_refused_files(tmp_path):
    p = tmp_path / "x.npz"
    with pytest.raises(HyspError, match="there is no file"):
        arrays(p)
    with pytest.raises(HyspError, match="there is no file"):
        arrays(tmp_path)
    for content in (b"", b"text", pickle.dumps([1])):
        p.write_bytes(content)
        with pytest.raises(HyspError, match="cannot read"):
            arrays(p)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(HyspError, match="single array"):
        arrays(tmp_path / "one.npy")
    whole = save(p).read_bytes()
    p.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HyspError, match="cannot read"):
        arrays(p)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255), st.booleans())
def test_a_spoilt_byte_is_read_or_refused(tmp_path_factory, at, value, compressed):
    f = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(f, **good)
    raw = bytearray(f.getvalue())
    raw[at % len(raw)] = value
    p = tmp_path_factory.getbasetemp() / "spoilt.npz"
    p.write_bytes(raw)
    try:
        list(arrays(p))
    except HyspError:
        pass


@pytest.mark.parametrize(
    "flag", [1, 32, 64]
)  # Encrypted, patched, strongly encrypted: RuntimeError and NotImplementedError of zipfile
def test_a_locked_archive(tmp_path, flag):
    raw = bytearray(save(p := tmp_path / "x.npz").read_bytes())
    raw[raw.rindex(b"PK\1\2") + 8] |= flag
    raw[raw.rindex(b"PK\3\4") + 6] |= flag
    p.write_bytes(raw)
    with pytest.raises(HyspError, match="cannot read"):
        arrays(p)


def test_a_heading_that_claims_too_much(tmp_path):
    f = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        f, dict(descr="<f4", fortran_order=False, shape=(10**12, 3, 3))
    )
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as z:
        z.writestr("frames.npy", f.getvalue() + b"\0" * 36)
    with pytest.raises(HyspError, match="cannot read"):
        arrays(tmp_path / "x.npz")


# Sources


def test_source_is_lazy_and_checked():
    asked = []

    def load(i):
        asked.append(i)
        return Clip(f"c{i}", np.ones((3, 4, 17, 1), np.float32), i)

    s = Source([f"c{i}" for i in range(5)], load, "coco", ["a", "b", "c"])
    part = s[1:4][::2]
    assert not asked and part.names == ["c1", "c3"]
    assert part[0].label == 1 and asked == [1]
    with pytest.raises(HyspError, match="label 3"):
        part[-1]
    with pytest.raises(IndexError):
        s[5]


@pytest.mark.parametrize(
    "shape,message",
    [
        ((3, 4, 17), "shape"),
        ((2, 4, 17, 1), "shape"),
        ((3, 0, 17, 1), "no frames"),
        ((3, 4, 17, 0), "no frames"),
        ((3, 4, 18, 1), "18 joints, but layout 'coco' has 17"),
    ],
)
def test_check_clip(shape, message):
    with pytest.raises(HyspError, match=message):
        check_clip(Clip("c", np.ones(shape), 0), layouts["coco"], 1)


# UI-PRMD


def test_euler_is_that_of_scipy():
    from scipy.spatial.transform import Rotation

    a = rng.uniform(-180, 180, (50, 3))
    np.testing.assert_allclose(
        euler(a), Rotation.from_euler("xyz", a, degrees=True).as_matrix(), atol=1e-12
    )


def test_kinematics_is_the_plain_recursion():
    layout = Layout("any", list("abcdef"), (2, 0, -1, 2, 1, 3))
    p, a = rng.normal(size=(4, 6, 3)), rng.uniform(-180, 180, (4, 6, 3))
    x = forward_kinematics(p, euler(a), [(j, layout.parents[j]) for j in layout.order[1:]])

    def pose(t, j):
        k = layout.parents[j]
        if k == -1:
            return euler(a[t, j]), p[t, j]
        turn, at = pose(t, k)
        return turn @ euler(a[t, j]), at + turn @ p[t, j]

    for t in range(4):
        for j in range(6):
            np.testing.assert_allclose(x[t, j], pose(t, j)[1], atol=1e-12)
    length = lambda i, j: np.linalg.norm(x[:, i] - x[:, j], axis=-1)
    np.testing.assert_allclose(length(0, 2), np.linalg.norm(p[:, 0], axis=-1), atol=1e-12)


@pytest.mark.parametrize(
    "text,message",
    [
        ("", "has no lines"),
        ("\n\n", "has no lines"),
        ("1,2\n3\n", "line 2: 1 numbers, expected 2"),
        ("1,2\n\n3,x\n", "line 3: 'x' is no number"),
        ("1,2,3\n", "line 1: 3 numbers"),
        ("1 2\n", "line 1: 1 numbers"),
        ("#1,2\n", "line 1: '#1' is no number"),
    ],
)
def test_refused_tables(tmp_path, text, message):
    p = tmp_path / "t.txt"
    p.write_text(text)
    with pytest.raises(HyspError, match=f"t.txt,? {message}"):
        read_numbers(p, 2)


def test_tables_of_other_systems(tmp_path):
    p = tmp_path / "t.txt"
    for raw in (b"1,2\r\n3,4\r\n", b"\xef\xbb\xbf1, 2\n3 ,4", b"1,2\n\n3,4\n"):
        p.write_bytes(raw)
        assert np.array_equal(read_numbers(p, 2), [[1, 2], [3, 4]])
    p.write_bytes(b"\xff\xfe1\x00")
    with pytest.raises(HyspError, match="no text file"):
        read_numbers(p, 2)
    with pytest.raises(HyspError, match="cannot read"):
        read_numbers(tmp_path / "none", 2)


@settings(max_examples=80, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60), st.text("0123456789.,-+eEnaif \r\n#", max_size=60).map(str.encode)
    )
)
def test_any_bytes_are_a_table_or_refused(tmp_path_factory, raw):
    p = tmp_path_factory.getbasetemp() / "fuzz.txt"
    p.write_bytes(raw)
    try:
        assert read_numbers(p, 3).shape[1] == 3
    except HyspError:
        pass


def write_uiprmd(folder, name, frames=4, vicon=False):
    for kind in ("Positions", "Angles"):
        p = (
            folder
            / ("Vicon" if vicon else "Kinect")
            / kind
            / name.replace("positions", kind.lower())
        )
        p.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(p, rng.normal(size=(frames, 66)), delimiter=",")


def test_uiprmd_passes_over_what_it_does_not_want(tmp_path):
    right = tmp_path / "deep" / "Segmented Movements"
    write_uiprmd(right, "m01_s02_e10_positions.txt")
    write_uiprmd(right, "m01_s02_e09_positions.txt")
    write_uiprmd(right, "m01_s01_e01_positions.txt", vicon=True)
    write_uiprmd(tmp_path / "deep" / "Movements", "m01_s02_positions.txt")
    s = uiprmd(tmp_path)
    assert (
        s.names == ["m01_s02_e09", "m01_s02_e10"]
        and len(s.class_names) == 20
        and s.layout.name == "ui-prmd"
    )


def test_refused_uiprmd(tmp_path):
    with pytest.raises(HyspError, match="there is no folder"):
        uiprmd(tmp_path / "none")
    with pytest.raises(HyspError, match="holds no file"):
        uiprmd(tmp_path)
    write_uiprmd(tmp_path / "a", "m01_s02_e01_positions.txt")
    write_uiprmd(tmp_path / "b", "m01_s02_e01_positions.txt")
    with pytest.raises(HyspError, match="the same repetition"):
        uiprmd(tmp_path)
    (tmp_path / "a/Kinect/Positions/notes.txt").write_text("")
    with pytest.raises(HyspError, match="notes.txt is not named"):
        uiprmd(tmp_path / "a")


@needs_data
def test_uiprmd_equals_its_npz():
    raw, npz = uiprmd(data / "uiprmd_raw"), arrays(data / "uiprmd_kinect.npz")
    assert (
        len(raw) == 40
        and len(npz) == 2000
        and npz.layout is layouts["ui-prmd"]
        and npz.fps == 30
        and raw.class_names == npz.class_names
    )
    place = {}
    for i, c in enumerate(npz):
        place.setdefault((c.label, c.subject), []).append(i)
    for c in raw:
        other = npz[place[c.label, c.subject][c.replication - 1]]
        np.testing.assert_allclose(c.position, other.position, atol=1e-4, rtol=0, err_msg=c.name)
