"""Seconds and memory of the search for pairs of people, and what candidates alone lose:
python bench/pairs.py [--clips 40000]

Made-up clips: 60 actions, each a smooth movement of every joint, which each of 40 people does at a size and tempo of
their own, with noise; every fifth clip has a second person, as many of NTU RGB+D's have. The recall is that of
`candidates` against a search through all pairs, on as many of the clips as that takes."""

import argparse
import resource
import time

import numpy as np
import torch

from hysp.pairs import find_pairs, short_clips
from hysp.skeleton import get_layout


class MadeUp:
    "Clips as a `feeder.Dataset` hands them out, each made when it is asked for"

    layout = get_layout("ntu-rgb+d")

    def __init__(self, clips, frames=50, actions=60, people=40, seed=0):
        g = np.random.default_rng(seed)
        self.label, self.person = g.integers(actions, size=clips), g.integers(people, size=clips)
        joints = len(self.layout)
        self.place = g.normal(size=(3, 1, joints))
        self.waves = 0.3 * g.normal(size=(actions, 3, 4, joints))
        self.tempo = np.exp(0.2 * g.normal(size=people))
        self.size = np.exp(0.1 * g.normal(size=people))
        self.style = 0.1 * g.normal(size=(people, 3, 4, joints))
        self.frames, self.seed = frames, seed

    def __len__(self):
        return len(self.label)

    def clip(self, i):
        g = np.random.default_rng((self.seed, i))
        who, what = self.person[i], self.label[i]
        tempo = self.tempo[who] * np.exp(0.2 * g.normal())
        t = np.linspace(0, 1, self.frames) ** tempo
        waves = np.sin(np.pi * np.outer(t, np.arange(1, 5)))
        moved = np.einsum("tk,ckv->ctv", waves, self.waves[what] + self.style[who])
        noise = 0.03 * g.normal(size=moved.shape)
        return self.size[who] * (self.place + moved) + noise

    def batches(self, size):
        for start in range(0, len(self), size):
            some = range(start, min(start + size, len(self)))
            x = np.stack([self.clip(i) for i in some]).astype(np.float32)
            x = torch.from_numpy(x)[..., None].expand(-1, -1, -1, -1, 2).clone()
            x[..., 1] += 0.2 * x[..., 0].flip(2)  # the second person does it differently
            x[torch.tensor([i % 5 > 0 for i in some]), ..., 1] = 0
            yield x, np.array(some)


def timed(x, data, **kw):
    begun = time.perf_counter()
    pairs = find_pairs(x, data.layout, data.person[: len(x)], **kw)
    return pairs, time.perf_counter() - begun


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--clips", type=int, default=40_000)
    p.add_argument("--full", type=int, default=4000, help="clips of the comparison with all pairs")
    args = p.parse_args()
    data = MadeUp(args.clips)
    x = short_clips(data)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pairs, seconds = timed(x[:1000], data)
    print(f"1,000 clips, all pairs, one thread: {seconds:.1f} s; {pairs!r}")
    torch.set_num_threads(threads)
    full, seconds = timed(x[: args.full], data, all_pairs=args.full)
    some, less = timed(x[: args.full], data, all_pairs=2)
    recall = torch.isin(full.keys, some.keys).double().mean()
    print(
        f"{args.full:,} clips: all pairs {seconds:.1f} s, candidates {less:.1f} s, recall {recall:.3f}; of one class "
        f"{full.agreement(data.label[: args.full]):.3f} and {some.agreement(data.label[: args.full]):.3f}"
    )
    pairs, seconds = timed(x, data)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{len(x):,} clips of {data.frames} frames, {threads} threads: {seconds:.1f} s, "
        f"{peak:.1f} GB in all; {pairs!r}; of one class {pairs.agreement(data.label):.3f}"
    )


if __name__ == "__main__":
    main()
