"What several files of tests need: examples that are the same in every run, and a browser"

import os
import shutil
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

# So that a commit passes or does not; `make pytest ARGS='--hypothesis-profile default'` draws new ones
settings.register_profile("same", derandomize=True)
settings.load_profile("same")

# Where several files of tests run at once, each process keeps to one core
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Files whose tests start several busy processes: a JupyterLab, or training on several devices
MANY_PROCESSES = "test_browser", "test_devices", "test_simclr"

BROWSER_FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --use-gl=swiftshader --enable-unsafe-swiftshader"
)
PATIENCE = 240_000  # ms: a machine may be slow


def pytest_collection_modifyitems(items):
    "A file's tests run in one process, one after the other; so do all that need several processes"
    for item in items:
        name = item.path.stem
        group = "many processes" if name in MANY_PROCESSES else name
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="module")
def browser():
    "Chromium, without a window"
    api = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright (pip install playwright)"
    )
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs chromium (apt-get install chromium)")
    with api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=program, args=BROWSER_FLAGS.split())
        yield started
        started.close()


@pytest.fixture
def visit(browser):
    """Opens an address: the tab, and the list of what goes wrong in it

    Console errors, exceptions, requests that go elsewhere, and files that are missing."""

    def visit(url, width=1280, height=None, **context):
        window = dict(width=width, height=height or width * 9 // 16)
        tab = browser.new_context(viewport=window, **context).new_page()
        wrong = []

        def check_address(request):
            if urlsplit(request.url).netloc not in ("", urlsplit(url).netloc):
                wrong.append(request.url)

        tab.set_default_timeout(PATIENCE)
        tab.on("console", lambda said: said.type == "error" and wrong.append(said.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("request", check_address)
        tab.on("requestfailed", lambda r: r.url.startswith("file:") and wrong.append(r.url))
        tab.goto(url)
        return tab, wrong

    yield visit
    for context in browser.contexts:
        context.close()


@pytest.fixture
def one_thread():
    "Torch on one thread, so that small tests do not wait for a busy second core"
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
