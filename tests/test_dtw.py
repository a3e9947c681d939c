"Time warping against the formula in plain Python and against dtaidistance; and its laws"

import pytest
import torch

from hysp.core import HyspError
from hysp.dtw import clip_dtw, dtw, dtw_each, sequences


def walks(*shape, seed=0, dtype=torch.float64):
    "Sequences that move on from where they are, shape (n, T, d)"
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g, dtype=dtype).cumsum(1) / 2


def plain(a, b, band):
    "The recursion, one number at a time"
    frames, total = len(a), {}
    for i in range(frames):
        for j in range(max(0, i - band), min(frames, i + band + 1)):
            before = [total[k] for k in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if k in total]
            total[i, j] = float((a[i] - b[j]).square().sum()) + min(before, default=0.0)
    return total[frames - 1, frames - 1]


def plain_table(a, b, band):
    return torch.tensor([[plain(p, q, band) for q in b] for p in a], dtype=torch.float64)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("frames", [1, 2, 7, 16])
@pytest.mark.parametrize("dims", [1, 6])
def test_is_the_formula(seed, frames, dims):
    a, b = walks(3, frames, dims, seed=seed), walks(4, frames, dims, seed=seed + 100)
    for band in sorted({0, 1, frames // 3, frames - 1, frames + 5}):
        want = plain_table(a, b, band)
        torch.testing.assert_close(dtw(a, b, band), want, atol=1e-9, rtol=1e-9)
        each = dtw_each(a, b[:3], band)
        torch.testing.assert_close(each, want.diagonal(), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("frames", [1, 2, 3, 8, 16])
def test_usual_band_is_a_third_of_the_frames_and_one_at_least(frames):
    a, b = walks(3, frames, 2), walks(3, frames, 2, seed=1)
    torch.testing.assert_close(dtw(a, b), dtw(a, b, max(1, frames // 3)), atol=0, rtol=0)
    torch.testing.assert_close(dtw_each(a, b), dtw(a, b).diagonal(), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("frames", [1, 2, 9, 16])
@pytest.mark.parametrize("dims", [1, 3, 12])
def test_is_dtaidistance(seed, frames, dims):
    "Its window w means |i-j|<w; its distance is the root of the sum"
    library = pytest.importorskip("dtaidistance.dtw_ndim", reason="needs dtaidistance")
    a, b = walks(4, frames, dims, seed=seed), walks(4, frames, dims, seed=seed + 50)
    for band in sorted({0, 1, max(1, frames // 3), frames - 1}):
        want = torch.tensor(
            [[library.distance(p.numpy(), q.numpy(), window=band + 1) ** 2 for q in b] for p in a],
            dtype=torch.float64,
        )
        torch.testing.assert_close(dtw(a, b, band), want, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("dtype,eps", [(torch.float32, 1e-4), (torch.float64, 1e-9)])
@pytest.mark.parametrize("seed", range(3))
def test_laws(dtype, eps, seed):
    a, b = (walks(6, 12, 4, seed=seed + o, dtype=dtype) for o in (0, 10))
    near = dict(atol=eps, rtol=eps)
    cost = dtw(a, b)
    assert cost.dtype == dtype and (cost >= 0).all()
    torch.testing.assert_close(cost, dtw(b, a).T, **near)
    torch.testing.assert_close(dtw(a, a).diagonal(), a.new_zeros(6), **near)
    torch.testing.assert_close(dtw(a.flip(1), b.flip(1)), cost, **near)
    torch.testing.assert_close(dtw(3 * a, 3 * b), 9 * cost, **near)
    wider = torch.stack([dtw(a, b, band) for band in range(12)])
    assert (wider.diff(dim=0) <= eps).all()
    frame_by_frame = (a[:, None] - b).square().sum((2, 3))
    torch.testing.assert_close(wider[0], frame_by_frame, **near)


def test_single_precision_is_near_double():
    a, b = walks(5, 16, 30), walks(5, 16, 30, seed=1)
    torch.testing.assert_close(dtw(a.float(), b.float()).double(), dtw(a, b), atol=0, rtol=1e-5)


def test_waiting_costs_nothing():
    "Each frame of a short sequence may stand twice"
    a = walks(5, 6, 3)
    slow, fast = a.repeat_interleave(2, 1), torch.cat([a, a[:, -1:].expand(-1, 6, -1)], 1)
    costs = dtw_each(slow, fast, 11)
    torch.testing.assert_close(costs, torch.zeros(5, dtype=a.dtype), atol=1e-9, rtol=0)
    assert (dtw_each(slow, fast, 1) > 0.1).all()


@pytest.mark.parametrize("frames,n,m", [(16, 130, 260), (1024, 5, 3), (2048, 2, 2), (3000, 2, 1)])
def test_more_than_one_block(frames, n, m):
    a, b = walks(n, frames, 1), walks(m, frames, 1, seed=1)
    cost = dtw(a, b, 1)
    first, second = torch.arange(n).repeat_interleave(m), torch.arange(m).repeat(n)
    each = dtw_each(a[first], b[second], 1) if frames < 100 else None
    if each is None:
        each = torch.stack([dtw(a[i, None], b[j, None], 1)[0, 0] for i, j in zip(first, second)])
    torch.testing.assert_close(cost.flatten(), each, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    "shapes",
    [((3, 5, 2), (3, 6, 2)), ((3, 5, 2), (3, 5, 3)), ((5, 2), (5, 2)), ((1, 3, 5, 2), (3, 5, 2))],
    ids=str,
)
def test_unlike_sequences_are_refused(shapes):
    a, b = (torch.zeros(o) for o in shapes)
    for compare in (dtw, dtw_each):
        with pytest.raises(HyspError, match="as many frames and coordinates.*resample"):
            compare(a, b)


# Clips


def clips(n, frames=8, bodies=1, slots=2, seed=0, joints=5):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, frames, joints, slots, generator=g).cumsum(2)
    x[..., bodies:] = 0
    return x


@pytest.mark.parametrize("frames", [1, 2, 16, 40])
@pytest.mark.parametrize("velocity", [0.0, 2.0])
def test_sequences_have_at_most_sixteen_frames(frames, velocity):
    rows = sequences(clips(3, frames), velocity)
    assert rows.shape == (3, min(frames, 16), 30 * (2 if velocity else 1))
    assert rows.isfinite().all()


@pytest.mark.parametrize("slots", [2, 3])
def test_order_of_bodies_is_nothing(slots):
    x, y = (clips(4, bodies=slots, slots=slots, seed=o) for o in (0, 1))
    cost = clip_dtw(x, y, velocity=2.0)
    turned = x[..., torch.randperm(slots, generator=torch.Generator().manual_seed(3))]
    torch.testing.assert_close(clip_dtw(turned, y, velocity=2.0), cost, atol=1e-3, rtol=1e-5)
    torch.testing.assert_close(clip_dtw(x, y.flip(-1), velocity=2.0), cost, atol=1e-3, rtol=1e-5)
    assert (cost <= dtw(sequences(x, 2.0), sequences(y, 2.0)) + 1e-3).all()


def test_as_many_bodies_or_no_cost():
    x = torch.cat([clips(3, bodies=o, slots=3, seed=o) for o in (0, 1, 2, 3)])
    cost, bodies = clip_dtw(x, x), torch.arange(4).repeat_interleave(3)
    assert torch.equal(cost.isinf(), bodies[:, None] != bodies)
    assert (cost[:3, :3] == 0).all(), "nobody there is like nobody there"
    long = x.repeat(1, 1, 5, 1, 1)  # of more frames than are warped
    assert (clip_dtw(long, long)[:3, :3] == 0).all()


@pytest.mark.parametrize("seed", range(2))
def test_chosen_clips_are_those_of_all(seed):
    x = torch.cat([clips(9, bodies=1, seed=seed), clips(8, bodies=2, seed=seed + 1)])
    y = torch.cat([clips(5, bodies=2, seed=seed + 2), clips(6, bodies=1, seed=seed + 3)])
    index = torch.randint(11, (17, 4), generator=torch.Generator().manual_seed(seed))
    some, wanted = clip_dtw(x, y, index, 2.0), clip_dtw(x, y, None, 2.0).gather(1, index)
    assert torch.equal(some.isinf(), wanted.isinf())
    there = some.isfinite()
    torch.testing.assert_close(some[there], wanted[there], atol=1e-3, rtol=1e-5)


def test_no_clips():
    x = clips(3)
    assert clip_dtw(x[:0], x).shape == (0, 3) and clip_dtw(x, x[:0]).shape == (3, 0)
    assert clip_dtw(x[:0], x, torch.zeros(0, 2, dtype=torch.long)).shape == (0, 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same():
    x, y = clips(6, bodies=2), clips(5, bodies=2, seed=1)
    there = clip_dtw(x.cuda(), y.cuda(), velocity=2.0).cpu()
    torch.testing.assert_close(there, clip_dtw(x, y, velocity=2.0), atol=1e-2, rtol=1e-4)
