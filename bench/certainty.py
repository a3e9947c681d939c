"What the radius of runs knows beside what costs nothing: python bench/certainty.py RUN [RUN ...] [--twin RUN ...]"

import argparse

import torch

from hysp.protocols import assess_radius
from hysp.runs import open_checkpoints, open_data

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("runs", nargs="+", help="run folders, such as of three seeds")
parser.add_argument("--twin", nargs="*", default=[], help="the same without the ball, as many")
parser.add_argument("--protocol", default="xsub")
parser.add_argument("--whole", action="store_true", help="print the whole report of each run")


def told(value, low, high):
    "A figure with its interval"
    return f"{value:.3f} ({low:.3f}–{high:.3f})"


def main(args):
    torch.set_num_threads(1)
    parts = f"{args.protocol}/train", f"{args.protocol}/val"
    for i, run in enumerate(args.runs):
        model = open_checkpoints(run)[-1]
        twin = open_checkpoints(args.twin[i])[-1][0] if args.twin else None
        sets = open_data(model, None, *parts)
        report, _ = assess_radius([model], sets, twin=twin)
        print(f"{run}\n{report}" if args.whole else f"{run}: AUROC of the probe | of 1-NN")
        for scope in report.scopes if not args.whole else []:
            print(f"  {scope.name}, {scope.n} clips, {scope.accuracy:.1%} right: {scope.sign()}")
            for name, figures in scope.figures.items():
                probe, nearest = (told(*figures[figure]) for figure in ("AUROC", "R-AUROC"))
                print(f"    {name:31}{probe} | {nearest}")


if __name__ == "__main__":
    main(parser.parse_args())
