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
        ("radius_q", "radius_x", 1e-12),
        ("radius_k", "radius_y", 1e-12),
        ("angle", "ang_e", 1e-9),
        ("distance", "poincare_dist", 1e-9),
    ):
        torch.testing.assert_close(o[name], gold(f"out|{key}").double(), rtol=eps, atol=0)


def test_golden_without_the_cap():
    capped = M.pair_metrics(gold("q"), gold("k"), ball=True)
    plain = M.pair_metrics(gold("q"), gold("k"), ball=False)
    near = gold("q").norm(dim=-1) < 4
    for name in ("radius_q", "radius_k", "distance"):
        torch.testing.assert_close(capped[name][near], plain[name][near], rtol=1e-7, atol=0)
    assert (plain["distance"][~near] > capped["distance"][~near]).all()
    assert (plain["radius_q"] <= 1).all()


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
    h = c**0.5 * M.radius(z, c)
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
