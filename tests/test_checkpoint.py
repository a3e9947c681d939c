"Checkpoints: what was saved comes back, anything else is refused in a sentence, nothing is executed"
import errno
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from safetensors.torch import save_file

from hysp.checkpoint import load_state, load_weights, save_state, save_weights
from hysp.core import HyspError
from hysp.optim import make_optimizer

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
rng = torch.Generator().manual_seed(0)
tensors = {'float': torch.randn(3,4, generator=rng), 'double': torch.randn(2, generator=rng, dtype=torch.float64), 'half': torch.ones(3).half(),
           'brain': torch.ones(3).bfloat16(), 'count': torch.tensor(7), 'flag': torch.tensor([True,False]), 'none': torch.zeros(0,5),
           'turned': torch.randn(3,4, generator=rng).T, 'part': torch.randn(9, generator=rng)[2:5], 'odd': torch.tensor([float('nan'), float('inf'), -0.])}
about = dict(layout='ui-prmd', clips=['Größe','手'], lr=1e-300, head=None, nested=dict(a=[1,2]))

def same(a, b): return a.dtype==b.dtype and a.shape==b.shape and a.numpy(force=True).tobytes()==b.numpy(force=True).tobytes()

# Weights

def test_weights_come_back_to_the_bit(tmp_path):
    save_weights(tmp_path/'w.safetensors', tensors, about)
    got,told = load_weights(tmp_path/'w.safetensors')
    assert told==about and got.keys()==tensors.keys()
    for k in tensors: assert same(got[k].float() if k=='brain' else got[k], tensors[k].float() if k=='brain' else tensors[k]), k
    assert [o.name for o in tmp_path.iterdir()]==['w.safetensors']

def test_same_weights_same_bytes(tmp_path):
    for o in 'ab': save_weights(tmp_path/o, tensors, about)
    assert (tmp_path/'a').read_bytes()==(tmp_path/'b').read_bytes()

def whole(tmp_path):
    save_weights(tmp_path/'whole', tensors, about)
    return (tmp_path/'whole').read_bytes()

def test_cut_short_anywhere_is_refused(tmp_path):
    raw,path = whole(tmp_path),tmp_path/'cut'
    for n in {*range(0, len(raw), 37), 7, 8, 9, len(raw)-1}:
        path.write_bytes(raw[:n])
        with pytest.raises(HyspError, match='cut is not a whole safetensors file'): load_weights(path)

@quick
@given(at=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_spoilt_byte_is_refused_or_harmless(tmp_path, at, byte):
    raw = bytearray(whole(tmp_path)); raw[at%len(raw)] = byte
    (tmp_path/'spoilt').write_bytes(raw)
    try: assert isinstance(load_weights(tmp_path/'spoilt')[1], dict)
    except HyspError: pass

def packed(content):
    buf = io.BytesIO(); content(buf)
    return buf.getvalue()

@pytest.mark.parametrize('raw', [b'', b'just text\n', bytes(100), b'\xff'*100, pickle.dumps(dict(a=1)), packed(lambda f: np.savez(f, a=np.ones(3))),
    packed(lambda f: np.save(f, np.ones(3))), packed(lambda f: torch.save(dict(a=torch.ones(3)), f))], ids=['empty','text','zeros','ones','pickle','npz','npy','pt'])
def test_foreign_files_are_refused(tmp_path, raw):
    (tmp_path/'x').write_bytes(raw)
    with pytest.raises(HyspError, match='x is not a whole safetensors file'): load_weights(tmp_path/'x')

@pytest.mark.parametrize('metadata', [None, {}, dict(format='pt'), dict(hysp='not JSON'), dict(hysp=''), dict(hysp='3'), dict(hysp='[]')], ids=repr)
def test_somebody_elses_safetensors_are_refused(tmp_path, metadata):
    save_file(dict(a=torch.ones(3)), tmp_path/'x', metadata)
    with pytest.raises(HyspError, match='x has no description written by hysp'): load_weights(tmp_path/'x')

@pytest.mark.parametrize('load,says', [(load_weights,'no checkpoint at'), (load_state,'no saved state at')])
def test_nothing_there(tmp_path, load, says):
    for o in (tmp_path/'no', tmp_path):
        with pytest.raises(HyspError, match=says): load(o)

# The state of a run

@pytest.mark.parametrize('name', ['sgd','adamw','riemannian_sgd'])
def test_state_comes_back_to_the_bit(tmp_path, name):
    p = torch.nn.Parameter(torch.randn(5, generator=rng))
    opt = make_optimizer([p], name, .1)
    for _ in range(2): opt.zero_grad(); p.square().sum().backward(); opt.step()
    state = dict(optimizer=opt.state_dict(), tensors=tensors, rows=[dict(epoch=0, loss=.1+.2, name='ü')], pair=(1, None, True), key=about)
    save_state(tmp_path/'last.pt', state)
    got = load_state(tmp_path/'last.pt')
    assert got['rows']==state['rows'] and got['pair']==state['pair'] and got['key']==about
    for k in tensors: assert torch.equal(got['tensors'][k].isnan(), tensors[k].isnan()) and torch.equal(got['tensors'][k].nan_to_num(), tensors[k].nan_to_num())
    kept,there = got['optimizer']['state'][0],state['optimizer']['state'][0]
    assert kept.keys()==there.keys() and there and all(same(kept[k], there[k]) for k in there)
    assert got['optimizer']['param_groups']==state['optimizer']['param_groups']

def test_state_cut_short_or_foreign_is_refused(tmp_path):
    save_state(tmp_path/'last.pt', dict(tensors=tensors)); raw = (tmp_path/'last.pt').read_bytes()
    cuts = [raw[:n] for n in {*range(0, len(raw), 211), len(raw)-1}]
    for raw in [*cuts, b'just text\n', bytes(100), b'\xff'*100, packed(lambda f: np.savez(f, a=np.ones(3))), packed(lambda f: zipfile.ZipFile(f, 'w').close())]:
        (tmp_path/'x.pt').write_bytes(raw)
        with pytest.raises(HyspError, match='x.pt'): load_state(tmp_path/'x.pt')

@quick
@given(raw=st.one_of(st.binary(max_size=60), st.tuples(st.sampled_from([b'\x80\x02', b'\x80\x04', b'PK\x03\x04']), st.binary(max_size=60)).map(b''.join)))
def test_any_bytes_are_refused(tmp_path, raw):
    (tmp_path/'x.pt').write_bytes(raw)
    with pytest.raises(HyspError, match='x.pt'): load_state(tmp_path/'x.pt')

# Nothing is executed

class Evil:
    def __init__(self, mark): self.mark = mark
    def __reduce__(self): return os.mkdir, (str(self.mark),)

def as_torch(content, f): torch.save(content, f)
def as_old_torch(content, f): torch.save(content, f, _use_new_zipfile_serialization=False)
def as_pickle(content, f): pickle.dump(content, f)

@pytest.mark.parametrize('form', [as_torch, as_old_torch, as_pickle])
@pytest.mark.parametrize('load', [load_state, load_weights])
def test_a_file_that_would_run_code_is_refused(tmp_path, form, load):
    mark,path = tmp_path/'owned',tmp_path/'last.pt'
    for content in (Evil(mark), dict(model=dict(w=torch.ones(2)), epoch=Evil(mark)), [torch.ones(2), Evil(mark)]):
        with open(path, 'wb') as f: form(content, f)
        with pytest.raises(HyspError, match='last.pt'): load(path)
        assert not mark.exists()

def test_that_file_would_run_code(tmp_path):
    "The test above can fail: a trusting load does what the bytes ask"
    torch.save(Evil(tmp_path/'owned'), tmp_path/'x')
    torch.load(tmp_path/'x', weights_only=False)
    assert (tmp_path/'owned').exists()

# Whole or not at all

@pytest.mark.parametrize('save', [lambda p, v: save_weights(p, dict(a=torch.full((3,), v)), {}), lambda p, v: save_state(p, dict(a=torch.full((3,), v)))], ids=['weights','state'])
@pytest.mark.parametrize('call', ['fsync','replace'])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, save, call):
    save(tmp_path/'x', 1.); before = (tmp_path/'x').read_bytes()
    def full(*args): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(os, call, full)
    with pytest.raises(HyspError, match=r'cannot write .*x: No space left on device; what was there before is untouched') as e: save(tmp_path/'x', 2.)
    assert '\n' not in str(e.value)
    monkeypatch.undo()
    assert (tmp_path/'x').read_bytes()==before and [o.name for o in tmp_path.iterdir()]==['x']

def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(HyspError, match='cannot write .*: No such file'): save_weights(tmp_path/'no/x', tensors, about)
