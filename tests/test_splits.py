"Folds, sets that are not split, and every command on sets whose people are odd, blank or unknown"

import csv
import json
import pickle
import re
from collections import Counter

import numpy as np
import pytest

from hysp import cli
from hysp.embeddings import explore
from hysp.feeder import Dataset
from hysp.splits import folds, one_left_out, why_no_split

pytestmark = pytest.mark.usefixtures("one_thread")
joints, parents = ["hip", "neck", "head", "left hand", "right hand"], [-1, 0, 1, 1, 1]
tiny = "--width 2 --out-dim 4 --head-dim 4 --epochs 1 --batch 4 --threads 1 --device cpu".split()
quick = "--linear.epochs 2 --linear.steps 1 --threads 1 --device cpu".split()


# Laws of folds


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_folds_hold_out_everybody_once_and_are_even(n, seed):
    rng = np.random.default_rng(seed)
    subjects = rng.integers(1, 13, 200).tolist()
    clips = Counter(subjects)
    made = folds(subjects, n, seed)
    assert list(made) == [f"fold{i}" for i in range(1, n + 1)]
    held = [person for fold in made.values() for person in fold["val"]]
    assert sorted(held) == sorted(clips)
    for fold in made.values():
        assert sorted(fold["train"] + fold["val"]) == sorted(clips)
    sizes = [sum(clips[person] for person in fold["val"]) for fold in made.values()]
    assert max(sizes) - min(sizes) <= max(clips.values())
    assert made == folds(subjects[::-1], n, seed), "the order of clips is no matter"


def test_the_seed_decides_between_equals():
    subjects = list(range(1, 21))
    made = {str(folds(subjects, 4, seed)) for seed in range(5)}
    assert len(made) == 5


def test_one_left_out_holds_out_each():
    made = one_left_out([3, 1, 1, 2])
    assert {name: spec["val"] for name, spec in made.items()} == {
        "loso_1": [1],
        "loso_2": [2],
        "loso_3": [3],
    }


@pytest.mark.parametrize(
    "subjects,says",
    [
        ([], "nobody is named"),
        ([None, None], "nobody is named"),
        ([-1, -1], "nobody is named"),
        ([1, None, 2], "1 of 3 clips say nothing"),
        ([5, 5], "subject 5 is in all clips"),
        ([1, 3], "all subjects have odd numbers (1, 3)"),
        ([2, 4, 6], "all subjects have even numbers (2, 4, 6)"),
    ],
)
def test_why_there_is_no_split(subjects, says):
    assert says in why_no_split(subjects)


# Commands on sets that are split in no way, or in an unusual one


def npz(path, subject=None, clips=8, frames=10):
    "Two classes in turn, and who performs"
    rng = np.random.default_rng(0)
    x = rng.normal(size=(clips * frames, len(joints), 3)).astype("f4")
    who = {} if subject is None else dict(subject=np.array(subject))
    np.savez(
        path,
        frames=x,
        offsets=np.arange(clips + 1) * frames,
        label=np.arange(clips) % 2,
        joint_names=joints,
        parents=parents,
        **who,
    )
    return path


def hysp(capsys, *args):
    "Exit code, and what was printed on both streams"
    words = []
    for arg in args:
        words += arg.split() if isinstance(arg, str) else [str(arg)]
    code = cli.main(words)
    out = capsys.readouterr()
    return code, out.out + out.err


def done(capsys, *args):
    code, said = hysp(capsys, *args)
    assert code == 0, said
    return said


def refused(capsys, *args):
    code, said = hysp(capsys, *args)
    assert code == 2 and "Traceback" not in said, said
    return said.splitlines()[-1]


def prepared(capsys, folder, subject=None, *options, clips=8):
    file = npz(folder / "a.npz", subject, clips)
    done(capsys, "prepare arrays", file, "--frames 8 --out", folder / "d", *options)
    return folder / "d"


def trained(capsys, folder, data, split):
    run = folder / "r"
    done(capsys, "pretrain --data", data, "--out", run, " ".join(tiny), "--split", split)
    return run


sets = {
    "nobody": (None, "nobody is named in the clips"),
    "all odd": ([1, 1, 3, 3, 5, 5, 7, 7], "all subjects have odd numbers (1, 3, 5, 7)"),
    "one": ([2] * 8, "subject 2 is in all clips"),
}


@pytest.mark.parametrize("name", sets)
def test_a_set_that_is_not_split(capsys, tmp_path, name):
    subject, why = sets[name]
    data = prepared(capsys, tmp_path, subject)
    assert f"no split    {why}" in done(capsys, "info", data)
    said = refused(capsys, "pretrain --data", data, "--out", tmp_path / "x", " ".join(tiny))
    assert "--split all" in said and "--train-subjects" in said and "--folds" in said
    run = trained(capsys, tmp_path, data, "all")
    assert "--folds" in refused(capsys, "evaluate", run, " ".join(quick))
    assert "--folds" in refused(capsys, "ensemble", run, run)
    assert "--split all" in refused(capsys, "embed", run)
    assert "--split all" in refused(
        capsys, "subset", data, "--run", run, "--out", tmp_path / "s", "--threads 1"
    )
    done(capsys, "subset", data, "--run", run, "--out", tmp_path / "s", "--split all --threads 1")
    said = done(capsys, "embed", run, "--split all --html", tmp_path / "page.html", "--threads 1")
    assert "a probe that has learnt from these same clips" in said
    assert (tmp_path / "page.html").exists()
    assert str(explore(run, split="all")).startswith("Explorer of r: 8 clips")
    said = refused(capsys, "demo --data", data, "--out", tmp_path / "demo --steps 1")
    assert "is not split" in said and not (tmp_path / "demo/run").exists()


def test_blank_subjects_are_told(capsys, tmp_path):
    rows = [("file", "label", "subject")]
    raw = tmp_path / "raw"
    raw.mkdir()
    for i in range(6):
        x = np.random.default_rng(i).normal(size=(9, 3 * len(joints)))
        np.savetxt(raw / f"c{i}.csv", x, delimiter=",")
        rows.append((f"c{i}.csv", ("wave", "clap")[i % 2], "" if i == 4 else i // 3 + 1))
    with open(raw / "clips.csv", "w", newline="") as f:
        csv.writer(f).writerows(rows)
    layout = tmp_path / "five.yaml"
    layout.write_text(json.dumps(dict(joints=joints, parents=parents)))
    command = "prepare csv", raw, "--layout", layout, "--frames 8 --out"
    said = done(capsys, *command, tmp_path / "d")
    assert "no split    1 of 6 clips say nothing of their subject" in said
    said = refused(capsys, *command, tmp_path / "e", "--folds 2")
    assert "--folds 2 holds out people, but 1 of 6 clips say nothing" in said


def test_subjects_who_are_not_there_are_refused_before_the_work(capsys, tmp_path):
    file = npz(tmp_path / "a.npz", [1, 1, 1, 1, 2, 2, 2, 2])
    command = "prepare arrays", file, "--out", tmp_path / "d", "--train-subjects 1 7"
    assert "no subject 7 to train on; the set has 1, 2" in refused(capsys, *command)
    assert list(tmp_path.iterdir()) == [file]


people_by_name = ["anna", "ben", "anna", "ben", "carl", "carl", "anna", "ben"]


def test_subjects_are_named(capsys, tmp_path):
    file = npz(tmp_path / "a.npz", people_by_name)
    command = "prepare arrays", file, "--frames 8 --out"
    said = done(capsys, *command, tmp_path / "d", "--train-subjects anna carl")
    assert "subject by the arrays of a.npz: anna as 1, ben as 2, carl as 3" in said
    assert "xsub: subject anna, carl train (5 clips), ben validate (3)" in said
    data = Dataset(tmp_path / "d")
    assert data.about["subject_names"] == {1: "anna", 2: "ben", 3: "carl"}
    assert data.about["protocols"]["xsub"] == dict(by="subject", train=[1, 3], val=[2])
    done(capsys, *command, tmp_path / "e", "--train-subjects 3 01")
    assert (tmp_path / "d/samples.csv").read_text() == (tmp_path / "e/samples.csv").read_text()
    said = refused(capsys, *command, tmp_path / "f", "--train-subjects anna dora")
    assert "there is no subject dora to train on; the set has anna, ben, carl" in said
    said = refused(capsys, *command, tmp_path / "f", "--train-subjects anna ben carl")
    assert "names all subjects (anna, ben, carl)" in said


@pytest.mark.parametrize("odd", ["", "7"])
def test_subjects_are_all_names_or_all_numbers(capsys, tmp_path, odd):
    file = npz(tmp_path / "a.npz", [odd, *people_by_name[1:]])
    said = refused(capsys, "prepare arrays", file, "--frames 8 --out", tmp_path / "d")
    assert "'subject' in" in said and "write all of one kind" in said


def test_a_demo_of_odd_subjects_makes_folds(capsys, tmp_path):
    file = npz(tmp_path / "a.npz", [1, 1, 3, 3, 5, 5, 7, 7])
    recipe = tmp_path / "r.yaml"
    recipe.write_text("extends: demo\nepochs: 1\nwidth: 4\nout_dim: 8\nbatch: 4\n")
    done(capsys, "demo --data", file, "--out", tmp_path / "o", "--settings", recipe, "--frames 8")
    assert "fold1/val" in (tmp_path / "o/index.html").read_text("utf-8")
    unknown = npz(tmp_path / "b.npz")
    assert "but nobody is named" in refused(capsys, "demo --data", unknown, "--out", tmp_path / "p")


def test_an_odd_last_batch_in_supervised_training(capsys, tmp_path):
    data = prepared(capsys, tmp_path, [1, 1, 1, 1, 1, 2, 2, 2])
    run = trained(capsys, tmp_path, data, "xsub/train")
    ask = "--protocols supervised --tune.batch 2 --tune.epochs 2 --tune.steps 1 --threads 1"
    assert "supervised" in done(capsys, "evaluate", run, ask)


def test_info_of_shared_arrays(capsys, tmp_path):
    (tmp_path / "xsub").mkdir()
    for split, clips in dict(train=4, val=3).items():
        x = np.random.default_rng(0).normal(size=(clips, 3, 8, 25, 2)).astype("f4")
        np.save(tmp_path / f"xsub/{split}_position.npy", x)
        names = [f"S001C001P00{i}R001A00{i}" for i in range(1, clips + 1)]
        labels = [0, 1, 0, 1][:clips]
        (tmp_path / f"xsub/{split}_label.pkl").write_bytes(pickle.dumps((names, labels)))
    said = done(capsys, "info", tmp_path)
    assert re.search(r"xsub/train +xsub/val", said)
    assert re.search(r"^clips +4 +3$", said, re.M)
    assert re.search(r"^ +0 0 +2 +2$", said, re.M)


# Folds, from prepare to their mean


people = [1, 1, 2, 2, 3, 3, 4, 4]


def test_folds_are_made_judged_and_averaged(capsys, tmp_path):
    data = prepared(capsys, tmp_path, people, "--folds 2 --leave-one-subject-out")
    splits = Dataset(data).splits
    assert {"xsub/train", "fold2/val", "loso_4/val"} <= set(splits)
    run = trained(capsys, tmp_path, data, "fold1/train")
    out = tmp_path / "out"
    ask = "--protocols knn --protocol"
    said = done(capsys, "evaluate", run, " ".join(quick), ask, "folds --out", out)
    assert "mean over 2 folds" in said
    told = json.loads((out / "folds.json").read_text("utf-8"))
    assert list(told["folds"]) == ["fold1", "fold2"]
    for row in told["rows"]:
        each = list(row["folds"]["1-NN"].values())
        assert row["1-NN"] == pytest.approx(np.mean(each))
        assert row["1-NN ±"] == pytest.approx(np.std(each, ddof=1))
    with open(out / "folds.csv", newline="") as f:
        figures = list(csv.DictReader(f))
    first = next(row for row in figures if row["fold"] == "fold2")
    assert float(first["top1"]) == told["rows"][0]["folds"]["1-NN"]["fold2"]
    said = done(capsys, "evaluate", run, " ".join(quick), ask, "loso --out", tmp_path / "loso")
    assert "mean over 4 folds" in said and "loso_3: 6 clips train, 2 are held out" in said


def test_a_run_for_each_fold(capsys, tmp_path):
    data = prepared(capsys, tmp_path, people, "--folds 2")
    for fold in ("fold1", "fold2"):
        out = tmp_path / "runs" / fold
        command = "pretrain --data", data, "--out", out, " ".join(tiny), f"--split {fold}/train"
        done(capsys, *command)
    runs = tmp_path / "runs/{protocol}"
    ask = "--protocols knn --protocol folds --no-baselines --threads 1"
    assert "--data and --out" in refused(capsys, "evaluate", runs, ask)
    where = "--data", data, "--out", tmp_path / "out"
    assert "pre-trained once" not in done(capsys, "evaluate", runs, ask, *where)
    told = json.loads((tmp_path / "out/folds.json").read_text("utf-8"))
    for fold, rows in told["folds"].items():
        assert f"runs/{fold}/" in rows[0]["weights"]["file"]
    assert "checkpoints last" in refused(capsys, "evaluate", runs, ask, *where, "--checkpoints all")


@pytest.mark.parametrize(
    "asked,says",
    [
        ("folds", "the set has no folds (it has xsub, all); prepare it with --folds 5"),
        ("loso", "prepare it with --leave-one-subject-out"),
        ("fold1", "unknown split"),
    ],
)
def test_folds_that_were_not_made(capsys, tmp_path, asked, says):
    data = prepared(capsys, tmp_path, people)
    run = trained(capsys, tmp_path, data, "xsub/train")
    assert says in refused(capsys, "evaluate", run, "--threads 1 --protocol", asked)


def test_more_folds_than_people_are_refused(capsys, tmp_path):
    file = npz(tmp_path / "a.npz", people)
    command = "prepare arrays", file, "--out", tmp_path / "d", "--folds"
    assert "--folds 5 cannot be made of 4 subjects" in refused(capsys, *command, "5")
    assert "folds must be at least 2" in refused(capsys, *command, "1")
