"What is said of raw trees and dataset folders; CSV folders; the commands prepare and info over all kinds"

import re

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings, strategies as st

from hysp import cli
from hysp.clips import Fault, File, read_layout
from hysp.core import HyspError
from hysp.feeder import Dataset
from hysp.readers import csv_folder, read_csv
from hysp.skeleton import Layout, layouts
from hysp.plot_skeleton import plot_survey
from hysp.survey import survey_lines, oddities, open_raw, sparkline, survey
from test_kinect import plant, plant_pku, skeleton, walk
from test_readers import write_uiprmd


def hysp(capsys, *args):
    "Exit code and what was printed on either stream"
    code = cli.main([str(o) for a in args for o in (a.split() if isinstance(a, str) else [a])])
    out = capsys.readouterr()
    return code, out.out, out.err


def said(err):
    return [o for o in re.split("[\r\n]", err) if o.startswith("hysp: ")]


def ntu_tree(folder, n=24, **more):
    texts = [skeleton(walk(5, 1 + (i % 6 == 5), i)[1]) for i in range(n)]
    return plant(
        folder,
        **{
            f"S001C{1 + i % 3:03}P{1 + i // 3:03}R001A{1 + i % 4:03}": o
            for i, o in enumerate(texts)
        },
        **more,
    )


# CSV folders

arm = dict(joints=["neck", "left hand", "right hand"], parents=[None, "neck", "neck"])
heading = "neck_x,neck_y,neck_z,Left Hand X,left hand.y,LEFT_HAND_Z,right hand x,right hand y,right hand z"


def csv_tree(folder, files, table=None):
    for k, v in files.items():
        (folder / k).parent.mkdir(parents=True, exist_ok=True)
        (folder / k).write_bytes(v if isinstance(v, bytes) else v.encode())
    if table:
        (folder / "clips.csv").write_text(table)
    (folder / "arm.yaml").write_text(yaml.safe_dump(arm))
    return csv_folder(folder, folder / "arm.yaml")


row = "1,2,3,4,5,6,7,8,9"
expected = np.arange(1.0, 10).reshape(3, 3).T[:, None, :, None]


@pytest.mark.parametrize(
    "text",
    [
        f"{heading}\n{row}\n",
        f"time;{heading.replace(',', ';')};score\n0;{row.replace(',', ';')};.5\n",
        f"{row}\n",
        f"\ufeff{heading}\r\n{row}\r\n",
        f"{heading}\n{row}\n,,,,,,,,\n",
        heading.replace(",", "\t") + "\n" + row.replace(",", "\t") + "\n",
        "right hand x,right hand y,right hand z,neck_x,neck_y,neck_z,"
        "left hand x,left hand y,left hand z\n7,8,9,1,2,3,4,5,6",
        f'{heading}\n"1",2,3,4,5,6,7,8,9e0',
    ],
)
def test_a_clip_in_many_forms(tmp_path, text):
    s = csv_tree(tmp_path, {"wave/a.csv": text})
    x = s[0].position
    np.testing.assert_array_equal(x[:, :1], expected)
    assert not x[:, 1:].any() and s.class_names == ["wave"] and s.layout.name == "arm"


@pytest.mark.parametrize(
    "text",
    [
        f"{heading.replace('neck_z,', '').replace(',LEFT_HAND_Z', '').replace(',right hand z', '')}\n1,2,4,5,7,8\n",
        "1,2,4,5,7,8",
    ],
)
def test_without_z(tmp_path, text):
    x = csv_tree(tmp_path, {"wave/a.csv": text})[0].position
    np.testing.assert_array_equal(x[:2], expected[:2])
    assert not x[2].any()


@pytest.mark.parametrize(
    "text,line,says",
    [
        ("", None, "is empty"),
        (heading, None, "has a heading and no frames"),
        (heading[:-2] + "w\n" + row, 1, "no column 'right hand z'"),
        (heading + "\n" + row + ",1", 2, "10 cells, expected 9"),
        (heading + "\n1,2,x,4,5,6,7,8,9", 2, "z of 'neck': 'x' is no number"),
        (
            heading + "\n" + row + "\n1,2,3,4,nan,6,7,8,9",
            3,
            "y of 'left hand': 'nan' is no coordinate",
        ),
        (heading + "\n1,2,3,4,5,6,7,8,", 2, "z of 'right hand': the cell is empty"),
        ("1,2,3", 1, "3 numbers and no heading; expected 9 (or 6"),
        (heading + ",neck x\n" + row + ",1", 1, "two columns are named 'neck x'"),
        (b"\xff\xfe1\0", 1, "UTF-16"),
        (b"a,b\n\xff\xff", 2, "is not UTF-8"),
        (heading + ",body\n" + row + ",1", 1, "a column 'body' but no 'frame'"),
        (heading + ",body,frame\n" + row + ",1,1\n" + row + ",1,1", 3, "twice in one frame"),
        (heading + "\n1,2,1e5,4,5,6,7,8,9", 2, "'1e5' is no coordinate"),
        (heading + '\n"1,2,3,4,5,6,7,8,9\n', 2, "is no CSV"),
    ],
)
def test_faults_of_a_clip(tmp_path, text, line, says):
    s = csv_tree(tmp_path, {"wave/a.csv": text, "wave/b.csv": row})
    with pytest.raises(Fault) as e:
        s[0]
    assert (
        e.value.line == line
        and says in e.value.reason
        and e.value.file == str(tmp_path / "wave/a.csv")
    )
    np.testing.assert_array_equal(s[1].position, expected)


def test_several_bodies(tmp_path):
    other = ",".join(str(10 + i) for i in range(9))
    x = csv_tree(
        tmp_path,
        {"meet/a.csv": f"frame,body,{heading}\n5,ann,{row}\n5,bob,{other}\n6,bob,{other}\n"},
    )[0].position
    assert x.shape == (3, 2, 3, 2) and not x[:, 1, :, 0].any()
    np.testing.assert_array_equal(x[:, :1, :, :1], expected)
    np.testing.assert_array_equal(x[:, :, :, 1:], np.repeat(expected + 9, 2, 1))


def test_table_of_clips(tmp_path):
    s = csv_tree(
        tmp_path,
        {"a.csv": row, "sub/b.csv": row, "c.csv": row, "d.csv": row},
        "file,label,subject,camera\na.csv,10,1,2\nsub\\b.csv,9,3,\nnone.csv,9,1,1\nc.csv,,1,1\nc.csv,9,one,1\na.csv,9,1,1\nc.csv,9\n",
    )
    assert (
        s.names == ["a", "sub/b"]
        and s.class_names == ["9", "10"]
        and [(o.label, o.subject, o.camera) for o in s] == [(1, 1, 2), (0, 3, None)]
    )
    assert [(o.line, o.reason) for o in s.faults] == [
        (4, "there is no file 'none.csv'"),
        (5, "the label is empty"),
        (6, "subject 'one' is no whole number"),
        (7, "'a.csv' is listed twice"),
        (8, "2 cells, expected 4"),
    ]
    assert s.skipped == {"not listed in clips.csv": 1}


def test_refused_csv_folders(tmp_path):
    with pytest.raises(HyspError, match="there is no folder"):
        csv_folder(tmp_path / "none", "coco")
    with pytest.raises(HyspError, match="holds no clip"):
        csv_folder(tmp_path, "coco")
    with pytest.raises(HyspError, match="has no class"):
        csv_tree(tmp_path, {"a.csv": row})
    with pytest.raises(HyspError, match="has no column 'label'"):
        csv_tree(tmp_path, {}, "file\na.csv")


@pytest.mark.parametrize(
    "text,says",
    [
        ("joints: [a]\n", "x.yaml: .*needs a list under parents"),
        (": [", "x.yaml is no YAML"),
        ("[1]", "x.yaml: a layout is a mapping"),
    ],
)
def test_refused_layouts(tmp_path, text, says):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(HyspError, match=says):
        read_layout(tmp_path / "x.yaml")
    with pytest.raises(HyspError, match="cannot read"):
        read_layout(tmp_path / "none.yaml")
    with pytest.raises(HyspError, match="did you mean 'coco'"):
        read_layout("coca")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.binary(max_size=120),
        st.lists(
            st.lists(
                st.sampled_from(
                    [*heading.split(","), "frame", "body", "1", "-2.5", "nan", "", "x", '"', ";"]
                ),
                max_size=11,
            ).map(",".join),
            max_size=4,
        )
        .map("\n".join)
        .map(str.encode),
    )
)
@example(b"\xef\xbb\xbf")
def test_any_bytes_are_a_clip_or_refused(tmp_path, data):
    p = tmp_path / "a.csv"
    p.write_bytes(data)
    try:
        x, seen = read_csv(
            File(str(p)),
            layouts["ui-prmd"] if len(data) % 2 else Layout.from_dict(dict(arm, name="arm")),
        )
    except Fault:
        return
    assert x.shape[0] == 3 and np.isfinite(x).all()
    assert seen.shape == x.shape[1:] and not x[:, ~seen].any()


# What is there


@pytest.mark.parametrize(
    "change,says",
    [
        (lambda x: x[:, :5], ["short"]),
        (lambda x: np.concatenate([x[:, :9], 0 * x[:, :1], x[:, 9:]], 1), ["gaps"]),
        (lambda x: np.concatenate([x] * 3, -1), ["a crowd"]),
        (lambda x: 0 * x[:, :, :] + x[:, :1], ["still"]),
        (lambda x: x + np.where(np.arange(x.shape[1]) == 5, 0.6, 0)[:, None, None], ["a jump"]),
        (lambda x: x * np.array([1, 1, 0])[:, None, None, None], ["flat"]),
        (lambda x: x, []),
    ],
)
def test_oddities(change, says):
    x = np.cumsum(
        np.random.default_rng(0).normal(size=(3, 20, 25, 1)) * 0.02, 1
    ) + np.random.default_rng(1).normal(size=(3, 1, 25, 1))
    assert oddities(change(x)) == says


def test_survey_of_ntu(tmp_path):
    raw = ntu_tree(tmp_path / "raw", S001C001P009R001A002=b"junk", other=b"")
    kind, s = open_raw(raw)
    assert kind == "ntu60" and len(s) == 25
    seen = survey(raw, progress=False)
    assert (
        seen.kind == "ntu60"
        and len(seen.labels) == 25
        and len(seen.lengths) == 24
        and sorted(seen.bodies) == [1] * 20 + [2] * 4
        and len(seen.faults) == 2
    )
    lines = "\n".join(survey_lines(seen))
    for o in (
        "25 clips, 60 classes",
        "published are 56,880 clips; 56,855 are not here",
        "no clip of  56 classes",
        "short: 24 clips",
        "not usable  2 clips",
        "raw/S001C001P009R001A002.skeleton, line 1: 'junk' where the number of frames should be",
    ):
        assert o in lines, o
    some = survey(raw, read=5, progress=False)
    assert len(some.lengths) + len(some.faults) == 6 and len(some.labels) == 25
    plant(raw, S018C001P041R001A061=skeleton(walk(5)[1]))
    assert open_raw(raw)[0] == "ntu120"


def test_survey_of_each_kind(tmp_path):
    plant_pku(tmp_path / "pku", "1,1,20,2\n2,21,40,1\n")
    plant_pku(tmp_path / "pku2", "1,1,20,2\n", names=("A01N01-L",))
    write_uiprmd(tmp_path / "ui" / "Segmented Movements", "m01_s02_e10_positions.txt")
    np.savez(
        tmp_path / "a.npz",
        frames=np.random.default_rng(0).normal(size=(20, 3, 3)),
        offsets=[0, 10, 20],
        label=[0, 1],
        joint_names=["a", "b", "c"],
        parents=[-1, 0, 1],
    )
    csv_tree(tmp_path / "csv", {"wave/a.csv": row})
    for path, kind, n in (
        ("pku", "pku1", 2),
        ("pku2", "pku2", 1),
        ("ui", "uiprmd", 1),
        ("a.npz", "arrays", 2),
        ("csv", "csv", 1),
    ):
        seen = survey(
            tmp_path / path,
            layout=tmp_path / "csv/arm.yaml" if kind == "csv" else None,
            progress=False,
        )
        assert (seen.kind, len(seen.labels), len(seen.lengths)) == (kind, n, n) and survey_lines(
            seen
        )
    with pytest.raises(HyspError, match="say what the joints are: --layout NAME"):
        survey(tmp_path / "csv")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(HyspError, match="is no dataset folder"):
        survey(tmp_path / "nothing")


def test_sparkline():
    assert (
        sparkline([0, 1, 1, 1, 1, 1, 1, 1], 2) == "▂█"
        and sparkline([], 3) == "▁▁▁"
        and len(sparkline(range(99))) == 24
    )


# Commands


def test_prepare_ntu_and_info(capsys, tmp_path):
    ntu_tree(tmp_path / "raw")
    code, out, err = hysp(
        capsys,
        "prepare ntu60 --raw",
        tmp_path / "raw",
        "--out",
        tmp_path / "d",
        "--frames 8 --reference-arrays",
    )
    assert (
        code == 0
        and not said(err)
        and "24 clips, 60 classes" in out
        and re.search(r"^clips +\d+ +\d+ +16 +8 +24$", out, re.M)
    )
    assert sorted(o.name for o in (tmp_path / "d").iterdir()) == [
        "action_dataset",
        "dataset.yaml",
        "position.npy",
        "samples.csv",
    ]
    assert Dataset(tmp_path / "d/action_dataset", "xview/val").position.shape == (8, 3, 8, 25, 2)
    code, again, _ = hysp(capsys, "info", tmp_path / "d", "--picture", tmp_path / "p.png")
    done = out[
        out.index("d all: ") : out.index("written  ")
    ]  # Before that: what was taken for what
    assert out.startswith("taken       24 clips, 4 classes by the names of the files")
    assert code == 0 and again.startswith(done) and (tmp_path / "p.png").stat().st_size > 5000
    code, out, _ = hysp(capsys, "info", tmp_path / "raw")
    assert (
        code == 0
        and "ntu60: 24 clips, 60 classes" in out
        and re.search(r"^ +0 drink water +6$", out, re.M)
    )


def test_left_out_is_exit_code_3(capsys, tmp_path):
    ntu_tree(tmp_path / "raw", S001C001P009R001A002=b"")
    code, out, err = hysp(
        capsys, "prepare ntu60 --raw", tmp_path / "raw", "--out", tmp_path / "d", "--frames 8"
    )
    assert code == 3 and said(err) == [
        "hysp: 1 of 25 clips could not be used and were left out, "
        f"see {tmp_path / 'd/problems.csv'}; "
        f"the first: {tmp_path / 'raw/S001C001P009R001A002.skeleton'}: is empty"
    ]
    assert len(Dataset(tmp_path / "d")) == 24
    code, out, err = hysp(
        capsys,
        "prepare ntu60 --strict --raw",
        tmp_path / "raw",
        "--out",
        tmp_path / "e",
        "--frames 8",
    )
    assert (
        code == 2
        and said(err)[0].endswith("S001C001P009R001A002.skeleton: is empty")
        and not (tmp_path / "e").exists()
    )
    (tmp_path / "m.txt").write_text("heading\nS001C001P009R001A002\n")
    code, out, err = hysp(
        capsys,
        "prepare ntu60 --raw",
        tmp_path / "raw",
        "--out",
        tmp_path / "e",
        "--frames 8 --missing",
        tmp_path / "m.txt",
    )
    assert (
        code == 0
        and "left out    1 clip in the list of missing skeletons" in out
        and not (tmp_path / "e/problems.csv").exists()
    )


def test_prepare_pku(capsys, tmp_path):
    plant_pku(tmp_path / "raw", "1,1,20,2\n2,21,40,1\n", names=("0002-L", "0003-M"))
    code, out, err = hysp(
        capsys, "prepare pku1", tmp_path / "raw", "--out", tmp_path / "d", "--frames 8"
    )
    assert code == 0, err
    assert (
        len(Dataset(tmp_path / "d", "xview/train")) == 2
        and Dataset(tmp_path / "d", "xsub/val").names == ["0003-M_001", "0003-M_002"]
        and Dataset(tmp_path / "d").bodies == 2
    )


def test_prepare_csv_and_arrays_with_layouts(capsys, tmp_path):
    csv_tree(
        tmp_path / "csv",
        {
            f"{k}/{i}.csv": f"{heading}\n"
            + "\n".join(",".join(str(i + j + 0.1 * t) for j in range(9)) for t in range(4))
            for k in ("wave", "clap")
            for i in range(3)
        },
    )
    code, _, err = hysp(
        capsys,
        "prepare csv",
        tmp_path / "csv",
        "--layout",
        tmp_path / "csv/arm.yaml",
        "--out",
        tmp_path / "d",
        "--frames 4 --align none --scale none --no-centre --no-resize --no-cut",
    )
    assert code == 0, err
    np.testing.assert_allclose(
        Dataset(tmp_path / "d").position[0][:, 2, :, 0],
        np.arange(9).reshape(3, 3).T + 0.2,
        atol=1e-6,
    )
    np.savez(
        tmp_path / "a.npz",
        frames=np.random.default_rng(0).normal(size=(20, 17, 3)),
        offsets=[0, 10, 20],
        label=[0, 1],
    )
    code, _, err = hysp(
        capsys, "prepare arrays", tmp_path / "a.npz", "--layout coco --out", tmp_path / "e"
    )
    assert code == 0 and Dataset(tmp_path / "e").layout == layouts["coco"], err


def test_resumes_after_ctrl_c(capsys, tmp_path, monkeypatch):
    ntu_tree(tmp_path / "raw")
    import hysp.kinect as r

    real, n = r.read_skeleton, []

    def stop(*args):
        n.append(1)
        if len(n) == 9:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(r, "read_skeleton", stop)
    args = (
        "prepare ntu60 --raw",
        tmp_path / "raw",
        "--out",
        tmp_path / "d",
        "--frames 8 --workers 1",
    )
    code, _, err = hysp(capsys, *args)
    assert code == 130 and said(err) == [
        "hysp: interrupted after 8 of 24 clips; the same command, typed again, goes on from there"
    ]
    assert (
        hysp(capsys, *args)[0] == 0
        and len(n) == 25
        and sorted(o.name for o in tmp_path.iterdir()) == ["d", "raw"]
    )


@pytest.mark.parametrize(
    "typed,says",
    [
        ("prepare ntu60 --out d", "say what to read: hysp prepare ntu60 FOLDER --out FOLDER"),
        (
            "prepare csv . --out ../d",
            "say what the joints are: --layout NAME or --layout FILE.yaml",
        ),
        (
            "prepare uiprmd . --missing m --out ../d",
            "--missing is for ntu60, ntu120, not for uiprmd",
        ),
        (
            "prepare ntu60 . --layout coco --out ../d",
            "--layout is not for ntu60, which knows it already",
        ),
        ("prepare arrays a.npz b.npz --out d", "arrays is read from one place, not from 2"),
        (
            "prepare ntu60 . --bodies moton --out d",
            "unknown bodies 'moton'; did you mean 'motion'?",
        ),
        ("prepare ntu60 nowhere --out d", "there is no folder or file nowhere"),
        ("prepare pku2 . --out ../d", "no recording of PKU-MMD part 2"),
        ("prepare csv . --layout coca --out ../d", "unknown layout 'coca'; did you mean 'coco'?"),
        ("info .", "is no dataset folder, no run folder"),
    ],
)
def test_refused_in_one_sentence(typed, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = hysp(capsys, typed)
    assert code == 2 and not out and err.count("\n") == 1 and says in err, err
    assert not list(tmp_path.iterdir())


def test_draw_refuses_what_is_no_picture(tmp_path):
    ntu_tree(tmp_path / "raw", 4)
    with pytest.raises(HyspError, match=r"unknown kind of picture '\.docx'"):
        plot_survey(survey(tmp_path / "raw", progress=False), tmp_path / "x.docx")
