"The explorer's Python side: what it tells the browser, what it refuses, and that watching a training changes nothing"

import time
import base64
import json
import math
import re
import shutil
import subprocess
import threading
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hysp.cli import main
from hysp.core import HyspError
from hysp.explore import (
    Explorer,
    Live,
    Scene,
    add_epoch,
    as_frame,
    clip_table,
    explorer_page,
    facts,
    forget_drawings,
    packed,
    turned,
    write_parquet,
)
from hysp.feeder import Dataset
from hysp.poincare import tangent_dist
from hysp.prepare import prepare
from hysp.config import load_config
from hysp.embeddings import kept_embeddings, load_embeddings, scene
from hysp.recipes import embed, live, pretrain, ready_trainer, worth_of
from hysp.runs import example, load_run
from hysp.settings import Embed, Pretrain
from hysp.embeddings import explore as open_explorer
from hysp.synthetic import generate

root = Path(__file__).parents[1]


def unpacked(text, dtype="<f4"):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype)


def made_up(n=200, d=12, epochs=(0, 5), c=1.0, seed=0, scale=1.0):
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 5
    z = torch.stack(
        [
            scale
            * (0.2 + 0.1 * k)
            * (torch.randn(5, d, generator=g)[labels] + 0.5 * torch.randn(n, d, generator=g))
            for k in range(len(epochs))
        ]
    )
    return SimpleNamespace(
        epochs=list(epochs),
        z=z,
        predicted=labels.flip(0).expand(len(epochs), n),
        labels=labels,
        bodies=1 + (labels == 0).long(),
        frames=30 + torch.arange(n),
        subjects=torch.full((n,), -1),
        names=[f"clip {i}" for i in range(n)],
        class_names=list("abcde"),
        about=dict(c=c),
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    "A dataset folder and the settings of a run of seconds on it"
    folder = tmp_path_factory.mktemp("small")
    data = prepare(
        generate(48, classes=["wave", "kick", "hug"], subjects=4, seed=0, difficulty="easy"),
        folder / "data",
        frames=8,
        progress=False,
    )

    def settings(run, **over):
        return load_config(
            Pretrain,
            "demo",
            {
                **dict(
                    data=data,
                    out=folder / run,
                    width=4,
                    out_dim=16,
                    epochs=3,
                    batch=8,
                    ramp=(1, 2),
                    keep_every=1,
                    device="cpu",
                    threads=1,
                ),
                **over,
            },
        )

    return SimpleNamespace(folder=folder, data=data, settings=settings)


@pytest.fixture(scope="module")
def run(small):
    return pretrain(small.settings("run")).run


# What the browser is told


@pytest.mark.parametrize("c", [0.25, 1.0, 2.0])
def test_view(c):
    s = Scene(made_up(c=c))
    v = s.view(5, "polar")
    u, d = unpacked(v["points"]).reshape(-1, 2), unpacked(v["distance"])
    z = s.at(5).double()
    assert np.allclose(d, tangent_dist(torch.zeros_like(z), z, c), rtol=1e-6)
    assert np.allclose(np.linalg.norm(u, axis=1), c**0.5 * d / 2, rtol=1e-6), (
        "polar keeps the radius"
    )
    assert (
        unpacked(v["predicted"], "<i4").tolist() == s.e.predicted[1].tolist()
        and "rank correlation" in v["fidelity"]
    )


def test_view_far_out():
    "Points that single precision would put on the rim keep their places"
    s = Scene(made_up(scale=20.0))
    d = 2 * s.at(5).double().norm(dim=1)
    assert d.max() > 30
    assert np.allclose(unpacked(s.view(5, "polar")["distance"]), d, rtol=1e-6)
    u = np.linalg.norm(unpacked(s.view(5, "polar")["points"]).reshape(-1, 2), axis=1)
    assert np.isfinite(u).all() and np.allclose(
        2 * u, d.clamp(max=2 * math.atanh(1 - 1e-15)), rtol=1e-2
    )


def test_one_epoch_lies_as_the_next():
    e = made_up()
    e.z = torch.stack(
        [
            e.z[1] + 1e-4 * torch.randn(e.z[1].shape, generator=torch.Generator().manual_seed(3)),
            e.z[1],
        ]
    )
    s = Scene(e)
    a, b = s.drawing(5, "polar").points, s.drawing(0, "polar").points
    assert (a - b).norm(dim=1).median() < 0.01


def test_turned_is_an_isometry():
    g = torch.Generator().manual_seed(0)
    p, q = (torch.randn(50, 2, generator=g, dtype=torch.float64) * 0.3 for _ in range(2))
    t = turned(p, q)
    assert torch.allclose(t.norm(dim=1), p.norm(dim=1)) and torch.allclose(t @ t.T, p @ p.T)
    assert (t - q).square().sum() <= (p - q).square().sum()


@pytest.mark.parametrize("c", [0.5, 1.0])
def test_near_is_hyperbolic(c):
    s = Scene(made_up(c=c))
    z = s.at(5).double()
    for i in (0, 17):
        index, d = s.near(5, [i], k=7)
        all_d = tangent_dist(z[i].expand_as(z), z, c)
        all_d[i] = math.inf
        assert torch.allclose(d[0], all_d.sort().values[:7]) and torch.allclose(
            all_d[index[0]], d[0]
        )
    many = s.near(5, range(200), k=7)
    assert torch.equal(many[0][17], index[0])


def test_near_of_few():
    s = Scene(made_up(n=3))
    assert s.near(5, [0])[0].shape == (1, 2)
    one = Scene(made_up(n=1))
    assert one.near(5, [0])[0].shape == (1, 0) and "points" in one.view(5)


def test_facts():
    f = facts(Scene(made_up(), name="mine"))
    assert (
        f["name"] == "mine"
        and f["epochs"] == [0, 5]
        and f["predicts"]
        and "subject" not in f["columns"]
        and f["columns"]["bodies"][:2] == [2, 1]
    )
    json.dumps(f)
    assert len({tuple(o) for o in f["styles"]}) == 120


# The widget


def test_explorer_answers(run, small):
    x = Explorer(scene(run, small.data, untrained=False))
    heard, replied = {}, threading.Semaphore(0)
    x.send = lambda o: (heard.update({o["id"]: o}), replied.release())
    asked = [
        dict(what="near", epoch=3, i=2),
        dict(what="clips", index=[2]),
        dict(what="subset", index=[0, 1], path=str(small.folder / "two")),
        dict(what="nonsense"),
        dict(what="near", epoch=99),
        dict(what="view", epoch=3, projection="tangent_pca"),
    ]
    for k, o in enumerate(asked):
        x.hear(dict(o, id=k))
    for _ in asked:
        assert replied.acquire(timeout=60)  # Some are answered in threads
    assert len(heard[0]["index"]) == 8 and heard[1]["pack"]["frames"] == 8
    assert "two" in heard[2]["message"] and len(Dataset(small.folder / "two", "xsub/val")) == 2
    assert (
        "unknown question 'nonsense'" in heard[3]["error"]
        and "unknown epoch '99'" in heard[4]["error"]
    )
    assert heard[5]["points"] == x.scene.view(3, "tangent_pca")["points"]


def test_explorer_several_runs(run, small):
    x = open_explorer(run, run, data=small.data)
    assert [o["name"] for o in x.state["runs"]] == ["run", "run"] and x.answer(
        "near", run=1, epoch=0, i=0
    )["index"]
    x.run, x.selected = 1, [3]
    assert x.names == [x.scenes[1].e.names[3]]


def test_module_is_plain():
    text = Explorer._esm
    assert (
        "export default {render}" in text
        and "</script" not in text
        and not re.search(r"https?://(?!www\.w3\.org)", text)
    )


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_isometries():
    "The module's Möbius maps against complex numbers"
    disk = root / "hysp" / "assets" / "disk.js"
    script = (
        disk.read_text("utf-8")
        + """
const p = [.3,-.5], q = [-.7,.2], m = after(toMiddle(...p), carry(q, p));
const r = moved(m, ...q), s = moved(inverse(m), ...moved(m, .1, .2))
console.log(JSON.stringify([moved(toMiddle(...p), ...q), r, s, segment(p, q, 2), circle(toMiddle(...p), 0, 0, 1.5)]))"""
    )
    got = json.loads(
        subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True).stdout
    )
    p, q = 0.3 - 0.5j, -0.7 + 0.2j
    assert complex(*got[0]) == pytest.approx((q - p) / (1 - p.conjugate() * q))
    assert abs(complex(*got[1])) < 1e-12 and got[2] == pytest.approx([0.1, 0.2])
    a, b, c = (complex(*o) for o in got[3])
    far = lambda z, w: 2 * math.atanh(abs((z - w) / (1 - z.conjugate() * w)))
    assert (
        (a, c) == (pytest.approx(p), pytest.approx(q))
        and far(a, b) + far(b, c) == pytest.approx(far(p, q))
        and abs(a - b) == pytest.approx(abs(b - c))
    )
    x, y, r = got[4]
    for k in range(4):
        assert far(complex(x, y) + r * 1j**k, -p) == pytest.approx(1.5)


# The page


def test_page_holds_all(run, small, tmp_path):
    s = scene(run, small.data)
    text = explorer_page(
        tmp_path / "page.html", s, projections=["polar"], clips=5, title="<b>&"
    ).read_text("utf-8")
    data = json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1]
    )
    assert set(data["views"]) == {f"0 {k} polar" for k in (0, 1, 2, 3)} and set(data["near"]) == {
        f"0 {k}" for k in (0, 1, 2, 3)
    }
    n = len(s.e.names)
    assert (
        unpacked(data["near"]["0 3"]["index"], "<i4").size == 8 * n
        and len(data["clips"][0]["which"]) == 5
        and f"skeletons of 5 of the {n} clips" in data["state"]["note"]
    )
    assert "<title>&lt;b&gt;&amp;</title>" in text and not re.search(r'(src|href)="(?!data:)', text)


def test_page_without_skeletons(tmp_path):
    text = explorer_page(tmp_path / "page.html", Scene(made_up())).read_text("utf-8")
    assert '"clips":[null]' in text


def test_nasty_names_stay_text(tmp_path):
    e = made_up(n=4)
    e.names = ["</script><script>window.hacked=1</script>", "<img src=x>", "a\u2028b", "/*script*/"]
    text = explorer_page(tmp_path / "page.html", Scene(e)).read_text("utf-8")
    assert text.count("</script>") == 3 and "<img src=x>" not in text and '"/*script*/"' in text


# On the command line


def test_embed(run, small, tmp_path, capsys):
    out, html = tmp_path / "e.npz", tmp_path / "page.html"
    assert main(["embed", str(run), "--out", str(out), "--html", str(html), "--clips", "4"]) == 0
    found = np.load(out, allow_pickle=False)
    assert found["epochs"].tolist() == [0, 1, 2, 3] and found["tangents"].shape[:2] == found[
        "norm"
    ].shape == found["predicted"].shape == (4, len(found["names"]))
    assert html.exists() and str(out) in capsys.readouterr().out


def test_embed_into_the_run(run, small):
    embed(Embed(run))
    e = load_embeddings(run)
    clips = Dataset(load_run(run)[1]["settings"]["data"], "xsub/val")
    assert kept_embeddings(run, clips, "xsub/val").names == e.names
    assert (
        kept_embeddings(run, None, "xsub/val").names == e.names
        and kept_embeddings(run, None, "xsub/train") is None
        and kept_embeddings(run, clips.subset([0]), "xsub/val") is None
    )
    assert kept_embeddings(run, None, "xsub/val", untrained=False) is None
    (run / "embeddings.safetensors").unlink()


def refused(capsys, *args):
    assert main(["embed", *map(str, args)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("hysp: ") and said.count("\n") == 1
    return said


def test_embed_refuses(run, small, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    page = tmp_path / "page.html"
    assert "holds no weights" in refused(capsys, tmp_path / "empty", "--html", page)
    assert "there is no folder" in refused(capsys, run, "--html", tmp_path / "no" / "page.html")
    assert "there is no folder" in refused(capsys, run, "--html", tmp_path / "file" / "page.html")
    assert "ending" in refused(capsys, run, "--out", tmp_path / "e.csv")
    assert "there is no folder" in refused(capsys, run, "--data", tmp_path / "gone", "--html", page)
    assert "did you mean 'xsub/val'" in refused(capsys, run, "--split", "xsub/vol", "--html", page)
    assert "clips must be at least 0" in refused(capsys, run, "--clips", "-1", "--html", page)
    assert not page.exists()


def test_dataset_that_changed(small, tmp_path):
    "Embeddings are kept; the set they were made of goes, or becomes another"
    cfg = small.settings("moved", data=tmp_path / "data", epochs=1)
    shutil.copytree(small.data, tmp_path / "data")
    run = pretrain(cfg).run
    embed(Embed(run))
    prepare(
        generate(48, classes=["wave", "kick", "hug"], subjects=4, seed=1, difficulty="easy"),
        tmp_path / "data",
        frames=8,
        progress=False,
        overwrite=True,
    )
    shown = scene(run)  # Made again, of the clips of today
    assert shown.embeddings.about["data"] == Dataset(tmp_path / "data").checksum
    shown.clip([0])
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(HyspError, match="there is no folder"):
        scene(run).clip([0])
    assert Explorer(scene(run)).answer("near", epoch=1, i=0)["index"], (
        "the disk can be explored without skeletons"
    )


def test_embeddings_not_finite(tmp_path):
    e = made_up()
    e.z[0, 3, 0] = math.nan
    with pytest.raises(HyspError, match="clip 3 in epoch 0 is not finite"):
        Scene(e)
    with pytest.raises(HyspError, match="no clips"):
        Scene(SimpleNamespace(names=[], epochs=[], z=[]))


def test_example_is_explored_without_data(monkeypatch):
    monkeypatch.setattr(
        "hysp.embeddings.example_data", lambda *a: pytest.fail("the clips are not needed yet")
    )
    x = open_explorer()
    assert len(x.state["runs"][0]["names"]) == 600 and x.answer("view", epoch=5)["points"]
    assert x.state["runs"][0]["epochs"] == load_embeddings(example()).epochs


# Training that is watched


def weights(run):
    return {o.name: load_run(o)[0].state_dict() for o in sorted(run.glob("epoch_*.safetensors"))}


def test_watching_changes_nothing(run, small):
    "To the bit, though it is stopped in the midst and gone on with, and though the notebook works meanwhile"
    seen = []
    w = live(small.settings("watched"), on_epoch=lambda t, row: seen.append(row["epoch"]), most=12)
    w.watching.looking.grace = 1000  # Every epoch is looked at, however busy the machine is
    w.go()
    w.stop()
    assert w.wait(120) == "stopped" and w.live["status"] in ("running", "stopped")
    w.go()
    while w.thread.is_alive():  # what a user may do: look, draw, compute
        w.answer("near", epoch=w.scene.e.epochs[-1], i=1)
        w.answer("clips", index=[2])
        np.random.rand(3)
        torch.randn(3, generator=torch.Generator())
    assert w.wait() == "done" and seen == [0, 1, 2] and w.scene.e.epochs == [0, 1, 2, 3]
    a, b = weights(run), weights(small.folder / "watched")
    assert list(a) == list(b) and len(a) == 3
    for k in a:
        assert all(torch.equal(a[k][o], b[k][o]) for o in a[k]), k
    assert (small.folder / "watched" / "config.yaml").exists() and len(
        w.state["runs"][0]["names"]
    ) == 12
    with pytest.raises(HyspError, match="at its end"):
        w.go()


def test_no_time_to_look(small):
    "Where there is no time, the first epoch and the last are shown all the same"
    w = live(small.settings("hurried", epochs=4))
    for box in (w.watching.looking, w.watching.drawing):
        box.grace = box.share = -1
    assert w.go().wait(120) == "done"
    assert [*w.looks] == w.scene.embeddings.epochs == [0, 4]
    assert {(0, "learned"), (4, "learned")} == {*w.scene.drawings}
    end = time.monotonic() + 30  # The browser is told by a thread of its own
    while len(w.live["looks"]) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert [look["epoch"] for look in w.live["looks"]] == [0, 4]


def test_live_says_what_pretrain_says(small):
    "The mirror's shares are those of the sentence after a training"
    w = live(small.settings("mirrored")).go()
    assert w.wait(120) == "done"
    said = worth_of(w.trainer)
    ours = f"{100 * w.looks[3]['right']:.1f} %"
    theirs = f"{100 * w.looks[0]['right']:.1f} %"
    assert f"of the same class in {ours} of cases, by the encoder untrained in {theirs}" in said
    assert f"in {ours} of 24 cases" in w.verdict
    assert f"the same encoder untrained {theirs}, raw coordinates" in w.verdict
    assert w.live["verdict"] == w.verdict


def test_live_opened_late_knows_the_untrained_encoder(small):
    "A window on a run that was stopped compares with what was before the first step"
    w = live(small.settings("late"))
    before = w.watching.mirror.free["the same encoder untrained"]
    w.go().stop()
    assert w.wait(120) in ("stopped", "done")
    again = live(small.settings("late"))
    assert again.watching.mirror.free["the same encoder untrained"].equal(before)


def test_one_class_has_no_verdict(small):
    trainer = ready_trainer(small.settings("one class"))
    trainer.data = trainer.data.subset(np.flatnonzero(trainer.data.labels == 0))
    w = Live(trainer)
    assert w.verdict == "" and not w.live["free"]
    (look,) = w.live["looks"]
    assert "right" not in look and 0 < look["certainty"] < 1


def test_drawings_of_epochs_that_are_gone(small):
    w = live(small.settings("thinned"))
    z = w.scene.at(0)
    for epoch in (1, 2, 3):
        add_epoch(w.scene.embeddings, epoch, z, keep=9)
        w.scene.drawing(epoch)
    w.scene.embeddings.epochs.remove(1)
    w.scene.embeddings.epochs.remove(3)
    forget_drawings(w.scene)
    assert {*w.scene.maps} == {0, 2, 3}  # The newest is where the next one begins
    assert {epoch for epoch, _ in w.scene.drawings} == {0, 2, 3}


def test_live_shows_errors(small):
    w = live(small.settings("broken"), on_epoch=lambda t, row: 1 / 0)
    w.go()
    with pytest.raises(ZeroDivisionError):
        w.wait(60)
    assert w.outcome == ("failed", "ZeroDivisionError: division by zero")


def test_live_one_at_a_time(small):
    hold = threading.Event()
    w = live(small.settings("once"), on_epoch=lambda t, row: hold.wait(60))
    w.go()
    with pytest.raises(HyspError, match="runs already"):
        w.go()
    w.answer("stop")
    hold.set()
    assert w.wait(60) in ("stopped", "done")


def test_long_training_is_thinned(small):
    w = Live(ready_trainer(small.settings("long", epochs=9)), most=8, keep=4).go()
    assert w.wait(120) == "done"
    assert (
        w.scene.e.epochs[0] == 0
        and w.scene.e.epochs[-1] == 9
        and len(w.scene.e.epochs) == len(w.scene.e.z) <= 4
        and w.state["runs"][0]["epochs"] == w.scene.e.epochs
    )


def test_live_of_other_models(small):
    for model in ("simsiam", "skeletonclr"):
        w = live(small.settings(model, model=model, epochs=1, queue=16)).go()
        assert w.wait(120) == "done" and w.scene.at(1).isfinite().all()


def test_packed():
    assert unpacked(packed(np.arange(6).reshape(2, 3), "<i4"), "<i4").tolist() == list(range(6))


# Columns, tables and tags


def test_columns_of_samples_csv(small, tmp_path):
    "Every column that tells clips apart, also one that the user added to the table"
    shutil.copytree(small.data, tmp_path / "data")
    table = tmp_path / "data" / "samples.csv"
    head, *rows = table.read_text("utf-8").splitlines()
    sides = [f"{row},{'left' if k % 2 else 'right'}" for k, row in enumerate(rows)]
    table.write_text("\n".join([f"{head},side", *sides]) + "\n", "utf-8")
    data = Dataset(tmp_path / "data")
    e = made_up(len(data))
    e.names = list(data.names)
    columns = facts(Scene(e, data))["columns"]
    assert columns["side"][:2] == ["right", "left"] and "xsub" in columns
    assert columns["subject"] == data.columns["subject"].tolist()
    x = Explorer(Scene(e, lambda: data))
    assert "side" not in x.state["runs"][0]["columns"], "the dataset is not open yet"
    x.colour_by("side")
    assert x.state["colour"] == "side" and "side" in x.state["runs"][0]["columns"]
    x.colour_by(torch.arange(len(data)) / 7, "sevenths")
    assert x.state["runs"][0]["columns"]["sevenths"][7] == 1
    with pytest.raises(HyspError, match="column 'few' has 2 values"):
        x.colour_by([1, 2], "few")
    with pytest.raises(HyspError, match="unknown column 'sid'"):
        x.colour_by("sid")


def test_table_of_clips(monkeypatch):
    x = Explorer(Scene(made_up(c=0.5)))
    table = x.table(0, "tangent_pca")
    s = x.scene
    points = s.drawing(0, "tangent_pca").points
    assert np.allclose([table["x"], table["y"]], points.T)
    z = s.at(0).double()
    distance = tangent_dist(torch.zeros_like(z), z, 0.5)
    assert np.allclose(table["distance"], distance)
    assert np.allclose(table["norm"], torch.tanh(distance * 0.5**0.5 / 2) / 0.5**0.5)
    assert table["neighbours"][17] == s.near(0, [17])[0][0].tolist()
    assert table["class"][3] == "d" and table["predicted"][0] == "e"
    monkeypatch.setattr("hysp.explore.installed", lambda library: False)
    assert x.frame() == x.table(5, "learned")
    with pytest.raises(HyspError, match="needs pyarrow"):
        x.save_parquet("clips.parquet")


def test_table_as_dataframe():
    pandas = pytest.importorskip("pandas", reason="needs pandas, which hysp does not")
    frame = as_frame(clip_table(Scene(made_up())))
    assert isinstance(frame, pandas.DataFrame) and len(frame) == 200
    assert frame["distance"].dtype == "float64"


def test_table_as_parquet(tmp_path):
    pytest.importorskip("pyarrow", reason="needs pyarrow, which hysp does not")
    from pyarrow import parquet

    table = clip_table(Scene(made_up()))
    found = parquet.read_table(write_parquet(tmp_path / "clips.parquet", table)).to_pydict()
    assert found == table


def test_tags_are_kept(tmp_path):
    x = Explorer(Scene(made_up()))
    x.tags = {"clip 3": ["mislabelled?", "=odd"]}
    x.save_tags(tmp_path / "tags.csv")
    rows = (tmp_path / "tags.csv").read_text("utf-8").splitlines()
    assert rows == ["name,tag", "clip 3,mislabelled?", "clip 3,'=odd"]
    y = Explorer(Scene(made_up()))
    y.load_tags(tmp_path / "tags.csv")
    assert y.tags == x.tags and y.table()["tags"][3] == "mislabelled?; =odd"
