"NTU RGB+D and PKU-MMD files: read right, or told of with file, line and reason. All files here are made up"

import itertools
import math
import re
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from hysp.clips import Fault, Tokens, body_slots, class_list, decimals, find
from hysp.core import HyspError
from hysp.kinect import ntu, ntu_protocols, pku, read_skeleton

rng = np.random.default_rng(0)
slow = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def skeleton(frames, eol="\r\n"):
    "Text of a .skeleton file; a frame is a list of (ID, 25 x 3 coordinates)"
    out = [len(frames)]
    for bodies in frames:
        out.append(len(bodies))
        for i, x in bodies:
            out += [
                f"{i} 0 1 1 1 1 0 0.0276 0.0575 2",
                len(x),
                *(
                    " ".join(
                        map(str, [*p, 277.4, 191.8, 1036.2, 519.2, -0.2, 0.04, 0.97, -0.13, 2])
                    )
                    for p in np.asarray(x).tolist()
                ),
            ]
    return eol.join(map(str, [*out, ""])).encode()


def walk(frames=4, people=1, seed=0):
    x = np.random.default_rng(seed).normal(size=(frames, people, 25, 3)).astype(np.float32)
    return x, [[(72057594037931101 + m, x[t, m]) for m in range(people)] for t in range(frames)]


# Numbers


def as_float(word):
    try:
        return math.nan if b"_" in word else float(word)
    except ValueError:
        return math.nan


def parsed(words):
    text = b" " * 16 + b" ".join(words) + b" " * 4
    end = np.cumsum([len(o) + 1 for o in words]) + 15
    return decimals(text, np.array([16, *(end[:-1] + 1)]), end)


def same(words):
    "To the bit, the sign of 0 included; of what is no number any NaN will do"
    a, b = parsed(words), np.array([as_float(o) for o in words])
    assert (
        np.array_equal(np.isnan(a), np.isnan(b))
        and a[~np.isnan(a)].tobytes() == b[~np.isnan(b)].tobytes()
    )


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.floats(-999, 999).map(repr),
            st.floats().map(repr),
            st.from_regex(r"-?[0-9]{0,5}\.?[0-9]{0,18}", fullmatch=True).filter(bool),
            st.decimals(-1000, 1000, places=7).map(str),
            st.text("0123456789.-+eE_naif", min_size=1, max_size=20),
        ).map(str.encode),
        min_size=1,
        max_size=30,
    )
)
@example([b"0.5"])
@example(
    [b"-0.0", b"000.1", b"1.00000000000000000001", b"-", b".", b"-.", b"9" * 16, b"0." + b"1" * 16]
)
def test_decimals_are_those_of_float_to_the_bit(words):
    same(words)


def test_decimals_of_many_at_once():
    x = rng.normal(size=50_000) * 10.0 ** rng.integers(-6, 3, 50_000)
    same([f"{o:.7g}".encode() for o in x])
    same([f"{o:.6f}".encode() for o in x])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.text("0123456789.-", min_size=1, max_size=9), max_size=5),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([" ", "  ", "\t"]),
    st.booleans(),
)
def test_words_are_those_of_split(lines, eol, blank, mark):
    data = (
        (b"\xef\xbb\xbf" if mark else b"")
        + eol.join(blank.join(o) for o in lines).encode()
        + eol.encode()
    )
    if not any(lines):
        return
    t, expected = Tokens(data), data.removeprefix(b"\xef\xbb\xbf").rstrip().split(b"\n")
    assert [t.line(i).split() for i in range(len(t))] == [o.split() for o in expected]
    assert [len(o.split()) for o in expected] == t.count.tolist()
    for i, o in enumerate(expected):
        assert [
            t.text[t.start[k] : t.end[k]] for k in range(t.first[i], t.first[i + 1])
        ] == o.split()


# A file


def plainly(data):
    "The same file read line by line, as strictly as can be; None if it is not whole"
    if re.search(rb"[\0-\x08\x0e-\x1f]", data) or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None
    lines = data.removeprefix(b"\xef\xbb\xbf").rstrip().split(b"\n")

    def whole(o):
        if not re.fullmatch(rb"\s*\d{1,15}\s*", o):
            raise ValueError
        return int(o)

    try:
        at, n, seen, x = 1, whole(lines[0]), [], {}
        if not 0 < n <= 10_000:
            return None
        for t in range(n):
            for m in range(whole(lines[at])):
                head = lines[at + 1 + 27 * m].split()
                if len(head) != 10 or whole(lines[at + 2 + 27 * m]) != 25 or (t, head[0]) in x:
                    return None
                rows = [o.split() for o in lines[at + 3 + 27 * m : at + 28 + 27 * m]]
                if [len(o) for o in rows] != [12] * 25 or any(
                    b"_" in v for o in rows for v in o[:3]
                ):
                    return None
                seen.append((t, head[0]))
                x[seen[-1]] = np.array([[float(v) for v in o[:3]] for o in rows])
                if not (abs(x[seen[-1]]) <= 1000).all():
                    return None
            at += 1 + 27 * whole(lines[at])
        return x if at == len(lines) and seen else None
    except (ValueError, IndexError):
        return None


def agrees(data):
    "Read right, or refused; and refused only if it is broken"
    try:
        y = read_skeleton(data)
    except Fault as e:
        assert e.reason and (e.line is None or 1 <= e.line <= data.count(b"\n") + 1)
        return plainly(data) is None
    x = plainly(data)
    where = body_slots(list(x))
    assert y.dtype == np.float32 and np.count_nonzero(y.any((0, 2))) <= len(x)
    for (t, i), o in x.items():
        np.testing.assert_array_equal(y[:, t, :, where[i]].T, o.astype(np.float32))
    return y.shape[1:] == (
        int(data.removeprefix(b"\xef\xbb\xbf").split()[0]),
        25,
        max(where.values()) + 1,
    )


@pytest.mark.parametrize("people", [1, 2, 5])
@pytest.mark.parametrize(
    "form",
    [
        lambda o: o,
        lambda o: o.replace(b"\r\n", b"\n"),
        lambda o: b"\xef\xbb\xbf" + o,
        lambda o: o.replace(b" ", b"  "),
        lambda o: o + b"\r\n \r\n",
        lambda o: o.rstrip(),
    ],
)
def test_right_in_every_form(people, form):
    x, frames = walk(4, people)
    y = read_skeleton(form(skeleton(frames)))
    np.testing.assert_array_equal(y, x.transpose(3, 0, 2, 1))


valid = skeleton(walk(3, 2)[1])
lines_ = valid.split(b"\r\n")[:-1]


@pytest.mark.parametrize("at", [116, 117, 130, 1339])
@pytest.mark.parametrize("byte", [b"\1", b"\x1f", b"\x0e"])
def test_a_control_character_is_no_blank(at, byte):
    with pytest.raises(Fault, match="control characters"):
        read_skeleton(valid[:at] + byte + valid[at + 1 :])


edits = st.one_of(
    st.tuples(st.just("cut"), st.integers(0, len(valid)), st.just(b"")),
    st.tuples(st.just("drop"), st.integers(0, len(lines_) - 1), st.just(b"")),
    st.tuples(st.just("twice"), st.integers(0, len(lines_) - 1), st.just(b"")),
    st.tuples(
        st.just("line"),
        st.one_of(st.integers(0, len(lines_) - 1), st.sampled_from([0, 1, 2, 3, 29, 30, 55, 56])),
        st.one_of(
            st.integers(-1, 60).map(lambda o: str(o).encode()),
            st.sampled_from(
                [
                    b"",
                    b"1000000000",
                    b"nan",
                    b"0 0 1e30" + b" 1" * 9,
                    b"inf 0 0" + b" 1" * 9,
                    b"1 2 3",
                    b"1_0 2 3" + b" 1" * 9,
                    b"\xff\xfe",
                    b"7 0 1 1 1 1 0 0 0 2",
                ]
            ),
            st.binary(max_size=12),
        ),
    ),
    st.tuples(st.just("byte"), st.integers(0, len(valid) - 1), st.binary(min_size=1, max_size=1)),
    st.tuples(
        st.just("insert"),
        st.integers(0, len(valid)),
        st.sampled_from([b" ", b"\n", b"\0", b".", b"-", b"9", b"\r"]),
    ),
    st.tuples(st.just("swap"), st.integers(0, len(lines_) - 2), st.just(b"")),
)


def edited(edits):
    data = valid
    for kind, i, what in edits:
        rows = data.split(b"\r\n")
        i = min(i, len(rows) - 2 if kind in ("drop", "twice", "line", "swap") else len(data) - 1)
        if i < 0:
            continue
        if kind == "cut":
            data = data[:i]
        elif kind == "byte":
            data = data[:i] + what + data[i + 1 :]
        elif kind == "insert":
            data = data[:i] + what + data[i:]
        else:
            new = dict(drop=[], twice=[rows[i]] * 2, line=[what], swap=[rows[i + 1], rows[i]])[kind]
            data = b"\r\n".join([*rows[:i], *new, *rows[i + 1 + (kind == "swap") :]])
    return data


@slow
@given(st.lists(edits, min_size=1, max_size=3))
def test_a_spoilt_file_is_read_right_or_refused(e):
    assert agrees(edited(e))


@slow
@given(
    st.one_of(
        st.binary(max_size=300), st.text("0123456789 .-\n\r\tenaif", max_size=300).map(str.encode)
    )
)
def test_any_bytes_are_read_right_or_refused(data):
    assert agrees(data)


def test_undamaged_is_read():
    assert plainly(valid) is not None and agrees(valid)


@pytest.mark.parametrize(
    "heading", [b"1000000000", b"999999999999999", b"3\r\n1000000000", b"3\r\n0\r\n99999"]
)
def test_a_heading_that_claims_too_much_takes_no_memory(heading):
    data = heading + b"\r\n" + valid
    tracemalloc.start()
    with pytest.raises(Fault, match="claims|where"):
        read_skeleton(data)
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert top < 20 * len(data)


def test_empty_frames_and_many_bodies_cannot_blow_up():
    with pytest.raises(Fault, match="10,001 frames"):
        read_skeleton(b"10001\n" + b"0\n" * 10001)
    ids = [[(i, np.zeros((25, 3)))] for i in range(20)]
    with pytest.raises(Fault, match="more than 16 bodies at once"):
        read_skeleton(skeleton(ids + ids))


@pytest.mark.parametrize("joints", [24, 26])
def test_joint_count(joints):
    with pytest.raises(Fault, match=f"f, line 4: {joints} joints, expected 25"):
        read_skeleton(skeleton([[(1, np.zeros((joints, 3)))]]), "f")


def test_ids_above_two_to_the_53():
    x, frames = walk(2, 2)
    assert read_skeleton(skeleton([frames[0], frames[1][::-1]])).shape[-1] == 2
    np.testing.assert_array_equal(
        read_skeleton(skeleton([frames[0], frames[1][::-1]])), x.transpose(3, 0, 2, 1)
    )


def test_columns_that_nobody_uses_may_hold_anything():
    data = skeleton(walk(1, 1)[1]).replace(b"277.4", b"-1.#IND").replace(b"1036.2", b"NaN")
    assert np.isfinite(read_skeleton(data)).all()


# Places


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), unique=True, max_size=4), max_size=12))
def test_places(frames):
    seen = [(t, i) for t, o in enumerate(frames) for i in o]
    where = body_slots(seen)
    span = {i: [t for t, j in seen if j == i] for i in where}
    for a, b in itertools.combinations(where, 2):
        if where[a] == where[b]:
            assert span[a][-1] < span[b][0] or span[b][-1] < span[a][0], (
                "only those who never meet share a place"
            )
    most = max(
        (sum(o[0] <= t <= o[-1] for o in span.values()) for t in range(len(frames))), default=0
    )
    assert set(where.values()) == set(range(most)), "no more places than needed"


# A tree


def plant(folder, **names):
    folder.mkdir(parents=True, exist_ok=True)
    for k, v in names.items():
        (folder / f"{k}.skeleton").write_bytes(v)
    return folder


def test_labels_protocols_and_order(tmp_path):
    plant(tmp_path / "b", S002C003P008R001A060=valid)
    plant(tmp_path / "a", S017C001P040R002A001=valid, s001c002p003r002a050=valid)
    s = ntu([tmp_path / "b", tmp_path / "a"])
    assert (
        s.names == ["S001C002P003R002A050", "S002C003P008R001A060", "S017C001P040R002A001"]
        and s.layout.name == "ntu-rgb+d"
        and s.fps == 30
    )
    assert [(o.label, o.subject, o.camera, o.setup, o.replication) for o in s] == [
        (49, 3, 2, 1, 2),
        (59, 8, 3, 2, 1),
        (0, 40, 1, 17, 2),
    ]
    assert [s.about(i) for i in range(3)] == [
        {k: getattr(o, k) for k in ("label", "subject", "camera", "setup", "replication")}
        for o in s
    ]
    assert (
        s.class_names[49] == "punching/slapping other person"
        and len(ntu(tmp_path, 120).class_names) == 120
    )


def test_protocols_are_the_published_ones():
    p = ntu_protocols
    assert p[60]["xsub"] == (
        1,
        2,
        4,
        5,
        8,
        9,
        13,
        14,
        15,
        16,
        17,
        18,
        19,
        25,
        27,
        28,
        31,
        34,
        35,
        38,
    ) and p[60]["xview"] == dict(by="camera", train=(2, 3))
    assert (
        len(set(p[120]["xsub"])) == 53
        and set(p[60]["xsub"]) < set(p[120]["xsub"])
        and p[120]["xset"]["train"] == tuple(o for o in range(1, 33) if o % 2 == 0)
    )
    assert (len(class_list("ntu-rgb+d")), len(class_list("pku-mmd"))) == (120, 51)
    assert all(
        any(
            o in class_list("ntu-rgb+d")[i - 1]
            for o in (
                "other person",
                "each other",
                "hand",
                "high-five",
                "cheers",
                "step on foot",
                "game",
                "somebody",
            )
        )
        for i in [*range(50, 61), *range(106, 121)]
    )


def test_names_that_are_none(tmp_path):
    plant(
        tmp_path,
        S001C001P001R001A001=valid,
        S033C001P001R001A001=valid,
        S001C001P001R001A000=valid,
        S1C1P1R1A1=valid,
        **{"S001C001P001R001A001 (1)": valid},
    )
    s = ntu(tmp_path)
    assert s.names == ["S001C001P001R001A001"] and sorted(Path(o.file).stem for o in s.faults) == [
        "S001C001P001R001A000",
        "S001C001P001R001A001 (1)",
        "S033C001P001R001A001",
        "S1C1P1R1A1",
    ]


def test_two_files_of_one_name(tmp_path):
    plant(tmp_path / "a", S001C001P001R001A001=valid)
    plant(tmp_path / "b", S001C001P001R001A001=valid)
    s = ntu(tmp_path)
    assert (
        len(s) == 1
        and str(tmp_path / "a") in s.faults[0].reason
        and str(tmp_path / "b") in s.faults[0].file
    )


def test_missing_list(tmp_path):
    plant(tmp_path / "raw", S001C001P001R001A001=valid, S001C001P001R001A002=valid)

    def missing(text):
        (tmp_path / "m.txt").write_bytes(text)
        return tmp_path / "m.txt"

    s = ntu(
        tmp_path / "raw",
        60,
        missing(
            b"302 of the captured samples ...\r\nplease ignore these files\r\n\r\n"
            b"S001C001P001R001A002\r\nS005C001P001R001A002.skeleton\r\n\r\n"
        ),
    )
    assert (
        s.names == ["S001C001P001R001A001"]
        and s.skipped == {"in the list of missing skeletons": 1}
        and not s.faults
    )
    for text, says in (
        (b"heading\n\n", "names no clip"),
        (b"\xff\xfe1\0", "is no list of names such as .*not UTF-8"),
        (b"S001C001P001R001A002\nmore\n", "line 2: 'more'"),
    ):
        with pytest.raises(HyspError, match=says):
            ntu(tmp_path / "raw", 60, missing(text))
    with pytest.raises(HyspError, match="cannot read"):
        ntu(tmp_path / "raw", 60, tmp_path / "none")


def test_zip_is_read_where_it_is(tmp_path):
    plant(tmp_path / "raw", S001C001P001R001A001=valid)
    for name, method in (("a", 8), ("b", 0), ("c", 12)):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w", method) as z:
            z.writestr(
                f"nturgb+d_skeletons/S002C001P001R001A{'abc'.index(name) + 1:03}.skeleton", valid
            )
            z.writestr("__MACOSX/nturgb+d_skeletons/._S002C001P001R001A001.skeleton", b"x")
            z.writestr("readme.txt", b"")
    s = ntu(tmp_path)
    assert len(s) == 4 and not s.faults
    for i in range(3):
        np.testing.assert_array_equal(s[i].position, read_skeleton(valid))
    with pytest.raises(
        Fault,
        match="c.zip/nturgb.d_skeletons/S002C001P001R001A003.skeleton: is packed by method 12",
    ):
        s[3]
    assert sorted(o.name for o in tmp_path.rglob("*")) == [
        "S001C001P001R001A001.skeleton",
        "a.zip",
        "b.zip",
        "c.zip",
        "raw",
    ], "nothing is unpacked"
    assert ntu(tmp_path / "b.zip").names == ["S002C001P001R001A002"]


def test_a_spoilt_zip(tmp_path):
    p = tmp_path / "a.zip"
    with zipfile.ZipFile(p, "w", 8) as z:
        z.writestr("S002C001P001R001A001.skeleton", valid)
    whole = p.read_bytes()
    p.write_bytes(whole[:-30])
    with pytest.raises(HyspError, match="cannot read .*a.zip"):
        ntu(p)
    changed = bytearray(whole)
    changed[200] ^= 255
    p.write_bytes(changed)
    with pytest.raises(Fault, match="the archive is damaged"):
        ntu(p)[0]


def test_a_zip_that_claims_or_packs_too_much(tmp_path):
    p = tmp_path / "a.zip"
    with zipfile.ZipFile(p, "w", 8) as z:
        z.writestr("S002C001P001R001A001.skeleton", b"0" * 30_000_000)
    whole = bytearray(p.read_bytes())
    at = whole.rindex(b"PK\1\2")
    whole[at + 24 : at + 28] = struct.pack("<I", 1000)
    p.write_bytes(whole)  # it says 1,000 bytes
    tracemalloc.start()
    with pytest.raises(Fault, match="not what the zip says"):
        ntu(p)[0]
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    whole[at + 24 : at + 28] = struct.pack("<I", 2**31)
    p.write_bytes(whole)
    with pytest.raises(Fault, match="2,147,483,648 bytes, more than any recording"):
        ntu(p)[0]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_zip_with_a_spoilt_byte(tmp_path_factory, at, value):
    p = tmp_path_factory.getbasetemp() / "spoilt.zip"
    with zipfile.ZipFile(p, "w", 8) as z:
        z.writestr("S002C001P001R001A001.skeleton", valid)
    raw = bytearray(p.read_bytes())
    raw[at % len(raw)] = value
    p.write_bytes(raw)
    try:
        x = ntu(p)[0].position
    except HyspError:
        return
    np.testing.assert_array_equal(x, read_skeleton(valid))


def test_refused_trees(tmp_path):
    with pytest.raises(HyspError, match="there is no folder or file"):
        ntu(tmp_path / "none")
    with pytest.raises(HyspError, match="no clip of NTU RGB\\+D 60"):
        ntu(tmp_path)
    with pytest.raises(HyspError, match="number of classes"):
        ntu(tmp_path, 61)
    plant(tmp_path, S018C001P041R001A061=valid)
    with pytest.raises(HyspError, match="no clip of NTU RGB\\+D 60"):
        ntu(tmp_path)
    assert len(ntu(tmp_path, 120)) == 1


def test_unreadable_file(tmp_path):
    plant(tmp_path, S001C001P001R001A001=valid)
    s = ntu(tmp_path)
    (tmp_path / "S001C001P001R001A001.skeleton").unlink()
    with pytest.raises(Fault, match="cannot be read: No such file"):
        s[0]


# PKU-MMD


def plant_pku(folder, labels, frames=40, names=("0002-L",), splits=("0002-L", "0003-M"), x=None):
    for o in ("PKU_Skeleton_Renew", "Train_Label_PKU_final", "Split"):
        (folder / o).mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(1).normal(size=(frames, 150)).round(6) if x is None else x
    for o in names:
        (folder / f"PKU_Skeleton_Renew/{o}.txt").write_text(
            "\r\n".join(" ".join(f"{v:.6f}" for v in row) + " " for row in x) + "\r\n"
        )
        (folder / f"Train_Label_PKU_final/{o}.txt").write_text(labels)
    for o in ("cross-subject", "cross-view"):
        (folder / f"Split/{o}.txt").write_text(
            f"Training videos:\n{splits[0]}, \n\nValidataion videos:\n{splits[1]}, 0009-R, "
        )
    return x


def test_clips_are_cut_by_the_labels(tmp_path):
    x = plant_pku(tmp_path, "8,3,6,2\n34,1,40,1\n51,40,40,2\n", names=("0002-L", "0003-M"))
    s = pku(tmp_path)
    assert (
        s.names == [f"{k}_{i:03}" for k in ("0002-L", "0003-M") for i in (1, 2, 3)]
        and s.bodies == 2
        and not s.faults
    )
    for i, (a, b, label) in enumerate(((3, 6, 7), (1, 40, 33), (40, 40, 50))):
        np.testing.assert_array_equal(
            s[i].position,
            x[a - 1 : b].reshape(-1, 2, 25, 3).transpose(3, 0, 2, 1).astype(np.float32),
        )
        assert s[i].label == label and s[i].camera == 1 and s[i + 3].camera == 2
    assert s.protocols == dict.fromkeys(
        ("xsub", "xview"), dict(by="name", train=s.names[:3], val=s.names[3:])
    )


@pytest.mark.parametrize("frames,first", [(300, 0), (301, 0), (302, 1), (310, 5)])
def test_middle_300(tmp_path, frames, first):
    x = plant_pku(tmp_path, f"1,1,{frames},2\n", frames=frames)
    np.testing.assert_array_equal(
        pku(tmp_path)[0].position[0, :, 0, 0], x[first : first + 300, 0].astype(np.float32)
    )


def test_part_two(tmp_path):
    plant_pku(
        tmp_path,
        "1,1,4,2\n",
        names=("0002-L", "A01N01-L", "A02N11-R"),
        splits=("0002-L, A01N01-L", "A02N11-R"),
    )
    one, two = pku(tmp_path), pku(tmp_path, 2)
    assert (
        one.names == ["0002-L_001"]
        and two.names == ["A01N01-L_001", "A02N11-R_001"]
        and two[1].camera == 3
    )
    assert two.protocols["xsub"] == dict(
        by="name", train=["A01N01-L_001"], val=["A02N11-R_001"]
    ) and one.skipped == {"of the other part": 4}


def test_faults_of_pku(tmp_path):
    plant_pku(
        tmp_path,
        "8,3,6,2\n0,1,2,1\n52,1,2,1\n5,7,6,2\n5,0,6,2\nfive,1,2,3\n5,1\n9,30,41,1\n\n1,39,40,2",
    )
    (tmp_path / "PKU_Skeleton_Renew/0004-R.txt").write_text("1\n")
    (tmp_path / "Train_Label_PKU_final/0005-R.txt").write_text("1,1,1,1\n")
    s = pku(tmp_path)
    assert s.names == ["0002-L_001", "0002-L_008", "0002-L_010"]
    assert [(o.line, o.reason.split(";")[0].split(" (")[0]) for o in s.faults if o.line] == [
        (2, "class 0"),
        (3, "class 52"),
        (4, "frames 7 to 6"),
        (5, "frames 0 to 6"),
        (6, "'five,1,2,3' is no label"),
        (7, "'5,1' is no label"),
        (9, "'' is no label"),
    ]
    assert sorted((Path(o.file).name, o.reason) for o in s.faults if not o.line) == [
        ("0004-R.txt", "has no label file of its name"),
        ("0005-R.txt", "has no recording file of its name"),
    ]
    with pytest.raises(Fault, match="0002-L.txt, line 8: frames 30 to 41, but .* has 40"):
        s[1]


def test_a_spoilt_recording_spoils_only_its_clips(tmp_path):
    plant_pku(tmp_path, "1,1,4,2\n2,5,9,2\n3,10,12,1\n")
    p = tmp_path / "PKU_Skeleton_Renew/0002-L.txt"
    rows = p.read_text().split("\n")
    rows[5] = " ".join(rows[5].split()[:149])
    cells = rows[10].split()
    cells[76] = "nan"
    rows[10] = " ".join(cells)
    p.write_text("\n".join(rows))
    s = pku(tmp_path)
    assert s[0].position.shape == (3, 4, 25, 2)
    with pytest.raises(Fault, match="0002-L.txt, line 6: 149 numbers, expected 150"):
        s[1]
    with pytest.raises(Fault, match="line 11: y of joint 1, body 2: 'nan' is no coordinate"):
        s[2]


@pytest.mark.parametrize(
    "text,says",
    [
        ("", "has 0 lists"),
        ("Training:\n0002-L\n", "has 1 lists"),
        ("Training:\n0002-L\nTest:\n0002-L\n", "names 0002-L in both lists"),
    ],
)
def test_refused_splits(tmp_path, text, says):
    plant_pku(tmp_path, "1,1,4,2\n")
    (tmp_path / "Split/cross-view.txt").write_text(text)
    with pytest.raises(HyspError, match=says):
        pku(tmp_path)


def test_refused_pku(tmp_path):
    with pytest.raises(HyspError, match="no recording of PKU-MMD part 1 has a label file"):
        pku(tmp_path)
    plant_pku(tmp_path, "1,1,4,2\n")
    for o in tmp_path.glob("Split/*"):
        o.unlink()
    with pytest.raises(HyspError, match="neither cross-subject.txt nor cross-view.txt"):
        pku(tmp_path)
    with pytest.raises(HyspError, match="part of PKU-MMD"):
        pku(tmp_path, 3)


@slow
@given(
    st.one_of(st.binary(max_size=80), st.text("0123456789,.\n -", max_size=80).map(str.encode)),
    st.sampled_from(
        [
            "PKU_Skeleton_Renew/0002-L.txt",
            "Train_Label_PKU_final/0002-L.txt",
            "Split/cross-view.txt",
        ]
    ),
)
def test_any_bytes_in_pku(tmp_path, data, where):
    plant_pku(tmp_path, "1,1,4,2\n2,5,9,2\n")
    (tmp_path / where).write_bytes(data)
    try:
        s = pku(tmp_path)
    except HyspError:
        return
    for i in range(len(s)):
        try:
            assert np.isfinite(s[i].position).all()
        except HyspError:
            pass


def test_find_orders_by_name(tmp_path):
    for o in ("b/1.txt", "a/2.txt", "c/1.txt"):
        (tmp_path / o).parent.mkdir(exist_ok=True)
        (tmp_path / o).touch()
    assert [str(Path(o.path).relative_to(tmp_path)) for o in find(tmp_path, ".txt")] == [
        "b/1.txt",
        "c/1.txt",
        "a/2.txt",
    ]
