"The plain way of each stage: what one writes first, and what bench/speed.py measures ours against; same numbers"

from copy import deepcopy

import geoopt
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from hysp.evaluate import make_head, standardise
from hysp.heads import Predictor, Projector
from hysp.skeleton import adjacency, get_layout
from hysp.stgcn import widths

# Encoder: convolve to K*C_out channels, then multiply by A; every body is encoded


class GraphConv(nn.Module):
    def __init__(self, inp, out, parts):
        super().__init__()
        self.parts, self.conv = parts, nn.Conv2d(inp, out * parts, 1)

    def forward(self, x, A):
        x = self.conv(x)
        n, kc, t, v = x.shape
        return torch.einsum(
            "nkctv,kvw->nctw", x.view(n, self.parts, kc // self.parts, t, v), A
        ).contiguous()


class Block(nn.Module):
    def __init__(self, inp, out, parts, stride=1, dropout=0.0, residual=True):
        super().__init__()
        self.gcn = GraphConv(inp, out, parts)
        self.tcn = nn.Sequential(
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, (9, 1), (stride, 1), (4, 0)),
            nn.BatchNorm2d(out),
            nn.Dropout(dropout),
        )
        if residual:
            self.residual = (
                nn.Identity()
                if inp == out and stride == 1
                else nn.Sequential(nn.Conv2d(inp, out, 1, (stride, 1)), nn.BatchNorm2d(out))
            )

    def forward(self, x, A):
        rest = self.residual(x) if hasattr(self, "residual") else 0
        return torch.relu(self.tcn(self.gcn(x, A)) + rest)


class Encoder(nn.Module):
    "ST-GCN with the names of the reference, so that it takes the weights of hysp's"

    def __init__(self, hidden, out, dropout=0.5):
        super().__init__()
        self.register_buffer(
            "A", torch.tensor(adjacency(get_layout("ntu-rgb+d"), "spatial"), dtype=torch.float32)
        )
        self.data_bn = nn.BatchNorm1d(75)
        sizes = [(3, 1), *widths(hidden, out)]
        self.st_gcn_networks = nn.ModuleList(
            Block(i, o, 3, s, dropout if n else 0.0, n > 0)
            for n, ((i, _), (o, s)) in enumerate(zip(sizes, sizes[1:]))
        )
        self.edge_importance = nn.ParameterList(
            nn.Parameter(torch.ones_like(self.A)) for _ in self.st_gcn_networks
        )

    def forward(self, x):
        n, c, t, v, m = x.shape
        x = (
            self.data_bn(x.permute(0, 4, 3, 1, 2).reshape(n * m, v * c, t))
            .view(n * m, v, c, t)
            .permute(0, 2, 3, 1)
            .contiguous()
        )
        for block, edges in zip(self.st_gcn_networks, self.edge_importance):
            x = block(x, self.A * edges)
        return x.mean((2, 3)).view(n, m, -1).mean(1)


# Training step: the ball in float64, the moving average parameter by parameter


class HYSP(nn.Module):
    def __init__(self, hidden, out, dropout=0.5):
        super().__init__()
        self.online_encoder, self.online_projector, self.online_predictor = (
            Encoder(hidden, out, dropout),
            Projector(out, out, out),
            Predictor(out, out, out),
        )
        self.target_encoder, self.target_projector = (
            deepcopy(self.online_encoder),
            deepcopy(self.online_projector),
        )
        for p in [*self.target_encoder.parameters(), *self.target_projector.parameters()]:
            p.requires_grad = False

    def predict(self, x):
        return self.online_predictor(self.online_projector(self.online_encoder(x)))

    @torch.no_grad()
    def target(self, x):
        return self.target_projector(self.target_encoder(x))


ball = geoopt.PoincareBall()


def hyperbolic(q, k):
    return ball.dist(ball.expmap0(q.double()), ball.expmap0(k.double()))


def cosine(q, k):
    return 2 - 2 * nn.functional.cosine_similarity(q, k)


def step(model, optimizer, x, y, lam=0.5, ema=0.999):
    pairs = (model.predict(x), model.target(y)), (model.predict(y), model.target(x))
    loss = sum((1 - lam) * cosine(q, k) + lam * hyperbolic(q, k) for q, k in pairs).mean() / 2
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    for o, t in (
        (model.online_encoder, model.target_encoder),
        (model.online_projector, model.target_projector),
    ):
        for p, q in zip(o.parameters(), t.parameters()):
            q.data = q.data * ema + p.data * (1 - ema)
    return loss.item()


# Augmentation: a numpy function a clip, of the numbers that were drawn for it


def crop(x, start, pad):
    long = np.concatenate([x[:, :pad][:, ::-1], x, x[:, len(x[0]) - pad :][:, ::-1]], 1)
    return long[:, start : start + x.shape[1]]


def rotation(angles):
    (a, b, g), (A, B, G) = np.cos(angles), np.sin(angles)
    return (
        np.array([[g, G, 0], [-G, g, 0], [0, 0, 1]])
        @ np.array([[b, 0, -B], [0, 1, 0], [B, 0, b]])
        @ np.array([[1, 0, 0], [0, a, A], [0, -A, a]])
    )


def turn(x, matrix):
    return np.dot(x.transpose(1, 2, 3, 0), matrix.T).transpose(3, 0, 1, 2)


def blur(x, sigma, normalise):
    kernel = np.exp(-0.5 * (np.arange(-7, 8) / sigma) ** 2)
    out = np.zeros_like(x)
    weight = np.zeros(x.shape[1])
    for lag, w in zip(range(-7, 8), kernel):
        to = slice(max(0, -lag), x.shape[1] - max(0, lag))
        of = slice(max(0, lag), x.shape[1] - max(0, -lag))
        out[:, to] += w * x[:, of]
        weight[to] += w
    return out / weight[:, None, None] if normalise else out


def normal_view(x, d):
    return turn(crop(x, d["start"], d["pad"]), d["matrix"])


def strong_view(x, d, mirror, sigma, rng, normalise, noise=None):
    "`noise` takes the place of what would be drawn, so that two ways can be compared"
    x = normal_view(x, d)
    if d["flip"]:
        x = x[:, :, mirror]
    x = turn(x, rotation(d["angles"]))
    if d["noise"]:
        if noise is None:
            noise = sigma * rng.standard_normal(x.shape)
        x = x + (x != 0).any((0, 1, 2)) * noise
    if d["blur"]:
        x = blur(x, d["sigma"], normalise)
    if d["mask_axis"]:
        x = x.copy()
        x[d["axis"]] = 0
    if d["reverse"]:
        x = x[:, ::-1]
    return x.astype(np.float32)


def rows(drawn, n):
    "Drawn numbers of a batch, clip by clip"
    each = [{} for _ in range(n)]
    for name, values in drawn.items():
        values = values.numpy() if torch.is_tensor(values) else values
        for i, clip in enumerate(each):
            clip[name] = values if np.isscalar(values) else values[i]
    return each


# Feeder: a Dataset item by item, collated


class Items(Dataset):
    def __init__(self, path, labels):
        self.x, self.labels = np.load(path, mmap_mode="r"), labels

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return torch.from_numpy(np.array(self.x[i])), int(self.labels[i])


def batches(items, size, order):
    return DataLoader(items, size, sampler=order)


# Linear evaluation: the frozen encoder is asked again in every epoch


def encode(encoder, data, batch=256):
    with torch.no_grad():
        return torch.cat([encoder(x) for x, _ in data.batches(batch)])


def linear_evaluation(encoder, train, val, epochs=100, steps=(60, 80), lr=5.0, batch=256, seed=0):
    z = encode(encoder, train)
    mean, std = z.mean(0), z.std(0).clamp(min=1e-6) * z.shape[1] ** 0.5
    head = make_head("linear", z.shape[1], train.classes)
    y = torch.tensor(train.labels)
    g = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(head.parameters(), lr, momentum=0.9)
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = lr * 0.1 ** sum(epoch >= s for s in steps)
        for i in torch.randperm(len(train), generator=g).split(batch):
            with torch.no_grad():
                x = (encoder(train.batch(i)) - mean) / std
            loss = nn.functional.cross_entropy(head(x), y[i])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return head(standardise(z, encode(encoder, val))[1])


# Distances: each pair through geoopt


def distances(u, v):
    "One row of pairs at a time, since all differences at once do not fit into memory"
    y = ball.expmap0(v.double())
    return torch.stack([ball.dist(x, y) for x in ball.expmap0(u.double())])
