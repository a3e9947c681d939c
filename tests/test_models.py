"The encoder and HYSP against the golden numbers of the authors' implementation"
import numpy as np, pytest, torch
from pathlib import Path
from hysp.losses import cosine_dist, hyperbolic_dist, mix
from hysp.models import HYSP
from hysp.stgcn import STGCN

def golden(name):
    z = np.load(Path(__file__).parent/'golden'/name, allow_pickle=False)
    return {k: torch.from_numpy(np.asarray(z[k])) for k in z.files}

def part(g, prefix): return {k.removeprefix(prefix): v for k,v in g.items() if k.startswith(prefix)}

def test_encoder_loads_and_reproduces():
    g = golden('stgcn.npz')
    enc = STGCN(hidden=8, out=32).eval()
    enc.load_state_dict(part(g, 'w|'))
    with torch.no_grad(): torch.testing.assert_close(enc(g['x']), g['y_eval'], atol=1e-5, rtol=0)

@pytest.fixture
def step():
    g = golden('hysp_step.npz')
    m = HYSP(hidden=8, out=32, head=32, dropout=0.).train()
    m.load_state_dict(part(g, 'w|'))
    return g,m

def golden_loss(g, m, lam, geometry='ball'):
    terms = [mix(q, k, lam, geometry=geometry) for q,k in m(g['a'], g['b'])]
    return [sum(o)/2 for o in zip(*terms)]

@pytest.mark.parametrize('lam', ['0.0','0.3','1.0'])
def test_step_reproduces_losses_and_gradients(step, lam):
    g,m = step
    loss,euc,hyp = golden_loss(g, m, float(lam))
    for ours,name in ((loss,'loss'), (euc,'loss_euc'), (hyp,'loss_hyp')):
        torch.testing.assert_close(ours.double(), g[f'lam{lam}|{name}'].double(), atol=1e-5, rtol=0)
    loss.mean().backward()
    params,seen = dict(m.named_parameters()),part(g, f'lam{lam}|grad|')
    assert len(seen)==4
    for k,want in seen.items(): assert (params[k].grad-want).norm()/want.norm()<1e-4, k

def test_step_reproduces_embeddings_and_target(step):
    g,m = step
    (q,k),_ = m(g['a'], g['b'])
    torch.testing.assert_close(q, g['q'], atol=1e-5, rtol=0)
    torch.testing.assert_close(k, g['k'], atol=1e-5, rtol=0)

def test_target_follows_exactly(step):
    g,m = step
    m.after_step(.999)
    state,after = m.state_dict(),part(g, 'ema|')
    assert len(after)==2
    for k,want in after.items(): torch.testing.assert_close(state[k], want, atol=1e-6, rtol=0)

def test_loss_straight_from_the_tangents_agrees_with_the_ball(step):
    g,m = step
    ball,tangent = (golden_loss(g, m, 1., o)[0].double() for o in ('ball','tangent'))
    torch.testing.assert_close(ball, tangent, atol=1e-4, rtol=0)

@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('at', ['equal','opposite','zero','far'])
def test_gradients_are_finite(dtype, at):
    torch.manual_seed(0)
    q = torch.randn(16, 8, dtype=dtype)
    k = dict(equal=q, opposite=-q, zero=0*q, far=30*q)[at]
    for f in (cosine_dist, lambda q,k: hyperbolic_dist(q, k, geometry='ball'), lambda q,k: hyperbolic_dist(q, k, geometry='tangent')):
        p = q.clone().requires_grad_()
        f(p, k.clone()).sum().backward()
        assert p.grad.isfinite().all()
