"What tests/test_simclr.py runs with torchrun, in one process and in two: python tests/together_pairs.py FOLDER DATA"

import sys
from pathlib import Path

import torch

from hysp import recipes
from hysp.feeder import Dataset
from hysp.models import concat_all_gather
from hysp.recipes import ready_trainer, make_trainer
from hysp.settings import Pretrain
from hysp.runs import build

folder, clips = map(Path, sys.argv[1:])


def quick(out, **kw):
    small = dict(width=4, out_dim=16, head_dim=8, pred_dim=8, batch=8, steps=9, save_every=1)
    return Pretrain(data=clips, out=folder / out, split="all", device="cpu", **small, **kw)


class Clips(Dataset):
    "The set in double precision, which notes who asks for which and may ask the second process to stop"

    def __init__(self, data, t=None, at=0):
        self.__dict__.update(data.__dict__)
        self.trainer, self.left, self.seen = t, at, []

    def batch(self, i):
        self.seen.append(torch.as_tensor(i))
        self.left -= 1
        if not self.left and self.trainer.devices.processes - 1 == self.trainer.devices.rank:
            self.trainer.ask_to_stop()
        x = super().batch(i)
        return x if self.trainer else x.double()


@torch.no_grad()
def settled(spec, seed):
    "A model in double precision whose batch norm knows the clips"
    made, x = build(spec, seed).double(), Clips(Dataset(clips)).batch(range(24))
    for _ in range(20):
        made(x, x)
    return made


def one_step(model):
    "Batch norm in eval mode, views that are the clips, in double precision: nothing is rounding"
    recipes.build = settled
    t = make_trainer(quick(f"step_{model}", model=model))
    recipes.build = build
    t.data = Clips(t.data)
    t.strong = t.normal = lambda x, g: x
    t.model.eval()
    pairs = t.pairs
    first = torch.arange(8)
    second = torch.cat([first[:2], pairs.other[pairs.start[2:8]]])
    row = t.step(first, second)
    grads = {k: p.grad for k, p in t.model.named_parameters() if p.grad is not None}
    return dict(row=row, grads=grads, state=t.model.state_dict())


out = {f"step_{o}": one_step(o) for o in ("simclr", "hysp")}
whole = ready_trainer(quick("whole"))
whole.data = Clips(whole.data, whole)
whole.fit()
parts = [concat_all_gather(o).tolist() for o in whole.data.seen]
out["seen"], out["pairs"] = parts, whole.pairs.digest()
stopped = ready_trainer(quick("parts"))
stopped.data = Clips(stopped.data, stopped, at=7)
try:
    stopped.fit()
except KeyboardInterrupt as e:
    out["said"] = str(e)
again = ready_trainer(quick("parts"))
out["at"] = (again.epoch, again.progress.step)
again.fit()
for name, o in dict(parts=again, whole=whole).items():
    out[name] = {k: v.clone() for k, v in o.model.state_dict().items()}
if whole.devices.main:
    torch.save(out, folder / "out.pt")
if torch.distributed.is_initialized():
    torch.distributed.barrier()  # so that no process ends while another still listens to it
    torch.distributed.destroy_process_group()
