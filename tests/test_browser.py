"The explorer as a user has it: in JupyterLab, and as a page without a kernel or a network"

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE
from PIL import Image

root = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    "The page of the example, as `hysp embed` writes it"
    from hysp.cli import main
    from hysp.runs import example

    out = tmp_path_factory.mktemp("page") / "page.html"
    assert main(["embed", str(example()), "--html", str(out), "--clips", "80"]) == 0
    return out


class Box:
    "The explorer in a tab"

    def __init__(self, tab):
        self.tab, self.at = tab, tab.locator(".hysp[data-ready=yes]").first
        self.at.wait_for()
        self.show()
        self.settle()

    def show(self):
        self.at.locator(".stage").first.scroll_into_view_if_needed()

    def js(self, text, *given):
        return self.at.evaluate(
            f"(o, given) => {{ const x = o.explorer; return {text} }}", list(given)
        )

    def until(self, text, *given):
        self.tab.wait_for_function(
            f"given => {{ const o = document.querySelector('.hysp[data-ready=yes]'), x = o.explorer; return {text} }}",
            arg=list(given),
        )

    def settle(self):
        self.until("!x.moving && x.view")

    def rest(self):  # No drawing has come for two seconds: what is pointed at stays where it is
        self.until(
            "(() => { const now = performance.now(); "
            "if (window.drawn !== x.view) { window.drawn = x.view; window.since = now } "
            "return !x.moving && now - window.since > 2000 })()"
        )

    def where(self, i):
        return self.js("x.where(given[0])", i)

    def lone(self):  # A clip that no other lies on
        return self.js("""(() => { const p = Array.from({length: x.n}, (_, i) => x.where(i)); let best = 0, far = 0
            p.forEach((a, i) => {
                let d = 1e9;
                p.forEach((b, j) => { if (i !== j) d = Math.min(d, Math.hypot(a[0]-b[0], a[1]-b[1])) });
                if (d > far) { far = d; best = i } });
            return best })()""")

    def name(self, i):
        return self.js("x.name(given[0])", i)

    def coloured(self):  # Pixels of the disk that are neither grey nor white
        p = np.asarray(
            Image.open(io.BytesIO(self.at.locator(".stage").screenshot())).convert("RGB")
        ).astype(int)
        return int((np.ptp(p, axis=2) > 60).sum())

    def distance(self, i, j):
        z, w = (complex(*self.js("x.place(given[0])", o)) for o in (i, j))
        return 2 * np.arctanh(abs((z - w) / (1 - np.conj(z) * w)))


def points_are_there(box):
    box.show()
    assert box.coloured() > 400
    assert "rank correlation" in box.at.locator(".fidelity").text_content()


def hover_and_click(box):
    box.show()
    i = box.lone()
    x, y = box.where(i)
    box.tab.mouse.move(x - 40, y - 40)
    box.tab.mouse.move(x, y, steps=3)
    tip = box.at.locator(".tip")
    tip.wait_for()
    assert box.name(i) in tip.inner_text() and "distance" in tip.inner_text()
    box.tab.mouse.click(x, y)
    box.until("x.S.chosen === given[0] && x.near.length === 8", i)
    assert (
        box.name(i) in box.at.locator(".facts").inner_text()
        and box.at.locator(".near li").count() == 8
    )
    d = box.js("x.near.map(o => o.d)")
    assert d == sorted(d) and d[0] > 0
    return i


def plays(box):
    "The skeleton of a clip that has one: its picture changes while it plays, and stays while it does not"
    box.until("o.dataset.clip && x.player && x.player.state.playing")
    look = 'o.querySelector(".figure").toDataURL()'
    box.until(f"{look} !== given[0]", box.js(look))
    box.at.locator(".play").click()
    first = box.js(look)
    box.tab.evaluate(
        "() => new Promise(o => requestAnimationFrame(() => requestAnimationFrame(o)))"
    )
    assert box.js(look) == first
    box.at.locator(".play").click()


def recentres(box, i):
    j = (i + 1) % box.js("x.n")
    before, (x, y) = box.distance(i, j), box.where(i)
    box.tab.mouse.dblclick(x, y)
    box.until("!x.moving && Math.hypot(...x.place(given[0])) < 1e-6", i)
    assert box.distance(i, j) == pytest.approx(before, rel=1e-6)
    points_are_there(box)
    x, y = box.where(i)
    box.tab.mouse.move(x + 3, y + 60)
    box.tab.mouse.down()
    box.tab.mouse.move(x + 80, y + 100, steps=5)
    box.tab.mouse.up()
    assert np.hypot(*box.js("x.place(given[0])", i)) > 0.05 and box.distance(i, j) == pytest.approx(
        before, rel=1e-6
    )
    box.at.locator(".reset").click()
    box.until("!x.moving && x.iso[2] === 0 && x.iso[3] === 0")


def changes_epoch(box):
    from hysp.embeddings import load_embeddings
    from hysp.runs import example

    epochs = load_embeddings(example()).epochs
    before = box.js("Array.from(x.view.u.slice(0, 20))")
    box.at.locator(".epochs input").focus()
    box.tab.keyboard.press("Home")
    box.until("!x.moving && x.view.epoch === given[0]", epochs[0])
    assert box.js("Array.from(x.view.u.slice(0, 20))") != before and box.at.locator(
        ".epochs output"
    ).inner_text() == str(epochs[0])
    points_are_there(box)
    box.tab.keyboard.press("End")
    box.until("!x.moving && x.view.epoch === given[0]", epochs[-1])
    assert box.js("Array.from(x.view.u.slice(0, 20))") == before


def colours_and_filters(box):
    colour = box.at.locator(".bar label", has_text="colour").locator("select")
    for name, words in dict(
        bodies="2 bodies", correct="wrong", distance="", subject="person"
    ).items():
        colour.select_option(name)
        assert words in box.at.locator(".legend").inner_text()
    colour.select_option("class")
    box.at.locator(".legend .rows button").first.click()
    shown, n = box.at.locator(".tally b").inner_text(), box.js("x.n")
    assert 0 < int(shown.replace(",", "")) < n
    box.at.locator(".legend .head button", has_text="all").click()


def selects(box):
    box.show()
    r = box.at.locator(".stage").bounding_box()
    box.tab.keyboard.down("Shift")
    box.tab.mouse.move(r["x"] + 2, r["y"] + r["height"] * 0.5)
    box.tab.mouse.down()
    for u, v in ((0.5, 0.01), (0.99, 0.5), (0.5, 0.99)):
        box.tab.mouse.move(r["x"] + r["width"] * u, r["y"] + r["height"] * v, steps=4)
    box.tab.mouse.up()
    box.tab.keyboard.up("Shift")
    box.until("x.selected.length > 0")
    lassoed = box.js("x.selected.length")
    with box.tab.expect_download() as got:
        box.at.get_by_role("button", name="CSV", exact=True).click()
    rows = list(csv.DictReader(io.StringIO(Path(got.value.path()).read_text("utf-8"))))
    assert len(rows) == lassoed and rows[0]["name"] and float(rows[0]["distance"]) > 0
    h = box.at.locator(".histogram")
    h.scroll_into_view_if_needed()
    r = h.bounding_box()
    box.tab.mouse.move(r["x"] + r["width"] * 0.5, r["y"] + 20)
    box.tab.mouse.down()
    box.tab.mouse.move(r["x"] + r["width"] - 1, r["y"] + 20, steps=4)
    box.tab.mouse.up()
    outer = box.js(
        "[x.selected.length, Math.min(...x.selected.map(i => x.view.distance[i])), Math.max(...x.view.distance)]"
    )
    assert outer[0] and outer[1] >= 0.49 * outer[2]
    box.at.get_by_role("button", name="clear", exact=True).click()
    box.until("x.selected.length === 0")


def projects(box):
    before = box.js("Array.from(x.view.u.slice(0, 20))")
    box.at.locator(".where label", has_text="projection").locator("select").select_option(
        "tangent_pca"
    )
    box.until("!x.moving && x.view.projection === 'tangent_pca'")
    assert box.js("Array.from(x.view.u.slice(0, 20))") != before


def writes_a_subset(box, work):
    box.js("x.select(i => i < 7)")
    box.at.get_by_label("folder for the subset").fill("seven")
    box.at.get_by_role("button", name="subset", exact=True).click()
    box.at.locator(".said", has_text="7 clips in view").wait_for()
    from hysp.feeder import Dataset

    assert Dataset(work / "seven", "xsub/val").names == [box.name(i) for i in range(7)]
    shutil.rmtree(work / "seven")


def shows_skeletons(box):
    "The selected clips, in a grid that the kernel fills"
    box.js("x.select(i => i < 5)")
    box.until("o.querySelectorAll('.gallery .cells button').length === 5")
    box.js("x.select(null)")


def disk_and_legend_on_one_screen(box):
    "Both can be seen whole at once, in what JupyterLab leaves of the window"
    box.at.evaluate("o => o.scrollIntoView()")
    room = box.tab.locator(".jp-WindowedPanel-outer, .jp-Notebook").first.bounding_box()
    for part in (".stage", ".legend"):
        place = box.at.locator(part).bounding_box()
        assert place["y"] >= room["y"] - 1
        assert place["y"] + place["height"] <= room["y"] + room["height"] + 1, part


def keys(box):
    box.js("x.pick(0)")
    box.at.locator(".over").focus()
    box.tab.keyboard.press("n")
    box.until("x.S.chosen === 1")
    box.tab.keyboard.press("Enter")
    box.until("!x.moving && Math.hypot(...x.place(1)) < 1e-6")
    box.tab.keyboard.press("ArrowLeft")
    box.until("!x.moving && Math.hypot(...x.place(1)) > .1")
    box.tab.keyboard.press("Home")
    box.until("!x.moving && x.iso[2] === 0")


@pytest.mark.parametrize("size", [(1280, 800), (2560, 1440)], ids="{0[0]}".format)
def test_page(visit, page, size):
    tab, wrong = visit(page.as_uri(), width=size[0], height=size[1], offline=True)
    box = Box(tab)
    points_are_there(box)
    plays(box)
    i = hover_and_click(box)
    recentres(box, i)
    changes_epoch(box)
    colours_and_filters(box)
    selects(box)
    keys(box)
    assert "skeletons of 80 of the 600 clips" in box.at.locator(".hint").inner_text()
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not wrong


def test_page_in_the_dark(visit, page):
    tab, wrong = visit(page.as_uri(), color_scheme="dark")
    box = Box(tab)
    p = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("RGB"))
    assert np.median(p) < 60 and box.coloured() > 400 and not wrong


def test_two_runs_on_a_page(visit, tmp_path):
    """One page, two runs of other clips, one without predictions and none with skeletons

    Names that would like to be HTML stay names."""
    import torch
    from types import SimpleNamespace
    from hysp.explore import Scene, explorer_page

    def made_up(n, epochs, predicted):
        z = torch.randn(len(epochs), n, 6, generator=torch.Generator().manual_seed(n))
        return SimpleNamespace(
            epochs=epochs,
            z=z,
            predicted=torch.zeros(len(epochs), n, dtype=torch.long) if predicted else None,
            labels=torch.arange(n) % 3,
            bodies=1 + torch.arange(n) % 2,
            frames=torch.arange(n),
            subjects=torch.full((n,), -1),
            names=[f'<img src=x onerror="window.hacked=1"> {i}' for i in range(n)],
            class_names=["</script>", "<b>bold</b>", "plain"],
            about=dict(c=1.0),
        )

    file = explorer_page(
        tmp_path / "two.html",
        [
            Scene(made_up(40, [1, 2], True), name="first"),
            Scene(made_up(25, [7], False), name="second"),
        ],
        ["polar"],
        title="</title><script>window.hacked=1</script>",
    )
    tab, wrong = visit(file.as_uri())
    box = Box(tab)
    points_are_there(box)
    i = hover_and_click(box)
    recentres(box, i)
    assert (
        "No skeleton" in box.at.locator(".player").inner_text()
        and "<b>bold</b>" in box.at.locator(".legend").inner_text()
    )
    box.at.locator(".where label", has_text="run").locator("select").select_option(label="second")
    box.until("!x.moving && x.n === 25 && x.view && x.view.epoch === 7")
    points_are_there(box)
    hover_and_click(box)
    assert (
        not box.at.locator(".epochs").is_visible()
        and "right or wrong" not in box.at.locator(".bar").inner_text()
    )
    assert tab.evaluate("window.hacked") is None and not wrong


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    "JupyterLab on a copy of the tutorials, with settings, kernels and a port of its own; its address and its folder"
    folder = tmp_path_factory.mktemp("lab")
    home = folder / "home"
    work = folder / "nbs" / "tutorials"
    work.mkdir(parents=True)
    shutil.copytree(root / "nbs" / "images", folder / "nbs" / "images")
    for name in ("embedding_explorer", "live_training"):
        shutil.copy(root / "nbs" / "tutorials" / f"{name}.ipynb", work)
    quiet = {
        "apputils-extension/notification": dict(fetchNews="false", checkForUpdates=False),
        "notebook-extension/tracker": dict(windowingMode="none"),
    }
    for k, v in quiet.items():
        file = home / "settings" / "@jupyterlab" / f"{k}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(v))
    env = {
        **os.environ,
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    port, log = free_port(), folder / "lab.log"
    with open(log, "w") as f:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyterlab",
                "--no-browser",
                "--allow-root",
                f"--ServerApp.port={port}",
                "--ServerApp.port_retries=0",
                "--ServerApp.ip=127.0.0.1",
                "--IdentityProvider.token=hysp",
                f"--ServerApp.root_dir={work.parent}",
                "--LabApp.extension_manager=readonly",
            ],
            env=env,
            stdout=f,
            stderr=subprocess.STDOUT,
            cwd=work,
        )
    try:
        end = time.monotonic() + PATIENCE / 1000
        while True:
            if server.poll() is not None or time.monotonic() > end:
                pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token=hysp", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/lab/tree/tutorials/{{}}?token=hysp&reset", work
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def run_all(tab):
    "As a user: the menu Run, Run All Cells"
    tab.wait_for_function(
        "() => { const o = document.querySelector('.jp-KernelName'); return o && o.textContent.includes('Python 3') }"
    )
    tab.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
    tab.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    tab.locator(".lm-Menu-itemLabel").filter(has_text="Run All Cells").first.click()


def saved(tab, file):
    "The notebook on disk once all of its cells have run, none of which may have failed"
    end = time.monotonic() + PATIENCE / 1000
    while True:
        if (ask := tab.locator(".jp-Dialog .jp-mod-accept")).count():
            ask.first.click()  # Which kernel?
        tab.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
        tab.keyboard.press("Control+s")
        try:
            code = [
                c for c in json.loads(file.read_text("utf-8"))["cells"] if c["cell_type"] == "code"
            ]
        except ValueError:
            continue  # It is just being written
        failed = [o for c in code for o in c["outputs"] if o["output_type"] == "error"]
        assert not failed, "\n".join(failed[0]["traceback"])
        if all(c["execution_count"] for c in code):
            return code
        assert time.monotonic() < end, (
            f"{sum(not c['execution_count'] for c in code)} of {len(code)} cells have not run"
        )
        tab.wait_for_timeout(250)


@pytest.mark.parametrize("size", [(1280, 800), (2560, 1440)], ids="{0[0]}".format)
def test_explorer_in_jupyterlab(visit, lab, size):
    address, work = lab
    # As it is shipped: in one that was saved, widgets of before stand that nobody knows any more
    shutil.copy(root / "nbs" / "tutorials" / "embedding_explorer.ipynb", work)
    tab, wrong = visit(address.format("embedding_explorer.ipynb"), width=size[0], height=size[1])
    run_all(tab)
    saved(tab, work / "embedding_explorer.ipynb")
    box = Box(tab)
    disk_and_legend_on_one_screen(box)
    # What the tutorial's cells have set
    assert box.js("x.selected.length") == 12
    assert list(box.js("x.model.tags").values()) == [["bad tracking"]]
    assert {"nearest neighbour", "camera"} <= {*box.js("x.model.colourings()")}
    box.js("x.select(null)")
    points_are_there(box)
    plays(box)
    i = hover_and_click(box)
    plays(box)
    recentres(box, i)
    changes_epoch(box)
    colours_and_filters(box)
    selects(box)
    projects(box)
    writes_a_subset(box, work)
    shows_skeletons(box)
    assert not wrong


def curves_and_verdict(box):
    "What the training panel says beside the disk: four curves that move, and the mirror"
    panel = box.at.locator(".training")
    names = panel.locator(".measure").all_inner_texts()
    wanted = "loss", "mean distance", "certainty of neighbours", "neighbours right"
    assert len(names) == len(wanted) and all(map(str.startswith, names, wanted))
    assert "untrained 0." in names[-1]
    said = panel.locator(".mirror").inner_text()
    for word in ("untrained", "raw coordinates", "chance", "which training does not use"):
        assert word in said
    looks = box.js("x.model.standing.looks.map(look => look.certainty)")
    assert len(looks) > 2 and len({*looks}) > 2 and all(0 < value < 1 for value in looks)


def test_training_in_jupyterlab(visit, lab):
    "The disk moves while the training runs and the kernel stays free; stop, and go on"
    address, work = lab
    nb = json.loads((work / "live_training.ipynb").read_text("utf-8"))
    last = next(i for i, c in enumerate(nb["cells"]) if "watched.go()" in "".join(c["source"]))
    meanwhile = dict(
        cell_type="code",
        id="meanwhile",
        metadata={},
        execution_count=None,
        outputs=[],
        source=["print(6*7, watched.wait(0))"],
    )
    nb["cells"] = [*nb["cells"][: last + 1], meanwhile]
    for c in nb["cells"]:
        c["source"] = "".join(c["source"]).replace("epochs=40", "epochs=2000").splitlines(True)
    (work / "live.ipynb").write_text(json.dumps(nb), "utf-8")
    tab, wrong = visit(address.format("live.ipynb"))
    run_all(tab)
    assert saved(tab, work / "live.ipynb")[-1]["outputs"] == [
        dict(name="stdout", output_type="stream", text=["42 running\n"])
    ], "the kernel is free while the training runs"
    box = Box(tab)
    status, stop, go = (
        box.at.locator(".training .status"),
        box.at.get_by_role("button", name="stop", exact=True),
        box.at.get_by_role("button", name="go on", exact=True),
    )
    box.until("x.view.epoch >= 2")
    assert status.inner_text() == "running"
    points_are_there(box)
    stop.click()
    box.at.locator(".training.stopped").wait_for()
    box.rest()
    hover_and_click(box)
    plays(box)
    assert "saved to" in box.at.locator(".training .said").inner_text()
    at = box.js("x.view.epoch")
    go.click()
    box.at.locator(".training.running").wait_for()
    box.until("x.view.epoch > given[0]", at)
    curves_and_verdict(box)
    stop.click()
    box.at.locator(".training.stopped").wait_for()
    assert not wrong


def test_training_through_in_jupyterlab(visit, lab):
    "All cells of the tutorial, of which some wait for the training"
    address, work = lab
    tab, wrong = visit(address.format("live_training.ipynb"))
    run_all(tab)
    saved(tab, work / "live_training.ipynb")
    box = Box(tab)
    box.at.locator(".training.done").wait_for()
    box.until("x.view.epoch === 40")
    curves_and_verdict(box)
    assert not wrong
