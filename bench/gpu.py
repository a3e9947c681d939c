"""Pre-training on a GPU: the plain loop in fp32, fed by worker processes, beside ours in bf16 with data and views on
the device.

    python bench/gpu.py    # the paper's size: batch 512, width 64/1024; some 20 minutes
    python bench/gpu.py --device cpu --steps 2 --timed 1 --batch 8 --clips 32 --width 8 --out-dim 32 \\
        --workers 0        # to see it work

Clips are made up, in the shape of NTU RGB+D. It was written where no GPU was at hand: all that is known of it is that
it runs on a CPU."""

import argparse
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import plain
import torch
from speed import clips
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from hysp.augment import Normal, Strong
from hysp.core import atomic_write, write_table
from hysp.losses import curriculum_loss
from hysp.models import HYSP
from hysp.optim import make_optimizer

epoch = 40_091  # Clips of NTU-60 xsub/train
# TFLOP/s in bf16, dense, as their makers say
peaks = dict(H200=989, H100=989, A100=312, L40=181, L4=121, A10=125, RTX=165)

# The plain loop: a numpy function a clip in worker processes, fp32, every body


class Views(Dataset):
    def __init__(self, x):
        self.x = x.numpy()
        self.strong = Strong("ntu-rgb+d")
        self.mirror = list(self.strong.layout.mirror)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        g = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        drawn = plain.rows(self.strong.sample(1, self.x.shape[2], g), 1)[0]
        rng = np.random.default_rng()
        strong = plain.strong_view(self.x[i], drawn, self.mirror, 0.01, rng, False)
        return strong, plain.normal_view(self.x[i], drawn).astype(np.float32)


def endless(loader):
    while True:
        yield from loader


def plain_loop(args, x):
    torch.manual_seed(0)
    model = plain.HYSP(args.width, args.out_dim).to(args.device).train()
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], 0.01, momentum=0.9, weight_decay=1e-4
    )
    feed = endless(
        DataLoader(
            Views(x),
            args.batch,
            shuffle=True,
            drop_last=True,
            num_workers=args.workers,
            persistent_workers=args.workers > 0,
        )
    )

    def step():
        views = [view.to(args.device) for view in next(feed)]
        return plain.step(model, optimizer, *views)

    return step


# Ours


def feed(args, x, where, g):
    "Batches without end, from the device's own memory, or from pinned memory while the last one is worked on"
    cuda = torch.device(args.device).type == "cuda"
    if where == "device":
        x = x.to(args.device)
    order = torch.Generator(g.device if where == "device" else "cpu").manual_seed(0)

    def some():
        return x[torch.randint(len(x), (args.batch,), generator=order, device=order.device)]

    if where == "device":
        while True:
            yield some()
    stream = torch.cuda.Stream() if cuda else None

    def ahead():
        y = some()
        with torch.cuda.stream(stream) if cuda else nullcontext():
            return y.pin_memory().to(args.device, non_blocking=True) if cuda else y

    soon = ahead()
    while True:
        if cuda:
            torch.cuda.current_stream().wait_stream(stream)
            soon.record_stream(torch.cuda.current_stream())
        now, soon = soon, ahead()
        yield now


def our_loop(args, x, precision="bf16", where="device"):
    torch.manual_seed(0)
    model = HYSP(hidden=args.width, out=args.out_dim).to(args.device).train()
    optimizer = make_optimizer([p for p in model.parameters() if p.requires_grad], "sgd", lr=0.01)
    strong = Strong("ntu-rgb+d")
    normal = Normal("ntu-rgb+d")
    g = torch.Generator(args.device).manual_seed(0)
    batches = feed(args, x, where, g)

    def step():
        b = next(batches)
        views = strong(b, g), normal(b, g)
        with torch.autocast(
            torch.device(args.device).type, torch.bfloat16, enabled=precision == "bf16"
        ):
            pairs = model(*views)
        loss = sum(curriculum_loss(*p, 0.5, geometry="tangent")[0] for p in pairs).mean() / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.after_step(0.999)
        return loss.detach()

    return step


# What is reported


def wait(args):
    if torch.device(args.device).type == "cuda":
        torch.cuda.synchronize()


def rate(args, step):
    "Clips a second, and GB at the peak"
    for _ in range(3):
        step()
    wait(args)
    cuda = torch.device(args.device).type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    for _ in range(args.timed):
        step()
    wait(args)
    seconds = time.perf_counter() - start
    gigabytes = torch.cuda.max_memory_allocated() / 1e9 if cuda else float("nan")
    return args.timed * args.batch / seconds, gigabytes


def flops(args, x):
    """Operations of a step, a clip of two bodies

    They are counted with two clips of one body, too few for the order of operations that a CPU prefers."""
    small = argparse.Namespace(**vars(args) | dict(batch=2, device="cpu"))
    step = our_loop(small, x[:2, ..., :1], "fp32")
    with FlopCounterMode(display=False) as count:
        step()
    return count.get_total_flops()


def curves(args, x):
    "Losses of the same steps in fp32 and bf16"
    losses = {}
    for precision in ("fp32", "bf16"):
        step = our_loop(args, x, precision)
        losses[precision] = torch.stack([step() for _ in range(args.steps)]).double().cpu()
    return losses


def profiled(args, step):
    cuda = torch.device(args.device).type == "cuda"
    activities = [ProfilerActivity.CPU]
    if cuda:
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        step()
        wait(args)
    return profiler.key_averages().table(
        sort_by=f"self_{'cuda' if cuda else 'cpu'}_time_total",
        row_limit=15,
        max_name_column_width=50,
    )


def main(args):
    cuda = torch.device(args.device).type == "cuda"
    if cuda and not torch.cuda.is_available():
        sys.exit("no GPU here; --device cpu with small sizes shows that the script works")
    x = clips(args.clips)
    name = torch.cuda.get_device_name() if cuda else "CPU"
    work = flops(args, x)
    peak = next((peaks[kind] for kind in peaks if kind in name), None)
    lines = [
        f"# {name}, torch {torch.__version__}: batch {args.batch}, width {args.width}/{args.out_dim}, "
        f"{work / 1e9:.1f} GFLOP a clip and step",
        "",
        "| loop | clips/s | ratio | NTU-60 epoch, s | peak memory, GB | share of the bf16 peak |",
        "|---|---|---|---|---|---|",
    ]
    loops = {
        f"plain, fp32, {args.workers} workers": lambda: plain_loop(args, x),
        "ours, fp32, data on the device": lambda: our_loop(args, x, "fp32"),
        "ours, bf16, data on the device": lambda: our_loop(args, x),
        "ours, bf16, pinned and prefetched": lambda: our_loop(args, x, where="pinned"),
    }
    first = None
    for loop, make in loops.items():
        speed, gigabytes = rate(args, make())
        first = first or speed
        share = f"{speed * work / peak / 1e12:.1%}" if peak else "unknown"
        lines.append(
            f"| {loop} | {speed:.1f} | {speed / first:.2f} | {epoch / speed:.1f} | "
            f"{gigabytes:.1f} | {share} |"
        )
        print(lines[-1], flush=True)
    losses = curves(args, x)
    full, half = losses["fp32"], losses["bf16"]
    gap = (full - half).abs() / full.abs()
    lines += [
        "",
        f"Loss over {args.steps} steps: fp32 {full[0]:.4f} to {full[-1]:.4f}, "
        f"bf16 {half[0]:.4f} to {half[-1]:.4f}; "
        f"they differ by {gap.median():.2%} (median), {gap.max():.2%} at most",
        "",
        "A step in bf16, what takes longest:",
        "",
        "```",
        profiled(args, our_loop(args, x)),
        "```",
        "",
    ]
    args.report.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(args.report, "w") as f:
        f.write("\n".join(lines))
    steps = zip(range(args.steps), full.tolist(), half.tolist())
    rows = [(step, f"{a:.6f}", f"{b:.6f}") for step, a, b in steps]
    write_table(args.report.with_suffix(".csv"), ("step", "fp32", "bf16"), rows)
    print(f"written: {args.report}")


def options(words=None):
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--device", default="cuda")
    p.add_argument("--batch", type=int, default=512)
    p.add_argument("--width", type=int, default=64)
    p.add_argument("--out-dim", type=int, default=1024)
    p.add_argument(
        "--clips", type=int, default=16_384, help="made-up ones; 40,091 is an epoch of NTU-60"
    )
    p.add_argument("--steps", type=int, default=300, help="of the loss curves")
    p.add_argument("--timed", type=int, default=20, help="steps that are timed")
    p.add_argument("--workers", type=int, default=16, help="of the plain loop")
    p.add_argument("--report", type=Path, default=Path(__file__).parent / "gpu.md")
    return p.parse_args(words)


if __name__ == "__main__":
    main(options())
