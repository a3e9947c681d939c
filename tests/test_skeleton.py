"Layouts, graphs and streams against the reference, and trees of any shape"

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from device import device
from hypothesis import given, settings, strategies as st

from hysp.core import HyspError
from hysp.skeleton import (
    Layout,
    adjacency,
    bone,
    channels,
    get_layout,
    hops,
    layouts,
    normal_name,
    stream,
)

golden = Path(__file__).parent / "golden"
graphs = dict(np.load(golden / "graph.npz", allow_pickle=False))


@pytest.mark.parametrize("key", graphs)
def test_adjacency_is_the_references(key):
    a = adjacency(*key.split("|"))
    assert a.dtype == np.float64 and a.shape == graphs[key].shape
    np.testing.assert_allclose(a, graphs[key], atol=1e-12)


@pytest.mark.parametrize("name", ["motion", "bone", "2s", "3s"])
def test_stream_is_the_references(name):
    d = np.load(golden / "streams.npz", allow_pickle=False)
    got = stream(torch.from_numpy(d["x"]).to(device), name, "ntu-rgb+d")
    assert got.shape[1] == channels(name)
    np.testing.assert_allclose(got.cpu().numpy(), d[name], atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 7, 25, 1), (2, 3, 7, 25, 2), (2, 5, 3, 7, 25, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stream_of_any_leading_shape(shape, dtype):
    x = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))
    for name in ("joint", "motion", "bone", "2s", "3s"):
        y = stream(x, name, layouts["ntu-rgb+d"])
        assert y.dtype == dtype and y.shape == (*shape[:-4], channels(name), *shape[-3:])
    assert torch.equal(stream(x, "joint", "ntu-rgb+d"), x)
    assert not stream(x, "motion", "ntu-rgb+d").select(-3, -1).any()


def test_stream_after_inference_mode_still_has_gradients():
    layout = Layout("fresh", ("a", "b"), (-1, 0))
    x = torch.randn(3, 2, 2, 1)
    with torch.inference_mode():
        stream(x, "bone", layout)
    x.requires_grad_()
    stream(x, "bone", layout).square().sum().backward()
    assert x.grad.abs().sum() > 0


def test_published_order_of_joints():
    coco = (
        "nose,left eye,right eye,left ear,right ear,left shoulder,right shoulder,"
        "left elbow,right elbow,left wrist,right wrist,left hip,right hip,"
        "left knee,right knee,left ankle,right ankle"
    )
    assert layouts["coco"].joints == tuple(coco.split(","))
    pose = layouts["mediapipe"].joints
    assert [
        pose.index(o)
        for o in (
            "nose",
            "left inner eye",
            "right inner eye",
            "left ear",
            "left mouth",
            "left shoulder",
            "right wrist",
            "left hip",
            "right ankle",
            "right toes",
        )
    ] == [0, 1, 4, 7, 9, 11, 16, 23, 28, 32]
    assert [
        layouts["openpose"].joints.index(o)
        for o in (
            "nose",
            "neck",
            "right shoulder",
            "left shoulder",
            "right hip",
            "left hip",
            "right eye",
            "left ear",
        )
    ] == [0, 1, 2, 5, 8, 11, 14, 17]


# The names that each tool itself gives, in the order of its arrays, and the parent of each joint
published = {
    "kinect-v1": (
        "HipCenter Spine ShoulderCenter Head ShoulderLeft ElbowLeft WristLeft HandLeft "
        "ShoulderRight ElbowRight WristRight HandRight HipLeft KneeLeft AnkleLeft FootLeft "
        "HipRight KneeRight AnkleRight FootRight",
        [1, 2, -1, 2, 2, 4, 5, 6, 2, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18],
    ),
    "azure-32": (
        "PELVIS SPINE_NAVEL SPINE_CHEST NECK CLAVICLE_LEFT SHOULDER_LEFT ELBOW_LEFT WRIST_LEFT "
        "HAND_LEFT HANDTIP_LEFT THUMB_LEFT CLAVICLE_RIGHT SHOULDER_RIGHT ELBOW_RIGHT WRIST_RIGHT "
        "HAND_RIGHT HANDTIP_RIGHT THUMB_RIGHT HIP_LEFT KNEE_LEFT ANKLE_LEFT FOOT_LEFT HIP_RIGHT "
        "KNEE_RIGHT ANKLE_RIGHT FOOT_RIGHT HEAD NOSE EYE_LEFT EAR_LEFT EYE_RIGHT EAR_RIGHT",
        [-1, 0, 1, 2, 2, 4, 5, 6, 7, 8, 7, 2, 11, 12, 13, 14, 15, 14, 0, 18, 19, 20, 0, 22, 23, 24]
        + [3, 26, 26, 26, 26, 26],
    ),
    "openni-15": (
        "HEAD NECK LEFT_SHOULDER RIGHT_SHOULDER LEFT_ELBOW RIGHT_ELBOW LEFT_HAND RIGHT_HAND TORSO "
        "LEFT_HIP RIGHT_HIP LEFT_KNEE RIGHT_KNEE LEFT_FOOT RIGHT_FOOT",
        [1, -1, 1, 1, 2, 3, 4, 5, 1, 8, 8, 9, 10, 11, 12],
    ),
    "body-25": (
        "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip "
        "LKnee LAnkle REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel",
        [1, -1, 1, 2, 3, 1, 5, 6, 1, 8, 9, 10, 8, 12, 13, 0, 0, 15, 16, 14, 19, 14, 11, 22, 11],
    ),
    "halpe-26": (
        "Nose LEye REye LEar REar LShoulder RShoulder LElbow RElbow LWrist RWrist LHip RHip LKnee "
        "RKnee LAnkle RAnkle Head Neck Hip LBigToe RBigToe LSmallToe RSmallToe LHeel RHeel",
        [18, 0, 0, 1, 2, 18, 18, 5, 6, 7, 8, 19, 19, 11, 12, 13, 14, 18, -1, 18]
        + [15, 16, 20, 21, 15, 16],
    ),
    "h36m-17": (
        "Pelvis RHip RKnee RAnkle LHip LKnee LAnkle Spine Thorax Neck Head LShoulder LElbow LWrist "
        "RShoulder RElbow RWrist",
        [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15],
    ),
    "smpl-22": (
        "Pelvis L_Hip R_Hip Spine1 L_Knee R_Knee Spine2 L_Ankle R_Ankle Spine3 L_Foot R_Foot Neck "
        "L_Collar R_Collar Head L_Shoulder R_Shoulder L_Elbow R_Elbow L_Wrist R_Wrist",
        [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19],
    ),
}


@pytest.mark.parametrize("name", published)
def test_layouts_are_as_published(name):
    joints, parents = published[name]
    assert [normal_name(joint) for joint in joints.split()] == list(layouts[name].joints)
    assert list(layouts[name].parents) == parents


@pytest.mark.parametrize("name", layouts)
def test_a_layout_is_one_tree_and_its_own_mirror(name):
    layout = layouts[name]
    assert [normal_name(joint) for joint in layout.joints] == list(layout.joints)
    assert sorted(layout.order) == list(range(len(layout)))
    for joint, partner in enumerate(layout.mirror):
        assert layout.mirror[partner] == joint
        parent = layout.parents[joint]
        mirrored = -1 if parent == -1 else layout.mirror[parent]
        assert layout.parents[partner] == mirrored
    for pair in (layout.shoulders, layout.hips):
        left, right = pair
        assert layout.mirror[left] == right and layout.joints[left].startswith("left")


@st.composite
def trees(draw):
    n = draw(st.integers(1, 12))
    parents = [-1] + [draw(st.integers(0, i - 1)) for i in range(1, n)]
    order = draw(st.permutations(range(n)))
    place = {o: i for i, o in enumerate(order)}
    return Layout(
        "drawn",
        [f"j{i}" for i in range(n)],
        [-1 if parents[o] == -1 else place[parents[o]] for o in order],
        centre=draw(st.integers(0, n - 1)),
    )


@settings(max_examples=60, deadline=None)
@given(trees(), st.integers(1, 3))
def test_any_tree(layout, max_hop):
    v = len(layout)
    assert len(layout.bones) == v - 1 and sorted(layout.order) == list(range(v))
    seen = set()
    for i in layout.order:
        assert layout.parents[i] in seen | {-1}
        seen.add(i)
    for s, k in dict(uniform=1, distance=1 + max_hop, spatial=1 + 2 * max_hop).items():
        a = adjacency(layout, s, max_hop)
        assert a.shape == (k, v, v)
        np.testing.assert_allclose(a.sum((0, 1)), 1, atol=1e-12)
        np.testing.assert_allclose(a.sum(0), adjacency(layout, "uniform", max_hop)[0], atol=1e-12)
    far = hops(layout, v)
    assert np.isfinite(far).all() and (far == far.T).all()
    x = torch.randn(3, 2, v, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(v))
    b, back = bone(x, layout), x.clone()
    assert not b[..., layout.root, :].any()
    for i in layout.order[1:]:
        back[..., i, :] = back[..., layout.parents[i], :] + b[..., i, :]
    torch.testing.assert_close(back, x)
    assert Layout.from_dict(yaml.safe_load(yaml.safe_dump(layout.to_dict()))) == layout


def test_numbers_of_numpy_are_plain_in_yaml():
    layout = Layout(
        "n",
        np.array(["a", "left b", "right b"]),
        np.array([-1, 0, 0]),
        centre=np.int64(1),
        side_axis=np.int64(2),
    )
    assert Layout.from_dict(yaml.safe_load(yaml.safe_dump(layout.to_dict()))) == layout


@pytest.mark.parametrize(
    "change,message",
    [
        (dict(parents=[1, 2, 0]), "no tree"),
        (dict(parents=[-1, -1, 0]), "2 roots"),
        (dict(parents=[-1, 1, 0]), "loop"),
        (dict(parents=[-1, 0, 7]), "parent 7"),
        (dict(parents=[-1, 0, -2]), "parent -2"),
        (dict(parents=[-1, 0]), "3 joints but 2 parents"),
        (dict(joints=["a", "left b", "a"]), "twice"),
        (dict(mirror=[1, 2, 0]), "no involution"),
        (dict(mirror=[0, 1]), "no permutation"),
        (dict(mirror=[0, 0, 0]), "no permutation"),
        (dict(centre=9), "no joint 9"),
        (dict(centre="hed"), "unknown centre of layout 'own' 'hed'"),
        (dict(shoulders=[1]), "two different"),
        (dict(shoulders=3), "list of joints"),
        (dict(side_axis=-1), "is 0, 1 or 2, for x, y or z, not -1"),
        (dict(side_axis="x"), "is 0, 1 or 2, for x, y or z, not 'x'"),
        (dict(side_axis=True), "not True"),
        (dict(mirrors=[0, 2, 1]), "did you mean 'mirror'"),
        (dict(joints="abc"), "needs a list of names under joints"),
        (dict(parents="-1"), "list of joints"),
        (dict(parents=[-1, 0, 0.5]), "name or the number"),
        (dict(joints=["a", "left b", "left c"]), "'right b'"),
    ],
)
def test_refused_layouts(change, message):
    with pytest.raises(HyspError, match=message):
        Layout.from_dict({**dict(joints=["a", "left b", "right b"], parents=[-1, 0, 0]), **change})


@pytest.mark.parametrize(
    "call,message",
    [
        (lambda: get_layout("ntu"), "unknown layout"),
        (lambda: adjacency("coco", "spatail"), "did you mean 'spatial'"),
        (lambda: adjacency("coco", max_hop=0), "at least 1"),
        (lambda: stream(torch.zeros(3, 2, 25, 1), "joint", "coco"), "17 joints"),
        (lambda: stream(torch.zeros(3, 2, 17, 1), "joints", "coco"), "did you mean 'joint'"),
        (lambda: Layout.from_dict([1]), "mapping"),
    ],
)
def test_refused_calls(call, message):
    with pytest.raises(HyspError, match=message):
        call()
