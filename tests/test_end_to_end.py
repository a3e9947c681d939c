"The commands one after the other, on made-up recordings, on synthetic people, on UI-PRMD; and each of their refusals"

import csv
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hysp import cli
from hysp.checkpoint import load_state, load_weights
from hysp.core import checksum, names_checksum
from hysp.embeddings import load_embeddings, scene
from hysp.feeder import Dataset
from hysp.runs import load_run
from hysp.skeleton import layouts

root = Path(__file__).parents[1]
npz = root.parent / "shared/data/uiprmd_kinect.npz"
small = "--device cpu --threads 1 --width 2 --out-dim 4 --head-dim 4 --batch 8 --epochs 2 --dropout .2".split()
quick = "--device cpu --threads 1 --linear.epochs 4 --linear.steps 3".split()

pytestmark = pytest.mark.usefixtures("one_thread")


def words(*args):
    "The arguments of a command: strings are taken apart at spaces, lists are not"
    found = []
    for arg in args:
        if isinstance(arg, str):
            found += arg.split()
        elif isinstance(arg, list):
            found += arg
        else:
            found.append(arg)
    return [str(word) for word in found]


def hysp(capsys, *args):
    "Exit code and what was printed on either stream"
    code = cli.main(words(*args))
    out = capsys.readouterr()
    return code, out.out, out.err


def done(capsys, *args):
    code, out, err = hysp(capsys, *args)
    assert code == 0, err
    return out


def refused(capsys, *args):
    "The one sentence with which a command is refused; progress bars may come before it"
    code, _, err = hysp(capsys, *args)
    *bars, said = [o for o in re.split("[\r\n]", err) if o.strip()]
    assert code == 2 and said.startswith("hysp: ") and "Traceback" not in err, (code, err)
    assert all(re.match(r"[\w ]*: +\d+%|\d+(\.\d+)?k?clip|[^a-z]*\d+%", o) for o in bars), bars
    return said


def recordings(joints="ui-prmd", **changed):
    "Arrays as UI-PRMD's: 4 classes x 4 subjects x 6 clips; a class is the joint that swings, and how fast"
    layout, rng, n = layouts[joints], np.random.default_rng(0), 96
    label, subject, times = np.arange(n) % 4, np.arange(n) // 4 % 4 + 1, rng.integers(6, 12, n)
    pose = rng.normal(size=(len(layout), 3)) * 0.3

    def clip(y, t):
        x = pose + rng.normal(size=(t, len(layout), 3)) * 0.02
        x[:, 3 + 4 * y] += 0.4 * np.sin(np.linspace(0, 2 + 2 * y, t))[:, None]
        return x

    frames = np.concatenate([clip(y, t) for y, t in zip(label, times)]).astype(np.float32)
    return (
        dict(
            frames=frames,
            offsets=np.r_[0, times.cumsum()],
            label=label,
            subject=subject,
            class_names=["lift right", "lift wrong", "bend right", "bend wrong"],
            joint_names=layout.joints,
            parents=layout.parents,
            fps=30,
        )
        | changed
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    "A folder with recordings, the dataset folder made of them, and a run of two epochs"
    d = tmp_path_factory.mktemp("made")
    np.savez(d / "clips.npz", **recordings())
    assert cli.main(words("prepare arrays", d / "clips.npz", "--out", d / "set", "--frames 8")) == 0
    assert cli.main(words("pretrain uiprmd --data", d / "set", "--out", d / "run", small)) == 0
    return d


@pytest.fixture
def folder(made, tmp_path):
    "A copy that may be spoilt"
    return Path(shutil.copytree(made, tmp_path / "made"))


def weights(run):
    return {
        k: v.numpy().tobytes() for k, v in load_weights(sorted(run.glob("epoch_*"))[-1])[0].items()
    }


def metrics(run):
    with open(run / "metrics.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    for row in rows:
        del row["seconds"], row["run"]
    return rows


def finite(rows):
    for row in rows:
        if not all(np.isfinite(float(value)) for value in row.values()):
            return False
    return True


# From recordings to a verdict


def kinds(*epochs):
    "Names of the rows of an evaluation"
    ours = [f"hysp, epoch {o}" for o in epochs]
    read = [f"{ours[-1]}, tangents", f"{ours[-1]} ⊕ raw", "untrained encoder", "untrained ⊕ raw"]
    warped = ["DTW, nothing learnt", "DTW with velocity, nothing learnt"]
    return [*ours, *read, "raw coordinates", "raw, whitened", *warped, "chance"]


def check_evaluation(out, classes, kinds):
    "The numbers of evaluation.json agree with each other and with the table"

    def never(o):
        raise AssertionError(f"{o} is not JSON")

    told = json.loads((out / "evaluation.json").read_text("utf-8"), parse_constant=never)
    assert [o["features"] for o in told["rows"]] == kinds
    for row in told["rows"]:
        m = np.array(row["confusion"])
        main = "1-NN" if "DTW" in row["features"] else "linear"
        assert row[main] == pytest.approx(m.trace() / m.sum(), abs=1e-12)
        assert 0 <= row["1-NN"] <= 1
        assert main == "1-NN" or row["linear"] <= row["linear_top5"] <= 1
        for c, share in enumerate(row["per_class"]):
            assert (
                share is None
                if not m[c].sum()
                else share == pytest.approx(m[c, c] / m[c].sum(), abs=1e-12)
            )
        low, high = row["protocols"][main]["interval"]
        cell = f"| {100 * row[main]:.1f} ({100 * low:.1f}–{100 * high:.1f}) |"
        assert cell in (out / "evaluation.md").read_text("utf-8")
    assert told["class_names"] == classes
    return told["rows"]


def has_all(line, cells):
    return all(cell in line for cell in cells)


@pytest.mark.parametrize("source", ["recordings", "synthetic"])
def test_prepare_pretrain_evaluate_info(tmp_path, capsys, source):
    data, run = tmp_path / "set", tmp_path / "run"
    if source == "recordings":
        np.savez(tmp_path / "clips.npz", **recordings())
        out = done(capsys, "prepare arrays", tmp_path / "clips.npz", "--out", data, "--frames 8")
        assert "96 clips, 4 classes, 8 frames, 1 body, ui-prmd" in out and re.search(
            r"^clips +48 +48 +96$", out, re.M
        )
    else:
        out = done(capsys, "synth --n 48 --classes 12 --subjects 4 --frames 8 --out", data)
        assert "48 clips, 12 classes, 8 frames, 2 bodies, ntu-rgb+d" in out
    *told, then = done(capsys, "info", data).splitlines()
    *_, written, last = out.splitlines()
    assert written == f"written     {data}" and last == then
    before = "\n".join(out.splitlines()[:-2])
    assert before.endswith("\n".join(told)), "what was taken for what comes before"
    out = done(capsys, "pretrain uiprmd --data", data, "--out", run, small)
    assert f"weights: {run / 'epoch_0002.safetensors'}" in out
    rows = metrics(run)
    assert len(rows) == 2 and finite(rows)
    assert all(float(row["norm"]) < 1 for row in rows)
    out = done(capsys, "info", run)
    assert (
        "epoch_0002.safetensors" in out
        and "2 epochs; the last: epoch 2" in out
        and re.search(f"^data +{re.escape(str(data))}$", out, re.M)
    )
    before = weights(run)
    out = done(capsys, "evaluate", run, quick, "--k 1 3")
    val = Dataset(data, "xsub/val")
    rows = check_evaluation(run, val.class_names, kinds(2))
    for r in rows:
        shown = np.bincount(val.labels, minlength=val.classes).tolist()
        assert np.array(r["confusion"]).sum(1).tolist() == shown
        assert ("3-NN" in r) == ("DTW" not in r["features"])
    written = (run / "evaluation.md").read_text("utf-8").splitlines()
    for line in written:
        cells = line.strip("| ").split(" | ") if "---" not in line else []
        found = [printed for printed in out.splitlines() if has_all(printed, cells)]
        assert found, line
    assert sum("the best of what costs nothing" in o for o in written) == 2
    assert weights(run) == before


def test_the_printed_table_is_aligned(made, capsys, tmp_path):
    out = done(capsys, "evaluate", made / "run", quick, "--rerank 5 --out", tmp_path)
    lines = out.splitlines()
    start = next(i for i, o in enumerate(lines) if o.startswith("features"))
    heading, rule, *rest = lines[start : start + 2 + len(kinds(2))]
    ends = [m.end() for m in re.finditer("-+", rule)]
    assert len(ends) == 5 and "1-NN, re-ranked" in heading
    for line, name in zip(rest, kinds(2)):
        assert line.startswith(f"{name} ") and len(line) == ends[-1]
        assert all(line[o - 1] in ")–0123456789" for o in ends[1:]), line


def test_the_verdict_is_not_a_matter_of_batches_or_cache(made, capsys, tmp_path):
    a, b, c = (
        done(capsys, "evaluate", made / "run", quick, "--out", tmp_path / o, "--batch", n)
        for o, n in (("a", 7), ("b", 256), ("a", 48))
    )
    a, b, c = (out.partition("written")[0] for out in (a, b, c))
    assert a == b == c
    mine, theirs = (sorted((tmp_path / o / "features").glob("*.npy")) for o in "ab")
    assert [o.name for o in mine] == [o.name for o in theirs]
    assert len(mine) == 6, "encoder, online branch and untrained encoder, on both splits"
    for x, y in zip(mine, theirs):
        np.testing.assert_allclose(np.load(x), np.load(y), atol=1e-5)


def test_merged_classes_and_a_checkpoint_by_name(made, capsys, tmp_path):
    out = done(
        capsys,
        "evaluate",
        made / "run/epoch_0002.safetensors",
        quick,
        "--out",
        tmp_path,
        ["--group", " "],
        "--no-baselines",
    )
    rows = json.loads((tmp_path / "evaluation.json").read_text())["rows"]
    assert (
        [r["classes"] for r in rows] == 3 * ["4 classes", "2 groups"]
        and np.array(rows[1]["confusion"]).shape == (2, 2)
        and "2 groups" in out
    )


def test_raw_coordinates_are_told_apart(made, capsys, tmp_path):
    "Made-up classes that a nearest neighbour sees: the data reach the classifiers in the right order"
    done(capsys, "evaluate", made / "run", "--linear.epochs 30 --linear.steps 20 --out", tmp_path)
    rows = json.loads((tmp_path / "evaluation.json").read_text())["rows"]
    top1 = {o["features"]: o["1-NN"] for o in rows}
    assert min(top1[o] for o in ("raw coordinates", "raw, whitened", "DTW, nothing learnt")) > 0.9
    assert top1["chance"] == 0.25


def test_a_class_that_nobody_shows_in_val_is_null(folder, capsys):
    x = recordings()
    keep = (x["label"] != 3) | (x["subject"] % 2 == 1)
    parts = np.split(x["frames"], x["offsets"][1:-1])
    x |= dict(
        frames=np.concatenate([p for p, k in zip(parts, keep) if k]),
        offsets=np.r_[0, np.diff(x["offsets"])[keep].cumsum()],
        label=x["label"][keep],
        subject=x["subject"][keep],
    )
    np.savez(folder / "fewer.npz", **x)
    done(capsys, "prepare arrays", folder / "fewer.npz", "--out", folder / "fewer", "--frames 8")
    done(capsys, "evaluate", folder / "run", "--data", folder / "fewer", quick)
    rows = check_evaluation(folder / "run", x["class_names"], kinds(2))
    assert rows[0]["per_class"][3] is None


def judged(made, capsys, tmp_path, changed, frames=8, *more):
    "Rows by name of the made run on recordings that were changed, and what was printed"
    np.savez(tmp_path / "other.npz", **changed)
    prepare = f"--frames {frames} --out"  # Two people, as like one another as can be
    done(capsys, "prepare arrays", tmp_path / "other.npz", prepare, tmp_path / "other")
    data = ["--data", tmp_path / "other", "--out", tmp_path / "out"]
    out = done(capsys, "evaluate", made / "run", quick, "--rerank 5", *data, *more)
    rows = check_evaluation(tmp_path / "out", changed["class_names"], kinds(2))
    return {o["features"]: o for o in rows}, out


def with_bodies(changed, two):
    "A second person beside the first, in the clips where `two` is true"
    x, times = changed["frames"], np.diff(changed["offsets"])
    second = (x + [0.5, 0, 0]) * np.repeat(two, times)[:, None, None]
    return changed | dict(frames=np.stack([x, second], 1).astype(np.float32))


@pytest.mark.parametrize("case", ["a class nobody trained", "one class", "one frame"])
def test_odd_sets_are_judged(made, capsys, tmp_path, case):
    x = recordings()
    if case == "a class nobody trained":
        x["label"] = np.where((x["label"] == 3) & (x["subject"] % 2 == 1), 2, x["label"])
    if case == "one class":
        x |= dict(label=x["label"] * 0, class_names=["all"])
    rows, out = judged(made, capsys, tmp_path, x, 1 if case == "one frame" else 8)
    assert rows["DTW, nothing learnt"]["1-NN"] > 0.5 or case == "one frame"
    if case == "one class":
        assert all(o["1-NN"] == 1 for o in rows.values()) and "level with" in out
    if case == "a class nobody trained":
        assert all(o["per_class"][3] == 0 for o in rows.values())
        assert rows["chance"]["1-NN"] == 0.25, "class 2 has most clips in training, not in val"


def test_two_people_who_are_judged_alone(made, capsys, tmp_path):
    "Nobody trained in pairs: neighbours are sought among all, and time warping has none"
    x = recordings()
    two = (x["subject"] == 2) & (x["label"] != 0)
    rows, _ = judged(made, capsys, tmp_path, with_bodies(x, two))
    lone = ~two[x["subject"] % 2 == 0]
    said = np.array(rows["DTW, nothing learnt"]["confusion"])
    assert said.sum() == 48 and said[:, 0].sum() >= (~lone).sum(), "class 0 is the first of equals"


def test_as_many_bodies_is_an_option(made, capsys, tmp_path):
    "Pairs of people in two of four classes, in training and in val"
    x = recordings()
    x = with_bodies(x, x["label"] >= 2)
    rows = {}
    for word in ("", "--no-same-bodies"):
        rows[word], _ = judged(made, capsys, tmp_path, x, 8, word)
        shutil.rmtree(tmp_path / "other")
    for name in ("hysp, epoch 2", "untrained encoder"):
        m = np.array(rows[""][name]["protocols"]["1-NN"]["confusion"])
        assert not m[:2, 2:].any() and not m[2:, :2].any(), "one person is never taken for two"
    free = rows["--no-same-bodies"]["hysp, epoch 2"]["protocols"]["1-NN"]["confusion"]
    assert np.array(free)[2:, :2].any() or np.array(free)[:2, 2:].any()
    assert rows[""]["chance"] == rows["--no-same-bodies"]["chance"]


def test_one_training_clip_is_too_few(folder, capsys):
    x = recordings()
    file = folder / "few.npz"
    first = np.flatnonzero((x["subject"] == 1) | (x["subject"] == 2))[[0, *range(7, 12)]]
    keep = np.isin(np.arange(96), first)
    keep &= (x["subject"] == 2) | (np.arange(96) == first[0])
    parts = np.split(x["frames"], x["offsets"][1:-1])
    x |= dict(
        frames=np.concatenate([p for p, k in zip(parts, keep) if k]),
        offsets=np.r_[0, np.diff(x["offsets"])[keep].cumsum()],
        label=x["label"][keep],
        subject=x["subject"][keep],
    )
    assert (x["subject"] == 1).sum() == 1
    np.savez(file, **x)
    done(capsys, "prepare arrays", file, "--out", folder / "few", "--frames 8")
    words = ["evaluate", folder / "run", "--data", folder / "few", quick, "--protocols knn"]
    assert "two training clips or more" in refused(capsys, *words)
    assert "chance" not in done(capsys, *words, "--no-baselines")


def test_a_number_of_neighbours_below_none_is_refused(made, capsys):
    assert "rerank must be at least 0" in refused(capsys, "evaluate", made / "run", "--rerank -1")


def test_demo_makes_a_page_that_needs_no_network(made, capsys, tmp_path):
    (tmp_path / "tiny.yaml").write_text(
        "extends: demo\nwidth: 2\nout_dim: 4\nhead_dim: 4\nbatch: 8\nepochs: 2\n"
    )
    out = done(
        capsys,
        "demo --data",
        made / "clips.npz",
        "--frames 8 --settings",
        tmp_path / "tiny.yaml",
        "--out",
        tmp_path / "demo",
        "--device cpu --threads 1",
    )
    page = tmp_path / "demo/index.html"
    text = page.read_text("utf-8")
    assert str(page) in out and "hysp, epoch 2" in out
    for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", text):
        assert not re.search(r'(src|href)\s*=\s*["\']?(?!["\']?(data:|#))', tag), tag
    assert (
        'id="explorer"' in text
        and "rained encoder is right on" in text
        and all(
            o in text for o in ("bend wrong", "untrained encoder", "raw coordinates", "clip00095")
        )
    )
    assert "nan" not in re.sub("<script.*?</script>", "", text, flags=re.S).lower().split()
    again = done(
        capsys,
        "demo --data",
        made / "set",
        "--settings",
        tmp_path / "tiny.yaml",
        "--out",
        tmp_path / "demo",
        "--device cpu --threads 1",
    )
    assert (
        "2 epochs of 6 steps of 8 clips on cpu, all of them done before" in again and page.exists()
    ), "a dataset folder will do, and a finished run is not run again"


# Every protocol, several streams, half of the clips

few = "--tune.epochs 2 --tune.steps 1 --tune.batch 8".split()


def test_every_protocol_over_every_checkpoint(made, capsys, tmp_path):
    done(
        capsys,
        "pretrain uiprmd --data",
        made / "set",
        "--out",
        tmp_path / "run",
        small,
        # Else some tangents of a head so narrow coincide, and a tie of votes counts as wrong
        "--gain 1",
        "--keep-every 1",
    )
    out = done(
        capsys,
        "evaluate",
        tmp_path / "run",
        quick,
        few,
        "--protocols knn linear mobius semi supervised radius --checkpoints all",
        "--metric cosine euclidean poincare --k 0 --shares .25 --out",
        tmp_path / "out",
    )
    told, places = json.loads((tmp_path / "out/evaluation.json").read_text()), tmp_path / "out"
    assert [r["features"] for r in told["rows"]] == kinds(1, 2)
    names = [
        "k-NN cosine",
        "k-NN euclidean",
        "k-NN poincare",
        "linear",
        "mobius",
        "semi 25 %",
        "supervised",
    ]
    by_name = {r["features"]: list(r["protocols"]) for r in told["rows"]}
    tuned = ("hysp, epoch 1", "hysp, epoch 2", "untrained encoder", "chance")
    for name in ("DTW, nothing learnt", "DTW with velocity, nothing learnt"):
        assert by_name.pop(name) == ["1-NN"]
    assert all(found == names[: 7 if k in tuned else 5] for k, found in by_name.items())
    with open(places / "evaluation.csv", newline="") as f:
        flat = list(csv.DictReader(f))
    assert len(flat) == 4 * 7 + 5 * 5 + 2
    for r in flat:
        row = next(o for o in told["rows"] if o["features"] == r["features"])["protocols"][
            r["protocol"]
        ]
        m = np.array(row["confusion"])
        assert (
            float(r["top1"]) == row["top1"] == pytest.approx(m.trace() / m.sum())
            and float(r["low"]) <= row["top1"] <= float(r["high"])
            and int(r["clips"]) == m.sum() == 48
        )
    assert (
        "Oracle, chosen on the test labels" in out
        and "Reported is the last epoch, 2" in out
        and out.count("What the radius of the predictor knows") == 1
    )
    for name in ("evaluation.png", "radius.png", "maturing.png"):
        assert (places / name).read_bytes().startswith(b"\x89PNG")
    with open(places / "labels-0.25-seed0.csv", newline="") as f:
        chosen = list(csv.DictReader(f))
    train = Dataset(made / "set", "xsub/train")
    assert len(chosen) == 12 and {row["name"] for row in chosen} < set(train.names)
    assert Counter(row["class"] for row in chosen) == {name: 3 for name in train.class_names}


def test_the_manifest_says_where_a_figure_comes_from(made, capsys, tmp_path):
    done(capsys, "evaluate", made / "run", quick, "--out", tmp_path, "--seed 3")
    told = json.loads((tmp_path / "evaluation.json").read_text())
    m, w = told["manifest"], told["rows"][0]["weights"]
    assert (
        m["data"]["checksum"] == Dataset(made / "set").checksum
        and m["data"]["splits"] == {"xsub/train": 48, "xsub/val": 48}
        and m["data"]["frames"] == 8
    )
    assert (
        w["sha256"] == checksum(w["file"])
        and w["epoch"] == 2
        and w["picked"] == "last epoch kept"
        and w["pretrained_on"]["checksum"] == m["data"]["checksum"]
    )
    assert (
        m["settings"]["seed"] == 3
        and m["settings"]["linear"]["batch"] == 256
        and m["augmentation"] == "none"
        and m["environment"]["torch"]
        and not m["transfer"]
        and "last epoch" in m["reported"]
    )
    done(capsys, "evaluate", w["file"], quick, "--out", tmp_path)
    assert (
        json.loads((tmp_path / "evaluation.json").read_text())["rows"][0]["weights"]["picked"]
        == "named"
    )


def test_transfer(made, capsys, tmp_path):
    x = recordings()
    x["frames"] = x["frames"] * 1.1
    np.savez(tmp_path / "b.npz", **x)
    np.savez(tmp_path / "c.npz", **recordings("coco"))
    for o in "bc":
        done(capsys, "prepare arrays", tmp_path / f"{o}.npz", "--out", tmp_path / o, "--frames 8")
    done(
        capsys, "evaluate", made / "run", quick, "--data", tmp_path / "b", "--out", tmp_path / "out"
    )
    told = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert (
        told["manifest"]["transfer"]
        and told["rows"][0]["weights"]["pretrained_on"]["checksum"]
        != told["manifest"]["data"]["checksum"]
    )
    assert "layout" in refused(
        capsys, "evaluate", made / "run", quick, "--data", tmp_path / "c", "--out", tmp_path / "out"
    )


def test_a_checkpoint_that_was_never_trained_is_refused(folder, capsys):
    from hysp.checkpoint import save_weights
    from hysp.runs import build

    file = folder / "run/epoch_0002.safetensors"
    _, about = load_weights(file)
    save_weights(file, build(about["spec"]).state_dict(), about)
    assert "was never trained" in refused(capsys, "evaluate", folder / "run", quick)


def test_ensemble(made, capsys, tmp_path):
    runs = [made / "run"]
    for stream in ("bone", "motion"):
        runs.append(tmp_path / stream)
        done(
            capsys,
            "pretrain uiprmd --data",
            made / "set",
            "--out",
            runs[-1],
            small,
            "--stream",
            stream,
        )
    out = done(
        capsys,
        "ensemble",
        runs,
        "--out",
        tmp_path / "e",
        "--fitted --oracle --device cpu --threads 1 --weights 2 1 1",
    )
    rows = json.loads((tmp_path / "e/ensemble.json").read_text())["rows"]
    assert [o["scores"] for o in rows] == ["joint, epoch 2", "bone, epoch 2", "motion, epoch 2"] + [
        "ensemble"
    ] * 3
    numbers = re.findall(r"\d+\.\d+", (tmp_path / "e/ensemble.md").read_text())
    assert "|" not in out and re.findall(r"\d+\.\d+", out.partition("written")[0]) == numbers
    assert (
        rows[3]["fused"] == "fixed: 2.00, 1.00, 1.00"
        and "held-out" in rows[4]["fused"]
        and "oracle" in rows[5]["fused"]
        and rows[5]["top1"] >= max(o["top1"] for o in rows[:3])
    )
    assert "two runs or more" in refused(
        capsys, "ensemble", made / "run"
    ) and "2 weights for 3 runs" in refused(capsys, "ensemble", runs, "--weights 1 2")


def test_an_ensemble_of_other_clips_is_refused(made, capsys, tmp_path):
    other = Path(shutil.copytree(made, tmp_path / "other"))
    text = (other / "set/samples.csv").read_text().splitlines()
    lines = [text[0], text[2], text[1], *text[3:]]
    (other / "set/samples.csv").write_text("\n".join(lines) + "\n")
    about = (other / "set/dataset.yaml").read_text()
    before, after = (names_checksum(line.split(",")[0] for line in o[1:]) for o in (text, lines))
    (other / "set/dataset.yaml").write_text(about.replace(before, after))
    state, about = load_weights(other / "run/epoch_0002.safetensors")
    from hysp.checkpoint import save_weights

    save_weights(
        other / "run/epoch_0002.safetensors",
        state,
        dict(about, settings=dict(about["settings"], data=str(other / "set"))),
    )
    assert "same clips in the same order" in refused(
        capsys, "ensemble", made / "run", other / "run", "--out", tmp_path / "e"
    )


@pytest.mark.parametrize("keep", ["high", "low", "mixed"])
def test_subset(made, capsys, tmp_path, keep):
    out = done(
        capsys,
        "subset",
        made / "set",
        "--run",
        made / "run",
        "--out",
        tmp_path / "half",
        "--keep",
        keep,
        "--device cpu --threads 1",
    )
    a, b = (Dataset(o, "xsub/train") for o in (made / "set", tmp_path / "half"))
    assert (
        len(b) == 24
        and set(b.names) < set(a.names)
        and Dataset(tmp_path / "half", "xsub/val").names == Dataset(made / "set", "xsub/val").names
        and "24 of the 48" in out
    )
    assert b.about["view"]["keep"] == keep and b.about["view"]["checkpoint"]["epoch"] == 2
    done(capsys, "pretrain uiprmd --data", tmp_path / "half", "--out", tmp_path / "run", small)
    done(capsys, "evaluate", tmp_path / "run", quick)
    assert (
        json.loads((tmp_path / "run/evaluation.json").read_text())["manifest"]["data"]["view"][
            "keep"
        ]
        == keep
    )
    assert "not empty" in refused(
        capsys, "subset", made / "set", "--run", made / "run", "--out", tmp_path / "half"
    )


def test_subset_says_which_classes_it_leaves_empty(made, capsys, tmp_path):
    where = "--run", made / "run", "--device cpu --threads 1"
    little = "--share", "0.03", "--out"
    out = done(capsys, "subset", made / "set", *where, *little, tmp_path / "few")
    data = Dataset(made / "set", "xsub/train")
    some = {data.class_names[label] for label in Dataset(tmp_path / "few", "xsub/train").labels}
    present = {data.class_names[label] for label in data.labels}
    assert len(some) < len(present) and "--per-class keeps the share" in out
    assert f"no clip is left of {len(present - some)} of the" in out
    assert all(name in out for name in present - some)
    out = done(capsys, "subset", made / "set", *where, "--per-class", *little, tmp_path / "each")
    each = Dataset(tmp_path / "each", "xsub/train")
    assert set(each.labels) == set(data.labels) and "no clip is left" not in out
    assert each.about["view"]["per_class"]


# Sets with one protocol, which is not xsub


def gym(folder, clips=24):
    "A pickle as that of FineGYM: 2-D joints, and the parts `train` and `val`"
    g = np.random.default_rng(0)
    names = [f"clip{i:02}" for i in range(clips)]
    annotations = []
    for i, name in enumerate(names):
        keypoint = 100 + 30 * g.normal(size=(1, 8, 17, 2)).cumsum(1) + 20 * (i % 2)
        score = np.ones((1, 8, 17))
        known = dict(frame_dir=name, label=i % 2, total_frames=8, img_shape=(300, 300))
        annotations.append(dict(known, keypoint=keypoint, keypoint_score=score))
    split = dict(train=names[: clips // 2], val=names[clips // 2 :])
    path = folder / "gym_hrnet.pkl"
    path.write_bytes(pickle.dumps(dict(split=split, annotations=annotations)))
    return path


def test_the_one_protocol_of_a_set_is_used_and_said(tmp_path, capsys):
    data = tmp_path / "gym"
    done(capsys, "prepare pyskl", gym(tmp_path), "--out", data, "--frames 8")
    assert Dataset(data).splits == ["val/train", "val/val", "all"]
    said = f"{data} has no xsub; its one protocol, val, is used"
    train = ["pretrain uiprmd --data", data, small, "--pairs own"]
    run, bone = tmp_path / "run", tmp_path / "bone"
    out = done(capsys, *train, "--out", run)
    assert said in out and f"12 clips of {data} (val/train)" in out
    assert said in done(capsys, *train, "--out", run), "the run in the folder is the same one"
    done(capsys, *train, "--out", bone, "--stream bone")
    out = done(capsys, "evaluate", run, quick, "--no-baselines --protocols knn")
    assert out.count(said) == 1
    manifest = json.loads((run / "evaluation.json").read_text())["manifest"]
    assert manifest["data"]["splits"] == {"val/train": 12, "val/val": 12}
    where = "--device cpu --threads 1"
    for _ in range(2):
        out = done(capsys, "embed", run, where)
        assert said in out and "12 clips at 2 epoch(s)" in out
    assert load_embeddings(run).about["split"] == "val/val"
    assert scene(run).data().split == "val/val"
    half = ["subset", data, "--run", run, "--out", tmp_path / "half", where]
    assert "6 of the 12 clips of val/train" in done(capsys, *half)
    fused = done(capsys, "ensemble", run, bone, "--out", tmp_path / "both", quick)
    assert said in fused
    done(capsys, "demo --data", data, "--out", tmp_path / "demo", where, "--steps 2")
    wrong = refused(capsys, "evaluate", run, quick, "--protocol xview")
    assert "unknown split" in wrong and "val/train" in wrong


# One body for all layouts


def test_a_run_on_common_joints_judges_clips_of_another_layout(tmp_path, capsys):
    for layout in ("ui-prmd", "coco"):
        np.savez(tmp_path / f"{layout}.npz", **recordings(layout))
        to = ["--out", tmp_path / layout, "--frames 8 --to common-15"]
        out = done(capsys, "prepare arrays", tmp_path / f"{layout}.npz", *to)
        assert "8 frames, 1 body, common-15" in out
    run = tmp_path / "run"
    done(capsys, "pretrain uiprmd --data", tmp_path / "ui-prmd", "--out", run, small)
    other = ["--data", tmp_path / "coco"]
    done(capsys, "evaluate", run, quick, *other, "--no-baselines --out", tmp_path / "judged")
    told = json.loads((tmp_path / "judged/evaluation.json").read_text())
    assert told["manifest"]["data"]["path"] == str(tmp_path / "coco")
    file = tmp_path / "coco.npz.safetensors"
    done(capsys, "embed", run, *other, "--device cpu --threads 1 --out", file)
    e = load_embeddings(file)
    assert e.names == Dataset(tmp_path / "coco", "xsub/val").names
    assert e.z.isfinite().all()


# Interrupted


def process(*args):
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from hysp.cli import main; sys.exit(main())",
            *words(*args),
        ],
        cwd=root,
        text=True,
        env=os.environ | dict(TQDM_DISABLE="1", OMP_NUM_THREADS="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture(scope="module")
def whole(made):
    "A run of many epochs that nobody interrupts"
    assert (
        cli.main(
            words(
                "pretrain uiprmd --data",
                made / "set",
                "--out",
                made / "whole",
                small,
                "--epochs 20 --save-every 1",
            )
        )
        == 0
    )
    return weights(made / "whole"), metrics(made / "whole")


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_leaves_a_checkpoint_and_the_same_command_goes_on(
    made, whole, capsys, tmp_path, sig
):
    run = tmp_path / "run"
    command = words(
        "pretrain uiprmd --data", made / "set", "--out", run, small, "--epochs 20 --save-every 1"
    )
    p, began = process(command), time.monotonic()

    def trained():
        return (run / "metrics.csv").exists() and metrics(run)

    while not trained() and p.poll() is None and time.monotonic() < began + 120:
        time.sleep(0.002)
    p.send_signal(sig)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 130 and err.count("\n") == 1, err
    said = re.fullmatch(
        r"hysp: stopped in epoch (\d+) and saved to (.*); the same command goes on from there\n",
        err,
    )
    assert said and said[2] == str(run)
    state = load_state(run / "last.pt")
    assert state["epoch"] == int(said[1]) - 1 > 0 and not list(run.glob("epoch_*")), (
        "too late to mean anything"
    )
    assert len(metrics(run)) == state["epoch"]
    assert f"going on in epoch {state['epoch'] + 1}" in done(capsys, command)
    assert (weights(run), metrics(run)) == whole


# Refused: data


@pytest.mark.parametrize(
    "spoil,says",
    [
        (
            lambda x: x["frames"].__setitem__((200, 3, 1), np.nan),
            r"clip clip000\d\d holds nan at frame \d+, joint .*; mend the file or leave the clip out",
        ),
        (
            lambda x: x["frames"].__setitem__((0, 0, 0), np.inf),
            "clip clip00000 holds inf at frame 0",
        ),
        (lambda x: x["offsets"].__setitem__(6, x["offsets"][5]), "clip 5 in .* has no frames"),
        (
            lambda x: x["frames"].__setitem__(slice(0, x["offsets"][1]), 0),
            "clip clip00000 has no frame with anybody in it",
        ),
        (
            lambda x: x.update(frames=x["frames"][:, :21]),
            "have 21 joints, but layout 'ui-prmd' has 22",
        ),
        (
            lambda x: x["label"].__setitem__(7, 4),
            "clip 7 in .* has label 4, but the classes are numbered 0 to 3",
        ),
        (lambda x: x["label"].__setitem__(7, -1), "clip 7 in .* has label -1"),
        (lambda x: x.pop("label"), "has no array 'label'"),
    ],
    ids=[
        "NaN",
        "infinity",
        "no frames",
        "nobody",
        "joints",
        "label too high",
        "label below 0",
        "no labels",
    ],
)
def test_recordings_that_are_refused(tmp_path, capsys, spoil, says):
    x = recordings()
    spoil(x)
    np.savez(tmp_path / "clips.npz", **x)
    assert re.search(
        says,
        refused(
            capsys,
            "prepare arrays",
            tmp_path / "clips.npz",
            "--out",
            tmp_path / "set",
            "--frames 8",
        ),
    )
    assert [o.name for o in tmp_path.iterdir()] == ["clips.npz"]


def test_one_subject_alone_makes_no_split(tmp_path, capsys):
    np.savez(tmp_path / "clips.npz", **recordings(subject=np.full(96, 2)))
    done(capsys, "prepare arrays", tmp_path / "clips.npz", "--out", tmp_path / "set", "--frames 8")
    assert (
        re.search(
            "unknown split .* 'xsub/train'",
            refused(capsys, "pretrain --data", tmp_path / "set", "--out", tmp_path / "run", small),
        )
        and not (tmp_path / "run").exists()
    )


@pytest.mark.parametrize("cut", [0, 3, 1000])
def test_a_file_cut_short_is_refused(made, tmp_path, capsys, cut):
    (tmp_path / "clips.npz").write_bytes((made / "clips.npz").read_bytes()[:cut])
    assert (
        "cannot read"
        in refused(capsys, "prepare arrays", tmp_path / "clips.npz", "--out", tmp_path / "set")
        and not (tmp_path / "set").exists()
    )


def cut(name, to):
    def spoil(folder):
        (folder / name).write_bytes((folder / name).read_bytes()[:to])

    return spoil


def columns(change):
    def spoil(folder):
        with open(folder / "samples.csv", newline="") as f:
            rows = [r | change(r) for r in csv.DictReader(f)]
        with open(folder / "samples.csv", "w", newline="") as f:
            w = csv.DictWriter(f, rows[0])
            w.writeheader()
            w.writerows(rows)

    return spoil


@pytest.mark.parametrize(
    "spoil,says",
    [
        (cut("position.npy", -1), "position.npy: .* cut short"),
        (cut("position.npy", 50), "position.npy"),
        (cut("position.npy", 0), "position.npy"),
        (cut("samples.csv", -40), "samples.csv"),
        (cut("samples.csv", 0), "samples.csv has no column 'name'"),
        (cut("dataset.yaml", -400), "dataset.yaml"),
        (cut("dataset.yaml", 0), "dataset.yaml"),
        (lambda d: (d / "position.npy").unlink(), "there is no file .*position.npy"),
        (lambda d: (d / "samples.csv").unlink(), "cannot read .*samples.csv"),
        (lambda d: (d / "dataset.yaml").unlink(), "is no dataset"),
        (lambda d: shutil.rmtree(d), "there is no folder"),
        (
            columns(lambda r: dict(label="4")),
            "samples.csv, line 2: label 4, but the classes are numbered 0 to 3",
        ),
        (columns(lambda r: dict(label="x")), "line 2: label 'x' is no whole number"),
        (
            lambda d: np.save(d / "position.npy", np.load(d / "position.npy")[:, :, :, :20]),
            "20 joints, but layout 'ui-prmd' has 22",
        ),
    ],
)
def test_a_dataset_that_is_spoilt_or_cut_short_is_refused(folder, capsys, spoil, says):
    spoil(folder / "set")
    for command in (
        words("info", folder / "set"),
        words("pretrain --data", folder / "set", "--out", folder / "new", small),
        words("evaluate", folder / "run", "--data", folder / "set", quick),
    ):
        assert re.search(says, refused(capsys, command)), command
    assert not (folder / "new").exists()


@pytest.mark.parametrize("side", ["train", "val"])
def test_a_side_without_clips_is_refused(folder, capsys, side):
    columns(lambda r: dict(xsub={"train": "val", "val": "train"}[side]))(folder / "set")
    assert re.search(
        f"xsub/{side} .*no clips",
        refused(capsys, "evaluate", folder / "run", "--data", folder / "set", quick),
    )
    if side == "train":
        assert "the set holds 0 clips" in refused(
            capsys, "pretrain --data", folder / "set", "--out", folder / "new", small
        )


def test_a_set_without_subjects_has_nothing_to_evaluate_on(folder, capsys):
    x = recordings()
    del x["subject"]
    np.savez(folder / "clips.npz", **x)
    done(capsys, "prepare arrays", folder / "clips.npz", "--out", folder / "plain", "--frames 8")
    done(
        capsys,
        "pretrain uiprmd --split all --data",
        folder / "plain",
        "--out",
        folder / "new",
        small,
        "--epochs 1",
    )
    assert re.search(
        "unknown split .*xsub/train", refused(capsys, "evaluate", folder / "new", quick)
    )


def test_clips_of_another_skeleton_are_refused(folder, capsys):
    x = recordings("coco")
    np.savez(folder / "coco.npz", **x)
    done(capsys, "prepare arrays", folder / "coco.npz", "--out", folder / "coco", "--frames 8")
    assert re.search(
        r"trained on layout 'ui-prmd' \(22 joints\), the clips of .*coco have 'coco' \(17\)"
        "; prepare them with --to ui-prmd",
        refused(capsys, "evaluate", folder / "run", "--data", folder / "coco", quick),
    )
    assert "holds another run" in refused(
        capsys, "pretrain uiprmd --data", folder / "coco", "--out", folder / "run", small
    )


# Refused: training


def test_nan_stops_with_epoch_step_and_clip(folder, capsys):
    data = Dataset(folder / "set", "xsub/train")
    x = np.load(folder / "set/position.npy", mmap_mode="r+")
    x[data.index[5], 1, 2, 3] = np.nan
    x.flush()
    about = folder / "set/dataset.yaml"
    told = checksum(folder / "set/position.npy")
    about.write_text(about.read_text().replace(data.checksum, told))
    said = refused(capsys, "pretrain uiprmd --data", folder / "set", "--out", folder / "new", small)
    assert re.search(rf"coordinates that are no number, .* in clips {data.names[5]};", said)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "riemannian_sgd"])
def test_a_learning_rate_that_diverges(made, capsys, tmp_path, optimizer):
    said = refused(
        capsys,
        "pretrain uiprmd --lr 1e30 --data",
        made / "set",
        "--out",
        tmp_path / "run",
        small,
        "--optimizer",
        optimizer,
    )
    assert re.search(
        r"not finite in epoch 1, step \d: clips clip\d{5}, .*lower the learning rate", said
    ) and not list(tmp_path.glob("run/*.safetensors"))


def test_a_full_disk_is_one_sentence_and_the_older_state_remains(
    made, whole, capsys, tmp_path, monkeypatch
):
    command = words(
        "pretrain uiprmd --data",
        made / "set",
        "--out",
        tmp_path / "run",
        small,
        "--epochs 20 --save-every 1",
    )
    real, calls = os.fsync, []

    def full(fd):
        calls.append(fd)
        if len(calls) == 21:
            raise OSError(28, os.strerror(28))
        real(fd)

    monkeypatch.setattr(os, "fsync", full)
    said = refused(capsys, command)
    monkeypatch.undo()
    assert re.fullmatch(
        r"hysp: cannot write .*: No space left on device; what was there before is untouched", said
    ) and not list(tmp_path.glob("run/.*"))
    assert load_state(tmp_path / "run/last.pt")["epoch"] > 0 and "going on in epoch" in done(
        capsys, command
    )
    assert (weights(tmp_path / "run"), metrics(tmp_path / "run")) == whole


@pytest.mark.parametrize(
    "other",
    [
        "--epochs 3",
        "--batch 7",
        "--seed 1",
        "--lr .003",
        "--optimizer sgd",
        "--momentum .8",
        "--weight-decay .01",
        "--dropout .3",
        "--width 3",
        "--pool all",
        "--stream bone",
        "--ema .5",
        "--ramp 1 2",
        "--geometry ball",
        "--schedule constant",
        "--warmup .5",
        "--strong.noise .1",
        "--normal.shear .1",
        "--split all",
    ],
)
def test_the_folder_of_another_run_is_refused(made, capsys, other):
    run = made / "run"
    before = {o.name: o.read_bytes() for o in run.iterdir() if o.is_file()}
    said = refused(capsys, "pretrain uiprmd --data", made / "set", "--out", run, small, other)
    assert re.search(rf"{run} holds another run \(.*; name a new run folder$", said)
    assert before == {o.name: o.read_bytes() for o in run.iterdir() if o.is_file()}


def test_other_clips_are_another_run(folder, capsys):
    done(
        capsys,
        "prepare arrays",
        folder / "clips.npz",
        "--out",
        folder / "set",
        "--frames 8 --train-subjects 1 2 --overwrite",
    )
    assert "holds another run" in refused(
        capsys, "pretrain uiprmd --data", folder / "set", "--out", folder / "run", small
    )


def test_where_and_how_often_may_change(folder, capsys):
    (folder / "set").rename(folder / "moved")
    out = done(
        capsys,
        "pretrain uiprmd --data",
        folder / "moved",
        "--out",
        folder / "run",
        small,
        "--save-every 1 --keep-every 1 --threads 0",
    )
    assert "all of them done before" in out


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"\x80\x02cposix\nsystem\nq\x00X\x01\x00\x00\x00aq\x01\x85q\x02R.", None],
    ids=["empty", "text", "evil", "cut"],
)
def test_a_spoilt_state_is_refused(folder, capsys, content):
    last = folder / "run/last.pt"
    last.write_bytes(last.read_bytes()[:-1000] if content is None else content)
    assert re.search(
        r"last.pt is (damaged|no saved state).*; move it away|last.pt is no saved state",
        refused(capsys, "pretrain uiprmd --data", folder / "set", "--out", folder / "run", small),
    )


@pytest.mark.parametrize(
    "option,says",
    [
        ("--batch 0", "batch must be at least 1 and below 1,000,000,000, not 0"),
        ("--batch -8", "batch must be"),
        ("--batch 49", "the set holds 48 clips, fewer than a batch of 49"),
        ("--batch 1", "two clips"),
        ("--epochs 0", "epochs must be"),
        ("--save-every 0", "save_every must be"),
        ("--keep-every 0", "keep_every must be"),
        ("--width 0", "width must be"),
        ("--out-dim 0", "out_dim must be"),
        ("--dropout 1.5", "dropout must be"),
        ("--momentum 1", "momentum must be at least 0 and below 1, not 1"),
        ("--weight-decay -1", "weight_decay must be"),
        ("--threads -1", "threads must be"),
        ("--lr 0", "learning rate must be positive"),
        ("--ema 2", "moving average lies in [0,1]"),
        ("--ramp 5 1", "the curriculum cannot end (epoch 1) before it begins (epoch 5)"),
        ("--strong.flip 3", "flip is a probability"),
        ("--device cuda:99", "no device 'cuda:99'"),
        ("--split xsub/vall", "did you mean 'xsub/val'"),
        ("--wdith 3", "unknown option '--wdith'; did you mean '--width'?"),
    ],
)
def test_settings_that_cannot_be_meant(made, capsys, tmp_path, option, says):
    assert says in refused(
        capsys, "pretrain uiprmd --data", made / "set", "--out", tmp_path / "run", small, option
    )
    assert not list(tmp_path.glob("run/*.safetensors"))


# Refused: evaluation


@pytest.mark.parametrize(
    "option,says",
    [
        ("--k -1", "k must be at least 0"),
        ("--k 1 49", "no 49 neighbours of 48 clips"),
        ("--batch 0", "batch must be"),
        ("--linear.batch 0", "linear.batch must be"),
        ("--linear.epochs 0", "linear.epochs must be"),
        ("--linear.lr -1", "linear.lr must be"),
        ("--protocol xview", "unknown split"),
        ("--data nowhere", "there is no folder nowhere"),
        ("--linear.epoch 3", "did you mean '--linear.epochs'?"),
    ],
)
def test_evaluations_that_cannot_be_meant(made, capsys, tmp_path, option, says):
    assert says in refused(capsys, "evaluate", made / "run", "--out", tmp_path, quick, option)


def test_what_is_no_run_is_refused(folder, capsys, tmp_path):
    assert "no checkpoint at" in refused(capsys, "evaluate", tmp_path / "no", quick)
    assert "holds no weights" in refused(capsys, "evaluate", tmp_path, quick)
    assert "is not a whole safetensors file" in refused(
        capsys, "evaluate", folder / "run/last.pt", quick
    )
    about = load_weights(folder / "run/epoch_0002.safetensors")[1]
    cut("epoch_0002.safetensors", -5)(folder / "run")
    assert "is not a whole safetensors file" in refused(capsys, "evaluate", folder / "run", quick)
    for metadata in (
        None,
        dict(hysp="{}"),
        dict(hysp='{"spec": 3}'),
        dict(hysp='{"spec": {}}'),
        dict(hysp=json.dumps(about)),
    ):
        save_file(dict(a=torch.ones(2)), folder / "other.safetensors", metadata)
        assert re.search(
            "has no description written by hysp|holds no model|says of its 'spec' what it cannot be",
            refused(capsys, "evaluate", folder / "other.safetensors", quick),
        )


# The encoder for other programs, the paper's other models, weights to begin with


def test_export_of_a_run(made, capsys, tmp_path):
    out = done(
        capsys,
        "export",
        made / "run",
        "--format torchscript --bodies 1 --out",
        tmp_path / "encoder.pt",
    )
    assert (
        "clips (any number, 3, any number of frames from 5 on, 22, 1) to features (as many, 4); stream joint"
        in out
        and "largest difference" in out
    )
    x = torch.randn(2, 3, 8, 22, 1)
    with torch.no_grad():
        torch.testing.assert_close(
            torch.jit.load(tmp_path / "encoder.pt")(x),
            load_run(made / "run")[0].online_encoder(x),
            atol=1e-4,
            rtol=0,
        )
    assert "frames or more" in refused(
        capsys, "export", made / "run", "--frames 2 --out", tmp_path / "x"
    )
    assert [o.name for o in tmp_path.iterdir()] == ["encoder.pt"]


def test_what_a_run_ran_on_is_noted(made):
    told = json.loads((made / "run/environment.json").read_text("utf-8"))
    assert (
        told["torch"] == torch.__version__
        and told["data"] == Dataset(made / "set").checksum
        and told["seed"] == 0
        and told["devices"] == "cpu"
        and "git" in told
    )


@pytest.mark.parametrize("model", ["simsiam", "skeletonclr"])
@pytest.mark.parametrize("ramp", [["None"], ["0", "0"]], ids=["euclidean", "hyperbolic"])
def test_the_other_models_train_and_are_judged(made, capsys, tmp_path, model, ramp):
    done(
        capsys,
        "pretrain uiprmd --data",
        made / "set",
        "--out",
        tmp_path / "{model}-{stream}",
        small,
        "--queue 16 --pred-dim 2 --model",
        model,
        ["--ramp", *ramp],
    )
    run = tmp_path / f"{model}-joint"
    assert {float(r["lam"]) for r in metrics(run)} == {0.0 if ramp == ["None"] else 1.0}
    assert f"{model}, epoch 2" in done(capsys, "evaluate", run, quick)


def test_a_run_that_begins_with_the_weights_of_another(made, capsys, tmp_path):
    command = words(
        "pretrain uiprmd --data", made / "set", small, "--lr 1e-12 --weight-decay 0 --seed 3 --out"
    )
    done(capsys, command, tmp_path / "a", "--init", made / "run", "--model simsiam")
    done(capsys, command, tmp_path / "b", "--model simsiam")
    first, a, b = (
        load_weights(o / "epoch_0002.safetensors")[0][
            "online_encoder.st_gcn_networks.3.tcn.2.weight"
        ]
        for o in (made / "run", tmp_path / "a", tmp_path / "b")
    )
    assert torch.allclose(first, a, atol=1e-6) and not torch.allclose(first, b, atol=1e-3)
    assert "holds another model ('" in refused(
        capsys, command, tmp_path / "c", "--width 3 --init", made / "run"
    )


# The real recordings


@pytest.mark.skipif(not npz.exists(), reason="needs the UI-PRMD data beside the project")
def test_uiprmd(tmp_path, capsys):
    data, run = tmp_path / "set", tmp_path / "run"
    out = done(capsys, "prepare arrays", npz, "--out", data, "--frames 8")
    assert "2000 clips, 20 classes, 8 frames, 1 body, ui-prmd" in out and re.search(
        r"^clips +1000 +1000 +2000$", out, re.M
    )
    done(
        capsys,
        "pretrain uiprmd --data",
        data,
        "--out",
        run,
        "--width 4 --out-dim 16 --epochs 2 --batch 100 --device cpu --threads 1",
    )
    rows = metrics(run)
    assert len(rows) == 2 and finite(rows)
    done(
        capsys,
        "evaluate",
        run,
        "--device cpu --threads 1 --linear.epochs 10 --linear.steps 8",
        ["--group", " "],
    )
    told = json.loads((run / "evaluation.json").read_text("utf-8"))["rows"]
    assert sum(map(sum, told[0]["confusion"])) == 1000 and told[0]["1-NN"] > 0.15, (
        "chance is one in 20"
    )
    raw = next(
        r for r in told if r["features"] == "raw coordinates" and r["classes"] == "20 classes"
    )
    assert 0.65 < raw["1-NN"] < 0.9
