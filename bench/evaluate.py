"Linear probe on cached features beside one that encodes in every epoch, as the authors' script does: python bench/evaluate.py RUN [DATA]"

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
    sets = [
        Dataset(sys.argv[2] if len(sys.argv) > 2 else about["settings"]["data"], f"xsub/{o}")
        for o in ("train", "val")
    ]
    stream, encoder = about["spec"]["stream"], model.online_encoder.eval()
    (first, a), (other, b) = (timed(features, encoder, o, stream) for o in sets)
    z = a, b
    probe, a = min(
        (timed(linear_probe, z[0], sets[0].labels, z[1], sets[0].classes) for _ in range(3)),
        key=lambda o: o[0],
    )
    slow, b = timed(
        plain.linear_evaluation, lambda x: encoder(to_stream(x, stream, sets[0].layout)), *sets
    )
    a, b = (judge(o, sets[1].labels) for o in (a, b))
    print(f"{len(sets[0])} + {len(sets[1])} clips, 100 epochs, {torch.get_num_threads()} threads")
    print(
        f"features once: {first:.1f} + {other:.1f} s; probe on cached features: {probe:.2f} s; encoding in every epoch: {slow:.1f} s, of which {other:.1f} s for the second set"
    )
    print(
        f"with cached features {slow / probe:.0f} times as fast; training from nothing, the one encoding counted, {(slow - other) / (probe + first):.0f} times; "
        f"the second set, which both encode once, counted too, {slow / (probe + first + other):.0f} times"
    )
    print(
        f"top-1 {100 * a.top1:.1f} and {100 * b.top1:.1f} %; {int((a.pred != b.pred).sum())} of {len(a.pred)} predictions differ"
    )
