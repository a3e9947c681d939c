"Optimizers: LARS against its definition, all through a save and on, the riemannian ones on ordinary weights"

from copy import deepcopy

import pytest
import torch

from hysp.optim import LARS, make_optimizer, optimizers


def problem(seed=0):
    r = torch.Generator().manual_seed(seed)
    return [
        torch.nn.Parameter(torch.randn(4, 3, generator=r)),
        torch.nn.Parameter(torch.randn(4, generator=r)),
    ], torch.randn(8, 3, generator=r)


def go(params, opt, x, n):
    for _ in range(n):
        opt.zero_grad()
        (x @ params[0].T + params[1]).square().mean().backward()
        opt.step()


def test_lars_is_its_definition():
    params, x = problem()
    ours, theirs = (
        [p.detach().double().clone() for p in params],
        [torch.zeros_like(p).double() for p in params],
    )
    lr, m, wd, trust = 0.7, 0.9, 0.01, 0.02
    opt = LARS(params, lr, m, wd, trust)
    for _ in range(6):
        go(params, opt, x, 1)
        g = [o.requires_grad_() for o in ours]
        grads = torch.autograd.grad((x.double() @ g[0].T + g[1]).square().mean(), g)
        ours = [o.detach() for o in ours]
        for i, (p, d) in enumerate(zip(ours, grads)):
            if p.ndim > 1:
                d = d + wd * p
                d = d * trust * p.norm() / d.norm()
            theirs[i] = m * theirs[i] + d
            ours[i] = p - lr * theirs[i]
        for p, q in zip(params, ours):
            torch.testing.assert_close(p.double(), q, atol=1e-6, rtol=0)


@pytest.mark.parametrize("at", [0.0, 1.0])
def test_lars_is_finite_without_weights_or_gradient(at):
    p = torch.nn.Parameter(torch.full((2, 2), at))
    opt = LARS([p], 1.0)
    for slope in (0.0, 1.0):
        opt.zero_grad()
        (slope * p.sum()).backward()
        opt.step()
    assert p.isfinite().all()


@pytest.mark.parametrize("name", optimizers)
def test_goes_on_from_its_state_to_the_bit(name):
    whole, x = problem()
    opt = make_optimizer(whole, name, 1e-2)
    go(whole, opt, x, 3)
    half = [torch.nn.Parameter(p.detach().clone()) for p in whole]
    other = make_optimizer(half, name, 1e-2)
    other.load_state_dict(deepcopy(opt.state_dict()))
    go(whole, opt, x, 3)
    go(half, other, x, 3)
    for a, b in zip(whole, half):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", optimizers)
def test_goes_downhill(name):
    params, x = problem()

    def loss():
        return (x @ params[0].T + params[1]).square().mean().item()

    before = loss()
    go(params, make_optimizer(params, name, 1.0 if name == "lars" else 1e-2), x, 40)
    assert loss() < 0.9 * before


def test_riemannian_adam_is_adam_on_ordinary_weights():
    ways = []
    for name in ("adam", "riemannian_adam"):
        params, x = problem()
        go(params, make_optimizer(params, name, 1e-2, weight_decay=0.0), x, 25)
        ways.append(params)
    for a, b in zip(*ways):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)
