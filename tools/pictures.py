"""Remake the pictures of README.md.

python tools/pictures.py                 # nbs/images/disk.png, from the run of `make demo`
python tools/pictures.py RUN             # the same from another run: make pictures RUN=runs/uiprmd
python tools/pictures.py --explorer      # nbs/images/explorer.png, of the run that ships with the package
"""

import argparse
import io
import shutil
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from hysp.core import atomic_write
from hysp.disk import learned
from hysp.embeddings import scene
from hysp.evaluate import features, merge_classes
from hysp.explore import explorer_page
from hysp.feeder import Dataset
from hysp.plot import plot_disk
from hysp.plot_skeleton import skeleton_strip
from hysp.runs import example, load_run
from hysp.style import class_style

images = Path(__file__).parents[1] / "nbs" / "images"

# The disk

# Classes whose clips stand beside the disk, where the set has them
shown = "kick", "handshake", "sit down", "jumping jack"


def strip(ax, data, labels, label, name):
    "The first clip of a class, its name above it beside the class's marker"
    first = int(np.flatnonzero(labels == label)[0])
    clip = data.batch([first])[0].numpy()
    alone = clip.any((0, 1, 2)).sum() == 1
    skeleton_strip(clip, data.layout, 7 if alone else 4, ax)
    for text in list(ax.texts):
        text.remove()
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.1 * (high - low))  # Room for the head
    ax.set_anchor("W")
    ax.set_title("    " + name, loc="left", size=9)
    colour, marker, _ = class_style(label)
    ax.plot(0.012, 1.09, marker, color=colour, ms=6, transform=ax.transAxes, clip_on=False)


def disk_picture(
    run,  # Run folder
    out,  # PNG file to write
    split="xsub/val",  # Clips to draw
):
    "Disk on the left, film strips on the right; classes whose names agree up to a comma are one"
    model, about = load_run(run)
    data = Dataset(about["settings"]["data"], split)
    z = features(model.online, data, about["spec"]["stream"])
    merged, names = merge_classes(data.class_names, ", ")
    labels = merged[data.labels]
    beside = [name for name in shown if name in names] or names[:4]

    fig = plt.figure(figsize=(12.8, 5), dpi=90, layout="constrained")
    left, right = fig.subfigures(1, 2, width_ratios=[8.4, 4.2])
    plot_disk(learned(z, labels), labels, names, ax=left.subplots())
    for ax, name in zip(np.ravel(right.subplots(len(beside), 1)), beside):
        strip(ax, data, labels, names.index(name), name)
    out.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(out, metadata=dict(Software=None))


# The explorer

BROWSER_FLAGS = (
    "--no-sandbox --disable-background-networking --disable-component-update --disable-sync "
    "--disable-gpu --use-gl=swiftshader --enable-unsafe-swiftshader"
)
CHOOSE = """async i => {
    const explorer = document.getElementById('explorer').explorer
    await explorer.pick(i)
    explorer.player.play(false)
    explorer.player.seek(.45)
}"""


def farthest(embeddings, class_name):
    "Position of the clip of a class that is recognised and lies farthest from the centre"
    label = embeddings.class_names.index(class_name)
    labels = np.asarray(embeddings.labels)
    recognised = (labels == label) & (np.asarray(embeddings.predicted[-1]) == label)
    return int(np.argmax(embeddings.z[-1].norm(dim=-1).numpy() * recognised))


def explorer_picture(out):
    "The example as the page shows it, a clip of two people chosen"
    shown = scene(example())
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        page = explorer_page(Path(folder) / "example.html", shown, title="example")
        browser = play.chromium.launch(executable_path=program, args=BROWSER_FLAGS.split())
        tab = browser.new_context(viewport=dict(width=1280, height=800)).new_page()
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready=yes]")
        tab.evaluate(CHOOSE, farthest(shown.e, "high five"))
        tab.wait_for_function("document.querySelectorAll('.near li').length === 8")
        taken = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
        browser.close()
    few = taken.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    with atomic_write(out) as f:
        few.save(f, format="PNG", optimize=True)
    print(f"{out}: {Path(out).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("run", type=Path, nargs="?", default=Path("runs/demo/run"))
    p.add_argument("--explorer", action="store_true", help="the explorer instead of the disk")
    args = p.parse_args()
    if args.explorer:
        explorer_picture(images / "explorer.png")
    else:
        disk_picture(args.run, images / "disk.png")
