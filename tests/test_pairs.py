"People as views: who is paired with whom, that no label is read, and what is done where there is nothing to find"

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from hysp.checkpoint import load_weights, save_weights
from hysp.core import HyspError
from hysp.dtw import clip_dtw
from hysp.feeder import Dataset
from hysp.pairs import Pairs, find_pairs, make_pairs, mutual_choices, paired_order
from hysp.recipes import describe_pairs, find_partners, subjects_of, make_trainer
from hysp.settings import Pretrain
from hysp.runs import load_pairs, save_pairs
from people import layout, made_up, write

kard = Path(__file__).parents[2] / "shared/data/kard.npz"

pytestmark = pytest.mark.usefixtures("one_thread")


def settings(data, out="nowhere", **kw):
    small = dict(width=4, out_dim=8, head_dim=8, pred_dim=8, batch=8, steps=3, device="cpu")
    return Pretrain(data=data, out=out, **dict(split="all", **small) | kw)


def couples(pairs):
    return set(zip(pairs.first.tolist(), pairs.other.tolist()))


def check(pairs, person=None):
    "What holds for any pairs: both directions, ascending, nobody with themselves, two people"
    found = couples(pairs)
    assert len(found) == len(pairs.other) == 2 * len(pairs), "each once"
    assert all((j, i) in found for i, j in found), "mutual"
    assert all(i != j for i, j in found)
    for a, b in pairwise(pairs.start.tolist()):
        assert pairs.other[a:b].tolist() == sorted(pairs.other[a:b].tolist())
    if person is not None:
        person = torch.as_tensor(person)
        assert (person[pairs.first] != person[pairs.other]).all(), "two people"


# The choice


def plain_choices(cost, person, takes):
    "Everybody's nearest clips of everybody else among the nearest of all, where that is mutual"
    choices = set()
    for i in range(len(cost)):
        others = [j for j in range(len(cost)) if cost[i, j] < float("inf")]
        ranked = sorted(others, key=lambda j: cost[i, j])[: 12 * takes]
        for p in set(person.tolist()) - {int(person[i])}:
            choices |= {(i, j) for j in [j for j in ranked if person[j] == p][:takes]}
    return {(i, j) for i, j in choices if (j, i) in choices}


@pytest.mark.parametrize("takes", [1, 2, 3])
@pytest.mark.parametrize("n", [2, 5, 40])
@pytest.mark.parametrize("seed", range(4))
def test_choices_are_the_plain_form(takes, n, seed):
    g = torch.Generator().manual_seed(seed)
    points, person = torch.randn(n, 3, generator=g), torch.randint(4, (n,), generator=g)
    cost = torch.cdist(points, points).masked_fill(person[:, None] == person, torch.inf)
    cost[torch.rand(n, n, generator=g) < 0.1] = torch.inf
    every = torch.arange(n).expand(n, n)
    first, other, column = mutual_choices(cost, every, person, takes)
    found = list(zip(first.tolist(), other.tolist()))
    assert set(found) == plain_choices(cost, person, takes) and len(set(found)) == len(found)
    assert torch.equal(column, other)
    turned = torch.stack([torch.randperm(n, generator=g) for _ in range(n)])
    again = mutual_choices(cost.gather(1, turned), turned, person, takes)
    assert set(zip(*(o.tolist() for o in again[:2]))) == set(found)
    assert torch.equal(turned[again[0], again[2]], again[1])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_match_is_the_plain_form(seed, share):
    g = torch.Generator().manual_seed(seed)
    drawn = (torch.rand(12, 12, generator=g) < share).triu(1)
    pairs = make_pairs(12, *(drawn | drawn.T).nonzero().T)
    check(pairs)
    clips, found = torch.randint(12, (30,), generator=g), couples(pairs)
    want = [[i == j or (i, j) in found for j in clips.tolist()] for i in clips.tolist()]
    assert torch.equal(pairs.match(clips), torch.tensor(want))
    shuffled = torch.randperm(len(pairs.other), generator=g)
    again = make_pairs(12, pairs.first[shuffled], pairs.other[shuffled])
    assert again.digest() == pairs.digest() and torch.equal(again.other, pairs.other)


def test_the_last_and_the_first_clip_match_nobody_by_chance():
    pairs = make_pairs(4, torch.tensor([0, 1]), torch.tensor([1, 0]))
    match = pairs.match(torch.tensor([3, 2, 0, 1, 3]))
    assert match.sum() == 5 + 2 + 2 and match[0, 4] and match[2, 3] and not match[0, 1]


# The search


@pytest.mark.parametrize("takes", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_finds_who_does_the_same(takes, seed):
    x, label, person = made_up(5, 4, takes, seed=seed)
    pairs = find_pairs(x, layout, person.numpy())
    check(pairs, person)
    assert pairs.agreement(label) == 1 and not pairs.either_side
    assert (pairs.start.diff() > 0).float().mean() > 0.9
    again = find_pairs(x, layout, person.numpy())
    assert again.digest() == pairs.digest(), "the same each time"


def test_several_takes_of_others_where_takes_are_repeated():
    x, label, person = made_up(4, 3, 3)
    several = find_pairs(x, layout, person)
    one = find_pairs(x[::3], layout, person[::3])
    assert several.agreement(label) == one.agreement(label[::3]) == 1
    assert one.start.diff().max() <= 2, "one clip of each of two others"
    assert 2 < several.start.diff().max() <= 4, "two clips of each of two others"


@pytest.mark.parametrize("seed", range(3))
def test_either_hand_is_found_out(seed):
    one = find_pairs(*held(made_up(5, 6, 1, seed=seed)))
    both = find_pairs(*held(made_up(5, 6, 1, left=(2, 4, 6), seed=seed)))
    assert both.either_side and not one.either_side
    _, label, person = made_up(5, 6, 1)
    check(both, person)
    assert both.agreement(label) > 0.95
    across = ((person % 2)[both.first] != (person % 2)[both.other]).float().mean()
    assert across > 0.3, "left-handed and right-handed people are paired"


def held(made):
    x, _, person = made
    return x, layout, person


def test_order_of_clips_and_names_of_people_are_nothing():
    x, _, person = made_up(4, 4, 2)
    turned = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    pairs = find_pairs(x, layout, person)
    other = find_pairs(x[turned], layout, 70 - 3 * person[turned])
    back = {(int(turned[i]), int(turned[j])) for i, j in couples(other)}
    assert back == couples(pairs)


def test_all_candidates_are_the_full_search():
    x, _, person = made_up(5, 4, 3)
    few = find_pairs(x, layout, person, all_pairs=len(x) - 1)
    assert couples(few) == couples(find_pairs(x, layout, person)), "60 clips, 64 candidates"


@pytest.mark.parametrize("left", [(), (2, 5, 6, 9, 14)])
def test_candidates_find_nearly_all_pairs(left):
    x, label, person = made_up(30, 20, 1, left=left, spread=0.05)
    full, few = (find_pairs(x, layout, person, all_pairs=n) for n in (600, 10))
    check(few, person)
    assert few.either_side == full.either_side == bool(left)
    assert len(couples(full) & couples(few)) >= 0.9 * len(couples(full))
    assert few.agreement(label) > full.agreement(label) - 0.02


def test_clips_of_one_and_of_two_people_are_never_paired():
    x, label, person = made_up(4, 4, 1)
    x = torch.cat([x, torch.zeros_like(x)], -1)
    x[label > 1, ..., 1] = x[label > 1, ..., 0] + 1
    for n in (4000, 4):
        pairs = find_pairs(x, layout, person, all_pairs=n)
        check(pairs, person)
        assert pairs.agreement(label > 1) == 1 and pairs.agreement(label) == 1
        swapped = torch.where((torch.arange(16) % 3 == 0)[:, None, None, None, None], x.flip(-1), x)
        there = (label > 1).nonzero()[:, 0]
        some = torch.where(
            torch.isin(torch.arange(16), there)[:, None, None, None, None], swapped, x
        )
        assert couples(find_pairs(some, layout, person, all_pairs=n)) == couples(pairs)


# Little to find


def all_ways(x, person):
    return [find_pairs(x, layout, person, all_pairs=n) for n in (4000, 1)]


@pytest.mark.parametrize("person", [None, np.ones(24, int)], ids=["nobody known", "one person"])
def test_without_other_people_other_recordings(person):
    x, label, _ = made_up(4, 3, 2)
    for pairs in all_ways(x, person):
        check(pairs)
        assert pairs.agreement(label) == 1 and 0 < pairs.start.diff().max() <= 2


@pytest.mark.parametrize("same", [True, False])
def test_two_clips(same):
    x, _, _ = made_up(1, 2, 1)
    for person in (np.array([1, 1]) if same else np.array([1, 2]), None):
        for pairs in all_ways(x, person):
            assert couples(pairs) == {(0, 1), (1, 0)}
    for n in (0, 1):
        with pytest.raises(HyspError, match=f"a pair takes two clips, and there are {n}"):
            find_pairs(x[:n], layout, np.ones(n))


def test_one_clip_of_each_person():
    x, _, _ = made_up(3, 5, 1)
    for pairs in all_ways(x, np.arange(15)):
        check(pairs, np.arange(15))
        assert len(pairs) and pairs.start.diff().max() <= 12


@pytest.mark.parametrize("what", ["identical", "one frame", "nobody there"])
@pytest.mark.parametrize("known", [True, False])
def test_clips_without_a_difference(what, known):
    x, _, person = made_up(4, 3, 2)
    if what == "identical":
        x = x[:1].expand_as(x)
    elif what == "one frame":
        x = x[:, :, :1]
    else:
        x = torch.zeros_like(x)
    for pairs in all_ways(x, person if known else None):
        check(pairs, person if known else None)
        assert pairs.clips == 24
        if known and what == "identical":  # two takes of each other person at most
            assert pairs.start.diff().max() <= 2 * (len(set(person.tolist())) - 1)


def test_nobody_can_be_a_partner():
    "One person alone in each clip of the one, two people in each of the other"
    x, _, person = made_up(3, 2, 1)
    x = torch.cat([x, x * (person == 2).view(-1, 1, 1, 1, 1)], -1)
    for pairs in all_ways(x, person):
        assert len(pairs) == 0 and repr(pairs) == "0 pairs; 0 of 6 clips have a partner"
        assert not pairs.either_side and np.isnan(pairs.agreement(person))


# Labels are not read


class Unlabelled(Dataset):
    "A dataset that may not be asked for classes"

    @property
    def labels(self):
        raise AssertionError("the labels were read")

    classes = labels


def blind(folder):
    "The clips of a folder without what is known of their classes"
    data = Unlabelled(folder)
    del data.columns["label"], data.class_names
    return data


def test_search_and_training_read_no_label(tmp_path, monkeypatch):
    data = write(tmp_path / "set", *made_up(3, 4, 2))
    monkeypatch.setattr("hysp.recipes.Dataset", lambda path, split: blind(path))
    t = make_trainer(settings(data, tmp_path / "run"))
    assert len(t.pairs) and isinstance(t.data, Unlabelled)
    assert len(t.fit()) == 1
    with pytest.raises((AssertionError, KeyError, AttributeError)):
        describe_pairs(t.pairs, t.data)


@pytest.mark.parametrize("model", ["simclr", "hysp"])
def test_permuted_labels_change_nothing(tmp_path, model):
    x, label, person = made_up(3, 4, 2)
    turned = label[torch.randperm(24, generator=torch.Generator().manual_seed(0))]
    found = []
    for name, o in dict(right=label, turned=turned).items():
        cfg = settings(write(tmp_path / name, x, o, person), tmp_path / f"run {name}", model=model)
        pairs = find_partners(cfg, Dataset(cfg.data))
        t = make_trainer(cfg)
        t.fit()
        assert t.epochs * t.steps == 3
        found.append((pairs, t.model.state_dict()))
    (a, one), (b, two) = found
    assert a.digest() == b.digest() and a.agreement(label) == 1 > a.agreement(turned)
    assert all(torch.equal(one[k], two[k]) for k in one)


# Who is known


@pytest.mark.parametrize(
    "who,known",
    [
        (lambda p: p, True),
        (lambda p: None, False),
        (lambda p: p * 0 + 1, False),
        (lambda p: np.where(np.arange(len(p)) == 5, -1, p), False),
    ],
    ids=["all", "no column", "one", "one missing"],
)
def test_people_are_known_where_all_are_and_are_several(tmp_path, who, known):
    x, label, person = made_up(3, 4, 2)
    data = Dataset(write(tmp_path / "set", x, label, who(person)))
    assert (subjects_of(data) is not None) == known
    pairs = find_partners(settings(data.path, tmp_path / "run"), data)
    check(pairs, person if known else None)
    assert find_partners(settings(data.path, tmp_path / "run", pairs="own"), data) is None
    said = describe_pairs(pairs, data)
    assert ("other recordings" in said) != known and "\n" not in said and "not use" in said


# Steps of pairs


@pytest.mark.parametrize("own", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("batch", [1, 5, 24])
def test_steps_of_pairs(own, batch):
    pairs = find_pairs(*held(made_up(4, 3, 2)))
    order, g = torch.randperm(24), torch.Generator().manual_seed(0)
    first, second = paired_order(order, pairs, batch, own, g)
    steps, kept = 24 // batch, round(own * batch)
    assert len(first) == len(second) == steps * batch
    first, second = first.view(steps, -1), second.view(steps, -1)
    assert torch.equal(first[:, :kept], second[:, :kept])
    assert torch.equal(first[:, :kept], order[: steps * batch].view(steps, -1)[:, :kept])
    drawn = list(zip(first[:, kept:].flatten().tolist(), second[:, kept:].flatten().tolist()))
    assert set(drawn) <= couples(pairs)
    most = max(map(drawn.count, drawn), default=0)
    least = min(map(drawn.count, couples(pairs)))
    assert most - least <= 1, "every pair before any twice"


def test_few_pairs_are_drawn_again_and_again():
    pairs = make_pairs(40, torch.tensor([3, 7]), torch.tensor([7, 3]))
    first, second = paired_order(torch.arange(40), pairs, 10, 0.2, torch.Generator())
    drawn = list(zip(first.tolist(), second.tolist()))
    assert drawn.count((3, 7)) == drawn.count((7, 3)) == 16
    assert sum(i == j for i, j in drawn) == 8


def test_every_clip_is_seen_as_its_own_view_in_time():
    "Also one that has no partner"
    pairs = make_pairs(24, torch.tensor([0, 1]), torch.tensor([1, 0]))
    seen, g = set(), torch.Generator().manual_seed(0)
    for _ in range(40):
        first, second = paired_order(torch.randperm(24, generator=g), pairs, 8, 0.3, g)
        seen |= {i for i, j in zip(first.tolist(), second.tolist()) if i == j}
    assert seen == set(range(24))


@pytest.mark.parametrize("own", [0.0, 0.5])
def test_without_pairs_own_views(own):
    lonely, order = make_pairs(9, *torch.zeros(2, 0, dtype=torch.long)), torch.randperm(9)
    first, second = paired_order(order, lonely, 4, own, torch.Generator())
    assert torch.equal(first, order[:8]) and torch.equal(first, second)


# Kept beside a run


@pytest.fixture
def kept(tmp_path):
    data = Dataset(write(tmp_path / "set", *made_up(3, 4, 2, left=(2, 4))))
    pairs = find_partners(settings(data.path, tmp_path), data)
    save_pairs(tmp_path / "pairs.safetensors", pairs, data)
    return tmp_path / "pairs.safetensors", pairs, data


def test_kept_pairs_come_back(kept):
    path, pairs, data = kept
    again = load_pairs(path, data)
    assert again.digest() == pairs.digest() and torch.equal(again.start, pairs.start)
    assert again.either_side is pairs.either_side is True
    assert find_partners(settings(data.path, path.parent), data).digest() == pairs.digest()
    none = Pairs(torch.zeros(25, dtype=torch.long), torch.zeros(0, dtype=torch.long))
    save_pairs(path, none, data)
    assert len(load_pairs(path, data)) == 0


def test_pairs_of_other_clips_are_refused(kept, tmp_path):
    path, _, data = kept
    x, label, person = made_up(3, 4, 2, seed=1)
    moved = Dataset(write(tmp_path / "moved", x, label, person))
    halves = [data.subset(np.arange(12) + o) for o in (0, 12)]
    for other in (moved, halves[0]):
        with pytest.raises(HyspError, match="other clips than .*; name a new run folder"):
            load_pairs(path, other)
    save_pairs(path, find_pairs(*held(made_up(3, 2, 2))), halves[0])
    with pytest.raises(HyspError, match="other clips"):
        load_pairs(path, halves[1])  # as many clips of the same folder


def test_pairs_of_other_people_are_refused(kept, tmp_path):
    path, _, data = kept
    x, label, person = made_up(3, 4, 2, left=(2, 4))
    other = Dataset(write(tmp_path / "other", x, label, person.flip(0)))
    assert other.checksum == data.checksum
    with pytest.raises(HyspError, match="other clips"):
        load_pairs(path, other)


def test_damaged_pairs_are_refused(kept):
    path, pairs, data = kept
    raw = path.read_bytes()
    for n in (0, 7, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:n])
        with pytest.raises(HyspError, match="pairs.safetensors is not a whole safetensors file"):
            find_partners(settings(data.path, path.parent), data)
    path.write_bytes(raw)
    whole, about = load_weights(path)
    spoilt = [
        dict(start=whole["start"]),
        dict(whole, other=whole["other"] + 24),
        dict(whole, other=whole["other"] - 24),
        dict(whole, other=whole["other"][:-1]),
        dict(whole, start=whole["start"][:-1]),
        dict(whole, start=whole["start"].flip(0)),
        dict(whole, other=whole["other"].float()),
    ]
    for state in spoilt:
        save_weights(path, state, about)
        with pytest.raises(HyspError, match="pairs.safetensors .*") as e:
            find_partners(settings(data.path, path.parent), data)
        assert "\n" not in str(e.value)


# Real people


@pytest.mark.skipif(not kard.exists(), reason="needs shared/data beside the repository")
def test_people_of_kard(tmp_path):
    from hysp.prepare import prepare
    from hysp.readers import arrays

    folder = prepare(arrays(kard), tmp_path / "kard", frames=16, workers=1, progress=False)
    data = Dataset(folder, "xsub/train")
    pairs = find_partners(settings(folder, tmp_path / "run", split="xsub/train"), data)
    check(pairs, data.columns["subject"])
    assert pairs.agreement(data.labels) >= 0.95 and not pairs.either_side
    assert (pairs.start.diff() > 0).float().mean() > 0.9
    near = clip_dtw(data.batch(range(5)), data.batch(pairs.other[pairs.start[:5]].tolist()))
    assert near.isfinite().all()
