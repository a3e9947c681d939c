"The command line: help, settings, misspellings, exit codes"

import dataclasses
import errno
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hysp import cli, core, recipes, settings
from hysp.core import HyspError
from hysp.feeder import Dataset
from hysp.config import config_names, load_config, save_config, to_yaml
from hysp.formats import formats
from hysp.settings import Evaluate, Pretrain
from hysp.skeleton import get_layout
from hysp.synthetic import generate

root = Path(__file__).parents[1]


def words(text):
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


def hysp(capsys, *args):
    "Exit code and what was printed on either stream"
    try:
        code = cli.main([str(o) for o in args])
    except SystemExit as e:
        code = e.code or 0
    out = capsys.readouterr()
    return code, out.out, out.err


def refused(capsys, *args):
    "The one sentence with which a command line is refused"
    code, out, err = hysp(capsys, *args)
    assert code == 2 and not out and err.count("\n") == 1 and err.startswith("hysp: "), (
        code,
        out,
        err,
    )
    return err


# Help


def comments(cls):
    "Field name and comment, beside the field or above it, nested groups included"
    above = []
    for line in inspect.getsource(cls).splitlines():
        if m := re.match(r"    # (.+)", line):
            above.append(m[1])
        elif m := re.match(r"    (\w+):[^#]+(?:# (.+))?", line):
            if told := m[2] or " ".join(above):
                yield m[1], told
            above = []
    for o in dataclasses.fields(cls):
        if dataclasses.is_dataclass(o.type):
            yield from comments(o.type)


@pytest.mark.parametrize("name", cli.commands)
def test_help_explains_every_option(name, capsys):
    code, out, _ = hysp(capsys, name, "--help")
    assert code == 0 and words(cli.commands[name].__doc__) in words(out)
    told = dict(comments(cli.commands[name]))
    assert {o.name for o in dataclasses.fields(cli.commands[name])} <= set(told)
    for comment in told.values():
        assert words(comment) in words(out)


def test_help_shows_what_a_config_sets(capsys):
    out = words(hysp(capsys, "pretrain", "uiprmd", "--help")[1])
    assert (
        f"(default: {load_config(Pretrain, 'uiprmd', dict(data='x')).out})" in out
        and ", ".join(config_names()) in out
    )


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["pretrain", "uiprmd", "--help"],
        ["evaluate", "--help"],
        ["config"],
        ["config", "pretrain", "uiprmd"],
    ],
)
def test_answers_without_torch(args):
    code = f"""import sys
from hysp.cli import main
try: main({args})
except SystemExit: pass
assert not {{'torch','numpy','scipy','matplotlib'}} & set(sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_overview_names_every_command(capsys):
    code, out, _ = hysp(capsys)
    assert code == 0 and hysp(capsys, "--help")[1] == out
    for name in [*cli.commands, "config"]:
        assert re.search(f"^  {name} ", out, re.M)


# Misspelt, missing, of the wrong type


@pytest.mark.parametrize(
    "typed,says",
    [
        ("pretain", "unknown command 'pretain'; did you mean 'pretrain'?"),
        ("pretrain uiprdm --data d", "unknown config 'uiprdm'; did you mean 'uiprmd'?"),
        ("pretrain --data d --lrr 1", "unknown option '--lrr'; did you mean '--lr'?"),
        ("pretrain --lrr 1", "unknown option '--lrr'; did you mean '--lr'?"),
        (
            "pretrain --data d --strong.blurr 1",
            "unknown option '--strong.blurr'; did you mean '--strong.blur'?",
        ),
        (
            "pretrain --data d --stream boen",
            "unknown stream 'boen'; did you mean 'bone'? (known: joint, motion, bone, 2s, 3s)",
        ),
        ("pretrain --data d --lr fast", "lr must be a finite number, not 'fast'"),
        ("pretrain --data d --lr nan", "lr must be a finite number, not nan"),
        ("pretrain --data d --epochs 3.5", "epochs must be a whole number, not 3.5"),
        ("pretrain --data d --ramp 5", "ramp must be a list of 2, not [5]"),
        (
            "pretrain --data d --milestones 3 x",
            "milestones, item 2, must be a whole number, not 'x'",
        ),
        ("pretrain --data d --head_dim=wide", "head_dim must be a whole number, not 'wide'"),
        ("pretrain --data", "Missing value for argument '--data'"),
        ("pretrain", "Missing from hysp pretrain: --data"),
        ("pretrain --data d --config", "--config wants a name or a file"),
        ("pretrain --config no.yaml --data d", "there is no config file no.yaml"),
        ("evaluate", "Missing from hysp evaluate: PATH"),
        ("prepare array x --out d", "invalid choice 'array' for argument 'kind'"),
        ("prepare arrays no.npz --out d", "no.npz"),
        ("prepare uiprmd nowhere --out d", "nowhere"),
        ("prepare arrays a --out d --align clips", "unknown align 'clips'; did you mean 'clip'?"),
        ("prepare arrays a --out d --scale toros", "unknown scale 'toros'; did you mean 'torso'?"),
        ("prepare arrays a --out d --no-aligned", "--no-aligned"),
        ("synth --out d --n 0", "n must be at least 1 and below 10,000,000, not 0"),
        ("info nowhere", "there is no folder nowhere"),
        ("config pretain", "unknown command or config 'pretain'; did you mean 'pretrain'?"),
        ("config ntu60/xviw", "did you mean 'ntu60/xview'?"),
        ("export nowhere", "no checkpoint at nowhere"),
        ("export r --format onx", "did you mean 'onnx'?"),
    ],
)
def test_refused_in_one_sentence(typed, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert says in refused(capsys, *typed.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text,says",
    [
        ("lr: 1\nepoch: 3\n", "line 2: unknown setting 'epoch'; did you mean 'epochs'?"),
        ("strong:\n  blurr: 1\n", "line 2: unknown setting 'blurr'; did you mean 'blur'?"),
        ("lr: fast\n", "line 1: lr must be a finite number, not 'fast'"),
        ("lr: .nan\n", "line 1: lr must be a finite number, not nan"),
        ("epochs: true\n", "line 1: epochs must be a whole number, not True"),
        ("milestones: 3\n", "line 1: milestones must be a list, not 3"),
        ("steps: [3]\n", "line 1: steps must be a whole number, not [3]"),
        ("ramp: [1]\n", "line 1: ramp must be a list of 2, not [1]"),
        ("strong: 1\n", "line 1: strong is a group of settings (shear, crop"),
        ("stream: boen\n", "line 1: unknown stream 'boen'; did you mean 'bone'?"),
        ("lr: 1\nlr: 2\n", "line 2: 'lr' was given already in line 1"),
        ("lr: [1\n", "line 2: "),
        ("just text", "must hold lines 'setting: value', not str"),
        ("extends: mine.yaml\n", "extend each other in a circle"),
        ("extends: bsae\n", "unknown config 'bsae'; did you mean 'base'?"),
        ("extends: 3\n", "line 1: extends must be text, not 3"),
    ],
)
def test_yaml_refused_in_one_sentence(text, says, capsys, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    err = refused(capsys, "pretrain", tmp_path / "mine.yaml", "--data", "d")
    assert says in err and ("mine.yaml" in err or "bsae" in err)


def test_yaml_that_is_no_text(capsys, tmp_path):
    (tmp_path / "mine.yaml").write_bytes(b"lr: \xff\xfe")
    assert "is not UTF-8 text" in refused(capsys, "pretrain", tmp_path / "mine.yaml", "--data", "d")


# Settings


def test_typed_wins_over_file_wins_over_extended(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "lr: 1\nepochs: 1\nbatch: 1\nstrong: {blur: .1, flip: .1, noise: .1}\n"
    )
    (tmp_path / "b.yaml").write_text(
        "extends: a.yaml\nepochs: 2\nbatch: 2\nstrong: {flip: .2, noise: .2}\n"
    )
    cfg = cli.parse(
        "pretrain", [str(tmp_path / "b.yaml"), *"--data d --batch 3 --strong.noise .3".split()]
    )
    assert (cfg.lr, cfg.epochs, cfg.batch, cfg.strong.blur, cfg.strong.flip, cfg.strong.noise) == (
        1.0,
        2,
        3,
        0.1,
        0.2,
        0.3,
    )
    assert cfg.strong.mask_axis == settings.StrongView().mask_axis


@pytest.mark.parametrize(
    "typed",
    [
        "--milestones 1 2 3 --ramp None",
        "--head-dim 7 --no-strong.normalise-blur",
        "--lr 1e-300 --out a\u00e9/b",
        "--weight_decay=0",
    ],
)
def test_printed_settings_read_back(typed, capsys, tmp_path):
    typed = [o.replace("--no-strong.", "--strong.no-") for o in typed.split()]
    _, out, _ = hysp(capsys, "config", "pretrain", *typed)
    (tmp_path / "used.yaml").write_text(out, encoding="utf-8")
    assert load_config(Pretrain, tmp_path / "used.yaml") == cli.parse(
        "pretrain", ["--data", "REQUIRED", *typed]
    )


@pytest.mark.parametrize("name", config_names())
def test_ready_made_settings_load_for_some_command(name, tmp_path):
    def loads(cls):
        try:
            return load_config(cls, name, missing=Path("x"))
        except HyspError:
            return None

    assert (
        cfg := next(filter(None, map(loads, (cli.commands[o] for o in cli.configurable))), None)
    ), f"{name}.yaml fits no command"
    save_config(cfg, tmp_path / "again.yaml")
    assert load_config(type(cfg), tmp_path / "again.yaml") == cfg and to_yaml(cfg) == (
        tmp_path / "again.yaml"
    ).read_text("utf-8")


@pytest.mark.parametrize(
    "group,view",
    [
        (settings.NormalView, "Normal"),
        (settings.StrongView, "Strong"),
        (settings.NaturalView, "Natural"),
    ],
)
def test_view_settings_are_those_of_the_views(group, view):
    from hysp import augment

    theirs = {
        o.name: o.default for o in dataclasses.fields(getattr(augment, view)) if o.name != "layout"
    }
    if view == "Natural":
        assert theirs["mirror"] == 0
        theirs["mirror"] = None  # The pairs decide whether people use either side
    assert {o.name: o.default for o in dataclasses.fields(group)} == theirs


def test_evaluate_takes_run_first_and_config_anywhere(tmp_path):
    (tmp_path / "e.yaml").write_text("k: [1, 5]\nlinear: {epochs: 3}\n")
    cfg = cli.parse(
        "evaluate", ["runs/a", "--linear.lr", "2", "--config", str(tmp_path / "e.yaml")]
    )
    assert (cfg.run, cfg.k, cfg.linear.epochs, cfg.linear.lr) == (Path("runs/a"), (1, 5), 3, 2.0)
    assert isinstance(cfg, Evaluate)


# Exit codes


@pytest.mark.parametrize(
    "error,code,says",
    [
        (HyspError("clip 3 has no frames"), 2, "hysp: clip 3 has no frames\n"),
        (KeyboardInterrupt(), 130, "the same command, typed again, goes on"),
        (KeyboardInterrupt("saved to runs/a"), 130, "hysp: saved to runs/a\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/a"),
            2,
            "runs/a: the disk is full; make room",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "runs/a"),
            2,
            "Permission denied: runs/a",
        ),
    ],
)
def test_exit_codes(error, code, says, capsys, monkeypatch):
    def fails(cfg):
        raise error

    monkeypatch.setattr(recipes, "pretrain", fails, raising=False)
    got, out, err = hysp(capsys, "pretrain", "--data", "d")
    assert got == code and not out and says in err and err.count("\n") == 1


def test_what_nobody_foresaw_exits_1_with_its_traceback():
    code = (
        "import sys; from hysp import cli, recipes; recipes.pretrain = lambda cfg: 1/0; "
        "sys.exit(cli.main(['pretrain','--data','d']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr


def test_a_reader_that_goes_away_is_no_error():
    code = (
        "import sys; from hysp import cli; cli.config = lambda args: print('x\\n'*500_000); "
        "sys.exit(cli.main(['config']))"
    )
    done = subprocess.run(
        f'{sys.executable} -c "$CODE" | head -1; echo ${{PIPESTATUS[0]}}',
        shell=True,
        executable="/bin/bash",
        cwd=root,
        env={"CODE": code, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "x\n0\n" and not done.stderr


# Data


def made(capsys, *args):
    code, out, err = hysp(capsys, *args)
    assert code == 0, err
    return out


def test_synth_and_info(capsys, tmp_path):
    out = made(
        capsys,
        "synth",
        "--out",
        tmp_path / "a",
        "--n",
        24,
        "--classes",
        3,
        "--subjects",
        4,
        "--frames",
        8,
    )
    *told, written, _ = out.splitlines()
    assert written == f"written     {tmp_path / 'a'}"
    assert made(capsys, "info", tmp_path / "a").splitlines()[:-1] == told and re.search(
        r"^clips +12 +12 +24$", out, re.M
    )
    assert "exists already" in refused_after_bar(
        capsys, "synth", "--out", tmp_path / "a", "--n", 24
    )
    made(
        capsys,
        "synth",
        "--out",
        tmp_path / "a",
        "--n",
        8,
        "--classes",
        2,
        "--subjects",
        2,
        "--frames",
        8,
        "--overwrite",
    )
    assert np.load(tmp_path / "a/position.npy").shape[:3] == (8, 3, 8)


def refused_after_bar(capsys, *args):
    code, _, err = hysp(capsys, *args)
    assert code == 2
    return err.splitlines()[-1]


def test_prepare_takes_the_subjects_given(capsys, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "a.npz",
        frames=rng.normal(size=(60, 3, 3)).astype("f4"),
        offsets=np.arange(0, 61, 10),
        label=[0, 1] * 3,
        subject=[1, 1, 2, 2, 3, 3],
        class_names=["wave", "clap"],
        joint_names=["hip", "neck", "head"],
        parents=[-1, 0, 1],
        fps=30,
    )
    out = made(
        capsys,
        "prepare",
        "arrays",
        tmp_path / "a.npz",
        "--out",
        tmp_path / "d",
        "--frames",
        5,
        "--train-subjects",
        2,
        3,
    )
    assert re.search(r"^clips +4 +2 +6$", out, re.M) and "5 frames" in out
    assert "leaves no clip to val" in refused_after_bar(
        capsys,
        "prepare",
        "arrays",
        tmp_path / "a.npz",
        "--out",
        tmp_path / "e",
        "--train-subjects",
        1,
        2,
        3,
    )
    assert not (tmp_path / "e").exists()


def npz_of(joints, parents, path):
    "Six clips of three people, of a skeleton with these joints"
    r = np.random.default_rng(0)
    np.savez(
        path,
        frames=r.normal(size=(60, len(joints), 3)).astype("f4"),
        offsets=np.arange(0, 61, 10),
        label=[0, 1] * 3,
        subject=[1, 1, 2, 2, 3, 3],
        joint_names=joints,
        parents=parents,
    )
    return path


trunk = ["left hip", "right hip", "left shoulder", "right shoulder"], [-1, 0, 0, 1]
finger = ["wrist", "tip"], [-1, 0]
prepare_arrays = "prepare", "arrays", "--frames", 5


@pytest.mark.parametrize(
    "typed,align,scale",
    [
        ("", "clip", "torso"),
        ("--align frame", "frame", "torso"),
        ("--align clip --scale none", "clip", "none"),
        ("--align none --scale torso", "none", "torso"),
    ],
)
def test_prepare_turns_and_scales(capsys, tmp_path, typed, align, scale):
    file = npz_of(*trunk, tmp_path / "a.npz")
    out = made(capsys, *prepare_arrays, file, "--out", tmp_path / "d", *typed.split())
    line = f"prepared    5 frames, align {align}, scale {scale}"
    assert line in out.splitlines()
    assert line in made(capsys, "info", tmp_path / "d").splitlines()
    about = Dataset(tmp_path / "d").about["prepared"]
    assert (about["align"], about["scale"]) == (align, scale)


def test_prepare_says_what_it_leaves_out(capsys, tmp_path):
    file = npz_of(*finger, tmp_path / "a.npz")
    out = made(capsys, *prepare_arrays, file, "--out", tmp_path / "d")
    assert "align 'clip' was left out: layout 'a' has no shoulders" in out
    for typed in ("--align frame", "--align clip", "--scale torso"):
        command = (*prepare_arrays, file, "--out", tmp_path / "e", *typed.split())
        says = refused_after_bar(capsys, *command)
        assert "cannot be done: layout 'a' has no shoulders" in says
    assert not (tmp_path / "e").exists()


def test_synthetic_people_are_prepared_as_ones_own(capsys, tmp_path):
    out = made(capsys, *"synth --n 12 --classes 2 --frames 5 --out".split(), tmp_path / "d")
    assert "prepared    5 frames, align clip, scale torso" in out.splitlines()


def test_info_of_a_run(capsys, tmp_path):
    (tmp_path / "config.yaml").write_text(
        to_yaml(load_config(Pretrain, "uiprmd", dict(data="clips")))
    )
    for beside in ("pairs", "embeddings"):
        (tmp_path / f"{beside}.safetensors").touch()
    assert "none yet" in made(capsys, "info", tmp_path)
    (tmp_path / "metrics.csv").write_text("epoch,loss\n1,1.5\n2,1.25\n")
    (tmp_path / "epoch_0002.safetensors").touch()
    out = made(capsys, "info", tmp_path)
    assert (
        "epoch_0002.safetensors" in out
        and "2 epochs; the last: epoch 2, loss 1.25" in out
        and re.search("^data +clips$", out, re.M)
    )


def test_no_align_means_as_recorded():
    cfg = cli.parse("prepare", ["arrays", "a", "--out", "d", "--no-align", "--frames", "9"])
    assert (cfg.align, cfg.scale, cfg.frames) == ("none", "none", 9)


# Own files: what is read, what its numbers mean, and a look before the work


def own_files(folder, factor=1.0, turned=False):
    "Six synthetic people as CSV files named {label}/{subject}_{*}.csv"
    people = generate(6, classes=["wave", "kick"], subjects=3, seed=0, difficulty="easy")
    for i in range(len(people)):
        clip = people[i]
        x = clip.position[..., 0].transpose(1, 2, 0) * factor
        x = x * [1, -1, -1] if turned else x
        path = folder / people.class_names[clip.label] / f"s{clip.subject}_{i}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, x.reshape(len(x), -1), delimiter=",")


own = "prepare", "csv", "--layout", "ntu-rgb+d", "--name", "{label}/{subject}_{*}.csv"


def test_dry_run_looks_and_writes_a_picture_alone(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own_files(tmp_path / "raw", factor=100)
    out = made(capsys, *own, "raw", "--dry-run", "--folds", 3)
    assert "taken       6 clips, 2 classes" in out and "s1 as 1, s2 as 2" in out
    assert "question    the skeletons are" in out and "--unit cm" in out
    assert "would do    aligned once a clip by left shoulder and right shoulder" in out
    assert re.search(r"would do    split fold3: subject .* train \(4 clips\), s. validate", out)
    assert "would do    scaled: each clip divided by the length of its torso" in out
    assert "would do    bodies kept: at most" in out
    assert "would do    joints that were not seen: interpolated over time" in out
    assert re.search(r"^clips +6$", out, re.M)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prepare-csv.png", "raw"]
    assert (tmp_path / "prepare-csv.png").read_bytes()[:4] == b"\x89PNG"
    made(capsys, *own, "raw", "--dry-run", "--picture", "look.svg")
    assert (tmp_path / "look.svg").exists()
    assert "say where to write" in refused(capsys, *own, "raw")


def test_a_dry_run_ends_as_the_real_run_would(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own_files(tmp_path / "raw")
    files = sorted((tmp_path / "raw").rglob("*.csv"))
    files[0].write_text("1,2\n")
    for last in (["--dry-run"], ["--out", "d", "--frames", "8"]):
        assert cli.main([*own, "raw", *last]) == 3
        assert files[0].name in capsys.readouterr().err.splitlines()[-1]
        assert cli.main([*own, "raw", *last, "--strict", "--overwrite"]) == 2
        assert files[0].name in capsys.readouterr().err.splitlines()[-1]
    for file in files:
        file.write_text("1,2\n")
    (tmp_path / "prepare-csv.png").unlink()
    for last in (["--dry-run"], ["--out", "e"]):
        assert cli.main([*own, "raw", *last]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        first = "none of the 6 clips can be used; the first: raw/wave/s1_0.csv, line 1: 2 numbers"
        assert first in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "raw"]


def test_classes_without_clips_are_said_in_a_line(capsys, tmp_path):
    npz_of(["hip", "neck", "head"], [-1, 0, 1], tmp_path / "a.npz")
    arrays = dict(np.load(tmp_path / "a.npz"))
    arrays["class_names"] = np.array(["wave", "clap", "bow", "sit"])
    np.savez(tmp_path / "a.npz", **arrays)
    from_arrays = "prepare", "arrays", tmp_path / "a.npz"
    for last in (["--out", tmp_path / "d"], ["--dry-run", "--picture", tmp_path / "a.png"]):
        out = made(capsys, *from_arrays, *last)
        assert "no clip of  2 classes: bow, sit" in out
        assert re.search(r"^ +0 wave +\d", out, re.M) and not re.search(r"^ +2 bow", out, re.M)


def test_units_axes_and_joints_are_what_was_asked_for(capsys, tmp_path):
    as_it_is = "--align none --scale none --frames 8 --workers 1 --out".split()
    own_files(tmp_path / "m")
    own_files(tmp_path / "cm", factor=100, turned=True)
    made(capsys, *own, tmp_path / "m", *as_it_is, tmp_path / "a")
    made(capsys, *own, tmp_path / "cm", "--unit", "cm", "--up", "-y", *as_it_is, tmp_path / "b")
    a, b = (np.load(tmp_path / o / "position.npy") for o in "ab")
    np.testing.assert_allclose(a, b, atol=2e-6)
    made(capsys, *own, tmp_path / "m", "--to", "common-15", *as_it_is, tmp_path / "c")
    assert Dataset(tmp_path / "c").layout.name == "common-15"


def test_a_recording_is_cut_by_a_table(capsys, tmp_path):
    own_files(tmp_path / "raw")
    table = tmp_path / "parts.csv"
    table.write_text("file,start,end,label\nwave/s1_0.csv,0,6,up\nwave/s1_0.csv,6,12,down\n")
    command = "prepare", "csv", tmp_path / "raw", "--layout", "ntu-rgb+d", "--frames", 6
    out = made(capsys, *command, "--intervals", table, "--fps", 30, "--out", tmp_path / "d")
    assert "2 clips, 2 classes" in out
    assert Dataset(tmp_path / "d").about["fps"] == 30


def trc_without_a_frame(folder):
    "A tree of one recording of OpenPose's 18 markers, frames 1, 2, 3 and 5"
    names = list(get_layout("openpose").joints)
    position = np.random.default_rng(0).uniform(1, 2, (4, len(names), 3))
    head = ["PathFileType\t4\t(X/Y/Z)\ta.trc", "DataRate\tNumFrames\tNumMarkers\tUnits"]
    head += [f"60\t4\t{len(names)}\tm", "\t".join(["Frame#", "Time", *names]), "", ""]
    rows = []
    for frame, row in zip((1, 2, 3, 5), position.reshape(4, -1).tolist()):
        rows.append("\t".join([str(frame), f"{frame / 60:.3f}", *map(str, row)]))
    (folder / "wave").mkdir(parents=True)
    (folder / "wave/a.trc").write_text("\n".join([*head, *rows, ""]))


def test_a_message_advises_what_can_be_typed(capsys, tmp_path):
    trc_without_a_frame(tmp_path / "raw")
    command = "prepare", "trc", tmp_path / "raw", "--frames", 8, "--align", "none", "--out"
    says = refused_after_bar(capsys, *command, tmp_path / "d")
    advised = re.search("fill gaps with (--gaps fill)", says)[1]
    assert "1 clips" in made(capsys, *command, tmp_path / "d", *advised.split())


@pytest.mark.parametrize(
    "typed,says",
    [
        ("csv raw", "say what the joints are: --layout NAME"),
        ("csv raw --layout coco --order TVC", "--order is for npy, txt, not for csv"),
        ("uiprmd raw --name {label}/{*}", "--name is not for uiprmd"),
        ("bvh raw --gaps fill", "freemocap, trc, not for bvh"),
        ("csv raw --layout coco --missing x.txt", "--missing is for ntu60, ntu120, not for csv"),
        ("csv raw b --layout coco", "read from one place, not from 2: raw, b"),
        ("csv --layout coco", "say what to read: hysp prepare csv FOLDER"),
        ("csv raw --layout coco --unit mms", "did you mean 'mm'?"),
        ("csv raw --layout coco --fps 0", "fps must be at least 0.001 and below 100,000, not 0"),
        ("npyy raw", "invalid choice 'npyy'"),
    ],
)
def test_options_that_do_not_go_with_a_format(typed, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert says in refused(capsys, "prepare", *typed.split(), "--out", "d")
    assert not list(tmp_path.iterdir())


def test_help_says_what_each_format_is(capsys):
    out = words(hysp(capsys, "prepare", "--help")[1])
    for known in formats.values():
        assert known.reads in out


# What a command ends with


endings = {
    "synth --out {tmp}/new": "hysp pretrain --data {tmp}/new",
    "prepare arrays a.npz --out {tmp}/new": "hysp pretrain --data {tmp}/new",
    "prepare arrays a.npz --dry-run": "the same without --dry-run",
    "pretrain --data {tmp}/new --out {tmp}/r": "hysp evaluate {tmp}/r",
    "pretrain --data d --out r --split xview/train": "hysp evaluate r --protocol xview",
    "pretrain --data d --out r --split all": "hysp embed r --split all --html r/disk.html",
    "evaluate r/epoch_0002.safetensors": "hysp embed r/epoch_0002.safetensors --html r/disk.html",
    "evaluate r --protocol folds": None,
    "ensemble r s --out both": "hysp embed r --html both/disk.html",
    "subset {tmp}/new --run r --out {tmp}/new": "hysp pretrain --data {tmp}/new",
    "embed r --html page.html": "open page.html in a browser",
    "embed r": "in Python: hysp.embeddings.load_embeddings('embeddings.safetensors')",
    "export r --format torchscript": "in Python: torch.jit.load(the file)",
    "demo": "hysp demo --data YOUR.npz --out runs/yours",
    "info {tmp}/new": "hysp pretrain --data {tmp}/new",
}


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    "A dataset folder of 24 clips, three classes, four people"
    folder = tmp_path_factory.mktemp("sets")
    assert (
        cli.main(f"synth --out {folder}/new --n 24 --classes 3 --subjects 4 --frames 8".split())
        == 0
    )
    return folder


@pytest.mark.parametrize("typed", endings)
def test_a_command_ends_with_one_that_can_be_typed(small_set, typed):
    name, *args = typed.format(tmp=small_set).split()
    then = endings[typed] and endings[typed].format(tmp=small_set)
    assert cli._ending(name, cli.parse(name, args))[1] == then
    if then and then.startswith("hysp "):
        following, *words = shlex.split(then)[1:]
        cli.parse(following, words)


def test_a_set_without_the_usual_split_is_trained_on_as_it_can_be(capsys, tmp_path):
    for options, then in (
        (["--subjects", 1], "--split all"),
        (["--subjects", 2], ""),
    ):
        out = tmp_path / str(options[-1])
        told = made(capsys, "synth", "--out", out, "--n", 8, "--classes", 2, *options)
        assert told.splitlines()[-1] == f"next        hysp pretrain --data {out} {then}".rstrip()


def test_config_says_what_each_name_is_for(capsys):
    lines = made(capsys, "config").splitlines()
    assert [line.split()[0] for line in lines] == config_names()
    assert all(re.fullmatch(r"\S+ {2,}[A-Z].{8,}", line) for line in lines)


# Progress in a log


def test_a_log_has_lines_and_no_carriage_returns(capsys, monkeypatch, small_set, tmp_path):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(core.LogLines, "every", 0.0)
    short = "--epochs 2 --batch 6 --width 4 --out-dim 8".split()
    run = tmp_path / "r"
    code, out, err = hysp(capsys, "pretrain", "--data", small_set / "new", "--out", run, *short)
    assert code == 0 and "\r" not in err and f"written     {run}" in out
    lines = [line for line in err.splitlines() if line.startswith("train: ")]
    assert re.match(r"train: 6 of 24 clips, epoch 1, loss \d+\.\d+, norm .*; \d+ s", lines[0])
    assert re.match(r"train: 24 of 24 clips, epoch 2, ", lines[-1])
    code, out, err = hysp(capsys, "evaluate", run, "--linear.epochs", 3)
    assert code == 0 and "\r" not in err and "| --" not in out
    for what in ("encode: ", "linear probe: 3 of 3 epochs", "time warping: "):
        assert any(line.startswith(what) for line in err.splitlines()), what


def test_what_takes_a_moment_needs_no_line(capsys, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    assert list(core.tell_progress(range(3), "count")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


# Refused before the work


def never(*_, **__):
    raise AssertionError("the work has begun")


@pytest.mark.parametrize(
    "typed,says",
    [
        ("csv raw --out raw/d", "raw/d lies within raw, which is read"),
        ("csv raw --out raw --overwrite", "raw is raw, which is read"),
        ("csv top/raw --out top --overwrite", "which would be replaced"),
        ("csv raw --out full", "full exists already and is not empty"),
        ("csv raw --out d --picture a.gif", "unknown kind of picture '.gif'"),
        ("csv raw --out d --picture no/a.png", "there is no folder no"),
        ("csv raw --out d --max-bodies 100", "max_bodies must be at least 1 and below 17"),
        ("csv raw --out d --workers 100000", "workers must be at least -1 and below 1,025"),
    ],
)
def test_prepare_refuses_before_anything_is_read(capsys, monkeypatch, tmp_path, typed, says):
    monkeypatch.chdir(tmp_path)
    for folder in ("raw", "top/raw", "full/of"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(cli, "open_source", never)
    assert says in refused(capsys, "prepare", *typed.split(), "--layout", "coco")


@pytest.mark.parametrize(
    "typed,says",
    [
        ("--out {data}/runs/a", "which is read; name a place outside it"),
        ("--ramp 5 1", "the curriculum cannot end"),
        ("--batch 600 --epochs 1", "fewer than a batch of 600"),
        ("--init nowhere", "no checkpoint at nowhere"),
        ("--views natral", "did you mean 'natural'?"),
        ("--encoder tnc", "did you mean 'tcn'?"),
        ("--natural.crop 7", "crop"),
        ("--optimizer lars --lr 0", "the learning rate must be positive"),
        ("--threads 100000", "threads must be at least 0 and below 1,025"),
        ("--seed 1180591620717411303424", "seed must be at least 0"),
    ],
)
def test_pretrain_refuses_before_pairs_are_sought(
    capsys, monkeypatch, tmp_path, small_set, typed, says
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipes, "find_partners", never)
    data = small_set / "new"
    assert says in refused(capsys, "pretrain", "--data", data, *typed.format(data=data).split())
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def small_run(small_set):
    run = small_set / "run"
    short = "--epochs 2 --batch 6 --width 4 --out-dim 8 --keep-every 1".split()
    assert cli.main(["pretrain", "--data", f"{small_set}/new", "--out", str(run), *short]) == 0
    return run


@pytest.mark.parametrize(
    "typed,says",
    [
        ("evaluate {run} --shares .1 2", "shares: a share lies above 0 and is at most 1, not 2.0"),
        ("evaluate {run} --out {data}/e", "which is read; name a place outside it"),
        ("ensemble {run} {run} --weights 1 2 3", "3 weights for 2 runs; give one a run"),
        ("ensemble {run} {run} --out {data}/e", "which is read"),
        ("subset {data} --run {run} --out o --share 1.5", "share: a share lies above 0"),
        ("subset {data} --run {run} --out {data} --overwrite", "which is read"),
        ("embed {run} --data {data} --html {data}/p.html", "which is read"),
    ],
)
def test_judging_refuses_before_anything_is_encoded(
    capsys, monkeypatch, tmp_path, small_set, small_run, typed, says
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipes, "features", never)
    monkeypatch.setattr(recipes, "scene", never)
    words = typed.format(run=small_run, data=small_set / "new").split()
    assert says in refused_after_bar(capsys, *words)


def test_a_demo_of_an_unknown_recipe_prepares_nothing(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipes, "demo_data", never)
    assert "did you mean 'quick'?" in refused(capsys, "demo", "--settings", "quik")
    (tmp_path / "d").mkdir()
    says = "d/demo lies within d, which is read"
    assert says in refused(capsys, "demo", "--data", "d", "--out", "d/demo")


@pytest.mark.parametrize(
    "typed",
    [
        "synth --out {tmp}/big --n 24",
        "pretrain --data {data} --out {tmp}/r",
        "evaluate {run} --out {tmp}/e",
        "embed {run} --out {tmp}/e.npz",
    ],
)
def test_a_disk_without_room_is_said_beforehand(
    capsys, monkeypatch, tmp_path, small_set, small_run, typed
):
    monkeypatch.setattr(core.shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    words = typed.format(run=small_run, data=small_set / "new", tmp=tmp_path).split()
    assert re.search(
        r"hysp: \S+ takes about \S+ [kMG]?B?(bytes)?, and the disk has 100 bytes left; make room",
        refused_after_bar(capsys, *words),
    )
    assert not list(tmp_path.iterdir())


# Advice that fits


def test_of_one_class_nothing_is_learned(capsys, tmp_path, small_run):
    npz_of(*trunk, tmp_path / "a.npz")
    arrays = dict(np.load(tmp_path / "a.npz"))
    np.savez(tmp_path / "a.npz", **arrays | dict(label=[0] * 6))
    data = tmp_path / "d"
    made(capsys, *prepare_arrays, tmp_path / "a.npz", "--out", data)
    short = "--epochs 1 --batch 2 --width 4 --out-dim 8 --pairs own".split()
    made(capsys, "pretrain", "--data", data, "--out", tmp_path / "r", *short)
    says = refused_after_bar(capsys, "evaluate", tmp_path / "r", "--protocols", "semi")
    assert "of one class, '0', so there is nothing to learn from labels" in says


@pytest.mark.parametrize("file", ["run/last.pt", "run/epoch_0002.safetensors", "new/position.npy"])
def test_what_may_not_be_read_is_not_called_damaged(
    capsys, monkeypatch, small_set, small_run, file
):
    closed = small_set / file
    opened = open

    def refuses(path, *args, **kwargs):
        if str(path) == str(closed):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", refuses)
    short = "--epochs 2 --batch 6 --width 4 --out-dim 8 --keep-every 1".split()
    command = "evaluate", small_run, "--protocols", "knn"
    if file.endswith(".pt"):
        command = "pretrain", "--data", small_set / "new", "--out", small_run, *short
    says = f"hysp: cannot read {closed}: Permission denied"
    assert refused_after_bar(capsys, *command) == says


def test_export_is_quiet(capfd, small_run, tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    assert cli.main(["export", str(small_run), "--out", str(tmp_path / "e.onnx")]) == 0
    out, err = capfd.readouterr()
    assert not err and len(out.splitlines()) == 3
