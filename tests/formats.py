"""A small made-up tree in each format that a reader knows: one writer a format

`formats[name].plant(folder)` writes the tree and returns its clips; `bench/fuzz.py` spoils such trees."""

import csv
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hysp.kinect import ntu, pku
from hysp.landmarks import freemocap, mediapipe
from hysp.readers import arrays, csv_folder, uiprmd
from hysp.skeleton import get_layout

actions = "wave", "clap"


@dataclass(frozen=True)
class Made:
    "A made-up clip"

    label: int  # Number of its action
    subject: int  # From 1
    take: int  # From 1
    x: np.ndarray  # Shape (T, V, 3)

    @property
    def place(self):
        return f"{actions[self.label]}/p{self.subject}_{self.take}"


def made_up(layout, clips=2, frames=4, flat=False, seed=0):
    "Clips of two actions in turn, of a new subject after each two"
    g = np.random.default_rng(seed)
    joints = len(get_layout(layout))
    pose = g.uniform(-1, 1, (joints, 3))
    made = []
    for i in range(clips):
        x = pose + 0.2 * g.normal(size=(frames, joints, 3)).cumsum(0)
        x[..., 2] *= not flat
        made.append(Made(i % 2, 1 + i // 2, 1, x.round(6)))
    return made


@dataclass(frozen=True)
class Format:
    "How to write a tree, how to read it, and what one types"

    layout: str  # Skeleton of the clips
    write: Callable  # `write(folder, clips)`
    read: Callable  # `read(folder)` gives a `Source`
    flat: bool = False  # Are there no depths?

    def plant(self, folder, clips=2, frames=4):
        made = made_up(self.layout, clips, frames, self.flat)
        folder.mkdir(parents=True, exist_ok=True)
        self.write(folder, made)
        return made


def write_file(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content)


def write_lines(path, lines):
    write_file(path, "".join(f"{line}\n" for line in lines))


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)


def columns_of(names, *parts):
    "A column for each part of each name"
    heads = []
    for name in names:
        heads += [f"{name}_{part}" for part in parts]
    return heads


# The sets of Kinect


def write_ntu(folder, clips):
    for clip in clips:
        lines = [len(clip.x)]
        for frame in clip.x:
            lines += [1, "72057594037931101 0 1 1 1 1 0 0.02 0.05 2", 25]
            for x, y, z in frame:
                lines.append(
                    f"{x:.6f} {y:.6f} {z:.6f} 277.4 191.8 1036.2 519.2 -0.2 0.04 0.9 0.1 2"
                )
        name = f"S001C001P{clip.subject:03}R{clip.take:03}A{clip.label + 1:03}.skeleton"
        write_lines(folder / name, lines)


def write_pku(folder, clips):
    "One recording holds all clips"
    rows = []
    labels = []
    for clip in clips:
        labels.append(f"{clip.label + 1},{len(rows) + 1},{len(rows) + len(clip.x)},2")
        both = np.stack([clip.x, np.zeros_like(clip.x)], 1)
        rows += [" ".join(f"{value:.6f}" for value in frame.ravel()) for frame in both]
    write_lines(folder / "skeleton/0002-L.txt", rows)
    write_lines(folder / "label/0002-L.txt", labels)
    split = ["Training videos:", "0002-L", "Validation videos:", "0003-M"]
    write_lines(folder / "cross-subject.txt", split)


def write_uiprmd(folder, clips):
    "No angle is bent, so a joint lies where its parent lies and its own offset"
    parents = get_layout("ui-prmd").parents
    for clip in clips:
        offsets = 100 * np.stack(
            [clip.x[:, v] - (clip.x[:, p] if p >= 0 else 0) for v, p in enumerate(parents)], 1
        )
        name = f"m{clip.label + 1:02}_s{clip.subject:02}_e{clip.take:02}"
        where = folder / "Segmented Movements" / "Kinect"
        for kind, values in (("Positions", offsets), ("Angles", 0 * offsets)):
            rows = [",".join(f"{value:.6f}" for value in frame.ravel()) for frame in values]
            write_lines(where / kind / f"{name}_{kind.lower()}.txt", rows)


# One's own


def write_arrays(folder, clips):
    layout = get_layout("coco")
    np.savez(
        folder / "own.npz",
        frames=np.concatenate([clip.x for clip in clips]),
        offsets=np.cumsum([0, *(len(clip.x) for clip in clips)]),
        label=[clip.label for clip in clips],
        subject=[clip.subject for clip in clips],
        class_names=actions,
        joint_names=layout.joints,
        parents=layout.parents,
        fps=30,
    )


def write_csv(folder, clips):
    "Files with a heading and a table beside them, with a column of frames and of bodies"
    heads = columns_of(get_layout("coco").joints, *"xyz")
    listed = [("file", "label", "subject", "replication")]
    for clip in clips:
        rows = [["frame", "body", *heads]]
        for i, frame in enumerate(clip.x):
            rows.append([i, "anna", *frame.ravel()])
        write_rows(folder / f"{clip.place}.csv", rows)
        listed.append((f"{clip.place}.csv", actions[clip.label], clip.subject, clip.take))
    write_rows(folder / "clips.csv", listed)


# Landmarks


def landmark_rows(clip):
    "Rows of a wide table: frame, then x, y, z and visibility of each landmark"
    for t, frame in enumerate(clip.x):
        yield [t, *np.pad(frame, ((0, 0), (0, 1)), constant_values=0.9).ravel()]


def write_mediapipe(folder, clips):
    "In turn a wide and a long table"
    joints = get_layout("mediapipe").joints
    names = [joint.replace(" ", "_").upper() for joint in joints]
    for clip in clips:
        rows = [["frame", *columns_of(names, "x", "y", "z", "visibility")], *landmark_rows(clip)]
        if clip.label:
            rows = [["frame", "landmark", "x", "y", "z", "visibility"]]
            for t, frame in enumerate(clip.x):
                rows += [[t, i, *landmark, 0.9] for i, landmark in enumerate(frame)]
        write_rows(folder / f"{clip.place}.csv", rows)


def write_freemocap(folder, clips):
    "In turn a table and an array, in millimetres"
    names = [f"body_{joint.replace(' ', '_')}" for joint in get_layout("mediapipe").joints]
    for clip in clips:
        out = folder / f"{clip.place}/output_data"
        millimetres = 1000 * clip.x
        if clip.label:
            out.mkdir(parents=True, exist_ok=True)
            np.save(out / "mediapipe_body_3d_xyz.npy", millimetres)
        else:
            rows = [columns_of(names, *"xyz"), *millimetres.reshape(len(clip.x), -1).tolist()]
            write_rows(out / "mediapipe_body_3d_xyz.csv", rows)


formats = {
    "ntu": Format("ntu-rgb+d", write_ntu, ntu),
    "pku": Format("ntu-rgb+d", write_pku, pku),
    "uiprmd": Format("ui-prmd", write_uiprmd, uiprmd),
    "arrays": Format("coco", write_arrays, lambda folder: arrays(folder / "own.npz")),
    "csv": Format("coco", write_csv, lambda folder: csv_folder(folder, "coco")),
    "mediapipe": Format("mediapipe", write_mediapipe, mediapipe),
    "freemocap": Format("mediapipe", write_freemocap, freemocap),
}
