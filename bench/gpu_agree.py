"""Does a device give what a CPU gives? Views, losses, models, optimizers, people as views and drawings.

`bench/gpu.py` runs this; each row says how far the device is off, and how far it may be."""

import time
from copy import deepcopy

import torch

from hysp import augment, disk, losses, poincare
from hysp.dtw import clip_dtw
from hysp.encoders import make_encoder
from hysp.metrics import ball_norm, collapse_std, effective_rank
from hysp.models import models
from hysp.optim import make_optimizer, optimizers
from hysp.pairs import find_pairs
from hysp.skeleton import get_layout, stream

layout = get_layout("ntu-rgb+d")


def drawn(*shape, seed=0):
    "Normal numbers, the same on every machine"
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def people(actions=6, persons=8, frames=16):
    "Clips in which each person does each action, some of them with a second person; and who is in them"
    waves = 0.3 * drawn(actions, 1, 3, frames, 25, 2, seed=1).cumsum(3)
    own = 0.1 * drawn(actions, persons, 3, frames, 25, 2, seed=2)
    clips = waves + own
    clips[: actions // 2, ..., 1] = 0
    person = torch.arange(persons).repeat(actions)
    return clips.flatten(0, 1), person


def moved(thing, device):
    "The same on another device: tensors in lists, and copies of modules"
    if isinstance(thing, torch.nn.Module):
        return deepcopy(thing).to(device)
    if isinstance(thing, torch.Tensor):
        grad = thing.requires_grad
        return thing.detach().to(device).requires_grad_(grad)
    return thing


def tensors(result):
    "All tensors in what a function gave, on the CPU in float64"
    if isinstance(result, torch.Tensor):
        return [result.detach().cpu().double()]
    found = []
    for part in result:
        found += tensors(part)
    return found


def gap(ours, theirs):
    "The largest relative difference of two lists of tensors; infinite where they are not alike"
    largest = 0.0
    for one, other in zip(tensors(ours), tensors(theirs), strict=True):
        off = float((one - other).norm() / other.norm().clamp(min=1e-12))
        largest = max(largest, off if off == off else float("inf"))
    return largest


def compared(device, function, *inputs):
    "How far what a function gives on the device is from what it gives on the CPU"
    theirs = function(*[moved(one, "cpu") for one in inputs])
    ours = function(*[moved(one, device) for one in inputs])
    return gap(ours, theirs)


def with_gradients(loss, *inputs):
    "What a loss gives for inputs, and its gradients in them"

    def function(*inputs):
        values = loss(*inputs)
        total = values[0].mean()
        wanted = [one for one in inputs if one.requires_grad]
        return list(values), torch.autograd.grad(total, wanted)

    return function, *inputs


# What is compared: name, function, inputs, largest difference allowed


def views():
    x = people()[0]
    generator = torch.Generator

    def drawn_view(view):
        return lambda x: view(x, generator().manual_seed(3))

    yield "view Normal", drawn_view(augment.Normal(layout)), [x], 1e-5
    yield "view Strong", drawn_view(augment.Strong(layout)), [x], 1e-4
    yield "view Natural", drawn_view(augment.Natural(layout, mirror=0.5)), [x], 1e-4


def augmentations():
    x = people()[0]
    n, _, _, joints, bodies = x.shape
    share = torch.rand(n, generator=torch.Generator().manual_seed(0))
    number = torch.arange(n)
    steps = dict(
        shear=lambda x: augment.shear(x, drawn(n, 3, 3)),
        rotate=lambda x: augment.rotate(x, drawn(n, 3)),
        mirror=lambda x: augment.mirror(x, layout),
        reflect=lambda x: augment.reflect(x, layout),
        mask_axis=lambda x: augment.mask_axis(x, number % 3),
        noise=lambda x: augment.noise(x, 0.1, torch.Generator().manual_seed(0)),
        crop=lambda x: augment.crop(x, number % 5, 2),
        time_flip=augment.time_flip,
        blur=lambda x: augment.blur(x, share + 0.1),
        resample=lambda x: augment.resample(x, share + 0.5),
        savitzky_golay=augment.savitzky_golay,
        mask_limb=lambda x: augment.mask_limb(x, number % 4, layout),
        time_shift=lambda x: augment.time_shift(x, number % 7),
        warp_time=lambda x: augment.warp_time(x, 15 * share[:, None].expand(-1, 16)),
        scale_bones=lambda x: augment.scale_bones(x, 1 + drawn(n, joints, bodies) / 9, layout),
    )
    for name, step in steps.items():
        yield f"augmentation {name}", step, [x], 1e-5
    for name in ("motion", "bone", "2s", "3s"):
        yield f"stream {name}", lambda x, name=name: stream(x, name, layout), [x], 1e-6


def geometry():
    u = 0.5 * drawn(40, 16, seed=1)
    v = 0.5 * drawn(40, 16, seed=2)
    inside = poincare.expmap0(u.double()), poincare.expmap0(v.double())
    yield "expmap0", poincare.expmap0, [u], 1e-6
    yield "logmap0", poincare.logmap0, [inside[0]], 1e-9
    yield "mobius_add", poincare.mobius_add, [*inside], 1e-9
    yield "dist", poincare.dist, [*inside], 1e-9
    yield "tangent_dist", poincare.tangent_dist, [u, v], 1e-6
    yield "tangent_cdist", poincare.tangent_cdist, [u, v], 1e-9
    yield "lorentz_gap", poincare.lorentz_gap, [u, v], 1e-5
    yield "norm", ball_norm, [u], 1e-6
    yield "collapse_std", collapse_std, [u], 1e-6
    yield "effective_rank", effective_rank, [u], 1e-5


def all_losses():
    q = (0.5 * drawn(32, 24, seed=1)).requires_grad_()
    k = 0.5 * drawn(32, 24, seed=2)
    other = k.clone().requires_grad_()
    queue = 0.5 * drawn(64, 24, seed=3)
    for lam in (0.0, 0.5, 1.0):
        for kind in ("ball", "tangent"):

            def curriculum(q, k, lam=lam, kind=kind):
                return losses.curriculum_loss(q, k, lam, geometry=kind)

            def queued(q, k, queue, lam=lam, kind=kind):
                return losses.contrastive_loss(q, k, queue, lam, geometry=kind)

            name = f"λ={lam}, {kind}"
            yield f"curriculum_loss {name}", *one_case(curriculum, q, k)
            yield f"contrastive_loss {name}", *one_case(queued, q, k, queue)
        for similarity in losses.similarities:

            def within_batch(u, v, lam=lam, similarity=similarity):
                return losses.batch_contrastive_loss(u, v, lam, similarity=similarity)

            name = f"λ={lam}, {similarity}"
            yield f"batch_contrastive_loss {name}", *one_case(within_batch, q, other)


def one_case(loss, *inputs):
    function, *inputs = with_gradients(loss, *inputs)
    return function, inputs, 1e-5


def networks():
    x, _ = people()
    x = x[::5].contiguous()
    y = x.flip(0).contiguous()
    for name in models:
        for encoder in ("stgcn", "tcn"):
            torch.manual_seed(0)
            options = dict(queue=16) if name == "skeletonclr" else {}
            options |= dict(hidden=8, out=32, dropout=0.0, encoder=encoder)
            model = models[name](layout, **options)
            yield f"model {name}, {encoder}", forward_and_back, [model, x, y], 1e-4
    for pool in ("all", "present"):
        torch.manual_seed(0)
        encoder = make_encoder("stgcn", layout, 3, 8, 32, 0.0, pool).eval()
        yield f"encoder in eval mode, pool {pool}", lambda e, x: e(x).detach(), [encoder, x], 1e-5
        torch.manual_seed(0)
        wide = make_encoder("stgcn", layout, 3, 64, 64, 0.0, pool).eval()
        yield f"wide encoder, pool {pool}", lambda e, x: e(x).detach(), [wide, x], 1e-5


def forward_and_back(model, x, y):
    "Outputs of a model, the length of each gradient, and its weights after the step"
    outputs = model.train()(x, y)
    total = sum(one.square().mean() for one in outputs[0][:2])
    total.backward()
    model.after_step(0.9)
    gradients = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    return [list(pair) for pair in outputs], torch.stack(gradients), list(model.buffers())


def steps_of_optimizers():
    for name in optimizers:

        def walked(weight, bias, name=name):
            parameters = [torch.nn.Parameter(one.clone()) for one in (weight, bias)]
            optimizer = make_optimizer(parameters, name, 0.05)
            for _ in range(3):
                optimizer.zero_grad()
                sum(p.square().sum() + p.sin().sum() for p in parameters).backward()
                optimizer.step()
            return [p.detach() for p in parameters]

        yield f"optimizer {name}", walked, [drawn(8, 5), drawn(5, seed=1)], 1e-5


def warping():
    x, _ = people()
    yield "clip_dtw", lambda x: clip_dtw(x[::3], x[1::3], velocity=2.0).clamp(max=1e9), [x], 1e-5


plain_rows = views, augmentations, geometry, all_losses, networks, steps_of_optimizers, warping


# What is compared in its own way


def same_pairs(device):
    "Share of the pairs of people that are not the same on the device"
    x, person = people()
    theirs = find_pairs(x, layout, person)
    ours = find_pairs(x.to(device), layout, person)
    both = set(theirs.keys.tolist()) | set(ours.keys.tolist())
    common = set(theirs.keys.tolist()) & set(ours.keys.tolist())
    return 1 - len(common) / max(1, len(both))


def drawings():
    "Ways to draw on the disk, as functions of tangents"
    return dict(
        learned=disk.learned,
        mds=disk.mds,
        polar=disk.polar,
        tsne=lambda z: disk.polar(z, angle="tsne"),
        tangent_pca=disk.tangent_pca,
        horopca=disk.horopca,
        cosne=disk.cosne,
    )


def drawn_alike(device, draw, z):
    "The larger difference of the two drawings in trustworthiness and rank correlation"
    theirs = draw(z).fidelity
    ours = draw(z.to(device)).fidelity
    return max(abs(theirs.trust - ours.trust), abs(theirs.distance - ours.distance))


def rows(device):
    "Yields what was compared, how far the device is off, and how far it may be"
    centres = drawn(5, 16, seed=4)
    z = (centres[:, None] + 0.4 * drawn(5, 24, 16, seed=5)).flatten(0, 1)
    for name, draw in drawings().items():
        yield guarded(f"disk {name}", 0.05, drawn_alike, device, draw, z)
    for family in plain_rows:
        for name, function, inputs, allowed in family():
            yield guarded(name, allowed, compared, device, function, *inputs)
    yield guarded("people as views", 0.02, same_pairs, device)


def guarded(name, allowed, function, *arguments):
    "A row; an error in one costs that row alone"
    row = dict(what=name, allowed=allowed)
    start = time.perf_counter()
    try:
        row["off"] = float(function(*arguments))
        row["right"] = row["off"] <= allowed
    except Exception as error:
        row["right"] = False
        row["error"] = f"{type(error).__name__}: {error}"[:400]
    row["seconds"] = time.perf_counter() - start
    return row
