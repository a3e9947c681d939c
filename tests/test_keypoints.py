"What estimators of poses write is read right, and what is broken is refused in a sentence"

import json
import random
import re
import shutil
import zipfile

import numpy as np
import pytest

from hysp.clips import Fault, File
from hysp.core import HyspError
from hysp.keypoints import (
    Person,
    azure,
    coco,
    frame_number,
    gather,
    match_people,
    openpose,
    read_json,
    yolo,
)
from hysp.skeleton import layouts

rng = np.random.default_rng(0)


def walk(frames, joints, people, axes=2, apart=400):
    "People side by side who move a little, shape (T, M, V, axes)"
    body = rng.uniform(50, 250, (people, joints, axes))
    body[..., 0] += apart * np.arange(people)[:, None]
    steps = rng.normal(0, 3, (frames, people, 1, axes)).cumsum(0)
    return (body + steps).round(3)


def flat(joints, confidence=0.9):
    return np.insert(joints, 2, confidence, 1).ravel().tolist()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def openpose_frame(people, **more):
    return dict(version=1.3, people=[dict(pose_keypoints_2d=flat(o), **more) for o in people])


def write_openpose(folder, x, start=0):
    for t, people in enumerate(x, start):
        write(folder / f"v_{t:012}_keypoints.json", openpose_frame(people[:: 1 if t % 2 else -1]))


def write_coco(folder, x):
    results = []
    for t, people in enumerate(x):
        order = people[:: 1 if t % 2 else -1]
        results += [dict(image_id=f"{t}.jpg", keypoints=flat(o), score=1.5, idx=0) for o in order]
    write(folder / "a.json", results)


def write_mmpose(folder, x):
    frames = []
    for t, people in enumerate(x):
        scores = [0.8] * x.shape[2]
        instances = [dict(keypoints=o.tolist(), keypoint_scores=scores) for o in people]
        frames.append(dict(frame_id=t, instances=instances))
    write(folder / "a.json", dict(meta_info={}, instance_info=frames))


def write_yolo(folder, x):
    for t, people in enumerate(x):
        lines = [f"0 .5 .5 .1 .2 {' '.join(map(repr, flat(o)))}\n" for o in people]
        write(folder / f"v_{t}.txt", "".join(lines))


def write_azure(folder, x):
    frames = []
    for t, people in enumerate(x):
        bodies = [dict(body_id=m + 1, joint_positions=o.tolist()) for m, o in enumerate(people)]
        frames.append(dict(frame_id=t, timestamp_usec=33_333 * t, bodies=bodies))
    write(folder / "a.json", dict(frames=frames))


def leave_out(folder, numbers):
    "Take these frames out of a clip that was written by one of the functions above"
    if (folder / "a.json").exists():
        content = json.loads((folder / "a.json").read_text())
        frames = content if isinstance(content, list) else next(filter(None, content.values()))
        key = "image_id" if "image_id" in frames[0] else "frame_id"
        names = [*numbers, *(f"{number}.jpg" for number in numbers)]
        frames[:] = [frame for frame in frames if frame[key] not in names]
        return write(folder / "a.json", content)
    for path in folder.iterdir():
        if frame_number(path.stem.removesuffix("_keypoints"))[1] in numbers:
            path.unlink()


formats = {  # How a clip of so many joints and axes is written, and what reads it
    "openpose-18": (write_openpose, openpose, 18, 2, "openpose"),
    "openpose-25": (write_openpose, openpose, 25, 2, "body-25"),
    "coco-17": (write_coco, coco, 17, 2, "coco"),
    "coco-26": (write_coco, coco, 26, 2, "halpe-26"),
    "mmpose": (write_mmpose, coco, 17, 2, "coco"),
    "yolo": (write_yolo, yolo, 17, 2, "coco"),
    "azure": (write_azure, azure, 32, 3, "azure-32"),
}


def bodies_of(clip, axes):
    "Positions (T, M, V, axes), those on the left first"
    places = clip.position.transpose(1, 3, 2, 0)
    assert not places[..., axes:].any()
    order = places[0, :, :, 0].mean(1).argsort()
    return places[:, order, :, :axes]


@pytest.mark.parametrize("name", formats)
@pytest.mark.parametrize("people", [1, 2])
def test_a_made_up_tree_comes_back(tmp_path, name, people):
    write_clip, reader, joints, axes, layout = formats[name]
    clips = {}
    for path in ("wave/anna", "wave/bert", "clap/anna"):
        clips[path] = walk(9, joints, people, axes)
        write_clip(tmp_path / path, clips[path])
    source = reader(tmp_path, naming="{label}/{subject}/a" if reader in (coco, azure) else None)
    assert source.layout is layouts[layout]
    assert source.class_names == ["clap", "wave"]
    assert source.up == "-y"
    for clip in source:
        wrote = clips[clip.name.removesuffix("/a")].astype(np.float32)
        assert np.array_equal(bodies_of(clip, axes), wrote)
        assert clip.seen.all()


def test_openpose_in_a_zip_and_by_table(tmp_path):
    x = walk(5, 25, 2)
    write_openpose(tmp_path / "raw/anna 1", x, start=4)
    write_openpose(tmp_path / "raw/bert", x)
    table = "file,label,subject\nanna 1,wave,1\nbert,clap,2\n"
    (tmp_path / "raw/clips.csv").write_text(table)
    source = openpose(tmp_path / "raw")
    assert [source.class_names[clip.label] for clip in source] == ["wave", "clap"]
    assert np.array_equal(source[0].position, source[1].position)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted((tmp_path / "raw").rglob("*.json")):
            archive.write(path, f"wave/{path.relative_to(tmp_path / 'raw')}")
    shutil.rmtree(tmp_path / "raw")
    packed = openpose(tmp_path)
    assert packed.class_names == ["wave"] and len(packed) == 2
    assert np.array_equal(bodies_of(packed[0], 2), x.astype(np.float32))


def test_stamp_changes_with_any_frame(tmp_path):
    write_openpose(tmp_path / "wave/anna", walk(3, 18, 1))
    before = openpose(tmp_path).stamp
    write(tmp_path / "wave/anna/v_000000000001_keypoints.json", openpose_frame([]))
    assert openpose(tmp_path).stamp != before


def test_frames_by_number_not_by_alphabet(tmp_path):
    x = walk(12, 17, 1)
    for t in (0, 2, 4, 10):
        write(tmp_path / f"wave/a_{t}.json", openpose_frame(x[t]))
    clip = openpose(tmp_path, "coco")[0]
    there = clip.seen.any((1, 2))
    assert there.tolist() == [True, True, True, False, False, True]
    assert np.array_equal(bodies_of(clip, 2)[there], x[[0, 2, 4, 10]].astype(np.float32))


# What the line about frames that are left out says where nothing is chosen
said = "nobody was seen there (or choose --gaps fill, cut or refuse)"


@pytest.mark.parametrize("write_clip", [write_openpose, write_yolo])
def test_files_that_are_not_there_are_told_before_the_work(tmp_path, write_clip):
    reader = openpose if write_clip is write_openpose else yolo
    x = walk(8, 17, 1)
    for name in ("wave/a", "wave/b", "wave/c"):
        write_clip(tmp_path / name, x)
    for lost in ("wave/a/*5*", "wave/a/*3*", "wave/b/*7*", "wave/c/*4*"):
        next(tmp_path.glob(lost)).unlink()
    taken = reader(tmp_path, "coco").taken
    assert taken[-2] == f"frames missing within 2 of 3 clips, up to 2 in one: {said}"
    for path in tmp_path.glob("wave/[ac]/*"):
        path.unlink()
    assert not any("missing" in line for line in reader(tmp_path, "coco").taken)


@pytest.mark.parametrize("name", formats)
def test_frames_that_are_left_out_are_what_gaps_says(tmp_path, name):
    write_clip, reader, joints, axes, layout = formats[name]
    x = np.arange(9)[:, None, None, None] * 2.0 + walk(1, joints, 1, axes)
    write_clip(tmp_path / "wave/a", x)
    leave_out(tmp_path / "wave/a", (3, 4))
    clips = {}
    for gaps in (None, "fill", "cut"):
        source = reader(tmp_path, layout, gaps=gaps)
        clips[gaps] = source[0]
        assert re.search("missing within 1 of 1 clips|leaves out", "\n".join(source.taken))
    there = clips[None].seen.any((1, 2))
    assert np.flatnonzero(~there).tolist() == [3, 4]
    np.testing.assert_allclose(bodies_of(clips["fill"], axes), x, atol=1e-4)
    assert clips["fill"].seen.all()
    np.testing.assert_allclose(bodies_of(clips["cut"], axes), x[5:], atol=1e-4)
    with pytest.raises(Fault, match="gap from 2 to 5, where 1 is the usual step; fill .* --gaps"):
        reader(tmp_path, layout, gaps="refuse")[0]
    with pytest.raises(HyspError, match="did you mean 'fill'"):
        reader(tmp_path, layout, gaps="fil")


def test_a_short_clip_has_gaps_too(tmp_path):
    x = walk(12, 18, 1)
    for t in (0, 1, 3, 5, 7):
        write(tmp_path / f"wave/a_{t}.json", openpose_frame(x[t]))
    assert openpose(tmp_path, gaps="fill")[0].seen.shape[0] == 8
    assert openpose(tmp_path, gaps="cut")[0].seen.shape[0] == 2
    with pytest.raises(Fault, match="gap from 1 to 3 and 2 more, where 1 is the usual step"):
        openpose(tmp_path, gaps="refuse")[0]


def test_a_frame_with_a_file_and_without_people_is_no_gap(tmp_path):
    write_openpose(tmp_path / "wave/a", walk(5, 18, 1))
    write(tmp_path / "wave/a/v_000000000002_keypoints.json", openpose_frame([]))
    source = openpose(tmp_path, gaps="refuse")
    assert not any("missing" in line for line in source.taken)
    assert source[0].seen.any((1, 2)).tolist() == [True, True, False, True, True]


def test_lost_joints_are_not_places(tmp_path):
    x = walk(4, 18, 1)
    frame = openpose_frame(x[1])
    frame["people"][0]["pose_keypoints_2d"][3 * 5 : 3 * 6] = [0, 0, 0]
    frame["people"][0]["pose_keypoints_2d"][3 * 6 + 2] = 0.05
    frame["people"][0]["pose_keypoints_2d"][3 * 7] = None
    frame["people"].append(dict(pose_keypoints_2d=[0] * 54))
    write_openpose(tmp_path / "wave/anna", x)
    write(tmp_path / "wave/anna/v_000000000001_keypoints.json", frame)
    clip = openpose(tmp_path)[0]
    assert clip.position.shape == (3, 4, 18, 1)
    assert np.argwhere(~clip.seen[..., 0]).tolist() == [[1, 5], [1, 6], [1, 7]]
    assert not clip.position[:, 1, 5:8].any()


# Who is who


def shuffled(x, seed):
    "People of each frame in a random order, and who is where"
    order = [
        np.random.default_rng([seed, t]).permutation(len(people)) for t, people in enumerate(x)
    ]
    return [people[o] for people, o in zip(x, order)], order


@pytest.mark.parametrize("seed", range(5))
def test_people_swap_in_the_file(seed):
    x = walk(40, 17, 4, apart=150)
    frames, order = shuffled(x, seed)
    numbers = match_people(frames)
    names = dict(zip(order[0].tolist(), numbers[0]))
    for told, found in zip(order, numbers):
        assert [names[person] for person in told.tolist()] == found


def test_two_who_pass_each_other():
    body = rng.uniform(0, 100, (17, 2))
    frames = []
    for t in range(40):
        frames.append(np.stack([body + [5 * t, 0], body[:, ::-1] + [200 - 5 * t, 0]]))
    assert match_people(frames) == [[0, 1]] * 40


def test_who_leaves_and_comes_back_has_the_old_place():
    x = walk(30, 18, 2)
    frames = [[Person(joints) for joints in people] for people in x]
    for t in range(10, 20):
        frames[t] = frames[t][1:]
    for t in range(20, 30):  # Comes back somewhere else
        frames[t] = [frames[t][1], Person(x[t, 0] - [3000, 0])]
    position, seen = gather(frames, layouts["openpose"], "f")
    assert position.shape == (3, 30, 18, 2)
    assert np.allclose(position[0, 20:, :, 0], x[20:, 0, :, 0] - 3000)
    assert np.allclose(position[0, :, :, 1], x[:, 1, :, 0])
    assert seen[:, 0].sum(0).tolist() == [20, 30]


def test_ids_count_where_everybody_has_one():
    x = walk(6, 17, 2, apart=5)
    frames = [[Person(people[k], 7 - k) for k in (t % 2, 1 - t % 2)] for t, people in enumerate(x)]
    position, _ = gather(frames, layouts["coco"], "f")
    assert np.allclose(position[:2].transpose(1, 3, 2, 0), x)
    frames[3][0] = Person(frames[3][0].joints)  # One has none: matched by place instead
    assert gather(frames, layouts["coco"], "f")[0].shape[-1] == 2


def test_ids_that_a_tracker_exchanged(tmp_path):
    x = walk(20, 32, 2, 3, apart=900)
    for t, people in enumerate(x):
        x[t] = people[::-1] if 7 <= t < 12 else people
    write_azure(tmp_path / "wave", x)
    clip = azure(tmp_path)[0]
    right = x.copy()
    right[7:12] = x[7:12, ::-1]
    assert np.array_equal(bodies_of(clip, 3), right.astype(np.float32))


def test_yolo_reads_what_follows_the_joints(tmp_path):
    x = walk(6, 17, 2)
    for t, people in enumerate(x):
        lines = [
            f"0 .5 .5 .1 .2 {' '.join(map(repr, flat(people[k])))} 0.8 {k + 1}" for k in (0, 1)
        ]
        write(tmp_path / f"wave/id_{t}.txt", "\n".join(lines[:: 1 if t % 2 else -1]))
        pairs = " ".join(map(repr, people[0].ravel().tolist()))
        write(tmp_path / f"wave/pairs_{t}.txt", f"0 .5 .5 .1 .2 {pairs}")
    write(tmp_path / "classes.txt", "person")
    source = yolo(tmp_path)
    assert source.names == ["wave/id", "wave/pairs"]
    assert source.skipped == {"no number of a frame at the end of the name": 1}
    assert np.array_equal(bodies_of(source[0], 2), x.astype(np.float32))
    assert np.array_equal(bodies_of(source[1], 2), x[:, :1].astype(np.float32))


@pytest.mark.parametrize(
    "name,expected",
    [
        ("a_1", ("a", 1)),
        ("a1-002", ("a1", 2)),
        ("007", ("", 7)),
        ("a", ("a", None)),
        ("a_" + "1" * 40, ("a_" + "1" * 40, None)),
    ],
)
def test_frame_number(name, expected):
    head, number = frame_number(name)
    if len(name) > 40:
        assert number == int("1" * 15)
    else:
        assert (head, number) == expected


# What is broken


@pytest.mark.parametrize(
    "text,says",
    [
        ("", "is empty"),
        ("{", "is no JSON"),
        ('{"a": 1} 2', "is no JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is twice"),
        ("[" * 200_000, "is nested deeper"),
        ("[" + "{}," * 500_000 + "{}]", "holds more than 2,000,000 values"),
        ('"\ud800"', "is not UTF-8"),
        ("\x00", "holds zero bytes"),
    ],
)
def test_broken_json(tmp_path, text, says):
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(Fault, match=says):
        read_json(File(str(tmp_path / "a.json")))


def test_numbers_of_any_size_are_read(tmp_path):
    write(tmp_path / "a.json", f"[1e999, -1e999, {'9' * 100_000}, NaN, Infinity, 1e-999, 3]")
    values = read_json(File(str(tmp_path / "a.json")))
    assert values[:3] == [np.inf, -np.inf, np.inf] and np.isnan(values[3])
    assert values[4:] == [np.inf, 0, 3]


odd = ["null", "1e999", "NaN", "-1", "9" * 30, '"x"', "[]", "{}", "true", "0", '"\\ud800"']


def spoil(data, seed):
    "The bytes of a file with something broken in it"
    dice = random.Random(seed)
    at = dice.randrange(len(data))
    end = min(len(data), at + dice.randrange(1, 40))
    kind = dice.randrange(6)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
    if kind == 2:
        return data[:at] + data[end:]
    if kind == 3:
        return data[:end] + data[at:]
    words = data.replace(b",", b" , ").replace(b"]", b" ] ").split(b" ")
    numbers = [k for k, word in enumerate(words) if word[:1].isdigit() or word[:1] == b'"']
    if not numbers:
        return data[:at]
    words[dice.choice(numbers)] = dice.choice(odd).encode()
    return b" ".join(words)


@pytest.mark.parametrize("name", formats)
def test_spoilt_files_are_refused_in_a_sentence(tmp_path, name):
    write_clip, reader, joints, axes, layout = formats[name]
    write_clip(tmp_path / "wave/anna", walk(2, joints, 2, axes))
    victim = sorted((tmp_path / "wave").rglob("*.*"))[0]
    good = victim.read_bytes()
    for seed in range(150):
        victim.write_bytes(spoil(good, seed))
        for given in (None, layout):
            try:
                list(reader(tmp_path, given))
            except HyspError as e:
                assert "\n" not in str(e) and len(str(e)) < 600


def test_what_is_not_there(tmp_path):
    for reader in (openpose, coco, yolo, azure):
        with pytest.raises(HyspError, match="there is no folder or file"):
            reader(tmp_path / "none")
        with pytest.raises(HyspError, match=r"holds no|none of 0 files"):
            reader(tmp_path)
    write(tmp_path / "wave/v_0.json", openpose_frame(walk(1, 7, 1)[0]))
    with pytest.raises(HyspError, match=r"7 joints a person.*body-25 \(25\)"):
        openpose(tmp_path)
