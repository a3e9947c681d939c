"The site that `make docs` writes: run, whole, its formulas drawn, and nothing fetched from anywhere"

import importlib.util
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest

from hysp.core import HyspError

root = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("docs", root / "tools" / "docs.py")
docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(docs)

PAGES = "index", "30_losses", "tutorials/poincare_disk"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return docs.build(PAGES, tmp_path_factory.mktemp("docs") / "site")


@pytest.mark.parametrize("width", [1280, 2560])
@pytest.mark.parametrize("page", PAGES)
def test_page_in_browser(visit, site, page, width):
    tab, wrong = visit((site / f"{page}.html").as_uri(), width)
    assert tab.evaluate("document.documentElement.scrollWidth<=innerWidth"), (
        "the page scrolls sideways"
    )
    assert tab.evaluate("[...document.images].every(o => o.complete && o.naturalWidth>0)")
    assert tab.locator("h1").count() == 1 and tab.locator("nav a.here").count() == 1
    if page != "index":
        sizes = tab.evaluate(
            "[...document.querySelectorAll('math')].map(o => o.getBoundingClientRect())"
            ".map(box => [box.width, box.height])"
        )
        assert len(sizes) > 5 and all(w > 1 and h > 5 for w, h in sizes), "every formula takes room"
        assert max(h for _, h in sizes) > 25, "a fraction is as high as two lines"
        prose = tab.evaluate(
            "[...document.querySelectorAll('main > p, main > li')].map(o => o.textContent)"
        )
        assert "$" not in " ".join(prose)
    if page == "tutorials/poincare_disk":
        assert tab.evaluate("document.images.length") >= 7
    assert wrong == []


def test_one_can_walk_about(visit, site):
    tab, wrong = visit((site / "index.html").as_uri())
    tab.click(".cards a >> text=The Poincaré disk")
    assert tab.inner_text("h1").startswith("The Poincaré disk")
    tab.click("nav >> text=30_losses")
    assert tab.inner_text("h1").startswith("Losses")
    tab.click("nav >> text=hysp")
    assert tab.url.endswith("/index.html") and wrong == []


def test_nothing_is_fetched(site):
    fetched = r'<(?:link|script|img|iframe)[^>]*(?:href|src)="(?:https?:)?//[^"]*'
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        assert not re.findall(fetched, text), path
        assert not re.search(r'@import|url\(\s*["\']?https?:', text)


def test_every_formula_is_understood():
    found = []
    for path in (root / "nbs").rglob("*.ipynb"):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                page = docs.markdown("".join(cell["source"]))
                found += re.findall(r"<math.*?</math>", page, re.S)
    assert len(found) > 400
    parts = dict(msub=2, msup=2, mfrac=2, mover=2, munder=2, msubsup=3, munderover=3)
    for formula in map(ElementTree.fromstring, found):
        for element in formula.iter():
            kind = element.tag.split("}")[1]
            assert len(element) == parts.get(kind, len(element)), kind
    with pytest.raises(HyspError, match=r"holds \\nonsense"):
        docs.markdown(r"So $\nonsense{x}$.")
    assert (
        docs.mathml(r"2\log x", "inline").count("<mspace") == 2
        and 'form="prefix"' in docs.mathml("U(-1,1)", "inline")
        and "prefix" not in docs.mathml("2-1", "inline")
    )


def notebook(folder, *cells):
    folder.mkdir()
    md, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    nb = nbformat.v4.new_notebook(cells=[md("# Title\n\n> Subtitle"), *map(code, cells)])
    nbformat.write(nb, folder / "bad.ipynb")
    (folder / "images").mkdir()
    return folder


def test_a_notebook_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(docs, "nbs", notebook(tmp_path / "nbs", "x = 1", "x/0"))
    with pytest.raises(HyspError, match=r"bad\.ipynb, cell \w+: ZeroDivisionError"):
        docs.build(["bad"], tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_what_becomes_of_a_cell(tmp_path, monkeypatch):
    cells = [
        "#| hide\nx = 1",
        "#| slow\nx/0",
        "#| eval: false\nx/0",
        "#| export\ndef f(): return 7",
        'print("<b>", f())',
        "from IPython.display import HTML\n"
        """HTML('<link rel="stylesheet" href="https://e.org/f.css"><i>seven</i>')""",
    ]
    monkeypatch.setattr(docs, "nbs", notebook(tmp_path / "nbs", *cells))
    text = (docs.build(["bad"], tmp_path / "site") / "bad.html").read_text("utf-8")
    assert (
        text.count('class="highlight"') == 5 and text.count('class="exported"') == 1
    )  # all but the hidden one
    assert (
        '<pre class="out">&lt;b&gt; 7\n</pre>' in text
        and '<div class="out"><i>seven</i></div>' in text
    )
    with pytest.raises(HyspError, match="no notebook 71_plt"):
        docs.build(["71_plt"], tmp_path / "other")
    assert "plotly" not in text  # A page without a figure does not load it
    (tmp_path / "site" / "more.html").write_text(
        '<a href="gone.html#x">x</a><a href="bad.html">y</a>'
    )
    assert list(docs.dead_links(tmp_path / "site")) == ["more.html links to gone.html"]


def test_figures_that_move(visit, tmp_path, monkeypatch):
    """Plotly's from the one file beside the page, matplotlib's films with buttons, both without a network

    A widget says what it needs."""
    cells = [
        "import numpy as np, ipywidgets\nfrom IPython.display import HTML\n"
        "from hysp.page import skeleton_player\nfrom hysp.plot_skeleton import skeleton_animation\n"
        "x = np.random.default_rng(0).normal(size=(3,4,25,1))",
        "skeleton_player(dict(a=x, b=x), 'ntu-rgb+d', trail=2)",
        "HTML(skeleton_animation(x, 'ntu-rgb+d', height=1).to_jshtml())",
        "ipywidgets.IntSlider()",
    ]
    monkeypatch.setattr(docs, "nbs", notebook(tmp_path / "nbs", *cells))
    tab, wrong = visit((docs.build(["bad"], tmp_path / "site") / "bad.html").as_uri())
    tab.wait_for_selector(".plotly-graph-div .gl-container canvas", state="attached")
    assert (
        tab.locator(".updatemenu-button").count() == 4
        and tab.locator('script[src="plotly.min.js"]').count() == 1
    )
    frame = tab.get_attribute(".animation img", "src")
    tab.click('.animation button[title="Next frame"]')
    assert tab.get_attribute(
        ".animation img", "src"
    ) != frame and "Open this notebook with" in tab.inner_text(".widget")
    assert (
        tab.evaluate("getComputedStyle(document.querySelector('.fa-play'), '::before').content")
        == '"▶"'
    )
    assert wrong == []
