"""Which way of turning and scaling serves one's own sets: raw coordinates judged after each, on training people only.

    python bench/preparation.py kard.npz msraction3d.npz uiprmd_kinect.npz

Each set is prepared with 16 frames in six ways. Of its people only 1 3 5 7 9 are looked at, those that train: 7 and 9,
then 1 and 5, then 3 and 9 are left out in turn and asked about. Printed are percentages right, the mean of the three
turns. It takes about a minute on one core."""

import argparse
import itertools
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hysp.feeder import Dataset
from hysp.prepare import prepare, normalizers
from hysp.readers import arrays

people = (1, 3, 5, 7, 9)
left_out = ((7, 9), (1, 5), (3, 9))
judges = {
    "1-NN cosine": make_pipeline(
        StandardScaler(with_std=False), KNeighborsClassifier(1, metric="cosine")
    ),
    "1-NN euclidean": KNeighborsClassifier(1),
    "linear": make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)),
}


def accuracies(dataset):
    "Percentage right of each judge, mean over the people left out"
    subject = np.array(dataset.columns["subject"])
    x = np.asarray(dataset.position).reshape(len(dataset), -1)
    right = {name: [] for name in judges}
    for asked in left_out:
        test = np.isin(subject, asked)
        train = np.isin(subject, people) & ~test
        for name, judge in judges.items():
            judge.fit(x[train], dataset.labels[train])
            right[name].append(judge.score(x[test], dataset.labels[test]))
    return {name: 100 * np.mean(shares) for name, shares in right.items()}


if __name__ == "__main__":
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("files", type=Path, nargs="+", help="npz files that hysp prepare arrays reads")
    p.add_argument("--frames", type=int, default=16)
    args = p.parse_args()
    rows = {}
    for file, align, scale in itertools.product(
        args.files, normalizers["align"], normalizers["scale"]
    ):
        with tempfile.TemporaryDirectory() as folder:
            out = prepare(
                arrays(file),
                Path(folder) / "set",
                args.frames,
                align=align,
                scale=scale,
                workers=1,
                progress=False,
            )
            rows[file.stem, align, scale] = accuracies(Dataset(out))
    print(f"| set | align | scale | {' | '.join(judges)} |")
    print("|---" * (3 + len(judges)) + "|")
    for names, row in rows.items():
        figures = " | ".join(f"{value:.1f}" for value in row.values())
        print(f"| {' | '.join(names)} | {figures} |")
    for align, scale in itertools.product(normalizers["align"], normalizers["scale"]):
        some = [list(row.values()) for names, row in rows.items() if names[1:] == (align, scale)]
        mean = " | ".join(f"{value:.1f}" for value in np.mean(some, 0))
        print(f"| mean | {align} | {scale} | {mean} |")
