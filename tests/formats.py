"""A small made-up tree in each format that a reader knows: one writer a format

`formats[name].plant(folder)` writes the tree and returns its clips; `bench/fuzz.py` spoils such trees."""

import csv
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from hysp.formats import open_source
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


def made_up(layout, clips=2, frames=4, seed=0):
    "Clips of two actions in turn, of a new subject after each two"
    g = np.random.default_rng(seed)
    joints = len(get_layout(layout))
    pose = g.uniform(-1, 1, (joints, 3))
    made = []
    for i in range(clips):
        x = pose + 0.2 * g.normal(size=(frames, joints, 3)).cumsum(0)
        made.append(Made(i % 2, 1 + i // 2, 1, x.round(6)))
    return made


@dataclass(frozen=True)
class Format:
    "How to write a tree in a format, and how to read it"

    kind: str  # Its name for `hysp prepare`
    layout: str  # Skeleton of the clips
    write: Callable  # `write(folder, clips)`
    options: dict = field(default_factory=dict)  # Arguments of the reader
    file: str = ""  # What in the folder is read; empty: the folder
    flat: bool = False  # Are there no depths?
    scale: float = 1.0  # The file holds `scale * x + shift`
    shift: float = 0.0
    hips_at_0: bool = False  # Does the file place the middle of the hips at the origin?

    def plant(self, folder, clips=2, frames=4):
        "Write a tree; returns its clips, in the numbers of the files"
        made = []
        for clip in made_up(self.layout, clips, frames):
            x = (self.scale * clip.x + self.shift).round(6)
            if self.hips_at_0:
                x -= x[:, list(get_layout(self.layout).hips)].mean(1, keepdims=True)
            x[..., 2] *= not self.flat
            made.append(replace(clip, x=x))
        folder.mkdir(parents=True, exist_ok=True)
        self.write(folder, made)
        return made

    def read(self, folder):
        return open_source(self.kind, [folder / self.file], **self.options)


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
    "In turn a table and an array"
    names = [f"body_{joint.replace(' ', '_')}" for joint in get_layout("mediapipe").joints]
    for clip in clips:
        out = folder / f"{clip.place}/output_data"
        if clip.label:
            out.mkdir(parents=True, exist_ok=True)
            np.save(out / "mediapipe_body_3d_xyz.npy", clip.x)
        else:
            rows = [columns_of(names, *"xyz"), *clip.x.reshape(len(clip.x), -1).tolist()]
            write_rows(out / "mediapipe_body_3d_xyz.csv", rows)


# Keypoints: JSON and text


def with_score(frame):
    "x, y and a confidence of each joint, in one list"
    return np.insert(frame[:, :2], 2, 0.9, 1).round(6).ravel().tolist()


def write_json(path, content):
    write_file(path, json.dumps(content))


def write_openpose(folder, clips):
    for clip in clips:
        for t, frame in enumerate(clip.x):
            people = [dict(person_id=[-1], pose_keypoints_2d=with_score(frame))]
            path = folder / clip.place / f"v_{t:012}_keypoints.json"
            write_json(path, dict(version=1.3, people=people))


def write_mmpose(folder, clips):
    "What MMPose's demo writes: frames with their instances"
    for clip in clips:
        frames = []
        for t, frame in enumerate(clip.x):
            scores = [0.8] * len(frame)
            person = dict(keypoints=frame[:, :2].tolist(), keypoint_scores=scores)
            frames.append(dict(frame_id=t, instances=[person]))
        write_json(folder / f"{clip.place}.json", dict(meta_info={}, instance_info=frames))


def write_alphapose(folder, clips):
    for clip in clips:
        results = []
        for t, frame in enumerate(clip.x):
            joints = with_score(frame)
            results.append(dict(image_id=f"{t}.jpg", keypoints=joints, score=2.5, idx=1))
        write_json(folder / f"{clip.place}/alphapose-results.json", results)


def write_yolo(folder, clips):
    for clip in clips:
        for t, frame in enumerate(clip.x):
            joints = " ".join(map(str, with_score(frame)))
            write_lines(folder / clip.place / f"v_{t}.txt", [f"0 .5 .5 .1 .2 {joints}"])


def write_azure(folder, clips):
    for clip in clips:
        frames = []
        for t, frame in enumerate(clip.x):
            bodies = [dict(body_id=1, joint_positions=frame.tolist())]
            frames.append(dict(frame_id=t, timestamp_usec=33_333 * t, bodies=bodies))
        write_json(folder / f"{clip.place}.json", dict(frames=frames))


# Motion capture


def write_bvh(folder, clips):
    "No joint is bent: each has three channels for where it is from its parent"
    layout = get_layout("common-15")

    def block(joint):
        kind = "ROOT" if joint == layout.root else "JOINT"
        lines = [f"{kind} {layout.joints[joint].replace(' ', '_')}", "{", "OFFSET 0 0 0"]
        lines.append("CHANNELS 3 Xposition Yposition Zposition")
        for child, parent in layout.bones:
            if parent == joint:
                lines += block(child)
        if joint not in layout.parents:
            lines += ["End Site", "{", "OFFSET 0 0 0", "}"]
        return [*lines, "}"]

    def in_file_order(joint):
        found = [joint]
        for child, parent in layout.bones:
            found += in_file_order(child) if parent == joint else []
        return found

    for clip in clips:
        local = clip.x.copy()
        for joint, parent in layout.bones:
            local[:, joint] -= clip.x[:, parent]
        rows = local[:, in_file_order(layout.root)].reshape(len(local), -1)
        motion = ["MOTION", f"Frames: {len(rows)}", "Frame Time: 0.033333"]
        lines = ["HIERARCHY", *block(layout.root), *motion]
        lines += [" ".join(f"{value:.6f}" for value in row) for row in rows]
        write_lines(folder / f"{clip.place}.bvh", lines)


def write_trc(folder, clips):
    joints = get_layout("common-15").joints
    keys = "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame".split()
    for clip in clips:
        frames = len(clip.x)
        values = [30, 30, frames, len(joints), "mm", 30, 1]
        names = ["Frame#", "Time"]
        axes = ["", ""]
        for i, joint in enumerate(joints, 1):
            names += [joint.replace(" ", "_"), "", ""]
            axes += [f"{axis}{i}" for axis in "XYZ"]
        table = [["PathFileType", 4, "(X/Y/Z)", "a.trc"], keys, values, names, axes, []]
        for t, frame in enumerate(clip.x.reshape(frames, -1), 1):
            table.append([t, f"{t / 30:.3f}", *(f"{value:.6f}" for value in frame)])
        write_lines(folder / f"{clip.place}.trc", ["\t".join(map(str, row)) for row in table])


def write_txt(folder, clips):
    for clip in clips:
        rows = clip.x.reshape(len(clip.x), -1)
        lines = [" ".join(f"{value:.6f}" for value in row) for row in rows]
        write_lines(folder / f"{clip.place}.txt", lines)


# Arrays and pickles


def write_npy(folder, clips):
    for clip in clips:
        file = folder / f"{clip.place}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, clip.x)


def write_humanml3d(folder, clips):
    listed = [("file", "label", "subject")]
    (folder / "new_joints").mkdir(exist_ok=True)
    for i, clip in enumerate(clips):
        np.save(folder / f"new_joints/{i:06}.npy", clip.x.astype(np.float32))
        listed.append((f"{i:06}.npy", actions[clip.label], clip.subject))
    write_rows(folder / "new_joints/clips.csv", listed)


def write_pyskl(folder, clips):
    names = [f"S001C001P{o.subject:03}R{o.take:03}A{o.label + 1:03}" for o in clips]
    annotations = []
    for name, clip in zip(names, clips):
        annotations.append(
            dict(
                frame_dir=name,
                label=clip.label,
                img_shape=(1080, 1920),
                original_shape=(1080, 1920),
                total_frames=len(clip.x),
                keypoint=clip.x[None, ..., :2].astype(np.float32),
                keypoint_score=np.full((1, *clip.x.shape[:2]), 0.9, np.float32),
            )
        )
    half = len(names) // 2
    split = dict(xsub_train=names[:half], xsub_val=names[half:])
    write_file(folder / "ntu60_2d.pkl", pickle.dumps(dict(split=split, annotations=annotations)))


# All of them

by_path = dict(naming="{label}/p{subject}_{*}")
in_pixels = dict(flat=True, scale=100, shift=500)
in_parts = dict(flat=True, scale=0.1, shift=0.5)

formats = {
    "ntu": Format("ntu60", "ntu-rgb+d", write_ntu),
    "pku": Format("pku1", "ntu-rgb+d", write_pku),
    "uiprmd": Format("uiprmd", "ui-prmd", write_uiprmd),
    "arrays": Format("arrays", "coco", write_arrays, file="own.npz"),
    "csv": Format("csv", "coco", write_csv, dict(layout="coco")),
    "npy": Format("npy", "coco", write_npy, dict(layout="coco", **by_path)),
    "txt": Format("txt", "coco", write_txt, dict(layout="coco", **by_path)),
    "pyskl": Format("pyskl", "coco", write_pyskl, file="ntu60_2d.pkl", **in_pixels),
    "humanml3d": Format("humanml3d", "smpl-22", write_humanml3d),
    "openpose": Format("openpose", "body-25", write_openpose, by_path, **in_pixels),
    "mmpose": Format("coco", "coco", write_mmpose, by_path, **in_pixels),
    "alphapose": Format("alphapose", "halpe-26", write_alphapose, by_path, **in_pixels),
    "yolo": Format("yolo", "coco", write_yolo, by_path, **in_parts),
    "azure": Format("azure", "azure-32", write_azure, by_path, scale=1000),
    "mediapipe": Format("mediapipe", "mediapipe", write_mediapipe, by_path, hips_at_0=True),
    "freemocap": Format(
        "freemocap",
        "mediapipe",
        write_freemocap,
        dict(naming="{label}/p{subject}_{*}/output_data/{*}"),
        scale=1000,
    ),
    "bvh": Format("bvh", "common-15", write_bvh, by_path),
    "trc": Format("trc", "common-15", write_trc, by_path, scale=1000),
}

# What a file may be called

odd_names = (
    b"w\xe9",
    b"a\rb",
    b"a\nb",
    b"\x1b[31m",
    b"$HOME",
    b"$(ls)",
    b"=1+1",
    b"+cmd",
    b"-x",
    b"@x",
    b"'=x",
    b'a,"b"',
    b" x ",
    b"x" * 240,
    "手٣".encode(),
)
