from pathlib import Path
import math
import geoopt.manifolds.stereographic.math as geo
import mpmath as mp
import numpy as np
import pytest
import torch
from device import device
from hysp import poincare as P
from hysp.core import HyspError

golden = np.load(Path(__file__).parent / "golden" / "poincare.npz", allow_pickle=False)
dtypes, curvatures, seeds = [torch.float32, torch.float64], [0.3, 1.0, 2.5], [0, 1]
over = pytest.mark.parametrize(
    "dtype,c,seed", [(d, c, s) for d in dtypes for c in curvatures for s in seeds]
)


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gold(k):
    return torch.from_numpy(golden[k]).to(device)


def close(a, b, eps):
    assert a.dtype == b.dtype and a.shape == b.shape
    assert ((a - b).abs() <= eps * (1 + b.abs())).all(), (a - b).abs().max()


@pytest.mark.parametrize("c", [1.0, 0.5, 2.0])
def test_golden(c):
    x, y = (P.expmap0(gold(k), c) for k in "uv")
    for a, k in (
        (x, "expmap_u"),
        (y, "expmap_v"),
        (P.dist(x, y, c), "dist"),
        (P.project(P.logmap0(x, c), c), "logmap_u"),
    ):
        torch.testing.assert_close(a, gold(f"c{c}|{k}"), rtol=0, atol=1e-9)


def test_golden_log_is_exact_where_nothing_was_capped():
    u = gold("u")
    u = u[u.norm(dim=-1) < 4]
    torch.testing.assert_close(P.logmap0(P.expmap0(u)), u, rtol=0, atol=1e-9)


@over
def test_geoopt(dtype, c, seed):
    k, eps = torch.tensor(-c, dtype=dtype), {torch.float32: 1e-5, torch.float64: 1e-12}[dtype]
    u, v = (
        draw(2, 40, 6, seed=seed, dtype=dtype)
        * torch.logspace(-3, 0, 40, dtype=dtype)[:, None]
        / c**0.5
        / 2
    )
    m, r = draw(4, 6, seed=seed, dtype=dtype), draw(40, 1, seed=seed + 9, dtype=dtype)
    x, y = P.expmap0(u, c), P.expmap0(v, c)
    close(x, geo.project(geo.expmap0(u, k=k), k=k), eps)
    close(P.project(9 * x, c), geo.project(9 * x, k=k), eps)
    close(P.logmap0(x, c), geo.logmap0(x, k=k), eps)
    close(P.mobius_add(x, y, c), geo.mobius_add(x, y, k=k), eps)
    close(P.mobius_scalar_mul(r, x, c), geo.mobius_scalar_mul(r, x, k=k), eps)
    close(P.mobius_matvec(m, x, c), geo.mobius_matvec(m, x, k=k), eps)
    close(P.lambda_x(x, c), geo.lambda_x(x, k=k), 10 * eps)
    close(P.dist(x, y, c), geo.dist(x, y, k=k), 10 * eps)
    close(P.dist0(x, c), geo.dist0(x, k=k), 10 * eps)
    close(P.geodesic(r.sigmoid(), x, y, c), geo.geodesic(r.sigmoid(), x, y, k=k), eps)
    close(P.expmap(x, v, c), geo.project(geo.expmap(x, v, k=k), k=k), eps)
    close(P.logmap(x, y, c), geo.logmap(x, y, k=k), 10 * eps)
    close(
        P.gyromidpoint(x, r[:, 0].abs(), c),
        geo.weighted_midpoint(x, k=k, weights=r[:, 0].abs()),
        10 * eps,
    )


@over
def test_laws(dtype, c, seed):
    eps = {torch.float32: 3e-4, torch.float64: 1e-9}[dtype]
    x, y, z = P.expmap0(draw(3, 40, 6, seed=seed, dtype=dtype) / c**0.5 / 3, c)
    close(P.mobius_add(-x, P.mobius_add(x, y, c), c), y, eps)
    close(P.dist(x, y, c), P.dist(y, x, c), eps)
    close(P.dist(P.mobius_add(z, x, c), P.mobius_add(z, y, c), c), P.dist(x, y, c), eps)
    assert (P.dist(x, y, c) <= P.dist(x, z, c) + P.dist(z, y, c) + eps).all()
    close(P.expmap(x, P.logmap(x, y, c), c), y, eps)
    close(P.dist(x, P.midpoint(x, y, c), c), P.dist(x, y, c) / 2, eps)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("c", curvatures)
def test_finite_in_every_dtype(dtype, c):
    u = (
        torch.tensor(
            [[0.0, 0, 0], [1e-7, 0, 0], [0.3, 0.2, -0.1], [3.0, 4, 0], [40, 0, 0], [-1000, 10, 1]]
        )
        .to(dtype)
        .requires_grad_()
    )
    m = torch.ones(2, 3, dtype=dtype)
    x = P.expmap0(u, c)
    assert x.dtype == dtype and (x.float().norm(dim=-1) * c**0.5 < 1).all()
    outs = [
        x,
        P.logmap0(x, c),
        P.dist(x[:, None], x[None], c),
        P.dist0(x, c),
        P.mobius_matvec(m, x, c),
        P.lambda_x(x, c),
        P.tangent_dist(u[:, None], u[None], c),
        P.tangent_radius(u, c),
        P.midpoint(x, x.flip(0), c),
        P.gyromidpoint(x, c=c),
    ]
    for o in outs:
        (g,) = torch.autograd.grad(o.float().sum() / 100, u, retain_graph=True)
        assert o.dtype == dtype and o.isfinite().all() and g.isfinite().all()


@pytest.mark.parametrize(
    "f",
    [
        "expmap0",
        "logmap0",
        "mobius_add",
        "mobius_matvec",
        "dist",
        "lambda_x",
        "midpoint",
        "gyromidpoint",
        "tangent_dist",
    ],
)
def test_gradcheck(f):
    x, y = P.expmap0(draw(2, 5, 4) / 3, 0.7)
    args = dict(
        mobius_matvec=(draw(3, 4), x),
        mobius_add=(x, y),
        dist=(x, y),
        midpoint=(x, y),
        tangent_dist=(x, y),
    ).get(f, (x,))
    args = [o.detach().requires_grad_() for o in args]
    assert torch.autograd.gradcheck(lambda *a: getattr(P, f)(*a, c=0.7), args)


def test_unusable_input():
    x = torch.ones(2, 3) / 9
    for c in (0, -1.0, float("nan")):
        with pytest.raises(HyspError, match="above 0"):
            P.tangent_dist(x, x, c)
    with pytest.raises(HyspError, match="floating point"):
        P.expmap0(x.long())
    with pytest.raises(HyspError, match="floating point"):
        P.tangent_dist(x, x.long())
    assert P.tangent_dist(x * float("nan"), x).isnan().all()


# tangent_dist against mpmath


def exact(u, v, c):
    "Distance and its gradient in `u`, from the float values given, with 250 digits"
    with mp.workdps(250):
        s = mp.sqrt(mp.mpf(c))
        u, v = ([s * mp.mpf(t) for t in o.tolist()] for o in (u, v))
        a, b = length(u), length(v)

        def per(t):
            return mp.mpf(2) if t == 0 else mp.sinh(2 * t) / t

        q = 2 * (a * b - mp.fsum(x * y for x, y in zip(u, v)))
        h = mp.sinh(a - b) ** 2 + per(a) * per(b) * q / 4
        if h < mp.mpf(10) ** -60:
            return mp.mpf(0), [mp.mpf(0)] * len(u)
        d = 2 * mp.asinh(mp.sqrt(h))
        if a == 0:
            return d / s, [-2 * y / b for y in v]
        dper = (2 * a * mp.cosh(2 * a) - mp.sinh(2 * a)) / a**2
        along, across = (mp.sinh(2 * (a - b)) + dper * per(b) * q / 4) / a, per(a) * per(b) / 2
        return d / s, [
            2 / mp.sinh(d) * (along * x + across * (b * x / a - y)) for x, y in zip(u, v)
        ]


def length(x):
    return mp.sqrt(mp.fsum(t * t for t in x))


def relative(got, want):
    return float(length([mp.mpf(x) - y for x, y in zip(got, want)]) / (length(want) or 1))


def pairs(n=7, d=12, seed=0):
    "Name → pairs of tangents with norms from 1e-6 to 40, in float64"
    g = torch.Generator().manual_seed(seed)

    def unit():
        return torch.nn.functional.normalize(
            torch.randn(n, d, generator=g, dtype=torch.float64), dim=-1
        )

    r = torch.logspace(-6, math.log10(40), n, dtype=torch.float64)[:, None]
    s, e = r[torch.randperm(n, generator=g)], unit()
    ones, axis = (
        torch.full((n, d), d**-0.5, dtype=torch.float64),
        torch.eye(n, d, dtype=torch.float64),
    )
    h = torch.nn.functional.normalize((h := unit()) - (h * e).sum(-1, keepdim=True) * e, dim=-1)
    out = {
        "random": (r * e, s * unit()),
        "orthogonal": (r * axis, s * axis.roll(1, -1)),
        "from the origin": (0 * e, r * e),
        "opposite": (r * e, -r * e),
    }
    for t in (1e-1, 1e-3, 1e-5, 1e-7):
        turned = math.cos(t) * e + math.sin(t) * h
        out |= {
            f"parallel but for {t}": (r * e, s * turned),
            f"opposite but for {t}": (r * e, -s * turned),
            f"turned by {t}": (r * e, r * turned),
            f"longer by {t}": (r * e, r * (1 + t) * e),
            f"next to by {t}": (r * e, r * ((1 + t) * e + t * h)),
        }
    whole = torch.randint(-9, 10, (n, d), generator=g).double()
    whole[:, 0] = 1
    k = (40 / whole.norm(dim=-1, keepdim=True)).floor().clamp(min=2)
    return out | {
        "whole multiples": (k * whole, (k - 1) * whole),
        "whole multiples, opposite": (k * whole, -(k - 1) * whole),
        "diagonal": (r * ones, s * ones),
        "far along the diagonal": (40 * ones, (20 + r / 2) * ones),
        "along one axis": (r * axis, s * axis),
        "both ways on one axis": (r * axis, -s * axis),
    }


@pytest.mark.parametrize("c", [1.0, 0.5, 2.0])
@pytest.mark.parametrize("name", pairs())
def test_tangent_dist_exact_in_float32(name, c):
    u, v = (o.float().requires_grad_() for o in pairs()[name])
    d = P.tangent_dist(u, v, c)
    grads = torch.autograd.grad(d.sum(), (u, v))
    for i in range(len(u)):
        want, gu = exact(u[i], v[i], c)
        _, gv = exact(v[i], u[i], c)
        assert relative([d[i].item()], [want]) <= 2e-7
        for got, g in zip(grads, (gu, gv)):
            assert relative(got[i].tolist(), g) <= 2e-7


@pytest.mark.parametrize(
    "name",
    [
        "random",
        "opposite",
        "turned by 1e-05",
        "next to by 1e-07",
        "from the origin",
        "opposite but for 1e-07",
    ],
)
def test_tangent_dist_exact_in_float64(name):
    u, v = pairs()[name]
    d = P.tangent_dist(u, v, 0.5)
    for i in range(len(u)):
        assert relative([d[i].item()], [exact(u[i], v[i], 0.5)[0]]) <= 1e-9


def test_tangent_dist_of_neighbours_in_float64():
    u = draw(20, 8) / 4
    v = u * (1 + 1e-12)
    for i, d in enumerate(P.tangent_dist(u, v)):
        assert relative([d.item()], [exact(u[i], v[i], 1.0)[0]]) <= 1e-9


def test_tangent_dist_finite_everywhere():
    e = torch.nn.functional.normalize(draw(1, 8, dtype=torch.float32), dim=-1)[0]
    p = torch.stack(
        [s * e for s in (0, 1e-45, 1e-30, 1e-6, 1, 20, 40, -40, 1e3, 1e10, 1e30, -1e30)]
        + [e.roll(1), 40 * e.roll(1), torch.nextafter(e, 2 * e)]
    )
    u, v = p[:, None].clone().requires_grad_(), p[None].clone().requires_grad_()
    d = P.tangent_dist(u, v)
    assert d.isfinite().all() and (d >= 0).all() and (d.diagonal() == 0).all()
    torch.testing.assert_close(d, d.T, rtol=1e-6, atol=0)
    assert all(g.isfinite().all() for g in torch.autograd.grad(d.sum(), (u, v)))
    u = 40 * e.requires_grad_()
    assert (torch.autograd.grad(P.tangent_dist(u, u.detach().clone()), e)[0] == 0).all()


def test_tangent_dist_broadcasts_as_it_loops():
    u, v = draw(5, 1, 4).requires_grad_(), draw(1, 3, 4, seed=1).requires_grad_()
    d = P.tangent_dist(u, v)
    loop = torch.stack(
        [torch.stack([P.tangent_dist(u[i, 0], v[0, j]) for j in range(3)]) for i in range(5)]
    )
    torch.testing.assert_close(d, loop, rtol=1e-14, atol=0)
    w = draw(5, 3, seed=2)
    for a, b in zip(
        torch.autograd.grad((w * d).sum(), (u, v)), torch.autograd.grad((w * loop).sum(), (u, v))
    ):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_tangent_dist_equals_the_ball_and_its_gradient():
    u, v = draw(2, 30, 6).unbind()
    u, v = u.requires_grad_(), v.requires_grad_()
    a, b = (
        P.tangent_dist(u / 2, v / 2, 1.3),
        P.dist(P.expmap0(u / 2, 1.3), P.expmap0(v / 2, 1.3), 1.3),
    )
    torch.testing.assert_close(a, b, rtol=1e-9, atol=0)
    for x, y in zip(torch.autograd.grad(a.sum(), (u, v)), torch.autograd.grad(b.sum(), (u, v))):
        torch.testing.assert_close(x, y, rtol=1e-7, atol=1e-9)


def test_the_ball_saturates_where_the_readme_says():
    u = torch.tensor([[5.0], [7.0], [9.0]])
    torch.testing.assert_close(P.dist0(P.expmap0(u)), torch.full((3,), 6.2126), rtol=0, atol=1e-3)
    torch.testing.assert_close(
        P.dist0(P.expmap0(9 * u.double())),
        torch.full((3,), 12.2061, dtype=torch.float64),
        rtol=0,
        atol=1e-3,
    )
    torch.testing.assert_close(P.tangent_dist(u, 0 * u), 2 * u[:, 0])


def test_mixed_dtypes():
    u, v = draw(4, 3), draw(4, 3, seed=1).float().requires_grad_()
    d = P.tangent_dist(u, v)
    assert d.dtype == torch.float64 and torch.autograd.grad(d.sum(), v)[0].dtype == torch.float32


@pytest.mark.parametrize("c", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 30.0])
def test_all_pairs_are_the_pairs(c, scale):
    g = torch.Generator().manual_seed(0)
    u, v = (torch.randn(n, 5, generator=g, dtype=torch.float64) * scale for n in (9, 7))
    u[0] = 0
    v[0] = u[1]
    if scale <= 1:
        v[1] = u[2] * (1 + 1e-9)  # Parallel and long, their angle is rounding: the notebook says so
    torch.testing.assert_close(
        P.tangent_cdist(u, v, c), P.tangent_dist(u[:, None], v, c), rtol=1e-12, atol=1e-13 * scale
    )
    assert P.tangent_cdist(u, u, c).diag().tolist() == [0.0] * 9


# How far the distance of tangents carries


def exact_distance(u, v):
    "The law of cosines in 700 digits"
    with mp.workdps(700):
        u, v = [[mp.mpf(float(x)) for x in tangent] for tangent in (u, v)]
        a, b = [mp.sqrt(sum(x * x for x in tangent)) for tangent in (u, v)]
        q = sum((x / a - y / b) ** 2 for x, y in zip(u, v)) / 4
        square = mp.sinh(a - b) ** 2 + mp.sinh(2 * a) * mp.sinh(2 * b) * q
        return 2 * mp.asinh(mp.sqrt(square))


def relative_error(found, u, v):
    truth = exact_distance(u, v)
    with mp.workdps(700):
        return float(abs(mp.mpf(float(found)) - truth) / truth)


@pytest.mark.parametrize(
    "lengths",
    [
        (1e-290, 1e-290),
        (1e-200, 2e-200),
        (1e-170, 1.0),
        (1, 1),
        (19, 19),
        (19, 12),
        (40, 40),
        (40, 30),
        (300, 200),
    ],
)
@pytest.mark.parametrize("angle", [1, 1e-4, 1e-8, 1e-12, 1e-15])
def test_distances_keep_their_digits(lengths, angle):
    u = torch.nn.functional.normalize(draw(4, 5, seed=3), dim=1)
    v = torch.nn.functional.normalize(u + angle * draw(4, 5, seed=4), dim=1)
    u, v = lengths[0] * u, lengths[1] * v
    for found in (P.tangent_dist(u, v), P.tangent_cdist(u, v).diagonal()):
        for pair in zip(found, u, v):
            assert relative_error(*pair) < 1e-12


def test_gradients_of_tangents_whose_squares_are_no_numbers():
    u = 1e-200 * torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    v = 1e-200 * torch.tensor([[0.0, 4.0]], dtype=torch.float64)
    for distance in (P.tangent_dist, P.tangent_cdist):
        p = u.clone().requires_grad_()
        d = distance(p, v)
        close(d.detach().flatten() * 1e200, torch.tensor([10.0], dtype=torch.float64), 1e-12)
        (pull,) = torch.autograd.grad(d.sum(), p)
        close(pull, torch.tensor([[1.2, -1.6]], dtype=torch.float64), 1e-9)


def test_a_space_without_dimensions_is_one_point():
    none = torch.zeros(3, 0, requires_grad=True)
    assert P.tangent_dist(none, none).tolist() == [0, 0, 0]
    assert P.tangent_cdist(none, none[:2]).tolist() == [[0, 0]] * 3
    assert P.dist(none, none).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "c",
    [
        0,
        -1.0,
        math.inf,
        math.nan,
        torch.tensor(0.0),
        torch.tensor([1.0, -1.0]),
        torch.tensor(math.inf),
    ],
)
def test_curvatures_that_are_none(c):
    x = torch.zeros(2, 3)
    calls = [
        P.project,
        P.expmap0,
        P.logmap0,
        P.tangent_radius,
        P.dist0,
        P.lambda_x,
        *(
            lambda x, c, f=f: f(x, x, c)
            for f in (
                P.mobius_add,
                P.dist,
                P.expmap,
                P.logmap,
                P.midpoint,
                P.tangent_dist,
                P.tangent_cdist,
                P.lorentz_gap,
            )
        ),
    ]
    for call in calls:
        with pytest.raises(HyspError, match="finite curvature magnitude c above 0"):
            call(x, c)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(dtype):
    x = (draw(2, 30, 6) / 20).to(dtype)
    for function in (P.dist, P.mobius_add, P.logmap, P.expmap, P.midpoint):
        assert torch.equal(function(*x), function(*x.float()).to(dtype))
    tiny = torch.full((1, 3), 1e-4, dtype=dtype)
    close(P.dist(tiny, -tiny), P.dist(tiny.float(), -tiny.float()).to(dtype), 0)
    assert P.dist(tiny, -tiny) > 6e-4
