"""How hard the embedded set is: what costs nothing beside what labels give, odd subjects train and even ones judge.

    python bench/synthetic.py                            # seeds 0, 1 and 2: about 2 minutes each on one quiet core
    python bench/synthetic.py --seeds 5 --difficulty easy

Wanted of the hard world: each row that costs nothing at most 60 %, the supervised one at least 85 %."""

import argparse
import time

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from hysp.synthetic import generate, layout, worlds

frames = 16
at = {name: joint for joint, name in enumerate(layout.joints)}


# Clips as the quick recipe prepares them


def prepared(body):
    "One body (3, T, V), metres: 16 frames, centred, shoulders along x over the whole clip, torso 1 long"
    x = body.transpose(1, 2, 0).astype(np.float64)
    when = np.linspace(0, len(x) - 1, frames)
    first = np.floor(when).astype(int)
    second = np.minimum(first + 1, len(x) - 1)
    weight = (when - first)[:, None, None]
    x = x[first] * (1 - weight) + x[second] * weight
    x -= x[:, [layout.centre]]
    left, right = (x[:, at[f"{side} shoulder"]] for side in ("left", "right"))
    hips = (x[:, at["left hip"]] + x[:, at["right hip"]]) / 2
    across = (left - right).mean(0)
    angle = np.arctan2(across[2], across[0])
    c, s = np.cos(angle), np.sin(angle)
    turned = x @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    return turned.transpose(2, 0, 1) / np.linalg.norm((left + right) / 2 - hips, axis=-1).mean()


def arrays(clips):
    "Clips (N, 3, 16, V, 2), a body that is absent all 0; labels; subjects"
    x = np.zeros((len(clips), 3, frames, len(layout), 2), np.float32)
    for out, clip in zip(x, clips):
        for m in range(clip.position.shape[-1]):
            out[..., m] = prepared(clip.position[..., m])
    return (
        torch.tensor(x),
        np.array([clip.label for clip in clips]),
        np.array([clip.subject for clip in clips]),
    )


def per_body(function, x):
    """A function of bodies (B, 3, T, V) for all that are present in (N, 3, T, V, M): what it gives, (B, ...),
    and the clip of each"""
    bodies = x.permute(0, 4, 1, 2, 3)
    present = bodies.abs().amax((2, 3, 4)) > 0
    return function(bodies[present]), present


# Encoder and views


class Encoder(nn.Module):
    """A temporal convolution: coordinates and velocities, three residual blocks, means of four parts of the clip,
    mean over bodies"""

    def __init__(self, width=64, blocks=3):
        super().__init__()
        inputs = 6 * len(layout)
        self.into = nn.Sequential(nn.BatchNorm1d(inputs), nn.Conv1d(inputs, width, 1))
        self.blocks = nn.ModuleList(self.block(width) for _ in range(blocks))
        self.last = nn.BatchNorm1d(width)

    def block(self, width):
        return nn.Sequential(
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 3, padding=1),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 1),
        )

    def of_body(self, x):
        places = x.permute(0, 1, 3, 2).flatten(1, 2)
        velocity = F.pad(places.diff(dim=2), (0, 1))
        y = self.into(torch.cat([places, 4 * velocity], 1))
        for block in self.blocks:
            y = y + block(y)
        return F.adaptive_avg_pool1d(F.relu(self.last(y)), 4).flatten(1)

    def forward(self, x):
        features, present = per_body(self.of_body, x)
        summed = features.new_zeros(*present.shape, features.shape[1])
        summed[present] = features
        return summed.sum(1) / present.sum(1, keepdim=True)


def rotations(yaw, pitch, roll):
    "Matrices (N, 3, 3) of angles (N,) in degrees: yaw about y first, then pitch about x, roll about z"
    turns = torch.zeros(3, len(yaw), 3, 3)
    for turn, angle, axis in zip(turns, (yaw, pitch, roll), (1, 0, 2)):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        c, s = torch.deg2rad(angle).cos(), torch.deg2rad(angle).sin()
        turn[:, axis, axis] = 1
        turn[:, i, i] = turn[:, j, j] = c
        turn[:, i, j], turn[:, j, i] = -s, s
    return turns[2] @ turns[1] @ turns[0]


def replayed(x):
    "70 to 100 % of each clip, at a speed that varies smoothly"
    n, _, length, _ = x.shape
    part = 0.7 + 0.3 * torch.rand(n, 1)
    start = (1 - part) * torch.rand(n, 1)
    knots = torch.exp(0.3 * torch.randn(n, 1, 4))
    speed = F.interpolate(knots, size=length - 1, mode="linear", align_corners=True)[:, 0]
    passed = F.pad(speed.cumsum(1), (1, 0))
    when = (start + part * passed / passed[:, -1:]) * (length - 1)
    weight = (1 - (when[:, :, None] - torch.arange(length)).abs()).clamp(min=0)
    return torch.einsum("nst,nctv->ncsv", weight, x)


def view(x):
    "Another camera, tempo, side and size, for bodies (B, 3, T, V)"
    n = len(x)
    flipped = x[..., list(layout.mirror)] * torch.tensor([-1.0, 1, 1])[:, None, None]
    x = replayed(torch.where(torch.rand(n, 1, 1, 1) < 0.5, flipped, x))
    yaw, (pitch, roll) = 60 * torch.rand(n) - 30, 7.5 * torch.randn(2, n)
    size = torch.exp(0.1 * torch.randn(n, 1, 1))
    x = (size * rotations(yaw, pitch, roll) @ x.flatten(2)).view(x.shape)
    return x + 0.02 * torch.rand(n, 1, 1, 1) * torch.randn_like(x)


def viewed(x):
    "The view of each body that is present"
    views, present = per_body(view, x)
    res = torch.zeros_like(x.permute(0, 4, 1, 2, 3))
    res[present] = views
    return res.permute(0, 2, 3, 4, 1)


# Rows


def both(train, train_label, judged, label):
    "Accuracy in % of one nearest neighbour by cosine and of a linear probe"
    cos = F.normalize(judged, dim=1) @ F.normalize(train, dim=1).T
    near = (train_label[cos.argmax(1).numpy()] == label).mean()
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    probe.fit(train.numpy(), train_label)
    return 100 * near, 100 * probe.score(judged.numpy(), label)


def dtw(a, b, band=5):
    "Dynamic time warping of (n, T, d) and (m, T, d): all n × m sums of squared distances"
    n, length, width = a.shape
    cost = torch.cdist(a.reshape(-1, width), b.reshape(-1, width)).square()
    cost = cost.view(n, length, len(b), length).permute(1, 3, 0, 2)
    total = {}
    for i in range(length):
        for j in range(max(0, i - band), min(length, i + band + 1)):
            steps = (i - 1, j), (i, j - 1), (i - 1, j - 1)
            before = [total[step] for step in steps if step in total]
            total[i, j] = cost[i, j] + (torch.stack(before).amin(0) if before else 0)
    return total[length - 1, length - 1]


def dtw_neighbours(train, judged):
    "The nearest training clip of each; of two bodies in the better of both orders"

    def by_frame(x):
        return x.permute(0, 2, 1, 3, 4).flatten(2)

    def costs(x):
        return torch.cat([dtw(part, by_frame(train)) for part in by_frame(x).split(20)])

    return torch.minimum(costs(judged), costs(judged.flip(-1))).argmin(1).numpy()


def supervised(train, label, judged, steps, seed):
    "The labels that the encoder, trained with a linear layer by cross-entropy on views, gives"
    torch.manual_seed(seed)
    classes = int(label.max()) + 1
    model = nn.Sequential(Encoder(), nn.Linear(256, classes))
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps, pct_start=0.05)
    label = torch.tensor(label)
    for _ in range(steps):
        some = torch.randint(len(train), (64,))
        loss = F.cross_entropy(model(viewed(train[some])), label[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        return model(judged).argmax(1).numpy()


def measure(args, seed):
    "Name and figures of each row"
    start = time.process_time()
    clips = list(generate(seed=seed, difficulty=args.difficulty))
    yield "ms a clip", (1000 * (time.process_time() - start) / len(clips),)
    x, label, subject = arrays(clips)
    fit = subject % 2 == 1
    train, judged = x[fit], x[~fit]
    labels = label[fit], label[~fit]

    def told(features, of_judged):
        return both(features, labels[0], of_judged, labels[1])

    centre = train.mean(0, keepdim=True)
    raw = [(part - centre).flatten(1) for part in (train, judged)]
    yield "raw", told(*raw)
    pca = PCA(args.components, whiten=True, random_state=0).fit(raw[0].numpy())
    yield "whitened", told(*[torch.tensor(pca.transform(part.numpy())) for part in raw])
    torch.manual_seed(seed)
    encoder = Encoder().eval()
    with torch.no_grad():
        yield "untrained", told(encoder(train), encoder(judged))
    some = np.random.default_rng(seed).permutation(len(judged))[: args.sample]
    near = dtw_neighbours(train, judged[some])
    yield "DTW", (100 * (labels[0][near] == labels[1][some]).mean(),)
    found = supervised(train, labels[0], judged, args.steps, seed)
    yield "supervised", (100 * (found == labels[1]).mean(),)


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    p.add_argument("--difficulty", choices=list(worlds), default="hard")
    p.add_argument("--steps", type=int, default=2000, help="of the supervised training, 64 clips")
    p.add_argument("--sample", type=int, default=300, help="judged clips that DTW sees")
    p.add_argument("--components", type=int, default=64, help="of the whitening")
    args = p.parse_args()
    torch.set_num_threads(1)
    for seed in args.seeds:
        print(f"seed {seed}: 1-NN and linear, %")
        for name, figures in measure(args, seed):
            print(f"  {name:12}", *[f"{figure:6.1f}" for figure in figures], flush=True)


if __name__ == "__main__":
    main()
