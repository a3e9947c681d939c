"""How fluid the explorer is: `python bench/explore.py` opens pages of 600 and of 20,000 clips in Chromium and lets the disk move, in turn.
`python bench/explore.py --picture nbs/images/explorer.png` takes the picture of the front page, of the example that ships with the package."""

import argparse
import io
import shutil
import statistics
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
from PIL import Image
from playwright.sync_api import sync_playwright

from hysp.core import atomic_write
from hysp.explore import Scene, explorer_page
from hysp.embeddings import scene
from hysp.runs import example

FLAGS = "--no-sandbox --disable-background-networking --disable-component-update --disable-sync"
SOFTWARE = "--disable-gpu --use-gl=swiftshader --enable-unsafe-swiftshader"
MOVE = """async i => { const x = document.getElementById('explorer').explorer; let frames = 0, on = true
    const count = () => { frames++; if (on) requestAnimationFrame(count) }
    await x.restore(); requestAnimationFrame(count)
    const start = performance.now(); await x.recentre(i); on = false
    return 1000*frames/(performance.now()-start) }"""
PAINT = "() => { const x = document.getElementById('explorer').explorer, t = Array.from({length: 15}, () => x.redraw()); return t.sort((a, b) => a-b)[7] }"


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
    pages = {
        n: explorer_page(Path(folder) / f"{n}.html", Scene(made_up(n)), ["polar"]) for n in points
    }
    for size in ((1280, 800), (2560, 1440)):
        tabs, found = {}, {n: ([], []) for n in pages}
        for n, page in pages.items():
            tabs[n] = browser.new_context(viewport=dict(zip(("width", "height"), size))).new_page()
            tabs[n].goto(page.as_uri())
            tabs[n].wait_for_selector("html[data-ready=yes]")
        for k in range(rounds):
            for n, tab in tabs.items():
                tab.bring_to_front()
                found[n][0].append(tab.evaluate(MOVE, 7 + k))
                found[n][1].append(tab.evaluate(PAINT))
        (f, t), (g, u) = ([statistics.median(o) for o in found[n]] for n in points)
        print(
            f"{size[0]} px: {f:.0f} frames a second of {points[0]:,} points, {g:.0f} of {points[1]:,} (ratio {g / f:.2f}); {t:.1f} and {u:.1f} ms to work out where they are and hand them over"
        )


def picture(browser, folder, out):
    "The example as the page shows it, a clip of two people chosen"
    shown = scene(example())
    tab = browser.new_context(viewport=dict(width=1280, height=800)).new_page()
    tab.goto(explorer_page(Path(folder) / "example.html", shown, title="example").as_uri())
    tab.wait_for_selector("html[data-ready=yes]")
    one = max(
        range(len(shown.e.names)),
        key=lambda i: (
            shown.e.class_names[shown.e.labels[i]] == "high five"
            and bool(shown.e.predicted[-1][i] == shown.e.labels[i]),
            shown.e.z[-1][i].norm(),
        ),
    )
    tab.evaluate(
        "async i => { const x = document.getElementById('explorer').explorer; await x.pick(i); x.player.play(false); x.player.seek(.45) }",
        one,
    )
    tab.wait_for_function("document.querySelectorAll('.near li').length === 8")
    with atomic_write(out) as f:
        Image.open(io.BytesIO(tab.screenshot())).convert("RGB").quantize(
            256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        ).save(f, format="PNG", optimize=True)
    print(f"{out}: {Path(out).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--points", type=int, nargs=2, default=(600, 20_000))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--gpu", action="store_true", help="leave WebGL to the graphics card")
    p.add_argument("--picture", type=Path)
    a = p.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=program, args=[*FLAGS.split(), *([] if a.gpu else SOFTWARE.split())]
        )
        if a.picture:
            picture(browser, folder, a.picture)
        else:
            fluid(browser, folder, a.points, a.rounds)
        browser.close()
