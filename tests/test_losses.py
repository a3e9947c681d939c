"Contrast in both geometries against the golden numbers and plain loops; lower precision stays outside"

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from device import device

from hysp.core import HyspError
from hysp.losses import (
    contrastive_loss,
    cosine_dist,
    curriculum_loss,
    euclidean_logits,
    hyperbolic_dist,
    hyperbolic_logits,
    hyperbolic_matrix,
    info_nce,
)

g = np.load(Path(__file__).parent / "golden/skeletonclr.npz", allow_pickle=False)
gold = {k: torch.from_numpy(np.asarray(g[k])).to(device) for k in g.files}
q, k, queue, T = gold["q"], gold["k"], gold["queue"].T, float(gold["temperature"])


def test_hyperbolic_contrast_is_the_authors():
    torch.testing.assert_close(
        hyperbolic_logits(q, k, queue) / T, gold["hyp_logits"], atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        contrastive_loss(q, k, queue, 1.0, temperature=T)[0].mean(),
        gold["hyp_loss"],
        atol=1e-6,
        rtol=0,
    )


def test_euclidean_contrast_is_the_authors():
    torch.testing.assert_close(
        euclidean_logits(q, k, queue) / T, gold["euc_logits"], atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        contrastive_loss(q, k, queue, 0.0, temperature=T)[0].mean(),
        gold["euc_loss"],
        atol=1e-6,
        rtol=0,
    )


def plain(q, k, negatives, c, T):
    "Clip by clip, distance by distance, from the definition"
    out = []
    for i in range(len(q)):
        d = []
        for other in (k[i], *negatives):
            d.append(hyperbolic_dist(q[i : i + 1].double(), other[None].double(), c, "tangent"))
        likelihoods = [math.exp(-float(distance) / T) for distance in d]
        out.append(float(d[0]) / T + math.log(sum(likelihoods)))
    return torch.tensor(out, dtype=torch.float64)


@pytest.mark.parametrize("geometry", ["ball", "tangent"])
@pytest.mark.parametrize("c", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_contrast_is_a_plain_loop(geometry, c, seed):
    r = torch.Generator().manual_seed(seed)
    a, b, o = (torch.randn(n, 6, generator=r) / 2 for n in (4, 4, 9))
    torch.testing.assert_close(
        contrastive_loss(a, b, o, 1.0, c, geometry, 0.3)[0],
        plain(a, b, o, c, 0.3),
        atol=dict(ball=2e-6, tangent=1e-12)[geometry],
        rtol=0,
    )


@pytest.mark.parametrize("geometry", ["ball", "tangent"])
def test_gradients_are_those_of_differences(geometry):
    r = torch.Generator().manual_seed(0)
    a, b, o = (torch.randn(n, 5, generator=r, dtype=torch.float64) / 2 for n in (3, 3, 4))
    for lam in (0.0, 0.4, 1.0):

        def loss(q, lam=lam):
            return contrastive_loss(q, b, o, lam, geometry=geometry, temperature=0.5)[0]

        assert torch.autograd.gradcheck(loss, a.clone().requires_grad_())


@pytest.mark.parametrize("geometry", ["ball", "tangent"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [0.0, 1e-4, 1.0, 6.0, 12.0, 300.0, 1e6])
def test_gradients_are_finite_at_any_length(geometry, dtype, length):
    r = torch.Generator().manual_seed(0)
    a, b, o = (
        length * torch.nn.functional.normalize(torch.randn(n, 5, generator=r, dtype=dtype), dim=-1)
        for n in (3, 3, 4)
    )
    for others in (o, a, -a):
        p = a.clone().requires_grad_()
        loss = contrastive_loss(p, b, others, 0.5, geometry=geometry)[0]
        loss.sum().backward()
        assert loss.isfinite().all() and p.grad.isfinite().all()


@pytest.mark.parametrize("geometry", ["ball", "tangent"])
@pytest.mark.parametrize("lower", [torch.bfloat16, torch.float16])
def test_autocast_does_not_touch_the_geometry(geometry, lower):
    r = torch.Generator().manual_seed(0)
    a, b, o = (torch.randn(n, 64, generator=r) for n in (8, 8, 20))

    def terms():
        return [
            curriculum_loss(a, b, 0.5, geometry=geometry),
            contrastive_loss(a, b, o, 0.5, geometry=geometry),
            (hyperbolic_matrix(a, o, geometry=geometry),),
        ]

    want = terms()
    with torch.autocast("cpu", lower):
        assert (a @ b.T).dtype == lower, "autocast is on"
        got = terms()
    for x, y in zip(want, got):
        for u, v in zip(x, y):
            assert v.dtype == u.dtype and torch.equal(u, v)


@pytest.mark.parametrize("lower", [torch.bfloat16, torch.float16])
def test_what_comes_in_lower_precision_is_computed_in_a_higher_one(lower):
    a, b = torch.randn(2, 8, 64, generator=torch.Generator().manual_seed(0)).to(lower)
    for f in (cosine_dist, hyperbolic_dist):
        torch.testing.assert_close(
            f(a, b).double(), f(a.double(), b.double()), atol=1e-5, rtol=1e-5
        )
    assert cosine_dist(a, b).dtype != lower
    assert euclidean_logits(a, b, b).dtype != lower
    assert hyperbolic_logits(a, b, b).dtype != lower
    assert hyperbolic_matrix(a, b).dtype != lower


@pytest.mark.parametrize(
    "call,says",
    [
        (lambda: info_nce(q, 0), "temperature must be positive"),
        (lambda: contrastive_loss(q, k, queue, 1.5), "0...1"),
        (
            lambda: hyperbolic_matrix(q, k, geometry="boll"),
            "unknown geometry 'boll'; did you mean 'ball'?",
        ),
    ],
)
def test_refusals(call, says):
    with pytest.raises(HyspError) as e:
        call()
    assert says in str(e.value)
