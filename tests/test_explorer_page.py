"The explorer on a page of its own, one test for each thing it can do; JupyterLab is in test_browser"

import csv
import io
import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from test_browser import Box

from hysp.disk import frechet_mean
from hysp.explore import Explorer, Scene, explorer_page
from hysp.feeder import Dataset
from hysp.prepare import prepare
from hysp.synthetic import generate


def embedded(z, labels=None, **known):
    "Clips at given tangents of the ball, (E,N,d), and made-up facts about them"
    count = z.shape[1]
    labels = torch.arange(count) % 3 if labels is None else torch.as_tensor(labels)
    given = dict(
        epochs=list(range(1, len(z) + 1)),
        z=z,
        predicted=None,
        labels=labels,
        bodies=1 + torch.arange(count) % 2,
        frames=20 + torch.arange(count),
        subjects=torch.arange(count) % 4,
        names=[f"clip {i:03}" for i in range(count)],
        class_names=["wave", "kick", "squat"],
        about=dict(c=1.0),
    )
    return SimpleNamespace(**(given | known))


@pytest.fixture
def opened(visit, tmp_path):
    "Opens scenes on a page: the explorer's box, and what goes wrong in it"

    def opened(scenes, projections=("polar",), address="", size=(1280, 800), **context):
        file = explorer_page(tmp_path / "page.html", scenes, projections)
        width, height = size
        tab, wrong = visit(file.as_uri() + address, width=width, height=height, **context)
        return Box(tab), wrong

    return opened


def saturation(box, x, y):
    "How colourful the page is about a place, from 0 to 255"
    clip = dict(x=x - 4, y=y - 4, width=8, height=8)
    pixels = np.asarray(Image.open(io.BytesIO(box.tab.screenshot(clip=clip))).convert("RGB"))
    return int(np.ptp(pixels.astype(int), axis=2).max())


def hide_names(box):
    box.at.locator(".menu summary").click()
    box.at.get_by_label("names on the disk").uncheck()
    box.tab.keyboard.press("Escape")


def test_y_points_upwards(opened):
    "A clip with y > 0 lies above the middle, and one with x > 0 to its right, as in every figure"
    tangents = torch.tensor([[[0.9, 0.2], [0.4, 0.7], [-0.6, 0.3], [0.2, -0.8]]])
    scene = Scene(embedded(tangents))
    points = scene.drawing(1, "tangent_pca").points
    box, wrong = opened(scene, ["tangent_pca"])
    hide_names(box)
    stage = box.at.locator(".stage").bounding_box()
    middle = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    assert points[:, 1].max() > 0 > points[:, 1].min()
    for i, (x, y) in enumerate(points.tolist()):
        left, top = box.where(i)
        assert (left > middle[0]) == (x > 0)
        assert (top < middle[1]) == (y > 0)
        assert saturation(box, left, top) > 60, "the point is drawn where it is clicked"
        box.tab.mouse.click(left, top)
        box.until("x.S.chosen === given[0]", i)
    assert not wrong


def with_predictions(count=90, seed=0):
    "Clips of three classes in three directions, every fifth of which is taken for the next class"
    labels = torch.arange(count) % 3
    ways = torch.tensor([[1.2, 0.0], [-0.6, 1.0], [-0.6, -1.0]])[labels]
    noise = 0.15 * torch.randn(2, count, 2, generator=torch.Generator().manual_seed(seed))
    wrong = torch.arange(count) % 5 == 0
    predicted = torch.where(wrong, (labels + 1) % 3, labels)
    return embedded(ways + noise, labels, predicted=predicted.expand(2, count))


def chosen_colour(box, name):
    box.at.locator(".bar label", has_text="colour").locator("select").select_option(name)


def test_search_highlights(opened):
    "By class, name or person; Enter selects, Escape forgets"
    box, wrong = opened(Scene(with_predictions()))
    search = box.at.locator("input[type=search]")
    for text, found in dict(kick=30, clip=90, KICK=30).items():
        search.fill(text)
        assert box.at.locator(".found").inner_text() == f"{found} found"
    search.fill("person 2")
    people = box.js("x.model.foundClips")
    assert people == [i for i in range(90) if i % 4 == 2]
    assert box.js("given[0].map(i => x.model.faint(i))", [2, 3]) == [0, True]
    search.press("Enter")
    assert box.js("x.selected") == people
    search.press("Escape")
    assert search.input_value() == "" and box.js("x.model.found") is None
    assert not wrong


def test_names_stand_at_their_means(opened):
    "A name's place is the Fréchet mean of its class on the disk, and moves as the disk does"
    e = with_predictions()
    scene = Scene(e)
    box, wrong = opened(scene)
    named = box.js("x.names")
    assert sorted(name["text"] for name in named) == sorted(e.class_names)
    points = scene.drawing(2, "polar").points
    for name in named:
        members = e.labels == e.class_names.index(name["text"])
        mean = frechet_mean(points[members].double(), ball=True)
        assert name["mean"] == pytest.approx(mean.tolist(), abs=1e-5)
    chosen_colour(box, "distance")
    assert box.js("x.names") == []
    chosen_colour(box, "class")
    hide_names(box)
    assert box.js("x.names") == []
    assert not wrong


LONG_NAMES = "put on a hat or a cap,reach into pocket,wave,take something out of a bag,hug,clap"

# How far the corners of each written name lie from the middle, as a share of the canvas's radius
REACHES = """((disk, canvas) => {
    const pen = canvas.getContext('2d')
    const r = canvas.clientWidth / 2
    return disk.letters.named.map(({text, x, y}) => {
        const box = pen.measureText(text)
        const across = [x - box.actualBoundingBoxLeft, x + box.actualBoundingBoxRight]
        const down = [y - box.actualBoundingBoxAscent, y + box.actualBoundingBoxDescent]
        const corners = across.flatMap(u => down.map(v => Math.hypot(u - r, v - r)))
        return Math.max(...corners) / r
    })
})"""


@pytest.mark.parametrize("width", [320, 390, 1000, 1280, 2560])
def test_names_lie_inside_the_disk(opened, width):
    "Those of classes at the rim too, before and after the disk is moved, and on two disks"
    names = LONG_NAMES.split(",")
    labels = torch.arange(90) % 6
    angle = labels * torch.pi / 3 + 0.05 * torch.randn(90, generator=torch.manual_seed(0))
    z = 3 * torch.stack([angle.cos(), angle.sin()], 1)
    e = embedded(torch.stack([z, z.flip(1)]), labels, class_names=names)
    box, wrong = opened(Scene(e), size=(width, 844))
    canvas = "o.querySelectorAll('.over')"

    def reaches():
        box.until("!x.moving && !x.second?.moving")
        box.js("x.redraw()")
        return box.js(f"{REACHES}(x, {canvas}[0])")

    assert len(reaches()) >= 5 and max(reaches()) <= 1
    box.js("x.recentre(3)")
    assert reaches() and max(reaches()) <= 1
    two_disks(box)
    box.js("x.second.redraw()")
    second = box.js(f"{REACHES}(x.second, {canvas}[1])")
    assert second and max(second) <= 1 and max(reaches()) <= 1
    assert not wrong


def test_a_name_wider_than_the_disk_loses_its_end(opened):
    e = with_predictions()
    e.class_names[1] = "kick " * 40
    box, wrong = opened(Scene(e), size=(390, 844))
    (cut,) = [each["text"] for each in box.js("x.letters.named") if each["text"][0] == "k"]
    assert cut.startswith("kick kick") and cut.endswith("…")
    assert max(box.js(f"{REACHES}(x, o.querySelector('.over'))")) <= 1
    assert not wrong


def test_colours_of_columns(opened):
    "Numbers become a ramp, text and few whole numbers a legend, and what is not known is said"
    certainty = np.linspace(0, 1, 90)
    certainty[4] = np.nan
    hands = ["left", "right", "left"] * 30
    columns = dict(certainty=certainty, hand=hands)
    box, wrong = opened(Scene(with_predictions(), columns=columns))
    chosen_colour(box, "certainty")
    legend = box.at.locator(".legend")
    assert legend.locator(".ramp").count() == 1 and "0.99" in legend.inner_text()
    chosen_colour(box, "hand")
    assert legend.locator(".rows button").all_inner_texts() == ["left\n60", "right\n30"]
    legend.locator(".rows button").first.click()
    assert box.at.locator(".tally b").inner_text() == "30"
    box.js("x.pick(4)")
    assert "certainty\nnot known" in box.at.locator(".facts").inner_text()
    assert not wrong


def test_taken_for_is_a_filter(opened):
    box, wrong = opened(Scene(with_predictions()))
    rows = box.at.locator(".confusions .rows button")
    assert rows.count() == 3 and rows.first.inner_text() == "wave → kick\n6"
    rows.first.click()
    assert box.at.locator(".tally b").inner_text() == "6"
    assert box.js("[...Array(x.n).keys()].filter(i => x.model.visible(i))") == [
        0,
        15,
        30,
        45,
        60,
        75,
    ]
    assert rows.first.get_attribute("aria-pressed") == "true"
    rows.first.click()
    assert box.at.locator(".tally b").inner_text() == "90"
    chosen_colour(box, "taken")
    assert "kick\n30" in box.at.locator(".legend").inner_text()
    assert not wrong


def test_rings_are_dashed_where_distances_are_not_kept(opened):
    "Polar keeps the distance from the origin; what lies in more than a plane is drawn too far inside"
    z = 0.6 * torch.randn(1, 60, 8, generator=torch.Generator().manual_seed(0))
    box, wrong = opened(Scene(embedded(z)), ["polar", "tangent_pca"])
    assert box.js("x.model.keepsDistance")
    assert "dashed" not in box.at.locator(".fidelity").inner_text()
    box.at.locator(".where label", has_text="projection").locator("select").select_option(
        "tangent_pca"
    )
    box.until("!x.moving && x.view.projection === 'tangent_pca'")
    assert not box.js("x.model.keepsDistance")
    assert "dashed rings" in box.at.locator(".fidelity").inner_text()
    assert not wrong


def drag(box, start, end, *keys):
    "Drag over the disk, from and to shares of its width and height, while keys are held"
    stage = box.at.locator(".stage").bounding_box()

    def place(share):
        x, y = share
        return stage["x"] + x * stage["width"], stage["y"] + y * stage["height"]

    for key in keys:
        box.tab.keyboard.down(key)
    box.tab.mouse.move(*place(start))
    box.tab.mouse.down()
    box.tab.mouse.move(*place(end), steps=5)
    box.tab.mouse.up()
    for key in keys:
        box.tab.keyboard.up(key)


def test_rectangle_adds_subtracts_and_undo(opened):
    "The right half, with shift the upper left quarter, without what lies below with alt; and back"
    scene = Scene(with_predictions())
    box, wrong = opened(scene)
    x, y = scene.drawing(2, "polar").points.T.numpy()
    right = np.flatnonzero(x > 0).tolist()
    more = np.flatnonzero((x > 0) | (y > 0)).tolist()
    less = np.flatnonzero(y > 0).tolist()
    box.at.get_by_role("button", name="rectangle", exact=True).click()
    drag(box, (0.5, 0.001), (0.999, 0.999))
    assert box.js("x.selected") == right
    drag(box, (0.001, 0.001), (0.5, 0.5), "Shift")
    assert box.js("x.selected") == more
    drag(box, (0.001, 0.5), (0.999, 0.999), "Alt")
    assert box.js("x.selected") == less
    box.at.get_by_role("button", name="undo", exact=True).click()
    assert box.js("x.selected") == more
    box.at.locator(".over").focus()
    box.tab.keyboard.press("Control+z")
    assert box.js("x.selected") == right
    box.tab.keyboard.press("u")
    assert box.js("x.selected") == []
    assert box.at.get_by_role("button", name="undo", exact=True).count() == 0
    box.tab.keyboard.press("l")
    drag(box, (0.5, 0.001), (0.999, 0.5))
    assert box.js("x.S.drag") == "lasso" and not wrong


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    "A dataset of 30 made-up clips"
    source = generate(30, classes=["wave", "kick", "squat"], subjects=3, seed=0)
    return Dataset(prepare(source, tmp_path_factory.mktemp("people") / "data", frames=8))


def test_selection_as_moving_skeletons(opened, people):
    "A page of the grid, the next one; a click chooses; the pictures change"
    e = embedded(0.5 * torch.randn(1, 30, 2), people.labels, names=people.names)
    box, wrong = opened(Scene(e, people))
    gallery = box.at.locator(".gallery")
    assert not gallery.is_visible()
    box.js("x.select(() => true)")
    cells = gallery.locator(".cells button")
    box.until("o.querySelectorAll('.cells button').length === 24")
    assert "30 selected clips, 1 to 24" in gallery.inner_text()
    cells.nth(3).scroll_into_view_if_needed()
    picture = "o.querySelectorAll('.cells canvas')[3].toDataURL()"
    box.until(f"{picture} !== given[0]", box.js(picture))
    gallery.get_by_role("button", name="›").click()
    box.until("o.querySelectorAll('.cells button').length === 6")
    cells.nth(2).click()
    box.until("x.S.chosen === 26")
    assert cells.nth(2).get_attribute("aria-pressed") == "true"
    box.js("x.select(null)")
    assert not gallery.is_visible() and not wrong


def test_tags(opened):
    "Given and taken, one's own, undone, a colour, a table; a reload of the page keeps them"
    e = with_predictions()
    e.names[1] = "=1+1"
    box, wrong = opened(Scene(e))
    tags = "x.model.tags"
    box.js("x.pick(0)")
    tagging = box.at.locator(".tagging")
    tagging.get_by_role("button", name="mislabelled?").click()
    assert box.js(tags) == {"clip 000": ["mislabelled?"]}
    box.js("x.select(i => i < 3)")
    assert "Tag the 3 selected clips" in tagging.inner_text()
    own = tagging.locator("input")
    own.fill("=odd")
    own.press("Enter")
    everything = {"clip 000": ["mislabelled?", "=odd"], "=1+1": ["=odd"], "clip 002": ["=odd"]}
    assert box.js(tags) == everything
    tagging.get_by_role("button", name="=odd").click()
    assert box.js(tags) == {"clip 000": ["mislabelled?"]}
    box.at.get_by_role("button", name="undo", exact=True).click()
    assert box.js(tags) == everything
    chosen_colour(box, "tags")
    assert "no tag\n87" in box.at.locator(".legend").inner_text()
    with box.tab.expect_download() as got:
        tagging.get_by_role("button", name="tags as CSV").click()
    rows = list(csv.reader(io.StringIO(Path(got.value.path()).read_text("utf-8"))))
    assert rows[0] == ["name", "tag"] and ["'=1+1", "'=odd"] in rows and len(rows) == 5
    box.tab.reload()
    assert Box(box.tab).js(tags) == everything and not wrong


def menu(box, name):
    "A button of the menu"
    box.at.locator(".menu summary").click()
    return box.at.locator(".sheet").get_by_role("button", name=name, exact=True)


def two_disks(box):
    box.at.locator(".menu summary").click()
    box.at.get_by_label("two disks, one selection").click()
    box.until("x.second && x.second.view && !x.second.moving && !x.moving")


def test_two_disks_share_a_selection(opened):
    "Two epochs beside each other: what is selected on one is selected on the other"
    scene = Scene(with_predictions())
    box, wrong = opened(scene)
    two_disks(box)
    assert [box.js("x.view.epoch"), box.js("x.second.view.epoch")] == [2, 1]
    stages = box.at.locator(".stage")
    first, second = stages.nth(0).bounding_box(), stages.nth(1).bounding_box()
    assert first["x"] + first["width"] <= second["x"] and first["y"] == second["y"]
    box.at.get_by_role("button", name="rectangle", exact=True).click()
    x, y = second["x"], second["y"]
    box.tab.mouse.move(x + second["width"] / 2, y + 1)
    box.tab.mouse.down()
    box.tab.mouse.move(x + second["width"] - 1, y + second["height"] - 1, steps=4)
    box.tab.mouse.up()
    points = scene.drawing(1, "polar").points
    assert box.js("x.selected") == points[:, 0].gt(0).nonzero().flatten().tolist()
    assert box.js("x.second.model.selection.length === x.selected.length")
    i = box.js("x.selected[3]")
    box.tab.mouse.click(*box.js("x.second.where(given[0])", i))
    box.until("x.S.chosen === given[0]", i)
    box.at.locator(".menu summary").click()
    box.at.get_by_label("two disks, one selection").click()
    assert stages.count() == 1 and box.js("x.second") is None and not wrong


def test_address_keeps_the_second_disk(opened):
    box, wrong = opened(Scene(with_predictions()), ["polar", "tangent_pca"])
    two_disks(box)
    box.until("location.hash.includes('second=0%2C1%2Cpolar')")
    box.tab.evaluate("location.hash = 'epoch=1&second=0,2,tangent_pca'")
    box.tab.reload()
    again = Box(box.tab)
    again.until("x.second?.view?.projection === 'tangent_pca'")
    assert again.js("[x.view.epoch, x.second.view.epoch]") == [1, 2]
    box.tab.evaluate("location.hash = 'second=7,2,polar'")
    again.until("x.view?.epoch === 2 && !x.second")
    assert not wrong


def test_two_disks_show_two_runs_of_the_same_clips(opened):
    "The second disk offers the runs that hold the clips of the first, and no other"
    e = with_predictions()
    twin = SimpleNamespace(**vars(e) | dict(z=e.z.flip(1), epochs=[5, 6], predicted=None))
    other = with_predictions(45)
    scenes = [Scene(e, name="ball"), Scene(other, name="other"), Scene(twin, name="plane")]
    box, wrong = opened(scenes)
    two_disks(box)
    assert box.js("x.second.view.run") == 2 and box.js("x.second.view.epoch") == 6
    offered = box.at.locator(".side").nth(1).locator(".where select").first.locator("option")
    assert offered.all_inner_texts() == ["ball", "plane"]
    runs = box.at.locator(".side").first.locator(".where select").first
    runs.select_option(label="other")
    box.until("x.n === 45 && x.view && x.view.run === 1")
    assert box.js("x.second") is None and not wrong


def test_pictures(opened, tmp_path):
    "PNG as on the screen; SVG with a shape a clip, rings, distances and names"
    box, wrong = opened(Scene(with_predictions()))
    with box.tab.expect_download() as got:
        menu(box, "PNG").click()
    assert got.value.suggested_filename == "run epoch 2.png"
    picture = Image.open(got.value.path()).convert("RGB")
    shown = np.asarray(picture).astype(int)
    assert (np.ptp(shown, axis=2) > 60).sum() > 400
    box.tab.keyboard.press("Escape")
    with box.tab.expect_download() as got:
        menu(box, "SVG").click()
    text = Path(got.value.path()).read_text("utf-8")
    drawing = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    glyphs = [shape for shape in drawing if shape.get("transform")]
    words = [shape.text for shape in drawing if shape.tag == f"{space}text"]
    assert len(glyphs) == 90 and {"wave", "kick", "squat", "1"} <= {*words}
    x, y = box.js("x.where(given[0])", 0)
    stage = box.at.locator(".stage").bounding_box()
    places = [shape.get("transform").split("(")[1].split(")")[0] for shape in glyphs]
    gaps = [
        abs(float(place.split()[0]) - x + stage["x"])
        + abs(float(place.split()[1]) - y + stage["y"])
        for place in places
    ]
    assert min(gaps) < 0.1 and not wrong


def test_address_keeps_what_is_set(opened):
    "A copy of the address opens the same view; one that names what is not there opens the usual one"
    box, wrong = opened(Scene(with_predictions()), ["polar", "tangent_pca"])
    box.js("x.goto(0)")
    box.at.locator(".where label", has_text="projection").locator("select").select_option(
        "tangent_pca"
    )
    chosen_colour(box, "bodies")
    box.js("x.pick(7)")
    box.at.locator("input[type=search]").fill("kick")
    box.until("!x.moving")
    box.js("x.recentre(7)")
    box.until("location.hash.includes('at=') && !x.moving && Math.hypot(...x.place(7)) < 1e-4")
    box.until("location.hash.includes('projection=tangent_pca')")
    where = box.js("x.iso")
    box.tab.wait_for_timeout(600)
    box.tab.reload()
    again = Box(box.tab)
    assert again.js("[x.view.epoch, x.view.projection, x.S.colour, x.S.chosen, x.S.search]") == [
        *[1, "tangent_pca", "bodies", 7, "kick"]
    ]
    assert again.js("x.iso") == pytest.approx(where, abs=1e-5)
    again.tab.evaluate("location.hash = 'epoch=77&clip=nobody&run=9&at=1,2&projection=flat'")
    again.until("x.view?.epoch === 2 && x.view.projection === 'tangent_pca' && !x.moving")
    assert not wrong


SHOWN = "[...Array(x.n).keys()].filter(i => x.model.visible(i))"


def test_address_keeps_filters_and_selection(opened):
    "Of every kind, together with what was taken for what; and an address without them shows all"
    box, wrong = opened(Scene(with_predictions()))
    chosen_colour(box, "subject")
    box.at.locator(".legend .rows button").nth(1).click()
    chosen_colour(box, "correct")
    box.at.locator(".legend .rows button").first.click()
    box.at.locator(".confusions .rows button").nth(1).click()
    shown = box.js(SHOWN)
    box.js("x.select(i => i < 40 || i > 80)")
    selected = box.js("x.selected")
    assert 0 < len(selected) < len(shown) < 6
    box.until("location.hash.includes('selected=')")
    address = box.tab.evaluate("location.hash")
    for word in ("hide.subject=1.1.2", "hide.correct=0.1.1", "taken="):
        assert word in address
    box.tab.reload()
    again = Box(box.tab)
    assert again.js(SHOWN) == shown and again.js("x.selected") == selected
    legend = again.at.locator(".legend")
    pressed = [row.get_attribute("aria-pressed") for row in legend.locator(".rows button").all()]
    assert pressed == ["false", "true"] and "person filtered ✕" in legend.inner_text()
    assert again.at.locator(".confusions button[aria-pressed=true]").count() == 1
    assert again.at.locator(".tally b").inner_text() == str(len(selected))
    again.until(f"o.querySelectorAll('.gallery h3')[0].textContent.startsWith('{len(selected)} ')")
    again.tab.evaluate("location.hash = 'epoch=2'")
    again.until("x.selected.length === 0 && x.model.filters.length === 0 && x.model.view")
    assert len(again.js(SHOWN)) == 90 and not wrong


@pytest.mark.parametrize(
    "words",
    [
        "selected=zzzz&hide.class=1.1&hide.subject=&taken=0",
        "selected=1.&selected=-5.100&hide.class=x.y.z&taken=0,1,2&taken=9,9",
        "hide.__proto__=0.1&hide.constructor=0.1&hide.distance=0.1&colour=__proto__",
        "second=length,1,polar&run=map&epoch=&at=1e200,0,1e200,0&clip=%E0%A4%A",
        "&&==%%%#" + "selected=" + "1." * 5000,
    ],
)
def test_addresses_of_other_pages_are_passed_over(opened, words):
    "Nothing is hidden or selected, and the page works"
    box, wrong = opened(Scene(with_predictions()), address=f"#{words}")
    assert len(box.js(SHOWN)) == 90 and box.js("x.selected") == []
    assert box.js("[x.S.colour, x.second]") == ["class", None]
    box.js("x.select(i => i === 3)")
    box.until("location.hash.includes('selected=3.1.2e')")
    assert not wrong


def test_address_of_a_large_selection(opened):
    "2,000 clips of which every other is selected fit; where a selection is too large, it is said"
    e = embedded(0.5 * torch.randn(1, 8000, 2, generator=torch.Generator().manual_seed(0)))
    box, wrong = opened(Scene(e))
    said = box.at.locator(".chosen .said")
    box.js("x.select(i => i < 2000 && i % 2 === 0)")
    box.until("location.hash.includes('selected=0.1.1.1')")
    assert said.inner_text() == "" and 4000 < len(box.tab.evaluate("location.hash")) < 4500
    box.js("x.select(i => i % 2 === 0)")
    assert "does not keep so large a selection" in said.inner_text()
    box.until("!location.hash.includes('selected')")
    box.js("x.select(i => i % 2 === 0 && i < 9)")
    assert said.inner_text() == "" and not wrong


def test_density_of_many_clips(opened):
    "From 5,000 clips on the ground shows where they crowd"
    g = torch.Generator().manual_seed(0)
    z = torch.randn(1, 5000, 2, generator=g) * 0.1 + torch.tensor([1.0, 0.0])
    few = Scene(embedded(z[:, :4999]))
    many = Scene(embedded(z))

    def shades(scene):
        box, wrong = opened(scene)
        assert not wrong
        return box.js("""(() => {
            const pen = o.querySelector('.stage canvas').getContext('2d')
            const side = pen.canvas.width
            const patch = x => [...pen.getImageData(x * side, side * .47, 15, 15).data]
            const reds = x => patch(x).filter((_, k) => k % 4 === 0).sort((a, b) => a - b)
            return [.85, .3].map(x => reds(x)[112])
        })()""")

    crowd, empty = shades(many)
    assert crowd < empty - 30
    crowd, empty = shades(few)
    assert abs(crowd - empty) < 10


def target_sizes(box):
    "Width and height of all that a finger can hit"
    targets = (
        "[...o.querySelectorAll('button, select, input, summary')].filter(x => x.offsetParent)"
    )
    return box.js(f"{targets}.map(x => x.getBoundingClientRect()).map(r => [r.width, r.height])")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1000, 1280, 2560])
def test_layout(opened, people, width, scheme):
    "Nothing beyond the page's edge, nothing over another; disk and legend on one screen"
    height = {390: 844, 1000: 640, 1280: 800, 2560: 1440}[width]
    e = embedded(0.5 * torch.randn(2, 30, 2), people.labels, names=people.names)
    phone = dict(has_touch=True, is_mobile=True) if width == 390 else {}
    box, wrong = opened(Scene(e, people), size=(width, height), color_scheme=scheme, **phone)
    box.js("x.select(i => i < 9)")
    box.until("o.querySelectorAll('.cells button').length === 9")
    assert box.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    names = "bar stage legend distances chosen player tagging nearest gallery".split()
    places = {name: box.at.locator(f".{name}").first.bounding_box() for name in names}
    for first, second in itertools.combinations(places, 2):
        assert apart(places[first], places[second]), (first, second)
    if width == 390:
        sizes = target_sizes(box)
        assert len(sizes) > 20 and min(itertools.chain(*sizes)) >= 39.9
        assert box.js("getComputedStyle(o.querySelector('.over')).touchAction") == "pan-y"
    else:
        top = box.at.bounding_box()["y"]
        for name in ("stage", "legend"):
            assert places[name]["y"] + places[name]["height"] <= top + height, name
    assert not wrong


def apart(a, b):
    "Do two boxes not overlap by more than a pixel?"
    beside = a["x"] + a["width"] <= b["x"] + 1 or b["x"] + b["width"] <= a["x"] + 1
    return beside or a["y"] + a["height"] <= b["y"] + 1 or b["y"] + b["height"] <= a["y"] + 1


# What stands between the widget's JavaScript and the kernel: it keeps what is set, and has no answers
FAKE_KERNEL = """
class Kernel {
  constructor(values) { Object.assign(this, {values, listeners: {}, sent: []}) }
  get(name) { return this.values[name] }
  set(name, value) {
    if (this.values[name] === value) return
    this.values[name] = value
    this.tell('change:' + name)
  }
  on(event, listener) { this.listeners[event] = listener }
  off(event) { delete this.listeners[event] }
  tell(event, message) { this.listeners[event]?.(message) }
  save_changes() { this.sent.push({...this.values}) }
  send(asked) {
    queueMicrotask(() => this.tell('msg:custom', {id: asked.id, error: 'nobody answers'}))
  }
}
window.kernel = new Kernel(VALUES)
render({model: window.kernel, el: document.getElementById('room')})
"""


@pytest.fixture
def widget(visit, tmp_path):
    "The widget's JavaScript and style with a kernel that only keeps what is set"

    def widget(explorer, size=(1280, 800), **context):
        values = {name: getattr(explorer, name) for name in explorer.keys if name[0] != "_"}
        plain = {name: value for name, value in values.items() if name not in ("layout", "tooltip")}
        script = explorer._esm + FAKE_KERNEL.replace("VALUES", json.dumps(plain, default=str))
        file = tmp_path / "widget.html"
        style = f"<style>{explorer._css}</style>"
        file.write_text(
            "<!doctype html><meta charset=utf-8>"
            f"<meta name=viewport content='width=device-width, initial-scale=1'>{style}"
            f"<div id=room></div><script type=module>{script}</script>",
            "utf-8",
        )
        width, height = size
        tab, wrong = visit(file.as_uri(), width=width, height=height, **context)
        return Box(tab), wrong

    return widget


def test_widget_and_kernel_say_the_same(widget):
    "What is set with the mouse reaches the kernel, and what Python sets reaches the page"
    scene = Scene(with_predictions())
    explorer = Explorer(scene, ["polar"])
    explorer.tags = {"clip 005": ["seen"]}
    box, wrong = widget(explorer)
    assert box.js("x.model.tags") == {"clip 005": ["seen"]}
    box.js("x.pick(4)")
    box.at.get_by_role("button", name="bad tracking").click()
    tags = {"clip 005": ["seen"], "clip 004": ["bad tracking"]}
    assert box.tab.evaluate("kernel.sent.at(-1).tags") == tags
    box.js("x.select(i => i < 3)")
    sent = box.tab.evaluate("kernel.sent.at(-1)")
    assert sent["selected"] == [0, 1, 2] and sent["chosen"] == 4
    box.tab.evaluate("kernel.set('selected', [7, 8])")
    assert box.js("x.selected") == [7, 8]
    box.tab.evaluate("kernel.set('tags', {'clip 001': ['own']})")
    assert box.js("x.model.tagsOf(1)") == ["own"]
    explorer.colour_by(np.arange(90) / 90, "share")
    box.tab.evaluate("state => kernel.set('state', state)", explorer.state)
    assert box.js("x.S.colour") == "share"
    assert box.at.locator(".legend .ramp").count() == 1
    assert "nobody answers" in box.at.locator(".absent").inner_text() and not wrong


def standing(epochs=6, **over):
    "How a training stands, as `Live` tells the browser"
    rows = [dict(epoch=k, loss=4.0 - k / 2, radius=0.5) for k in range(1, epochs + 1)]
    looks = [
        dict(epoch=k, distance=1 + k / 9, certainty=0.3 + k / 99, right=0.3 + k / 50)
        for k in range(epochs + 1)
    ]
    free = {"the same encoder untrained": 0.3, "raw coordinates": 0.28}
    given = dict(
        status="running",
        message="Epoch 7 of 40, step 3 of 20, loss 1.234. Warning: " + "a long word_" * 12,
        progress=0.15,
        rows=rows,
        looks=looks,
        verdict="The nearest of another person's clips is of the same class in 42.0 % of 90 cases.",
        free=free,
    )
    return given | over


PHONE = dict(has_touch=True, is_mobile=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_live_training_fits(widget, width, scheme):
    "Curves side by side, verdict and disk: nothing beyond the edge; on one screen where there is room"
    height = {390: 844, 1280: 800, 2560: 1440}[width]
    explorer = Explorer(Scene(with_predictions()), ["polar", "tangent_pca"])
    explorer.live = standing()
    more = PHONE if width == 390 else {}
    box, wrong = widget(explorer, size=(width, height), color_scheme=scheme, **more)
    assert box.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    names = "bar", "training", "stage", "player", "legend"
    places = {name: box.at.locator(f".{name}").first.bounding_box() for name in names}
    for first, second in itertools.combinations(places, 2):
        assert apart(places[first], places[second]), (first, second)
    measures = box.at.locator(".measure")
    boxes = [measure.bounding_box() for measure in measures.all()]
    across = 2 if width == 390 else 4
    assert len({round(each["x"]) for each in boxes}) == across
    assert all(apart(*pair) for pair in itertools.combinations(boxes, 2))
    assert box.js(
        "[...o.querySelectorAll('.measure, .training p')].every(x => x.scrollWidth <= x.clientWidth)"
    )
    assert measures.locator("canvas").first.bounding_box()["width"] > 120
    inked = """[...o.querySelectorAll('.curve')].map(canvas => canvas.getContext('2d')
        .getImageData(0, 0, canvas.width, canvas.height).data.filter((a, k) => k % 4 === 3 && a)
        .length)"""
    assert min(box.js(inked)) > 100
    if width == 390:
        assert min(itertools.chain(*target_sizes(box))) >= 39.9
        assert places["stage"]["width"] > 0.9 * width
        assert places["player"]["width"] == pytest.approx(places["stage"]["width"], abs=1)
    else:
        bottom = places["stage"]["y"] + places["stage"]["height"]
        assert bottom - places["bar"]["y"] <= height
        assert places["stage"]["height"] > 0.45 * height
    assert not wrong


def test_live_training_keeps_its_buttons(widget):
    "News of the training takes neither the button that is being pressed nor the one in focus"
    explorer = Explorer(Scene(with_predictions()), ["polar"])
    explorer.live = standing()
    box, wrong = widget(explorer)
    stop = box.at.get_by_role("button", name="stop", exact=True)
    place = stop.bounding_box()
    box.tab.mouse.move(place["x"] + 5, place["y"] + 5)
    box.tab.mouse.down()
    news = "news => kernel.set('live', news)"
    box.tab.evaluate(news, standing(7, message="Epoch 8 of 40"))
    assert box.at.locator(".training .said").inner_text() == "Epoch 8 of 40"
    assert box.at.locator(".measure b").first.inner_text() == "0.500"
    picture = "[...o.querySelectorAll('.curve')].map(canvas => canvas.toDataURL())"
    before = box.js(picture)
    box.tab.evaluate(news, standing(7, message="Epoch 8 of 40, step 2"))
    assert box.js(picture) == before
    box.tab.evaluate("void (kernel.send = asked => { window.asked = asked.what })")
    box.tab.mouse.up()
    assert box.tab.evaluate("window.asked") == "stop"
    assert stop.evaluate("button => button === document.activeElement")
    box.tab.evaluate(news, standing(8))
    assert stop.evaluate("button => button === document.activeElement")
    unlabelled = [dict(epoch=0, distance=1.0, certainty=0.3)]
    box.tab.evaluate(news, standing(0, status="stopped", looks=unlabelled, verdict="", free={}))
    assert box.at.locator(".measure:visible").count() == 3
    assert box.at.locator(".measure b").first.inner_text() == "–"
    assert stop.is_disabled() and box.at.get_by_role("button", name="go on").is_enabled()
    assert not wrong


@pytest.mark.parametrize("place", [".training", ".stage", ".figure, .player", ".histogram"])
def test_live_training_scrolls_on_a_phone(widget, place):
    "Wherever a finger slides up, or down where there is more above"
    explorer = Explorer(Scene(with_predictions()), ["polar"])
    explorer.live = standing()
    box, wrong = widget(explorer, size=(390, 844), **PHONE)
    part = box.at.locator(place).first
    part.evaluate("x => x.scrollIntoView({block: 'center'})")
    before = box.tab.evaluate("scrollY")
    way = 30 if before > 100 else -30
    middle = part.bounding_box()
    x, y = middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2
    touch = box.tab.context.new_cdp_session(box.tab)
    for step in range(8):
        kind = "touchMove" if step else "touchStart"
        points = [dict(x=x, y=y + way * step)]
        touch.send("Input.dispatchTouchEvent", dict(type=kind, touchPoints=points))
    touch.send("Input.dispatchTouchEvent", dict(type="touchEnd", touchPoints=[]))
    moved = "before => Math.abs(scrollY - before) > 60"
    box.tab.wait_for_function(moved, arg=before, timeout=30_000)
    assert box.js("x.selected") == [] and not wrong


def test_the_menu_lies_on_a_phone(opened):
    box, wrong = opened(Scene(with_predictions()), size=(390, 844), **PHONE)
    box.at.locator(".menu summary").tap()
    sheet = box.at.locator(".sheet").bounding_box()
    assert sheet["x"] >= 0 and sheet["x"] + sheet["width"] <= 390
    assert box.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert min(itertools.chain(*target_sizes(box))) >= 39.9
    assert not wrong
