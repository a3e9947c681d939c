"bench/: its entry points run, its comparison says what got slower, and what is fast equals what is plain"

import csv
import importlib
import json
import os
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

root = Path(__file__).parents[1]
folder = root / "bench"


@pytest.fixture(autouse=True)
def found(monkeypatch):
    monkeypatch.syspath_prepend(str(folder))


def load(name):
    return importlib.import_module(name)


def run(*args):
    return subprocess.run(
        [sys.executable, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | dict(PYTHONPATH=str(root), OMP_NUM_THREADS="1", TQDM_DISABLE="1"),
    )


def row(stage="feeder", ratio="4.00", mode="short", size="7000 clips"):
    return dict(
        mode=mode,
        stage=stage,
        size=size,
        baseline="1",
        ours=".25",
        ratio=ratio,
        aim="5",
        memory="",
        rounds="5",
        threads="1",
        machine="a, 2 cores",
    )


# The table


def test_what_lost_its_lead_is_named():
    speed, kept = load("speed"), [row(), row("encoder", "2.0")]
    assert not list(speed.complaints(kept, kept))
    assert not list(speed.complaints(kept, [row(ratio="2.81"), row("encoder", "1.41")])), (
        "a little is noise"
    )
    (said,) = speed.complaints(kept, [row(ratio="2.79"), row("encoder", "9")])
    assert (
        said
        == "feeder (7000 clips): 2.79 times as fast as the plain way, was 4.00; less than 70% of it"
    )
    (said,) = speed.complaints(kept, [row()])
    assert said.startswith("encoder") and "not measured" in said


def test_rows_measured_again_take_the_place_of_the_old_ones():
    speed = load("speed")
    rows = speed.merged([row(), row("encoder", mode="full")], [row(ratio="5.00"), row("import")])
    assert [(o["mode"], o["stage"], o["ratio"]) for o in rows] == [
        ("full", "encoder", "4.00"),
        ("short", "feeder", "5.00"),
        ("short", "import", "4.00"),
    ]


def test_table_is_written_and_read(tmp_path):
    speed, rows = load("speed"), [row(), row("encoder", mode="full")]
    speed.write(rows, tmp_path / "t.csv")
    assert speed.read(tmp_path / "t.csv") == rows
    text = (tmp_path / "t.md").read_text()
    assert "| feeder | 7000 clips | 1 | .25 | 4.00 | 5 |  |" in text and text.index(
        "## Full"
    ) < text.index("## Short")


def test_kept_table():
    speed = load("speed")
    rows = speed.read(folder / "table.csv")
    assert list(rows[0]) == list(speed.columns) and len({speed.key(o) for o in rows}) == len(rows)
    assert all(float(o["ratio"]) > 0 and int(o["rounds"]) >= 5 for o in rows)
    assert (folder / "table.md").read_text("utf-8") == speed.markdown(rows), (
        "python bench/speed.py writes both"
    )


def test_check_fails_where_a_lead_is_lost(tmp_path):
    speed = load("speed")
    speed.write([row("augmentation, both views", "1000", size="128 clips")], tmp_path / "t.csv")
    done = run(
        folder / "speed.py",
        "--check",
        "--only",
        "augmentation",
        "--rounds",
        1,
        "--table",
        tmp_path / "t.csv",
    )
    assert (
        done.returncode == 1
        and "slower than it was:" in done.stderr
        and "was 1000.00" in done.stderr
    )
    speed.write([row("augmentation, both views", "0.01", size="128 clips")], tmp_path / "t.csv")
    done = run(
        folder / "speed.py",
        "--check",
        "--only",
        "augmentation",
        "--rounds",
        1,
        "--table",
        tmp_path / "t.csv",
    )
    assert done.returncode == 0 and "no stage has lost its lead" in done.stdout, done.stderr
    speed.write([row(mode="full")], tmp_path / "t.csv")
    done = run(folder / "speed.py", "--check", "--table", tmp_path / "t.csv")
    assert done.returncode == 1 and "no rows of the short mode" in done.stderr


def test_a_stage_that_gives_other_numbers_is_refused():
    speed = load("speed")
    r = speed.Race("x", "", lambda: None, lambda: None, lambda: 1e-3, "")
    with pytest.raises(SystemExit, match="differ by 1.0e-03"):
        list(speed.race(r, 1))
    r.same = lambda: float("nan")
    with pytest.raises(SystemExit, match="differ by nan"):
        list(speed.race(r, 1))


def test_memory_is_measured():
    speed = load("speed")

    def hold():
        held = np.ones(2**23)  # 64 MiB
        time.sleep(0.05)
        return held

    assert 60 < speed.peak(hold) < 80


# The plain ways give the same numbers


@pytest.mark.parametrize("hidden,out", [(8, 32), (64, 128)])
@pytest.mark.parametrize("mode", [True, False])
def test_encoder(hidden, out, mode):
    from hysp.fast import faster
    from hysp.stgcn import STGCN

    torch.manual_seed(0)
    plain, x = load("plain"), load("speed").clips(6)
    paper, theirs = STGCN(hidden=hidden, out=out, dropout=0.0), plain.Encoder(hidden, out, 0.0)
    theirs.load_state_dict(paper.state_dict())
    with torch.no_grad():
        want = theirs.train(mode)(x)
        for ours in (faster(deepcopy(paper)), paper):
            torch.testing.assert_close(ours.train(mode)(x), want, atol=1e-5, rtol=0)


def test_step():
    torch.manual_seed(0)
    speed = load("speed")
    x = speed.clips(4)
    assert speed.step_gap(8, 64, x, x * 1.1) < 1e-5


def test_wide_layers_have_the_gradients_of_narrow_ones():
    from hysp.fast import FastGraphConv, FastTimeConv

    torch.manual_seed(0)
    x = torch.randn(5, 64, 21, 7, dtype=torch.float64, requires_grad=True)
    A = torch.rand(3, 7, 7, dtype=torch.float64, requires_grad=True)
    for layer, args in (
        (FastTimeConv(64, 9), ()),
        (FastTimeConv(64, 9, 2), ()),
        (FastGraphConv(64, 64, 3), (A,)),
    ):
        layer.double()
        inputs = [x, *args, *layer.parameters()]
        y = layer(x, *args)
        one = torch.cat([layer(o[None], *args) for o in x])  # one clip is taken the plain way
        torch.testing.assert_close(y, one, atol=1e-12, rtol=0)
        g = torch.randn_like(y)
        for a, b in zip(
            torch.autograd.grad((y * g).sum(), inputs), torch.autograd.grad((one * g).sum(), inputs)
        ):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("frames,kernel", [(10, 9), (13, 9), (50, 9), (6, 5), (8, 3)])
def test_frequencies_make_a_convolution(frames, kernel):
    from hysp.fast import _frequencies

    F, G, H = _frequencies(frames, kernel, torch.float64)
    r = torch.Generator().manual_seed(0)
    x = torch.randn(frames, generator=r, dtype=torch.float64)
    w = torch.randn(kernel, generator=r, dtype=torch.float64)
    want = torch.nn.functional.conv1d(x[None, None], w[None, None], padding=kernel // 2)[0, 0]
    torch.testing.assert_close(H @ ((F @ x) * (G @ w)), want, atol=1e-12, rtol=0)


@pytest.mark.parametrize("n", [1, 7, 70])
def test_views(n):
    from hysp.augment import Normal, Strong
    from hysp.skeleton import get_layout

    speed, layout = load("speed"), get_layout("ntu-rgb+d")
    for normalise in (False, True):
        strong = Strong(layout, normalise_blur=normalise)
        drawn = strong.sample(n, 50, torch.Generator().manual_seed(n))
        assert (
            speed.view_gap(speed.clips(n), (Normal(layout), strong), drawn, list(layout.mirror))
            < 1e-5
        )


def test_batches_are_those_of_a_loader(tmp_path):
    from hysp.feeder import Dataset

    plain, speed = load("plain"), load("speed")
    data = Dataset(speed.dataset(tmp_path / "d", 23))
    items = plain.Items(tmp_path / "d" / "position.npy", np.arange(23))
    order = np.random.default_rng(0).permutation(23)
    for (x, i), (y, j) in zip(data.batches(5, order), plain.batches(items, 5, order), strict=True):
        assert torch.equal(x, y) and i.tolist() == j.tolist()


def test_linear_evaluation(tmp_path):
    from hysp.evaluate import features, linear_probe
    from hysp.feeder import Dataset
    from hysp.skeleton import stream
    from hysp.stgcn import STGCN

    torch.manual_seed(0)
    plain, speed = load("plain"), load("speed")
    data = Dataset(speed.dataset(tmp_path / "d", 40, classes=4))
    train, val = data.subset(np.arange(30)), data.subset(np.arange(30, 40))
    net = speed.settled(STGCN(hidden=8, out=32), data.batch(np.arange(8)))
    ours = linear_probe(
        features(net, train, "bone"),
        train.labels,
        features(net, val, "bone"),
        4,
        epochs=8,
        steps=(4, 6),
        batch=16,
    )
    theirs = plain.linear_evaluation(
        lambda x: net(stream(x, "bone", data.layout)), train, val, epochs=8, steps=(4, 6), batch=16
    )
    torch.testing.assert_close(ours, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)


def test_distances():
    from hysp.poincare import tangent_cdist

    plain = load("plain")
    u, v = torch.randn(9, 16) * 0.3, torch.randn(11, 16) * 0.3
    torch.testing.assert_close(tangent_cdist(u, v), plain.distances(u, v), atol=1e-8, rtol=1e-8)


# Entry points


def test_growth(tmp_path):
    growth = load("growth")
    assert growth.exponent([1, 10, 100], [3, 5, 500]) == pytest.approx(2)
    done = run(
        folder / "growth.py",
        "--tiny",
        "--rounds",
        1,
        "--out",
        tmp_path / "g.csv",
        "--picture",
        tmp_path / "g.png",
    )  # forks, which a process with threads must not
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "g.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    joints = {"coco": 17, "ui-prmd": 22}
    wanted = []
    for against, values in growth.tiny.items():
        for value in values:
            times = 4 if against == "clips" else 1
            wanted += times * [(against, str(joints.get(value, value)))]
    assert [(row["against"], row["x"]) for row in rows] == wanted
    assert (tmp_path / "g.png").stat().st_size < 200_000


def gpu_arguments(tmp_path, *more):
    words = ["--out", tmp_path / "out", "--work", tmp_path, "--device", "cpu", "--tiny", *more]
    return [str(word) for word in words]


def test_gpu_parts_run_on_a_cpu(tmp_path):
    gpu = load("gpu")
    args = gpu.options(gpu_arguments(tmp_path, "--limit", 20))
    args.out.mkdir()
    found = {}
    for part in ("sets", "plain", "curves", "resumed", "nothing", "learn"):
        path = tmp_path / f"{part}.jsonl"
        gpu.PARTS[part].function(args, gpu.Rows(path))
        found[part] = gpu.read_rows(path)
    assert [row["set"] for row in found["sets"]] == ["hard50", "hard16", "ntu"]
    assert all(row["clips_per_second"] > 0 for row in found["plain"])
    curves, *judged = found["curves"]
    assert curves["steps"] == len(curves["bf16"]) == 3 and curves["largest_gap"] < 1
    assert [row["precision"] for row in judged] == ["fp32", "bf16"]
    assert all(row["same"] for row in found["resumed"])
    rows = [row["row"] for row in found["nothing"]]
    nothing = ["chance", "coordinates", "coordinates, whitened", "time warping"]
    assert rows == 2 * nothing
    assert {row["recipe"] for row in found["learn"]} == {"quick", "ntu60/xsub"}


def test_gpu_variants_and_profile_run_on_a_cpu(tmp_path):
    gpu = load("gpu")
    args = gpu.options(gpu_arguments(tmp_path))
    args.out.mkdir()
    load("speed").dataset(tmp_path / "ntu", args.sizes.clips)
    rows = gpu.Rows(tmp_path / "rows.jsonl")
    variants = {"good": dict(precision="bf16"), "bad": dict(precision="fp8")}
    gpu.measured_variants(args, rows, "ntu60/xsub", variants, args.sizes.batch)
    work, good, bad = gpu.read_rows(rows.path)
    assert work["gigaflop_per_clip"] > 0 and good["batch"] == 8 and 0 <= good["share_for_data"] <= 1
    assert "unknown precision" in bad["error"]
    gpu.profile_one(args, rows, "quick", 8, steps=1)
    about, largest, *_ = gpu.read_rows(rows.path)[3:]
    assert about["launches"] > 0 and largest["seconds"] > 0
    assert "one step" in (args.out / "profile.txt").read_text("utf-8")


def test_gpu_script_writes_what_each_part_found(tmp_path):
    done = run(folder / "gpu.py", *gpu_arguments(tmp_path, "--parts", "agree"))
    assert done.returncode == 0 and "agree: done" in done.stdout, done.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    rows = results["agree"]["rows"]
    assert len(rows) > 70 and all(row["right"] for row in rows)


def test_the_channels_are_last_in_wide_layers_and_in_bf16_as_on_a_gpu(monkeypatch):
    from hysp import fast
    from hysp.stgcn import STGCN

    torch.manual_seed(0)
    x = load("speed").clips(4)
    paper = STGCN(hidden=64, out=64, dropout=0.0).train()
    other = fast.faster(deepcopy(paper))
    assert list(other.state_dict()) == list(paper.state_dict())
    torch.testing.assert_close(other(x), paper(x), atol=1e-5, rtol=0)
    monkeypatch.setattr(fast, "_channels_last", lambda x, channels: True)
    layer = other.st_gcn_networks[4].gcn
    x = torch.randn(4, 64, 50, 25)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x.bfloat16(), other.A)
    assert y.dtype == torch.bfloat16 and y.is_contiguous(memory_format=torch.channels_last)
    exact = paper.st_gcn_networks[4].gcn(x, paper.A)
    assert (y - exact).norm() < 0.01 * exact.norm()
