"Encoders by name: what holds for all of them, export, and a third one that goes through the whole kit"

import csv

import numpy as np
import pytest
import torch
from torch import nn

from hysp import cli
from hysp.bodies import BodyEncoder
from hysp.checkpoint import Portable, export_encoder, run_exported
from hysp.core import HyspError
from hysp.encoders import TCN, encoders, make_encoder, segment_weights
from hysp.evaluate import features
from hysp.feeder import Dataset
from hysp.prepare import prepare
from hysp.recipes import live, pretrain, make_trainer
from hysp.runs import load_run, open_checkpoints
from hysp.settings import Pretrain
from hysp.embeddings import explore as open_explorer
from hysp.skeleton import channels, layouts, stream
from hysp.synthetic import generate

pytestmark = pytest.mark.usefixtures("one_thread")


class Toy(BodyEncoder):
    "Where the joints are on average, and how far they go"

    def __init__(self, layout, in_channels, hidden, out, dropout=0.0, pool="present"):
        super().__init__(layout, in_channels, out, pool)
        width = 2 * in_channels * len(self.layout)
        first = nn.BatchNorm1d(width), nn.Linear(width, hidden), nn.ReLU()
        self.net = nn.Sequential(*first, nn.Dropout(dropout), nn.Linear(hidden, out))

    def bodies(self, x):
        rows = x.transpose(2, 3).flatten(1, 2)
        return self.net(torch.cat([rows.mean(2), rows.amax(2) - rows.amin(2)], 1))


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(encoders, "toy", Toy)


every = pytest.mark.parametrize("name", ["stgcn", "tcn", "toy"])


def made(name, layout="coco", in_channels=3, pool="present", hidden=4, out=16):
    torch.manual_seed(0)
    return make_encoder(name, layout, in_channels, hidden, out, pool=pool)


def clips(layout="coco", n=4, frames=8, bodies=2, seed=0):
    "Clips of which the first has nobody in it, the second one body, and the others as many as they may"
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, frames, len(layouts[layout]), bodies, generator=g).cumsum(2) / 4
    x[0] = 0
    x[1, ..., 1:] = 0
    return x


def settled(enc, layout="coco"):
    "In eval mode, with batch statistics that are not 0 and 1"
    enc.train()
    with torch.no_grad():
        enc(stream(clips(layout, 8, seed=7), "joint", layout))
    return enc.eval()


# Laws


@every
@pytest.mark.parametrize("layout", layouts)
@pytest.mark.parametrize("what", ["joint", "motion", "bone", "2s", "3s"])
@pytest.mark.parametrize("pool", ["present", "all"])
def test_features_and_gradients_are_finite(toy, name, layout, what, pool):
    enc = made(name, layout, channels(what), pool)
    for bodies in (1, 2, 3):
        x = stream(clips(layout, bodies=bodies), what, layout)
        for mode in (True, False):
            enc.train(mode).zero_grad()
            z = enc(x)
            assert z.shape == (4, 16) and z.dtype == torch.float32 and z.isfinite().all()
            z.square().sum().backward()
            grads = {k: p.grad for k, p in enc.named_parameters()}
            assert all(g is not None and g.isfinite().all() for g in grads.values())
            still = {k for k, g in grads.items() if not g.any()} - {"crowd"}
            assert not still or name == "toy", still
    assert all(o.isfinite().all() for o in enc.state_dict().values())


@every
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_empty_places_change_nothing(toy, name, mode):
    enc, x = settled(made(name)), clips(bodies=1)
    enc.train(mode == "train")
    want = enc(x)
    for more in (1, 2, 3):
        wide = torch.cat([x, torch.zeros_like(x).expand(*x.shape[:-1], more)], -1)
        torch.testing.assert_close(enc(wide), want, atol=0, rtol=0)
        torch.testing.assert_close(enc(wide.flip(-1)), want, atol=1e-6, rtol=0)


@every
@pytest.mark.parametrize("pool", ["present", "all"])
@pytest.mark.parametrize("bodies", [2, 3])
def test_order_of_bodies_is_nothing(toy, name, pool, bodies):
    enc, x = settled(made(name, pool=pool)), clips(bodies=bodies)
    for turn in range(1, bodies):
        torch.testing.assert_close(enc(x.roll(turn, -1)), enc(x), atol=1e-5, rtol=1e-5)


@every
@pytest.mark.parametrize("pool", ["present", "all"])
def test_company_of_a_clip_is_nothing_in_eval_mode(toy, name, pool):
    enc, x = settled(made(name, pool=pool)), clips(n=6)
    with torch.no_grad():
        whole = enc(x)
        for some in ([2], [0], [3, 1], [5, 4, 0, 2]):
            torch.testing.assert_close(enc(x[some]), whole[some], atol=1e-5, rtol=1e-5)
    assert len({tuple(o.tolist()) for o in whole.round(decimals=3)}) == 6, "clips differ"


@every
@pytest.mark.parametrize("pool", ["present", "all"])
@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_short_clips(toy, name, pool, frames):
    enc = made(name, pool=pool)
    for mode in (True, False):
        z = enc.train(mode)(clips(frames=frames))
        z.square().sum().backward()
        assert z.isfinite().all()
        assert all(p.grad.isfinite().all() for p in enc.parameters())


@every
@pytest.mark.parametrize("pool", ["present", "all"])
def test_nobody_in_any_clip(toy, name, pool):
    enc, nobody = made(name, pool=pool), torch.zeros_like(clips())
    for mode in (True, False):
        z = enc.train(mode)(nobody)
        assert z.isfinite().all() and (z == z[0]).all()
        assert pool == "all" or not z.any()
        assert enc(nobody[:0]).shape == (0, 16) if pool == "present" else True
    assert all(o.isfinite().all() for o in enc.state_dict().values())


@every
def test_other_clips_are_refused(toy, name):
    enc = made(name)
    for wrong in (clips("ui-prmd"), clips()[0], torch.cat([clips(), clips()], 1)):
        with pytest.raises(HyspError, match="the encoder takes .*17, M.* for layout coco, not"):
            enc(wrong)


def test_names(toy):
    with pytest.raises(HyspError, match="unknown encoder 'tnc'; did you mean 'tcn'?"):
        made("tnc")
    assert type(made("toy")) is Toy
    with pytest.raises(HyspError, match="16 features need a width that divides them, not 5"):
        made("tcn", hidden=5)


# How many bodies


def test_number_of_bodies_is_not_lost():
    "The mean of a body and the same body again is that body; the learned vector says there were two"
    enc, one = settled(made("tcn")), clips(bodies=1)[2:]
    twice = one.expand(*one.shape[:-1], 2)
    z = enc(twice)
    torch.testing.assert_close(z, enc(one), atol=1e-6, rtol=0)  # not yet: it begins at 0
    z.sum().backward()
    assert (enc.crowd.grad == len(one)).all()
    with torch.no_grad():
        enc.crowd.add_(torch.arange(16.0))
    three = one.expand(*one.shape[:-1], 3)
    for x, further in ((one, 0), (twice, 1), (three, 2)):
        torch.testing.assert_close(enc(x) - enc(one), further * enc.crowd.expand(2, -1))
    enc.zero_grad()
    enc(one).sum().backward()
    assert not enc.crowd.grad.any(), "one body alone teaches it nothing"


def test_the_vector_is_learned_and_kept_apart_from_empty_places():
    enc, x = made("tcn"), clips(bodies=3)
    descent = torch.optim.SGD(enc.parameters(), 0.1)
    enc(x).square().sum().backward()
    descent.step()
    assert enc.crowd.any()
    enc.eval()
    wide = torch.cat([x, torch.zeros_like(x[..., :1])], -1)
    torch.testing.assert_close(enc(wide), enc(x), atol=1e-6, rtol=0)


# The segments of time


@pytest.mark.parametrize("segments", [1, 2, 3, 4, 7])
def test_segments_are_the_plain_form(segments):
    for frames in (1, 2, 3, 4, 5, 16, 50, 300):
        got = segment_weights(frames, segments)
        for s in range(segments):
            start, end = s * frames / segments, (s + 1) * frames / segments
            share = [max(0.0, min(t + 1, end) - max(t, start)) for t in range(frames)]
            want = torch.tensor(share) / sum(share)
            torch.testing.assert_close(got[:, s], want, atol=1e-6, rtol=0)


def test_order_in_time_counts():
    enc, x = settled(made("tcn")), clips()[2:]
    still = x[:, :, :1].expand_as(x)
    assert (enc(x.flip(2)) - enc(x)).abs().max() > 1e-3
    torch.testing.assert_close(enc(still.flip(2)), enc(still), atol=0, rtol=0)


# Elsewhere


@pytest.mark.parametrize(
    "name,format,frames",
    [
        ("tcn", "onnx", None),
        ("tcn", "onnx", 20),
        ("tcn", "torch-export", None),
        ("tcn", "torch-export", 20),
        ("tcn", "torchscript", None),
        ("tcn", "torchscript", 20),
        ("toy", "onnx", None),
        ("toy", "torchscript", None),
    ],
)
def test_exported_is_the_encoder(toy, tmp_path, name, format, frames):
    enc = settled(made(name))
    if name == "tcn":
        nn.init.normal_(enc.crowd)
    export_encoder(enc, tmp_path / "e", format, frames)
    for n in (1, 2, 5):
        for t in (20,) if frames else (5, 20, 37):
            x = clips(n=5, frames=t)[-n:]
            with torch.no_grad():
                got, want = run_exported(tmp_path / "e", format, x), enc(x)
            torch.testing.assert_close(got, want, atol=1e-4, rtol=0)


@every
@pytest.mark.parametrize("pool", ["present", "all"])
def test_portable_is_the_encoder(toy, name, pool):
    enc = settled(made(name, pool=pool))
    for x in (clips(), clips(bodies=1), clips(bodies=3), 0 * clips(), clips(frames=1)):
        with torch.no_grad():
            torch.testing.assert_close(Portable(enc)(x), enc(x), atol=1e-5, rtol=0)


# A third one: one class, and one line


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    source = generate(48, classes=4, subjects=4, seed=0, difficulty="easy")
    return prepare(source, tmp_path_factory.mktemp("set") / "set", frames=8, progress=False)


def settings(data, out, **kw):
    small = dict(width=8, out_dim=16, head_dim=8, pred_dim=8, batch=8, epochs=2, keep_every=1)
    return Pretrain(data=data, out=out, **dict(encoder="toy", device="cpu", **small) | kw)


@pytest.fixture
def learned(toy, data, tmp_path):
    return pretrain(settings(data, tmp_path / "run"))


def test_toy_learns_and_comes_back(learned, data):
    model, about = load_run(learned.run)
    assert type(model.online_encoder) is Toy and about["spec"]["encoder"] == "toy"
    assert about["epoch"] == 2 and len(open_checkpoints(learned.run, every=True)) == 2
    own = learned.model.state_dict()
    assert all(torch.equal(v, own[k]) for k, v in model.state_dict().items())
    z = features(model.online_encoder, Dataset(data, "xsub/val"), "joint", progress=False)
    assert z.shape == (24, 16) and z.isfinite().all()


def test_toy_begins_with_weights(learned, data, tmp_path):
    t = make_trainer(settings(data, tmp_path / "next", init=learned.run, model="hysp"))
    had, got = (o.model.online_encoder.state_dict() for o in (learned, t))
    assert all(torch.equal(had[k], got[k]) for k in had)
    with pytest.raises(HyspError, match="holds another model"):
        make_trainer(settings(data, tmp_path / "other", init=learned.run, width=4))


@pytest.mark.parametrize("model", ["hysp", "simsiam", "skeletonclr"])
def test_toy_with_every_method_and_stream(toy, data, tmp_path, model):
    t = pretrain(settings(data, tmp_path, model=model, stream="3s", epochs=1, queue=8))
    assert all(o.isfinite().all() for o in t.model.state_dict().values())


def words(*args):
    return [str(o) for o in args]


def done(capsys, *args):
    capsys.readouterr()
    assert cli.main(words(*args)) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_toy_on_the_command_line(toy, data, tmp_path, capsys):
    run, small = tmp_path / "run", "--width 8 --out-dim 16 --head-dim 8 --batch 8 --epochs 2"
    said = done(
        capsys, "pretrain", "--data", data, "--out", run, "--encoder", "toy", *small.split()
    )
    assert "people as views" in said
    said = done(capsys, "evaluate", run, "--linear.epochs", 4, "--linear.steps", 3)
    assert "untrained encoder" in said and "DTW" in said
    done(capsys, "embed", run, "--out", tmp_path / "e.npz", "--html", tmp_path / "e.html")
    with np.load(tmp_path / "e.npz") as e:
        assert e["tangents"].shape == (2, 24, 8) and np.isfinite(e["norm"]).all()
    assert (tmp_path / "e.html").stat().st_size > 10_000
    for format in ("onnx", "torchscript", "torch-export"):
        assert "largest difference" in done(capsys, "export", run, "--format", format)
    with open(run / "metrics.csv", newline="") as f:
        assert len(list(csv.DictReader(f))) == 2


def test_toy_in_the_explorer_and_live(learned, data, tmp_path):
    scene = open_explorer(learned.run).scene
    assert scene.e.epochs == [0, 1, 2] and scene.e.z.shape == (3, 24, 8)
    shown = live(settings(data, tmp_path / "live"), most=6)
    assert shown.live["status"] == "ready" and type(shown.trainer.model.online_encoder) is Toy
    assert shown.go().wait(60) == "done" and shown.trainer.epoch == 2


def test_weights_of_an_encoder_that_is_gone(learned, monkeypatch):
    monkeypatch.delitem(encoders, "toy")
    with pytest.raises(HyspError, match="unknown encoder 'toy'"):
        load_run(learned.run)


def test_tcn_is_what_a_run_has_by_default(data, tmp_path):
    t = make_trainer(settings(data, tmp_path, encoder=Pretrain(data).encoder))
    assert type(t.model.online_encoder) is TCN
