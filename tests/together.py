"What tests/test_devices.py runs with torchrun, in one process and in two: python tests/together.py FOLDER"

import os
import signal
import sys
from pathlib import Path

import torch

from hysp import run_folder, train
from hysp.augment import Normal, Strong
from hysp.losses import batch_contrastive_loss, contrastive_loss, curriculum_loss
from hysp.models import concat_all_gather, models
from hysp.optim import curriculum, make_optimizer
from hysp.skeleton import layouts

folder = Path(sys.argv[1])
losses = dict(skeletonclr=contrastive_loss, simclr=batch_contrastive_loss)
own = dict(skeletonclr=dict(queue=32))  # Of one model alone
seen = []


class Clips:
    """Sixteen made-up clips, which notes who asks for which

    After so many batches it brings a Ctrl-C to the second process."""

    layout, checksum, names = layouts["ui-prmd"], "made up", [f"clip{i}" for i in range(16)]
    x = torch.randn(16, 3, 6, 22, 1, generator=torch.Generator().manual_seed(0)).cumsum(2) / 10
    stop = 0

    def __len__(self):
        return 16

    def batch(self, i):
        seen.append(i.tolist())
        if len(seen) == self.stop and int(os.environ.get("RANK", 0)) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return self.x[i]


def trainer(run, name="hysp", data=None, plain=False, dropout=0.2, precision="fp32", epochs=2):
    "Of a small model; `plain`: views that are the clips themselves"
    torch.manual_seed(0)
    m = models[name]("ui-prmd", hidden=4, out=8, dropout=dropout, **own.get(name, {}))
    if plain:
        settle(m.double())
    opt = make_optimizer([p for p in m.parameters() if p.requires_grad], "sgd", 0.1)
    views = (
        [Normal("ui-prmd", shear=0, crop=0)] * 2
        if plain
        else [Strong("ui-prmd"), Normal("ui-prmd")]
    )
    return train.Trainer(
        m,
        data or Clips(),
        *views,
        opt,
        folder / run,
        epochs,
        batch=8,
        loss=losses.get(name, curriculum_loss),
        lam=lambda e: curriculum(e, (1, 3)),
        ema=0.9,
        save_every=1,
        keep_every=1,
        precision=precision,
    )


@torch.no_grad()
def settle(m):
    "Give batch norm the statistics of the clips, so that in eval mode the model tells them apart"
    for _ in range(50):
        m.train()(Clips.x.double(), Clips.x.double().flip(2))


class Double(Clips):
    def batch(self, i):
        return super().batch(i).double()


def one_step(name):
    "A step of the same eight clips, batch norm in eval mode, in double precision, so that nothing is rounding"
    t = trainer(f"step_{name}", name, Double(), plain=True, dropout=0.0)
    t.model.eval()
    t.progress = train.Progress(epoch=1, step=1)
    row = t.step(torch.arange(8))
    grads = {k: p.grad for k, p in t.model.named_parameters() if p.grad is not None}
    return dict(row=row, grads=grads, state=t.model.state_dict(), health=t.progress.health)


def views_of(rank_seen):
    "What the strong view makes of a batch, of each process"
    t = trainer("views")
    drawn = []
    strong = t.strong
    t.strong = lambda x, g: drawn.append(strong(x * 0 + 1, g)) or drawn[-1]
    for _ in range(2):
        t.step(torch.arange(8))
    assert torch.equal(drawn[0], drawn[1]), "the same seed, epoch and step draw the same"
    return concat_all_gather(drawn[0])


def only_the_first_writes(run):
    if not run.devices.main:

        def no(*args):
            raise AssertionError("another process than the first writes")

        for name in ("save_state", "save_weights", "atomic_write"):
            setattr(run_folder, name, no)


def weights_of(run):
    return {name: tensor.clone() for name, tensor in run.model.state_dict().items()}


def untimed(rows):
    return [{name: row[name] for name in row if name != "seconds"} for row in rows]


out = {f"step_{name}": one_step(name) for name in models}
out["views"] = views_of(seen)
seen.clear()
whole = trainer("whole")
only_the_first_writes(whole)
whole.fit()
every = torch.tensor(seen)
out["seen"] = concat_all_gather(every.flatten()).tolist()
seen.clear()
data = Clips()
data.stop = 3
if whole.devices.processes > 1:
    try:
        trainer("parts", data=data).fit()
    except KeyboardInterrupt as e:
        out["said"] = str(e)
    seen.clear()
    parts = trainer("parts")
    parts.resume()
    out["at"] = (parts.epoch, parts.progress.step)
    parts.fit()
    out["parts"] = weights_of(parts)
    out["whole"] = weights_of(whole)
    out["rows"] = [untimed(parts.rows), untimed(whole.rows)]
trainer("bf16", precision="bf16", epochs=1).fit()
if whole.devices.main:
    torch.save(out, folder / "out.pt")
if torch.distributed.is_initialized():
    torch.distributed.barrier()  # so that no process ends while another still listens to it
    torch.distributed.destroy_process_group()
