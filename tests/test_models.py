"The encoder and the models against the golden numbers of the authors' implementation"

from pathlib import Path

import numpy as np
import pytest
import torch
from device import device

from hysp.losses import batch_contrastive_loss, cosine_dist, hyperbolic_dist, curriculum_loss
from hysp.models import HYSP, SimSiam, SkeletonCLR, models
from hysp.stgcn import STGCN


def golden(name):
    z = np.load(Path(__file__).parent / "golden" / name, allow_pickle=False)
    return {k: torch.from_numpy(np.asarray(z[k])).to(device) for k in z.files}


def part(g, prefix):
    return {k.removeprefix(prefix): v for k, v in g.items() if k.startswith(prefix)}


def test_encoder_loads_and_reproduces():
    g = golden("stgcn.npz")
    enc = STGCN(hidden=8, out=32).eval().to(device)
    enc.load_state_dict(part(g, "w|"))
    with torch.no_grad():
        torch.testing.assert_close(enc(g["x"]), g["y_eval"], atol=1e-5, rtol=0)


@pytest.fixture
def step():
    g = golden("hysp_step.npz")
    m = HYSP(hidden=8, out=32, head=32, dropout=0.0).train().to(device)
    m.load_state_dict(part(g, "w|"))
    return g, m


def golden_loss(g, m, lam, geometry="ball"):
    terms = [curriculum_loss(q, k, lam, geometry=geometry) for q, k in m(g["a"], g["b"])]
    return [sum(o) / 2 for o in zip(*terms)]


@pytest.mark.parametrize("lam", ["0.0", "0.3", "1.0"])
def test_step_reproduces_losses_and_gradients(step, lam):
    g, m = step
    loss, euc, hyp = golden_loss(g, m, float(lam))
    for ours, name in ((loss, "loss"), (euc, "loss_euc"), (hyp, "loss_hyp")):
        torch.testing.assert_close(ours.double(), g[f"lam{lam}|{name}"].double(), atol=1e-5, rtol=0)
    loss.mean().backward()
    params, seen = dict(m.named_parameters()), part(g, f"lam{lam}|grad|")
    assert len(seen) == 4
    for k, want in seen.items():
        assert (params[k].grad - want).norm() / want.norm() < 1e-4, k


def test_step_reproduces_embeddings_and_target(step):
    g, m = step
    (q, k), _ = m(g["a"], g["b"])
    torch.testing.assert_close(q, g["q"], atol=1e-5, rtol=0)
    torch.testing.assert_close(k, g["k"], atol=1e-5, rtol=0)


def test_target_follows_exactly(step):
    g, m = step
    m.after_step(0.999)
    state, after = m.state_dict(), part(g, "ema|")
    assert len(after) == 2
    for k, want in after.items():
        torch.testing.assert_close(state[k], want, atol=1e-6, rtol=0)


def test_loss_straight_from_the_tangents_agrees_with_the_ball(step):
    g, m = step
    ball, tangent = (golden_loss(g, m, 1.0, o)[0].double() for o in ("ball", "tangent"))
    torch.testing.assert_close(ball, tangent, atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("at", ["equal", "opposite", "zero", "far"])
def test_gradients_are_finite(dtype, at):
    torch.manual_seed(0)
    q = torch.randn(16, 8, dtype=dtype)
    k = dict(equal=q, opposite=-q, zero=0 * q, far=30 * q)[at]
    for f in (
        cosine_dist,
        lambda q, k: hyperbolic_dist(q, k, geometry="ball"),
        lambda q, k: hyperbolic_dist(q, k, geometry="tangent"),
    ):
        p = q.clone().requires_grad_()
        f(p, k.clone()).sum().backward()
        assert p.grad.isfinite().all()


# SimSiam


@pytest.mark.parametrize("lam", ["0.0", "0.3", "1.0"])
def test_simsiam_reproduces_losses_and_gradients(lam):
    g, views = golden("simsiam_step.npz"), golden("hysp_step.npz")
    m = SimSiam(hidden=8, out=32, head=32, dropout=0.0).train().to(device)
    m.load_state_dict(part(g, "w|"))
    pairs = m(views["a"], views["b"])
    torch.testing.assert_close(pairs[0][0], g["q"], atol=1e-5, rtol=0)
    torch.testing.assert_close(pairs[0][1], g["k"], atol=1e-5, rtol=0)
    terms = [curriculum_loss(q, k, float(lam)) for q, k in pairs]
    loss, euc, hyp = (sum(term) / 2 for term in zip(*terms))
    for ours, name in ((loss, "loss"), (euc, "loss_euc"), (hyp, "loss_hyp")):
        torch.testing.assert_close(ours.double(), g[f"lam{lam}|{name}"].double(), atol=1e-5, rtol=0)
    loss.mean().backward()
    params, seen = dict(m.named_parameters()), part(g, f"lam{lam}|grad|")
    assert len(seen) == (4 if lam == "0.3" else 3)
    for k, want in seen.items():
        assert (params[k].grad - want).norm() / want.norm() < 1e-4, k


# All of them


@pytest.mark.parametrize("name", models)
def test_swapping_the_views_of_a_symmetric_loss(name):
    torch.manual_seed(0)
    m = models[name]("coco", hidden=2, out=8).eval()
    x, y = torch.randn(2, 3, 3, 8, 17, 2)
    a, b = m(x, y), m(y, x)
    if name == "simclr":
        [(u, v)], [(r, l)] = a, b  # One pair, whose parts change places, and both learn
        torch.testing.assert_close((u, v), (l, r), atol=1e-6, rtol=0)
        assert u.shape == v.shape == (3, 8) and not torch.equal(u, v)
        assert u.requires_grad and v.requires_grad
        for one, other in zip(batch_contrastive_loss(u, v, 0.5), batch_contrastive_loss(v, u, 0.5)):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
        return
    assert len(a) == (1 if name == "skeletonclr" else 2)
    for (q, k, *_), (r, l, *_) in zip(a, b[::-1] if len(a) == 2 else b):
        assert torch.equal(k, l) == (len(a) == 2) and torch.equal(q, r) == (len(a) == 2)


@pytest.mark.parametrize("name", models)
def test_same_first_weights_of_what_they_share(name):
    def made(cls):
        torch.manual_seed(0)
        return cls("coco", hidden=2, out=8).online_encoder.state_dict()

    for k, v in made(models[name]).items():
        assert torch.equal(v, made(HYSP)[k]), k


@pytest.mark.parametrize("n,steps", [(3, 7), (4, 5), (8, 2), (1, 20)])
def test_the_ring_holds_the_newest_keys(n, steps):
    m = SkeletonCLR("coco", hidden=2, out=4, queue=8)
    keys = torch.arange(n * steps * 4.0).view(steps, n, 4)
    for m.keys in keys:
        m.after_step(0.9)
    newest = keys.flatten(0, 1)[-8:]
    assert sorted(m.queue[:, 0].tolist())[-len(newest) :] == newest[:, 0].tolist()
    turned = m.queue.roll(-int(m.oldest), 0)
    assert torch.equal(turned[-len(newest) :], newest)
