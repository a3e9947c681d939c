"Files that hysp itself keeps, spoilt as `bench/fuzz.py` found them: each is refused in one line, in little memory"

import io
import json
import os
import pickle
import re
import zipfile

import numpy as np
import pytest
import torch
from formats import formats, odd_names
from kept import kept, plant_set

from hysp import cli
from hysp.checkpoint import load_reference, load_state, load_weights
from hysp.clips import printable
from hysp.config import load_config
from hysp.core import HyspError, longest_message, read_table, write_json
from hysp.evaluate import features
from hysp.explore import read_tags, sample_columns
from hysp.feeder import Dataset, verify_clips
from hysp.kinect import ntu
from hysp.models import SimSiam
from hysp.prepare import prepare, problems
from hysp.run_folder import RunFolder, identity_of
from hysp.runs import load_run, open_data
from hysp.settings import Pretrain
from hysp.train import Progress

deep = "[" * 100_000


def refused(action):
    "The message of a refusal, which is one line"
    with pytest.raises(HyspError) as caught:
        action()
    text = str(caught.value)
    assert text == printable(text) and 0 < len(text) <= longest_message
    return text


def planted(kind, folder):
    kept[kind].plant(folder)
    kept[kind].read(folder)
    return folder


def describe(file, change):
    "Change what a safetensors file says of its tensors"
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    heading = json.loads(data[8 : 8 + size])
    about = json.loads(heading["__metadata__"]["hysp"])
    changed = change(about)
    heading["__metadata__"]["hysp"] = changed if isinstance(changed, str) else json.dumps(changed)
    text = json.dumps(heading).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])


# Weights


@pytest.mark.parametrize(
    "change,says",
    [
        (lambda o: deep, "has no description written by hysp"),
        (lambda o: '{"a": ' + "9" * 5000 + "}", "has no description written by hysp"),
        (lambda o: o | dict(run=7), "is of another run (7)"),
        (lambda o: o | dict(run={"x": [1]}), "is of another run"),
        (lambda o: o | dict(spec=[]), "says of its 'spec' what it cannot be: []"),
        (lambda o: o | dict(epoch="x"), "says of its 'epoch' what it cannot be: 'x'"),
        (lambda o: o | dict(settings=None), "says of its 'settings' what it cannot be"),
        (lambda o: {}, "does not say its 'spec'"),
        (lambda o: o | dict(spec=o["spec"] | dict(out=10**6)), "holds no model"),
        (lambda o: o | dict(spec=o["spec"] | dict(out=10**12)), "holds no model"),
        (lambda o: o | dict(spec=o["spec"] | dict(layout=1)), "holds no model"),
        (lambda o: o | dict(spec=o["spec"] | dict(hidden=1e30)), "holds no model"),
    ],
)
def test_weights_that_describe_something_else(tmp_path, change, says):
    folder = planted("weights", tmp_path / "run")
    describe(folder / "epoch_0001.safetensors", change)
    assert says in refused(lambda: load_run(folder))


def test_a_description_without_what_is_asked_of_it(tmp_path):
    folder = planted("weights", tmp_path / "run")
    describe(
        folder / "epoch_0001.safetensors", lambda o: dict(spec=o["spec"], epoch=1, settings={})
    )
    model, about = load_run(folder)
    says = "epoch_0001.safetensors does not say its 'data'"
    assert says in refused(lambda: open_data((model, about), None, "all"))
    assert "does not say its 'seed'" in refused(lambda: about["seed"])


def test_a_name_that_is_no_text(tmp_path):
    path = tmp_path / "a\r\udce9.safetensors"
    path.write_bytes(b"x")
    assert "a\\x0d\\xdce9.safetensors is not a whole safetensors" in refused(
        lambda: load_weights(path)
    )


@pytest.mark.parametrize("content", [dict(state_dict=7), {1: torch.ones(2)}, [1], None])
def test_foreign_checkpoints(tmp_path, content):
    torch.save(content, tmp_path / "a.ckpt")
    says = "holds no ST-GCN encoder"
    assert says in refused(lambda: load_reference(tmp_path / "a.ckpt", "coco"))


# States


def test_a_little_state_that_takes_much(tmp_path):
    buffer = io.BytesIO()
    torch.save(dict(a=torch.zeros(2**22)), buffer)
    with zipfile.ZipFile(buffer) as plain:
        with zipfile.ZipFile(tmp_path / "last.pt", "w", zipfile.ZIP_DEFLATED) as packed:
            for entry in plain.infolist():
                packed.writestr(entry.filename, plain.read(entry))
    assert (tmp_path / "last.pt").stat().st_size < 100_000
    says = "would unpack to 16,7"
    assert says in refused(lambda: load_state(tmp_path / "last.pt"))
    assert says in refused(lambda: load_reference(tmp_path / "last.pt"))


def test_a_state_that_tells_no_run(tmp_path):
    assert "tells no run (7)" in refused(lambda: RunFolder(tmp_path).go_on(7))


@pytest.mark.parametrize("change", [dict(epoch="x"), dict(epoch=-1), dict(k=1.5), dict(rows=[1])])
def test_progress_that_is_none(change):
    state = dict(epoch=1, k=0, sums=torch.zeros(3), rows=[])
    assert Progress.from_state(state).epoch == 1
    with pytest.raises(TypeError):  # `restore` names the file
        Progress.from_state(state | change)


# Dataset folders


def test_labels_far_beyond_any_set(tmp_path):
    folder = planted("reference-arrays", tmp_path / "set")
    label = folder / "xsub/val_label.pkl"
    label.write_bytes(pickle.dumps((["a", "b", "c"], [0, 1, 2_000_000_000])))
    assert "has a label 2000000000; no set has more than 10,000 classes" in refused(
        lambda: Dataset(folder, "xsub/val")
    )


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3, 4, 25, 2000000000000), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 3, 4, 25, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3, 4, 25, 2), ",
        "{'descr': '<f4'''', 'fortran_order': False, 'shape': (3,), }",
        "(" * 5000,
        "{'descr': [('a', 'O')], 'fortran_order': False, 'shape': (3,), }",
    ],
)
def test_headers_of_arrays(tmp_path, header):
    folder = planted("reference-arrays", tmp_path / "set")
    file = folder / "xsub/val_position.npy"
    data = file.read_bytes()
    text = header.encode().ljust(118) + b"\n"
    file.write_bytes(data[:8] + len(text).to_bytes(2, "little") + text + data[128:])
    refused(lambda: Dataset(folder, "xsub/val"))


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000, "٣", "1e3", "1.0", " 1"])
def test_numbers_of_a_table(tmp_path, number):
    folder = planted("set", tmp_path / "set")
    table = folder / "samples.csv"
    head, *lines = table.read_text().splitlines()
    cells = lines[0].split(",")
    cells[head.split(",").index("subject")] = number
    table.write_text("\n".join([head, ",".join(cells), *lines[1:], ""]))
    assert "is no whole number of at most nine digits" in refused(lambda: Dataset(folder))


def test_a_set_without_rows(tmp_path):
    folder = planted("view", tmp_path / "sets") / "view"
    table = folder / "samples.csv"
    table.write_text(table.read_text().splitlines()[0] + "\n")
    data = Dataset(folder)
    assert len(data) == 0 and all(column == [] for column in sample_columns(data).values())


def test_a_name_beyond_the_limit_of_tables(tmp_path):
    (tmp_path / "a.csv").write_text("name\n" + "x" * 131_073 + "\n")
    assert "a.csv is no table: field larger than field limit" in refused(
        lambda: read_table(tmp_path / "a.csv")
    )


# Small files


@pytest.mark.parametrize("text", [deep, "[1]", '{"run"', "", '{"a": 1}', "\udcff"])
def test_a_run_that_is_not_told(tmp_path, text):
    (tmp_path / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "tells no run" in refused(lambda: identity_of(tmp_path))


def test_metrics_that_are_none(tmp_path, capsys):
    from hysp.plot import read_curves

    write_json(tmp_path / "run.json", dict(run="one"))
    (tmp_path / "config.yaml").write_text("lr: 0.1\n")
    file = tmp_path / "metrics.csv"
    file.write_bytes(b"epoch,loss\n0,\xff\n")
    assert "is no table" in refused(lambda: read_curves(tmp_path))
    file.write_text("epoch,loss\n0,word\n")
    assert cli.main(["info", str(tmp_path)]) == 2
    assert "metrics.csv has no metrics in its last line" in capsys.readouterr().err


def test_a_config_with_a_name_that_is_too_long(tmp_path):
    (tmp_path / "a.yaml").write_text(f"extends: {'x' * 3000}.yaml\n")
    assert "there is no config file" in refused(lambda: load_config(Pretrain, tmp_path / "a.yaml"))


# Names of files


def add_odd_copies(folder, suffix):
    "Beside a clip the same under odd names, and folders with odd names that hold it; how many"
    clip = next(path for path in sorted(folder.rglob(f"*{suffix}")) if path.parent != folder)
    for name in odd_names:
        copy = os.path.join(os.fsencode(clip.parent), name)
        with open(copy + os.fsencode(suffix), "wb") as file:
            file.write(clip.read_bytes())
        place = os.path.join(os.fsencode(folder), name)
        os.mkdir(place)
        with open(os.path.join(place, os.fsencode(clip.name)), "wb") as file:
            file.write(clip.read_bytes())


@pytest.mark.parametrize("kind", ["csv", "npy", "txt", "bvh", "trc"])
def test_odd_names_of_files_cost_no_others(tmp_path, capsys, kind):
    "Through the command line and back: kept names as they are, the others told in one line each"
    raw = tmp_path / "raw"
    formats[kind].plant(raw)
    (raw / "clips.csv").unlink(missing_ok=True)
    add_odd_copies(raw, f".{kind}")
    layout = ["--layout", "coco"] if kind in ("csv", "npy", "txt") else []
    words = ["prepare", kind, raw, "--out", tmp_path / "set", "--frames", "8", *layout]
    code = cli.main([*map(str, words)])
    said = capsys.readouterr()
    assert code in (0, 3), said.err
    data = Dataset(tmp_path / "set")
    assert len(data) >= 2 + 2 * (len(odd_names) - 4) and len(set(data.names)) == len(data)
    assert {"=1+1", "$(ls)", "'=x", 'a,"b"', "x" * 240} <= set(data.class_names)
    assert sample_columns(data)
    left_out = problems(tmp_path / "set")
    assert len(left_out) == 8 and all(str(fault) == printable(fault) for fault in left_out)
    assert cli.main(["info", str(tmp_path / "set")]) == 0


def test_weights_that_are_complex_numbers(tmp_path):
    state = {"encoder_q.fc.weight": torch.ones(4, 3, dtype=torch.complex64)}
    torch.save({"state_dict": state}, tmp_path / "theirs.ckpt")
    said = refused(lambda: load_reference(tmp_path / "theirs.ckpt"))
    assert "encoder_q.fc.weight" in said and "complex numbers" in said


# Sizes that are claimed, and what lies about


def test_features_that_claim_to_be_large_are_encoded_anew(tmp_path):
    data = plant_set(tmp_path / "set")
    encoder = SimSiam("ntu-rgb+d", hidden=2, out=4, encoder="tcn").online_encoder
    first = features(encoder, data, cache=tmp_path / "features", progress=False)
    (file,) = (tmp_path / "features").glob("*.npy")
    with open(file, "wb") as out:
        heading = dict(descr="<f4", fortran_order=False, shape=(len(data), 2**40))
        np.lib.format.write_array_header_1_0(out, heading)
        out.write(bytes(100))
    assert torch.equal(features(encoder, data, cache=tmp_path / "features", progress=False), first)
    np.save(file, first.double().numpy())  # Whole, but of another kind
    assert torch.equal(features(encoder, data, cache=tmp_path / "features", progress=False), first)


def test_tables_and_lists_beyond_all_size(tmp_path):
    for name in ("samples.csv", "missing.txt"):
        with open(tmp_path / name, "wb") as file:
            file.truncate(2**30)  # Takes no room on the disk
    assert "1,073,741,824 bytes" in refused(lambda: read_table(tmp_path / "samples.csv"))
    assert "1,073,741,824 bytes" in refused(lambda: read_tags(tmp_path / "samples.csv"))
    formats["ntu"].plant(tmp_path / "raw")
    said = refused(lambda: ntu(tmp_path / "raw", missing=tmp_path / "missing.txt"))
    assert "more than 16,777,216 bytes" in said


def test_a_mask_that_was_changed_is_found_out(tmp_path):
    formats["csv"].plant(tmp_path / "raw", 4, 8)
    rows = (tmp_path / "raw/clap/p1_1.csv").read_text().splitlines()
    cells = rows[3].split(",")
    rows[3] = ",".join([*cells[:-3], "", "", ""])
    (tmp_path / "raw/clap/p1_1.csv").write_text("\n".join(rows))
    prepare(formats["csv"].read(tmp_path / "raw"), tmp_path / "set", frames=8, progress=False)
    data = Dataset(tmp_path / "set")
    verify_clips(data, tmp_path / "notes")
    mask = np.load(tmp_path / "set/missing.npy", mmap_mode="r+")
    mask[0, 0, 0] ^= True
    mask.flush()
    said = refused(lambda: verify_clips(data, tmp_path / "notes", every_byte=True))
    assert "missing.npy is not what dataset.yaml tells of" in said


def test_what_an_interrupted_preparation_left_is_named(tmp_path, capsys):
    part = tmp_path / ".set.part"
    part.mkdir()
    assert cli.main(["info", str(tmp_path / "set")]) == 2
    said = capsys.readouterr().err
    assert f"lies in {part}; the same command, typed again, goes on from there" in said
    plant_set(tmp_path / "set")
    assert not part.exists()  # It was taken up
    part.mkdir()
    assert cli.main(["info", str(tmp_path / "set")]) == 0
    assert f"note: an interrupted preparation of {tmp_path / 'set'}" in capsys.readouterr().out


wide = "7" * 5000


@pytest.mark.parametrize(
    "line,says",
    [
        (f"strong: {{blur: {wide[:4000]}}}", "a whole number of 13,288 bits is not read here"),
        (f"steps: 0x{wide}", "a whole number of 19,999 bits is not read here"),
        (f"steps: [{{a: 0x{wide}}}]", "a whole number of 19,999 bits is not read here"),
        (f"strong: {{blur: {'7' * 400}.0}}", "strong.blur must be a finite number, not inf"),
        ("ext]nds: lo\t.yaml", "unknown setting 'ext]nds'"),
    ],
)
def test_settings_with_numbers_beyond_all(tmp_path, line, says):
    (tmp_path / "own.yaml").write_text(f"{line}\n")
    said = refused(lambda: load_config(Pretrain, tmp_path / "own.yaml", dict(data="clips")))
    assert says in said


def test_a_view_of_a_folder_whose_name_is_too_long(tmp_path):
    kept["view"].plant(tmp_path)
    file = tmp_path / "view/dataset.yaml"
    file.write_text(re.sub("(?m)^of: .*", f"of: {'x' * 300}", file.read_text()))
    assert "File name too long" in refused(lambda: kept["view"].read(tmp_path))


@pytest.mark.parametrize(
    "key,shape,says",
    [
        ("online_encoder.A", (867,), "shape (867,), not 3 dimensions"),
        ("online_encoder.A", (9, 17, 17), "fewer than the 9 partitions"),
        ("online_encoder.data_bn.weight", (), "shape (), not 1 dimensions"),
        ("online_encoder.st_gcn_networks.9.tcn.2.weight", (), "shape (), not 4 dimensions"),
    ],
)
def test_reference_weights_of_other_shapes(tmp_path, key, shape, says):
    weights = SimSiam("coco", hidden=2, out=4).state_dict()
    torch.save(dict(state_dict=weights | {key: torch.ones(shape)}), tmp_path / "theirs.ckpt")
    assert says in refused(lambda: load_reference(tmp_path / "theirs.ckpt", "coco"))
