"The disk: exact radius, a repeatable angle, degenerate sets, and a fidelity that can tell good drawings from bad"
import math
import pytest, torch
from scipy.stats import spearmanr
from sklearn.neighbors import KNeighborsClassifier
from hysp.core import HyspError
from hysp.disk import Polar, _pairwise, disk_radius, fidelity, polar
from hysp.poincare import expmap0, tangent_dist

gen = lambda seed=0: torch.Generator().manual_seed(seed)
normal = lambda *s, seed=0: torch.randn(*s, generator=gen(seed), dtype=torch.float64)


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('c', [.5,1.,2.])
@pytest.mark.parametrize('n,d', [(1,5),(2,5),(3,1),(50,2),(50,3),(40,128),(300,64)])
def test_radius_is_exact(n, d, c, seed):
    z = normal(n,d, seed=seed)/d**.5
    p = polar(z, c)
    assert p.shape == (n,2) and p.dtype == torch.float64
    assert (p.norm(dim=-1)-torch.tanh(c**.5*z.norm(dim=-1))).abs().max() < 1e-12
    h = expmap0(z, c)
    assert (p.norm(dim=-1)-c**.5*h.norm(dim=-1)).abs().max() < 1e-9
    if d > 1: assert (polar(h, c, ball=True)-p).abs().max() < 1e-6

def test_far_out_stays_inside():
    z = torch.diag(torch.tensor([5.,9,12,15,17,40,1e4]))
    r = disk_radius(z)
    assert (r<1).all() and (r.diff()[:4]>0).all() and polar(z).norm(dim=-1).max() <= 1

def test_float32_and_gradient_inputs():
    z = normal(50,8).float().requires_grad_()
    p = polar(z)
    assert p.dtype == torch.float64 and not p.requires_grad and torch.equal(polar(z), p)
    assert torch.equal(polar(z.detach().numpy()), p)

def test_angle_is_that_of_the_principal_components():
    z = normal(400,6)*torch.tensor([3.,2,1,.5,.5,.5]) + torch.tensor([0,0,5.,0,0,0])
    u = z/z.norm(dim=-1,keepdim=True)
    axes = torch.linalg.svd(u-u.mean(0), full_matrices=False)[2][:2].T
    flat = (u-u.mean(0))@axes
    p = polar(z)
    cos = torch.nn.functional.normalize(p, dim=-1).abs()-torch.nn.functional.normalize(flat, dim=-1).abs()  # up to the sign of each axis
    assert cos.abs().max() < 1e-9

def test_length_has_no_say_in_the_plane():
    z,s = normal(200,10),torch.rand(200,1, generator=gen(1), dtype=torch.float64)*5+.1
    a,b = polar(z),polar(z*s)
    assert (a/a.norm(dim=-1,keepdim=True)-b/b.norm(dim=-1,keepdim=True)).abs().max() < 1e-9

def test_order_and_new_points():
    z = normal(200,10)
    i = torch.randperm(200, generator=gen())
    f = Polar().fit(z)
    assert (polar(z[i])-polar(z)[i]).abs().max() < 1e-9
    assert torch.equal(f.transform(z), polar(z)) and torch.equal(f.transform(z[:1]), f.transform(z)[:1])
    extra = torch.cat([z,torch.zeros(3,10)])                 # zero vectors have no say
    assert (polar(extra)[:200]-polar(z)).abs().max() < 1e-12 and not polar(extra)[200:].any()

@pytest.mark.parametrize('d', [1,2])
def test_one_and_two_dimensions_are_drawn_as_they_are(d):
    z = normal(50,d)
    want = expmap0(torch.cat([z,torch.zeros(50,2-d, dtype=z.dtype)], 1))
    assert (polar(z)-want).abs().max() < 1e-9

def test_degenerate():
    assert not polar(torch.zeros(5,7)).any() and polar(torch.zeros(0,7)).shape == (0,2)
    ray = polar(torch.arange(1.,5)[:,None]*torch.tensor([1.,-2,3,4]))
    assert ray[:,1].abs().max() < 1e-9 and (ray[:,0]>0).all()
    both = polar(torch.tensor([[1.,2,3],[-1,-2,-3]]))          # a line: both ways from the middle
    assert both[:,1].abs().max() < 1e-9 and both[0,0]*both[1,0] < 0
    assert polar(torch.randn(5,4, generator=gen())*1e-200).isfinite().all()


@pytest.mark.parametrize('scale', [1e-3,.1,1,10])
def test_pairwise(scale):
    u = normal(40,16)*scale
    want = tangent_dist(u[:,None], u[None])
    off = ~torch.eye(40, dtype=torch.bool)
    assert ((_pairwise(u)-want)[off]/want[off]).abs().max() < 1e-8 and not _pairwise(u).diagonal().any()

@pytest.mark.parametrize('ball', [False,True])
@pytest.mark.parametrize('c', [.5,1.,2.])
def test_fidelity_against_plain_ways(c, ball):
    z,label = normal(120,12)/4,torch.arange(120)%3
    z[:,0] += label
    p = polar(z, c)
    f = fidelity(expmap0(z, c) if ball else z, p, label, c, ball)
    d = tangent_dist(z[:,None], z[None], c)
    q = torch.nn.functional.normalize(p, dim=-1)*torch.atanh(p.norm(dim=-1,keepdim=True))
    e = tangent_dist(q[:,None], q[None])
    i = torch.triu_indices(120,120,1)
    assert abs(f.radius-1) < 1e-9
    assert abs(f.distance-spearmanr(d[*i], e[*i]).statistic) < 1e-6
    for o,got in ((d,f.before),(e,f.neighbours)):
        near = KNeighborsClassifier(10, metric='precomputed').fit(o.fill_diagonal_(1e9).numpy(), label).predict(o.numpy())
        assert got == pytest.approx((near==label.numpy()).mean())

def test_fidelity_tells_good_from_bad():
    z = normal(300,2)
    good,bad = fidelity(z, polar(z)),fidelity(z, polar(z)[torch.randperm(300, generator=gen())])
    assert good.distance > 1-1e-6 and abs(bad.distance) < .1 and abs(bad.radius) < .2
    halved = fidelity(z, polar(z)*.5)
    assert halved.radius > 1-1e-9 and halved.distance < good.distance

def test_fidelity_degenerate():
    for n in (0,1,2):
        f = fidelity(normal(n,4), polar(normal(n,4)), torch.zeros(n, dtype=torch.long))
        assert math.isnan(f.distance) and f.points == n
    f = fidelity(torch.zeros(5,4), torch.zeros(5,2), torch.zeros(5))
    assert math.isnan(f.radius) and f.neighbours == 1 and 'nan' in str(f)

def test_errors():
    z = normal(5,4)
    for call,message in ((lambda: polar(z[0]), 'shape (N,d)'), (lambda: polar(z, c=0), 'c is above 0'), (lambda: polar(z*5, ball=True), 'outside the ball'),
                         (lambda: polar(z.where(z<z.max(), math.nan)), 'is not finite'), (lambda: Polar().transform(z), 'not fitted'),
                         (lambda: fidelity(z, torch.zeros(5,3)), 'of 2 dimensions'), (lambda: fidelity(z, polar(z), [1]), '1 labels')):
        with pytest.raises(HyspError) as e: call()
        assert message in str(e.value)

def test_size_of_a_real_embedding():
    p = polar(normal(5000,1024).float())
    assert p.shape==(5000,2) and (p.norm(dim=-1)<1).all()
