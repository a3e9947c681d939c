from pathlib import Path
import copy
import subprocess
import sys
import geoopt
import numpy as np
import pytest
import torch
from device import device
from hysp.core import HyspError
from hysp.heads import MobiusLinear, Predictor, Projector, ema_update
from hysp.poincare import expmap0

folder = Path(__file__).parent / "golden"


def load(name):
    arrays = np.load(folder / name, allow_pickle=False)
    return {k: torch.from_numpy(v).to(device) for k, v in arrays.items()}


def test_golden_state_dicts_fit():
    z = load("hysp_step.npz")
    for kind, name in (
        (Projector, "online_projector"),
        (Projector, "target_projector"),
        (Predictor, "online_predictor"),
    ):
        head, n = kind(32, 32, 32), f"w|{name}."
        w = {k.removeprefix(n): v for k, v in z.items() if k.startswith(n)}
        head.load_state_dict(w, strict=True)
        assert list(head.state_dict()) == list(w)


def test_golden_ema():
    z = load("hysp_step.npz")
    decay = z["ema_decay"].item()
    done = [k.removeprefix("ema|") for k in z if k.startswith("ema|")]
    assert len(done) == 2
    for k in done:
        online, target = (
            torch.nn.ParameterList([torch.nn.Parameter(z[f"w|{o}"].clone())])
            for o in (k.replace("target", "online"), k)
        )
        ema_update(online, target, decay)
        torch.testing.assert_close(target[0].detach(), z[f"ema|{k}"], rtol=0, atol=1e-6)
        assert (target[0] - z[f"w|{k}"]).abs().max() > 1e-6


def test_ema_in_place_and_without_buffers():
    torch.manual_seed(0)
    online, target = Projector(4, 5, 3), Projector(4, 5, 3)
    before, held = copy.deepcopy(target.state_dict()), [p.data_ptr() for p in target.parameters()]
    online(torch.randn(8, 4))
    ema_update(online, target, 0.75)
    for k, p in target.named_parameters():
        torch.testing.assert_close(
            p.detach(),
            0.75 * before[k] + 0.25 * online.get_parameter(k).detach(),
            rtol=0,
            atol=1e-7,
        )
    for k, b in target.named_buffers():
        assert torch.equal(b, before[k])
    assert held == [p.data_ptr() for p in target.parameters()]
    ema_update(online, target, 0)
    for p, q in zip(online.parameters(), target.parameters()):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-7)
    before = copy.deepcopy(target.state_dict())
    ema_update(Projector(4, 5, 3), target, 1)
    assert all(torch.equal(v, before[k]) for k, v in target.state_dict().items())


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_ema_decay_outside(decay):
    with pytest.raises(HyspError, match="lies in"):
        ema_update(Projector(2, 2, 2), Projector(2, 2, 2), decay)


def test_ema_of_different_networks():
    with pytest.raises(HyspError, match="differ in 'weight'"):
        ema_update(torch.nn.Linear(2, 2), Projector(2, 2, 2))
    with pytest.raises(HyspError, match="net.0.weight"):
        ema_update(Projector(2, 3, 2), Projector(2, 2, 2))


def test_golden_mobius_linear():
    z = load("mobius_linear.npz")
    layer = MobiusLinear(16, 7).to(device)
    layer.load_state_dict({k: z[k] for k in ("weight", "bias")})
    torch.testing.assert_close(layer(z["x"]), z["y"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("c", [0.5, 1.0, 2.0])
def test_mobius_linear_gradients(c):
    layer = MobiusLinear(4, 3, c).double()
    x = expmap0(
        torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 2, c
    ).requires_grad_()
    assert torch.autograd.gradcheck(layer, x)
    assert isinstance(
        layer.bias, geoopt.ManifoldParameter
    ) and layer.bias.manifold.c.item() == pytest.approx(c, rel=1e-6)
    layer(x).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())


def test_mobius_linear_of_tangents():
    layer = MobiusLinear(4, 3, tangent=True)
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    y = layer(x)
    layer.tangent = False
    assert y.dtype == torch.float64 and torch.equal(y, layer(expmap0(x.double())))
    assert (layer(expmap0(99 * x)).norm(dim=-1) < 1).all()


def test_one_clip_in_train_mode():
    head = Projector(4, 5, 3)
    with pytest.raises(HyspError, match="two clips"):
        head(torch.zeros(1, 4))
    assert head.eval()(torch.zeros(1, 4)).shape == (1, 3)


def test_geoopt_waits():
    code = "import sys, hysp.heads; sys.exit('geoopt' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0
    )
