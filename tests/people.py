"""Made-up people who do things with one hand, for several files of tests

Each thing is a path of the hand, each person has a tempo and a size."""

import itertools

import numpy as np
import torch

from hysp.augment import reflect
from hysp.prepare import prepare
from hysp.readers import arrays
from hysp.skeleton import layouts

layout = layouts["coco"]
wrist = layout.joints.index("right wrist")
elbow = layout.joints.index("right elbow")


def paths(actions, seed=0):
    "Where the hand goes in each action: three waves along each axis, shape (actions, 3, 3)"
    g = torch.Generator().manual_seed(seed)
    return torch.randn(actions, 3, 3, generator=g) / torch.arange(1, 4)


def made_up(actions=4, people=4, takes=2, frames=12, left=(), seed=0, spread=0.02):
    "Clips (N, 3, T, V, 1), their actions and their people (from 1); those in `left` use that hand"
    g = torch.Generator().manual_seed(seed)
    pose = torch.randn(1, 3, 1, len(layout), 1, generator=torch.Generator().manual_seed(9)) / 3
    pose = (pose + reflect(pose, layout)) / 2
    waves = paths(actions)
    clips = []
    everything = itertools.product(range(1, people + 1), range(actions), range(takes))
    about = [(action, person) for person, action, _ in everything]
    tempo = torch.exp(0.2 * torch.randn(people + 1, generator=g)).tolist()
    size = torch.exp(0.1 * torch.randn(people + 1, generator=g)).tolist()
    for action, person in about:
        t = torch.linspace(0, 1, frames) ** tempo[person]
        angle = torch.pi * torch.arange(1, 4)[:, None] * t
        moved = waves[action] @ torch.sin(angle)
        clip = pose[0].repeat(1, frames, 1, 1)
        clip[:, :, wrist, 0] += moved
        clip[:, :, elbow, 0] += moved / 2
        clip = size[person] * clip + spread * torch.randn(clip.shape, generator=g)
        clips.append(reflect(clip[None], layout)[0] if person in left else clip)
    label, person = torch.tensor(about).T
    return torch.stack(clips), label, person


def write(folder, x, label, person=None, **kw):
    "A dataset folder of these clips as they are"
    N, _, T, _, M = x.shape
    frames = x.permute(0, 2, 4, 3, 1).reshape(N * T, M, len(layout), 3).numpy()
    who = {} if person is None else dict(subject=np.asarray(person))
    file = folder.with_suffix(".npz")
    np.savez(
        file,
        frames=frames,
        offsets=np.arange(N + 1) * T,
        label=np.asarray(label),
        joint_names=layout.joints,
        parents=layout.parents,
        **who,
    )
    as_is = dict(centre=False, align="none", scale="none", workers=1, progress=False)
    return prepare(arrays(file), folder, frames=T, **as_is | kw)
