"Augmentations against the reference's golden numbers; draws: reproducible, independent and of the stated frequency"

import math
from pathlib import Path
import numpy as np, pytest, torch
from scipy.signal import savgol_filter
from hysp import augment as A
from hysp.core import HyspError
from hysp.skeleton import layouts

golden = np.load(Path(__file__).parent / "golden/augmentations.npz", allow_pickle=False)
gen = lambda seed=0: torch.Generator().manual_seed(seed)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def case(request):
    "The golden clip as the middle one of a batch of three, and a check of that clip's outcome"
    dtype = request.param
    x = torch.randn(3, 3, 50, 25, 2, generator=gen(), dtype=dtype)
    x[1] = torch.from_numpy(golden["x"])

    def check(y, key, exact=False):
        assert y.dtype == dtype and y.shape == x.shape
        want = torch.from_numpy(golden[key]).to(dtype)
        if exact:
            assert torch.equal(y[1], want)
        else:
            assert (y[1] - want).abs().max() < (1e-12 if dtype == torch.float64 else 1e-6) * max(
                1, want.abs().max()
            )

    return x, check


def each(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_shear(case):
    x, check = case
    R = torch.eye(3, dtype=torch.float64).repeat(3, 1, 1)
    R[1] = torch.from_numpy(golden["shear|matrix"])
    y = A.shear(x, R)
    check(y, "shear|out")
    assert torch.equal(y[0], x[0])


def test_crop(case):
    x, check = case
    start, pad = int(golden["crop|start"]), int(golden["crop|pad"])
    y = A.crop(x, torch.tensor([pad, start, 0]), pad)
    check(y, "crop|out", exact=True)
    assert torch.equal(y[0], x[0])
    assert torch.equal(A.crop(x, torch.tensor([pad, start, 0])), y)  # T//6 is the default
    want = np.pad(x.numpy(), [(0, 0)] * 2 + [(pad, pad)] + [(0, 0)] * 2, mode="symmetric")
    for s in (0, 1, 2 * pad):
        assert np.array_equal(A.crop(x, s).numpy(), want[:, :, s : s + 50])


def test_rotate(case):
    x, check = case
    a = torch.zeros(3, 3, dtype=torch.float64)
    a[1] = torch.from_numpy(golden["rotate|angles_xyz_rad"])
    y = A.rotate(x, a)
    check(y, "rotate|out")
    assert torch.equal(y[0], x[0])


@pytest.mark.parametrize("sigma", ["0.1", "0.7", "2.0"])
def test_blur(case, sigma):
    x, check = case
    check(A.blur(x, each(1, float(sigma), 0.3)), f"blur|sigma{sigma}|out")


def test_flips(case):
    x, check = case
    check(A.mirror(x, "ntu-rgb+d"), "spatial_flip|out", exact=True)
    check(A.time_flip(x), "time_flip|out", exact=True)
    y = A.mask_axis(x, torch.tensor([-1, 1, 2]))
    check(y, "axis_mask1|out", exact=True)
    assert torch.equal(y[0], x[0]) and not y[2, 2].any() and torch.equal(y[2, :2], x[2, :2])


@pytest.mark.parametrize("frames", [15, 32, 50])
@pytest.mark.parametrize("sigma", [0.1, 1.3, 2.0])
def test_blur_is_a_convolution(frames, sigma):
    x = torch.randn(2, 3, frames, 5, 1, generator=gen(), dtype=torch.float64)
    k = np.exp(-(np.arange(-7, 8) ** 2) / (2 * sigma**2))
    want = np.apply_along_axis(
        lambda o: np.convolve(o, k, mode="full")[7 : 7 + frames], 2, x.numpy()
    )
    assert np.abs(A.blur(x, sigma).numpy() - want).max() < 1e-12
    ones = torch.ones_like(x)
    want = A.blur(x, sigma) / A.blur(
        ones, sigma
    )  # weights of the frames that exist, adding up to one
    assert (A.blur(x, sigma, normalise=True) - want).abs().max() < 1e-12


@pytest.mark.parametrize("window,order", [(5, 2), (7, 3), (15, 2)])
def test_savitzky_golay_is_scipys(window, order):
    x = torch.randn(2, 3, 20, 5, 2, generator=gen(), dtype=torch.float64)
    assert (
        np.abs(
            A.savitzky_golay(x, window, order).numpy()
            - savgol_filter(x.numpy(), window, order, axis=2)
        ).max()
        < 1e-12
    )


def test_time_shift_is_roll():
    x = torch.randn(4, 3, 20, 5, 2, generator=gen())
    y = A.time_shift(x, torch.tensor([0, 3, -7, 25]))
    for i, s in enumerate([0, 3, -7, 25]):
        assert torch.equal(y[i], x[i].roll(s, 1))


def test_resample_is_interpolation():
    x = torch.randn(3, 3, 21, 5, 1, generator=gen(), dtype=torch.float64)
    y = A.resample(x, each(0.7, 1, 0.9))
    for i, f in enumerate([0.7, 1, 0.9]):
        at = 10 + (np.arange(21) - 10) * f
        want = np.apply_along_axis(
            lambda o, at=at: np.interp(at, np.arange(21), o), 1, x[i].numpy()
        )
        assert np.abs(y[i].numpy() - want).max() < 1e-12
    assert A.resample(x, 3.0).isfinite().all()


@pytest.mark.parametrize("layout", list(layouts))
def test_every_layout(layout):
    n = len(layouts[layout])
    x = torch.randn(3, 3, 12, n, 2, generator=gen())
    assert torch.equal(A.mirror(A.mirror(x, layout), layout), x)
    limbs = A.limbs(layout)
    assert len(limbs) >= 4 and len({j for o in limbs for j in o}) == sum(
        map(len, limbs)
    )  # no joint in two limbs
    mirrored = {tuple(sorted(layouts[layout].mirror[j] for j in o)) for o in limbs}
    assert mirrored == set(limbs)  # left and right alike
    y = A.mask_limb(x, torch.tensor([-1, 0, 1]), layout)
    for i, o in enumerate([(), limbs[0], limbs[1]]):
        rest = [j for j in range(n) if j not in o]
        assert torch.equal(y[i][:, :, rest], x[i][:, :, rest]) and not y[i][:, :, list(o)].any()
    for view in (A.Normal(layout), A.Strong(layout)):
        assert view(x, gen()).shape == x.shape


cores = dict(
    shear=lambda x: A.shear(x, A.shear_matrix(len(x), 0.5, gen())),
    rotate=lambda x: A.rotate(x, A.rotation_angles(len(x), 30, gen())),
    mirror=lambda x: A.mirror(x, "ntu-rgb+d"),
    mask_axis=lambda x: A.mask_axis(x, 0),
    noise=lambda x: A.noise(x, 0.01, gen()),
    crop=lambda x: A.crop(x, 3),
    blur=lambda x: A.blur(x, 2.0),
    time_flip=A.time_flip,
    resample=lambda x: A.resample(x, 1.2),
    savitzky_golay=A.savitzky_golay,
    time_shift=lambda x: A.time_shift(x, 3),
    mask_limb=lambda x: A.mask_limb(x, 0, "ntu-rgb+d"),
    normal=lambda x: A.Normal("ntu-rgb+d")(x, gen()),
    strong=lambda x: A.Strong("ntu-rgb+d")(x, gen()),
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", cores)
def test_empty_bodies_input_and_kind(name, dtype):
    x = torch.randn(8, 3, 18, 25, 2, generator=gen(), dtype=torch.float64).to(dtype)
    x[::2, ..., 1] = 0
    before = x.clone()
    y = cores[name](x)
    assert torch.equal(x, before)  # the batch itself is not touched
    assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device) and y.isfinite().all()
    assert (
        not y[::2, ..., 1].any() and y[1::2, ..., 1].any()
    )  # nobody stays nobody, somebody somebody
    assert torch.equal(
        cores[name](x.transpose(1, 4).contiguous().transpose(1, 4)), y
    )  # whatever the strides
    assert cores[name](x[:0]).shape == (0, 3, 18, 25, 2)


def test_bodies_share_their_numbers():
    x = torch.randn(8, 3, 18, 25, 1, generator=gen()).repeat(1, 1, 1, 1, 2)
    y = A.Strong("ntu-rgb+d", noise=0)(x, gen())
    assert torch.equal(y[..., 0], y[..., 1])


@pytest.mark.parametrize(
    "view", [A.Normal("ui-prmd"), A.Strong("ui-prmd")], ids=["normal", "strong"]
)
def test_seed_and_independence(view):
    x = torch.randn(16, 3, 24, 22, 1, generator=gen())
    y = view(x, gen(5))
    assert torch.equal(view(x, gen(5)), y) and not torch.equal(view(x, gen(6)), y)
    same = view(x[:1].expand_as(x), gen(5))
    assert all(not torch.equal(same[0], o) for o in same[1:])  # one clip in 16 places: 16 views
    other = x.clone()
    other[3] += 1
    z = view(other, gen(5))
    keep = [i for i in range(16) if i != 3]
    assert torch.equal(z[keep], y[keep]) and not torch.equal(
        z[3], y[3]
    )  # what another clip is changes nothing


def test_a_generator_goes_on():
    view, x, g = A.Strong("ui-prmd"), torch.randn(4, 3, 24, 22, 1, generator=gen()), gen(1)
    assert not torch.equal(view(x, g), view(x, g))
    state = torch.random.get_rng_state()
    view(x, g)
    assert torch.equal(torch.random.get_rng_state(), state)  # the global generator is not used


def test_frequencies():
    n, frames = 20000, 50
    d = A.Strong("ntu-rgb+d").draw(n, frames, gen())
    names = ["flip", "noise", "blur", "mask_axis", "reverse"]
    p = torch.stack([d[o].double() for o in names])
    assert (p.mean(1) - 0.5).abs().max() < 4 * 0.5 / n**0.5  # four standard errors
    assert (
        torch.corrcoef(p) - torch.eye(5)
    ).abs().max() < 5 / n**0.5  # and independent of one another
    assert d["pad"] == 8 and d["start"].min() == 0 and d["start"].max() == 16
    assert (d["start"].bincount() / n * 17 - 1).abs().max() < 0.15
    assert (d["axis"].bincount() / n * 3 - 1).abs().max() < 0.05
    assert (
        0.1 <= d["sigma"].min() < 0.11
        and 1.99 < d["sigma"].max() <= 2
        and abs(d["sigma"].mean() - 1.05) < 0.02
    )
    off = d["matrix"][:, ~torch.eye(3, dtype=torch.bool)]
    assert (
        (torch.corrcoef(off.T) - torch.eye(6)).abs().max() < 5 / n**0.5
        and off.abs().max() <= 0.5
        and abs(off.var() - 0.25 / 3) < 2e-3
    )
    large = d["angles"].sort(1, descending=True).values * 180 / math.pi
    assert (
        29.9 < large[:, 0].max() <= 30
        and large[:, 1:].max() <= 1
        and large.min() >= 0
        and abs(large[:, 0].mean() - 15) < 0.3
    )


@pytest.mark.parametrize("name", ["flip", "noise", "blur", "mask_axis", "reverse"])
@pytest.mark.parametrize("p", [0, 0.2, 1])
def test_each_probability_is_its_own(name, p):
    off = dict(shear=0, crop=0, flip=0, rotate=0, noise=0, blur=0, mask_axis=0, reverse=0)
    x = torch.randn(3000, 3, 4, 22, 1, generator=gen())
    y = A.Strong("ui-prmd", blur_sigma=(1, 2), **off | {name: p})(x, gen())
    changed = (y != x).flatten(1).any(1).double().mean()
    assert abs(changed - p) <= 4 * (p * (1 - p) / 3000) ** 0.5


def test_noise_size():
    x = torch.randn(6, 3, 50, 25, 2, generator=gen(), dtype=torch.float64)
    y = A.noise(x, each(0, 0, 0.01, 0.01, 0.5, 0.5), gen()) - x
    assert not y[:2].any()
    for o, s in ((y[2:4], 0.01), (y[4:], 0.5)):
        assert abs(o.std() / s - 1) < 0.03 and abs(o.mean()) < 4 * s / o.numel() ** 0.5


bad = dict(
    axes=(lambda x: A.crop(x[0], 0), "5 axes"),
    channels=(lambda x: A.blur(x[:, :2], 1.0), "3 coordinates, not 2"),
    whole=(lambda x: A.time_flip(x.long()), "floating-point"),
    joints=(lambda x: A.mirror(x, "coco"), "layout 'coco' has 17"),
    matrix=(lambda x: A.shear(x, torch.eye(3).expand(5, 3, 3)), "3×3 matrix a clip"),
    angles=(lambda x: A.rotate(x, torch.zeros(2)), "three angles"),
    start=(lambda x: A.crop(x, 7), "between 0 and 2·pad = 4, not at"),
    pad=(lambda x: A.crop(x, 0, pad=13), "mirror 0 to 12 frames"),
    numbers=(lambda x: A.blur(x, torch.ones(3)), "one number a clip"),
    sigma=(lambda x: A.blur(x, -1.0), "above 0"),
    taps=(lambda x: A.blur(x, 1.0, taps=2), "odd number"),
    axis=(lambda x: A.mask_axis(x, 3), "axes 0, 1, 2"),
    speed=(lambda x: A.resample(x, 0.0), "speeds above 0"),
    window=(lambda x: A.savitzky_golay(x, 13), "at most 12 frames"),
    limb=(lambda x: A.mask_limb(x, 4, "ui-prmd"), "limbs 0 to 3"),
    name=(lambda x: A.Strong("ui-prm"), "did you mean 'ui-prmd'"),
    probability=(lambda x: A.Strong("ui-prmd", blur=-0.1), "blur is a probability"),
    pair=(lambda x: A.Strong("ui-prmd", blur_sigma=(2, 1)), "is a pair"),
    generator=(lambda x: A.Normal("ui-prmd")(x, None), "not from NoneType"),
    nan=(lambda x: A.Normal("ui-prmd", shear=math.nan), "0 (off) or more"),
)


@pytest.mark.parametrize("name", bad)
def test_bad_input(name):
    call, message = bad[name]
    with pytest.raises(HyspError) as e:
        call(torch.zeros(2, 3, 12, 22, 1))
    assert message in str(e.value) and "\n" not in str(e.value)
