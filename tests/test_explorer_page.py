"The explorer on a page of its own, one test for each thing it can do; JupyterLab is in test_browser"

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from test_browser import Box

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


def test_y_points_upwards(opened):
    "A clip with y > 0 lies above the middle, and one with x > 0 to its right, as in every figure"
    tangents = torch.tensor([[[0.9, 0.2], [0.4, 0.7], [-0.6, 0.3], [0.2, -0.8]]])
    scene = Scene(embedded(tangents))
    points = scene.drawing(1, "tangent_pca").points
    box, wrong = opened(scene, ["tangent_pca"])
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
