"Ensembles: the authors' numbers, the plain loop, weights that are fitted and weights that are an oracle"

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from hysp.core import HyspError
from hysp.ensemble import fit_weights, fuse, oracle_weights, sweep
from hysp.metrics import accuracy

golden = np.load(Path(__file__).parent / "golden/ensemble.npz", allow_pickle=False)


def streams(n=200, classes=9, signal=(2.0, 1.0, 0.5), seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (n,), generator=g)
    scores = []
    for strength in signal:
        noise = torch.randn(n, classes, generator=g)
        scores.append((noise + strength * torch.nn.functional.one_hot(y, classes)).to(dtype))
    return scores, y


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("k,column", [(1, 0), (5, 1)])
def test_golden(row, k, column):
    s = [torch.tensor(golden[stream]) for stream in ("joint", "bone", "motion")]
    y = torch.tensor(golden["label"])
    w = golden["weights"][row]
    want = golden["top1_top5"][row, column]
    assert accuracy(fuse(s, w), y, k) == pytest.approx(want, abs=1e-12)
    assert sweep(s, y, w[None], k).item() == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("signal", [(0, 0, 0), (2, 1, 0.5), (6, 6, 6)])
@pytest.mark.parametrize("k", [1, 2, 5, 9])
@pytest.mark.parametrize("decimals", [None, 0])
def test_sweep_is_the_plain_loop(signal, k, decimals):
    "Also where scores tie, streams have weight 0, and rivals outdo each other"
    s, y = streams(signal=signal, seed=k)
    if decimals is not None:
        s = [stream.round(decimals=decimals) for stream in s]
    drawn = torch.rand(70, 3, generator=torch.Generator().manual_seed(1))
    chosen = torch.tensor([[1.0, 1, 1], [0, 2, 1]])
    w = torch.cat([drawn, torch.eye(3), chosen]).double()
    if decimals is not None:
        w = (w * 4).ceil()  # Whole numbers: sums are exact, ties are ties
    assert sweep(s, y, w, k).tolist() == [accuracy(fuse(s, weights), y, k) for weights in w]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_any_number_of_streams(n):
    s, y = streams(signal=(1.0,) * n)
    assert fuse(s).shape == s[0].shape and torch.equal(fuse(s), sum(s))
    assert sweep(s, y, torch.ones(1, n)).item() == accuracy(sum(s), y)


def test_probabilities_are_softmaxes():
    s, _ = streams()
    torch.testing.assert_close(
        fuse(s, [1, 2, 3], probabilities=True),
        s[0].softmax(1) + 2 * s[1].softmax(1) + 3 * s[2].softmax(1),
    )


def test_the_oracle_is_the_best_of_the_grid_and_says_so():
    s, y = streams()
    found = oracle_weights(s, y, 4)
    grid = [weights for weights in itertools.product(range(5), repeat=3) if sum(weights) == 4]
    best = max(accuracy(fuse(s, weights), y) for weights in grid)
    assert accuracy(fuse(s, found.weights), y) == best
    assert "oracle" in found.origin and "test labels" in repr(found)
    assert found.weights.sum() == pytest.approx(3)


def test_fitted_weights_are_the_likeliest():
    s, y = streams(2000, signal=(3.0, 1.0, 0.0))
    w = fit_weights(s, y).weights
    assert w[0] > w[1] > w[2] and w.sum() == pytest.approx(3)
    assert "held-out" in fit_weights(s, y).origin
    # For unit noise, scores are log-likelihood ratios when weighted by their signal: 3 : 1 : 0
    np.testing.assert_allclose(w, [2.25, 0.75, 0], atol=0.15)


@pytest.mark.parametrize(
    "scores,weights,says",
    [
        (lambda: streams()[0], [1, 2], "2 weights for 3 streams"),
        (lambda: streams()[0], [1, -1, 1], "0 or more"),
        (lambda: streams()[0], [0, 0, 0], "not all 0"),
        (lambda: streams()[0], [1, float("nan"), 1], "0 or more"),
        (lambda: [streams()[0][0], streams(100)[0][0]], None, "all of the same clips"),
    ],
)
def test_what_does_not_belong_together(scores, weights, says):
    with pytest.raises(HyspError, match=says):
        fuse(scores(), weights)


def test_labels_out_of_range():
    s, y = streams()
    with pytest.raises(HyspError, match="outside 0"):
        sweep(s, y + 1, torch.ones(1, 3))
