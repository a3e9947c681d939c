"Contrast within the batch against a plain loop; the quick recipe resumed to the bit, alone and on two processes"

import math
import sys
from pathlib import Path

import pytest
import torch

from hysp.checkpoint import load_state
from hysp.core import HyspError
from hysp.feeder import Dataset
from hysp.losses import batch_contrastive_loss, similarities
from hysp.pairs import make_pairs
from hysp.poincare import tangent_dist
from hysp.recipes import pretrain, ready_trainer, make_trainer
from hysp.settings import NaturalView, Pretrain
from hysp.runs import save_pairs
from people import made_up, write
from test_devices import run, torchrun
from test_train import differing, outcome

root = Path(__file__).parents[1]

pytestmark = pytest.mark.usefixtures("one_thread")


def tangents(n, seed=0, d=5, dtype=torch.float64):
    "Two views, shorter and longer than the reach"
    g = torch.Generator().manual_seed(seed)
    return (torch.randn(2, n, d, generator=g, dtype=dtype) / 3).unbind()


def some_match(n, seed=0):
    "Pairs among the clips of a batch, in which one clip may stand twice"
    g = torch.Generator().manual_seed(seed)
    drawn = (torch.rand(9, 9, generator=g) < 0.2).triu(1)
    pairs = make_pairs(9, *(drawn | drawn.T).nonzero().T)
    first, second = torch.randint(9, (2, n), generator=g)
    return pairs.match(torch.cat([first, second]))


# The loss


def alike(x, y, how, c, reach):
    "Similarity of two tangents, from its definition"
    if how == "angle":
        return float(x @ y / x.norm() / y.norm())
    x, y = (o * reach * math.tanh(o.norm() / reach) / o.norm() for o in (x, y))
    distance = float(tangent_dist(x[None], y[None], c))
    return -distance if how == "distance" else 1 - math.cosh(c**0.5 * distance)


def plain(u, v, how, c, temperature, match, reach, prior):
    "Clip by clip, view by view"
    both, n = [*u, *v], len(u)
    out = torch.zeros(n, dtype=torch.float64)
    for i, x in enumerate(both):
        others = [j for j in range(2 * n) if j != i]
        logits = {j: alike(x, both[j], how, c, reach) / temperature for j in others}
        all_of_them = math.log(sum(math.exp(o) for o in logits.values()))
        same = [j for j in others if j % n == i % n or (match is not None and match[i, j])]
        term = sum(all_of_them - logits[j] for j in same) / len(same)
        if how != "angle":
            term += prior * float(x @ x)
        out[i % n] += term / 2
    return out


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("matched", [False, True])
@pytest.mark.parametrize("how", ["angle", *similarities])
@pytest.mark.parametrize("c", [0.5, 1.0, 2.0])
def test_is_a_plain_loop(seed, matched, how, c):
    u, v = tangents(6, seed)
    match = some_match(6, seed) if matched else None
    own = dict(angle_temperature=0.2) if how == "angle" else dict(similarity=how, temperature=0.3)
    loss, euc, hyp = batch_contrastive_loss(u, v, float(how != "angle"), c, match=match, **own)
    want = plain(u, v, how, c, 0.2 if how == "angle" else 0.3, match, 0.5, 0.01)
    torch.testing.assert_close(loss, want, atol=2e-6, rtol=1e-6)
    torch.testing.assert_close(euc + hyp, loss, atol=0, rtol=0)


@pytest.mark.parametrize("similarity", similarities)
def test_mix_is_the_mix_of_both(similarity):
    u, v = tangents(5)
    kw = dict(similarity=similarity, match=some_match(5))
    ends = [batch_contrastive_loss(u, v, lam, **kw)[0] for lam in (0.0, 1.0)]
    loss, euc, hyp = batch_contrastive_loss(u, v, 0.3, **kw)
    torch.testing.assert_close(loss, 0.7 * ends[0] + 0.3 * ends[1], atol=1e-12, rtol=0)
    torch.testing.assert_close(torch.stack([euc, hyp]), torch.stack(ends), atol=1e-12, rtol=0)


@pytest.mark.parametrize("similarity", similarities)
@pytest.mark.parametrize("lam", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("matched", [False, True])
def test_gradients_are_those_of_differences(similarity, lam, matched):
    u, v = tangents(4, d=3)
    match = some_match(4) if matched else None

    def loss(u, v):
        return batch_contrastive_loss(u, v, lam, similarity=similarity, match=match)[0]

    assert torch.autograd.gradcheck(loss, (u.requires_grad_(), v.requires_grad_()))


@pytest.mark.parametrize("similarity", similarities)
@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_order_of_clips_and_of_views_is_nothing(similarity, lam):
    u, v = tangents(7)
    match, kw = some_match(7), dict(lam=lam, similarity=similarity)
    loss = batch_contrastive_loss(u, v, match=match, **kw)[0]
    turned = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    both = torch.cat([turned, turned + 7])
    again = batch_contrastive_loss(u[turned], v[turned], match=match[both][:, both], **kw)[0]
    torch.testing.assert_close(again, loss[turned], atol=1e-12, rtol=0)
    swapped = batch_contrastive_loss(v, u, match=match.roll((7, 7), (0, 1)), **kw)[0]
    torch.testing.assert_close(swapped, loss, atol=1e-12, rtol=0)


@pytest.mark.parametrize("similarity", similarities)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [0.0, 1e-12, 1e-4, 1.0, 1e3, 1e9])
@pytest.mark.parametrize("same", [True, False])
def test_gradients_are_finite(similarity, dtype, length, same):
    "At 0, far beyond the reach, for identical clips"
    g = torch.Generator().manual_seed(0)
    z = torch.randn(2, 6, 5, generator=g, dtype=dtype)
    z = length * torch.nn.functional.normalize(z[:1, :1].expand(2, 6, 5) if same else z, dim=-1)
    for reach in (0.5, 4.0):
        for lam in (0.0, 0.5, 1.0):
            x = z.clone().requires_grad_()
            u, v = x.unbind()
            match = torch.ones(12, 12, dtype=torch.bool) if same else None
            loss = batch_contrastive_loss(
                u, v, lam, match=match, similarity=similarity, reach=reach
            )[0]
            loss.sum().backward()
            assert loss.isfinite().all() and x.grad.isfinite().all()


@pytest.mark.parametrize("similarity", similarities)
def test_one_clip_has_nobody_to_be_told_from(similarity):
    u, v = tangents(1)
    loss = batch_contrastive_loss(u, v, 0.0, similarity=similarity)[0]
    torch.testing.assert_close(loss, torch.zeros(1, dtype=u.dtype), atol=1e-12, rtol=0)


@pytest.mark.parametrize("lower", [torch.bfloat16, torch.float16])
def test_autocast_does_not_touch_it(lower):
    u, v = tangents(8, d=64, dtype=torch.float32)
    for similarity in similarities:
        want = batch_contrastive_loss(u, v, 0.5, similarity=similarity)
        with torch.autocast("cpu", lower):
            assert (u @ v.T).dtype == lower, "autocast is on"
            got = batch_contrastive_loss(u, v, 0.5, similarity=similarity)
        assert all(torch.equal(a, b) for a, b in zip(want, got))


@pytest.mark.parametrize(
    "wrong,says",
    [
        (dict(temperature=0.0), "temperatures are positive"),
        (dict(angle_temperature=-1.0), "temperatures are positive"),
        (dict(reach=0.0), "reach must be positive, not 0.0"),
        (dict(similarity="lorenz"), "did you mean 'lorentz'?"),
        (dict(lam=1.5), "0...1"),
    ],
    ids=str,
)
def test_refusals(wrong, says):
    with pytest.raises(HyspError) as e:
        batch_contrastive_loss(*tangents(3), **dict(lam=0.5) | wrong)
    assert says in str(e.value)


# The quick recipe, taken up again


def quick(data, out, **kw):
    "Everything as the recipe has it, only small: pairs, natural views, tcn, SimCLR"
    small = dict(width=4, out_dim=16, head_dim=8, pred_dim=8, batch=8, steps=9, save_every=1)
    return Pretrain(data=data, out=out, **dict(split="all", device="cpu", **small) | kw)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    "Twenty-four clips of four people, of whom two use the left hand"
    return write(tmp_path_factory.mktemp("clips") / "set", *made_up(3, 4, 2, left=(2, 4)))


class Stopping(Dataset):
    "A set that asks to stop when its batch number `at` is fetched"

    def __init__(self, data, t, at):
        self.__dict__.update(data.__dict__)
        self.trainer, self.left = t, at

    def batch(self, i):
        self.left -= 1
        if not self.left:
            self.trainer.ask_to_stop()
        return super().batch(i)


def interrupted(cfg, at=7):
    "A run that stops after its fourth step: each asks for two batches"
    t = ready_trainer(cfg)
    t.data = Stopping(t.data, t, at)
    with pytest.raises(KeyboardInterrupt, match="stopped in epoch 2 and saved"):
        t.fit()
    assert (t.epoch, t.progress.step) == (1, 1)
    return cfg


@pytest.fixture(scope="module")
def whole(clips, tmp_path_factory):
    "Three epochs that nobody interrupts"
    cfg = quick(clips, tmp_path_factory.mktemp("whole"))
    t = pretrain(cfg)
    assert t.epochs == t.steps == 3 and t.pairs.either_side and "mirror=0.5" in repr(t.strong)
    return outcome(cfg.out)


def continued(cfg, capsys):
    capsys.readouterr()
    t = pretrain(cfg)
    assert "going on in epoch 2" in capsys.readouterr().out
    return t


def same(a, b):
    "Outcomes that differ in nothing but the folder that the settings name"
    return [k for k in differing(a, b) if not k.endswith(".settings.out")]


@pytest.mark.parametrize("kept", [True, False], ids=["pairs kept", "pairs deleted"])
def test_resumes_to_the_bit_from_the_middle_of_an_epoch(tmp_path, clips, whole, kept, capsys):
    cfg = interrupted(quick(clips, tmp_path))
    if not kept:
        (tmp_path / "pairs.safetensors").unlink()
    t = continued(cfg, capsys)
    assert load_state(tmp_path / "last.pt")["key"]["pairs"] == t.pairs.digest()
    assert not same(whole, outcome(tmp_path))


def test_another_seed_is_another_run(tmp_path, clips, whole):
    "The comparison can fail"
    pretrain(quick(clips, tmp_path, seed=1))
    assert [k for k in same(whole, outcome(tmp_path)) if k.startswith(".state.model")]


def other_pairs(pairs, how):
    if how == "fewer":
        keep = (pairs.first != pairs.first[0]) & (pairs.other != pairs.first[0])
        return make_pairs(pairs.clips, pairs.first[keep], pairs.other[keep], pairs.either_side)
    if how == "none":
        return make_pairs(pairs.clips, pairs.first[:0], pairs.other[:0], pairs.either_side)
    return make_pairs(pairs.clips, pairs.first, pairs.other, not pairs.either_side)


@pytest.mark.parametrize("how", ["fewer", "none", "other side"])
def test_exchanged_pairs_are_refused_and_nothing_is_touched(tmp_path, clips, how):
    cfg = interrupted(quick(clips, tmp_path))
    data, pairs = Dataset(clips), make_trainer(cfg).pairs
    save_pairs(tmp_path / "pairs.safetensors", other_pairs(pairs, how), data)
    before = {o.name: o.read_bytes() for o in tmp_path.iterdir()}
    with pytest.raises(HyspError, match="holds another run .*; name a new run folder"):
        pretrain(cfg)
    assert before == {o.name: o.read_bytes() for o in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "other,says",
    [
        (dict(pairs="own"), "pairs was people, is own"),
        (dict(own=0.5), "own was 0.3, is 0.5"),
        (dict(steps=12), "steps was 9, is 12"),
        (dict(views="paper"), "views was natural, is paper"),
        (dict(encoder="stgcn"), "encoder was tcn, is stgcn"),
        (dict(natural=NaturalView(mirror=0.0)), "natural.mirror was None, is 0.0"),
        (dict(model="hysp"), "model was simclr, is hysp"),
    ],
    ids=str,
)
def test_changed_settings_are_refused(tmp_path, clips, other, says):
    interrupted(quick(clips, tmp_path))
    with pytest.raises(HyspError, match=f"holds another run .*{says}"):
        pretrain(quick(clips, tmp_path, **other))


def test_a_trainer_without_the_pairs_is_another_run(tmp_path, clips):
    t = make_trainer(interrupted(quick(clips, tmp_path)))
    t.pairs = None
    with pytest.raises(HyspError, match="pairs was [0-9a-f]{16}, is None"):
        t.resume()


@pytest.mark.parametrize("model", ["hysp", "simsiam", "skeletonclr", "simclr"])
@pytest.mark.parametrize("encoder", ["tcn", "stgcn"])
def test_every_method_learns_from_pairs(tmp_path, clips, model, encoder):
    made = {
        how: pretrain(
            quick(clips, tmp_path / how, model=model, encoder=encoder, pairs=how, queue=16)
        )
        for how in ("people", "own")
    }
    assert (tmp_path / "people/pairs.safetensors").exists()
    assert not (tmp_path / "own/pairs.safetensors").exists()
    a, b = (o.model.state_dict() for o in made.values())
    for state in (a, b):
        assert all(tensor.isfinite().all() for tensor in state.values())
    assert any(not torch.equal(a[k], b[k]) for k in a), "pairs make a difference"
    assert all(r["grad_norm"] > 0 for r in made["people"].rows)


def test_loss_is_told_which_clips_match(tmp_path, clips):
    seen, t = [], make_trainer(quick(clips, tmp_path))
    loss, t.loss = t.loss, lambda *args, **kw: seen.append(kw["match"]) or loss(*args, **kw)
    t.fit()
    for match in seen:
        assert match.shape == (16, 16) and torch.equal(match, match.T)
        assert match.diagonal().all() and match[range(8), range(8, 16)].all()
    assert any(match.sum() > 32 for match in seen), "pairs meet beside their own step"


# Two processes


@pytest.fixture(scope="module")
def both(tmp_path_factory, clips):
    "What together_pairs.py came to in one process, and in two"
    out = []
    for command in ([sys.executable], torchrun):
        folder = tmp_path_factory.mktemp("run")
        run([*command, root / "tests/together_pairs.py", folder, clips])
        out.append((torch.load(folder / "out.pt", weights_only=True), folder))
    return out


@pytest.mark.parametrize("model", ["simclr", "hysp"])
def test_a_step_of_two_is_a_step_of_one(both, model):
    (one, _), (two, _) = both
    a, b = one[f"step_{model}"], two[f"step_{model}"]
    torch.testing.assert_close(a["row"], b["row"], atol=1e-9, rtol=1e-9)
    still = {k for k, o in a["grads"].items() if not o.any()}
    assert still == {"online_encoder.crowd"}, "nobody is in company"
    assert a["grads"].keys() == b["grads"].keys()
    for k in a["grads"]:
        torch.testing.assert_close(a["grads"][k], b["grads"][k], atol=1e-9, rtol=1e-7)
    for k in a["state"]:
        torch.testing.assert_close(a["state"][k], b["state"][k], atol=1e-9, rtol=1e-7)


def test_two_processes_pair_as_one_and_go_on_to_the_bit(both):
    (one, _), (two, folder) = both
    assert one["pairs"] == two["pairs"] and (folder / "whole/pairs.safetensors").exists()
    assert one["seen"] == two["seen"], "the same clips meet in a step"
    assert "stopped in epoch 2" in two["said"] and two["at"] == (1, 1)
    assert all(torch.equal(v, two["parts"][k]) for k, v in two["whole"].items())
