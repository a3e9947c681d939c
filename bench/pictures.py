"Remake the picture of README.md from a pre-training run: `make pictures`, or `python bench/pictures.py RUN`"

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np

from hysp.disk import polar
from hysp.evaluate import features, groups
from hysp.feeder import Dataset
from hysp.plot import class_style, plot_disk, skeleton_strip
from hysp.runs import load_run

root = Path(__file__).parents[1]
shown = (
    "kick",
    "handshake",
    "sit down",
    "jumping jack",
)  # Classes whose clips stand beside the disk, where the set has them


def strip(ax, data, labels, k, name):
    "The first clip of class `k`, its name above it beside the class's marker"
    clip = data.batch([int(np.flatnonzero(labels == k)[0])])[0].numpy()
    skeleton_strip(clip, data.layout, 7 if clip.any((0, 1, 2)).sum() == 1 else 4, ax)
    for o in list(ax.texts):
        o.remove()
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.1 * (high - low))  # Room for the head
    colour, marker, _ = class_style(k)
    ax.set_anchor("W")
    ax.set_title("    " + name, loc="left", size=9)
    ax.plot(0.012, 1.09, marker, color=colour, ms=6, transform=ax.transAxes, clip_on=False)


def picture(
    run,  # Run folder
    out,  # PNG file to write
    split="xsub/val",  # Which clips to draw
):
    "Disk on the left, film strips on the right; classes whose names agree up to a comma are one"
    model, about = load_run(run)
    data = Dataset(about["settings"]["data"], split)
    z = features(model.online, data, about["spec"]["stream"])
    merged, names = groups(data.class_names, ", ")
    labels, some = merged[data.labels], [o for o in shown if o in names] or names[:4]
    fig = plt.figure(figsize=(12.8, 5), dpi=90, layout="constrained")
    left, right = fig.subfigures(1, 2, width_ratios=[8.4, 4.2])
    plot_disk(polar(z, labels), labels, names, ax=left.subplots())
    for ax, name in zip(np.ravel(right.subplots(len(some), 1)), some):
        strip(ax, data, labels, names.index(name), name)
    out.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(out, metadata=dict(Software=None))


if __name__ == "__main__":
    picture(
        Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo/run"),
        root / "nbs" / "images" / "disk.png",
    )
