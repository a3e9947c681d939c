"""Linear probe on cached features beside one that encodes in every epoch, as the authors' script does:

python bench/evaluate.py RUN [DATA]"""

import sys
import time

import plain
import torch

from hysp.evaluate import features, judge, linear_probe
from hysp.feeder import Dataset
from hysp.runs import load_run
from hysp.skeleton import stream as to_stream


def timed(f, *args):
    start = time.perf_counter()
    found = f(*args)
    return time.perf_counter() - start, found


if __name__ == "__main__":
    model, about = load_run(sys.argv[1])
    data = sys.argv[2] if len(sys.argv) > 2 else about["settings"]["data"]
    train, val = Dataset(data, "xsub/train"), Dataset(data, "xsub/val")
    stream = about["spec"]["stream"]
    encoder = model.online_encoder.eval()

    first, z_train = timed(features, encoder, train, stream)
    other, z_val = timed(features, encoder, val, stream)
    probes = [timed(linear_probe, z_train, train.labels, z_val, train.classes) for _ in range(3)]
    probe, scores = min(probes, key=lambda timed: timed[0])
    slow, plain_scores = timed(
        plain.linear_evaluation, lambda x: encoder(to_stream(x, stream, train.layout)), train, val
    )
    ours, theirs = judge(scores, val.labels), judge(plain_scores, val.labels)
    differ = int((ours.pred != theirs.pred).sum())
    print(f"{len(train)} + {len(val)} clips, 100 epochs, {torch.get_num_threads()} threads")
    print(
        f"features once: {first:.1f} + {other:.1f} s; probe on cached features: {probe:.2f} s; "
        f"encoding in every epoch: {slow:.1f} s, of which {other:.1f} s for the second set"
    )
    print(
        f"with cached features {slow / probe:.0f} times as fast; training from nothing, the one "
        f"encoding counted, {(slow - other) / (probe + first):.0f} times; the second set, "
        f"which both encode once, counted too, {slow / (probe + first + other):.0f} times"
    )
    print(
        f"top-1 {100 * ours.top1:.1f} and {100 * theirs.top1:.1f} %; "
        f"{differ} of {len(ours.pred)} predictions differ"
    )
