"Figures: what a notebook would drown in"

import base64, re, shutil, zlib
from pathlib import Path
import numpy as np, pytest
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib import rc_params_from_file
from matplotlib.colors import to_rgba_array
import hysp
from hysp.core import HyspError
from hysp.disk import frechet_mean, mds, polar
from hysp.page import disk_figure, pack_clips, skeleton_player
from hysp.plot import (
    disk_animation,
    geodesic_arc,
    hyperbolic_circle,
    plot_confusion,
    plot_curves,
    plot_density,
    plot_disk,
    plot_prototypes,
    plot_radius,
    plot_regions,
    radius_accuracy,
)
from hysp.plot_skeleton import plot_skeleton, skeleton_animation, skeleton_strip
from hysp.skeleton import layouts
from hysp.style import (
    bright_side_colours,
    class_style,
    figure_style,
    grey,
    palette,
    ramp,
    save_animation,
    save_figure,
    side_colours,
)

assets = Path(hysp.__file__).parent / "assets"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def made_up(n=120, classes=12, frames=20, seed=0):
    "A cloud on the disk; every other clip moves, every fourth has two people"
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    radius = 0.15 + 0.8 * rng.random(n)
    angle = 2 * np.pi * labels / classes + 0.25 * rng.normal(size=n)
    rest = rng.normal(0, 0.3, (3, 1, 25, 1))
    rest[1] += np.linspace(-1, 0.7, 25)[:, None]
    x = np.tile(rest, (n, 1, frames, 1, 2)) * 1.0
    x += (
        0.25
        * np.sin(np.linspace(0, 2 * np.pi, frames))[:, None, None]
        * (np.arange(25) % 4 == 0)[:, None]
    )
    x[np.arange(n) % 4 > 0, ..., 1] = 0
    return dict(
        points=np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1),
        labels=labels,
        radius=radius,
        correct=rng.random(n) < radius,
        clips=x.astype(np.float32),
    )


@pytest.mark.parametrize("name", list(layouts))
def test_every_layout(name, tmp_path):
    v = len(layouts[name])
    x = np.random.default_rng(0).normal(size=(3, 6, v, 2)).astype(np.float32)
    x[1] += 5 * np.arange(2)  # apart, so that nothing is moved
    packed = pack_clips([x, x * 0], name)
    differences = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), "<i2")
    back = differences.reshape(2, 6, v, 3).cumsum(1, dtype=np.int16) * packed["step"]
    np.testing.assert_allclose(back, x.transpose(3, 1, 2, 0), atol=0.51 * packed["step"])
    assert packed["bodies"] == [2, 0]
    assert len(skeleton_strip(x, name, 4).texts) == 4
    assert len(plot_skeleton(x[:, 0], name).lines) == 2 * (v - 1)
    assert len(skeleton_player(x, name).frames) == 6
    skeleton_animation(x, name).save(tmp_path / "clip.gif", writer="pillow")
    assert (tmp_path / "clip.gif").read_bytes()[:3] == b"GIF"


def test_colours_do_not_repeat():
    assert len({class_style(k) for k in range(120)}) == 120 and len(set(palette)) == 10


@pytest.mark.parametrize("c", [0.5, 1.0, 2.0])
def test_rings_are_at_their_distance(c):
    ax = plot_disk([[0, 0]], c=c)
    radii = [p.radius for p in ax.patches if hasattr(p, "radius")][2:]
    np.testing.assert_allclose(2 / c**0.5 * np.arctanh(radii), [1, 2, 3, 4], rtol=1e-12)


def test_rings_are_dashed_where_distances_are_not_kept():
    z = np.random.default_rng(0).normal(size=(60, 8))
    for draw, style in ((polar, "-"), (mds, (0, (6, 4)))):
        drawing = draw(z)
        ax = plot_disk(drawing)
        assert [o.get_linestyle() for o in ax.patches[2:6]] == [style] * 4
        said = ax.texts[-1].get_text()
        assert f"median error {drawing.fidelity.error:.2f}" in said
        assert ("distance on paper" in said) == (draw is mds)


@pytest.mark.parametrize("scale", ["poincare", "distance"])
def test_up_is_up(scale):
    "A point with y > 0 lies above the middle, one with x > 0 right of it"
    points = np.array([[0.2, 0.6], [0.3, -0.5], [-0.4, 0.1]])
    ax = plot_disk(points, scale=scale)
    pixels = ax.transData.transform(ax.collections[0].get_offsets())
    away = pixels - ax.transData.transform([0, 0])  # pixels right of and above the middle
    drawn = points[ax.collections[0].rows]
    assert (np.sign(away) == np.sign(drawn)).all()


def test_a_name_is_no_formula(tmp_path):
    d = made_up(24, classes=3)
    names = ["$x^2$", r"$\frac$", "costs 5 $"]  # matplotlib refuses the second as a formula
    save_figure(plot_disk(d["points"], d["labels"], names), tmp_path / "disk.svg")
    save_figure(plot_confusion(np.eye(3), names), tmp_path / "confusion.svg")
    save_figure(
        skeleton_animation({names[1]: d["clips"][0], "b": d["clips"][1]}, "ntu-rgb+d")._fig,
        tmp_path / "film.svg",
    )
    for name in ("disk", "confusion"):
        text = (tmp_path / f"{name}.svg").read_text("utf-8")
        assert all(name in text for name in names)
    assert names[1] in (tmp_path / "film.svg").read_text("utf-8")


def test_geodesic_is_shortest():
    rng = np.random.default_rng(0)

    def dist(a, b):
        den = (1 - (a**2).sum(-1)) * (1 - (b**2).sum(-1))
        return np.arccosh(1 + 2 * ((a - b) ** 2).sum(-1) / den)

    for _ in range(20):
        a, b = (x * 0.97 / max(1, np.linalg.norm(x)) for x in rng.normal(0, 0.6, (2, 2)))
        arc = geodesic_arc(a, b, 33)
        steps = dist(arc[1:], arc[:-1])
        np.testing.assert_allclose(steps.sum(), dist(a, b), rtol=1e-6)
        sides = np.linalg.norm(np.diff(arc, axis=0), axis=1)
        np.testing.assert_allclose(sides, sides.mean(), rtol=1e-9)
    assert np.isfinite(geodesic_arc([0.3, 0.1], [0.3, 0.1])).all()


def test_radius_bins_hold_every_clip_once():
    rng = np.random.default_rng(0)
    for r in (rng.random(997), np.round(rng.random(500), 1), np.zeros(7), np.array([0.5])):
        ok = rng.random(len(r)) < r
        found = radius_accuracy(r, ok)
        assert found["count"].sum() == len(r) and found["correct"].sum() == ok.sum()
        assert (found["low"][1:] > found["high"][:-1]).all()
        assert (found["interval_low"] <= found["accuracy"] + 1e-12).all()
        assert (found["accuracy"] <= found["interval_high"] + 1e-12).all()


def test_tensors_are_taken():
    torch = pytest.importorskip("torch")
    d = made_up(40)
    t = {k: torch.tensor(v, requires_grad=v.dtype.kind == "f") for k, v in d.items()}
    plot_disk(t["points"], t["labels"], correct=t["correct"])
    plot_radius(t["radius"], t["correct"])
    disk_figure(t["points"], t["labels"])
    assert pack_clips(t["clips"][:2], "ntu-rgb+d")["bodies"] == [2, 1]


@pytest.mark.parametrize(
    "call,words",
    [
        (lambda: plot_disk(np.zeros((3, 4))), "shape (N,2)"),
        (lambda: plot_disk([[0, 0], [3, 0]]), "point 1 lies outside"),
        (lambda: plot_disk([[np.nan, 0]]), "point 0"),
        (lambda: disk_animation(np.zeros((3, 2))), "shape (epochs,N,2)"),
        (lambda: disk_animation(np.zeros((3, 1, 2)), titles=["a"]), "3 epochs but 1 titles"),
        (lambda: save_figure(plt.figure(), "x.bmp"), "'.bmp'"),
        (lambda: plot_disk([[0, 0]], [0], ["kick"], highlight=["kik"]), "did you mean 'kick'"),
        (lambda: plot_disk([[0, 0]], [1], ["only"]), "1 class names"),
        (lambda: plot_disk([[0, 0]], [1, 2]), "one label each"),
        (lambda: plot_disk([[0, 0]], scale="log"), "unknown scale 'log'"),
        (lambda: plot_disk([[0, 0]], [0], correct=[1, 1]), "one truth value each"),
        (lambda: plot_confusion(np.zeros((2, 3))), "square"),
        (lambda: plot_curves("nowhere.csv"), "no metrics at nowhere.csv"),
        (lambda: radius_accuracy([], []), "same length"),
        (lambda: skeleton_strip(np.full((3, 4, 25, 1), np.nan), "ntu-rgb+d"), "NaN"),
        (lambda: skeleton_strip(np.ones((3, 4, 25, 1)), "ntu"), "unknown layout 'ntu'"),
        (lambda: plot_skeleton(np.ones((3, 25)), "ntu-rgb+d", up="w"), "unknown up 'w'"),
        (lambda: pack_clips([], "ntu-rgb+d"), "no clips"),
    ],
)
def test_errors_are_clear(call, words):
    with pytest.raises(HyspError, match=re.escape(words)):
        call()


def test_fidelity_is_printed_under_the_disk():
    z = np.random.default_rng(0).normal(size=(50, 8))
    drawing = polar(z)
    ax = plot_disk(drawing)
    assert ax.texts[-1].get_text().replace("\n", "; ") == str(drawing.fidelity)
    np.testing.assert_allclose(
        np.sort(ax.collections[0].get_offsets(), 0), np.sort(drawing.points, 0)
    )


def test_numbers_are_drawn_with_a_bar():
    d = made_up(30)
    axes = [len(plot_disk(d["points"], d["radius"], legend=o).figure.axes) for o in (True, False)]
    assert axes == [2, 1]


def test_what_cannot_be_drawn_leaves_no_figure():
    for options in (dict(highlight=["hug"]), dict(highlight=[5]), dict(correct=[True])):
        with pytest.raises(HyspError):
            plot_disk([[0, 0], [0, 0]], [0, 1], **options)
    assert not plt.get_fignums()


def test_highlighting_keeps_every_point():
    d = made_up(240, classes=120)
    ax = plot_disk(d["points"], d["labels"], highlight=[3, "class 77"], legend=True)
    assert [len(o.get_offsets()) for o in ax.collections] == [236, 2, 2] and [
        o.get_text() for o in ax.get_legend().get_texts()
    ] == ["class 3", "class 77"]


def test_prototypes_hold_half_of_their_class():
    d = made_up(120, classes=3)
    ax = plot_prototypes(d["points"], d["labels"])
    circles = [o for o in ax.patches if o.get_zorder() == 2.2]
    assert len(circles) == 3
    for k, o in enumerate(circles):
        own = d["points"][d["labels"] == k]
        inside = (np.linalg.norm(own - o.center, axis=1) < o.radius).mean()
        assert abs(inside - 0.5) <= 0.03
        np.testing.assert_allclose(
            ax.collections[-3 + k].get_offsets()[0], frechet_mean(own, ball=True)
        )


@pytest.mark.parametrize("x", [(0, 0), (0.5, -0.2), (0.7, 0.7)])
def test_hyperbolic_circle(x):
    centre, r = hyperbolic_circle(x, 1.3)
    x = np.array(x, float)
    t = np.linspace(0, 6, 50)
    on = centre + r * np.stack([np.cos(t), np.sin(t)], 1)
    den = np.sqrt(1 - 2 * on @ x + (on**2).sum(1) * (x @ x))
    np.testing.assert_allclose(2 * np.arctanh(np.linalg.norm(on - x, axis=1) / den), 1.3)


def test_regions_cover_the_disk_and_no_more():
    import torch

    ax = plot_regions(lambda p: torch.stack([p[:, 0], -p[:, 0]], 1), n=101)
    image = np.asarray(ax.images[0].get_array())
    g = np.linspace(-1, 1, 101)
    inside = np.hypot(*np.meshgrid(g, g)) < 1 - 1e-5
    assert ((image[..., 3] > 0) == inside).all()
    for k, side in ((0, g > 0.02), (1, g < -0.02)):
        np.testing.assert_allclose(
            image[50, side & inside[50], :3],
            [matplotlib.colors.to_rgb(class_style(k)[0])] * (side & inside[50]).sum(),
            atol=1e-6,
        )


def test_density_counts_every_point():
    p = made_up(5000)["points"]
    assert (
        plot_density(p).collections[0].get_array().sum()
        == 5000
        == plot_density(p, scale="distance", bar=False).collections[0].get_array().sum()
    )


def sheet(name):
    "What a style sheet sets"
    return rc_params_from_file(assets / f"{name}.mplstyle", use_default_template=False)


def css_colours(text):
    "Custom properties of a piece of CSS that are colours"
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", text))


def test_the_sheets_differ_in_ground_and_ink_alone():
    light, dark = sheet("light"), sheet("dark")
    assert light.keys() == dark.keys()
    inks = {light[key]: dark[key] for key in light if light[key] != dark[key]}
    page = (assets / "frame.css").read_text("utf-8")
    in_light, in_dark = (css_colours(part) for part in page.split(".page.dark"))
    assert inks == {in_light[name]: in_dark[name] for name in ("paper", "ink")}
    assert light["axes.prop_cycle"].by_key()["color"] == list(palette)
    assert light["grid.color"] == grey


def test_sides_and_numbers_have_the_colours_of_the_explorer():
    page = (assets / "frame.css").read_text("utf-8")
    for colours, part in zip((side_colours, bright_side_colours), page.split(".page.dark")):
        found = css_colours(part)
        assert [colours[side] for side in ("left", "right")] == [found["left"], found["right"]]
    (stops,) = re.findall(r"rampStops = \[(.*?)\]", (assets / "look.js").read_text("utf-8"))
    stops = to_rgba_array(re.findall(r"#\w+", stops))
    np.testing.assert_allclose(ramp(np.linspace(0, 1, len(stops))), stops, atol=1 / 255)


def test_the_site_has_the_ground_and_ink_of_the_sheets():
    style = Path(__file__).parents[1] / "tools" / "site" / "style.css"
    for name, part in zip(("light", "dark"), style.read_text("utf-8").split("@media", 1)):
        colours = css_colours(part)
        look = sheet(name)
        assert [colours["ground"], colours["ink"]] == [look["axes.facecolor"], look["text.color"]]


@pytest.mark.parametrize("kind,start", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
@pytest.mark.parametrize("dark", [False, True])
def test_figures_on_paper(tmp_path, kind, start, dark):
    d = made_up(24)
    with figure_style(dark):
        f = save_figure(plot_disk(d["points"], d["labels"]), tmp_path / f"disk.{kind}", 3.25)
    assert f.read_bytes().startswith(start) and len(list(tmp_path.iterdir())) == 1
    if kind == "png":
        image = plt.imread(f)
        assert abs(image.shape[1] - 975) <= 1 and (image[0, 0, :3].mean() < 0.2) == dark
    if kind == "svg":
        assert "class 11" in f.read_text("utf-8")


@pytest.mark.parametrize("kind", ["html", "gif", "mp4"])
def test_animations(tmp_path, kind, monkeypatch):
    d = made_up(30, classes=3)
    p = np.stack([d["points"] * o for o in (0.2, 1)])
    p[:, 1] = p[:, 0]  # two points in one place
    film = disk_animation(p, d["labels"], between=2, titles=["untrained", "trained"])
    assert sorted(i for o in film._fig.axes[0].collections for i in o.rows) == list(range(30))
    if kind == "mp4" and shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg (apt-get install ffmpeg)")
    f = save_animation(film, tmp_path / f"disk.{kind}")
    assert dict(html=b"data:image/png", gif=b"GIF8", mp4=b"ftyp")[kind] in f.read_bytes() and [
        o.name for o in tmp_path.iterdir()
    ] == [f.name]
    for o in film._fig.axes[0].collections:
        np.testing.assert_allclose(o.get_offsets(), p[-1][o.rows])
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(HyspError, match="needs ffmpeg"):
        save_animation(film, tmp_path / "x.mp4")


def test_long_names_do_not_squeeze_the_disk():
    ax = plot_disk(
        np.zeros((20, 2)),
        np.arange(20),
        ["standing shoulder internal-external rotation, incorrect"] * 20,
    )
    ax.figure.canvas.draw()
    assert ax.get_window_extent().height > 0.8 * ax.figure.bbox.height


@pytest.mark.parametrize("name", ["ntu-rgb+d", "coco", "openpose"])
def test_several_skeletons(name):
    "Any layout, one body and two, different lengths: each where it belongs, the trail where tips were"
    rng = np.random.default_rng(0)
    lay = layouts[name]
    v = len(lay)
    one = rng.normal(size=(3, 4, v, 1))
    two = rng.normal(size=(3, 6, v, 2))
    fig = skeleton_player([one, two], name, fps=10, trail=2)
    ends = np.concatenate([trace.x for trace in fig.frames[5].data[:3]])
    assert sum(end is not None for end in ends) == 3 * 2 * len(lay.bones)
    assert len(fig.frames) == 6 and not fig.layout.scene.annotations
    tips = [j for j in range(v) if j not in lay.parents]
    tail = fig.frames[5].data[3]
    x = np.array([tail.x, tail.z, tail.y], float).T  # None becomes NaN
    x = x.reshape(3, len(tips), 4, 3)[:, :, :3] * [1, 1, -1]
    want = two[:, 3:6, tips, 1].transpose(2, 1, 0)
    assert np.allclose(x[2] - x[2][:1, :1], want - want[:1, :1])
    speed = np.array(tail.line.color).reshape(3, len(tips), 4)[2, :, 2]
    assert np.allclose(speed, np.linalg.norm(two[:, 5, tips, 1] - two[:, 4, tips, 1], axis=0) * 10)


def test_fidelity_is_printed():
    import torch

    z = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    labels = np.arange(40) % 3
    drawing = polar(z, torch.tensor(labels))
    line = str(drawing.fidelity)
    text = lambda ax: (
        " ".join(o.get_text() for o in ax.texts).replace("\n", " ").replace("trust", "; trust", 1)
    )
    for ax in (plot_disk(drawing, labels), plot_density(drawing), plot_prototypes(drawing, labels)):
        assert "rank correlation" in text(ax) and f"({drawing.fidelity.points} points)" in text(ax)
        plt.close(ax.figure)
    other = polar(z * 2, torch.tensor(labels), angle="tsne", steps=5)
    film = disk_animation([drawing, other], labels, between=1)
    for k, o in enumerate((drawing, other)):
        film._func(k)
        assert any(
            re.sub("; (between|trust)", r"\n\1", str(o.fidelity)) == x.get_text()
            for x in film._fig.axes[0].texts
        )
    assert line != str(other.fidelity)
    assert re.sub("; (between|trust)", r"<br>\1", line) in [
        o.text for o in disk_figure(drawing, labels).layout.annotations
    ]
