"Batches from a dataset folder and from the reference's arrays; labels that are read, never executed"

import csv
import os
import pickle
import re
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from hysp.core import HyspError, checksum
from hysp.feeder import Dataset, read_labels, seen_in, write_view
from hysp.prepare import prepare
from hysp.clips import Clip, Source
from hysp.skeleton import Layout, layouts
from hysp.synthetic import generate


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    "20 clips of 10 subjects, two bodies in every third, without camera"

    def load(i):
        x = np.random.default_rng(i).normal(size=(3, 6, 17, 2)).astype(np.float32)
        if i % 3:
            x[..., 1] = 0
        return Clip(f"c{i}", x, i % 4, 1 + i // 2, replication=i % 2)

    source = Source([f"c{i}" for i in range(20)], load, "coco", ["a", "b", "c", "d"], bodies=2)
    return prepare(
        source,
        tmp_path_factory.mktemp("feeder") / "set",
        frames=5,
        progress=False,
        protocols=dict(xsub=range(1, 11, 2), few=dict(train=[1], val=[2])),
    )


def test_splits(made):
    full, train, val = (Dataset(made, o) for o in ("all", "xsub/train", "xsub/val"))
    assert (len(full), len(train), len(val)) == (20, 10, 10) and not set(train.names) & set(
        val.names
    )
    assert sorted([*train.index, *val.index]) == list(range(20)) and len(Dataset(made)) == 20
    assert len(Dataset(made, "few/train")) == 2 and Dataset(made, "few/val").names == ["c2", "c3"]
    assert (train.classes, train.frames, train.bodies, train.layout) == (4, 5, 2, layouts["coco"])
    assert train.labels.dtype == np.int64 and train.labels.tolist() == [i % 4 for i in train.index]
    assert (
        train.columns["subject"].tolist() == [1 + i // 2 for i in train.index]
        and (train.columns["camera"] == -1).all()
    )
    assert (
        val.columns["bodies"].tolist() == [1 if i % 3 else 2 for i in val.index]
        and (val.columns["frames"] == 6).all()
    )
    assert full.checksum == checksum(made / "position.npy")


def test_batch_is_the_rows_in_the_order_asked(made):
    ds, x = Dataset(made, "xsub/val"), np.load(made / "position.npy")
    for i in ([3, 0, 9, 3], np.array([1]), torch.tensor([5, 2]), range(10), []):
        i = list(map(int, i))
        b = ds.batch(i)
        assert b.dtype == torch.float32 and b.is_contiguous() and b.shape == (len(i), 3, 5, 17, 2)
        assert np.array_equal(b.numpy(), x[ds.index[np.array(i, dtype=int)]])
    b = ds.batch([0])
    b.zero_()
    assert ds.batch([0]).any(), "a batch is a copy"
    with pytest.raises(IndexError):
        ds.batch([10])


@pytest.mark.parametrize(
    "size,drop_last,sizes",
    [
        (4, False, [4, 4, 2]),
        (4, True, [4, 4]),
        (10, True, [10]),
        (11, True, []),
        (11, False, [10]),
        (5, True, [5, 5]),
        (1, False, [1] * 10),
    ],
)
def test_batches(made, size, drop_last, sizes):
    ds = Dataset(made, "xsub/train")
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    got = list(ds.batches(size, order, drop_last=drop_last))
    assert [len(x) for x, _ in got] == sizes
    assert [int(j) for _, i in got for j in i] == order[: sum(sizes)].tolist()
    for x, i in got:
        assert torch.equal(x, ds.batch(i))


def test_subset(made):
    ds = Dataset(made, "xsub/train")
    part = ds.subset(ds.columns["subject"] != 3).subset([7, 0])
    assert (
        part.names == ["c17", "c0"]
        and part.labels.tolist() == [1, 0]
        and torch.equal(part.batch([0]), ds.batch([9]))
        and len(ds) == 10
    )
    assert part.checksum == ds.checksum


def test_opening_reads_no_positions(made):
    ds = Dataset(made)
    assert isinstance(ds.position, np.memmap) and not ds.position.flags.writeable


def test_no_warnings(made):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Dataset(made).batch([1, 2])


# What does not belong together


def edit(file, a, b):
    def change(p):
        text = (p / file).read_text()
        assert a in text
        (p / file).write_text(text.replace(a, b, 1))

    return change


def write(file, content):
    return lambda p: (p / file).write_bytes(content)


def array(x):
    return lambda p: np.save(p / "position.npy", x)


def mask(x):
    return lambda p: np.save(p / "missing.npy", x)


@pytest.mark.parametrize(
    "change,message",
    [
        (lambda p: (p / "position.npy").unlink(), "there is no file"),
        (lambda p: (p / "samples.csv").unlink(), "cannot read"),
        (lambda p: (p / "dataset.yaml").unlink(), "is no dataset"),
        (lambda p: os.truncate(p / "position.npy", 500), "cut short"),
        (write("position.npy", b""), "cut short"),
        (write("position.npy", b"junk" * 50), "cut short"),
        (write("dataset.yaml", b"a: [1"), "is no YAML"),
        (write("dataset.yaml", b"\xff\xfe"), "is no YAML"),
        (write("dataset.yaml", b"hello"), "no mapping"),
        (edit("dataset.yaml", "format: 2", "format: 3"), "has format 3"),
        (edit("dataset.yaml", "checksum", "sum"), "no 'checksum'"),
        (
            edit("dataset.yaml", "class_names: [a, b, c, d]", "class_names: 4"),
            "no list under class_names",
        ),
        (edit("dataset.yaml", "nose, left eye", "nose, nose"), "twice"),
        (edit("samples.csv", "name,", "nom,"), "no column 'name'"),
        (edit("samples.csv", "c3,3", "c3,4"), "line 5: label 4"),
        (edit("samples.csv", "c3,3", "c3,"), "line 5: label '' is no"),
        (edit("samples.csv", "c3,3,2", "c3,3,two"), "line 5: subject 'two'"),
        (edit("samples.csv", "c3,3", "c3,3,3"), "line 5: 12 entries"),
        (write("samples.csv", b""), "no column 'name'"),
        (write("samples.csv", b"\xff\xfe\x00"), "no table"),
        (array(np.zeros((19, 3, 5, 17, 2), np.float32)), "19 clips, but samples.csv has 20 rows"),
        (array(np.zeros((20, 3, 5, 16, 2), np.float32)), "16 joints"),
        (array(np.zeros((20, 3, 5, 17, 2))), "float64"),
        (array(np.zeros((20, 3, 5, 17), np.float32)), "shape"),
        (array(np.array([None] * 20)), "cannot read"),
        (edit("samples.csv", ",0.0,", ",half,"), "line 2: missing 'half' is no share"),
        (edit("samples.csv", ",0.0,", ",nan,"), "line 2: missing 'nan' is no share"),
        (write("missing.npy", b"junk"), "missing.npy: .*cut short"),
        (mask(np.zeros((20, 5, 17, 1), bool)), r"must hold bool of shape \(20, 5, 17, 2\)"),
        (mask(np.zeros((20, 5, 17, 2), np.uint8)), "must hold bool of shape .* not uint8"),
        (mask(np.array([None] * 20)), "cannot read .*missing.npy"),
    ],
)
def test_refused_folders(made, tmp_path, change, message):
    shutil.copytree(made, tmp_path / "bad")
    change(tmp_path / "bad")
    with pytest.raises(HyspError, match=message):
        Dataset(tmp_path / "bad")


def test_refused_names(made, tmp_path):
    with pytest.raises(HyspError, match="did you mean 'xsub/train'"):
        Dataset(made, "xsub/tran")
    with pytest.raises(HyspError, match="there is no folder"):
        Dataset(tmp_path / "none")
    with pytest.raises(HyspError, match="is no dataset"):
        Dataset(tmp_path)
    with pytest.raises(HyspError, match="has 17 joints, but layout 'ntu-rgb\\+d' has 25"):
        Dataset(made, layout="ntu-rgb+d")


# The reference's arrays

names = [f"S001C00{i}P0{i:02}R002A013.skeleton" for i in (1, 2, 3)]


@pytest.fixture
def reference(tmp_path):
    (tmp_path / "xview").mkdir()
    for s in ("train", "val"):
        np.save(
            tmp_path / f"xview/{s}_position.npy",
            np.random.default_rng(0).normal(size=(3, 3, 50, 25, 2)).astype(np.float32),
        )
        (tmp_path / f"xview/{s}_label.pkl").write_bytes(pickle.dumps((names, [12, 0, 59])))
    return tmp_path


def test_reference_arrays(reference):
    ds = Dataset(reference, "xview/val")
    assert (len(ds), ds.classes, ds.frames, ds.bodies, ds.layout, ds.names) == (
        3,
        60,
        50,
        2,
        layouts["ntu-rgb+d"],
        names,
    )
    assert (
        ds.columns["camera"].tolist() == [1, 2, 3]
        and ds.columns["subject"].tolist() == [1, 2, 3]
        and ds.columns["replication"].tolist() == [2, 2, 2]
    )
    assert np.array_equal(
        ds.batch([2, 0]).numpy(), np.load(reference / "xview/val_position.npy")[[2, 0]]
    )
    assert ds.checksum == checksum(reference / "xview/val_position.npy")
    assert Dataset(reference / "xview", "train").names == names
    own = Layout("own", [f"j{i}" for i in range(25)], [-1] + [0] * 24)
    assert Dataset(reference, "xview/val", own).layout is own
    with pytest.raises(HyspError, match="unknown split .* 'xview/train'"):
        Dataset(reference, "xview/trian")
    (reference / "xview/val_label.pkl").write_bytes(pickle.dumps((names[:2], [1, 2])))
    with pytest.raises(HyspError, match="3 clips, but val_label.pkl has 2 names"):
        Dataset(reference, "xview/val")
    (reference / "xview/val_label.pkl").unlink()
    with pytest.raises(HyspError, match="cannot read"):
        Dataset(reference, "xview/val")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "labels",
    [
        [3, 0, 7],
        (3, 0, 7),
        np.array([3, 0, 7]),
        np.array([3, 0, 7], np.int32),
        np.array([3, 0, 7], ">i8"),
        [np.int64(3), np.uint8(0), 7],
        np.array([3.0, 0, 7]),
    ],
    ids=repr,
)
def test_labels_of_every_protocol(tmp_path, protocol, labels):
    p = tmp_path / "l.pkl"
    p.write_bytes(pickle.dumps((["a", "b", "ü"], labels), protocol=protocol))
    got = read_labels(p)
    assert got[0] == ["a", "b", "ü"] and got[1].tolist() == [3, 0, 7]


def test_names_as_numpy_strings(tmp_path):
    p = tmp_path / "l.pkl"
    for n in (np.array(["a", "bc"]), [np.str_("a"), np.str_("bc")]):
        p.write_bytes(pickle.dumps((n, [1, 2])))
        assert read_labels(p)[0] == ["a", "bc"]


class Call:
    def __init__(self, f, *args):
        self.f, self.args = f, args

    def __reduce__(self):
        return self.f, self.args


def test_nothing_is_executed(tmp_path):
    p, mark = tmp_path / "evil.pkl", tmp_path / "owned"
    for evil in (
        Call(os.mkdir, str(mark)),
        Call(os.system, f"mkdir {mark}"),
        Call(eval, f'__import__("os").mkdir({str(mark)!r})'),
        Call(np.load, str(mark)),
        Call(np.memmap, str(mark), "f4", "w+", 0, (3,)),
        Call(open, str(mark), "w"),
    ):
        for protocol in range(6):
            for content in (evil, (["a"], [evil]), ([evil], [0]), dict(a=evil)):
                p.write_bytes(pickle.dumps(content, protocol=protocol))
                with pytest.raises(HyspError, match="is refused"):
                    read_labels(p)
                assert not mark.exists()


def test_pickles_that_would_run(tmp_path):
    "The test above can fail: plain unpickling of the same bytes does what they ask"
    mark = tmp_path / "owned"
    pickle.loads(pickle.dumps((["a"], [Call(os.mkdir, str(mark))])))
    assert mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        [],
        [1, 2, 3],
        "text",
        (["a"], ["x"]),
        (["a"], 3),
        (["a"], [None]),
        (["a"], [1.5]),
        (["a"], ["3"]),
        dict(a=1),
        (["a"], np.array([[1, 2]])),
        (["a"], np.array([1 + 2j])),
    ],
    ids=repr,
)
def test_other_contents_are_refused(tmp_path, content):
    p = tmp_path / "l.pkl"
    p.write_bytes(pickle.dumps(content))
    with pytest.raises(HyspError, match="is refused"):
        read_labels(p)


whole = pickle.dumps((["a", "b"], np.array([1, 2])), protocol=2)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)).map(
            lambda o: whole[: o[0]] + bytes([o[1]]) + whole[o[0] + 1 :]
        ),
        st.integers(0, len(whole)).map(lambda n: whole[:n]),
    )
)
def test_any_bytes_are_labels_or_refused(tmp_path_factory, raw):
    p = Path(tmp_path_factory.getbasetemp()) / "fuzz.pkl"
    p.write_bytes(raw)
    try:
        n, l = read_labels(p)
        assert isinstance(n, list) and l.dtype == np.int64
    except HyspError:
        pass


# Views


def view(made, tmp_path, keep=(0, 3, 7), split="xsub/train", **kw):
    return write_view(
        Dataset(made, split), np.array(keep), tmp_path / "view", dict(keep="some"), **kw
    )


def test_a_view_shows_the_kept_clips_and_all_outside_the_split(made, tmp_path):
    ds, path = Dataset(made, "xsub/train"), view(made, tmp_path)
    train, val, full = (Dataset(path, o) for o in ("xsub/train", "xsub/val", "all"))
    assert (
        train.names == [ds.names[i] for i in (0, 3, 7)]
        and torch.equal(train.batch(range(3)), ds.batch([0, 3, 7]))
        and train.labels.tolist() == ds.labels[[0, 3, 7]].tolist()
    )
    whole = Dataset(made, "xsub/val")
    assert (
        val.names == whole.names
        and torch.equal(val.batch(range(10)), whole.batch(range(10)))
        and len(full) == 13
    )
    assert (
        train.checksum == ds.checksum
        and train.about["view"] == {"keep": "some"}
        and train.splits == ds.splits
    )


def test_a_view_holds_no_array(made, tmp_path):
    path = view(made, tmp_path)
    assert sorted(o.name for o in path.iterdir()) == ["dataset.yaml", "samples.csv"]
    assert Dataset(path).position.filename == str((made / "position.npy").resolve()) or Path(
        Dataset(path).position.filename
    ).samefile(made / "position.npy")


def test_a_view_moves_with_its_folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "a/set")
    path = write_view(Dataset(tmp_path / "a/set", "xsub/train"), [1, 2], tmp_path / "a/half", {})
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert Dataset(tmp_path / "b/half", "xsub/train").names == ["c1", "c4"] and path.name == "half"


def test_a_view_of_a_view(made, tmp_path):
    first = Dataset(view(made, tmp_path), "xsub/train")
    again = Dataset(write_view(first, [2], tmp_path / "again", {}), "xsub/train")
    assert again.names == first.names[2:] and torch.equal(again.batch([0]), first.batch([2]))


@pytest.mark.parametrize(
    "spoil,says",
    [
        (lambda whole: shutil.rmtree(whole), "which is not there"),
        (
            lambda whole: (whole / "dataset.yaml").write_text(
                (whole / "dataset.yaml").read_text().replace("checksum: ", "checksum: 0")
            ),
            "has changed since",
        ),
        (
            lambda whole: (whole / "samples.csv").write_text(
                (whole / "samples.csv").read_text().replace("c0,", "cX,")
            ),
            "shows clip c0",
        ),
        (lambda whole: (whole / "position.npy").unlink(), "there is no file"),
    ],
)
def test_a_view_whose_array_is_not_what_it_was(made, tmp_path, spoil, says):
    shutil.copytree(made, tmp_path / "set")
    path = view(tmp_path / "set", tmp_path)
    spoil(tmp_path / "set")
    with pytest.raises(HyspError, match=says):
        Dataset(path)


def test_a_view_never_replaces_what_is_there(made, tmp_path):
    shutil.copytree(made, tmp_path / "view")
    with pytest.raises(HyspError, match="not empty"):
        view(made, tmp_path)
    with pytest.raises(HyspError, match="cannot take the place"):
        view(tmp_path / "view", tmp_path, overwrite=True)
    assert len(Dataset(tmp_path / "view")) == 20


# Joints that were not seen


def losing(n=12):
    "Two people a clip; in every third clip the first has lost joint 3 in frames 2 and 3"

    def load(i):
        x = np.random.default_rng(i).normal(size=(3, 6, 17, 2)).astype(np.float32)
        seen = np.ones((6, 17, 2), bool)
        seen[2:4, 3, 0] = i % 3 > 0
        seen[:, :, 1] = i % 2 > 0
        return Clip(f"c{i}", x * seen, i % 2, 1 + i // 2, seen=seen)

    return Source([f"c{i}" for i in range(n)], load, "coco", ["a", "b"], bodies=2)


def test_what_was_seen_of_each_clip(tmp_path):
    source = losing()
    data = Dataset(prepare(source, tmp_path / "set", frames=6, progress=False), "xsub/val")
    assert data.names == ["c2", "c3", "c6", "c7", "c10", "c11"]
    order = [3, 1, 0, 2]
    seen = seen_in(data, order)
    assert seen.dtype == torch.bool
    expected = [source[int(data.names[i][1:])].seen for i in order]
    np.testing.assert_array_equal(seen.numpy(), np.stack(expected))
    share = [2 / (6 * 17 * (1 + i % 2)) if i % 3 == 0 else 0 for i in (2, 3, 6, 7, 10, 11)]
    np.testing.assert_allclose(data.columns["missing"], share, rtol=5e-3)
    part = data.subset([1, 2])
    np.testing.assert_array_equal(seen_in(part, [0]).numpy(), seen_in(data, [1]).numpy())
    assert seen_in(data, []).shape == (0, 6, 17, 2)


def test_a_view_knows_what_was_seen(tmp_path):
    data = Dataset(prepare(losing(), tmp_path / "set", frames=6, progress=False))
    shown = Dataset(write_view(data, [9, 3, 2], tmp_path / "view", {}))
    assert shown.names == ["c2", "c3", "c9"]
    np.testing.assert_array_equal(seen_in(shown, [2, 1]).numpy(), seen_in(data, [9, 3]).numpy())
    np.testing.assert_array_equal(shown.columns["missing"], data.columns["missing"][[2, 3, 9]])
    assert list(shown.about["counts"]) == ["clips", "xsub"]


def test_all_is_seen_where_no_mask_lies(made):
    data = Dataset(made)
    assert data.missing is None and not data.columns["missing"].any()
    seen = seen_in(data, [0, 1])
    assert seen[0].all() and seen[1, :, :, 0].all() and not seen[1, :, :, 1].any()


def test_a_folder_of_format_1(made, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(made, old)
    edit("dataset.yaml", "format: 2", "format: 1")(old)
    text = (old / "samples.csv").read_text()
    (old / "samples.csv").write_text(text.replace(",missing,", ",").replace(",0.0,", ","))
    data = Dataset(old, "xsub/train")
    assert "missing" not in data.columns and data.missing is None
    assert data.splits == Dataset(made).splits
    np.testing.assert_array_equal(data.batch([2]), Dataset(made, "xsub/train").batch([2]))


def test_names_that_spreadsheets_would_run(tmp_path):
    "Written as text, read back as they were, by a set and by a view of it"
    people = generate(12, classes=["wave", "kick"], subjects=3, seed=0, difficulty="easy")
    odd = ["=1+1", "+cmd|' /C calc'!A0", "-a", "@SUM(A1)", "'=a", "-3"]
    names = odd + people.names[len(odd) :]
    source = replace(people, names=names, load=lambda i: replace(people[i], name=names[i]))
    folder = prepare(source, tmp_path / "set", frames=8, progress=False)
    with open(folder / "samples.csv", encoding="utf-8", newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    runs = [cell for cell in cells if re.match(r"[=+\-@\t\r]", cell)]
    assert set(runs) <= {"-1", "-3"}
    data = Dataset(folder)
    assert sorted(data.names) == sorted(names)
    view = write_view(data, [data.names.index(name) for name in odd], tmp_path / "view", {})
    assert sorted(Dataset(view).names) == sorted(odd)
