"The reference's arrays from its raw clips; dataset folders that are whole or not there"
import csv
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import yaml

from hysp.core import HyspError, checksum
from hysp.prepare import align, assign, centre, prepare, recorded_motion, resize, to_array, valid_frames
from hysp.readers import Clip, Source, arrays
from hysp.skeleton import Layout, layouts

root = Path(__file__).parents[1]
golden = dict(np.load(root/'tests/golden/preprocess.npz', allow_pickle=False))
npz = root.parent/'shared/data/uiprmd_kinect.npz'
hand = Layout('hand', ('wrist','left tip','right tip'), (-1,0,0))

def made_up(n=6, bodies=1, there=lambda i: 1, layout=layouts['coco'], subject=lambda i: 1+i//2, told=True):
    def load(i):
        x = np.random.default_rng(i).normal(size=(3,7+i,len(layout),bodies)).astype(np.float32)
        x[...,there(i):] = 0
        return Clip(f'c{i}', x, i%2, subject(i))
    return Source([f'c{i}' for i in range(n)], load, layout, ['a','b'], 30, bodies if told else None)

def table(path):
    with open(path/'samples.csv', newline='') as f: return list(csv.DictReader(f))

# Steps

@pytest.mark.parametrize('i', range(3))
def test_position_and_motion_are_the_references(i):
    np.testing.assert_allclose(to_array(golden['raw'][i], 'ntu-rgb+d'), golden['position'][i], atol=1e-5, rtol=0)
    np.testing.assert_allclose(recorded_motion(golden['raw'][i]), golden['motion'][i], atol=1e-5, rtol=0)

@pytest.mark.parametrize('old,new', [(1,50), (2,5), (7,3), (50,50), (75,50), (300,50), (3,1)])
def test_resize_is_that_of_torch(old, new):
    import torch
    x = np.random.default_rng(old).normal(size=(3,old,4,2)).astype(np.float32)
    flat = torch.from_numpy(x).permute(0,2,3,1).reshape(1,-1,old)
    y = torch.nn.functional.interpolate(flat, size=new, mode='linear', align_corners=False).reshape(3,4,2,new).permute(0,3,1,2)
    np.testing.assert_allclose(resize(x, new), y.numpy(), atol=2e-6)

def test_absent_bodies_stay_absent():
    x = golden['raw'][0]
    assert not x[...,1].any() and not to_array(x, 'ntu-rgb+d')[...,1].any() and to_array(x, 'ntu-rgb+d')[...,0].any()

def test_turning_the_recording_changes_little_after_alignment():
    pose = np.random.default_rng(1).normal(size=(3,1,25,1)).repeat(4, 1)
    for turn in (.3, 1.2, 2.9, -2.):
        c,s = np.cos(turn),np.sin(turn)
        x = np.einsum('ij,jtvm->itvm', [[c,0,s],[0,1,0],[-s,0,c]], pose)
        y = align(x, 'ntu-rgb+d')
        line = y[:,:,8]-y[:,:,4]
        assert (line[0]>0).all() and np.abs(line[2]/line[0]).max()<.02
        np.testing.assert_allclose(np.linalg.norm(y, axis=0), np.linalg.norm(x, axis=0), atol=1e-12)

def test_shoulders_that_point_at_the_sky_are_finite():
    x = np.zeros((3,4,25,1), np.float32); x[1] = 1; x[1,:,8] = 2
    assert np.isfinite(to_array(x, 'ntu-rgb+d')).all()

def test_a_clip_that_was_centred_on_its_first_joint_keeps_its_frames():
    x = np.random.default_rng(0).normal(size=(3,9,22,1))
    assert valid_frames(x-x[:,:,:1])==9
    assert to_array(x-x[:,:,:1], 'ui-prmd', 4).any()

def test_without_shoulders_nothing_is_aligned():
    x = np.random.default_rng(0).normal(size=(3,5,3,1)).astype(np.float32)
    np.testing.assert_array_equal(to_array(x, hand, 5), centre(x, hand))

# The folder

def test_folder(tmp_path):
    s = made_up()
    out = prepare(s, tmp_path/'new'/'set', frames=5, protocols=dict(xsub=[1], some=dict(train=[1], val=[3])), progress=False)
    assert sorted(o.name for o in out.iterdir())==['dataset.yaml','position.npy','samples.csv']
    x,rows,about = np.load(out/'position.npy'),table(out),yaml.safe_load((out/'dataset.yaml').read_text())
    assert x.shape==(6,3,5,17,1) and x.dtype==np.float32 and about['shape']==list(x.shape)
    for i in range(6): np.testing.assert_array_equal(x[i], to_array(s[i].position, 'coco', 5))
    assert list(rows[0])==['name','label','subject','camera','setup','replication','frames','bodies','xsub','some']
    assert [r['xsub'] for r in rows]==['train']*2+['val']*4 and [r['some'] for r in rows]==['train']*2+['']*2+['val']*2
    assert [(r['name'],r['label'],r['subject'],r['camera'],r['frames'],r['bodies']) for r in rows[:2]]==[('c0','0','1','','7','1'),('c1','1','1','','8','1')]
    assert about['checksum']==checksum(out/'position.npy') and about['format']==1 and about['class_names']==['a','b']
    assert Layout.from_dict(about['layout'])==layouts['coco'] and about['counts']['some']==dict(train=2, val=2)

def test_same_source_same_bytes(tmp_path):
    a,b = (prepare(made_up(), tmp_path/o, progress=False) for o in 'ab')
    for f in ('position.npy','samples.csv','dataset.yaml'): assert (a/f).read_bytes()==(b/f).read_bytes()

@pytest.mark.parametrize('bodies,there,asked,expected', [
    (1, lambda i: 1, None, 1), (2, lambda i: 1, None, 1), (2, lambda i: 1+i%2, None, 2), (5, lambda i: 4, None, 2), (5, lambda i: 4, 3, 3), (2, lambda i: 2, 1, 1), (1, lambda i: 1, 2, 2)])
def test_bodies(tmp_path, bodies, there, asked, expected):
    s = made_up(bodies=bodies, there=there)
    out = prepare(s, tmp_path/'s', frames=4, max_bodies=asked, progress=False)
    x = np.load(out/'position.npy')
    assert x.shape[-1]==expected
    kept = [min(there(i), expected) for i in range(6)]
    assert [int(r['bodies']) for r in table(out)]==kept
    for i in range(6):
        np.testing.assert_array_equal(x[i,...,:kept[i]], to_array(s[i].position[...,:kept[i]], 'coco', 4))
        assert not x[i,...,kept[i]:].any()

def test_second_body_alone_moves_up(tmp_path):
    def load(i):
        x = np.zeros((3,4,17,2), np.float32); x[...,1] = np.random.default_rng(i).normal(size=(3,4,17))
        return Clip(f'c{i}', x, 0)
    out = prepare(Source(['c0','c1'], load, 'coco', ['a']), tmp_path/'s', frames=4, progress=False)
    assert np.load(out/'position.npy').shape[-1]==1 and np.load(out/'position.npy').any()

def test_unknown_number_of_bodies_is_found_out(tmp_path):
    out = prepare(made_up(bodies=2, told=False), tmp_path/'s', progress=False)
    assert np.load(out/'position.npy').shape[-1]==1

def test_own_layout_and_switches(tmp_path):
    s = made_up(layout=hand)
    out = prepare(s, tmp_path/'s', frames=3, centre=False, align=True, progress=False)
    np.testing.assert_array_equal(np.load(out/'position.npy')[2], resize(s[2].position, 3))
    about = yaml.safe_load((out/'dataset.yaml').read_text())
    assert about['prepared']==dict(frames=3, centre=False, align=False) and Layout.from_dict(about['layout'])==hand

@pytest.mark.parametrize('subject,expected', [(lambda i: None, None), (lambda i: 1, None), (lambda i: i, ['val','train']*3)])
def test_default_protocol(tmp_path, subject, expected):
    rows = table(prepare(made_up(subject=subject), tmp_path/'s', progress=False))
    assert [r.get('xsub') for r in rows]==(expected or [None]*6)

@pytest.mark.parametrize('kwargs,message', [
    (dict(frames=0), 'at least 1'), (dict(max_bodies=0), 'at least 1'), (dict(protocols=dict(xsub=[9])), 'leaves no clip to train; the set has subject 1, 2, 3'), (dict(protocols=dict(xsub=[1,2,3])), 'no clip to val'),
    (dict(protocols=dict(xview=dict(by='camera', train=[1]))), 'goes by camera, but clip c0 has none'), (dict(protocols=dict(x=dict(by='camra', train=[1]))), "did you mean 'camera'"), (dict(protocols={'a/b':[1]}), 'name of a protocol'),
    (dict(protocols=dict(x='odd')), 'list of numbers'), (dict(protocols=dict(x=[1.5])), 'list of numbers'), (dict(protocols=dict(x=dict(train=[1], vall=[2]))), "did you mean 'val'")])
def test_refused_and_nothing_left(tmp_path, kwargs, message):
    with pytest.raises(HyspError, match=message): prepare(made_up(), tmp_path/'s', progress=False, **kwargs)
    assert not list(tmp_path.iterdir())

def spoilt(i, change):
    s = made_up(); load = s.load
    def other(j):
        c = load(j)
        return Clip(c.name, change(c.position.copy()), c.label, c.subject) if j==i else c
    s.load = other
    return s

def put(value):
    def change(x): x[1,3,2,0] = value; return x
    return change

@pytest.mark.parametrize('change,message', [
    (put(np.nan), "clip c4 holds nan at frame 3, joint 'right eye'"), (put(np.inf), 'clip c4 holds inf'), (lambda x: 0*x, 'clip c4 has no frame with anybody'), (lambda x: x[:,:0], 'clip c4 has no frames'), (lambda x: x[:,:,1:], 'clip c4 has 16 joints')])
def test_a_broken_clip_is_named_and_nothing_left(tmp_path, change, message):
    with pytest.raises(HyspError, match=message): prepare(spoilt(4, change), tmp_path/'s', progress=False)
    assert not list(tmp_path.iterdir())

def test_existing_folder_survives(tmp_path):
    out = prepare(made_up(), tmp_path/'s', progress=False); before = checksum(out/'position.npy')
    with pytest.raises(HyspError, match='exists already'): prepare(made_up(4), out, progress=False)
    with pytest.raises(HyspError, match='c4 holds nan'): prepare(spoilt(4, put(np.nan)), out, overwrite=True, progress=False)
    assert checksum(out/'position.npy')==before and [o.name for o in tmp_path.iterdir()]==['s']
    assert len(table(prepare(made_up(4), out, overwrite=True, progress=False)))==4

def test_interrupt_leaves_nothing(tmp_path):
    def stop(x): raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): prepare(spoilt(4, stop), tmp_path/'s', progress=False)
    assert not list(tmp_path.iterdir())

def test_two_clips_of_one_name(tmp_path):
    s = made_up(); s.names[3] = 'c1'
    with pytest.raises(HyspError, match='two clips are named c1'): prepare(s, tmp_path/'s', progress=False)

def test_full_disk_is_one_sentence(tmp_path):
    code = f'''
import resource, sys
from pathlib import Path
sys.path[:0] = [{str(root)!r}, {str(root/"tests")!r}]
from test_prepare import made_up, prepare
from hysp.core import HyspError
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try: prepare(made_up(), Path({str(tmp_path)!r})/'s', progress=False)
except HyspError as e: print('refused:', e)
'''
    res = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert res.stdout.startswith('refused: cannot write') and 'too large' in res.stdout, res.stdout+res.stderr
    assert not list(tmp_path.iterdir())

def test_memory_does_not_grow_with_the_set(tmp_path):
    x = np.random.default_rng(0).normal(size=(3,100,17,2)).astype(np.float32)
    def peak(n):
        s = Source([str(i) for i in range(n)], lambda i: Clip(str(i), x, 0, i), 'coco', ['a'], bodies=2)
        tracemalloc.start(); prepare(s, tmp_path/str(n), progress=False); res = tracemalloc.get_traced_memory()[1]; tracemalloc.stop()
        return res
    peak(10)
    a,b = peak(50),peak(500)
    assert b-a<450*3000, f'{a} bytes for 50 clips, {b} for 500: more than the rows of a table'

def test_assign_keeps_order():
    rows = [dict(name=str(i), subject=i, camera=None, setup=i%2, replication=None) for i in (4,1,3,2)]
    assert assign(rows, 'xset', dict(by='setup', train=range(0, 1)))==['train','val','val','train']
    assert assign(rows, 'xsub', np.array([1,3]))==['val','train','train','val']

@pytest.mark.skipif(not npz.exists(), reason='needs the UI-PRMD data beside the project')
def test_uiprmd(tmp_path):
    s = arrays(npz)
    out = prepare(s, tmp_path/'s', frames=32, align=False, progress=False)
    x,rows = np.load(out/'position.npy'),table(out)
    assert x.shape==(2000,3,32,22,1) and np.isfinite(x).all() and not x[:,:,:,0].any()
    train = np.array([r['xsub']=='train' for r in rows]); label = np.array([int(r['label']) for r in rows])
    assert train.sum()==1000
    from sklearn.neighbors import KNeighborsClassifier
    flat = x.reshape(2000, -1)
    hit = KNeighborsClassifier(1).fit(flat[train], label[train]).predict(flat[~train])
    assert abs((hit==label[~train]).mean()-.793)<.02, 'the figure that comes with the data is 79.3 %'
    assert abs((hit%10==label[~train]%10).mean()-.955)<.01, 'the figure that comes with the data is 95.5 %'
