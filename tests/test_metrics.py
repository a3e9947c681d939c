from pathlib import Path
import math
import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from device import device
from hysp import metrics as M
from hysp.core import HyspError

golden = np.load(Path(__file__).parent / "golden" / "metrics.npz", allow_pickle=False)


def gold(k):
    return torch.from_numpy(golden[k]).to(device)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_golden():
    o = M.pair_metrics(gold("q"), gold("k"), ball=True)
    for name, key, eps in (
        ("mse", "mse", 1e-6),
        ("cosine", "cosine_dist", 1e-6),
        ("norm_q", "radius_x", 1e-12),
        ("norm_k", "radius_y", 1e-12),
        ("angle", "ang_e", 1e-9),
        ("distance", "poincare_dist", 1e-9),
    ):
        torch.testing.assert_close(o[name], gold(f"out|{key}").double(), rtol=eps, atol=0)


def test_golden_without_the_cap():
    capped = M.pair_metrics(gold("q"), gold("k"), ball=True)
    plain = M.pair_metrics(gold("q"), gold("k"), ball=False)
    near = gold("q").norm(dim=-1) < 4
    for name in ("norm_q", "norm_k", "distance"):
        torch.testing.assert_close(capped[name][near], plain[name][near], rtol=1e-7, atol=0)
    assert (plain["distance"][~near] > capped["distance"][~near]).all()
    assert (plain["norm_q"] <= 1).all()


def test_pairs_of_the_same():
    x = draw(500, 64) * torch.logspace(-6, 1.5, 500)[:, None]
    for q, k, angle in ((x, x, 0), (x, 2 * x, 0), (x, -x, 180)):
        o = M.pair_metrics(q, k)
        assert all(v.isfinite().all() for v in o.values())
        torch.testing.assert_close(
            o["angle"], torch.full((500,), angle, dtype=torch.float64), rtol=0, atol=1e-6
        )
    o = M.pair_metrics(0 * x, x)
    assert all(v.isfinite().all() for v in o.values()) and (o["angle"] == 0).all()


@pytest.mark.parametrize("c", [0.5, 1.0, 2.0])
def test_uncertainty(c):
    z = draw(50, 8)
    h = c**0.5 * M.ball_norm(z, c)
    torch.testing.assert_close(M.uncertainty(z, c), 1 - h**2, rtol=1e-7, atol=1e-12)
    torch.testing.assert_close(M.uncertainty(z, c, squared=False), 1 - h, rtol=1e-7, atol=1e-12)
    far = M.uncertainty(1e4 * z, c)
    assert far.isfinite().all() and (far > 0).all()


def test_collapse():
    x = draw(2000, 16)
    assert M.collapse_std(x).item() == pytest.approx(1, abs=0.02)
    assert M.collapse_std(x + 1000).item() < 0.01
    assert M.effective_rank(x).item() == pytest.approx(16, abs=0.1)
    assert M.effective_rank(x + 1000).item() == pytest.approx(16, abs=0.1)
    assert M.effective_rank(x + 1000, centre=False).item() < 2
    assert M.effective_rank(draw(2000, 3) @ draw(3, 16, seed=1)).item() <= 3 + 1e-9
    assert M.effective_rank(torch.ones(9, 4) * 0.1).item() == 0
    assert M.effective_rank(torch.zeros(9, 4)).item() == 0


def test_accuracy_against_sklearn():
    scores = draw(300, 7)
    target = torch.randint(7, (300,), generator=torch.Generator().manual_seed(1))
    said = scores.argmax(1)
    for k in (1, 3, 5):
        want = sk.top_k_accuracy_score(target, scores, k=k)
        assert M.accuracy(scores, target, k) == pytest.approx(want, abs=1e-12)
    assert (M.confusion(scores, target).numpy() == sk.confusion_matrix(target, said)).all()
    recall = sk.recall_score(target, said, average=None)
    np.testing.assert_allclose(M.class_accuracy(scores, target), recall, atol=1e-12)


def test_ties_are_no_hits():
    assert M.accuracy(torch.ones(10, 4), torch.zeros(10, dtype=torch.long), k=3) == 0
    assert M.accuracy(torch.ones(10, 4), torch.zeros(10, dtype=torch.long), k=4) == 1


@pytest.mark.parametrize("f", [M.accuracy, M.confusion, M.class_accuracy])
def test_refused(f):
    s = draw(4, 3)
    t = torch.tensor([0, 1, 2, 0])
    for a, b, what in (
        (s, t[:3], "do not belong"),
        (s[:0], t[:0], "no clips"),
        (s, t + 1, "label 3 of clip 2"),
        (s, t - 1, "label -1 of clip 0"),
        (s * float("nan"), t, "clip 0 are NaN"),
    ):
        with pytest.raises(HyspError, match=what):
            f(a, b)


def test_calibration():
    assert M.calibration_error(
        torch.tensor([0.2, 0.4, 0.9, 0.7]), torch.tensor([0, 1, 1, 1]), bins=2
    ) == pytest.approx(0.2, abs=1e-6)
    c = torch.rand(20000, generator=torch.Generator().manual_seed(0))
    right = torch.rand(20000, generator=torch.Generator().manual_seed(1)) < c
    assert M.calibration_error(c, right) < 0.02
    assert M.calibration_error(c.sqrt(), right) == pytest.approx(2 / 3 - 1 / 2, abs=0.02)
    for bad in (1.01, -0.01, math.nan):
        with pytest.raises(HyspError, match="lies in"):
            M.calibration_error(torch.tensor([bad]), torch.tensor([1]))


# Certainty and correctness


def clip_columns(levels, rows=None, n=90):
    "Certainties with ties, and which clips are right"
    g = np.random.default_rng(levels)
    shape = n if rows is None else (rows, n)
    return g.integers(levels, size=shape) / levels, g.random(shape) < 0.7


def shared_errors(certainty, right):
    "Errors in the order of certainty by loops over the levels"
    wrong = []
    for level in sorted(set(certainty), reverse=True):
        equals = right[certainty == level]
        wrong += [1 - equals.mean()] * len(equals)
    return np.array(wrong)


@pytest.mark.parametrize("levels", [1, 3, 20, 10**6])
def test_certainty_figures_against_loops(levels):
    c, r = clip_columns(levels)
    wrong = shared_errors(c, r)
    n = len(r)
    assert M.auroc(c, r) == pytest.approx(sk.roc_auc_score(r, c))
    area = np.mean([wrong[:k].mean() for k in range(1, n + 1)])
    assert M.aurc(c, r) == pytest.approx(area)
    best = np.sort(~r)
    least = np.mean([best[:k].mean() for k in range(1, n + 1)])
    assert M.e_aurc(c, r) == pytest.approx(area - least)
    steps = np.concatenate([[0], wrong.cumsum()]) / n
    assert M.augrc(c, r) == pytest.approx((steps[1:] + steps[:-1]).mean() / 2)
    assert M.brier(c, r) == pytest.approx(((c - r) ** 2).sum() / n)


@pytest.mark.parametrize("levels", [1, 3, 20, 10**6])
def test_the_generalised_risk_is_told_by_auroc_and_accuracy(levels):
    c, r = clip_columns(levels)
    a = r.mean()
    want = (1 - M.auroc(c, r)) * a * (1 - a) + (1 - a) ** 2 / 2
    assert M.augrc(c, r) == pytest.approx(want)


@pytest.mark.parametrize("bins", [1, 4, 15, 200])
def test_adaptive_calibration(bins):
    c, r = clip_columns(10**6)
    order = np.argsort(c)
    bins = min(bins, len(c))
    bin_of = np.empty(len(c), int)
    bin_of[order] = [max(b for b in range(bins) if b * len(c) // bins <= i) for i in range(len(c))]
    want = sum(abs((c - r)[bin_of == b].sum()) for b in range(bins)) / len(c)
    assert M.adaptive_calibration_error(c, r, bins) == pytest.approx(want)
    sure = np.random.default_rng(0).random(20000)
    right = np.random.default_rng(1).random(20000) < sure
    assert M.adaptive_calibration_error(sure, right, bins) < 0.06


certainty_figures = [
    M.auroc,
    M.aurc,
    M.e_aurc,
    M.augrc,
    M.brier,
    M.adaptive_calibration_error,
]


@pytest.mark.parametrize("figure", certainty_figures)
@pytest.mark.parametrize("levels", [1, 3, 10**6])
def test_many_rows_at_once_are_the_rows_one_by_one(figure, levels):
    c, r = clip_columns(levels, rows=7)
    c[0] = 0.5
    r[1] = True
    one_by_one = [figure(*row) for row in zip(c, r)]
    np.testing.assert_allclose(figure(c, r), one_by_one, atol=1e-12)
    assert figure(c[None], r[None]).shape == (1, 7)
    assert isinstance(figure(c[2], r[2]), float)


@pytest.mark.parametrize("figure", certainty_figures)
@pytest.mark.parametrize("n,draws", [(5, 30), (64, 40), (30_000, 40)])
def test_the_quick_bootstrap_is_the_plain_one(figure, n, draws):
    c, r = clip_columns(7, n=n)
    plain = M.bootstrap(figure, c, r, draws=draws, seed=3)
    np.testing.assert_allclose(
        M.bootstrap_rows(figure, c, r, draws=draws, seed=3), plain, atol=1e-12
    )


def test_the_quick_bootstrap_of_several_figures():
    c, r = clip_columns(50)

    def both(c, r):
        return M.auroc(c, r), M.aurc(c, r)

    quick = M.bootstrap_rows(both, c, r, draws=60)
    np.testing.assert_allclose(quick, M.bootstrap(both, c, r, draws=60), atol=1e-12)


def test_what_is_no_probability_has_no_brier_score():
    for figure in (M.brier, M.adaptive_calibration_error):
        with pytest.raises(HyspError, match="lies in"):
            figure([0.2, 1.2], [0, 1])
    with pytest.raises(HyspError, match="certainty of clip 1 is not finite"):
        M.auroc([[0.1, 0.2], [0.1, math.nan]], [[0, 1], [0, 1]])
