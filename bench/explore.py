"""How fluid the explorer is: python bench/explore.py

It opens pages of 600 and of 20,000 clips in Chromium and lets the disk move, in turn."""

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
from playwright.sync_api import sync_playwright

from hysp.explore import Scene, explorer_page

FLAGS = "--no-sandbox --disable-background-networking --disable-component-update --disable-sync"
SOFTWARE = "--disable-gpu --use-gl=swiftshader --enable-unsafe-swiftshader"
MOVE = """async i => {
    const explorer = document.getElementById('explorer').explorer
    let frames = 0
    let moving = true
    const count = () => {
        frames++
        if (moving) requestAnimationFrame(count)
    }
    await explorer.restore()
    requestAnimationFrame(count)
    const start = performance.now()
    await explorer.recentre(i)
    moving = false
    return 1000 * frames / (performance.now() - start)
}"""
PAINT = """() => {
    const explorer = document.getElementById('explorer').explorer
    const times = Array.from({length: 15}, () => explorer.redraw())
    return times.sort((a, b) => a - b)[7]
}"""


def made_up(n, classes=60, d=64):
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % classes
    z = (
        0.12
        * (torch.randn(classes, d, generator=g)[labels] + 0.6 * torch.randn(n, d, generator=g))
        * (0.3 + torch.rand(n, 1, generator=g))
    )
    return SimpleNamespace(
        epochs=[1],
        z=z[None],
        predicted=None,
        labels=labels,
        bodies=1 + labels % 2,
        frames=30 + labels,
        subjects=labels % 40,
        names=[f"clip {i}" for i in range(n)],
        class_names=[f"action {k}" for k in range(classes)],
        about=dict(c=1.0),
    )


def fluid(browser, folder, points, rounds):
    "Print frames a second of two pages that move in turn"
    pages = {}
    for n in points:
        pages[n] = explorer_page(Path(folder) / f"{n}.html", Scene(made_up(n)), ["polar"])
    for width, height in ((1280, 800), (2560, 1440)):
        tabs = {}
        rates = {n: [] for n in pages}  # Frames a second
        paints = {n: [] for n in pages}  # Milliseconds of a drawing
        for n, page in pages.items():
            tabs[n] = browser.new_context(viewport=dict(width=width, height=height)).new_page()
            tabs[n].goto(page.as_uri())
            tabs[n].wait_for_selector("html[data-ready=yes]")
        for clip in range(7, 7 + rounds):
            for n, tab in tabs.items():
                tab.bring_to_front()
                rates[n].append(tab.evaluate(MOVE, clip))
                paints[n].append(tab.evaluate(PAINT))
        few, many = points
        few_rate, many_rate = (statistics.median(rates[n]) for n in points)
        few_ms, many_ms = (statistics.median(paints[n]) for n in points)
        print(
            f"{width} px: {few_rate:.0f} frames a second of {few:,} points, "
            f"{many_rate:.0f} of {many:,} (ratio {many_rate / few_rate:.2f}); "
            f"{few_ms:.1f} and {many_ms:.1f} ms to work out where they are and hand them over"
        )


if __name__ == "__main__":
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--points", type=int, nargs=2, default=(600, 20_000))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--gpu", action="store_true", help="leave WebGL to the graphics card")
    args = p.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    flags = FLAGS if args.gpu else f"{FLAGS} {SOFTWARE}"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=flags.split())
        fluid(browser, folder, args.points, args.rounds)
        browser.close()
