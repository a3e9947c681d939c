"The disk: exact radius, a repeatable angle, degenerate sets, and a fidelity that can tell good drawings from bad"

import csv, math
from pathlib import Path
import pytest, torch
from scipy.stats import spearmanr
from sklearn.neighbors import KNeighborsClassifier
from hysp.core import HyspError
from sklearn.manifold import trustworthiness
from hysp.disk import (
    HoroPCA,
    LearnedDisk,
    Polar,
    TangentPCA,
    _pairwise,
    _tangents,
    disk_radius,
    fidelity,
    frechet_mean,
    horopca,
    learned,
    polar,
    projections,
    tree,
)
from hysp.embeddings import load_embeddings
from hysp.poincare import dist, expmap0, logmap0, mobius_add, tangent_dist
from hysp.runs import example

gen = lambda seed=0: torch.Generator().manual_seed(seed)
normal = lambda *s, seed=0: torch.randn(*s, generator=gen(seed), dtype=torch.float64)
place = lambda z, c=1.0, ball=False: Polar(c, ball).fit_transform(z)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("c", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("n,d", [(1, 5), (2, 5), (3, 1), (50, 2), (50, 3), (40, 128), (300, 64)])
def test_radius_is_exact(n, d, c, seed):
    z = normal(n, d, seed=seed) / d**0.5
    p = place(z, c)
    assert p.shape == (n, 2) and p.dtype == torch.float64
    assert (p.norm(dim=-1) - torch.tanh(c**0.5 * z.norm(dim=-1))).abs().max() < 1e-12
    h = expmap0(z, c)
    assert (p.norm(dim=-1) - c**0.5 * h.norm(dim=-1)).abs().max() < 1e-9
    if d > 1:
        assert (place(h, c, ball=True) - p).abs().max() < 1e-6


def test_far_out_stays_inside():
    z = torch.diag(torch.tensor([5.0, 9, 12, 15, 17, 40, 1e4]))
    r = disk_radius(z)
    assert (r < 1).all() and (r.diff()[:4] > 0).all() and place(z).norm(dim=-1).max() <= 1


def test_float32_and_gradient_inputs():
    z = normal(50, 8).float().requires_grad_()
    p = place(z)
    assert p.dtype == torch.float64 and not p.requires_grad and torch.equal(place(z), p)
    assert torch.equal(place(z.detach().numpy()), p)


def test_angle_is_that_of_the_principal_components():
    z = normal(400, 6) * torch.tensor([3.0, 2, 1, 0.5, 0.5, 0.5]) + torch.tensor(
        [0, 0, 5.0, 0, 0, 0]
    )
    u = z / z.norm(dim=-1, keepdim=True)
    axes = torch.linalg.svd(u - u.mean(0), full_matrices=False)[2][:2].T
    flat = (u - u.mean(0)) @ axes
    p = place(z)
    got, want = (torch.nn.functional.normalize(x, dim=-1).abs() for x in (p, flat))
    assert (got - want).abs().max() < 1e-9  # up to the sign of each axis


def test_length_has_no_say_in_the_plane():
    z, s = normal(200, 10), torch.rand(200, 1, generator=gen(1), dtype=torch.float64) * 5 + 0.1
    a, b = place(z), place(z * s)
    assert (a / a.norm(dim=-1, keepdim=True) - b / b.norm(dim=-1, keepdim=True)).abs().max() < 1e-9


def test_order_and_new_points():
    z = normal(200, 10)
    i = torch.randperm(200, generator=gen())
    f = Polar().fit(z)
    assert (place(z[i]) - place(z)[i]).abs().max() < 1e-9
    assert torch.equal(f.transform(z), place(z)) and torch.equal(
        f.transform(z[:1]), f.transform(z)[:1]
    )
    extra = torch.cat([z, torch.zeros(3, 10)])  # zero vectors have no say
    assert (place(extra)[:200] - place(z)).abs().max() < 1e-12 and not place(extra)[200:].any()


@pytest.mark.parametrize("d", [1, 2])
def test_one_and_two_dimensions_are_drawn_as_they_are(d):
    z = normal(50, d)
    want = expmap0(torch.cat([z, torch.zeros(50, 2 - d, dtype=z.dtype)], 1))
    assert (place(z) - want).abs().max() < 1e-9


def test_degenerate():
    assert not place(torch.zeros(5, 7)).any() and place(torch.zeros(0, 7)).shape == (0, 2)
    ray = place(torch.arange(1.0, 5)[:, None] * torch.tensor([1.0, -2, 3, 4]))
    assert ray[:, 1].abs().max() < 1e-9 and (ray[:, 0] > 0).all()
    both = place(torch.tensor([[1.0, 2, 3], [-1, -2, -3]]))  # a line: both ways from the middle
    assert both[:, 1].abs().max() < 1e-9 and both[0, 0] * both[1, 0] < 0
    assert place(torch.randn(5, 4, generator=gen()) * 1e-200).isfinite().all()


@pytest.mark.parametrize("scale", [1e-3, 0.1, 1, 10])
def test_pairwise(scale):
    u = normal(40, 16) * scale
    want = tangent_dist(u[:, None], u[None])
    off = ~torch.eye(40, dtype=torch.bool)
    assert ((_pairwise(u) - want)[off] / want[off]).abs().max() < 1e-8 and not _pairwise(
        u
    ).diagonal().any()


@pytest.mark.parametrize("ball", [False, True])
@pytest.mark.parametrize("c", [0.5, 1.0, 2.0])
def test_fidelity_against_plain_ways(c, ball):
    z, label = normal(120, 12) / 4, torch.arange(120) % 3
    z[:, 0] += label
    p = place(z, c)
    f = fidelity(expmap0(z, c) if ball else z, p, label, c, ball)
    d = tangent_dist(z[:, None], z[None], c)
    q = torch.nn.functional.normalize(p, dim=-1) * torch.atanh(p.norm(dim=-1, keepdim=True))
    e = tangent_dist(q[:, None], q[None])
    i = torch.triu_indices(120, 120, 1)
    assert abs(f.radius - 1) < 1e-9
    assert abs(f.distance - spearmanr(d[*i], e[*i]).statistic) < 1e-6
    order = d.clone().fill_diagonal_(0)
    assert 0 < f.trust < 1 and abs(f.trust - trusted(order, e)) < 1e-9
    for distance, got in ((d, f.before), (e, f.neighbours)):
        distance = distance.fill_diagonal_(1e9).numpy()
        near = KNeighborsClassifier(10, metric="precomputed").fit(distance, label)
        assert got == pytest.approx((near.predict(distance) == label.numpy()).mean())


def test_fidelity_tells_good_from_bad():
    z = normal(300, 2)
    good, bad = fidelity(z, place(z)), fidelity(z, place(z)[torch.randperm(300, generator=gen())])
    assert good.distance > 1 - 1e-6 and abs(bad.distance) < 0.1 and abs(bad.radius) < 0.2
    halved = fidelity(z, place(z) * 0.5)
    assert halved.radius > 1 - 1e-9 and halved.distance < good.distance
    assert good.error < 1e-6 and good.keeps_distances and not halved.keeps_distances
    for c in (0.5, 1.0, 2.0):
        gaps = 2 * z.norm(dim=1) - 2 / c**0.5 * torch.atanh(0.5 * place(z, c).norm(dim=1))
        found = fidelity(z, place(z, c) * 0.5, c=c).error
        assert abs(found - gaps.median().item()) < 1e-9


def test_fidelity_degenerate():
    for n in (0, 1, 2):
        f = fidelity(normal(n, 4), place(normal(n, 4)), torch.zeros(n, dtype=torch.long))
        assert math.isnan(f.distance) and f.points == n
    f = fidelity(torch.zeros(5, 4), torch.zeros(5, 2), torch.zeros(5))
    assert math.isnan(f.radius) and f.neighbours == 1 and "nan" in str(f)


def test_errors():
    z = normal(5, 4)
    for call, message in (
        (lambda: place(z[0]), "shape (N,d)"),
        (lambda: place(z, c=0), "c is above 0"),
        (lambda: place(z * 5, ball=True), "outside the ball"),
        (lambda: place(z.where(z < z.max(), math.nan)), "is not finite"),
        (lambda: Polar().transform(z), "not fitted"),
        (lambda: fidelity(z, torch.zeros(5, 3)), "of 2 dimensions"),
        (lambda: fidelity(z, place(z), [1]), "1 labels"),
        (lambda: polar(z, angle="mean"), "unknown angle 'mean'"),
        (lambda: TangentPCA().transform(z), "not fitted"),
        (lambda: HoroPCA().transform(z), "not fitted"),
        (lambda: horopca(z[:, :1]), "two dimensions or more"),
        (lambda: frechet_mean(z[:0]), "no mean"),
    ):
        with pytest.raises(HyspError) as e:
            call()
        assert message in str(e.value)


def test_size_of_a_real_embedding():
    z = normal(5000, 1024).float() / 24
    assert (place(z).norm(dim=-1) - z.double().norm(dim=-1).tanh()).abs().max() < 1e-12


def trusted(before, after, k=10):
    "Trustworthiness in the plainest way"
    n = len(before)
    total = 0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        first, second = (
            sorted(others, key=rows[i].tolist().__getitem__) for rows in (before, after)
        )
        total += sum(first.index(j) + 1 - k for j in second[:k] if first.index(j) >= k)
    return 1 - 2 * total / (n * k * (2 * n - 3 * k - 1))


def test_trustworthiness_as_in_scikit_learn():
    flat = logmap0(0.1 * torch.tanh(normal(150, 2))) * 1e-3  # so near the middle that it is flat
    deep = torch.cat([flat, 1e-4 * normal(150, 3, seed=1)], 1)
    drawn = expmap0(deep[:, :2])
    assert fidelity(deep, drawn).trust == pytest.approx(
        trustworthiness(deep.numpy(), drawn.numpy(), n_neighbors=10), abs=1e-4
    )


def stress(z, p):
    "What the drawn distances miss, beside all there is"
    d, e = _pairwise(z), _pairwise(_tangents(p, 1.0, True))
    return (e - d).norm().item() / d.norm().clamp(min=1e-9).item()


few = dict(
    learned=dict(steps=30), horopca=dict(steps=15), cosne=dict(steps=25), mds=dict(steps=100)
)


@pytest.mark.parametrize("name", projections)
@pytest.mark.parametrize("n,d", [(1, 4), (2, 4), (3, 2), (60, 2), (60, 24)])
def test_every_projection(name, n, d):
    label = torch.arange(n) % 3

    def draw(z, **options):
        return projections[name](z, label, **few.get(name, {}), **options)

    z = normal(n, d, seed=1) / d**0.5 * 1.5
    one = draw(z.float())
    assert one.points.shape == (n, 2) and one.points.dtype == torch.float64
    assert (one.points.norm(dim=-1) < 1).all() and one.fidelity.points == n
    assert torch.equal(draw(z.float()).points, one.points)  # again the same
    scaled = draw(z, c=4.0).points - draw(2 * z).points
    assert scaled.abs().max() < 1e-9  # curvature is a choice of units
    a = draw(expmap0(z), ball=True).points
    b = draw(z).points
    if name == "learned":  # steps in float32 carry a rounding on: the same only in kind
        assert (a.norm(dim=1) < 1).all()
    elif name != "mds":
        assert (a - b).abs().max() < 1e-8
    else:  # every isometry of the disk leaves the stress as it is, so rounding chooses among them
        assert abs(stress(z, a) - stress(z, b)) < 1e-3
    if name == "mds" and d == 2:
        assert stress(z, b) < 0.01
    if one.map is not None:
        again = one.map.transform(z[:2].float())
        assert (again - one.points[:2]).abs().max() < (1e-6 if name == "learned" else 1e-12)


@pytest.mark.parametrize("name", projections)
def test_degenerate_sets_stay_finite(name):
    for z in (
        torch.zeros(20, 5),
        torch.ones(20, 5),
        torch.eye(5).repeat(4, 1) * 12,
        torch.arange(20.0)[:, None] * torch.ones(5) / 9,
    ):
        assert projections[name](z, **few.get(name, {})).points.isfinite().all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("d", [2, 3, 50])
def test_frechet_mean(d, seed):
    x = expmap0(normal(30, d, seed=seed) / d**0.5)
    m = frechet_mean(x, ball=True).requires_grad_()
    dist(x, m).square().sum().backward()
    assert m.grad.abs().max() < 1e-5
    shift = expmap0(normal(d, seed=9) / d**0.5)
    assert (frechet_mean(mobius_add(shift, x), ball=True) - mobius_add(shift, m)).abs().max() < 1e-6


def test_frechet_mean_far_out():
    z = 10 * torch.nn.functional.normalize(normal(1, 6), dim=-1)
    assert (
        frechet_mean(z.expand(5, 6)) - z[0]
    ).abs().max() < 1e-6  # beyond where the ball's norm can tell
    assert (frechet_mean(torch.cat([z, -z]))).abs().max() < 1e-6


def test_horopca_finds_the_plane():
    "Points of a plane through the middle, with a little off it: the ideal points lie in that plane"
    z = torch.cat([normal(200, 2) * torch.tensor([0.8, 0.5]), 0.02 * normal(200, 10, seed=1)], 1)
    fitted = HoroPCA(steps=150).fit(z)
    assert fitted.ideal[:, :2].norm(dim=1).min() > 0.98


def test_tree_is_drawn_truly_where_that_can_be():
    truth, parent = tree(2, 4)
    z = logmap0(truth) @ torch.linalg.qr(normal(16, 2))[0].T
    true = _pairwise(_tangents(truth, 1.0, True))
    p = {k: projections[k](z, **few.get(k, {})).points for k in ("polar", "tangent_pca", "mds")}
    assert (
        (_pairwise(_tangents(p["tangent_pca"], 1.0, True)) - true).abs().max() < 1e-9
    )  # the tree's own plane; ranks would hang on the rounding of its many equal distances
    for name, least in dict(polar=0.9, mds=0.99).items():
        assert fidelity(truth, p[name], ball=True).distance > least, name
    assert (dist(truth[1:], truth[parent[1:]]) - 1.5).abs().max() < 1e-6


def test_an_angle_from_umap():
    "With umap-learn itself: extra of the package, so there or not"
    pytest.importorskip("umap", reason="umap-learn is not installed: pip install 'hysp[umap]'")
    z = torch.eye(3).double().repeat_interleave(30, 0) + 0.1 * normal(90, 3)
    drawing = polar(z, torch.arange(90) // 30, angle="umap")
    assert (
        torch.allclose(drawing.points.norm(dim=1), disk_radius(z))
        and drawing.fidelity.neighbours > 0.9
        and drawing.map is None
    )


# The learned disk


@pytest.fixture(scope="module")
def untrained():
    "Clips of the synthetic set as an untrained encoder sees them, and their labels"
    embeddings = load_embeddings(example())
    return embeddings.at(0)[0], embeddings.labels


def test_learned_disk_keeps_more_neighbours_than_polar(untrained):
    z, labels = untrained
    kept = learned(z, labels).fidelity
    plain = polar(z, labels).fidelity
    assert kept.neighbours >= 1.3 * plain.neighbours and kept.trust > plain.trust + 0.05


def test_stored_comparison_holds():
    "The figures that 70_disk shows: on each set, over its seeds, 1.3 times the neighbours of polar"
    path = Path(__file__).parents[1] / "bench/projections.csv"
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for name in {row["set"] for row in rows}:
        mine = [row for row in rows if row["set"] == name]
        knn = {
            kind: [float(r["knn"]) for r in mine if r["projection"] == kind] for kind in projections
        }
        assert len(knn["polar"]) >= 3 and sum(knn["learned"]) >= 1.3 * sum(knn["polar"])


def made_up_disk(n=120, d=24):
    return normal(n, d, seed=2) / d**0.5 * 1.5


def test_new_points_land_for_themselves():
    z = made_up_disk()
    fitted = LearnedDisk(steps=40).fit(z[:100])
    both = fitted.transform(z[100:])
    assert (fitted.transform(z[105:106]) - both[5]).abs().max() < 1e-6
    assert fitted.transform(z[:0]).shape == (0, 2) and (both.norm(dim=1) < 1).all()


def test_learning_leaves_random_numbers_alone():
    state = torch.get_rng_state()
    LearnedDisk(steps=5).fit(made_up_disk())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_start_makes_the_picture_calm():
    z = made_up_disk()
    later = z + 0.1 * made_up_disk().flip(0)
    first = LearnedDisk(steps=200).fit(z)
    calm = LearnedDisk(steps=200).fit(later, start=first)
    fresh = LearnedDisk(steps=200, seed=1).fit(later)
    moved = [(disk.points - first.points).norm(dim=1).mean() for disk in (calm, fresh)]
    assert moved[0] < 0.5 * moved[1]


@pytest.mark.parametrize("kind", ["certainty", "mixed"])
def test_radius_of_certainty(kind):
    z = made_up_disk()
    certainty = torch.rand(120, generator=gen(3))
    fitted = LearnedDisk(radius=kind, steps=40).fit(z, certainty)
    norm = fitted.points.norm(dim=1)
    share = torch.tensor([(certainty < one).double().mean() for one in certainty])
    if kind == "certainty":
        assert (norm - share).abs().max() < 1e-9
    assert spearmanr(norm, share).statistic > 0.8
    again = fitted.transform(z[:5], certainty[:5])
    assert (again - fitted.points[:5]).abs().max() < 1e-6
    surest = fitted.transform(z[:1], torch.ones(1))
    assert surest.norm() < 1 and surest.norm() > norm[:1]


def test_learned_errors():
    z = made_up_disk(20)
    sure = torch.full((20,), 0.5)
    fitted = LearnedDisk(steps=2).fit(z)
    for call, message in (
        (lambda: learned(z, radius="sure"), "unknown radius 'sure'"),
        (lambda: learned(z, radius="certainty"), "one number in [0,1] a clip"),
        (lambda: learned(z, certainty=sure), "do not go together"),
        (lambda: learned(z, radius="mixed", certainty=sure[:3]), "one a point"),
        (lambda: learned(z, radius="mixed", certainty=3 * sure), "is 1.5, not in [0,1]"),
        (lambda: learned(z, radius="mixed", certainty=sure / 0), "not in [0,1]"),
        (lambda: learned(z / 0), "point 0 is not finite"),
        (lambda: learned(z[:, :3], start=fitted), "of 24 dimensions"),
        (lambda: learned(z, start=LearnedDisk()), "an earlier drawing"),
        (lambda: fitted.transform(z[:, :3]), "of 24 dimensions"),
        (lambda: LearnedDisk().transform(z), "not fitted"),
        (lambda: LearnedDisk().fit(z[:3]), "fewer than four"),
    ):
        with pytest.raises(HyspError) as e:
            call()
        assert message in str(e.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_learned_on_a_gpu():
    "The same kind of picture as on a CPU; float32 steps carry a rounding on, so no equal numbers"
    z = made_up_disk()
    there = learned(z.cuda(), steps=200)
    assert there.points.is_cuda and there.map.transform(z[:3].cuda()).is_cuda
    assert abs(there.fidelity.trust - learned(z, steps=200).fidelity.trust) < 0.05
