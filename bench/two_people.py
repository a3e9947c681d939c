"""Whose centre goes to the origin where two people act together: raw coordinates judged after each way.

    python bench/two_people.py --clips 300

No real two-person set is at hand, so the people are made up (`hysp.synthetic`, hard), in the actions that two do
together. Of ten people two are left out and asked about, three times over. Printed are percentages right, the mean of
three seeds and three turns. It takes a minute on one core."""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from preparation import judges

from hysp.feeder import Dataset
from hysp.prepare import centres, prepare
from hysp.synthetic import actions, generate

left_out = ((7, 9), (1, 5), (3, 10))
seeds = (0, 1, 2)


def accuracies(dataset):
    "Percentage right of each judge, mean over the people left out"
    subject = np.array(dataset.columns["subject"])
    x = np.asarray(dataset.position).reshape(len(dataset), -1)
    right = {name: [] for name in judges}
    for asked in left_out:
        test = np.isin(subject, asked)
        for name, judge in judges.items():
            judge.fit(x[~test], dataset.labels[~test])
            right[name].append(judge.score(x[test], dataset.labels[test]))
    return [100 * np.mean(shares) for shares in right.values()]


if __name__ == "__main__":
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--clips", type=int, default=300)
    args = p.parse_args()
    names = [name for name, action in actions.items() if action.partner]
    print(f"{len(names)} actions: {', '.join(names)}")
    print(f"| centre | align | {' | '.join(judges)} |")
    print("|---" * (2 + len(judges)) + "|")
    for centre in centres:
        for align in ("clip", "frame", "none"):
            rows = []
            for seed in seeds:
                source = generate(args.clips, names, subjects=10, seed=seed)
                steps = dict(centre=centre, align=align, workers=1, progress=False)
                with tempfile.TemporaryDirectory() as folder:
                    out = prepare(source, Path(folder) / "set", **steps)
                    rows.append(accuracies(Dataset(out)))
            figures = " | ".join(f"{value:.1f}" for value in np.mean(rows, 0))
            print(f"| {centre} | {align} | {figures} |", flush=True)
