"Evaluation: features of these weights and these clips, classifiers against scikit-learn, exact counts"

import csv

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, top_k_accuracy_score

from hysp.core import HyspError, some_of
from hysp.dtw import clip_dtw
from hysp.evaluate import (
    choose_k,
    diagnose,
    difference,
    features,
    few_labels,
    fine_tune,
    hold_out,
    join_features,
    judge,
    knn,
    linear_probe,
    merge_classes,
    neighbour_scores,
    neighbours,
    rerank,
    standardise,
    untrained_norms,
    weights_hash,
    whiten,
)
from hysp.feeder import Dataset
from hysp.prepare import prepare
from hysp.protocols import (
    body_counts,
    dtw_costs,
    dtw_neighbours,
    judge_chance,
    judge_frozen,
    judge_warped,
)
from hysp.clips import Clip, Source
from hysp.stgcn import STGCN


def made(path, subjects=(1, 3), seed=0, overwrite=False):
    "26 clips of 4 subjects on 17 joints; two bodies in every fifth"

    def load(i):
        x = np.random.default_rng([seed, i]).normal(size=(3, 6, 17, 2)).astype(np.float32)
        if i % 5:
            x[..., 1] = 0
        return Clip(f"c{i}", x, i % 3, 1 + i % 4)

    source = Source([f"c{i}" for i in range(26)], load, "coco", ["a", "b", "c"], bodies=2)
    return prepare(
        source, path, frames=6, protocols=dict(xsub=subjects), overwrite=overwrite, progress=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made(tmp_path_factory.mktemp("evaluate") / "set")


@pytest.fixture(scope="module")
def sets(folder):
    "The training clips and those to judge"
    return Dataset(folder, "xsub/train"), Dataset(folder, "xsub/val")


def encoder(seed=0, **kw):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return STGCN("coco", hidden=4, out=8, dropout=0.5, **kw)


@pytest.fixture
def calls(monkeypatch):
    "How many clips were encoded"
    seen, forward = [], STGCN.forward

    def counted(self, x):
        seen.append(len(x))
        return forward(self, x)

    monkeypatch.setattr(STGCN, "forward", counted)
    return seen


# Features


@pytest.mark.parametrize("training", [True, False])
def test_the_encoder_is_frozen_and_left_as_it_was(folder, training):
    enc, data = encoder().train(training), Dataset(folder, "xsub/val")
    before, state = weights_hash(enc), {k: v.clone() for k, v in enc.state_dict().items()}
    z = features(enc, data, batch=5)
    assert enc.training == training
    assert all(module.training == training for module in enc.modules())
    assert weights_hash(enc) == before and all(
        torch.equal(v, state[k]) for k, v in enc.state_dict().items()
    )
    assert not z.requires_grad and z.dtype == torch.float32 and z.shape == (len(data), 8)
    with torch.no_grad():
        torch.testing.assert_close(z, enc.eval()(data.batch(range(len(data)))), atol=1e-6, rtol=0)


def test_the_hash_sees_weights_and_batch_statistics():
    a, b = encoder(), encoder()
    assert weights_hash(a) == weights_hash(b) != weights_hash(encoder(1))
    b.data_bn.running_mean[3] += 1e-6
    assert weights_hash(a) != weights_hash(b)
    a.train()(torch.randn(4, 3, 6, 17, 1))
    assert weights_hash(a) != weights_hash(encoder())


@pytest.mark.parametrize("batch", [1, 4, 5, 13, 100])
def test_the_batch_size_makes_no_difference(folder, batch):
    data = Dataset(folder, "xsub/train")
    torch.testing.assert_close(
        features(encoder(), data, batch=batch), features(encoder(), data), atol=1e-6, rtol=0
    )


def test_training_mode_would_make_a_difference(folder):
    "The two tests above can fail: batch statistics and dropout change the features"
    enc, data = encoder(), Dataset(folder, "xsub/train")
    with torch.no_grad():
        assert (enc.train()(data.batch(range(13))) - features(enc, data)).abs().max() > 0.1


@pytest.mark.parametrize("stream,channels", [("joint", 3), ("bone", 3), ("2s", 6)])
def test_a_second_call_reads_the_cache(folder, tmp_path, calls, stream, channels):
    enc, data = encoder(in_channels=channels), Dataset(folder, "xsub/val")
    first = features(enc, data, stream, cache=tmp_path)
    assert sum(calls) == len(data)
    again = features(enc, data, stream, batch=3, cache=tmp_path)
    assert (
        sum(calls) == len(data)
        and torch.equal(first, again)
        and torch.equal(first, features(enc, data, stream))
    )
    assert len(list(tmp_path.glob("*.npy"))) == 1


def fresh(enc, data, tmp_path, calls, stream="joint"):
    "Features by way of a cache that holds others, encoded now and right"
    n = sum(calls)
    z = features(enc, data, stream, cache=tmp_path)
    assert sum(calls) == n + len(data), "the features of something else were taken"
    assert torch.equal(z, features(enc, data, stream)) and len(z) == len(data)


@pytest.mark.parametrize("other", [dict(seed=1), dict(pool="present")], ids=str)
def test_the_cache_is_for_these_weights(folder, tmp_path, calls, other):
    data = Dataset(folder, "xsub/val")
    features(encoder(), data, cache=tmp_path)
    fresh(encoder(**other), data, tmp_path, calls)


def test_training_on_changes_what_is_cached(folder, tmp_path, calls):
    enc, data = encoder(), Dataset(folder, "xsub/val")
    features(enc, data, cache=tmp_path)
    enc.train()(data.batch(range(4)))
    fresh(enc, data, tmp_path, calls)


def test_the_cache_is_for_this_stream_and_split_and_part(folder, sets, tmp_path, calls):
    enc = encoder()
    train, val = sets
    features(enc, train, cache=tmp_path)
    fresh(enc, train, tmp_path, calls, "bone")
    fresh(enc, val, tmp_path, calls)
    fresh(enc, Dataset(folder), tmp_path, calls)
    fresh(enc, train.subset(range(5)), tmp_path, calls)
    fresh(enc, train.subset(range(5, 10)), tmp_path, calls)
    fresh(enc, Dataset(folder, "xsub/train", layout=flat()), tmp_path, calls, "bone")


def flat():
    from hysp.skeleton import Layout, layouts

    return Layout("flat", layouts["coco"].joints, [-1] + [0] * 16)


@pytest.mark.parametrize(
    "other", [dict(seed=1), dict(subjects=(2, 4)), dict(subjects=(1, 4))], ids=str
)
def test_the_cache_is_for_these_clips_even_in_the_same_folder(tmp_path, calls, other):
    features(encoder(), Dataset(made(tmp_path / "set"), "xsub/train"), cache=tmp_path / "cache")
    fresh(
        encoder(),
        Dataset(made(tmp_path / "set", overwrite=True, **other), "xsub/train"),
        tmp_path / "cache",
        calls,
    )


def test_a_spoilt_cache_is_made_anew(folder, tmp_path, calls):
    data = Dataset(folder, "xsub/val")
    z = features(encoder(), data, cache=tmp_path)
    (file,) = tmp_path.glob("*.npy")
    for raw in (b"", b"text", file.read_bytes()[:-9]):
        file.write_bytes(raw)
        assert torch.equal(features(encoder(), data, cache=tmp_path), z)


def test_features_that_are_not_finite_name_the_clip(folder, tmp_path):
    data = Dataset(folder, "xsub/val")
    data.position = np.array(data.position)
    data.position[data.index[4], 0, 0, 0, 0] = np.nan
    with pytest.raises(HyspError, match=f"no number, .* in clips {data.names[4]};"):
        features(encoder(), data, cache=tmp_path)

    def overflows(x):
        z = x.flatten(1)[:, :4].clone()
        z[4, 1] = torch.inf
        return z

    data = Dataset(folder, "xsub/val")
    overflowing = encoder()
    overflowing.forward = overflows
    with pytest.raises(HyspError, match=f"features of {data.names[4]} are not finite"):
        features(overflowing, data, cache=tmp_path)
    assert not list(tmp_path.glob("*.npy"))


def test_a_split_without_clips_is_refused(folder, tmp_path):
    data = Dataset(made(tmp_path / "set"))
    with open(data.path / "samples.csv", newline="") as f:
        rows = [r | dict(xsub="train") for r in csv.DictReader(f)]
    with open(data.path / "samples.csv", "w", newline="") as f:
        w = csv.DictWriter(f, rows[0])
        w.writeheader()
        w.writerows(rows)
    with pytest.raises(HyspError, match="xsub/val .*no clips"):
        features(encoder(), Dataset(data.path, "xsub/val"))


def test_another_layout_is_refused(folder):
    with pytest.raises(HyspError, match=r"\(N, 3, T, 25, M\) for layout ntu-rgb\+d, not"):
        features(STGCN(hidden=4, out=8), Dataset(folder))


# Traps


def movers(n=300, classes=4, seed=0):
    "Clips sorted by class, as files often are; a class is an offset of all its clips"
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) * classes // n
    noise = torch.randn(n, 3, 6, 17, 1, generator=g)
    offsets = torch.randn(classes, 3, 1, 17, 1, generator=torch.Generator().manual_seed(9))
    x = noise * 0.5 + 5 * offsets[y]
    return Sorted(x, y.numpy())


class Sorted:
    "Clips as a dataset gives them"

    layout = "coco"
    checksum = "0" * 64
    split = "made/up"

    def __init__(self, x, labels):
        self.x = x
        self.labels = labels
        self.names = [f"c{i}" for i in range(len(x))]

    def __len__(self):
        return len(self.x)

    def batch(self, index):
        return self.x[torch.as_tensor(np.asarray(index))]

    def batches(self, size):
        for index in np.split(np.arange(len(self)), range(size, len(self), size)):
            yield self.x[index], index


@pytest.fixture(scope="module")
def settled():
    "An encoder whose batch statistics are those of the clips, and the clips"
    data, enc = movers(), encoder().train()
    g = torch.Generator().manual_seed(0)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(120):
            enc(data.batch(torch.randperm(300, generator=g)[:64]))
    return enc.eval(), data, movers(seed=1)


def in_train_mode(enc, data, batch):
    import copy

    enc = copy.deepcopy(enc).train()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.cat([enc(x) for x, _ in data.batches(batch)])


def probed(a, b, data, other):
    return judge(linear_probe(a, data.labels, b, 4), other.labels).top1


@pytest.mark.parametrize("batch", [16, 64])
def test_the_46_per_cent_trap_costs_accuracy_and_is_named(settled, batch):
    enc, data, other = settled
    right = [features(enc, o, batch=batch) for o in (data, other)]
    wrong = [in_train_mode(enc, o, batch) for o in (data, other)]
    assert (
        probed(*right, data, other) > 0.9
        and probed(*wrong, data, other) < probed(*right, data, other) - 0.2
    )
    assert diagnose(right[0], enc, data) == "eval" and diagnose(wrong[0], enc, data) == "train"


def test_features_of_an_unloaded_checkpoint_are_named(settled):
    enc, data, _ = settled
    for other in (encoder(), encoder(5)):
        assert diagnose(features(other, data), enc, data) == "other" and untrained_norms(other)
    assert not untrained_norms(enc)
    forgot = encoder(5)
    report = forgot.load_state_dict(
        {f"model.{k}": v for k, v in enc.state_dict().items()}, strict=False
    )  # Another prefix, and nothing is said
    assert (
        report.missing_keys
        and len(untrained_norms(forgot)) == len(untrained_norms(encoder()))
        and diagnose(features(forgot, data), enc, data) == "other"
    )
    forgot.load_state_dict(enc.state_dict())
    assert not untrained_norms(forgot) and diagnose(features(forgot, data), enc, data) == "eval"


def test_features_in_another_order_or_of_another_width_are_others(settled):
    enc, data, _ = settled
    z = features(enc, data)
    assert diagnose(z.flip(0), enc, data) == "other" and diagnose(z[:, 1:], enc, data) == "other"
    with pytest.raises(HyspError, match="299 features of 300 clips"):
        diagnose(z[1:], enc, data)


def test_an_encoder_that_moves_while_it_looks_is_refused(folder):
    class Restless(STGCN):
        def forward(self, x):
            self.data_bn.running_mean += 0.01
            return super().forward(x)

    with pytest.raises(HyspError, match="not frozen"):
        features(Restless("coco", hidden=4, out=8), Dataset(folder, "xsub/val"))


# Parts of the training clips


@pytest.mark.parametrize("share", [0.01, 0.1, 0.37, 1.0])
def test_few_labels(share):
    y = np.random.default_rng(0).permutation(np.repeat(range(6), [100, 50, 40, 10, 3, 1]))
    i = few_labels(y, share)
    assert (
        np.bincount(y[i]).tolist() == [max(1, round(share * n)) for n in (100, 50, 40, 10, 3, 1)]
        and (np.diff(i) > 0).all()
    )
    assert np.array_equal(i, few_labels(y, share)) and (
        share == 1 or not np.array_equal(i, few_labels(y, share, 1))
    )


@pytest.mark.parametrize("share", [0, -0.1, 1.5])
def test_a_share_that_is_none(share):
    with pytest.raises(HyspError, match="share of labels"):
        few_labels([0, 1], share)


def test_held_out_people_are_others():
    y, people = np.arange(100) % 5, np.arange(100) // 20
    for seed in range(5):
        fit, held = hold_out(y, people, seed=seed)
        assert (
            sorted([*fit, *held]) == list(range(100))
            and not set(people[fit]) & set(people[held])
            and len(held) == 20
        )
    fit, held = hold_out(y, np.zeros(100))
    assert np.bincount(y[held]).tolist() == [4] * 5 and sorted([*fit, *held]) == list(range(100))


# Classifiers


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "poincare"])
def test_neighbours_in_every_geometry(metric):
    from hysp.poincare import tangent_dist

    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(700, 6, generator=g).double(), torch.randn(600, 6, generator=g).double()
    far = dict(
        cosine=lambda: 1 - torch.nn.functional.cosine_similarity(b[:, None], a, dim=-1),
        euclidean=lambda: (b[:, None] - a).norm(dim=-1),
        poincare=lambda: tangent_dist(b[:, None], a),
    )[metric]()
    near, i = neighbours(a, b, 4, metric)
    want = far.sort(1)
    torch.testing.assert_close(near, want[0][:, :4], atol=1e-7, rtol=1e-6)
    assert torch.equal(i, want[1][:, :4])


def test_k_is_chosen_on_the_training_clips_alone():
    "Noisy labels want many neighbours, clean ones one"
    g = np.random.default_rng(0)
    y = np.arange(400) % 2
    x = torch.tensor(
        np.c_[y * 2.0, g.normal(size=400) * 3] + g.normal(size=(400, 2)), dtype=torch.float32
    )
    noisy = np.where(g.random(400) < 0.3, 1 - y, y)
    assert choose_k(x, noisy, 2, metric="euclidean") >= 10
    corners = (
        torch.tensor(
            np.random.default_rng(1).normal(size=(40, 2)) * 30, dtype=torch.float32
        ).repeat_interleave(10, 0)
        + torch.randn(400, 2) * 0.01
    )
    assert choose_k(corners, np.arange(400) // 10, 40, metric="euclidean") == 1


def test_the_mobius_head_learns_and_its_bias_stays_on_the_ball():
    (x, y), (v, w) = clouds(300), clouds(300, seed=0)
    a, b = (judge(linear_probe(x, y, v, 4, head=o), w).top1 for o in ("linear", "mobius"))
    assert abs(a - b) < 0.05 and b > 0.6
    with pytest.raises(HyspError, match="unknown head 'mobiuss'; did you mean 'mobius'"):
        linear_probe(x, y, v, 4, head="mobiuss")


# Training everything


def test_fine_tuning_uses_no_other_labels_and_leaves_the_encoder_alone(settled):
    enc, data, other = settled
    before, i = weights_hash(enc), few_labels(data.labels, 0.1)
    spoilt = np.zeros(300, int)
    spoilt[i] = data.labels[i]
    a, b = (fine_tune(enc, data, y, i, other, 4, epochs=3, batch=16) for y in (data.labels, spoilt))
    assert (
        torch.equal(a, b)
        and weights_hash(enc) == before
        and not enc.training
        and a.shape == (300, 4)
    )


def test_fine_tuning_is_its_seed_and_leaves_chance_alone(settled):
    enc, data, other = settled
    i = few_labels(data.labels, 0.1)
    torch.manual_seed(1)
    a = fine_tune(enc, data, data.labels, i, other, 4, epochs=2, batch=16)
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    b = fine_tune(enc, data, data.labels, i, other, 4, epochs=2, batch=16)
    assert torch.equal(a, b) and torch.equal(state, torch.random.get_rng_state())
    assert not torch.equal(
        a, fine_tune(enc, data, data.labels, i, other, 4, epochs=2, batch=16, seed=1)
    )
    with pytest.raises(HyspError, match="1 labelled clips .* too few to train on"):
        fine_tune(enc, data, data.labels, [0], other, 4)


def clouds(n=90, d=5, classes=4, seed=0, spread=1.5):
    "Overlapping clouds, features of very different scale; the last class is missing from the training clips"
    g = np.random.default_rng(seed)
    y = g.integers(classes - 1, size=n)
    x = (g.normal(size=(classes, d)) * 2)[y] + g.normal(size=(n, d)) * spread
    return torch.tensor(x * 10.0 ** np.arange(-2, d - 2) + 7, dtype=torch.float32), y


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_neighbours_by_hand(metric, k):
    (x, y), (v, _) = clouds(60), clouds(40, seed=1)
    a, b = (o.double().numpy() for o in (x, v))
    if metric == "cosine":
        dist = (
            1
            - (b / np.linalg.norm(b, axis=1)[:, None]) @ (a / np.linalg.norm(a, axis=1)[:, None]).T
        )
    else:
        dist = np.linalg.norm(b[:, None] - a, axis=-1)
    got = knn(x, y, v, 4, k, metric)
    assert got.shape == (40, 4) and not got[:, 3].any(), (
        "a class without training clips gets no votes"
    )
    torch.testing.assert_close(got.sum(1), torch.ones(40, dtype=torch.float64))
    near = dist.argsort(1)[:, :k]
    for i in range(40):
        want = np.zeros(4)
        for j in near[i]:
            want[y[j]] += 1 / dist[i, j] if k > 1 else 1
        np.testing.assert_allclose(got[i], want / want.sum(), atol=1e-7)


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "poincare"])
def test_features_that_are_nearly_parallel_keep_their_neighbours(metric):
    "As those of an untrained encoder are: the neighbour is no matter of rounding"
    turn = torch.tensor([0.0, 1.0, 3.0, 3.5]) * 1e-4
    x = torch.stack([turn.sin(), turn.cos()], 1)
    assert (1 - x @ x.T).max() < 1e-7
    assert (
        knn(x, [0, 1, 2, 3], x[[3, 2, 1, 0]], 4, 1, metric).argmax(1).tolist() == [3, 2, 1, 0]
        and knn(x[:3], [0, 1, 2], x[3:], 4, 1, metric).argmax(1) == 2
    )


def test_a_neighbour_at_no_distance_decides():
    x = torch.eye(4)
    assert knn(x, [0, 1, 2, 3], x, 4, 3, "euclidean").argmax(1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("k", [0, -1, 61])
def test_neighbours_that_are_not_there(k):
    with pytest.raises(HyspError, match="neighbours of 60 clips"):
        knn(*clouds(60), clouds(5)[0], 4, k)


def test_scaled_by_the_training_clips_alone():
    (x, _), (v, _) = clouds(), clouds(seed=1)
    a, b = standardise(x, v)
    torch.testing.assert_close(a.mean(0), torch.zeros(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        a.norm(dim=1).square().mean(), torch.tensor(89 / 90), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(b, (v - x.mean(0)) / x.std(0) / 5**0.5)
    constant = torch.cat([x, torch.ones(90, 1)], 1)
    assert standardise(constant)[0].isfinite().all()


def test_the_probe_comes_to_the_maximum_of_the_likelihood():
    "Full batches, many epochs: scikit-learn's solution of the same convex problem"
    (x, y), (v, _) = clouds(300, spread=2.5), clouds(200, seed=1, spread=2.5)
    ours = linear_probe(x, y, v, 4, epochs=3000, steps=(2500,), lr=2.0, batch=300).softmax(1)
    a, b = (o.double().numpy() for o in standardise(x, v))
    theirs = LogisticRegression(C=1e9, max_iter=10_000, tol=1e-10).fit(a, y)
    np.testing.assert_allclose(ours[:, :3], theirs.predict_proba(b), atol=0.02)
    assert ours[:, 3].max() < 0.01 and 0.5 < theirs.score(a, y) < 0.95, (
        "a problem that is neither trivial nor hopeless"
    )


def test_the_probe_as_it_is_used_is_about_as_good():
    (x, y), (v, w) = clouds(300), clouds(300, seed=0)
    (a,) = standardise(x)
    theirs = LogisticRegression(C=1e6, max_iter=10_000).fit(a.numpy(), y).score(a.numpy(), y)
    assert abs(judge(linear_probe(x, y, v, 4), w).top1 - theirs) < 0.02


def test_the_probe_is_its_seeds_and_leaves_features_and_chance_alone():
    x, y = clouds()
    before = x.clone()
    torch.manual_seed(1)
    a = linear_probe(x, y, x, 4, epochs=5, batch=16)
    torch.manual_seed(2)
    b = linear_probe(x, y, x, 4, epochs=5, batch=16)
    state = torch.random.get_rng_state()
    assert torch.equal(a, b) and torch.equal(x, before) and not a.requires_grad
    assert not torch.equal(a, linear_probe(x, y, x, 4, epochs=5, batch=16, seed=1))
    torch.manual_seed(2)
    assert torch.equal(state, torch.random.get_rng_state())


def test_one_labelled_clip_is_a_probe_too():
    (x, y), (v, _) = clouds(90), clouds(20)
    assert linear_probe(x[:1], y[:1], v, 4, by=x).isfinite().all()
    assert torch.equal(linear_probe(x, y, v, 4, epochs=2), linear_probe(x, y, v, 4, epochs=2, by=x))


# Verdicts


@pytest.mark.parametrize("classes", [2, 4, 7, 20])
def test_a_verdict_is_that_of_scikit_learn(classes):
    g = np.random.default_rng(classes)
    y = np.minimum(g.geometric(0.3, 101) - 1, classes - 2)
    scores = torch.tensor(g.normal(size=(101, classes)))
    scores[range(101), y] += 1
    v, k = judge(scores, y), min(5, classes)
    assert v.top1 == pytest.approx(
        (scores.argmax(1).numpy() == y).mean(), abs=1e-12
    ) and torch.equal(v.pred, scores.argmax(1))
    assert v.top5 == pytest.approx(
        1.0
        if k == classes
        else top_k_accuracy_score(y, scores.numpy(), k=k, labels=range(classes)),
        abs=1e-12,
    )
    assert (
        v.confusion.tolist()
        == confusion_matrix(y, scores.argmax(1), labels=range(classes)).tolist()
    )
    assert v.top1 == pytest.approx(v.confusion.trace().item() / 101, abs=1e-12)
    np.testing.assert_allclose(
        v.per_class,
        [
            np.mean(scores.argmax(1).numpy()[y == c] == c) if (y == c).any() else np.nan
            for c in range(classes)
        ],
    )
    assert v.per_class[-1].isnan() and (
        v.confusion.sum(1) * v.per_class.nan_to_num()
    ).sum().item() == pytest.approx(101 * v.top1)


def test_the_interval_is_that_of_a_share():
    g = torch.Generator().manual_seed(0)
    scores = torch.randn(1000, 2, generator=g)
    y = (scores.argmax(1) + (torch.rand(1000, generator=g) < 0.2).long()) % 2
    v = judge(scores, y)
    low, high = v.interval
    half = 1.96 * (v.top1 * (1 - v.top1) / 1000) ** 0.5
    assert (
        low == pytest.approx(v.top1 - half, abs=0.006)
        and high == pytest.approx(v.top1 + half, abs=0.006)
        and f"{low:.1%} to {high:.1%}" in repr(v)
    )


def test_accuracy_is_of_the_whole_set_and_no_mean_of_batches():
    y = np.array([0] * 9 + [1])
    scores = torch.eye(2)[torch.tensor([0] * 9 + [0])]
    assert (
        judge(scores, y).top1 == 0.9
        and np.mean([judge(scores[:8], y[:8]).top1, judge(scores[8:], y[8:]).top1]) == 0.75
    )


@pytest.mark.parametrize("bad", [-1, 2, 9])
def test_a_label_outside_its_range_is_refused(bad):
    with pytest.raises(HyspError, match=f"labels lie in .*{bad}"):
        judge(torch.zeros(2, 2), [0, bad])


def test_scores_that_are_nan_are_refused():
    with pytest.raises(HyspError, match="scores of clip 1 are NaN"):
        judge(torch.tensor([[0.0, 1.0], [float("nan"), 0.0]]), [0, 1])


def test_merged_classes():
    index, names = merge_classes(["squat right", "squat wrong", "lunge", "lunge wrong"], " ")
    assert index.tolist() == [0, 0, 1, 1] and names == ["squat", "lunge"]
    index, names = merge_classes(["a", "b"], ":")
    assert index.tolist() == [0, 1] and names == ["a", "b"]


# What costs nothing


@pytest.mark.parametrize("n,d", [(50, 8), (8, 50), (300, 300), (2, 5)])
def test_whitening_is_that_of_the_eigenvectors(n, d):
    g = np.random.default_rng(0)
    mix = g.normal(size=(d, d))
    x, v = (torch.tensor(g.normal(size=(m, d)) @ mix + 3, dtype=torch.float32) for m in (n, 20))
    a, b = whiten(x, v)
    k = a.shape[1]
    torch.testing.assert_close(a.mean(0), torch.zeros(k), atol=1e-3, rtol=0)
    torch.testing.assert_close(a.T.cov().view(k, k), torch.eye(k), atol=2e-2, rtol=0)
    values, vectors = np.linalg.eigh(np.cov(x.double().numpy().T))
    order = values.argsort()[::-1]
    values, vectors = values[order], vectors[:, order]
    held = values.cumsum() / values.sum()
    assert k == min(128, n - 1, d, (held < 0.95).sum() + 1)
    plain = (v.double().numpy() - x.double().numpy().mean(0)) @ vectors[:, :k] / values[:k] ** 0.5
    strong = slice(0, min(k, 5))  # Where values lie close, the randomised solver turns directions
    signs = np.sign((plain * b.numpy()).sum(0))
    np.testing.assert_allclose((b.numpy() * signs)[:, strong], plain[:, strong], atol=0.05)


def test_whitening_looks_at_training_clips_alone_and_is_the_same_again():
    (x, _), (v, _) = clouds(), clouds(seed=1)
    a, b = whiten(x, v)
    _, c = whiten(x, v[:3])
    torch.testing.assert_close(b[:3], c)
    assert torch.equal(a, whiten(x)[0]) and whiten(x, share=1.0)[0].shape == (90, 5)
    assert whiten(x, share=1.0, most=2)[0].shape == (90, 2)


@pytest.mark.filterwarnings("error")
def test_whitening_of_clips_without_variance():
    assert torch.equal(whiten(torch.ones(3, 4))[0], torch.zeros(3, 1))
    flat = torch.cat([torch.randn(20, 2), torch.ones(20, 3)], 1)
    assert whiten(flat, share=1.0)[0].shape == (20, 2)
    with pytest.raises(HyspError, match="two training clips"):
        whiten(torch.ones(1, 4))


def test_side_by_side_no_part_outweighs_the_other():
    (x, _), (v, _) = clouds(), clouds(seed=1)
    wide, wide_v = (
        torch.randn(n, 400, generator=torch.Generator().manual_seed(n)) for n in (90, 9)
    )
    a, b = join_features((x, v[:9]), (1e4 * wide, 1e4 * wide_v))
    assert a.shape == (90, 405) and b.shape == (9, 405)
    cosine = torch.nn.functional.cosine_similarity
    parts = [
        cosine((m - t.mean(0))[:, None], t - t.mean(0), dim=-1)
        for t, m in ((x, v[:9]), (wide, wide_v))
    ]
    torch.testing.assert_close(cosine(b[:, None], a, dim=-1), sum(parts) / 2, atol=1e-4, rtol=0)
    same = join_features((torch.ones(4, 2), torch.ones(1, 2)))
    assert not same[0].any() and not same[1].any(), "what does not vary says nothing"


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "poincare"])
@pytest.mark.parametrize("k", [1, 4])
def test_neighbours_with_as_many_bodies(metric, k):
    "A search among the clips of each kind; a judged clip with fewer than k of its kind searches all"
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(300, 6, generator=g), torch.randn(80, 6, generator=g)
    ours = torch.randint(1, 3, (300,), generator=g)
    ours[:2] = 3  # Two clips of three
    theirs = torch.randint(1, 4, (80,), generator=g)
    near, found = neighbours(a, b, k, metric, (ours, theirs))
    for i in range(80):
        own = (ours == theirs[i]).nonzero()[:, 0]
        among = own if len(own) >= k else torch.arange(300)
        want = neighbours(a[among], b[i : i + 1], k, metric)
        assert torch.equal(found[i], among[want[1][0]])
        torch.testing.assert_close(near[i], want[0][0])
    assert not near.isinf().any()


def test_one_kind_of_clips_is_no_restriction():
    g = torch.Generator().manual_seed(0)
    a, b, counts = torch.randn(50, 3, generator=g), torch.randn(9, 3, generator=g), torch.ones(50)
    for theirs in (torch.ones(9), torch.full((9,), 2)):
        want, found = neighbours(a, b, 5), neighbours(a, b, 5, bodies=(counts, theirs))
        assert torch.equal(want[0], found[0]) and torch.equal(want[1], found[1])
    y = np.arange(50) % 4
    assert choose_k(a, y, 4) == choose_k(a, y, 4, bodies=counts)


def test_reranking_against_a_loop():
    g = torch.Generator().manual_seed(0)
    near = torch.stack([torch.randperm(30, generator=g)[:6] for _ in range(40)])
    costs = torch.randint(0, 4, (40, 6), generator=g).double()
    costs[costs == 3] = torch.inf
    for row, cost, found in zip(near.tolist(), costs.tolist(), rerank(near, costs).tolist()):
        assert found == [row[i] for i in sorted(range(6), key=lambda i: cost[i])]


@pytest.mark.parametrize("seed", range(3))
def test_an_answer_is_a_class_or_the_most_frequent_one(seed):
    g = np.random.default_rng(seed)
    y, which = g.integers(5, size=31), torch.tensor(g.integers(-1, 31, size=50))
    scores, often = neighbour_scores(which, y, 7), np.bincount(y).argmax()
    assert scores.shape == (50, 7) and torch.equal(scores.sum(1), torch.ones(50).double())
    assert scores.argmax(1).tolist() == [int(y[i]) if i >= 0 else int(often) for i in which]
    v = g.integers(7, size=50)
    assert judge_chance((y, v), 7).top1 == pytest.approx((v == often).mean())


def test_bodies_and_time_warping_of_a_set(sets):
    train, val = sets
    for data in sets:
        assert body_counts(data).tolist() == data.columns["bodies"].tolist()
    clips = [data.batch(range(len(data))) for data in (val, train)]
    cost = clip_dtw(*clips)
    nearest, judged, gallery = dtw_neighbours(sets)
    assert torch.equal(nearest, cost.argmin(1)) and gallery == len(train)
    assert torch.equal(judged, torch.arange(len(val)))
    near = torch.randint(len(train), (len(val), 5), generator=torch.Generator().manual_seed(0))
    steps_too = clip_dtw(*clips, velocity=2.0)
    for found, every in (
        (dtw_costs(sets, near), steps_too),
        (dtw_costs(sets, near, velocity=0.0), cost),
    ):
        wanted = every.gather(1, near)
        assert torch.equal(found.isinf(), wanted.isinf()) and wanted.isinf().any()
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-4)
    right = judge_warped(nearest, judged, (train.labels, val.labels), 3).right
    assert right.tolist() == (train.labels[nearest.numpy()] == val.labels).tolist()


@pytest.mark.parametrize("most", [(5, 4), (1, 1), (13, 2)])
def test_a_sample_for_time_warping_is_drawn(sets, most):
    train, val = sets
    nearest, judged, gallery = dtw_neighbours(sets, most)
    assert (gallery, len(judged)) == most
    assert judged.tolist() == some_of(len(val), most[1])
    assert set(nearest.tolist()) - {-1} <= set(some_of(len(train), most[0]))


def test_few_pairs_need_no_sample(sets):
    assert len(sets[0]) * len(sets[1]) <= 2 * 99
    nearest, judged, gallery = dtw_neighbours(sets, (2, 99))
    assert (len(judged), gallery) == (len(sets[1]), len(sets[0]))
    assert torch.equal(nearest, dtw_neighbours(sets)[0])


def test_pairs_of_people_are_judged_though_none_trained(sets):
    "Neighbours are sought among all, and time warping says the most frequent class"
    train, val = sets
    alone = train.subset((train.columns["bodies"] == 1).nonzero()[0])
    sets = (alone, val)
    nearest, judged, _ = dtw_neighbours(sets)
    two = val.columns["bodies"] == 2
    assert ((nearest == -1).numpy() == two).all() and two.any()
    often = np.bincount(alone.labels).argmax()
    labels = alone.labels, val.labels
    assert (judge_warped(nearest, judged, labels, 3).pred[torch.tensor(two)] == often).all()
    z = [data.batch(range(len(data))).sum(-1).flatten(1) for data in sets]
    counts = tuple(body_counts(data) for data in sets)

    def costs(near):
        return dtw_costs(sets, near)

    found = judge_frozen(z, labels, 3, None, ("knn",), bodies=counts, rerank=3, costs=costs)
    first = neighbours(*z)[1][torch.tensor(two), 0]
    for name in ("1-NN", "1-NN, re-ranked"):  # All costs are infinite: as the features have it
        assert found[name][0].pred[torch.tensor(two)].tolist() == alone.labels[first].tolist()


# One better than the other


@pytest.mark.parametrize("n", [20, 300, 5000])
def test_a_difference_is_that_of_drawing_clips(n):
    g = np.random.default_rng(n)
    a, b = (torch.tensor(g.random(n) < o) for o in (0.8, 0.7))
    gap, low, high = difference(a, b)
    gain = a.int().numpy() - b.int().numpy()
    drawn = gain[g.integers(n, size=(2000, n))].mean(1)
    assert gap == pytest.approx(gain.mean(), abs=1e-12) and low <= gap <= high
    want = np.quantile(drawn, [0.025, 0.975])
    np.testing.assert_allclose([low, high], want, atol=max(1 / n, 0.1 * (want[1] - want[0])))
    assert difference(b, a)[0] == -gap


def test_the_interval_of_a_difference_holds_it_95_times_of_100():
    "Pairs of classifiers that are 6 points apart, on 400 clips that are hard for both or for neither"
    g = np.random.default_rng(0)
    held = 0
    for _ in range(600):
        hard = g.random(400)
        a, b = (torch.tensor(hard + 0.4 * g.random(400) < o) for o in (0.96, 0.90))
        _, low, high = difference(a, b, draws=1000)
        held += low <= 0.06 <= high
    assert 0.92 <= held / 600 <= 0.98


def test_a_difference_needs_the_same_clips():
    for a, b in ((3, 4), (0, 0)):
        with pytest.raises(HyspError, match="the same clips"):
            difference(torch.ones(a), torch.ones(b))
