"Remake the picture of README.md from a pre-training run: `make pictures`, or `python bench/pictures.py RUN`"
import sys
from pathlib import Path

import matplotlib
matplotlib.use('agg')
import matplotlib.pyplot as plt
import numpy as np
from torch import nn

from hysp.disk import polar
from hysp.evaluate import features
from hysp.feeder import Dataset
from hysp.plot import class_style, plot_disk, skeleton_strip
from hysp.recipes import load_run

root = Path(__file__).parents[1]
shown = 'kick', 'handshake', 'sit down', 'jumping jack' # Classes whose clips stand beside the disk, where the set has them

def strip(ax, data, k):
    "The first clip of class `k`, its name above it beside the class's marker"
    clip = data.batch([int(np.flatnonzero(data.labels==k)[0])])[0].numpy()
    skeleton_strip(clip, data.layout, 7 if clip.any((0,1,2)).sum()==1 else 4, ax)
    for o in list(ax.texts): o.remove()
    colour,marker,_ = class_style(k)
    ax.set_anchor('W')
    ax.set_title('    '+data.class_names[k], loc='left', size=9)
    ax.plot(.012, 1.09, marker, color=colour, ms=6, transform=ax.transAxes, clip_on=False)

def picture(
    run, # Run folder
    out, # PNG file to write
    split='xsub/val' # Which clips to draw
):
    "Disk on the left, film strips on the right"
    model,about = load_run(run)
    data = Dataset(about['settings']['data'], split)
    z = features(nn.Sequential(model.online_encoder, model.online_projector, model.online_predictor), data, about['spec']['stream'])
    names = [o for o in shown if o in data.class_names] or data.class_names[:4]
    fig = plt.figure(figsize=(11,5), dpi=100, layout='constrained')
    left,right = fig.subfigures(1, 2, width_ratios=[6.3,4.7])
    plot_disk(polar(z), data.labels, data.class_names, ax=left.subplots())
    for ax,name in zip(np.ravel(right.subplots(len(names), 1)), names): strip(ax, data, data.class_names.index(name))
    out.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(out, metadata=dict(Software=None))

if __name__=='__main__': picture(Path(sys.argv[1] if len(sys.argv)>1 else 'runs/demo/run'), root/'nbs'/'images'/'disk.png')
