"The site that `make docs` writes: run, whole, its formulas drawn, and nothing fetched from anywhere"

import base64
import importlib.util
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
from PIL import Image

from hysp.core import HyspError

root = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("docs", root / "tools" / "docs.py")
docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(docs)

PAGES = "index", "tutorials/poincare_disk", "tutorials/embedding_explorer", "30_losses"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return docs.build(PAGES, tmp_path_factory.mktemp("docs") / "site")


@pytest.mark.parametrize("width", [390, 1280, 2560])
@pytest.mark.parametrize("page", PAGES)
def test_page_in_browser(visit, site, page, width):
    tab, wrong = visit((site / f"{page}.html").as_uri(), width)
    assert tab.evaluate("document.documentElement.scrollWidth<=innerWidth"), (
        "the page scrolls sideways"
    )
    assert tab.evaluate("[...document.images].every(o => o.complete && o.naturalWidth>0)")
    assert tab.locator("h1").count() == 1 and tab.locator("nav a.here").count() == 1
    if page in ("30_losses", "tutorials/poincare_disk"):
        sizes = tab.evaluate(
            "[...document.querySelectorAll('math')].map(o => o.getBoundingClientRect())"
            ".map(box => [box.width, box.height])"
        )
        assert len(sizes) > 5 and all(w > 1 and h > 5 for w, h in sizes), "every formula takes room"
        assert max(h for _, h in sizes) > 25, "a fraction is as high as two lines"
        prose = tab.evaluate(
            "[...document.querySelectorAll('article > p, article li')].map(o => o.textContent)"
        )
        assert "$" not in " ".join(prose)
    if page == "tutorials/poincare_disk":
        assert tab.evaluate("document.images.length") >= 7
    assert wrong == []


def test_one_can_walk_about(visit, site):
    tab, wrong = visit((site / "index.html").as_uri())
    tab.click(".cards a >> text=The Poincaré disk")
    assert tab.inner_text("h1").startswith("The Poincaré disk")
    tab.click(".pages >> text=Losses")
    assert tab.inner_text("h1").startswith("Losses")
    tab.click(".pages >> text=hysp")
    assert tab.url.endswith("/index.html") and wrong == []


def test_from_page_to_page_in_reading_order(visit, site):
    tab, wrong = visit((site / "index.html").as_uri())
    assert tab.locator(".around .previous").count() == 0
    for name in PAGES[1:]:
        tab.click(".around .next")
        assert tab.url.endswith(f"/{name}.html")
    assert tab.locator(".around .next").count() == 0
    tab.click(".around .previous")
    assert tab.url.endswith(f"/{PAGES[-2]}.html") and wrong == []


def test_the_menu_has_titles_in_the_order_of_the_front_page(visit, site):
    order = docs.names()
    assert order[:2] == ["index", "tutorials/quickstart"]
    assert sorted(order[1:]) == sorted(docs.all_names()) and "More" not in docs.groups()
    first_room = next(place for place, name in enumerate(order) if name[0].isdigit())
    assert all(name.startswith("tutorials/") for name in order[1:first_room])
    tab, _ = visit((site / "30_losses.html").as_uri())
    shown = tab.locator(".pages a").all_inner_texts()
    assert shown == ["hysp", *(docs.heading(name)[0] for name in PAGES[1:])]


def test_search(visit, site):
    "Titles, headings and functions are found, from any page, with the keyboard alone"
    tab, wrong = visit((site / "tutorials/poincare_disk.html").as_uri())
    tab.keyboard.press("/")
    tab.keyboard.type("curriculum loss")
    tab.wait_for_selector("#found a")
    assert tab.is_hidden(".pages")
    tab.fill("#query", "curriculum_loss")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/30_losses.html#def-curriculum_loss")
    tab.fill("#query", "triangles")
    assert tab.locator("#found a").first.inner_text().split("\n")[0] == "Triangles"
    tab.fill("#query", "no such words")
    assert tab.inner_text("#count") == "no places" and tab.locator("#found a").count() == 0
    tab.keyboard.press("Escape")
    assert tab.is_visible(".pages") and wrong == []


def test_every_place_of_the_index_is_there(site):
    script = (site / "search.js").read_text("utf-8")
    entries = json.loads(script.removeprefix("const sitePages = "))
    assert [entry[0] for entry in entries] == [f"{name}.html" for name in PAGES]
    for address, _, _, parts in entries:
        text = (site / address).read_text("utf-8")
        missing = [anchor for anchor, _ in parts if f'id="{anchor}"' not in text]
        assert parts and not missing


def test_contents_of_the_page(visit, site):
    tab, wrong = visit((site / "tutorials/poincare_disk.html").as_uri(), 1280)
    links = tab.locator(".contents a")
    assert links.count() == tab.locator("article :is(h2, h3)").count() > 3
    assert links.first.is_visible() and "$" not in tab.inner_text(".contents")
    there = "links.every(link => document.getElementById(decodeURIComponent(link.hash.slice(1))))"
    assert links.evaluate_all(f"links => {there}")
    narrow, _ = visit((site / "tutorials/poincare_disk.html").as_uri(), 390, 844)
    assert narrow.locator(".contents a").first.is_hidden()
    narrow.click(".contents summary")
    assert narrow.locator(".contents a").first.is_visible() and wrong == []


def test_the_menu_folds_on_a_phone(visit, site):
    tab, wrong = visit((site / "30_losses.html").as_uri(), 390, 844)
    assert tab.is_hidden(".pages") and tab.locator("h1").bounding_box()["y"] < 200
    tab.click("#fold")
    assert tab.is_visible(".pages") and tab.get_attribute("#fold", "aria-expanded") == "true"
    heights = tab.locator(".pages a").evaluate_all("links => links.map(o => o.offsetHeight)")
    assert min(heights) >= 40 and tab.locator("#fold").bounding_box()["height"] >= 40
    tab.click(".pages >> text=The Poincaré disk")
    assert tab.is_hidden(".pages") and wrong == []
    wide, _ = visit((site / "30_losses.html").as_uri(), 1280)
    assert wide.is_visible(".pages") and wide.is_hidden("#fold")


def test_the_explorer_stands_in_its_tutorial(visit, site):
    tab, wrong = visit((site / "tutorials/embedding_explorer.html").as_uri())
    assert tab.locator(".widget").count() == 0
    frame = tab.locator("iframe.explorer").first
    frame.scroll_into_view_if_needed()
    frame.content_frame.locator("canvas:visible").first.wait_for()
    assert wrong == []


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
        "#| hide\nfrom warnings import catch_warnings, warn\n"
        "with catch_warnings(record=True) as said: warn('heard')\nassert said; warn('unseen')",
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
    assert "unseen" not in text  # A warning is given, and not shown
    (tmp_path / "site" / "more.html").write_text(
        '<a href="gone.html#x">x</a><a href="bad.html">y</a>'
    )
    assert list(docs.dead_links(tmp_path / "site")) == ["more.html links to gone.html"]


def test_figures_that_move(visit, tmp_path, monkeypatch):
    """Plotly's from the one file beside the page, matplotlib's films with buttons, both without a network

    A widget says what it needs, and a progress bar is left out."""
    cells = [
        "import numpy as np, ipywidgets\nfrom IPython.display import HTML\n"
        "from hysp.page import skeleton_player\nfrom hysp.plot_skeleton import skeleton_animation\n"
        "x = np.random.default_rng(0).normal(size=(3,4,25,1))",
        "skeleton_player(dict(a=x, b=x), 'ntu-rgb+d', trail=2)",
        "HTML(skeleton_animation(x, 'ntu-rgb+d', height=1).to_jshtml())",
        "ipywidgets.IntSlider()",
        "from tqdm.auto import tqdm\nfor i in tqdm(range(3), disable=False): pass",
        "print('10 %\\r20 %\\rdone')",
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
    assert tab.locator("pre.out").all_inner_texts() == ["done\n"]
    assert (
        tab.evaluate("getComputedStyle(document.querySelector('.fa-play'), '::before').content")
        == '"▶"'
    )
    assert wrong == []


SHEET = """import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.animation import FuncAnimation
plt.style.use("hysp.assets.light")
dark = plt.rcParams["axes.facecolor"] != "#ffffff"
"""
GROUND = """shown => {
    const [width, height] = [shown.naturalWidth, shown.naturalHeight]
    const pen = Object.assign(document.createElement('canvas'), {width, height}).getContext('2d')
    pen.drawImage(shown, 0, 0)
    return [...pen.getImageData(1, 1, 1, 1).data.slice(0, 3)]
}"""


def test_pictures_are_drawn_for_the_dark_scheme_too(visit, tmp_path, monkeypatch):
    "Of each picture the one is seen that fits the page, and its ground is the ground of the page"
    cells = [
        SHEET,
        "fig, ax = plt.subplots(figsize=(2, 1))",
        "fig, ax = plt.subplots(figsize=(1, 1))\n"
        "film = FuncAnimation(fig, lambda step: ax.plot([step]), frames=2)\n"
        "page = film.to_jshtml()\nplt.close(fig)\nHTML(page)",
        "print('dark' if dark else 'light')",
    ]
    monkeypatch.setattr(docs, "nbs", notebook(tmp_path / "nbs", *cells))
    page = (docs.build(["bad"], tmp_path / "site") / "bad.html").as_uri()
    for scheme in ("light", "dark"):
        tab, wrong = visit(page, color_scheme=scheme)
        tab.wait_for_function("[...document.images].every(o => o.naturalWidth > 0)")
        assert tab.locator(".outputs img").count() == 4
        seen = tab.locator(".outputs img:visible").all()
        css = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
        ground = tab.evaluate(css)
        assert [picture.evaluate(GROUND) for picture in seen] == 2 * [ground]
        assert tab.locator("pre.out").all_inner_texts() == ["light\n"]  # Of the first run alone
        assert wrong == []


def test_as_many_pictures_in_dark_as_in_light(tmp_path, monkeypatch):
    cells = [SHEET, "if not dark: plt.figure().add_subplot()", "plt.figure().add_subplot();"]
    monkeypatch.setattr(docs, "nbs", notebook(tmp_path / "nbs", *cells))
    with pytest.raises(HyspError, match=r"bad\.ipynb draws 2 pictures in light and 1 in dark"):
        docs.build(["bad"], tmp_path / "site")


def test_pictures_take_half_the_room():
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 4, (40, 60, 3), dtype=np.uint8) * 80)
    file = io.BytesIO()
    picture.save(file, "png")
    coded = base64.encodebytes(file.getvalue()).decode().replace("\n", "\\\n")  # As films have it
    page = docs.lossless_webp(f'<img src="data:image/png;base64,{coded}">')
    (found,) = re.findall('<img src="data:image/webp;base64,([^"]*)">', page)
    webp = base64.b64decode(found)
    assert len(webp) < len(file.getvalue())
    np.testing.assert_array_equal(Image.open(io.BytesIO(webp)), picture)
