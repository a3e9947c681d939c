"What several files of tests need: drawn examples that are the same in every run, and a browser"

import shutil
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

# So that a commit passes or does not; `make pytest ARGS='--hypothesis-profile default'` draws new ones
settings.register_profile("same", derandomize=True)
settings.load_profile("same")

FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --use-gl=swiftshader --enable-unsafe-swiftshader"
PATIENCE = 240_000  # ms: a machine may be slow


@pytest.fixture(scope="module")
def browser():
    "Chromium, without a window"
    api = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright (pip install playwright)"
    )
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs chromium (apt-get install chromium)")
    with api.sync_playwright() as p:
        b = p.chromium.launch(executable_path=program, args=FLAGS.split())
        yield b
        b.close()


@pytest.fixture
def visit(browser):
    "Opens an address: the tab, and the list of what goes wrong in it: console errors, exceptions, requests that go elsewhere or miss a file"

    def visit(url, width=1280, height=None, **context):
        tab, wrong = (
            browser.new_context(
                viewport=dict(width=width, height=height or width * 9 // 16), **context
            ).new_page(),
            [],
        )
        tab.set_default_timeout(PATIENCE)
        tab.on("console", lambda m: m.type == "error" and wrong.append(m.text))
        tab.on("pageerror", lambda e: wrong.append(str(e)))
        tab.on(
            "request",
            lambda r: urlsplit(r.url).netloc in ("", urlsplit(url).netloc) or wrong.append(r.url),
        )
        tab.on("requestfailed", lambda r: r.url.startswith("file:") and wrong.append(r.url))
        tab.goto(url)
        return tab, wrong

    yield visit
    for o in browser.contexts:
        o.close()


@pytest.fixture
def one_thread():
    "Torch on one thread, so that small tests do not wait for a busy second core"
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
