"Augmentations against the reference's golden numbers; draws: reproducible, independent and of the stated frequency"

import dataclasses
import math
from pathlib import Path
import numpy as np, pytest, torch
from device import device
from scipy.signal import savgol_filter
from hysp import augment as A
from hysp.core import HyspError, pick
from hysp.skeleton import Layout, bone, layouts

golden = np.load(Path(__file__).parent / "golden/augmentations.npz", allow_pickle=False)
gen = lambda seed=0: torch.Generator().manual_seed(seed)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def case(request):
    "The golden clip as the middle one of a batch of three, and a check of that clip's outcome"
    dtype = request.param
    x = torch.randn(3, 3, 50, 25, 2, generator=gen(), dtype=dtype)
    x[1] = torch.from_numpy(golden["x"])
    x = x.to(device)

    def check(y, key, exact=False):
        assert y.dtype == dtype and y.shape == x.shape
        want = torch.from_numpy(golden[key]).to(x)
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
    want = np.pad(x.cpu().numpy(), [(0, 0)] * 2 + [(pad, pad)] + [(0, 0)] * 2, mode="symmetric")
    for s in (0, 1, 2 * pad):
        assert np.array_equal(A.crop(x, s).cpu().numpy(), want[:, :, s : s + 50])


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
    for view in (A.Normal(layout), A.Strong(layout), A.Natural(layout)):
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
    reflect=lambda x: A.reflect(x, "ntu-rgb+d"),
    warp_time=lambda x: A.warp_time(x, torch.linspace(1, 16, 18).expand(len(x), 18)),
    scale_bones=lambda x: A.scale_bones(x, torch.full((len(x), 25, 2), 1.1), "ntu-rgb+d"),
    natural=lambda x: A.Natural("ntu-rgb+d", mirror=0.5)(x, gen()),
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


each_view = pytest.mark.parametrize(
    "view",
    [A.Normal("ui-prmd"), A.Strong("ui-prmd"), A.Natural("ui-prmd", mirror=0.5)],
    ids=["normal", "strong", "natural"],
)


@each_view
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
    d = A.Strong("ntu-rgb+d").sample(n, frames, gen())
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
    places=(lambda x: A.warp_time(x, torch.full((2, 12), 11.5)), "places 0 to 11"),
    no_place=(lambda x: A.warp_time(x, torch.full((2, 12), math.nan)), "places 0 to 11"),
    place_rows=(lambda x: A.warp_time(x, torch.zeros(12)), "a row of places"),
    bone_factors=(lambda x: A.scale_bones(x, torch.ones(2, 22), "ui-prmd"), "shape (2,22,1)"),
    bone_joints=(lambda x: A.scale_bones(x, torch.ones(2, 22, 1), "coco"), "'coco' has 17"),
    reflected=(lambda x: A.reflect(x, "coco"), "layout 'coco' has 17"),
    name=(lambda x: A.Strong("ui-prm"), "did you mean 'ui-prmd'"),
    probability=(lambda x: A.Strong("ui-prmd", blur=-0.1), "blur is a probability"),
    pair=(lambda x: A.Strong("ui-prmd", blur_sigma=(2, 1)), "is a pair"),
    generator=(lambda x: A.Normal("ui-prmd")(x, None), "not from NoneType"),
    nan=(lambda x: A.Normal("ui-prmd", shear=math.nan), "0 (off) or more"),
    infinite=(lambda x: A.Natural("ui-prmd", yaw=math.inf), "yaw is 0 (off) or more, not inf"),
    pads=(lambda x: A.Normal("ui-prmd", crop=math.inf), "crop is 0 (off) or more"),
    half_pads=(lambda x: A.Normal("ui-prmd", crop=2.5), "crop is a whole number"),
    rotations=(lambda x: A.Strong("ui-prmd", rotate=-1), "rotate is 0 (off) or more"),
    sigmas=(lambda x: A.Strong("ui-prmd", noise_sigma=-1), "noise_sigma is 0 (off) or more"),
    nothing_kept=(
        lambda x: A.Natural("ui-prmd", crop=0),
        "kept at least, above 0; 1 is all, not 0",
    ),
    too_much_kept=(lambda x: A.Natural("ui-prmd", crop=6), "crop is the share"),
    tempo=(lambda x: A.Natural("ui-prmd", tempo=-0.1), "tempo is a standard deviation"),
    bones=(lambda x: A.Natural("ui-prmd", bone=30), "bone is a standard deviation"),
    size=(lambda x: A.Natural("ui-prmd", size=math.nan), "size is a standard deviation"),
    tilt=(lambda x: A.Natural("ui-prmd", tilt=-1), "tilt is 0 (off) or more"),
    natural_noise=(lambda x: A.Natural("ui-prmd", noise=-1), "noise is 0 (off) or more"),
    natural_mirror=(lambda x: A.Natural("ui-prmd", mirror=2), "mirror is a probability"),
    natural_joints=(lambda x: A.Natural("coco")(x, gen()), "layout 'coco' has 17"),
    views=(lambda x: pick("natrual", A.views, "views"), "did you mean 'natural'"),
)


@pytest.mark.parametrize("name", bad)
def test_bad_input(name):
    call, message = bad[name]
    with pytest.raises(HyspError) as e:
        call(torch.zeros(2, 3, 12, 22, 1))
    assert message in str(e.value) and "\n" not in str(e.value)


# Natural views

names = list(layouts)
each_layout = pytest.mark.parametrize("layout", names)
each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
still = dict(crop=1, tempo=0, bone=0, size=0, yaw=0, tilt=0, noise=0)


def people(layout, n=6, frames=12, bodies=2, dtype=torch.float32, seed=0):
    "Clips of made-up bodies: every other one has the first body alone, the last one nobody"
    shape = (n, 3, frames, len(layouts[layout]), bodies)
    x = torch.randn(shape, generator=gen(seed), dtype=torch.float64).to(dtype)
    x[::2, ..., 1:] = 0
    x[-1] = 0
    return x


@pytest.mark.parametrize("frames", [1, 2, 3, 16, 50])
@pytest.mark.parametrize("bodies", [1, 2, 3])
@each_layout
@each_dtype
def test_natural_views_of_every_kind(layout, bodies, frames, dtype):
    x = people(layout, 6, frames, bodies, dtype)
    absent = ~x.flatten(1, 3).any(1)
    view = A.Natural(layout, mirror=0.5)
    for seed in range(3):
        y = view(x, gen(seed))
        assert (y.shape, y.dtype) == (x.shape, dtype)
        assert y.isfinite().all() and not y.requires_grad
        assert torch.equal(~y.flatten(1, 3).any(1), absent)
        assert torch.equal(view(x, gen(seed)), y)
    assert (A.Natural(layout, **still)(x, gen()) - x).abs().max() < 1e-6


@pytest.mark.parametrize("frames", [1, 16, 50])
@pytest.mark.parametrize("seed", range(3))
@each_layout
@each_dtype
def test_natural_is_its_cores_in_order(layout, seed, frames, dtype):
    view = A.Natural(layout, mirror=0.5)
    x = people(layout, 70, frames, 2, dtype, seed)  # more than a group
    d = view.sample(70, frames, gen(seed), bodies=2)
    y = view.apply(x, d, gen(seed))
    at = A.frame_places(d["share"], d["start"], d["speed"], frames)
    plain = A.scale_bones(A.warp_time(x, at), d["bones"], layout)
    turn = A.camera_matrix(d["angles"])
    both = [A.linear(plain[..., [k]], d["size"][:, k, None, None] * turn) for k in range(2)]
    plain = torch.cat(both, -1)
    seen = torch.where(d["mirror"].view(-1, 1, 1, 1, 1), A.reflect(plain, layout), plain)
    quiet = dict(d, noise=torch.zeros(70))
    size = max(1, seen.abs().max())
    assert (view.apply(x, quiet, gen(seed)) - seen).abs().max() < 1e-5 * size
    noise = (y - seen).flatten(1, 3)
    there = x.flatten(1, 3).any(1)
    assert not noise.transpose(1, 2)[~there].any()
    measured = noise.std(1)[there] / d["noise"][:, None].expand(70, 2)[there]
    tolerance = 5 / (2 * noise.shape[1]) ** 0.5
    assert (measured - 1).abs().max() < tolerance + 1e-4


@pytest.mark.parametrize("frames", [1, 16, 50])
@pytest.mark.parametrize("normalise", [False, True])
@each_layout
@each_dtype
def test_strong_is_its_steps_in_order(layout, normalise, frames, dtype):
    "The fast form in groups, against one augmentation after the other; the notebook adds the noise"
    view = A.Strong(layout, noise=0, normalise_blur=normalise)
    x = people(layout, 70, frames, 2, dtype)  # more than a group
    drawn = view.sample(70, frames, gen())
    want = view.in_order(x, drawn, torch.zeros_like(x))
    size = max(1, want.abs().max())
    assert (view.apply(x, drawn, gen()) - want).abs().max() < 1e-5 * size


@pytest.mark.parametrize("seed", range(3))
def test_company_changes_nothing(seed):
    view = A.Natural("ntu-rgb+d", mirror=0.5)
    x = torch.randn(70, 3, 16, 25, 3, generator=gen(seed))
    g = gen(seed)
    y = view(x, g)
    alone = torch.zeros_like(x)
    alone[7] = x[7]
    alone[66, ..., 0] = x[66, ..., 0]
    alone[66, ..., 2] = x[66, ..., 2]
    other = gen(seed)
    z = view(alone, other)
    torch.testing.assert_close(z[7], y[7], rtol=0, atol=1e-5)
    torch.testing.assert_close(z[66][..., [0, 2]], y[66][..., [0, 2]], rtol=0, atol=1e-5)
    assert not z[66, ..., 1].any() and not z[[0, 6, 8, 65, 69]].any()
    assert torch.equal(g.get_state(), other.get_state())  # the next view is the same as well


def test_draws_of_natural_views():
    n, layout = 4000, layouts["ntu-rgb+d"]
    view = A.Natural(layout, mirror=0.3)
    d = view.sample(n, 16, gen(), bodies=2)
    degrees = d["angles"].double() * 180 / math.pi

    def near(values, mean, sd):
        "Are mean and spread of draws within five standard errors of what they should be?"
        values = values.double()
        deviation = values - mean
        error = deviation.square().std() / n**0.5  # of the mean square
        assert abs(values.mean() - mean) < 5 * sd / n**0.5
        assert abs(deviation.square().mean() - sd**2) < 5 * error

    near(d["share"], 0.85, 0.3 / 12**0.5)
    assert d["share"].min() >= 0.7 and d["share"].max() <= 1
    room = 1 - d["share"].double()
    near(d["start"].double() / room, 0.5, 1 / 12**0.5)
    assert (d["start"] >= 0).all() and (d["start"].double() <= room + 1e-7).all()
    for moment in d["speed"].log().T:
        near(moment, 0, 0.3)
    near(degrees[:, 1], 0, 60 / 12**0.5)
    assert degrees[:, 1].abs().max() <= 30 + 1e-5
    near(degrees[:, 0], 0, 7.5)
    near(degrees[:, 2], 0, 7.5)
    near(d["noise"], 0.015, 0.03 / 12**0.5)
    assert 0 <= d["noise"].min() and d["noise"].max() <= 0.03
    near(d["mirror"], 0.3, (0.3 * 0.7) ** 0.5)
    bones = d["bones"].log()
    for joint in range(25):
        near(bones[:, joint, 0], 0, 0.15)
        near(bones[:, joint, 1], 0, 0.15)
    near(d["size"][:, 0].log(), 0, 0.1)
    near(d["size"][:, 1].log(), 0, 0.1)
    once = [j for j, m in enumerate(layout.mirror) if j <= m]
    columns = [d["share"], d["noise"], d["mirror"], *d["speed"].T, *degrees.T]
    columns += [*d["size"].T, *bones[:, once].flatten(1).T]
    together = torch.corrcoef(torch.stack([o.double() for o in columns]))
    apart = (together - torch.eye(len(columns))).abs()
    assert apart.max() < 5.5 / n**0.5  # some 600 pairs


@each_layout
def test_left_and_right_bones_are_alike(layout):
    mirror = list(layouts[layout].mirror)
    x = people(layout, 8, 1, 2, torch.float64) + 1
    view = A.Natural(layout, **still | dict(bone=0.3))
    y = view(x, gen())
    ratio = bone(y, layout).norm(dim=1) / bone(x, layout).norm(dim=1)
    ratio = torch.where(ratio.isfinite(), ratio, 1.0)  # the root has no bone
    torch.testing.assert_close(ratio, ratio[:, :, mirror])
    d = view.sample(8, 1, gen(), bodies=2)
    assert torch.equal(d["bones"], d["bones"][:, mirror])


@each_layout
def test_plain_and_fast_bones(layout):
    lay = layouts[layout]
    x = torch.randn(5, 3, 4, len(lay), 2, generator=gen(), dtype=torch.float64)
    factor = torch.rand(5, len(lay), 2, generator=gen(), dtype=torch.float64) + 0.5
    plain = A.scale_bones(x, factor, layout)
    for k in range(2):
        fast = A.mix_joints(x[..., [k]], A.bone_matrix(factor[..., k], layout))
        assert (fast - plain[..., [k]]).abs().max() < 1e-12
    assert torch.equal(plain[:, :, :, lay.root], x[:, :, :, lay.root])
    direction = lambda o: torch.nn.functional.normalize(bone(o, layout), dim=1)
    torch.testing.assert_close(direction(plain), direction(x))


@each_layout
@each_dtype
def test_reflect(layout, dtype):
    lay = layouts[layout]
    x = people(layout, dtype=dtype)
    y = A.reflect(x, layout)
    assert torch.equal(A.reflect(y, layout), x)
    assert torch.equal(A.reflect(2 * x, layout), 2 * y)
    length = lambda o: bone(o, layout).norm(dim=1)
    torch.testing.assert_close(length(y), length(x)[:, :, list(lay.mirror)])
    even = x + y  # the same on both sides
    assert torch.equal(A.reflect(even, layout), even)
    for axis in range(3):
        turned = A.reflect(x, dataclasses.replace(lay, side_axis=axis))
        swapped = A.mirror(x, layout)
        assert torch.equal(turned[:, axis], -swapped[:, axis])
        rest = [k for k in range(3) if k != axis]
        assert torch.equal(turned[:, rest], swapped[:, rest])


@pytest.mark.parametrize("frames", [1, 2, 5, 30])
@pytest.mark.parametrize("knots", [1, 2, 4])
def test_places_are_numpys(frames, knots):
    speed = torch.exp(torch.randn(7, knots, generator=gen(), dtype=torch.float64))
    share = torch.linspace(0.1, 1, 7, dtype=torch.float64)
    start = (1 - share) * 0.4
    at = A.frame_places(share, start, speed, frames)
    moments = np.linspace(0, knots - 1, frames - 1)
    for k in range(7):
        step = np.interp(moments, np.arange(knots), speed[k].numpy())
        passed = np.concatenate([[0], np.cumsum(step) / max(step.sum(), 1e-9)])
        want = (start[k].item() + share[k].item() * passed) * (frames - 1)
        np.testing.assert_allclose(at[k].numpy(), want, atol=1e-12)


@pytest.mark.parametrize("frames", [1, 2, 16])
def test_warp_time_is_interpolation(frames):
    x = torch.randn(3, 3, frames, 5, 2, generator=gen(), dtype=torch.float64)
    at = torch.rand(3, 9, generator=gen(), dtype=torch.float64) * (frames - 1)
    y = A.warp_time(x, at)
    assert y.shape == (3, 3, 9, 5, 2)
    for k in range(3):
        along = lambda o, k=k: np.interp(at[k].numpy(), np.arange(frames), o)
        want = np.apply_along_axis(along, 1, x[k].numpy())
        np.testing.assert_allclose(y[k].numpy(), want, atol=1e-12)


def test_people_stay_together():
    x = torch.randn(8, 3, 18, 25, 1, generator=gen()).repeat(1, 1, 1, 1, 2)
    view = A.Natural("ntu-rgb+d", bone=0, size=0, noise=0, mirror=0.5)
    y = view(x, gen())
    assert torch.equal(y[..., 0], y[..., 1])
    y = A.Natural("ntu-rgb+d", noise=0)(x, gen())
    assert (y[..., 0] != y[..., 1]).flatten(1).any(1).all()


def test_one_switch_changes_no_other_draw():
    a = A.Natural("coco").sample(9, 16, gen(), 2)
    b = A.Natural("coco", **still | dict(tilt=7.5, noise=0.03)).sample(9, 16, gen(), 2)
    for name in ("noise", "mirror"):
        assert torch.equal(a[name], b[name])
    assert torch.equal(a["angles"][:, [0, 2]], b["angles"][:, [0, 2]])


def test_views_inside_and_outside_inference():
    x = people("coco")
    A._tree.cache_clear()
    with torch.inference_mode():
        inside = A.Natural("coco")(x, gen())
    weight = torch.ones(1, requires_grad=True)
    y = A.Natural("coco")(x, gen())
    (y * weight).sum().backward()
    assert torch.equal(inside, y) and weight.grad.isfinite().all()


def test_an_own_layout_with_uneven_sides():
    "A tree whose left hand hangs from a wrist that the right has not: only pairs of joints are alike"
    joints = ["neck", "left wrist", "left hand", "right hand", "right wrist"]
    own = Layout("own", joints, [-1, 0, 1, 0, 3], side_axis=2)
    x = torch.randn(4, 3, 6, 5, 1, generator=gen())
    assert A.Natural(own, mirror=1)(x, gen()).isfinite().all()
    assert torch.equal(A.reflect(A.reflect(x, own), own), x)


# Views by name


def test_views_by_name():
    normal, strong, natural = dict(shear=0.1), dict(blur=0.2), dict(yaw=5.0, mirror=0.5)
    two = pick("paper", A.views, "views")("coco", normal, strong, natural)
    assert two == (A.Strong("coco", blur=0.2), A.Normal("coco", shear=0.1))
    two = pick("natural", A.views, "views")("coco", normal, strong, natural)
    assert two == (A.Natural("coco", yaw=5.0, mirror=0.5),) * 2


@dataclasses.dataclass(repr=False)
class Slow(A.View):
    layout: str | Layout
    least: float = A.within(0.5, "share")  # Smallest speed, from U(least, 1)

    def sample(self, n, frames, generator, bodies=1):
        chance = torch.rand(n, generator=generator, device=generator.device)
        return dict(speed=1 - (1 - self.least) * chance)

    def apply(self, x, drawn, generator):
        return A.resample(x, drawn["speed"])


def test_a_view_of_earlier_versions_still_works():
    with pytest.warns(DeprecationWarning, match="Older.draw is to be named sample"):

        @dataclasses.dataclass(repr=False)
        class Older(A.Normal):
            def draw(self, n, frames, generator, bodies=1):
                return super().draw(n, frames, generator, bodies)

    x = people("coco")
    with pytest.warns(DeprecationWarning, match="a view's draw is now sample"):
        y = Older("coco")(x, gen())
    assert torch.equal(y, A.Normal("coco")(x, gen()))


def test_a_third_kind_is_a_class_and_a_line(monkeypatch):
    monkeypatch.setitem(
        A.views, "slow", lambda layout, normal, strong, natural: (Slow(layout), Slow(layout, 0.9))
    )
    first, second = pick("slow", A.views, "views")("coco", {}, {}, {})
    assert repr(first) == "Slow('coco', least=0.5)" and second.least == 0.9
    x = people("coco")
    y = first(x, gen())
    assert torch.equal(first(x, gen()), y) and y.shape == x.shape and not torch.equal(y, x)
    with pytest.raises(HyspError, match="least is the share"):
        Slow("coco", 0)
    with pytest.raises(HyspError, match="'coco' has 17"):
        first(torch.zeros(2, 3, 12, 22, 1), gen())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_natural_views_on_a_gpu():
    x = people("ntu-rgb+d", 70, 16, 2)
    view = A.Natural("ntu-rgb+d", mirror=0.5)
    y = view(x.cuda(), gen())
    assert y.device.type == "cuda" and (y.cpu() - view(x, gen())).abs().max() < 1e-4
    own = lambda: torch.Generator("cuda").manual_seed(0)
    assert torch.equal(view(x.cuda(), own()), view(x.cuda(), own()))
