"The page of a result in a real browser: the explorer, and what stands about it"

import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image
from test_browser import Box
from test_plot import made_up

from hysp.core import HyspError
from hysp.disk import polar
from hysp.page import fidelity_words
from hysp.plot import radius_accuracy
from hysp.result_page import report_page

NASTY = [
    "</script><script>window.hacked=1</script>",
    '<img src=x onerror="window.hacked=1">',
    '<b>bold</b> & "quoted"',
    "Ünïcode \u2028 line",
]
class_names = NASTY + [f"class {i}" for i in range(4, 12)]


def columns(n=30):
    e = np.arange(n)
    lam = ((e - 5) / 8).clip(0, 1)
    return {
        "epoch": e,
        "loss": 3 * np.exp(-e / 9),
        "loss_euc": np.where(lam < 1, np.exp(-e / 9), np.nan),
        "loss_hyp": 2 * np.exp(-e / 9),
        "lambda": lam,
        "radius": 1 - np.exp(-e / 5),
        "lr": 1e-3 * 0.9**e,
    }


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return report_page(
        tmp_path_factory.mktemp("page") / "page.html",
        title="A page <of> made-up clips",
        subtitle="& more",
        finding=f"What came out: {NASTY[2]}.",
        facts={NASTY[1]: "81.5 %", "chance": "8.3 %"},
        class_names=class_names,
        names=[f"{NASTY[i % 4]} {i}" for i in range(120)],
        layout="ntu-rgb+d",
        curves=columns(),
        notes=["<script>window.hacked=1</script>"],
        table=[
            dict(method="HYSP", knn=81.5, seconds=9),
            dict(method=NASTY[1], knn=60.0, seconds=None),
        ],
        **made_up(),
    )


@pytest.fixture
def report(visit):
    "Opens a page and waits until it is drawn: the tab, and the list of what goes wrong in it"

    def report(page, **context):
        tab, wrong = visit(page.as_uri(), **context)
        tab.wait_for_selector("html[data-ready=yes]")
        return tab, wrong

    return report


def squeezed(text):
    return re.sub(r"\s", "", text)


def test_the_page_is_the_explorer(report, page):
    tab, wrong = report(page, offline=True)
    box = Box(tab)
    assert box.js("x.n") == 120
    i = box.lone()
    x, y = box.where(i)
    box.tab.mouse.click(x, y)
    box.until("x.S.chosen === given[0] && x.near.length === 8", i)
    shown = squeezed(box.at.locator(".facts").inner_text())
    given = made_up()
    assert squeezed(class_names[given["labels"][i]]) in shown
    assert ("recognised" if given["correct"][i] else "takenforanotherclass") in shown
    distance = 2 * np.arctanh(given["radius"])
    assert np.allclose(box.js("Array.from(x.view.distance)"), distance, rtol=1e-5)
    box.until("o.dataset.clip && x.player && x.player.state.playing")
    assert not tab.evaluate("() => window.hacked") and wrong == []


def test_y_points_upwards_on_the_page(report, page):
    "A clip with y > 0 lies above the middle, as in every figure of the same run"
    tab, wrong = report(page)
    box = Box(tab)
    stage = box.at.locator(".stage").bounding_box()
    middle = stage["y"] + stage["height"] / 2
    for i, (_, y) in enumerate(made_up()["points"].tolist()):
        assert (box.where(i)[1] < middle) == (y > 0)
    assert wrong == []


def test_what_came_out_stands_first(report, page):
    tab, wrong = report(page)
    assert tab.inner_text("#finding") == f"What came out: {NASTY[2]}."
    figures = tab.locator("#facts div")
    assert [figure.split("\n")[-1] for figure in figures.all_inner_texts()] == ["81.5 %", "8.3 %"]
    assert NASTY[1] in figures.first.inner_text()
    places = [tab.locator(o).bounding_box()["y"] for o in ("#finding", ".stage", "#distance")]
    assert places == sorted(places) and wrong == []


def test_accuracy_by_distance(report, page):
    "Dots lie as high as their accuracy; the one that is pointed at is read out"
    tab, wrong = report(page)
    tab.wait_for_selector("#distance .dot")
    tab.locator("#distance").scroll_into_view_if_needed()
    given = made_up()
    found = radius_accuracy(2 * np.arctanh(given["radius"]), given["correct"])
    dots = tab.locator("#distance .dot")
    heights = [float(dot.get_attribute("cy")) for dot in dots.all()]
    lines = tab.locator("#distance .grid")
    ends = [float(line.get_attribute("y1")) for line in lines.all()]
    shares = (ends[0] - np.array(heights)) / (ends[0] - ends[-1])
    np.testing.assert_allclose(shares, found["accuracy"], atol=1e-6)
    last = dots.nth(len(heights) - 1).bounding_box()
    tab.mouse.move(last["x"] + last["width"] / 2, last["y"])
    read = tab.inner_text("#distance-read")
    low, share = found["low"][-1], round(100 * found["accuracy"][-1])
    assert read.startswith(f"At a distance of {low:.2f} to ") and f": {share} % of " in read
    tab.mouse.move(1, 1)
    assert tab.inner_text("#distance-read").startswith("Nearest to the origin ") and wrong == []


def test_curves_are_read_where_the_pointer_is(report, page):
    tab, wrong = report(page)
    tab.locator("#curves").scroll_into_view_if_needed()
    tab.wait_for_selector("#curves .curve")
    assert tab.inner_text("#curves-read").startswith("epoch 29")
    box = tab.locator("#curves").bounding_box()
    em = tab.evaluate("parseFloat(getComputedStyle(document.getElementById('curves')).fontSize)")
    tab.mouse.move(box["x"] + 5 * em, box["y"] + 60)
    read = squeezed(tab.inner_text("#curves-read"))
    assert read.startswith("epoch0loss3") and "lr0.001" in read and "loss_euc1" in read
    gaps = tab.locator("#curves .shade")
    assert gaps.count() == 1 and tab.locator("#curves .curve").count() == 5 and wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_of_a_panel_have_colours_of_their_own(report, page, scheme):
    "The first four, each at least a fifth of the way from black to white away from any other"
    tab, wrong = report(page, color_scheme=scheme)
    stroke = """k => {
        const line = document.createElement('i')
        line.className = `curve${k}`
        document.querySelector('#curves-read').append(line)
        return getComputedStyle(line).backgroundColor.match(/\\d+/g).map(Number)
    }"""
    colours = np.array([tab.evaluate(stroke, k) for k in range(4)])
    gaps = np.linalg.norm(colours[:, None] - colours, axis=-1)
    assert gaps[np.triu_indices(4, 1)].min() > 0.2 * 255 * 3**0.5 and wrong == []


def test_results_in_a_table(report, page):
    tab, wrong = report(page)
    rows = [squeezed(text) for text in tab.locator("#table tr").all_inner_texts()]
    assert rows[:2] == ["methodknnseconds", "HYSP81.59"] and rows[2].endswith("60.0–")
    assert tab.locator("#table td.best").inner_text() == "81.5"
    classes = tab.locator("#classes tr").all_inner_texts()
    assert len(classes) == 13 and "another class" in classes[1]
    assert not tab.evaluate("() => window.hacked") and wrong == []


SUMS = dict(light="> 600", dark="< 150")  # Of red, green and blue of the ground


@pytest.mark.parametrize(
    "width,scheme",
    [
        (1280, "dark"),
        (2560, "light"),
        (640, "light"),
        (390, "dark"),
    ],
)
def test_page_fits(report, page, width, scheme):
    height = max(720, width * 9 // 16)
    tab, wrong = report(page, width=width, height=height, color_scheme=scheme)
    assert tab.evaluate("() => document.documentElement.scrollWidth<=innerWidth"), (
        "the page scrolls sideways"
    )
    stage = tab.locator(".stage").bounding_box()
    assert stage["width"] == pytest.approx(stage["height"], abs=1)
    assert stage["width"] > min(0.6 * height, 0.85 * width), "the disk uses the space there is"
    ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    is_scheme = {name: f"{ground}.reduce((a, b) => a + b) {than}" for name, than in SUMS.items()}
    other = "light" if scheme == "dark" else "dark"
    assert tab.evaluate(is_scheme[scheme])
    tab.emulate_media(color_scheme=other)
    tab.wait_for_function(is_scheme[other])  # Night falls, or day comes, while the page is open
    assert wrong == []


def test_on_a_phone_the_page_scrolls_and_targets_are_large(report, page):
    tab, wrong = report(page, width=390, height=844, is_mobile=True, has_touch=True)
    targets = tab.locator("button:visible, select:visible, input:visible, summary:visible")
    sizes = [target.bounding_box() for target in targets.all()]
    assert len(sizes) > 20 and min(size["height"] for size in sizes) >= 40
    assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    stage = tab.locator(".stage").bounding_box()
    touch = tab.context.new_cdp_session(tab)
    start = stage["y"] + 100
    for step in range(11):
        kind = "touchMove" if step else "touchStart"
        at = dict(x=195, y=start - 30 * step)
        touch.send("Input.dispatchTouchEvent", dict(type=kind, touchPoints=[at]))
    touch.send("Input.dispatchTouchEvent", dict(type="touchEnd", touchPoints=[]))
    tab.wait_for_function("() => scrollY > 100")  # The swipe began on the disk
    assert wrong == []


def test_a_shade_says_that_columns_go_on(report, tmp_path):
    "At the right edge of a table that is wider than a phone; at its end, at the left edge"
    d = made_up(30)
    row = {f"a column of results {k}": 50.0 for k in range(6)}
    results = tmp_path / "results.html"
    report_page(results, title="", points=d["points"], labels=d["labels"], table=[row, row])
    tab, wrong = report(results, width=390, height=844)
    scroll = tab.locator(".scroll").last
    scroll.scroll_into_view_if_needed()

    def shades():
        "How much darker than the middle the left and the right edge are"
        shot = Image.open(io.BytesIO(scroll.screenshot())).convert("L")
        rows = np.median(np.asarray(shot).astype(int), axis=0)
        return [rows[len(rows) // 2] - rows[at] for at in (4, -5)]

    left, right = shades()
    assert left < 3 and right > 15
    scroll.evaluate("x => { x.scrollLeft = 9999 }")
    left, right = shades()
    assert left > 15 and right < 3 and wrong == []


def test_page_with_the_least(report, tmp_path):
    d = made_up(30)
    least = report_page(
        tmp_path / "least.html", title="Least", points=d["points"], labels=d["labels"]
    )
    tab, wrong = report(least)
    for card in ("distance", "curves", "classes", "table"):
        assert tab.is_hidden(f"#{card}-card"), card
    assert tab.is_hidden("#finding") and tab.is_hidden("#subtitle") and wrong == []


def test_page_of_an_empty_clip(report, tmp_path):
    d = made_up(3)
    d["clips"][:] = 0
    tab, wrong = report(
        report_page(tmp_path / "empty.html", title="Empty", layout="ntu-rgb+d", **d)
    )
    assert wrong == []


class Scripts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]


def page_data(page):
    "What the scripts of a page find as JSON"
    pattern = r'<script type="application/json" id="data">(.*?)</script>'
    return json.loads(re.search(pattern, page.read_text("utf-8"), re.S)[1])


def test_page_is_one_safe_file(page):
    parsed = Scripts()
    parsed.feed(page.read_text("utf-8"))
    assert parsed.tags.count("script") == 3 and "img" not in parsed.tags
    assert parsed.links == ["data:,"]
    data = page_data(page)
    assert data["state"]["runs"][0]["class_names"][:4] == NASTY
    loss_euc = data["result"]["curves"]["panels"][0]["lines"][1]
    assert loss_euc["name"] == "loss_euc" and loss_euc["values"][-1] is None
    assert len(list(page.parent.iterdir())) == 1


def test_thousand_clips_stay_small(tmp_path):
    d = made_up(1000, frames=25)
    rng = np.random.default_rng(0)
    d["clips"] += (rng.normal(0, 0.01, d["clips"].shape) * (d["clips"] != 0)).astype(np.float32)
    big = report_page(tmp_path / "big.html", title="Big", layout="ntu-rgb+d", **d)
    assert big.stat().st_size < 6e6


def test_a_drawing_brings_its_fidelity(tmp_path):
    z = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    labels = np.arange(40) % 3
    drawing = polar(z, torch.tensor(labels))
    page = report_page(tmp_path / "p.html", title="P", points=drawing, labels=labels)
    assert page_data(page)["views"]["0 0 given"]["fidelity"] == str(drawing.fidelity)
    page = report_page(
        tmp_path / "q.html", title="Q", points=drawing.points, labels=labels, fidelity="as it is"
    )
    assert page_data(page)["views"]["0 0 given"]["fidelity"] == "as it is"


def test_fidelity_is_said_in_words_with_the_figures_in_a_tooltip(report, tmp_path):
    z = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
    drawing = polar(z, torch.arange(60) % 3)
    page = report_page(tmp_path / "w.html", title="", points=drawing, labels=np.arange(60) % 3)
    tab, wrong = report(page)
    line = tab.locator(".fidelity")
    assert line.inner_text() == fidelity_words(drawing.fidelity)
    line.locator(".told").hover()
    assert str(drawing.fidelity) in line.inner_text()
    tab.mouse.move(1, 1)
    line.locator(".told").focus()
    assert str(drawing.fidelity) in line.inner_text() and wrong == []


def test_people_who_lie_are_set_upright(tmp_path):
    d = made_up(2)
    up = report_page(tmp_path / "up.html", title="", layout="ntu-rgb+d", **d)
    lying = np.stack([d["clips"][:, 0], -d["clips"][:, 2], d["clips"][:, 1]], 1)
    z_up = report_page(
        tmp_path / "z.html", title="", layout="ntu-rgb+d", **(d | dict(clips=lying, up="z"))
    )
    assert page_data(up)["clips"] == page_data(z_up)["clips"]


@pytest.mark.parametrize(
    "name,given,words",
    [
        ("x.html", dict(clips=np.ones((1, 3, 2, 25, 1))), "needs the layout"),
        ("no/such/x.html", {}, "cannot write"),
        ("x.html", dict(points=[[3, 0]]), "outside the unit disk"),
        ("x.html", dict(correct=[1, 1]), "2 entries in correct"),
    ],
)
def test_errors_are_clear(name, given, words):
    with pytest.raises(HyspError, match=re.escape(words)):
        report_page(name, title="", **(dict(points=[[0, 0]], labels=[0]) | given))
