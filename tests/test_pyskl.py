"Pickles of pyskl and mmaction2, hostile ones among them, and folders of NumPy files"

import io
import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hysp.clips import Fault, File
from hysp.core import HyspError
from hysp.prepare import prepare
from hysp.pyskl import PickledArray, humanml3d, npy, pyskl, read_npy, read_pickle
from hysp.feeder import Dataset

rng = np.random.default_rng(0)
memory_limit = 500_000_000


def plain(value):
    "What `read_pickle` gives, with arrays in place of their stand-ins"
    if isinstance(value, PickledArray):
        return value.read()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


def annotation(name, label, joints=17, coordinates=2, frames=6, bodies=1, dtype=np.float16):
    shape = (bodies, frames, joints, coordinates)
    about = dict(frame_dir=name, label=label, total_frames=frames)
    about["keypoint"] = rng.uniform(1, 200, shape).astype(dtype)
    if coordinates == 2:
        about["keypoint_score"] = rng.uniform(0.1, 1, shape[:3]).astype(np.float16)
        about["img_shape"] = about["original_shape"] = (1080, 1920)
    return about


def save(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


# What plain data are


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.float16).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2],
        np.arange(3, dtype=">f8"),
        np.arange(3, dtype=np.uint8),
        np.zeros((1, 0, 17, 2), np.float32),
        rng.normal(size=(2, 50, 25, 3)),
        rng.integers(0, 256, 5000).astype(np.uint8),
        np.array(["a", "ü"]),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_of_every_protocol(tmp_path, protocol, array):
    got = read_pickle(save(tmp_path / "a.pkl", dict(x=array, again=array), protocol))
    for key in got:
        assert got[key].shape == array.shape
        assert got[key].read().dtype == array.dtype
        assert np.array_equal(got[key].read(), array)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [False, 0, -1, 255, 65536, 2**31, -(2**63)],
        [0.0, -1.5, 1e300, float("inf")],
        ["", "a\nb", "ü€😀", "x" * 300, "\\u0041"],
        [b"", b"\0\xff", b"y" * 300],
        [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        [[], [1], list(range(3000))],
        {},
        {"a": {1: [{}]}, "b": ((),)},
        {str(i): i for i in range(3000)},
        [np.float32(1.5), np.int64(7), np.str_("seven"), np.bool_(True)],
    ],
    ids=lambda value: repr(value)[:30],
)
def test_values_of_every_protocol(tmp_path, protocol, value):
    got = read_pickle(save(tmp_path / "a.pkl", value, protocol))
    if protocol < 3 and isinstance(value, list) and b"\0\xff" in value:
        # Bytes of these protocols are text of as many letters
        got = [item.encode("latin1") if isinstance(item, str) else item for item in got]
        assert len(got[2]) == 300
    assert got == value


def test_as_python_2_and_old_numpy_wrote_it(tmp_path):
    raw = np.arange(4, dtype="<f4").tobytes()
    text = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    text += b"(K\x01K\x02K\x02\x86cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
    text += b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10" + raw + b"tb."
    (tmp_path / "a.pkl").write_bytes(text)
    assert read_pickle(tmp_path / "a.pkl").read().tolist() == [[0, 1], [2, 3]]


# What is refused


class Call:
    def __init__(self, function, *given):
        self.function, self.given = function, given

    def __reduce__(self):
        return self.function, self.given


class Thing:
    pass


def hostile(mark):
    yield Call(os.system, f"mkdir {mark}")
    yield Call(os.mkdir, str(mark))
    yield Call(eval, f'__import__("os").mkdir({str(mark)!r})')
    yield Call(exec, f"import os; os.mkdir({str(mark)!r})")
    yield Call(open, str(mark), "w")
    yield Call(np.load, str(mark))
    yield Call(np.memmap, str(mark), "f4", "w+", 0, (3,))
    yield Call(np.fromfile, str(mark))
    yield Call(np.savetxt, str(mark), [1])
    yield Call(getattr, "text", "join")
    yield Call(bytes, 10**12)
    yield Call(bytearray, 10**12)
    yield Thing()
    yield {1, 2}
    yield np.array([None, 1])
    yield np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    yield np.array([1 + 2j])
    yield np.datetime64("2020-01-01")
    yield 10**30
    yield {(1, 2): 3}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_no_plain_data_is_refused(tmp_path, protocol):
    mark = tmp_path / "owned"
    for evil in hostile(mark):
        for content in (evil, [evil], dict(split={}, annotations=[evil])):
            path = save(tmp_path / "evil.pkl", content, protocol)
            for read in (read_pickle, pyskl):
                with pytest.raises(HyspError, match="is refused"):
                    read(path)
            assert not mark.exists()


def test_what_is_refused_would_run(tmp_path):
    "The test above can fail: plain unpickling of the same bytes does what they ask"
    mark = tmp_path / "owned"
    pickle.loads(pickle.dumps([Call(os.mkdir, str(mark))]))
    assert mark.exists()


doubling = b"\x80\x02)q\x00" + b"(h\x00h\x00tq\x00" * 60
nested_dicts = b"\x80\x02" + b"(}" * 200_000
bombs = {
    "memo number of four bytes": b"\x80\x02]r\xff\xff\xff\xff.",
    "memo number of twenty digits": b"]p99999999999999999999\n.",
    "claims an exabyte of bytes": b"\x80\x04\x8e" + (2**60).to_bytes(8, "little") + b"x.",
    "claims 100 GB of text": b"\x80\x04\x8d" + (10**11).to_bytes(8, "little") + b"x.",
    "claims 100 GB of bytearray": b"\x80\x05\x96" + (10**11).to_bytes(8, "little") + b"x.",
    "claims 2 GB of digits": b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",
    "a frame of an exabyte": b"\x80\x04\x95" + (2**60).to_bytes(8, "little") + b"N.",
    "a million digits": b"L" + b"9" * 1_000_000 + b"L\n.",
    "a number of a megabyte": b"\x80\x02\x8b"
    + (10**6).to_bytes(4, "little")
    + b"\x7f" * 10**6
    + b".",
    "deep lists": b"\x80\x02" + b"(" * 300_000 + b"l" * 300_000 + b".",
    "deep tuples": b"\x80\x02)" + b"\x85" * 500_000 + b".",
    "deep dicts": nested_dicts + b".",
    "many small dicts": b"\x80\x02(" + b"}" * 3_000_000 + b"l.",
    "a list within itself": b"\x80\x02]q\x00h\x00a.",
    "doubling tuples": doubling + b"h\x00.",
    "doubling tuples for values": doubling
    + b"}U\x0bannotations(}(U\x09frame_dirh\x00U\x05labelh\x00U\x08keypointh\x00uls.",
    "doubling tuples for a name": doubling + b"h\x00h\x00\x93.",
    "doubling tuples for a split": doubling
    + b"}(U\x05split}U\x05trainh\x00sU\x0bannotations]"
    + pickle.dumps(annotation("a", 0), 2)[2:-1]
    + b"au.",
    "steps without end": b"\x80\x02]" + b"q\x00" * 2_000_000 + b".",
    "a class written to": b"\x80\x02cnumpy\nndarray\n}U\x05shapeK\x01sb.",
    "a function written to": b"\x80\x02c_codecs\nencode\nN}U\x0c__defaults__)s\x86b.",
    "an instance": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "an old instance": b"(i__main__\nThing\n.",
    "an extension": b"\x80\x02\x82\x01.",
    "another file": b"Pabc\n.",
    "no end": b"\x80\x02]",
    "nothing on the stack": b"\x80\x02.",
    "no mark": b"\x80\x02]NNe.",
    "unknown memo": b"\x80\x02h\x07.",
    "empty": b"",
    "text": b"frame,x,y\n1,2,3\n",
    "a zip": b"PK\x03\x04" + bytes(50),
}


@pytest.mark.parametrize("name", bombs)
def test_bombs_cost_little(tmp_path, name):
    path = tmp_path / "bomb.pkl"
    path.write_bytes(bombs[name])
    tracemalloc.start()
    try:
        with pytest.raises(HyspError) as caught:
            pyskl(path)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < memory_limit
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "name, says",
    [
        ("many small dicts", "it takes more than 449,644 steps"),
        ("steps without end", "it takes more than 512,144 steps"),
        ("a number of a megabyte", "it holds a number of more than 64 bits"),
        ("a class written to", "it puts something into what holds nothing"),
        ("a function written to", "it puts something into what holds nothing"),
        ("an instance", "it holds what is no plain data"),
        ("an old instance", "it holds what is no plain data"),
        ("another file", "it holds what is no plain data"),
        ("doubling tuples for a name", "whose name is no text"),
        ("no end", "it is cut short, damaged, or no pickle"),
    ],
)
def test_why_a_bomb_is_refused(tmp_path, name, says):
    (tmp_path / "bomb.pkl").write_bytes(bombs[name])
    with pytest.raises(HyspError, match=says):
        read_pickle(tmp_path / "bomb.pkl")


def array_of(shape, raw=b"\0" * 8, code="f4"):
    "A pickle of an array that claims a shape"
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
    kind = b"cnumpy\ndtype\nU" + bytes([len(code)]) + code.encode() + b"K\x00K\x01\x87R"
    return start + pickle.dumps(shape, 2)[2:-1] + kind + b"\x89U" + bytes([len(raw)]) + raw + b"tb"


@pytest.mark.parametrize(
    "shape, code",
    [
        ((10**9, 10**9), "f4"),
        ((-1,), "f4"),
        ((2**62, 2**62, 2**62), "f4"),
        ((1,) * 9, "f4"),
        (("a",), "f4"),
        ((1,), "O8"),
        ((1,), "V8"),
        ((1,), "f9999"),
        ((1,), "c16"),
        ((1,), "U99999"),
        ((3,), "f4"),
        (3, "f4"),
        ([2], "f4"),
    ],
    ids=repr,
)
def test_arrays_that_claim_what_is_not_there(tmp_path, shape, code):
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x02" + array_of(shape, code=code) + b".")
    with pytest.raises((HyspError, ValueError)):
        read_pickle(path).read()
    good = pickle.dumps(annotation("good", 0), 2)[2:-1]
    bad = pickle.dumps(annotation("bad", 0) | dict(keypoint="HERE"), 2)[2:-1]
    at = bad.index(b"HERE") - 5  # The step and the length before it
    bad = bad[:at] + array_of(shape, code=code) + bad[at + 9 :]
    path.write_bytes(b"\x80\x02](" + good + bad + b"e.")
    try:
        source = pyskl(path)
    except HyspError as e:
        assert "is refused" in str(e)
    else:
        assert source.names == ["good"] and "annotation 1 has" in source.faults[0].reason


def test_long_text_is_no_number_and_no_clip(tmp_path):
    for protocol in (2, 4):
        content = dict(annotations=[annotation("a", 0), annotation("n" * 5000, 1)])
        source = pyskl(save(tmp_path / "a.pkl", content, protocol))
        assert source.names == ["a"] and "no name under frame_dir" in source.faults[0].reason


def test_a_file_of_many_clips_stays_on_the_disk(tmp_path):
    content = dict(
        split={}, annotations=[annotation(f"v{i}", i % 5, frames=800) for i in range(400)]
    )
    path = save(tmp_path / "big.pkl", content)
    expected = content["annotations"][399]["keypoint"]
    del content["annotations"][:399]
    tracemalloc.start()
    source = pyskl(path)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert path.stat().st_size > 30_000_000 and held < 3_000_000
    assert np.array_equal(source[399].position[:2, ..., 0], expected[0].transpose(2, 0, 1))


whole = pickle.dumps(
    dict(
        split=dict(train=["a"], val=["b"]),
        annotations=[annotation("a", 0, frames=1), annotation("b", 1, frames=1)],
    ),
    protocol=2,
)
shared = pickle.dumps(
    dict(annotations=[annotation("S001C001P001R001A001", 0, 25, 3, frames=1)]), protocol=4
)


def spoilt(data):
    change = st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255))
    changes = st.lists(change, min_size=1, max_size=4)

    def apply(pairs):
        res = bytearray(data)
        for at, byte in pairs:
            res[at] = byte
        return bytes(res)

    return st.one_of(changes.map(apply), st.integers(0, len(data)).map(lambda n: data[:n]))


@settings(max_examples=600, deadline=None)
@given(st.one_of(st.binary(max_size=60), spoilt(whole), spoilt(shared)))
def test_any_bytes_are_a_set_or_refused(tmp_path_factory, raw):
    path = Path(tmp_path_factory.getbasetemp()) / "fuzz.pkl"
    path.write_bytes(raw)
    try:
        for clip in pyskl(path):
            assert clip.seen.shape == clip.position.shape[1:]
    except HyspError as e:
        assert "\n" not in str(e)


# Sets of pyskl


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_set_comes_back(tmp_path, dtype, protocol):
    annotations = [annotation(f"v{i}", i % 3, bodies=1 + i % 2, dtype=dtype) for i in range(6)]
    splits = dict(train=[f"v{i}" for i in range(4)], val=["v4", "v5"])
    path = save(tmp_path / "set.pkl", dict(split=splits, annotations=annotations), protocol)
    source = pyskl(path)
    assert (source.names, source.bodies, source.class_names) == (
        [f"v{i}" for i in range(6)],
        2,
        ["0", "1", "2"],
    )
    for clip, made in zip(source, annotations):
        expected = made["keypoint"].astype(np.float32).transpose(3, 1, 2, 0)
        assert np.array_equal(clip.position[:2], expected) and not clip.position[2].any()
        assert clip.seen.all() and clip.label == made["label"]


def test_a_set_becomes_a_dataset(tmp_path):
    names = [f"S001C00{1 + i % 3}P00{1 + i % 4}R001A00{1 + i % 3}" for i in range(12)]
    annotations = [annotation(name, int(name[-3:]) - 1, 25, 3) for name in names]
    splits = dict(
        xsub_train=names[:6], xsub_val=names[6:], xview_train=names[::2], xview_val=names[1::2]
    )
    path = save(tmp_path / "ntu.pkl", dict(split=splits, annotations=annotations))
    data = prepare(pyskl(path), tmp_path / "data", frames=4, progress=False)
    assert Dataset(data, "xsub/train").names == names[:6]
    assert Dataset(data, "xview/val").names == names[1::2]
    assert Dataset(data).columns["camera"].tolist() == [1 + i % 3 for i in range(12)]


def test_a_list_without_splits_is_the_older_form(tmp_path):
    source = pyskl(save(tmp_path / "old.pkl", [annotation("a", 0), annotation("b", 2)]))
    assert len(source) == 2 and source.protocols is None and len(source.class_names) == 3


@pytest.mark.parametrize(
    "content, says",
    [
        ({}, "has no list under 'annotations'"),
        (dict(annotations=[]), "has no list under 'annotations'"),
        (dict(annotations="text"), "has no list under 'annotations'"),
        (dict(annotations=[1]), "annotation 0 is no dict"),
        (dict(annotations=[{}]), "annotation 0 has no name under frame_dir"),
        (dict(annotations=[annotation("a\r", 0)]), "that holds a control character"),
        (dict(annotations=[annotation("a", 0)], split=[1]), "has no dict under 'split'"),
        (dict(annotations=[annotation("a", 0)], split=dict(train=[1])), "is no list of names"),
        (dict(annotations=[annotation("a", 10**9)]), "has no whole number from 0 to 9999"),
        (dict(annotations=[annotation("a", 0, joints=26)]), "name their layout with --layout"),
        (dict(annotations=[annotation("a", 0, 17, 3)]), "has 17 joints in 3 dimensions"),
        (dict(annotations=[annotation("a", 0, bodies=17)]), "has 17 bodies in 6 frames"),
        (dict(annotations=[dict(frame_dir="a", label=0, raw_file="k.pkl")]), "in another file"),
    ],
    ids=lambda o: o if isinstance(o, str) else "",
)
def test_what_is_no_set_is_refused(tmp_path, content, says):
    with pytest.raises(HyspError, match=says):
        pyskl(save(tmp_path / "a.pkl", content))


def test_a_coordinate_that_is_none_spoils_its_clip_alone(tmp_path):
    annotations = [annotation(name, 0) for name in "abc"]
    annotations[1]["keypoint"][0, 2, 3, 1] = np.inf
    source = pyskl(save(tmp_path / "a.pkl", annotations))
    assert source[0].seen.all() and source[2].seen.all()
    with pytest.raises(HyspError, match="clip b holds inf at frame 2, joint 'left ear'"):
        source[1]


def test_files_and_folders_that_are_none(tmp_path):
    with pytest.raises(HyspError, match="there is no such file"):
        pyskl(tmp_path / "none.pkl")
    with pytest.raises(HyspError, match=r"holds 0 pickles \(none\)"):
        pyskl(tmp_path)
    os.mkfifo(tmp_path / "pipe.pkl")
    with pytest.raises(HyspError, match="there is no such file"):
        read_pickle(tmp_path / "pipe.pkl")


# Folders of arrays


@pytest.mark.parametrize(
    "order", ["TVC", "TCV", "VTC", "VCT", "CTV", "CVT", "MTVC", "CTVM", "TMCV"]
)
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "f2", "i4"])
@pytest.mark.parametrize("coordinates", [2, 3])
def test_every_order_is_read_back(tmp_path, order, dtype, coordinates):
    x = rng.uniform(-99, 99, (2, 5, 22, coordinates)).astype(dtype)
    x = x if "M" in order else x[:1]
    stored = x.transpose(["MTVC".index(axis) for axis in order]) if "M" in order else None
    if stored is None:
        stored = x[0].transpose(["TVC".index(axis) for axis in order])
    for array in (stored, np.asfortranarray(stored)):
        np.save(tmp_path / "x.npy", array)
        position, seen = read_npy(File(str(tmp_path / "x.npy")), order)
        assert np.array_equal(position[:coordinates], x.transpose(3, 1, 2, 0).astype(np.float32))
        assert seen.shape == (5, 22, len(x)) and seen.dtype == bool


@pytest.mark.parametrize("order", ["", "T", "TVCC", "TVCMM", "XYZ", "tvc", "TVCN"])
def test_orders_that_are_none(tmp_path, order):
    with pytest.raises(HyspError, match="is none; it has each of T"):
        npy(tmp_path, "coco", order=order)


def heading(text, version=b"\x01\x00"):
    length = len(text).to_bytes(2, "little")
    return b"\x93NUMPY" + version + length + text


claims = [
    b"",
    b"no array",
    b"\x93NUMPY",
    b"\x93NUMPY\x01\x00\xff\xff{",
    b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
    b"\x93NUMPY\x03\x00\x01\x00\x00\x00{",
    b"\x93NUMPY\x09\x00\x01\x00{",
    heading(b"{'descr':'<f4','fortran_order':False,'shape':(1000000000,1000000000,3)}"),
    heading(b"{'descr':'<f4','fortran_order':False,'shape':(-1,22,3)}"),
    heading(b"{'descr':'|O','fortran_order':False,'shape':(1,22,3)}"),
    heading(b"{'descr':[('a','<f4')],'fortran_order':False,'shape':(1,22,3)}"),
    heading(b"{'descr':'V2147483647','fortran_order':False,'shape':()}"),
    heading(b"{'descr':'<f4','fortran_order':False,'shape':()}" + b" " * 20 + b"\n" + bytes(0)),
    heading(b"__import__('os').mkdir('owned')"),
    heading(b"(" * 9000),
    heading(b"-" * 9000 + b"1"),
]


@pytest.mark.parametrize("data", claims, ids=range(len(claims)))
def test_headings_that_claim_what_is_not_there(tmp_path, data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npy").write_bytes(data)
    tracemalloc.start()
    with pytest.raises(Fault):
        read_npy(File(str(tmp_path / "x.npy")))
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert not (tmp_path / "owned").exists()


def test_more_numbers_than_any_clip(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((6000, 1000, 3), np.uint8))
    with pytest.raises(Fault, match="has 18,000,000 numbers; a clip has at most 16,777,216"):
        read_npy(File(str(tmp_path / "x.npy")))
    many = annotation("a", 0) | dict(total_frames=6000, keypoint_score=None)
    many["keypoint"] = np.zeros((1, 6000, 1000, 3), np.uint8)
    source = pyskl(save(tmp_path / "a.pkl", [annotation("b", 0), many], 4))
    assert "has 18,000,000 coordinates" in source.faults[0].reason


buffer = io.BytesIO()
np.save(buffer, np.ones((2, 22, 3), np.float32))
stored = buffer.getvalue()


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=60), spoilt(stored), spoilt(stored[:128] + stored[-24:])))
def test_any_bytes_are_a_clip_or_a_fault(tmp_path_factory, raw):
    path = Path(tmp_path_factory.getbasetemp()) / "fuzz.npy"
    path.write_bytes(raw)
    try:
        position, seen = read_npy(File(str(path)))
        assert position.shape[1:] == seen.shape
    except Fault as e:
        assert "\n" not in str(e)


def test_folders_templates_and_splits(tmp_path):
    for name in ("train/wave/s1_a", "train/clap/s2_a", "test/wave/s3_a"):
        path = tmp_path / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, rng.normal(size=(3, 17, 3)))
    source = npy(tmp_path, "coco", "{split}/{label}/{subject}_{*}")
    assert (source.class_names, source.bodies) == (["clap", "wave"], 1)
    assert source.protocols["test"]["val"] == ["test/wave/s3_a"]
    assert sorted(clip.subject for clip in source) == [1, 2, 3]
    with pytest.raises(HyspError, match="has 17 joints, but layout 'smpl-22' has 22"):
        npy(tmp_path, "smpl-22", "{split}/{label}/{subject}_{*}")[0]


def test_humanml3d_without_the_set_around_it(tmp_path):
    folder = tmp_path / "motions"
    folder.mkdir()
    for name in ("000000", "M000000", "M000001"):
        np.save(folder / f"{name}.npy", rng.normal(size=(4, 22, 3)).astype(np.float32))
    source = humanml3d(folder)
    assert source.names == ["motions/000000", "motions/M000001"]  # Whose original is missing
    (folder / "clips.csv").write_text("file,label,subject\n000000.npy,walk,7\n")
    source = humanml3d(folder)
    assert (source.class_names, source[0].subject, source.layout.name) == (["walk"], 7, "smpl-22")
