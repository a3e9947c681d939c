"The loop: killed, interrupted, out of disk, diverged; and resumed to the bit"

import csv
import itertools
import multiprocessing
import os
import random
import re
import resource
import signal
import threading
import time
from copy import deepcopy

import pytest
import torch
from device import device
from torch import nn

from hysp.augment import Normal, Strong
from hysp.checkpoint import load_state, load_weights, save_state
from hysp.core import HyspError, this_machine
from hysp.heads import ema_update
from hysp.losses import contrastive_loss
from hysp.models import HYSP
from hysp.optim import curriculum, make_optimizer, schedule
from hysp.run_folder import identity_of, old_columns, read_metrics
from hysp.skeleton import layouts
from hysp.train import Trainer, epoch_order

pytestmark = pytest.mark.usefixtures("one_thread")


class Clips:
    "Twelve made-up clips"

    layout, checksum, names = layouts["ui-prmd"], "made up", [f"clip{i}" for i in range(12)]
    x = torch.randn(12, 3, 6, 22, 1, generator=torch.Generator().manual_seed(0)).cumsum(2) / 10

    def __len__(self):
        return 12

    def batch(self, i):
        return self.x[i]


class Little(nn.Module):
    "The least that can be trained: batch norm and dropout in it"

    def __init__(self):
        super().__init__()
        self.online = nn.Sequential(
            nn.Flatten(),
            nn.Linear(3 * 6 * 22, 8),
            nn.BatchNorm1d(8),
            nn.Dropout(0.3),
            nn.Linear(8, 4),
        )
        self.slow = deepcopy(self.online).requires_grad_(False)

    def forward(self, x, y):
        return (self.online(x), self.slow(y)), (self.online(y), self.slow(x))

    def after_step(self, decay):
        ema_update(self.online, self.slow, decay)


def hysp_model():
    return HYSP("ui-prmd", hidden=2, out=4, dropout=0.3)


def trainer(run, make=Little, optimizer="adamw", epochs=2, data=None, lr=1e-2, batch=4, **kw):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make()
    opt = make_optimizer([p for p in model.parameters() if p.requires_grad], optimizer, lr)
    usual = dict(device=device, lam=lambda e: curriculum(e, (1, 3)), ema=0.9)
    kw = usual | dict(save_every=1, keep_every=1) | kw
    return Trainer(
        model,
        data or Clips(),
        Strong("ui-prmd"),
        Normal("ui-prmd"),
        opt,
        run,
        epochs,
        batch,
        "bone",
        schedule("cosine", epochs, (), 1.0),
        **kw,
    )


# What a run comes to


def leaves(o, name=""):
    "Every tensor and number in nested dicts and lists, by where it is"
    if isinstance(o, dict):
        o = list(o.items())
    elif isinstance(o, (list, tuple)):
        o = list(enumerate(o))
    else:
        return {
            name: (o.dtype, tuple(o.shape), o.numpy(force=True).tobytes())
            if isinstance(o, torch.Tensor)
            else o
        }
    found = {}
    for key, part in o:
        if key not in ("seconds", "run"):
            found |= leaves(part, f"{name}.{key}")
    return found


def outcome(run):
    "All that a run folder holds but the time it took and its identity, to the bit"
    with open(run / "metrics.csv", newline="") as f:
        table = list(csv.DictReader(f))
    return leaves(
        dict(
            state=load_state(run / "last.pt"),
            table=table,
            weights={o.name: load_weights(o) for o in run.glob("*.safetensors")},
        )
    )


def differing(a, b):
    return [k for k in a.keys() | b.keys() if k not in a or k not in b or a[k] != b[k]]


# Processes that can be killed: forked from a server that has imported what takes long, and computed nothing


def forked(f, *args):
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(
        ["pytest", "torch._dynamo", "geoopt", "tqdm.auto", "safetensors.torch"]
    )
    p = server.Process(target=f, args=args)
    p.start()
    return p


def end(p):
    "Exit code of a process, negative for a signal"
    p.join(60)
    assert p.exitcode is not None, "it hangs"
    return p.exitcode


def train(run, *args):
    torch.set_num_threads(1)
    trainer(run, *args).fit()


def deadly(f, count, n):
    def g(*args, **kw):
        if next(count) == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return f(*args, **kw)

    return g


def train_and_die(run, n):
    "Killed at the n-th fsync or rename"
    count = itertools.count(1)
    for o in ("fsync", "replace"):
        setattr(os, o, deadly(getattr(os, o), count, n))
    train(run)


def train_with_room_for(run, size, deadly):
    "Files cannot grow beyond `size`: an error, or a signal that kills in the middle of a write"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    if deadly:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        train(run)
    except HyspError as e:
        (run / "said").write_text(str(e))
        raise SystemExit(2) from e


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    "Two epochs that nobody interrupts"
    run = tmp_path_factory.mktemp("whole")
    assert end(forked(train, run)) == 0
    return outcome(run)


# Killed


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "riemannian_sgd"])
def test_killed_at_random_moments(tmp_path, optimizer):
    args = (hysp_model, optimizer, 8)
    chance = random.Random(optimizer)
    p = forked(train, tmp_path / "whole", *args)
    start = time.perf_counter()
    assert end(p) == 0
    took = time.perf_counter() - start
    run = tmp_path / "killed"
    kills = halfway = 0
    for i in range(5):
        p = forked(train, run, *args)
        while not i and p.is_alive() and not (run / "last.pt").exists():
            time.sleep(0.001)
        p.join(chance.uniform(0, took / 4))
        p.kill()
        kills += end(p) == -signal.SIGKILL
        halfway += (run / "last.pt").exists() and 0 < load_state(run / "last.pt")["epoch"] < 8
    assert kills and halfway, "killed too late to mean anything"
    assert end(forked(train, run, *args)) == 0
    assert not differing(outcome(tmp_path / "whole"), outcome(run))


def test_killed_at_every_point_of_saving(tmp_path, whole):
    for n in itertools.count(1):
        run = tmp_path / str(n)
        code = end(forked(train_and_die, run, n))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        for o in run.glob("*.pt"):
            load_state(o)
        for o in run.glob("*.safetensors"):
            load_weights(o)
        trainer(run).fit()
        assert not differing(whole, outcome(run)), f"killed before call {n}"
    assert n == 1 + (3 + 3 + 4) * 3, (
        "the beginning, two epochs, three files, a fourth for the best; "
        "and for each: fsync, rename, fsync of the folder"
    )


def test_killed_in_the_middle_of_a_write(tmp_path, whole):
    stopped = trainer(tmp_path, data=Asking(4))
    with pytest.raises(KeyboardInterrupt):
        stopped.fit()
    before = (tmp_path / "last.pt").read_bytes()
    assert end(forked(train_with_room_for, tmp_path, len(before) // 2, True)) == -signal.SIGXFSZ
    assert (tmp_path / "last.pt").read_bytes() == before
    assert any(0 < o.stat().st_size < len(before) for o in tmp_path.glob(".*.tmp")), (
        "a file was half written"
    )
    trainer(tmp_path).fit()
    assert not differing(whole, outcome(tmp_path))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s["optimizer"]["state"].clear(),
        lambda s: s["model"].update({"online.2.running_mean": torch.ones(8)}),
        lambda s: s["sums"].add_(1),
        lambda s: s["rows"][0].update(loss=0.0),
        lambda s: s.update(k=0),
    ],
    ids=["optimizer", "batch norm", "sums", "rows", "step"],
)
def test_the_comparison_notices_what_is_forgotten(tmp_path, whole, spoil):
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, data=Asking(5)).fit()
    state = load_state(tmp_path / "last.pt")
    spoil(state)
    torch.save(state, tmp_path / "last.pt")
    trainer(tmp_path).fit()
    assert differing(whole, outcome(tmp_path))


# Asked to stop


class Asking(Clips):
    "A set whose batches number `at` bring a signal"

    def __init__(self, at, sig=signal.SIGINT, times=1):
        self.at, self.sig, self.times, self.calls = at, sig, times, 0

    def batch(self, i):
        self.calls += 1
        for _ in range(self.times if self.calls == self.at else 0):
            os.kill(os.getpid(), self.sig)
        return super().batch(i)


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [1, 2, 3, 5])
def test_stops_after_the_step_and_goes_on(tmp_path, whole, sig, at):
    before = signal.getsignal(sig)
    t = trainer(tmp_path, data=Asking(at, sig))
    with pytest.raises(
        KeyboardInterrupt,
        match=f"stopped in epoch {at // 3 + 1} and saved to .*{tmp_path.name}; the same command goes on",
    ):
        t.fit()
    assert (t.epoch, t.progress.step) == divmod(at, 3) and signal.getsignal(sig) == before
    s = load_state(tmp_path / "last.pt")
    assert (s["epoch"], s["k"]) == divmod(at, 3)
    trainer(tmp_path).fit()
    assert not differing(whole, outcome(tmp_path))


class AskingByThread(Clips):
    "A set whose fourth batch has another thread ask the trainer to stop"

    run = None
    calls = 0

    def batch(self, i):
        self.calls += 1
        if self.calls == 4:
            ask = threading.Thread(target=self.run.ask_to_stop)
            ask.start()
            ask.join()
        return super().batch(i)


def test_asked_from_another_thread_it_stops_and_goes_on(tmp_path, whole):
    run = trainer(tmp_path, data=AskingByThread())
    run.data.run = run
    with pytest.raises(KeyboardInterrupt, match="stopped in epoch 2 and saved"):
        run.fit()
    assert (run.epoch, run.progress.step) == (1, 1)
    run.fit()
    assert not differing(whole, outcome(tmp_path))


def test_asked_before_it_begins_it_stops_before_the_first_step(tmp_path, whole):
    run = trainer(tmp_path)
    run.ask_to_stop()
    with pytest.raises(KeyboardInterrupt, match="stopped in epoch 1 and saved"):
        run.fit()
    assert (run.epoch, run.progress.step) == (0, 0)
    run.fit()
    assert not differing(whole, outcome(tmp_path))


def test_the_state_has_the_keys_of_every_version(tmp_path, whole):
    "A run that an earlier version has begun continues, and the other way round"
    trainer(tmp_path).fit()
    keys = ["key", "model", "optimizer", "scaler", "epoch", "k", "sums", "rows"]
    state = load_state(tmp_path / "last.pt")
    assert state.keys() == {*keys, "beside", "settings", "run"}
    earlier = {name: state[name] for name in keys}
    names = {today: before for before, today in old_columns.items()}
    earlier["rows"] = [
        {names.get(name, name): value for name, value in row.items()} for row in state["rows"]
    ]
    assert "low_radius" in earlier["rows"][0]
    (tmp_path / "earlier").mkdir()
    save_state(tmp_path / "earlier/last.pt", earlier)
    continued = trainer(tmp_path / "earlier")
    assert continued.resume() and continued.rows == state["rows"]
    written = read_metrics(tmp_path / "earlier/metrics.csv")
    assert [row["epoch"] for row in written] == ["1", "2"] and "low_norm" in written[0]


def test_asked_in_the_last_step_it_is_done(tmp_path, whole):
    trainer(tmp_path, data=Asking(6)).fit()
    assert not differing(whole, outcome(tmp_path))


def test_asked_twice_it_stops_at_once(tmp_path, whole):
    with pytest.raises(KeyboardInterrupt, match="^$"):
        trainer(tmp_path, data=Asking(5, times=2)).fit()
    assert load_state(tmp_path / "last.pt")["epoch"] == 1
    trainer(tmp_path).fit()
    assert not differing(whole, outcome(tmp_path))


def test_going_on_with_a_finished_run_changes_nothing(tmp_path, whole):
    trainer(tmp_path).fit()
    files = {
        o.name: (o.read_bytes(), o.stat().st_mtime_ns)
        for o in tmp_path.iterdir()
        if o.name != "metrics.csv"
    }
    trainer(tmp_path, data=Asking(1)).fit()
    assert files == {
        o.name: (o.read_bytes(), o.stat().st_mtime_ns)
        for o in tmp_path.iterdir()
        if o.name != "metrics.csv"
    } and not differing(whole, outcome(tmp_path))


def test_chance_outside_is_left_alone_and_has_no_say(tmp_path, whole):
    torch.manual_seed(3)
    a = torch.rand(2)
    torch.manual_seed(3)
    torch.rand(1)
    trainer(tmp_path).fit()
    assert torch.rand(1) == a[1] and not differing(whole, outcome(tmp_path))


@pytest.mark.parametrize(
    "other",
    [dict(seed=1), dict(ema=0.8), dict(c=2.0), dict(lr=2e-2), dict(optimizer="sgd")],
    ids=str,
)
def test_every_setting_counts(tmp_path, whole, other):
    trainer(tmp_path, **other).fit()
    assert [k for k in differing(whole, outcome(tmp_path)) if k.startswith(".state.model")]


# A full disk


def test_full_disk_leaves_the_older_state(tmp_path, whole):
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, data=Asking(4)).fit()
    before = {o.name: o.read_bytes() for o in tmp_path.iterdir()}
    assert end(forked(train_with_room_for, tmp_path, len(before["last.pt"]) // 2, False)) == 2
    said = (tmp_path / "said").read_text()
    (tmp_path / "said").unlink()
    assert (
        said.startswith("cannot write")
        and "File too large; what was there before is untouched" in said
        and "\n" not in said
    )
    assert load_state(tmp_path / "last.pt")["k"] == 1
    assert before == {o.name: o.read_bytes() for o in tmp_path.iterdir() if o.name in before}
    assert not list(tmp_path.glob(".*")), "no half file is left"
    trainer(tmp_path).fit()
    assert not differing(whole, outcome(tmp_path))


# Not finite


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_clip_that_is_not_finite_is_named(tmp_path, value):
    data = Clips()
    data.x = data.x.clone()
    data.x[7, 1, 2, 3] = data.x[9, 0, 0, 0] = value
    hit = {int(i): n // 4 for n, i in enumerate(epoch_order(12, 0, 0))}
    step = min(hit[7], hit[9])
    names = ", ".join(data.names[i] for i in hit if i in (7, 9) and hit[i] == step)
    t = trainer(tmp_path, data=data)
    with pytest.raises(
        HyspError, match=f"coordinates that are no number, .* in clips {names}; mend them"
    ) as e:
        t.fit()
    assert "\n" not in str(e.value) and all(p.isfinite().all() for p in t.model.parameters())


def test_not_finite_later_leaves_the_state_from_before(tmp_path):
    data = Asking(0)
    t = trainer(tmp_path, data=data)
    t.on_epoch = lambda *_: setattr(data, "x", data.x * float("nan"))
    with pytest.raises(HyspError, match="coordinates that are no number, .* in clips clip"):
        t.fit()
    s = load_state(tmp_path / "last.pt")
    assert (s["epoch"], s["k"]) == (1, 0) and all(v.isfinite().all() for v in s["model"].values())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "riemannian_sgd"])
@pytest.mark.parametrize("batch", [4, 12], ids=["several steps an epoch", "one"])
@pytest.mark.parametrize("lr", [1e18, 3e38])
def test_divergence_stops_and_nothing_broken_is_kept(tmp_path, optimizer, batch, lr):
    "Whatever the run keeps before it notices can be used; in the last epoch it notices too"
    for epochs in (1, 4):
        run = tmp_path / str(epochs)
        try:
            trainer(run, hysp_model, optimizer, epochs, lr=lr, batch=batch).fit()
        except HyspError as e:
            assert re.search(
                "not finite in epoch ., (after )?step .+ lower the learning rate", str(e)
            )
        else:
            assert epochs == 1, "nobody noticed"
        for o in run.glob("*.safetensors"):
            assert all(v.isfinite().all() for v in load_weights(o)[0].values())


def test_too_few_clips(tmp_path):
    with pytest.raises(HyspError, match="holds 12 clips, fewer than a batch of 13"):
        trainer(tmp_path, batch=13)


# Another run's folder


@pytest.mark.parametrize(
    "other,says",
    [
        (dict(epochs=3), "epochs was 2, is 3"),
        (dict(batch=3), "batch was 4, is 3"),
        (dict(seed=1), "seed was 0, is 1"),
        (dict(ema=0.8), "ema was 0.9, is 0.8"),
        (dict(geometry="tangent"), "geometry was ball, is tangent"),
        (dict(make=hysp_model), "another model"),
        (dict(optimizer="sgd"), "another"),
    ],
    ids=lambda part: part if isinstance(part, str) else " ".join(part),
)
def test_another_runs_folder_is_refused_and_untouched(tmp_path, other, says):
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, data=Asking(4)).fit()
    before = {o.name: o.read_bytes() for o in tmp_path.iterdir()}
    with pytest.raises(HyspError, match=says):
        trainer(tmp_path, **other).fit()
    assert before == {o.name: o.read_bytes() for o in tmp_path.iterdir()}


def test_other_clips_are_another_run(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, data=Asking(4)).fit()
    for k, v in dict(checksum="other", names=[f"other{i}" for i in range(12)]).items():
        data = Clips()
        setattr(data, k, v)
        with pytest.raises(HyspError, match="holds another run"):
            trainer(tmp_path, data=data).fit()


@pytest.mark.parametrize("content", [dict(a=1), [1], 3, dict(key={})], ids=repr)
def test_a_state_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "last.pt")
    with pytest.raises(HyspError, match="last.pt is|holds another run"):
        trainer(tmp_path).fit()


# A folder belongs to one run


def hold(run, entered):
    "Hold the folder until killed"
    with trainer(run).folder.hold():
        entered.set()
        time.sleep(60)


def test_a_second_process_is_refused_and_a_killed_one_holds_nobody_up(tmp_path, whole):
    entered = multiprocessing.get_context("forkserver").Event()
    first = forked(hold, tmp_path, entered)
    assert entered.wait(60)
    with pytest.raises(HyspError, match=f"is being trained by process {first.pid} on .*; wait"):
        trainer(tmp_path).fit()
    first.kill()
    assert end(first) == -signal.SIGKILL and (tmp_path / ".lock").exists()
    trainer(tmp_path).fit()
    assert not differing(whole, outcome(tmp_path)) and not (tmp_path / ".lock").exists()


def test_every_file_of_a_run_tells_which_it_is(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, data=Asking(4)).fit()
    begun = identity_of(tmp_path)
    trainer(tmp_path).fit()
    with open(tmp_path / "metrics.csv", newline="") as f:
        told = {row["run"] for row in csv.DictReader(f)}
    told |= {load_weights(file)[1]["run"] for file in tmp_path.glob("*.safetensors")}
    assert told | {load_state(tmp_path / "last.pt")["run"], identity_of(tmp_path)} == {begun}
    trainer(tmp_path / "other").fit()
    assert identity_of(tmp_path / "other") != begun


def test_a_run_does_not_begin_among_the_files_of_another(tmp_path):
    trainer(tmp_path).fit()
    (tmp_path / "last.pt").unlink()
    before = {o.name: o.read_bytes() for o in tmp_path.iterdir()}
    with pytest.raises(HyspError, match="holds best.safetensors of another run and no state"):
        trainer(tmp_path, seed=1).fit()
    assert before == {o.name: o.read_bytes() for o in tmp_path.iterdir()}


def test_a_run_that_has_trained_nothing_may_begin_anew(tmp_path):
    first = trainer(tmp_path)
    first.ask_to_stop()
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    before = identity_of(tmp_path)
    trainer(tmp_path, seed=1).fit()
    assert identity_of(tmp_path) != before
    assert load_state(tmp_path / "last.pt")["key"]["seed"] == 1


@pytest.mark.parametrize("name,value", [("momentum", 0.5), ("weight_decay", 0.1)])
def test_the_rules_of_the_optimizer_are_compared(tmp_path, name, value):
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, optimizer="sgd", data=Asking(4)).fit()
    changed = trainer(tmp_path, optimizer="sgd")
    changed.optimizer.param_groups[0][name] = value
    with pytest.raises(HyspError, match=f"{name} was .*, is {value}"):
        changed.fit()


def test_the_number_of_processes_and_the_loss_are_compared(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, data=Asking(4)).fit()
    changed = trainer(tmp_path)
    changed.devices.processes = 2
    with pytest.raises(HyspError, match="processes was 1, is 2"):
        changed.fit()
    with pytest.raises(HyspError, match="loss was curriculum_loss, is contrastive_loss"):
        trainer(tmp_path, loss=contrastive_loss).fit()


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, data=Asking(4)).fit()
    gone = forked(time.sleep, 0)
    assert end(gone) == 0
    left = tmp_path / f".last.pt.{this_machine()}.{gone.pid}.tmp"
    left.write_text("half")
    trainer(tmp_path).fit()
    assert not list(tmp_path.glob(".*"))
