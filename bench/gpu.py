"""What a GPU does: is it right, how fast is it, does it learn? Each part has a process and a limit of time of its own.

    python bench/gpu.py --out results --seconds 500                    # on a GPU
    python bench/gpu.py --out results --parts compiled learn --seconds 200
    python bench/gpu.py --out results --device cpu --tiny              # to see it work

`results.json` holds the rows of every part and is written anew while a part runs, so that whatever ends the script
costs only what has not been measured. No network is needed; all data is made up on the spot."""

import argparse
import copy
import fcntl
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader, Dataset as TorchDataset
from torch.utils.flop_counter import FlopCounterMode

folder = Path(__file__).resolve().parent
root = folder.parent
epoch_clips = 40_091  # NTU-60 xsub/train
paper_epochs = 600
# TFLOP/s in bf16, dense, as their makers say
peaks = dict(H200=989, H100=989, A100=312, L40=181, L4=121, A10=125)


@dataclass
class Sizes:
    "How large everything is"

    clips: int = epoch_clips  # Of the made-up set in the shape of NTU
    batch: int = 512
    width: int = 64
    out_dim: int = 1024
    workers: int = 16  # Of the plain loop
    windows: int = 3  # Whose median is taken
    window: float = 1.5  # Seconds of each, at least two steps
    synthetic: int = 3600  # Clips of the hard synthetic set
    curve_steps: int = 300
    curve_batch: int = 32
    matrix: int = 8192  # Side of the matrices whose product says what the card can do
    looks: int = 4  # How often what is learned is judged


tiny = Sizes(48, 8, 4, 16, 0, 1, 0.0, 72, 3, 8, 64, 2)


# Where rows go


class Rows:
    "Rows of a part, each on the disk as soon as it is known"

    def __init__(self, path):
        self.path = Path(path)

    def add(self, **row):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, default=plain_value) + "\n")
        print(row, flush=True)


def plain_value(value):
    "What JSON can hold, of numbers of NumPy and torch"
    return value.item() if hasattr(value, "item") else str(value)


def read_rows(path):
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


# Whose turn it is, where parts run at once


@contextmanager
def turn(args, alone):
    "While it lasts nobody else computes (`alone`), or nobody is timed"
    with open(args.work / "turn", "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


# The device


def on_gpu(args):
    return torch.device(args.device).type == "cuda"


def wait(args):
    if on_gpu(args):
        torch.cuda.synchronize()


def free_memory(args):
    gc.collect()
    if on_gpu(args):
        torch.cuda.empty_cache()


def multiply_like(kind):
    "Products of float32 in TF32 or not: 'off', 'on', or 'usual', which is torch's: in convolutions alone"
    torch.backends.cudnn.allow_tf32 = kind != "off"
    torch.backends.cuda.matmul.allow_tf32 = kind == "on"


# Data sets


def make_sets(args, rows):
    "Made-up clips in the shape of NTU, and the hard synthetic set at 50 and at 16 frames"
    from speed import dataset

    from hysp.prepare import prepare
    from hysp.synthetic import generate

    for frames in (50, 16):
        start = time.perf_counter()
        made = args.work / f"hard{frames}.part"
        prepare(generate(n=args.sizes.synthetic), made, frames=frames, progress=False)
        made.rename(args.work / f"hard{frames}")
        rows.add(set=f"hard{frames}", seconds=time.perf_counter() - start)
    start = time.perf_counter()
    dataset(args.work / "ntu.part", args.sizes.clips)
    (args.work / "ntu.part").rename(args.work / "ntu")
    rows.add(set="ntu", seconds=time.perf_counter() - start)


def made(args, name):
    "The folder of a set, as soon as another part has made it"
    while not (args.work / name).exists():
        time.sleep(0.2)
    return args.work / name


class OnDevice:
    "A data set whose clips lie in the memory of a device"

    def __init__(self, data, device):
        self.inner = data
        self.x = torch.from_numpy(np.array(data.position[data.index])).to(device)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __len__(self):
        return len(self.x)

    def batch(self, clips):
        return self.x[torch.as_tensor(clips).to(self.x.device)]


def trainer_of(args, recipe, name, split="all", in_memory=True, **changes):
    "The trainer of a recipe on one of the sets, its clips in the device's memory or in their file"
    from hysp.config import load_config
    from hysp.recipes import make_trainer
    from hysp.settings import Pretrain

    run = tempfile.mkdtemp(dir=args.work)
    given = dict(data=made(args, name), out=run, split=split, device=args.device, threads=0)
    trainer = make_trainer(load_config(Pretrain, recipe, given | changes))
    if in_memory:
        trainer.data = OnDevice(trainer.data, args.device)
    return trainer


def paper_size(args):
    "Settings of the paper's recipe that a small trial changes"
    sizes = args.sizes
    return dict(width=sizes.width, out_dim=sizes.out_dim, batch=sizes.batch)


def steps_of(trainer):
    "Steps of a trainer without end; yields what was measured in each"
    from hysp.train import epoch_batches

    trainer.model.train()
    while True:
        for first, second in epoch_batches(trainer):
            measured = trainer.step(first, second)
            trainer.progress.add(measured)
            yield measured
        trainer.progress.end_epoch({})


# How fast


def timed_windows(args, step, batch, windows):
    "Clips a second: the median of several windows; the spread; seconds of a step; GB at the peak"
    with turn(args, alone=False):
        for _ in range(3):
            step()
        wait(args)
    with turn(args, alone=True):
        return timed_alone(args, step, batch, windows)


def timed_alone(args, step, batch, windows):
    if on_gpu(args):
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    step()
    wait(args)
    one = time.perf_counter() - start
    steps = min(200, max(2, round(args.sizes.window / one)))
    seconds = []
    for _ in range(windows):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        wait(args)
        seconds.append((time.perf_counter() - start) / steps)
    rates = [batch / each for each in seconds]
    gigabytes = torch.cuda.max_memory_allocated() / 1e9 if on_gpu(args) else None
    return dict(
        clips_per_second=median(rates),
        slowest=min(rates),
        fastest=max(rates),
        step_seconds=median(seconds),
        peak_gigabytes=gigabytes,
    )


def largest_batch(args, make, batch):
    "What `make` measures with this batch, or where it does not fit with a half, a quarter, …"
    while batch >= 2:
        try:
            return dict(batch=batch, **make(batch))
        except torch.OutOfMemoryError as error:
            said = str(error).splitlines()[0][:200]
        print(f"batch {batch} does not fit: {said}", flush=True)
        free_memory(args)
        batch //= 2
    raise RuntimeError(f"no batch fits: {said}")


def operations(args, recipe):
    "FLOP of a step for a clip, forward and backward: both views, and what the target makes of them"
    trainer = trainer_of(args, recipe, "ntu", in_memory=False, **changes_of(args, recipe, 8))
    model = trainer.model.train()
    x = torch.randn(2, 3, 50, 25, 1, device=args.device)
    with FlopCounterMode(display=False) as count:
        outputs = model(x, x)
        sum(pair[0].square().mean() for pair in outputs).backward()
    # The quick recipe takes the bodies that are there, 1.18 a clip; the paper's both places
    bodies = 1.18 if recipe == "quick" else 2
    return count.get_total_flops() * bodies / 2


def changes_of(args, recipe, batch):
    "What is set otherwise than in the recipe"
    if recipe == "quick":
        return dict(pairs="own", batch=batch)
    return paper_size(args) | dict(batch=batch)


def shares(args, row, work):
    "What else a rate says: minutes, and shares of the card's peak"
    rate = row["clips_per_second"]
    row["epoch_minutes"] = epoch_clips / rate / 60
    row["run_hours"] = paper_epochs * row["epoch_minutes"] / 60
    row["teraflops"] = rate * work / 1e12
    name = torch.cuda.get_device_name() if on_gpu(args) else ""
    peak = next((peaks[kind] for kind in peaks if kind in name), None)
    row["share_of_peak"] = row["teraflops"] / peak if peak else None
    return row


@contextmanager
def same_views(trainer):
    "While it lasts a step makes no views and reads no clips"
    from hysp import train

    make = train.two_views
    first = torch.arange(trainer.batch)
    made = make(trainer, first, first)
    train.two_views = lambda *_: made
    try:
        yield
    finally:
        train.two_views = make


def our_rate(args, recipe, batch, tf32="usual", shape=None, in_memory=True, **changes):
    "How fast a recipe trains"
    multiply_like(tf32)
    torch.backends.cudnn.benchmark = False
    changes = changes_of(args, recipe, batch) | changes
    trainer = trainer_of(args, recipe, "ntu", in_memory=in_memory, **changes)
    if recipe != "quick":
        trainer.lam = lambda epoch: 0.5  # Both terms of the loss
    if shape:
        shape(trainer.model)
    run = steps_of(trainer)
    row = timed_windows(args, lambda: next(run), batch, args.sizes.windows)
    with same_views(trainer):
        fixed = timed_windows(args, lambda: next(run), batch, 1)
    row["share_for_data"] = max(0.0, 1 - fixed["step_seconds"] / row["step_seconds"])
    return row


def measured_variants(args, rows, recipe, variants, batch):
    "A row for each way of training with a recipe"
    work = operations(args, recipe)
    rows.add(recipe=recipe, gigaflop_per_clip=work / 1e9)
    for name, options in variants.items():

        def rate(batch, options=options):
            return our_rate(args, recipe, batch, **options)

        try:
            row = largest_batch(args, rate, batch)
            rows.add(recipe=recipe, loop=name, **shares(args, row, work))
        except Exception as error:
            rows.add(recipe=recipe, loop=name, error=f"{type(error).__name__}: {error}"[:600])
        free_memory(args)


def compiled(model):
    "Compile the encoders, where nearly all of the work is"
    for name, module in model.named_children():
        if name.endswith("encoder"):
            module.compile()


def measure_speed(args, rows):
    "The paper's recipe, without compiling; the encoder has its channels last"
    rows.add(**machine(args))
    variants = {
        "bf16": dict(precision="bf16"),
        "fp16": dict(precision="fp16"),
        "fp32, as torch is set": dict(precision="fp32"),
        "fp32": dict(precision="fp32", tf32="off"),
        "TF32": dict(precision="fp32", tf32="on"),
        "bf16, clips from a file": dict(precision="bf16", in_memory=False),
    }
    measured_variants(args, rows, "ntu60/xsub", variants, args.sizes.batch)


def measure_compiled(args, rows):
    variants = {"bf16, compiled": dict(precision="bf16", shape=compiled)}
    measured_variants(args, rows, "ntu60/xsub", variants, args.sizes.batch)


def measure_quick(args, rows):
    "The quick recipe, in its own batch and in the paper's"
    for batch in (64, args.sizes.batch):
        variants = {
            "bf16": dict(precision="bf16"),
            "fp32, as torch is set": dict(precision="fp32"),
        }
        measured_variants(args, rows, "quick", variants, min(batch, args.sizes.clips))


# The plain loop: a NumPy function a clip in worker processes, fp32, every body


class PlainViews(TorchDataset):
    "Both views of a clip, one clip after another, as the authors make them"

    def __init__(self, path):
        from hysp.augment import Strong

        self.x = np.load(path, mmap_mode="r")
        self.strong = Strong("ntu-rgb+d")
        self.mirror = list(self.strong.layout.mirror)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        import plain

        g = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        drawn = plain.rows(self.strong.sample(1, self.x.shape[2], g), 1)[0]
        rng = np.random.default_rng(int(torch.randint(2**31, ())))
        clip = np.array(self.x[i])
        strong = plain.strong_view(clip, drawn, self.mirror, 0.01, rng, False)
        return strong, plain.normal_view(clip, drawn).astype(np.float32)


def endless(loader):
    while True:
        yield from loader


def plain_rate(args, batch, tf32):
    "How fast the plain loop trains, and what share of a step it waits for its workers"
    import plain

    multiply_like(tf32)
    torch.backends.cudnn.benchmark = False
    torch.manual_seed(0)
    model = plain.HYSP(args.sizes.width, args.sizes.out_dim).to(args.device).train()
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learned, 0.01, momentum=0.9, weight_decay=1e-4)
    workers = args.sizes.workers
    loader = DataLoader(
        PlainViews(args.work / "ntu" / "position.npy"),
        batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    batches = endless(loader)
    waits = []

    def step():
        start = time.perf_counter()
        views = [view.to(args.device) for view in next(batches)]
        waits.append(time.perf_counter() - start)
        return plain.step(model, optimizer, *views)

    row = timed_windows(args, step, batch, args.sizes.windows)
    timed = waits[4:]
    row["share_for_data"] = median(timed) / row["step_seconds"]
    return row


def measure_plain(args, rows):
    work = operations(args, "ntu60/xsub")
    for name, tf32 in {"plain, as torch is set": "usual", "plain, fp32": "off"}.items():

        def rate(batch, tf32=tf32):
            return plain_rate(args, batch, tf32)

        row = largest_batch(args, rate, args.sizes.batch)
        rows.add(recipe="ntu60/xsub", loop=name, **shares(args, row, work))
        free_memory(args)


# What the card can do, and where the time goes


def machine(args):
    "The card, and the bf16 product and the copy that were measured on it"
    row = dict(torch=torch.__version__, python=platform.python_version(), cores=os.cpu_count())
    if not on_gpu(args):
        return row | dict(card="CPU")
    about = torch.cuda.get_device_properties(0)
    row |= dict(card=about.name, memory_gigabytes=about.total_memory / 1e9)
    side = args.sizes.matrix
    a = torch.randn(side, side, device=args.device, dtype=torch.bfloat16)
    b = torch.randn(side, side, device=args.device, dtype=torch.bfloat16)
    seconds = event_seconds(lambda: a @ b)
    row["matrix_teraflops"] = 2 * side**3 / seconds / 1e12
    from_here = torch.randn(2**29, device=args.device)
    to_there = torch.empty_like(from_here)
    seconds = event_seconds(lambda: to_there.copy_(from_here))
    row["copy_gigabytes_per_second"] = 2 * from_here.nbytes / seconds / 1e9
    return row


def event_seconds(function, repeats=10):
    "Median seconds of something on the GPU, by its own clock"
    for _ in range(3):
        function()
    seconds = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        torch.cuda.synchronize()
        seconds.append(start.elapsed_time(end) / 1e3)
    return median(seconds)


def profile_steps(args, rows):
    "Ten steps in bf16: how busy the card is, and its largest kernels"
    profile_one(args, rows, "ntu60/xsub", args.sizes.batch)
    profile_one(args, rows, "quick", 64)


def profile_one(args, rows, recipe, batch, steps=10):
    changes = changes_of(args, recipe, min(batch, args.sizes.clips)) | dict(precision="bf16")
    trainer = trainer_of(args, recipe, "ntu", **changes)
    run = steps_of(trainer)
    for _ in range(3):
        next(run)
    wait(args)
    cuda = [ProfilerActivity.CUDA] if on_gpu(args) else []
    start = time.perf_counter()
    with profile(activities=cuda or [ProfilerActivity.CPU]) as profiler:
        for _ in range(steps):
            next(run)
        wait(args)
    wall = time.perf_counter() - start
    add_profile(args, rows, profiler, dict(recipe=recipe, steps=steps, wall=wall))
    with profile(activities=[ProfilerActivity.CPU, *cuda]) as profiler:
        next(run)
        wait(args)
    write_table_of(args, profiler, f"{recipe}: one step, with what launched the kernels")


def add_profile(args, rows, profiler, about):
    "How busy the device was, and its largest kernels"
    events = profiler.key_averages()
    kind = "cuda" if on_gpu(args) else "cpu"
    on_device = [event for event in events if event.device_type.name == kind.upper()]
    # Spans that hold other events are no work of their own
    spans = "Optimizer.", "ProfilerStep"
    on_device = [event for event in on_device if not event.key.startswith(spans)]
    attribute = "self_device_time_total" if on_gpu(args) else "self_cpu_time_total"

    def seconds(event):
        return getattr(event, attribute) / 1e6

    on_device.sort(key=seconds, reverse=True)
    busy = sum(map(seconds, on_device))
    launches = sum(event.count for event in on_device)
    rows.add(**about, busy_seconds=busy, busy_share=busy / about["wall"], launches=launches)
    for event in on_device[:15]:
        rows.add(kernel=event.key[:160], seconds=seconds(event), calls=event.count)


def write_table_of(args, profiler, title):
    "Add the table of a profile to profile.txt"
    order = f"self_{'cuda' if on_gpu(args) else 'cpu'}_time_total"
    table = profiler.key_averages().table(sort_by=order, row_limit=60, max_name_column_width=90)
    with open(args.out / "profile.txt", "a", encoding="utf-8") as file:
        file.write(f"{title}\n{table}\n\n")


# Right


def check_agreement(args, rows):
    "What a CPU gives and what the device gives"
    import gpu_agree

    multiply_like("off")
    for row in gpu_agree.rows(args.device):
        rows.add(**row)


golden_tests = (
    "golden or reproduces or authors or references or target_follows or agrees_with_the_ball "
    "or killed_at_random or stops_after or asked_from_another"
)
golden_files = "models losses metrics poincare heads augment skeleton checkpoint train"


def run_golden(args, rows):
    "The tests against the authors' numbers, and those of an interrupted run, on the device"
    files = [root / "tests" / f"test_{name}.py" for name in golden_files.split()]
    found = args.work / "golden.xml"
    command = [sys.executable, "-m", "pytest", "-q", *map(str, files), "-k", golden_tests]
    command += ["-p", "no:cacheprovider", f"--junitxml={found}", "-n", str(args.processes)]
    # Processes are forked there, so none may look for a GPU by starting to use it
    environment = os.environ | dict(
        HYSP_TEST_DEVICE=args.device, PYTORCH_NVML_BASED_CUDA_CHECK="1", OMP_NUM_THREADS="1"
    )
    subprocess.run(command, cwd=root, env=environment, timeout=args.limit - 2, check=False)
    for case in ElementTree.parse(found).iter("testcase"):
        outcome = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        said = [child.get("message", "")[:500] for child in case if child.tag in outcome]
        name = f"{case.get('classname')}.{case.get('name')}"
        rows.add(test=name, outcome=(outcome or ["passed"])[0], said="".join(said))


def resumed_runs(args, rows):
    "Is a run that was stopped and continued the same to the bit, as a user would run it?"
    weights = {}
    for way in ("whole", "again", "stopped"):
        trainer = trainer_of(args, "ntu60/xsub", "hard16", **little(args))
        if way == "stopped":
            trainer.on_epoch = lambda t, row: t.ask_to_stop() if t.epoch == 1 else None
            try:
                trainer.fit(progress=False)
            except KeyboardInterrupt:
                run = trainer.run
                trainer = trainer_of(args, "ntu60/xsub", "hard16", **little(args))
                trainer.folder = type(trainer.folder)(run)
        trainer.fit(progress=False)
        state = trainer.model.state_dict()
        weights[way] = torch.cat([one.double().flatten().cpu() for one in state.values()])
    for way in ("again", "stopped"):
        off = (weights[way] - weights["whole"]).abs().max()
        rows.add(what=f"whole run and {way}", largest_difference=off, same=bool(off == 0))


def little(args):
    "A run of two epochs that takes seconds"
    batch = min(128, args.sizes.synthetic // 4)
    return dict(width=16, out_dim=64, batch=batch, epochs=2, precision="bf16", save_every=1)


def overlay_losses(args, rows):
    "The same steps in fp32 and in bf16: losses, and how often a nearest neighbour is right"
    multiply_like("off")
    torch.backends.cudnn.benchmark = False
    sizes = args.sizes
    changes = paper_size(args) | dict(batch=sizes.curve_batch, lr=0.02, epochs=50)
    trainers = {}
    for precision in ("fp32", "bf16"):
        trainers[precision] = trainer_of(
            args, "ntu60/xsub", "hard50", "xsub/train", precision=precision, **changes
        )
        trainers[precision].lam = lambda epoch: 0.5
    runs = {precision: steps_of(trainer) for precision, trainer in trainers.items()}
    losses = {precision: [] for precision in runs}
    for step in range(1, sizes.curve_steps + 1):
        for precision, run in runs.items():
            losses[precision].append(float(next(run)[0]))
        if step % 100 == 0 or step == sizes.curve_steps:
            rows.add(**compared_curves(losses), **losses)
    for precision, trainer in trainers.items():
        rows.add(precision=precision, **judged(args, trainer, "hard50"))


def compared_curves(losses, over=20):
    "How far two curves are apart, each smoothed over some steps"
    smooth = {}
    for name, values in losses.items():
        window = min(over, len(values))
        smooth[name] = np.convolve(values, np.ones(window) / window, "valid")
    gap = np.abs(smooth["bf16"] - smooth["fp32"])
    relative = gap / np.abs(smooth["fp32"])
    return dict(steps=len(losses["fp32"]), largest_gap=gap.max(), relative_gap=relative.max())


# It learns


def parts_of(args, name):
    "Training clips and clips of other people"
    from hysp.feeder import Dataset

    return [Dataset(made(args, name), split) for split in ("xsub/train", "xsub/val")]


def judged(args, trainer, name):
    "Nearest neighbour and linear probe on other people, of the encoder as it is now"
    from hysp.evaluate import features

    encoder = copy.deepcopy(trainer.model.online_encoder)
    sets = parts_of(args, name)
    z = [features(encoder, data, device=args.device, progress=False) for data in sets]
    return scores(*z, *sets)


def scores(train_z, val_z, train, val):
    "Shares of other people's clips that are named rightly"
    from hysp.evaluate import knn, linear_probe

    votes = knn(train_z, train.labels, val_z, train.classes)
    logits = linear_probe(train_z, train.labels, val_z, train.classes)
    truth = torch.as_tensor(val.labels)
    right = [(guess.argmax(1) == truth).double().mean() for guess in (votes, logits)]
    return dict(nearest=float(right[0]), probe=float(right[1]))


def cost_nothing(args, rows):
    "What has to be beaten: chance, coordinates, whitened coordinates, and warping"
    multiply_like("on")
    for name in ("hard16", "hard50"):
        judge_untrained(args, rows, name)


def judge_untrained(args, rows, name):
    from hysp.evaluate import whiten
    from hysp.protocols import coordinates, dtw_neighbours

    train, val = parts_of(args, name)
    rows.add(set=name, row="chance", nearest=1 / train.classes, probe=1 / train.classes)
    raw = coordinates(train), coordinates(val)
    rows.add(set=name, row="coordinates", **scores(*raw, train, val))
    rows.add(set=name, row="coordinates, whitened", **scores(*whiten(*raw), train, val))
    start = time.perf_counter()
    nearest, which, _ = dtw_neighbours((train, val), device=args.device, velocity=2.0)
    right = np.asarray(train.labels)[nearest] == np.asarray(val.labels)[which]
    seconds = time.perf_counter() - start
    rows.add(set=name, row="time warping", nearest=right.mean(), seconds=seconds)


def learn(args, rows):
    "The quick recipe, and HYSP as published for as long as is left; judged on the way"
    start = time.monotonic()
    multiply_like("on")
    before = time.monotonic()
    trainer = trainer_of(args, "quick", "hard16", "xsub/train", **little_changes(args))
    setting_up = time.monotonic() - before
    looked_at(args, rows, trainer, "quick", "hard16", 0.25 * args.limit, setting_up)
    changes = paper_size(args) | dict(precision="bf16")
    changes["batch"] = min(changes["batch"], args.sizes.synthetic // 6)
    trainer = trainer_of(args, "ntu60/xsub", "hard50", "xsub/train", **changes)
    # What remains after the imports, and before the last judgement
    left = args.limit - (time.monotonic() - start) - 15
    looked_at(args, rows, trainer, "ntu60/xsub", "hard50", left, 0.0)


def little_changes(args):
    return dict(steps=20) if args.tiny else {}


def looked_at(args, rows, trainer, recipe, name, seconds, setting_up):
    "Train until the time is over or the run is, and judge a few times on the way"
    looks = args.sizes.looks
    trained = 0.0
    done = 0
    rows.add(recipe=recipe, set=name, trained=0.0, steps=0, **judged(args, trainer, name))
    begun = time.monotonic()
    run = steps_of(trainer)
    for look in range(1, looks + 1):
        until = begun + seconds * look / looks
        start = time.perf_counter()
        while time.monotonic() < until and trainer.epoch < trainer.epochs:
            measured = next(run)
            done += 1
        wait(args)
        trained += time.perf_counter() - start
        if not done:
            continue
        row = dict(recipe=recipe, set=name, trained=trained, steps=done, epochs=trainer.epoch)
        row |= dict(setting_up=setting_up, loss=float(measured[0]))
        rows.add(**row, **judged(args, trainer, name))
        if trainer.epoch >= trainer.epochs:
            break


# One part after another


@dataclass
class Part:
    function: object
    limit: float  # Seconds at most
    beside: bool = False  # May it run while others do?
    timed: bool = False  # Does one beside others compile meanwhile, to be timed once they are done?


PARTS = dict(
    sets=Part(make_sets, 90, beside=True),
    golden=Part(run_golden, 110, beside=True),
    agree=Part(check_agreement, 110, beside=True),
    curves=Part(overlay_losses, 130, beside=True),
    nothing=Part(cost_nothing, 110, beside=True),
    compiled=Part(measure_compiled, 150, beside=True, timed=True),
    speed=Part(measure_speed, 50),
    plain=Part(measure_plain, 65),
    profile=Part(profile_steps, 50),
    quick=Part(measure_quick, 40),
    resumed=Part(resumed_runs, 30),
    learn=Part(learn, 240),
)


def started(args, name, limit):
    "A process that does one part"
    command = [sys.executable, "-u", __file__, "--only", name, "--limit", f"{limit:.0f}"]
    command += ["--out", args.out, "--work", args.work, "--device", args.device]
    if args.tiny:
        command.append("--tiny")
    # Parts at once share the cores, unless somebody has said how
    environment = (dict(OMP_NUM_THREADS="4") if PARTS[name].beside else {}) | os.environ
    with open(args.work / f"{name}.log", "w", encoding="utf-8") as log:
        return subprocess.Popen(
            list(map(str, command)),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )


def write_results(args, ended):
    "All rows so far, and the ends of the logs"
    result = {}
    for name in args.parts:
        log = args.work / f"{name}.log"
        if not log.exists():
            continue
        about = dict(ended.get(name, dict(ended="running")))
        about["rows"] = read_rows(args.work / f"{name}.jsonl")
        if about["ended"] != "done":
            about["log"] = log.read_text("utf-8", errors="replace")[-3000:]
        result[name] = about
    temporary = args.out / "results.tmp"
    temporary.write_text(json.dumps(result, indent=1), encoding="utf-8")
    temporary.replace(args.out / "results.json")


def conduct(args):
    "Run the parts; none may take from another more than its own limit"
    deadline = time.monotonic() + args.seconds
    for place in (args.out, args.work):
        place.mkdir(parents=True, exist_ok=True)
    ended = {}
    beside = [name for name in args.parts if PARTS[name].beside]
    groups = [beside] if beside else []
    groups += [[name] for name in args.parts if not PARTS[name].beside]
    for group in groups:
        run_group(args, group, deadline, ended)
    write_results(args, ended)
    for name, about in ended.items():
        print(f"{name}: {about['ended']} after {about['seconds']:.0f} s", flush=True)


def run_group(args, group, deadline, ended):
    "Run some parts at once, and stop those that take longer than they may"
    begun = time.monotonic()
    slower = 4 if args.tiny else 1  # A CPU has other work
    limits = {name: min(slower * PARTS[name].limit, deadline - begun - 3) for name in group}
    running = {name: started(args, name, limits[name]) for name in group if limits[name] > 10}
    while running:
        time.sleep(0.5)
        took = time.monotonic() - begun
        for name, process in list(running.items()):
            if process.poll() is None and took < limits[name]:
                continue
            how = "done" if process.returncode == 0 else f"failed ({process.returncode})"
            if process.returncode is None:
                os.killpg(process.pid, 9)
                process.wait()
                how = "stopped"
            ended[name] = dict(ended=how, seconds=took)
            del running[name]
        write_results(args, ended)


def options(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--seconds", type=float, default=500, help="for all parts together")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="so small that a CPU can do it")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--work", type=Path, help="folder for the sets; a new one if left out")
    parser.add_argument("--only", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=float, default=60, help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    args.sizes = tiny if args.tiny else Sizes()
    args.processes = 0 if args.tiny else 8
    args.out = args.out.resolve()
    args.work = (args.work or Path(tempfile.mkdtemp(prefix="hysp-gpu-"))).resolve()
    return args


def main(args):
    if args.only:
        part = PARTS[args.only]
        untimed = part.beside and not part.timed
        with turn(args, alone=False) if untimed else nullcontext():
            part.function(args, Rows(args.work / f"{args.only}.jsonl"))
    elif args.device != "cpu" and not torch.cuda.is_available():
        sys.exit("no GPU here; --device cpu --tiny shows that the script works")
    else:
        conduct(args)


if __name__ == "__main__":
    main(options())
