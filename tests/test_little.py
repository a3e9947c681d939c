"""Sets that hold little: one person, nobody known, single clips, small batches, one frame, …

Each ends in one sentence or in a finished run that says what was done.
"""

import re

import numpy as np
import pytest
import torch

from hysp import cli
from hysp.checkpoint import load_weights
from people import made_up, write

small = "--device cpu --split all --width 4 --out-dim 8 --head-dim 8 --pred-dim 8 --steps 3".split()

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def hysp(capsys):
    "Exit code and what was printed on either stream"

    def hysp(*args):
        capsys.readouterr()
        code = cli.main([str(o) for o in args])
        out = capsys.readouterr()
        return code, out.out, out.err

    return hysp


@pytest.fixture
def learn(hysp, tmp_path):
    "Pre-trains in small on made-up clips to the end, and gives back what was printed"

    def learn(x, label, person, *options, epochs=None):
        data, run = write(tmp_path / "set", x, label, person), tmp_path / "run"
        code, out, err = hysp("pretrain", "--data", data, "--out", run, *small, *options)
        assert code == 0 and "Traceback" not in err, err
        state, about = load_weights(sorted(run.glob("epoch_*"))[-1])
        assert all(o.isfinite().all() for o in state.values())
        assert f"weights: {run}" in out and about["epoch"] >= 1
        code, _, err = hysp("pretrain", "--data", data, "--out", run, *small, *options)
        assert code == 0, err  # the same command again finds it finished
        return out

    return learn


@pytest.fixture
def refused(hysp, tmp_path):
    "The one sentence with which such a training is refused"

    def refused(x, label, person, *options):
        data, run = write(tmp_path / "set", x, label, person), tmp_path / "run"
        code, out, err = hysp("pretrain", "--data", data, "--out", run, *small, *options)
        *bars, said = [o for o in re.split("[\r\n]", err) if o.strip()]
        assert code == 2 and said.startswith("hysp: ") and "Traceback" not in err, (code, err)
        assert all("%" in o or "it/s" in o or "clip" in o for o in bars), bars
        return said

    return refused


methods = pytest.mark.parametrize("model", ["simclr", "hysp", "skeletonclr"])


@methods
def test_one_person(learn, model):
    x, label, _ = made_up(3, 4, 2)
    said = learn(x, label, 0 * label + 7, "--model", model)
    assert "one person is in all clips, so other recordings are views: " in said
    assert "24 clips have a partner" in said and "of one class (a look at the labels" in said


@methods
def test_no_subjects(learn, model):
    x, label, _ = made_up(3, 4, 2)
    said = learn(x, label, None, "--model", model)
    assert "not said who is in each of these clips, so other recordings are views: " in said


def test_some_subjects_missing(learn):
    x, label, person = made_up(3, 4, 2)
    said = learn(x, label, np.where(np.arange(24) == 3, -1, person))
    assert "not said who is in each of these clips, so other recordings are views: " in said


def test_own_views_need_no_people(learn):
    x, label, _ = made_up(3, 4, 2)
    said = learn(x, label, None, "--pairs", "own")
    assert "partner" not in said and "recordings" not in said


@methods
def test_one_clip_of_each_person(learn, model):
    x, label, _ = made_up(3, 4, 2)
    said = learn(x, label, np.arange(24), "--model", model)
    assert "people as views: " in said


@methods
def test_a_batch_larger_than_the_number_of_pairs(learn, model):
    x, label, person = made_up(8, 2, 1)
    x = torch.cat([x, x], -1)
    x[3:, ..., 1] = 0  # two people in three clips of the first person, and in none of the other
    said = learn(x, label, person, "--model", model, "--batch", 16)
    pairs, clips = re.search(r"people as views: (\d+) pairs; \d+ of (\d+) clips", said).groups()
    assert 0 < int(pairs) < 16 == int(clips) and "steps of 16 clips" in said


def test_a_batch_larger_than_the_set(learn):
    said = learn(*made_up(2, 3, 1), "--batch", 64)
    assert "3 epochs of 1 steps of 6 clips" in said


def test_a_batch_larger_than_the_set_with_epochs(refused):
    said = refused(*made_up(2, 3, 1), "--batch", 64, "--epochs", 2)
    assert "6 clips, fewer than a batch of 64; give a smaller batch" in said


def test_nobody_has_a_partner(learn):
    x, label, person = made_up(3, 2, 1)
    x = torch.cat([x, x * (person == 2).view(-1, 1, 1, 1, 1)], -1)
    said = learn(x, label, person)
    assert "0 pairs; 0 of 6 clips have a partner; so every clip is paired with itself" in said
    assert "of one class" not in said


@methods
def test_identical_clips(learn, model):
    x, label, person = made_up(3, 4, 2)
    said = learn(x[:1].expand_as(x), label, person, "--model", model)
    assert "people as views: " in said


@methods
@pytest.mark.parametrize("encoder", ["tcn", "stgcn"])
def test_clips_of_one_frame(learn, model, encoder):
    x, label, person = made_up(3, 4, 2)
    said = learn(x[:, :, :1], label, person, "--model", model, "--encoder", encoder)
    assert "people as views: " in said


@methods
@pytest.mark.parametrize("views", ["natural", "paper"])
@pytest.mark.parametrize("frames", [1, 2])
def test_clips_of_few_frames_in_every_view_and_stream(learn, model, views, frames):
    x, label, person = made_up(3, 4, 2)
    learn(x[:, :, :frames], label, person, "--model", model, "--views", views, "--stream", "3s")


@methods
def test_two_clips(learn, model):
    x, label, person = made_up(2, 2, 1)
    said = learn(x[::2], label[::2], person[::2], "--model", model)
    assert "1 pairs; 2 of 2 clips have a partner" in said and "steps of 2 clips" in said


@methods
def test_one_clip(refused, model):
    x, label, person = made_up(1, 2, 1)
    said = refused(x[:1], label[:1], person[:1], "--model", model)
    assert re.search("two clips or more, and .*set has 1", said)


@methods
@pytest.mark.parametrize("frames", [1, 12])
@pytest.mark.parametrize("length", [("--epochs", 1), ("--steps", 4)])
def test_a_batch_of_one(refused, model, frames, length):
    made = made_up(2, 2, 1, frames=frames)
    said = refused(*made, "--model", model, "--batch", 1, *length)
    assert "a batch is two clips or more, not 1" in said


@pytest.mark.parametrize("own", [0.0, 0.5, 0.99])
def test_every_share_of_own_views(learn, own):
    learn(*made_up(3, 4, 2), "--own", own, "--batch", 8)


@pytest.mark.parametrize("own", [-0.1, 1.0, 1.5])
def test_shares_that_are_none(refused, own):
    assert "own" in refused(*made_up(2, 2, 1), "--own", own)


def test_damaged_pairs_end_in_one_sentence(hysp, tmp_path):
    data, run = write(tmp_path / "set", *made_up(2, 3, 1)), tmp_path / "run"
    run.mkdir()
    (run / "pairs.safetensors").write_bytes(b"not pairs")
    code, _, err = hysp("pretrain", "--data", data, "--out", run, *small)
    assert code == 2 and err.startswith("hysp: ") and "pairs.safetensors is not a whole" in err


def test_either_hand_is_said(learn):
    said = learn(*made_up(4, 4, 2, left=(2, 4)))
    assert "people use either side, so natural views mirror clips half of the time" in said


@pytest.mark.parametrize(
    "option,says",
    [
        (("--encoder", "tnc"), "unknown encoder 'tnc'; did you mean 'tcn'?"),
        (("--views", "nature"), "unknown views 'nature'; did you mean 'natural'?"),
        (("--pairs", "peeple"), "did you mean 'people'?"),
        (("--width", "3"), "need a width that divides them, not 3"),
        (("--steps", "0"), "steps"),
        (("--passes", "0"), "passes"),
        (("--contrast.similarity", "lorenz"), "did you mean 'lorentz'?"),
        (("--contrast.temperature", "0"), "temperature"),
        (("--contrast.reach", "0"), "reach"),
    ],
    ids=str,
)
def test_names_and_ranges(refused, option, says):
    assert says in refused(*made_up(2, 3, 1), *option)
