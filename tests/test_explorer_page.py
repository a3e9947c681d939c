"The explorer on a page of its own, one test for each thing it can do; JupyterLab is in test_browser"

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from test_browser import Box

from hysp.disk import frechet_mean
from hysp.explore import Scene, explorer_page


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
    points = scene.drawing(2).points
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
