"How hard a clip is pulled: gradients by autograd against closed forms, in any direction, dimension and curvature"

import math

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn.functional import normalize

from hysp.losses import curriculum_loss
from hysp.poincare import dist, tangent_dist

reals = dict(d=st.integers(2, 40), c=st.sampled_from([0.3, 1.0, 2.5]), seed=st.integers(0, 10**6))


def directions(d, seed):
    "Two orthogonal unit vectors and a generator"
    g = torch.Generator().manual_seed(seed)
    return *torch.linalg.qr(torch.randn(d, 2, dtype=torch.float64, generator=g))[0].T, g


def gradient(f, x):
    x = x.detach().clone().requires_grad_()
    f(x).sum().backward()
    return x.grad


@settings(max_examples=50, deadline=None)
@given(r=st.floats(0, 0.98), **reals)
def test_in_the_ball_it_grows_towards_the_rim(r, d, c, seed):
    i, _, g = directions(d, seed)
    h, target = (
        r * i / c**0.5,
        0.7 * normalize(torch.randn(d, dtype=torch.float64, generator=g), dim=0) / c**0.5,
    )
    e = gradient(lambda o: dist(o[None], target[None], c), h)
    assert e.norm().item() == pytest.approx(2 / (1 - r**2), rel=1e-6)  # Any target, any direction
    riemannian = e * (1 - r**2) ** 2 / 4
    assert riemannian.norm().item() == pytest.approx((1 - r**2) / 2, rel=1e-6)  # Shrinks


@settings(max_examples=50, deadline=None)
@given(size=st.floats(0.01, 8), step=st.floats(0.01, 3), **reals)
def test_on_the_tangent_a_target_ahead_pulls_the_same_everywhere(size, step, d, c, seed):
    i = torch.eye(d, dtype=torch.float64)[
        seed % d
    ]  # An axis, on which a multiple is exactly straight ahead
    e = gradient(lambda o: tangent_dist(o[None], ((size + step) * i)[None], c), size * i)
    torch.testing.assert_close(e, -2 * i, rtol=1e-8, atol=1e-8)


@settings(max_examples=50, deadline=None)
@given(size=st.floats(0.01, 4), theta=st.floats(1e-3, 3.1), **reals)
def test_on_the_tangent_a_target_aside_pulls_by_the_law_of_sines(size, theta, d, c, seed):
    i, j, _ = directions(d, seed)
    e = gradient(
        lambda o: tangent_dist(
            o[None], size * (math.cos(theta) * i + math.sin(theta) * j)[None], c
        ),
        size * i,
    )
    r = 2 * c**0.5 * size
    far = 2 * math.asinh(math.sinh(r) * math.sin(theta / 2))
    assert -(e @ j).item() == pytest.approx(
        2 * math.sinh(r) ** 2 * math.sin(theta) / (r * math.sinh(far)), rel=1e-7
    )


@settings(max_examples=50, deadline=None)
@given(size=st.floats(0.01, 4), **reals)
def test_on_the_tangent_a_near_target_aside_pulls_exponentially(size, d, c, seed):
    i, j, _ = directions(d, seed)
    theta = 1e-6 * math.exp(-2 * c**0.5 * size)
    e = gradient(
        lambda o: tangent_dist(
            o[None], size * (math.cos(theta) * i + math.sin(theta) * j)[None], c
        ),
        size * i,
    )
    assert e.norm().item() == pytest.approx(
        math.sinh(2 * c**0.5 * size) / (c**0.5 * size), rel=1e-5
    )


@settings(max_examples=50, deadline=None)
@given(size=st.floats(0.1, 4), theta=st.floats(0.01, 3.1), lam=st.floats(0, 1), **reals)
def test_lambda_mixes_the_pulls(size, theta, lam, d, c, seed):
    i, j, _ = directions(d, seed)
    target = 1.3 * (math.cos(theta) * i + math.sin(theta) * j)[None]
    pull = {
        o: gradient(lambda q, o=o: curriculum_loss(q[None], target, o, c, "tangent")[0], size * i)
        for o in (0.0, lam, 1.0)
    }
    assert pull[0.0].norm().item() == pytest.approx(
        2 * math.sin(theta) / size, rel=1e-6
    )  # Cosine: the farther out, the less
    torch.testing.assert_close(
        pull[lam], (1 - lam) * pull[0.0] + lam * pull[1.0], rtol=1e-8, atol=1e-10
    )
    torch.testing.assert_close(
        pull[1.0], gradient(lambda q: tangent_dist(q[None], target, c), size * i)
    )


@pytest.mark.parametrize("theta", [0.05, 0.6, 2.0])
def test_a_surer_target_pulls_aside_harder_up_to_a_limit(theta, a=0.8):
    "Unless the angle is small: then the pull is largest where the target is about as far out as the clip"
    i, j, _ = directions(5, 0)
    sizes = torch.linspace(0.05, 9, 60, dtype=torch.float64)
    pull = torch.stack(
        [
            -gradient(
                lambda o, b=b: tangent_dist(
                    o[None], b * (math.cos(theta) * i + math.sin(theta) * j)[None]
                ),
                a * i,
            )
            @ j
            for b in sizes
        ]
    )
    A, B = 2 * a, 2 * sizes
    d = torch.acosh(math.cosh(A) * B.cosh() - math.sinh(A) * B.sinh() * math.cos(theta))
    torch.testing.assert_close(
        pull, math.sinh(A) * B.sinh() * math.sin(theta) / (a * d.sinh()), rtol=1e-6, atol=1e-9
    )
    assert pull[-1].item() == pytest.approx(
        math.sinh(A) * math.sin(theta) / (a * (math.cosh(A) - math.sinh(A) * math.cos(theta))),
        rel=1e-6,
    )
    rises = bool((pull.diff() > -1e-9).all())
    assert rises == (theta > 0.5) and (rises or abs(sizes[pull.argmax()] - a) < 0.16)
