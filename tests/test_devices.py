"Two processes do what one does: torchrun and gloo, on this machine; precision; trackers"

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from hysp import cli
from hysp.checkpoint import load_state, load_weights
from hysp.core import HyspError
from hysp.devices import Devices, track
from hysp.losses import batch_contrastive_loss, contrastive_loss, curriculum_loss
from hysp.models import models
from test_train import Asking, differing, hysp_model, outcome, trainer

root = Path(__file__).parents[1]
torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def run(command, **env):
    done = subprocess.run(
        [str(o) for o in command],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=1800,
        env={
            **os.environ,
            "PYTHONPATH": str(root),
            "OMP_NUM_THREADS": "1",
            "TQDM_DISABLE": "1",
            **env,
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    "What together.py came to in one process, and in two"
    out = []
    for command in ([sys.executable], torchrun):
        folder = tmp_path_factory.mktemp("run")
        run([*command, root / "tests/together.py", folder])
        out.append((torch.load(folder / "out.pt", weights_only=True), folder))
    return out


@pytest.mark.parametrize("name", models)
def test_a_step_of_two_is_a_step_of_one(both, name):
    (one, _), (two, _) = both
    a, b = one[f"step_{name}"], two[f"step_{name}"]
    torch.testing.assert_close(a["row"], b["row"], atol=1e-9, rtol=1e-9)
    assert a["health"].keys() == b["health"].keys() and all(
        abs(a["health"][k] - b["health"][k]) < 1e-6 for k in a["health"]
    )
    assert a["row"][4] > 0.1, "the clips differ"
    assert a["grads"].keys() == b["grads"].keys() and all(o.any() for o in a["grads"].values())
    for k in a["grads"]:
        torch.testing.assert_close(a["grads"][k], b["grads"][k], atol=1e-9, rtol=1e-7)
    for k in a["state"]:
        torch.testing.assert_close(a["state"][k], b["state"][k], atol=1e-9, rtol=1e-7)


def test_each_clip_once_an_epoch(both):
    (one, _), (two, _) = both
    assert len(one["seen"]) == 32 and sorted(one["seen"][:16]) == sorted(one["seen"][16:]) == list(
        range(16)
    )
    first, second = two["seen"][:16], two["seen"][16:]
    for epoch in (0, 1):
        assert sorted(first[8 * epoch :][:8] + second[8 * epoch :][:8]) == list(range(16))
    assert [first[i:][:4] + second[i:][:4] for i in range(0, 16, 4)] == [
        one["seen"][i:][:8] for i in range(0, 32, 8)
    ], "the same clips meet in a step"


def test_views_differ_between_processes_and_repeat_with_the_seed(both):
    (one, _), (two, _) = both
    assert two["views"].shape == one["views"].shape
    assert not torch.equal(two["views"][:4], two["views"][4:])


def test_a_stop_in_one_process_stops_both_and_the_run_goes_on_to_the_bit(both):
    _, (two, folder) = both
    assert "stopped in epoch 2 and saved" in two["said"] and two["at"] == (1, 1)
    for k, v in two["whole"].items():
        assert torch.equal(v, two["parts"][k]), k
    assert two["rows"][0] == two["rows"][1]


def test_the_folder_of_two_is_that_of_one(both):
    (_, a), (_, b) = both
    names = [sorted(o.name for o in (f / "whole").iterdir()) for f in (a, b)]
    assert (
        names[0]
        == names[1]
        == [
            "best.safetensors",
            "epoch_0001.safetensors",
            "epoch_0002.safetensors",
            "last.pt",
            "metrics.csv",
            "run.json",
        ]
    )
    assert (b / "bf16" / "epoch_0001.safetensors").exists()


def test_the_command_line_with_torchrun(tmp_path):
    run(
        [
            sys.executable,
            "-m",
            "hysp",
            "synth",
            "--out",
            tmp_path / "set",
            "--n",
            64,
            "--classes",
            4,
            "--subjects",
            4,
            "--frames",
            8,
        ]
    )
    out = run(
        [
            *torchrun,
            "-m",
            "hysp",
            "pretrain",
            "demo",
            "--data",
            tmp_path / "set",
            "--out",
            tmp_path / "run",
            "--device",
            "cpu",
            "--width",
            2,
            "--out-dim",
            4,
            "--batch",
            8,
            "--epochs",
            1,
        ]
    )
    assert out.count("on 2 × cpu") == 1 and out.count("weights: ") == 1
    state, about = load_weights(tmp_path / "run/epoch_0001.safetensors")
    assert (
        about["epoch"] == 1
        and about["environment"]["accelerate"]
        and all(o.isfinite().all() for o in state.values())
    )


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def test_a_process_that_is_killed(tmp_path):
    "The one that is left says so in a line, and leaves a run that goes on"
    run([sys.executable, *f"-m hysp synth --out {tmp_path}/set --n 24 --frames 8".split()])
    words = f"-m hysp pretrain --data {tmp_path}/set --out {tmp_path}/run --split all --width 4"
    words += " --out-dim 8 --batch 8 --epochs 100000 --save-every 1"
    together = dict(WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free_port()))
    together |= dict(OMP_NUM_THREADS="1", PYTHONPATH=str(root), TQDM_DISABLE="1")
    started = []
    for rank in "01":
        env = os.environ | together | dict(RANK=rank, LOCAL_RANK=rank)
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        started.append(subprocess.Popen([sys.executable, *words.split()], env=env, **quiet))
    first, second = started
    while not (tmp_path / "run/metrics.csv").exists():
        assert first.poll() is None and second.poll() is None
        time.sleep(0.1)
    second.kill()
    said = first.communicate(timeout=300)[1]
    second.communicate()
    last = said.strip().splitlines()[-1]
    assert first.returncode == 2 and "Traceback" not in said, said
    assert last.startswith("hysp: process 0 of 2 has lost the others: one was killed"), said
    assert (tmp_path / "run/last.pt").exists() and not (tmp_path / "run/.lock").exists()


def test_a_batch_that_cannot_be_shared(tmp_path, monkeypatch):
    monkeypatch.setattr("hysp.train.Devices", lambda *args: type("Three", (), dict(processes=3)))
    with pytest.raises(
        HyspError, match="a batch of 4 clips cannot be shared by 3 processes; give a multiple"
    ):
        trainer(tmp_path)


# Precision


@pytest.mark.parametrize("name", models)
@pytest.mark.parametrize(
    "optimizer", ["sgd", "adam", "adamw", "lars", "riemannian_sgd", "riemannian_adam"]
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumes_to_the_bit_from_the_middle_of_an_epoch(tmp_path, name, optimizer, precision):
    losses = dict(skeletonclr=contrastive_loss, simclr=batch_contrastive_loss)
    own = dict(skeletonclr=dict(queue=8))

    def make():
        return models[name]("ui-prmd", hidden=2, out=4, dropout=0.3, **own.get(name, {}))

    kw = dict(
        make=make, optimizer=optimizer, precision=precision, loss=losses.get(name, curriculum_loss)
    )
    trainer(tmp_path / "whole", **kw).fit()
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "parts", data=Asking(4), **kw).fit()
    assert load_state(tmp_path / "parts/last.pt")["k"] == 1
    trainer(tmp_path / "parts", **kw).fit()
    assert not differing(outcome(tmp_path / "whole"), outcome(tmp_path / "parts"))


def test_lower_precision_is_lower_and_the_geometry_is_not(tmp_path):
    seen = []

    def watched(q, k, *args):
        seen.append((q.dtype, k.dtype))
        loss = curriculum_loss(q, k, *args)
        seen.append(loss[2].dtype)
        return loss

    a, b = (
        trainer(tmp_path / p, hysp_model, precision=p, loss=watched, lam=lambda e: 1.0)
        for p in ("fp32", "bf16")
    )
    rows = [t.step(torch.arange(4)) for t in (a, b)]
    assert set(seen) == {(torch.float32, torch.float32), torch.float64}
    assert not torch.equal(*rows) and torch.allclose(*rows, rtol=0.2, atol=0.1)


def test_another_precision_is_another_run(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, data=Asking(4)).fit()
    with pytest.raises(HyspError, match="precision was fp32, is bf16"):
        trainer(tmp_path, precision="bf16").fit()


def test_fp16_on_a_cpu_is_refused(tmp_path):
    with pytest.raises(HyspError, match="fp16 needs a GPU"):
        trainer(tmp_path, precision="fp16")


# Trackers


def test_tensorboard_is_told_every_row(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    t = trainer(tmp_path, tracker="tensorboard", about=dict(settings=dict(lr=0.1, data="clips")))
    rows = t.fit()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    for k in ("loss", "lam", "std", "rank", "median_norm", "grad_norm"):
        told = [(o.step, o.value) for o in events.Scalars(k)]
        assert told == [(r["epoch"], pytest.approx(r[k], rel=1e-6)) for r in rows], k


def test_off_by_default(tmp_path):
    trainer(tmp_path).fit()
    assert not [o for o in tmp_path.rglob("*") if "tfevents" in o.name or "wandb" in o.name]


def test_a_tracker_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr("accelerate.tracking._available_trackers", [])
    with pytest.raises(HyspError, match="wandb is not installed: pip install wandb"):
        track(Devices(), "wandb", tmp_path, {})
    with pytest.raises(HyspError, match="wandb is not installed"):
        trainer(tmp_path, tracker="wandb").fit()


def test_track_on_the_command_line(capsys):
    assert cli.parse("pretrain", "--data d --track tensorboard".split()).track == "tensorboard"
    with pytest.raises(HyspError, match="did you mean 'wandb'"):
        cli.parse("pretrain", "--data d --track wandbb".split())


# Best and newest


def test_best_is_the_lowest_loss_under_the_final_lambda(tmp_path):
    rows = trainer(tmp_path, epochs=5, lam=lambda e: float(e >= 2), lr=0.05).fit()
    last = [r for r in rows if r["lam"] == 1]
    assert (
        load_weights(tmp_path / "best.safetensors")[1]["epoch"]
        == min(last, key=lambda r: r["loss"])["epoch"] + 1
    )


def test_only_the_newest_stay(tmp_path):
    trainer(tmp_path, epochs=5, keep_last=2).fit()
    assert sorted(o.name for o in tmp_path.glob("epoch_*")) == [
        "epoch_0004.safetensors",
        "epoch_0005.safetensors",
    ]


# What is wrong, in words


def test_a_run_that_saturates_says_so_once(tmp_path, capsys):
    t = trainer(tmp_path, hysp_model, lam=lambda e: 1.0, lr=1e-9)
    with torch.no_grad():
        t.model.online_predictor.net[3].weight.mul_(1e4)
        t.model.online_predictor.net[3].bias.mul_(1e4)
    t.fit()
    said = capsys.readouterr().out
    assert (
        said.count("epoch 1: half of the predictions lie at the rim of the ball")
        == said.count("at the rim of the ball")
        == 1
    )
    assert all(r["median_norm"] > 1 - 1e-5 for r in t.rows)
