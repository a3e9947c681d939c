"The radius report: against scikit-learn and by hand, within body counts, and what is made of it"

import copy
import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

from hysp.augment import reflect
from hysp.core import HyspError
from hysp.dtw import clip_dtw
from hysp.evaluate import features, neighbours
from hysp.feeder import Dataset
from hysp.metrics import (
    augrc,
    aurc,
    auroc,
    bootstrap,
    brier,
    e_aurc,
    fit_temperature,
    risk_coverage,
)
from hysp.models import HYSP
from hysp.prepare import prepare
from hysp.skeleton import present
from hysp.synthetic import generate
from hysp.uncertainty import (
    MiddleHalf,
    RadiusHistory,
    certainty,
    certainty_of,
    certainty_report,
    choose_by_certainty,
    clip_radii,
    explained_variance,
    label_free,
    online_part,
    plot_certainty,
    plot_radius_history,
    query_labels,
    query_orders,
    share_less_certain,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def clips(n=500, seed=0, effect=0.5, people=True):
    "Tangents, logits, labels, bodies: right more often where the radius is large, two bodies twice as far out"
    g = rng(seed)
    y = g.integers(5, size=n)
    bodies = g.integers(1, 3, n) if people else np.ones(n, int)
    sure = g.random(n)
    right = g.random(n) < 0.4 + effect * sure
    s = np.eye(5)[np.where(right, y, (y + 1) % 5)] * 3 + g.normal(size=(n, 5)) * 0.1
    z = g.normal(size=(n, 4))
    z *= ((1 + sure) * bodies / np.linalg.norm(z, axis=1))[:, None]
    return torch.tensor(z), torch.tensor(s), y, bodies


# Figures


@pytest.mark.parametrize("levels", [3, 1000])
def test_auroc_is_the_share_of_pairs(levels):
    c, r = rng().integers(levels, size=80), rng(1).random(80) < 0.6
    a, b = c[r][:, None], c[~r]
    assert auroc(c, r) == pytest.approx(((a > b) + 0.5 * (a == b)).mean()) and auroc(
        c, r
    ) == pytest.approx(roc_auc_score(r, c))


def test_risk_coverage_shares_errors_among_equals():
    c, r = rng().integers(4, size=60), rng(1).random(60) < 0.6
    many = [aurc(c + 1e-6 * rng(s).random(60), r) for s in range(3000)]
    assert aurc(c, r) == pytest.approx(np.mean(many), abs=2e-3)
    coverage, risk = risk_coverage(c, r)
    assert (
        coverage[-1] == 1
        and risk[-1] == pytest.approx(1 - r.mean())
        and aurc(np.zeros(60), r) == pytest.approx(1 - r.mean())
    )


def test_a_perfect_order_is_best_and_a_reversed_one_worst():
    r = rng().random(50) < 0.7
    assert (auroc(r, r), auroc(~r, r)) == (1, 0) and aurc(r, r) < aurc(rng(1).random(50), r) < aurc(
        ~r, r
    )


def test_bootstrap_covers_as_often_as_it_says():
    hits = 0
    for s in range(200):
        low, high = bootstrap(np.mean, rng(s).normal(size=60), draws=200, seed=s)
        hits += low <= 0 <= high
    assert 0.88 <= hits / 200 <= 0.99


@pytest.mark.parametrize("scale", [0.2, 1.0, 7.0])
def test_temperature_finds_the_scale(scale):
    g = torch.Generator().manual_seed(0)
    s = torch.randn(4000, 6, generator=g) * 2
    y = torch.distributions.Categorical(logits=s).sample()
    assert fit_temperature(s * scale, y) == pytest.approx(scale, rel=0.15)


# Certainty without a label


def people(n, seed=0):
    "Features, clips of one body or two, their number of bodies, and who is in them"
    g = rng(seed)
    bodies = g.integers(1, 3, n)
    x = torch.tensor(g.normal(size=(n, 3, 6, 17, 2)), dtype=torch.float32)
    x[bodies == 1, ..., 1] = 0
    return torch.tensor(g.normal(size=(n, 5))), x, bodies, g.integers(4, size=n)


def ratio(costs):
    "What the nearest costs beside the last of the nearest 50, both named by the features"
    return 0 if len(costs) == 0 or costs[-1] == 0 else 1 - costs[0] / costs[-1]


@pytest.mark.parametrize("with_people", [False, True])
@pytest.mark.parametrize("n", [30, 250])
def test_certainty_clip_by_clip(n, with_people):
    z, x, bodies, who = people(n)
    asked_z, asked_x, asked_bodies, asked_who = people(8, seed=1)
    found = certainty(
        z,
        asked_z,
        (bodies, asked_bodies),
        (who, asked_who) if with_people else None,
        (x, asked_x),
        "coco",
    )
    unit = torch.nn.functional.normalize(z, dim=1)
    for i, value in enumerate(found):
        allowed = bodies == asked_bodies[i]
        if with_people:
            allowed &= who != asked_who[i]
        gap = 1 - (unit @ torch.nn.functional.normalize(asked_z[i], dim=0)).numpy()
        order = [j for j in np.argsort(gap) if allowed[j]][:50]
        distinct = ratio(np.sqrt(gap[order]))
        ways = [clip_dtw(asked_x[[i]], y[order], velocity=2.0) for y in (x, reflect(x, "coco"))]
        agreement = ratio(torch.minimum(*ways)[0].double().numpy())
        assert value == pytest.approx(max(agreement, 0) * distinct, abs=1e-5)


def test_certainty_does_not_depend_on_who_else_is_asked():
    z, x, bodies, who = people(120)
    every = certainty(z, z, (bodies, bodies), (who, who), (x, x), "coco")
    for i in (0, 7, 119):
        own = (bodies, bodies[[i]]), (who, who[[i]]), (x, x[[i]])
        assert certainty(z, z[[i]], *own, "coco") == pytest.approx(every[i], abs=1e-6)


@pytest.mark.parametrize("what", ["bodies", "people"])
def test_without_a_neighbour_nothing_is_certain(what):
    z, _, bodies, _ = people(20)
    lonely = dict(bodies=(bodies, np.full(20, 3)), people=(np.zeros(20), np.zeros(20)))
    assert not certainty(z, z, **{what: lonely[what]}).any()


def test_a_certainty_of_collapsed_features_is_0():
    z = torch.ones(40, 3)
    assert not certainty(z, z).any()


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    "Training and other clips of a small set"
    folder = tmp_path_factory.mktemp("people")
    prepare(generate(30, subjects=4), folder, frames=8, workers=1, progress=False, overwrite=True)
    return [Dataset(folder, f"xsub/{part}") for part in ("train", "val")]


def test_certainty_of_two_datasets(halves):
    z = [torch.randn(len(part), 4, generator=torch.Generator().manual_seed(0)) for part in halves]
    x = [part.batch(np.arange(len(part))) for part in halves]
    bodies = [present(clips).sum(1) for clips in x]
    who = halves[0].columns["subject"]
    layout = halves[0].layout
    for poses in (False, True):
        of_train, of_others = certainty_of(z, halves, poses)
        both = dict(poses=(x[0], x[0]), layout=layout) if poses else {}
        want = certainty(z[0], z[0], (bodies[0], bodies[0]), (who, who), **both)
        assert of_train == pytest.approx(want)
        both = dict(poses=x, layout=layout) if poses else {}
        assert of_others == pytest.approx(certainty(*z, bodies, **both))
    found, nearest = label_free(z, halves)
    assert found["certainty A·D"] == pytest.approx(of_others)
    _, positions = neighbours(*z, bodies=bodies)
    has_one = np.isin(bodies[1], bodies[0])
    assert (nearest == positions[:, 0].numpy())[has_one].all()


def test_certainty_where_nobody_knows_who_is_in_a_clip(halves):
    "Then each clip stands for itself; it is not taken for the same person's as all others"
    train, others = halves
    z = [torch.randn(len(part), 4, generator=torch.Generator().manual_seed(0)) for part in halves]
    nameless = copy.copy(train)
    nameless.columns = dict(train.columns, subject=np.full(len(train), -1))
    alone, _ = certainty_of(z, (nameless, others))
    bodies = present(train.batch(np.arange(len(train)))).sum(1)
    itself = np.arange(len(train))
    want = certainty(z[0], z[0], (bodies, bodies), (itself, itself))
    assert alone.any() and alone == pytest.approx(want)


def test_features_of_cropped_clips_are_not_those_of_whole_ones(halves, tmp_path):
    encoder = torch.nn.Flatten()
    whole = features(encoder, halves[1], cache=tmp_path, progress=False)
    cropped = features(encoder, MiddleHalf(halves[1]), cache=tmp_path, progress=False)
    assert whole.shape == cropped.shape and not torch.equal(whole, cropped)
    again = features(encoder, halves[1], cache=tmp_path, progress=False)
    assert torch.equal(whole, again) and len(list(tmp_path.glob("*.npy"))) == 2


def test_the_share_of_less_certain_clips_is_even():
    own = rng().random(1000)
    share = share_less_certain(own, own)
    assert sorted(share) == pytest.approx(np.arange(1000) / 1000)
    assert share_less_certain([-1, 2], own).tolist() == [0, 1]


# What the variance is made of


def test_explained_is_the_adjusted_r2_of_a_regression():
    g = rng()
    n = 300
    bodies, kind, length = g.integers(1, 3, n), g.integers(7, size=n), g.normal(size=n)
    r = bodies + 0.3 * kind + 0.5 * length + g.normal(size=n)
    x = np.c_[bodies, np.eye(7)[kind], length]
    fit = LinearRegression().fit(x, r)
    p = 1 + 6 + 1
    want = 1 - (1 - fit.score(x, r)) * (n - 1) / (n - p - 1)
    got = explained_variance(r, bodies=bodies, kind=kind, length=length)
    assert got["all"] == pytest.approx(want) and all(
        got["all"] > got[k] for k in ("bodies", "kind", "length")
    )


def test_noise_explains_nothing_however_many_classes():
    shares = []
    for seed in range(40):
        noise, kind = rng(seed).normal(size=400), rng(seed + 1000).integers(100, size=400)
        shares.append(explained_variance(noise, kind=kind)["kind"])
    assert abs(np.mean(shares)) < 0.03


# The report


def rank_of(scope, certainty="radius"):
    return scope.figures[certainty]["AUROC"][0]


def test_counting_people_hides_what_the_radius_knows():
    z, s, y, bodies = clips(1500)
    r = certainty_report(z, s, y, bodies, draws=50)
    every, one, two = r.scopes
    assert [o.n for o in r.scopes] == [1500, (bodies == 1).sum(), (bodies == 2).sum()]
    assert min(rank_of(one), rank_of(two)) > rank_of(every) + 0.04
    assert r.explained["bodies"] > 0.6 and one.figures["radius"]["AUROC"][1] > 0.5


def test_figures_are_those_of_the_metrics():
    z, s, y, bodies = clips()
    report = certainty_report(z, s, y, bodies, draws=50)
    right = s.argmax(1).numpy() == y
    for some, scope in zip((bodies > 0, bodies == 1, bodies == 2), report.scopes):
        r = clip_radii(z)[some]
        want = dict(AUROC=auroc, AUGRC=augrc)
        want["E-AURC"] = e_aurc
        for name, (value, low, high) in scope.figures["radius"].items():
            figure = want[name]
            assert value == pytest.approx(figure(r, right[some])) and low < value < high
            ends = bootstrap(figure, r, right[some], draws=50)
            assert (low, high) == pytest.approx(tuple(ends)), "the draws of the plain bootstrap"
        assert scope.accuracy == right[some].mean()
        fifths = [accuracy for _, accuracy, _, _ in scope.quantiles]
        assert sum(fifths) / 5 == pytest.approx(scope.accuracy, abs=0.01)
    p = s.softmax(1).max(1)[0].numpy()
    of_probe = report.scopes[0].figures["max probability"]
    assert of_probe["AUROC"][0] == pytest.approx(auroc(p, right))


def test_a_radius_that_knows_nothing_is_told_so():
    z, s, y, bodies = clips(2000, effect=0, people=False)
    (every,) = certainty_report(z, s, y, bodies, draws=200).scopes
    a, low, high = every.figures["radius"]["AUROC"]
    assert low < 0.5 < high and abs(a - 0.5) < 0.05


@pytest.mark.parametrize("bodies,frames", [(True, True), (False, False)])
def test_it_reads_well(bodies, frames):
    z, s, y, b = clips()
    text = repr(
        certainty_report(
            z,
            s,
            y,
            b if bodies else None,
            rng().integers(20, 99, len(y)) if frames else None,
            temperature=2.0,
            draws=20,
        )
    )
    assert (
        ("one person" in text) == bodies
        and ("length" in text) == frames
        and "AUROC" in text
        and "at temperature 2.00" in text
        and "class" in text
        and "nan" not in text
    )


def test_all_right_has_no_auroc_and_no_crash():
    z, s, y, b = clips()
    r = certainty_report(
        z, torch.nn.functional.one_hot(torch.tensor(y), 5).double(), y, b, draws=20
    )
    assert np.isnan(rank_of(r.scopes[0])) and "nan" not in repr(r)
    assert "has nothing to tell" in r.scopes[0].sign()


@pytest.mark.parametrize("effect,word", [(0.5, "more"), (-0.5, "less"), (0, "no difference")])
def test_the_sign_stands_there_in_words(effect, word):
    z, s, y, _ = clips(1500, effect=effect, people=False)
    report = certainty_report(z, s, y, draws=100)
    assert word in report.scopes[0].sign() and report.scopes[0].sign() in repr(report)


def test_other_certainties_stand_beside_the_radius():
    z, s, y, b = clips(1200)
    g = rng(3)
    right = s.argmax(1).numpy() == y
    knows = right + g.normal(size=len(y))
    others = {"certainty D": knows, "norm of the cosine twin": g.random(len(y))}
    nearest = g.random(len(y)) < 0.7
    cropped = {"radius": 0 * y, "certainty D": knows, "norm of the cosine twin": 2 + 0 * y}
    report = certainty_report(
        z, s, y, b, draws=50, others=others, nearest_right=nearest, cropped=cropped
    )
    for scope, some in zip(report.scopes, (b > 0, b == 1, b == 2)):
        assert scope.figures["certainty D"]["AUROC"][1] > 0.7
        want = auroc(knows[some], nearest[some])
        assert scope.figures["certainty D"]["R-AUROC"][0] == pytest.approx(want)
        of_sum = rank_of(scope, "certainty D + max probability")
        assert rank_of(scope, "max probability") < of_sum < rank_of(scope, "certainty D")
        low, high = scope.figures["norm of the cosine twin"]["AUROC"][1:]
        assert low < 0.5 < high
    assert [share for share, _, _ in report.cropped.values()] == [1, 0.5, 0]
    assert "R-AUROC" in repr(report) and "norm of the cosine twin" in repr(report)
    p = s.softmax(1).max(1)[0].numpy()
    assert report.calibration["Brier score"][0] == pytest.approx(brier(p, right))
    assert report.ece == report.calibration["calibration error"] and report.ece_scaled is None


def test_columns_of_other_clips_are_refused():
    z, s, y, b = clips()
    with pytest.raises(HyspError, match="not of the same clips"):
        certainty_report(z[1:], s, y, b)
    with pytest.raises(HyspError, match="499 certainty D are not of the same clips"):
        certainty_report(z, s, y, b, others={"certainty D": np.zeros(499)})


def test_figures_are_drawn():
    import matplotlib

    matplotlib.use("agg")
    z, s, y, b = clips()
    for o in (certainty_report(z, s, y, b, draws=20), certainty_report(z, s, y, draws=20)):
        assert len(plot_certainty(o)) == 3
    for bodies in (b, None):
        radii = np.stack([clip_radii(z), clip_radii(z) ** 2])
        axs = plot_radius_history(RadiusHistory([1, 2], radii, y, bodies))
        axs[0].figure.canvas.draw()


def test_distance_and_norm():
    z = torch.randn(20, 3).double()
    np.testing.assert_allclose(clip_radii(z, "norm"), np.tanh(clip_radii(z) / 2))
    with pytest.raises(HyspError, match="unknown measure"):
        clip_radii(z, "size")


@pytest.mark.parametrize("where", ["encoder", "projector", "predictor"])
def test_the_three_places(where):
    model = HYSP("coco", hidden=2, out=4, head=6).eval()
    x = torch.randn(3, 3, 6, 17, 1)
    want = model.online_encoder(x)
    if where != "encoder":
        want = model.online_projector(want)
    if where == "predictor":
        want = model.online_predictor(want)
    assert torch.equal(online_part(model, where)(x), want)


def test_the_history_of_the_radius():
    a, y = rng().random(100), rng().integers(3, size=100)
    radii = np.stack([rng(5).random(100), a**3, a])
    history = RadiusHistory([1, 5, 9], radii, y, 1 + (a > 0.5))
    agreement = history.agreement()
    assert agreement[1:].tolist() == pytest.approx([1, 1]) and abs(agreement[0]) < 0.3
    quantiles = history.quantiles()
    assert quantiles.shape == (3, 5) and (np.diff(quantiles) >= 0).all()
    assert history.quantiles(history.bodies)[2][2, 2] == np.median(a[a > 0.5])
    assert len(history.table()) == 3 * (1 + len(np.unique(y)) + 2)
    assert history.settled_epoch(-1) == 1 and history.settled_epoch(0.99) == 5
    assert history.ripe(0.99) == 5, "the method's earlier name"


# Choosing and asking


@pytest.mark.parametrize("n,share", [(100, 0.5), (101, 0.5), (37, 0.1), (10, 1.0), (9, 0.33)])
def test_choose(n, share):
    c = rng().permutation(n) * 1.0
    got = {k: choose_by_certainty(c, k, share) for k in ("high", "low", "mixed")}
    m = round(share * n)
    assert all(len(set(o.tolist())) == m and (np.diff(o) > 0).all() for o in got.values())
    assert set(c[got["high"]]) == set(range(n - m, n)) and set(c[got["low"]]) == set(range(m))
    gaps = np.diff(np.sort(c[got["mixed"]]))
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1, "evenly spaced by certainty"


@pytest.mark.parametrize("way", query_orders)
def test_asking_reads_only_what_was_asked(way):
    "Labels of clips that nobody asked for may be anything"
    g = torch.Generator().manual_seed(0)
    y = np.arange(120) % 3
    z = torch.randn(120, 4, generator=g) + 2 * torch.eye(4)[torch.tensor(y)]

    def asked(labels, seed=0):
        rounds = query_labels(way, z, clip_radii(z), labels, 3, (3, 6, 12), seed=seed, epochs=5)
        return [positions.tolist() for positions in rounds]

    rounds = asked(y)
    spoilt = np.full(120, 2)
    spoilt[rounds[-1]] = y[rounds[-1]]
    assert asked(spoilt) == rounds
    assert [len(set(positions)) for positions in rounds] == [3, 6, 12]
    assert all(set(few) < set(more) for few, more in zip(rounds, rounds[1:]))
    if way == "random":
        assert asked(y, seed=1)[-1] != rounds[-1]
