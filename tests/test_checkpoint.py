"Checkpoints: what was saved comes back, anything else is refused in a sentence, nothing is executed"

import argparse
import errno
import io
import lzma
import os
import pickle
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from device import device
from hypothesis import HealthCheck, given, settings, strategies as st
from safetensors.torch import save_file

from hysp.checkpoint import (
    Portable,
    export_encoder,
    load_reference,
    load_state,
    load_weights,
    run_exported,
    save_state,
    save_weights,
)
from hysp.core import HyspError
from hysp.encoders import TCN
from hysp.models import HYSP, SimSiam, models
from hysp.optim import make_optimizer
from hysp.stgcn import STGCN

quick = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
rng = torch.Generator().manual_seed(0)
tensors = {
    "float": torch.randn(3, 4, generator=rng),
    "double": torch.randn(2, generator=rng, dtype=torch.float64),
    "half": torch.ones(3).half(),
    "brain": torch.ones(3).bfloat16(),
    "count": torch.tensor(7),
    "flag": torch.tensor([True, False]),
    "none": torch.zeros(0, 5),
    "turned": torch.randn(3, 4, generator=rng).T,
    "part": torch.randn(9, generator=rng)[2:5],
    "odd": torch.tensor([float("nan"), float("inf"), -0.0]),
}
about = dict(layout="ui-prmd", clips=["Größe", "手"], lr=1e-300, head=None, nested=dict(a=[1, 2]))


def same(a, b):
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and a.numpy(force=True).tobytes() == b.numpy(force=True).tobytes()
    )


# Weights


def test_weights_come_back_to_the_bit(tmp_path):
    save_weights(tmp_path / "w.safetensors", tensors, about)
    got, told = load_weights(tmp_path / "w.safetensors")
    assert told == about and got.keys() == tensors.keys()
    for k in tensors:
        assert same(
            got[k].float() if k == "brain" else got[k],
            tensors[k].float() if k == "brain" else tensors[k],
        ), k
    assert [o.name for o in tmp_path.iterdir()] == ["w.safetensors"]


def test_same_weights_same_bytes(tmp_path):
    for o in "ab":
        save_weights(tmp_path / o, tensors, about)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def whole(tmp_path):
    save_weights(tmp_path / "whole", tensors, about)
    return (tmp_path / "whole").read_bytes()


def test_cut_short_anywhere_is_refused(tmp_path):
    raw, path = whole(tmp_path), tmp_path / "cut"
    for n in {*range(0, len(raw), 37), 7, 8, 9, len(raw) - 1}:
        path.write_bytes(raw[:n])
        with pytest.raises(HyspError, match="cut is not a whole safetensors file"):
            load_weights(path)


@quick
@given(at=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_spoilt_byte_is_refused_or_harmless(tmp_path, at, byte):
    raw = bytearray(whole(tmp_path))
    raw[at % len(raw)] = byte
    (tmp_path / "spoilt").write_bytes(raw)
    try:
        assert isinstance(load_weights(tmp_path / "spoilt")[1], dict)
    except HyspError:
        pass


def packed(content):
    buf = io.BytesIO()
    content(buf)
    return buf.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"just text\n",
        bytes(100),
        b"\xff" * 100,
        pickle.dumps(dict(a=1)),
        packed(lambda f: np.savez(f, a=np.ones(3))),
        packed(lambda f: np.save(f, np.ones(3))),
        packed(lambda f: torch.save(dict(a=torch.ones(3)), f)),
    ],
    ids=["empty", "text", "zeros", "ones", "pickle", "npz", "npy", "pt"],
)
def test_foreign_files_are_refused(tmp_path, raw):
    (tmp_path / "x").write_bytes(raw)
    with pytest.raises(HyspError, match="x is not a whole safetensors file"):
        load_weights(tmp_path / "x")


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        dict(format="pt"),
        dict(hysp="not JSON"),
        dict(hysp=""),
        dict(hysp="3"),
        dict(hysp="[]"),
    ],
    ids=repr,
)
def test_somebody_elses_safetensors_are_refused(tmp_path, metadata):
    save_file(dict(a=torch.ones(3)), tmp_path / "x", metadata)
    with pytest.raises(HyspError, match="x has no description written by hysp"):
        load_weights(tmp_path / "x")


@pytest.mark.parametrize(
    "load,says", [(load_weights, "no checkpoint at"), (load_state, "no saved state at")]
)
def test_nothing_there(tmp_path, load, says):
    for o in (tmp_path / "no", tmp_path):
        with pytest.raises(HyspError, match=says):
            load(o)


# The state of a run


@pytest.mark.parametrize("name", ["sgd", "adamw", "riemannian_sgd"])
def test_state_comes_back_to_the_bit(tmp_path, name):
    p = torch.nn.Parameter(torch.randn(5, generator=rng))
    opt = make_optimizer([p], name, 0.1)
    for _ in range(2):
        opt.zero_grad()
        p.square().sum().backward()
        opt.step()
    state = dict(
        optimizer=opt.state_dict(),
        tensors=tensors,
        rows=[dict(epoch=0, loss=0.1 + 0.2, name="ü")],
        pair=(1, None, True),
        key=about,
    )
    save_state(tmp_path / "last.pt", state)
    got = load_state(tmp_path / "last.pt")
    assert got["rows"] == state["rows"] and got["pair"] == state["pair"] and got["key"] == about
    for k in tensors:
        assert torch.equal(got["tensors"][k].isnan(), tensors[k].isnan()) and torch.equal(
            got["tensors"][k].nan_to_num(), tensors[k].nan_to_num()
        )
    kept, there = got["optimizer"]["state"][0], state["optimizer"]["state"][0]
    assert kept.keys() == there.keys() and there and all(same(kept[k], there[k]) for k in there)
    assert got["optimizer"]["param_groups"] == state["optimizer"]["param_groups"]


def test_state_cut_short_or_foreign_is_refused(tmp_path):
    save_state(tmp_path / "last.pt", dict(tensors=tensors))
    raw = (tmp_path / "last.pt").read_bytes()
    cuts = [raw[:n] for n in {*range(0, len(raw), 211), len(raw) - 1}]
    for raw in [
        *cuts,
        b"just text\n",
        bytes(100),
        b"\xff" * 100,
        packed(lambda f: np.savez(f, a=np.ones(3))),
        packed(lambda f: zipfile.ZipFile(f, "w").close()),
    ]:
        (tmp_path / "x.pt").write_bytes(raw)
        with pytest.raises(HyspError, match="x.pt"):
            load_state(tmp_path / "x.pt")


@quick
@given(
    raw=st.one_of(
        st.binary(max_size=60),
        st.tuples(
            st.sampled_from([b"\x80\x02", b"\x80\x04", b"PK\x03\x04"]), st.binary(max_size=60)
        ).map(b"".join),
    )
)
def test_any_bytes_are_refused(tmp_path, raw):
    (tmp_path / "x.pt").write_bytes(raw)
    with pytest.raises(HyspError, match="x.pt"):
        load_state(tmp_path / "x.pt")


# Nothing is executed


class Evil:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def as_torch(content, f):
    torch.save(content, f)


def as_old_torch(content, f):
    torch.save(content, f, _use_new_zipfile_serialization=False)


def as_pickle(content, f):
    pickle.dump(content, f)


@pytest.mark.parametrize("form", [as_torch, as_old_torch, as_pickle])
@pytest.mark.parametrize("load", [load_state, load_weights])
def test_a_file_that_would_run_code_is_refused(tmp_path, form, load):
    mark, path = tmp_path / "owned", tmp_path / "last.pt"
    for content in (
        Evil(mark),
        dict(model=dict(w=torch.ones(2)), epoch=Evil(mark)),
        [torch.ones(2), Evil(mark)],
    ):
        with open(path, "wb") as f:
            form(content, f)
        with pytest.raises(HyspError, match="last.pt"):
            load(path)
        assert not mark.exists()


def test_that_file_would_run_code(tmp_path):
    "The test above can fail: a trusting load does what the bytes ask"
    torch.save(Evil(tmp_path / "owned"), tmp_path / "x")
    torch.load(tmp_path / "x", weights_only=False)
    assert (tmp_path / "owned").exists()


# Whole or not at all


@pytest.mark.parametrize(
    "save",
    [
        lambda p, v: save_weights(p, dict(a=torch.full((3,), v)), {}),
        lambda p, v: save_state(p, dict(a=torch.full((3,), v))),
    ],
    ids=["weights", "state"],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, save, call):
    save(tmp_path / "x", 1.0)
    before = (tmp_path / "x").read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(
        HyspError,
        match=r"cannot write .*x: No space left on device; what was there before is untouched",
    ) as e:
        save(tmp_path / "x", 2.0)
    assert "\n" not in str(e.value)
    monkeypatch.undo()
    assert (tmp_path / "x").read_bytes() == before and [o.name for o in tmp_path.iterdir()] == ["x"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(HyspError, match="cannot write .*: No such file"):
        save_weights(tmp_path / "no/x", tensors, about)


# The authors' files

golden = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    path = tmp_path_factory.mktemp("official") / "official_format.ckpt"
    path.write_bytes(lzma.decompress((golden / "official_format.ckpt.xz").read_bytes()))
    return path


def test_the_authors_checkpoint_gives_the_authors_features(official):
    x, want = (np.load(golden / o) for o in ("stgcn.npz", "official_format_expected.npz"))
    model, keys = load_reference(official)
    model.to(device)
    with torch.no_grad():
        z = model.online_encoder(torch.from_numpy(x["x"]).to(device))
        p = model.online_projector(z)
    for got, name in ((z, "features"), (p, "projection")):
        torch.testing.assert_close(got.cpu(), torch.from_numpy(want[name]), atol=1e-5, rtol=0)
    assert (
        type(model) is HYSP
        and len(keys.fate("used")) == 367
        and not keys.fate("missing")
        and not keys.fate("ignored")
    )
    assert "367 used, 0 missing, 0 ignored" in repr(keys) and repr(keys).count("\n") == 367


@pytest.mark.parametrize("name", models)
@pytest.mark.parametrize("prefix", ["", "model.", "module.", "model.module."])
def test_every_model_is_known_by_its_weights(tmp_path, name, prefix):
    torch.manual_seed(0)
    m = models[name](
        "coco",
        "3s",
        hidden=3,
        out=8,
        head=6,
        middle=5,
        **(dict(queue=16) if name == "skeletonclr" else {}),
    ).eval()
    state = {prefix + k: v for k, v in m.state_dict().items()}
    if name == "skeletonclr":
        state[prefix + "queue"], state[prefix + "queue_ptr"] = (
            state[prefix + "queue"].T,
            state.pop(prefix + "oldest")[None],
        )
    torch.save(state, tmp_path / "x.pt")
    got, keys = load_reference(tmp_path / "x.pt", "coco")
    assert type(got) is type(m) and not keys.fate("missing") and not keys.fate("ignored")
    for k, v in m.state_dict().items():
        assert torch.equal(v, got.state_dict()[k]), k


def test_odd_keys_are_told(tmp_path):
    m = SimSiam(hidden=2, out=4)
    state = m.state_dict() | {
        "epoch_loss": torch.ones(3),
        "online_projector.net.0.weight": torch.ones(7),
    }
    del state["online_predictor.net.3.bias"]
    torch.save(dict(state_dict=state), tmp_path / "x.ckpt")
    _, keys = load_reference(tmp_path / "x.ckpt")
    assert keys.fate("ignored") == ["online_projector.net.0.weight", "epoch_loss"] and keys.fate(
        "missing"
    ) == ["online_projector.net.0.weight", "online_predictor.net.3.bias"]


def bomb(how, touched):
    "A checkpoint whose loading runs a command"

    class Runs:
        def __reduce__(self):
            return dict(
                system=(os.system, (f"touch {touched}",)),
                eval=(eval, (f"open('{touched}','w')",)),
                popen=(subprocess.Popen, (["touch", str(touched)],)),
            )[how]

    return dict(
        state_dict={"model.online_encoder.A": torch.ones(3, 25, 25)},
        hyper_parameters=argparse.Namespace(cfg=Runs()),
    )


@pytest.mark.parametrize("how", ["system", "eval", "popen"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_would_run_something_is_refused(tmp_path, how, zipped):
    torch.save(
        bomb(how, tmp_path / "owned"), tmp_path / "x.ckpt", _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(HyspError, match=r"x.ckpt is refused: .*could run code") as e:
        load_reference(tmp_path / "x.ckpt")
    assert not (tmp_path / "owned").exists() and "\n" not in str(e.value)
    held = torch.load(tmp_path / "x.ckpt", weights_only=False)["hyper_parameters"].cfg
    if how == "popen":
        held.wait()
    assert (tmp_path / "owned").exists(), "the bomb is a real one"


@pytest.mark.parametrize("content", [b"", b"text", None], ids=["empty", "text", "cut"])
def test_a_spoilt_checkpoint_is_refused(tmp_path, official, content):
    (tmp_path / "x.ckpt").write_bytes(official.read_bytes()[:-5000] if content is None else content)
    with pytest.raises(HyspError, match="x.ckpt is (refused|damaged)") as e:
        load_reference(tmp_path / "x.ckpt")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    "held,says",
    [
        ({}, "holds no ST-GCN encoder"),
        ([1], "holds no ST-GCN encoder"),
        (3, "holds no ST-GCN encoder"),
    ],
    ids=str,
)
def test_what_holds_no_encoder(tmp_path, held, says):
    torch.save(held, tmp_path / "x")
    with pytest.raises(HyspError, match=says):
        load_reference(tmp_path / "x")


# The encoder elsewhere


def clips(n, frames, bodies=2, seed=1):
    x = torch.randn(n, 3, frames, 25, bodies, generator=torch.Generator().manual_seed(seed))
    x[::2, ..., 1:] = 0
    return x


def agrees(enc, path, format, x):
    with torch.no_grad():
        torch.testing.assert_close(run_exported(path, format, x), enc(x), atol=1e-4, rtol=0)


def encoder(pool="present", kind=STGCN):
    torch.manual_seed(0)
    e = kind(hidden=4, out=16, pool=pool)
    e(clips(8, 20))  # Batch statistics that are not 0 and 1
    return e.eval()


@pytest.mark.parametrize(
    "format,frames",
    [("onnx", None), ("torch-export", None), ("torch-export", 20), ("torchscript", None)],
)
@pytest.mark.parametrize("kind", [STGCN, TCN])
def test_exported_is_the_encoder(tmp_path, format, frames, kind):
    enc = encoder(kind=kind)
    export_encoder(enc, tmp_path / "e", format, frames)
    for n in (1, 2, 5):
        for t in (20,) if frames else (5, 20, 37):
            agrees(enc, tmp_path / "e", format, clips(n, t))
    assert [o.name for o in tmp_path.iterdir()] == ["e"] and enc.pool == "present"


@pytest.mark.parametrize("pool", ["all", "present"])
@pytest.mark.parametrize("kind", [STGCN, TCN])
def test_portable_is_the_encoder(pool, kind):
    enc = encoder(pool, kind)
    for x in (clips(3, 20), clips(3, 20, 1), 0 * clips(2, 20)):
        with torch.no_grad():
            torch.testing.assert_close(Portable(enc)(x), enc(x), atol=1e-6, rtol=0)
