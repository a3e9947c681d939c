"""Run the notebooks and write them, pictures and formulas included, as a site that needs no network.

python tools/docs.py                                    # all of them, a few minutes on two cores: make docs
python tools/docs.py tutorials/poincare_disk 70_disk    # these alone
python tools/docs.py --out DIR NAME                     # elsewhere than in _docs

Then open _docs/index.html. The form of a page and its style lie in tools/site. A notebook that draws with
the light style sheet is run twice, the second time for the pictures of a dark page."""

import argparse
import base64
import html
import io
import json
import os
import re
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import nbformat
import plotly.io
from latex2mathml.converter import convert
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from PIL import Image
from plotly.offline import get_plotlyjs
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from hysp.core import HyspError, atomic_dir
from hysp.style import offline

root = Path(__file__).parents[1]
site = Path(__file__).parent / "site"
nbs = root / "nbs"

# Running


def all_names():
    "All notebooks by name, as the folders hold them"
    paths = [*sorted(nbs.glob("tutorials/*.ipynb")), *sorted(nbs.glob("[0-9]*.ipynb"))]
    return [path.relative_to(nbs).with_suffix("").as_posix() for path in paths]


def groups():
    "Names by group in reading order, tutorials first: groups and order are those of the front page"
    front = nbs / "index.ipynb"
    cells = json.loads(front.read_text("utf-8"))["cells"] if front.is_file() else []
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    unlisted = all_names()
    found = {}
    for title, line in re.findall(r"^\* \*\*(.+?)\*\*: (.+)$", text, re.M):
        linked = dict.fromkeys(re.findall(r"\]\(([\w/]+)\.ipynb\)", line))
        listed = [name for name in linked if name in unlisted]
        unlisted = [name for name in unlisted if name not in listed]
        if listed:
            found[title] = listed
    if unlisted:
        found["More"] = unlisted
    return dict(sorted(found.items(), key=lambda group: "/" not in group[1][0]))


def names():
    "All notebooks in reading order: the front page first, then the tutorials"
    return ["index", *chain.from_iterable(groups().values())]


def directives(cell):
    "The words after `#|` in a cell of code"
    if cell.cell_type != "code":
        return set()
    return set(re.findall(r"^#\|\s*(\S+)", cell.source, re.M))


def skipped(cell):
    "Is the cell one that `make test` does not run either?"
    flagged = directives(cell) & {"notest", "slow", "cuda", "data"}
    return bool(flagged) or re.search(r"^#\|\s*eval:\s*false", cell.source, re.M) is not None


def environment():
    "Variables of the kernel: the package of this checkout, figures as data, no progress bars"
    return {
        **os.environ,
        "PLOTLY_RENDERER": "plotly_mimetype",
        "TQDM_DISABLE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def failed_cell(nb):
    "Id of the cell that raised an error"
    for cell in nb.cells:
        if any(output.output_type == "error" for output in cell.outputs):
            return cell.id
    return "?"


# Run in a kernel after the last cell: the explorers that the notebook shows, as pages
explorer_pages = """
from ipywidgets.widgets.widget import _instances
from hysp.explore import Explorer, explorer_page
for key, file in {shown}.items():
    if isinstance(_instances.get(key), Explorer):
        explorer_page(file, _instances[key].scene, clips=200, title="Explorer")
"""
_widget = "application/vnd.jupyter.widget-view+json"


def widget_outputs(nb):
    "Outputs that are widgets, progress bars left out"
    outputs = chain.from_iterable(cell.outputs for cell in nb.cells)
    return [o for o in outputs if _widget in o.get("data", {}) and not is_progress(o)]


def is_progress(output):
    "Is it the bar of a loop, as the widget that tqdm makes?"
    return re.search(r"\d+%\|| \[\d\d:\d\d", output["data"].get("text/plain", "")) is not None


def keep_explorers(nb, client, stem):
    "Pages of the explorers that a notebook shows: their text in its metadata, their names in its outputs"
    nb.metadata["pages"] = {}
    shown = {output["data"][_widget]["model_id"]: output for output in widget_outputs(nb)}
    if not shown:
        return
    with tempfile.TemporaryDirectory() as folder:
        files = {key: f"{folder}/{stem}-explorer-{i}.html" for i, key in enumerate(shown, 1)}
        nb.cells.append(nbformat.v4.new_code_cell(explorer_pages.format(shown=files)))
        client.execute_cell(nb.cells[-1], len(nb.cells) - 1)
        for key, file in files.items():
            if os.path.exists(file):
                nb.metadata["pages"][Path(file).name] = Path(file).read_text("utf-8")
                shown[key]["metadata"]["page"] = Path(file).name


light_sheet = 'plt.style.use("hysp.assets.light")'
dark_sheet = light_sheet.replace("light", "dark")


def executed(path, dark=False, seconds=600):
    "A notebook with its outputs, drawn dark if wished; `HyspError` names the cell that fails"
    nb = nbformat.read(path, 4)
    whole = nb.cells
    if dark:
        for cell in whole:
            cell.source = cell.source.replace(light_sheet, dark_sheet)
    nb.cells = [cell for cell in whole if cell.cell_type == "code" and not skipped(cell)]
    client = NotebookClient(
        nb,
        timeout=seconds,
        kernel_name="python3",
        resources=dict(metadata=dict(path=str(path.parent))),
    )
    client.reset_execution_trackers()
    try:
        with client.setup_kernel(env=environment()):
            for position, cell in enumerate(nb.cells):
                client.execute_cell(cell, position)
            if not dark:
                keep_explorers(nb, client, path.stem)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as e:
        last_line = without_colours(str(e)).strip().splitlines()[-1]
        raise HyspError(f"{path}, cell {failed_cell(nb)}: {last_line}") from e
    nb.cells = whole
    return nb


def is_picture(output):
    "Has matplotlib drawn it? A film is HTML that holds pictures"
    data = output.get("data", {})
    film = "data:image/png" in data.get("text/html", "")
    return film or "image/png" in data or "image/svg+xml" in data


def pictures(nb):
    "Outputs that are pictures, each with the id of its cell"
    found = []
    for cell in nb.cells:
        found += [(cell.id, output) for output in cell.get("outputs", []) if is_picture(output)]
    return found


def executed_twice(path):
    "A notebook with its outputs; where it uses the light sheet, each picture holds a dark one"
    nb = executed(path)
    light = pictures(nb)
    if not light or not any(light_sheet in cell.source for cell in nb.cells):
        return nb
    dark = pictures(executed(path, dark=True))
    if [place for place, _ in light] != [place for place, _ in dark]:
        raise HyspError(
            f"{path} draws {len(light)} pictures in light and {len(dark)} in dark, or in other "
            "cells: what it draws must not depend on the style sheet"
        )
    for (_, output), (_, in_dark) in zip(light, dark):
        output.metadata["dark"] = in_dark
    return nb


# Formulas and Markdown


class Renderer(IPythonRenderer):
    "Markdown as JupyterLab shows it, with formulas as MathML, which browsers draw themselves"

    def block_math(self, body):
        return f'<p class="formula">{mathml(body, "block")}</p>'

    multiline_math = block_math

    def inline_math(self, body):
        return mathml(body, "inline")

    def latex_environment(self, name, body):
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


_function = r"<m[io]>(?:arc?)?(?:sin|cos|tan|cot|log|ln|exp)h?</m[io]>"
_space = '<mspace width=".17em"/>'


def mathml(tex, display):
    "A formula; `HyspError` where a command is not understood"
    known = re.sub(r"\\[lr]Vert", r"\\|", html.unescape(tex).replace("{aligned}", "{align*}"))
    found = convert(known, display=display)
    found = found.replace("><<", ">&lt;<").replace(">\\|<", ">‖<")  # as \Big\| comes out
    if left := re.search(r"\\\S*", found):
        raise HyspError(
            f"the formula ${tex.strip()}$ holds {left[0]}, which latex2mathml does not know"
        )
    # A minus is a sign after ( = and ,
    before_sign = r"(<mo[^>]*>&#x000(?:28|3D|2C);</mo>)<mo>&#x02212;"
    found = re.sub(before_sign, r'\1<mo form="prefix">&#x02212;', found)
    # log x, not logx; 2 log x, not 2log x
    found = re.sub(
        rf"(?<!<msub>)(?<!<msup>)(?<!<msubsup>)({_function})(?=<m(?!o))", rf"\1{_space}", found
    )
    return re.sub(rf"(</mn>)(?={_function})", rf"\1{_space}", found)


def markdown(text):
    "Markdown as HTML, with the links of the site"
    found = MarkdownWithMath(renderer=Renderer(escape=False)).render(text)
    # Headings pass through an XML library, which gives formulas a prefix that no browser draws
    found = re.sub(r' xmlns:ns\d+="[^"]*"', "", re.sub(r"(</?)ns\d+:", r"\1", found))
    return to_site(found)


def to_site(page):
    "Links to notebooks lead to their pages, links above nbs/ to a file that lies beside the page"
    page = re.sub(r'(href="(?![a-z]+:)[^"#]*)\.ipynb', r"\1.html", page)
    return re.sub(r'href="\.\./((?:\.\./)*[A-Z]+(?:\.md)?)"', r'href="\1"', page)


# Cells


def without_colours(text):
    "A text without the codes that colour it on a terminal"
    return re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", text)


def printed(text):
    "What a cell prints, without folders of this machine"
    text = re.sub(r"[^\n]*\r(?=[^\n])", "", text)  # what a progress bar wrote over
    text = without_colours(text).replace(tempfile.gettempdir(), "…").replace(f"{root}/", "")
    return f'<pre class="out">{html.escape(text)}</pre>'


def moving_figure(data):
    "A figure of plotly"
    data = {key: value for key, value in data.items() if key != "config"}
    return plotly.io.to_html(
        plotly.io.from_json(json.dumps(data), skip_invalid=True),
        include_plotlyjs=False,
        full_html=False,
        auto_play=False,
        config=dict(displaylogo=False),
    )


def explorer_frame(page):
    "The explorer as a page within the page"
    return (
        f'<iframe class="explorer" title="The explorer" loading="lazy" src="{page}"></iframe>'
        "<p>As it stands when the notebook has run, without a kernel: "
        f'<a href="{page}">on a page of its own</a>.</p>'
    )


def output_html(output):
    "One output of a cell"
    if output.output_type == "stream":
        return printed(output.text) if output.name == "stdout" else ""
    data = output.get("data", {})
    if "application/vnd.plotly.v1+json" in data:
        return moving_figure(data["application/vnd.plotly.v1+json"])
    if _widget in data:
        if is_progress(output):
            return ""
        if page := output.metadata.get("page"):
            return explorer_frame(page)
        return (
            '<p class="widget">A widget: it needs a kernel. '
            "Open this notebook with <code>make lab</code>.</p>"
        )
    if "text/html" in data:
        return f'<div class="out">{offline(data["text/html"])}</div>'
    if "image/svg+xml" in data:
        return data["image/svg+xml"]
    if "image/png" in data:
        source = f"data:image/png;base64,{data['image/png'].strip()}"
        return f'<img alt="What the cell above draws" src="{source}">'
    if "text/markdown" in data:
        return markdown(data["text/markdown"])
    return printed(data["text/plain"]) if "text/plain" in data else ""


def on_both_grounds(output):
    "One output of a cell; where it was drawn twice, the style of the site shows one of the two"
    shown = output_html(output)
    if "dark" not in output.get("metadata", {}):
        return shown
    in_dark = output_html(output.metadata["dark"])
    return f'<div class="in-light">{shown}</div><div class="in-dark">{in_dark}</div>'


def code_html(cell):
    "The code of a cell; what is exported to the package is marked"
    code = re.sub(r"^#\|.*\n?", "", cell.source, flags=re.M).strip()
    if not code:
        return ""
    coloured = highlight(code, PythonLexer(), HtmlFormatter())
    if directives(cell) & {"export", "exports"}:
        anchors = "".join(f'<a id="{definition}"></a>' for definition in definitions(cell))
        return f'{anchors}<div class="exported" title="Part of the package">{coloured}</div>'
    return coloured


def definitions(cell):
    "Public functions and classes that a cell defines, as anchors: def-polar"
    return [f"def-{name}" for name in re.findall(r"^(?:def|class) ([^\W_]\w*)", cell.source, re.M)]


def body(nb):
    "The cells as HTML; what is hidden is left out"
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            yield markdown(cell.source)
        elif "hide" not in directives(cell):
            if code := code_html(cell):
                yield code
            shown = "".join(on_both_grounds(output) for output in cell.get("outputs", []))
            if shown:
                yield f'<div class="outputs">{shown}</div>'


def heading(name):
    "Title and subtitle of a notebook"
    first = json.loads((nbs / f"{name}.ipynb").read_text("utf-8"))["cells"][0]
    title, *lines = "".join(first["source"]).splitlines()
    subtitles = [line.removeprefix("> ") for line in lines if line.startswith("> ")]
    return title.removeprefix("# "), subtitles[0] if subtitles else ""


# The site


def style():
    "The site's style and the colours of code, in light and in dark"
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return (
        (site / "style.css").read_text("utf-8")
        + f"{light}\n@media (prefers-color-scheme: dark) {{{dark}}}\n"
        + ".highlight { background: var(--box) !important }\n"
    )


def link(name, here, kind="", text=None):
    "A link from one page to another, under its title"
    up = "../" * here.count("/")
    marks = f' class="{kind}"' if kind else ""
    if name == here:
        marks = ' class="here" aria-current="page"'
    text = html.escape(text or heading(name)[0])
    return f'<a{marks} href="{up}{name}.html">{text}</a>'


def menu(built, here):
    "Links to all pages that are built, by group"
    parts = [link("index", here, "home", "hysp")] if "index" in built else []
    for title, group in groups().items():
        listed = [link(name, here) for name in group if name in built]
        if listed:
            parts += [f"<b>{html.escape(title)}</b>", *listed]
    return "".join(parts)


def around(built, here):
    "Links to the pages before and after this one"
    place = built.index(here)
    parts = []
    if place:
        parts.append(link(built[place - 1], here, "previous"))
    if place + 1 < len(built):
        parts.append(link(built[place + 1], here, "next"))
    return "".join(parts)


def headings(text):
    "Level, anchor and words of the headings of a page below its title"
    found = re.findall(r'<h([23]) id="([^"]+)">(.*?)<a class="anchor-link"', text, re.S)
    return [(int(level), anchor, shown) for level, anchor, shown in found]


def contents(text):
    "The headings of a page as a list of links; nothing where there are fewer than two"
    found = headings(text)
    if len(found) < 2:
        return ""
    links = [
        f'<a class="level{level}" href="#{anchor}">{words}</a>' for level, anchor, words in found
    ]
    return f"<summary>On this page</summary>{''.join(links)}"


def search_index(texts):
    "A script that holds title, subtitle, headings and definitions of each page, for site.js"
    entries = []
    for name, text in texts.items():
        parts = []
        for _, anchor, shown in headings(text):
            words = re.sub(r"<math.*?</math>|<[^>]*>", "", shown, flags=re.S)
            parts.append([anchor, html.unescape(words).strip()])
        parts += [[f"def-{word}", word] for word in re.findall(r'<a id="def-(\w+)">', text)]
        entries.append([f"{name}.html", *heading(name), parts])
    return f"const sitePages = {json.dumps(entries, ensure_ascii=False)}\n"


def cards(built):
    "The tutorials on the start page"
    parts = []
    for name in built:
        if "/" in name:
            title, subtitle = map(html.escape, heading(name))
            parts.append(f'<a href="{name}.html"><b>{title}</b>{subtitle}</a>')
    return f'<div class="cards">{"".join(parts)}</div>' if parts else ""


def main_text(name, nb, built):
    "What a notebook says and shows"
    parts = list(body(nb))
    if name == "index":
        parts.insert(1, cards(built))
    return lossless_webp("\n".join(parts))


def lossless_webp(page):
    "A page whose pictures are the same to the pixel, in about half the bytes"

    def as_webp(found):
        file = io.BytesIO()
        picture = Image.open(io.BytesIO(base64.b64decode(found[1])))
        picture.save(file, "webp", lossless=True)
        return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"

    # A film's script breaks its lines with a backslash; decoding passes over that
    return re.sub(r"data:image/png;base64,([A-Za-z0-9+/=\\\n]+)", as_webp, page)


def page(name, text, built):
    "A notebook as a whole page"
    up = "../" * name.count("/")
    moves = "Plotly.newPlot" in text
    holes = dict(
        title=html.escape(heading(name)[0]),
        up=up,
        script=f'<script src="{up}plotly.min.js"></script>' if moves else "",
        menu=menu(built, name),
        contents=contents(text),
        main=text,
        around=around(built, name),
    )
    form = (site / "page.html").read_text("utf-8")
    return re.sub(r"<!--(\w+)-->", lambda hole: holes[hole[1]], form)


def dead_links(folder):
    "Pages and what they link to that is not there"
    for path in sorted(folder.rglob("*.html")):
        for link in re.findall(r'(?:href|src)="([^"#:]+)(?:#[^":]*)?"', path.read_text("utf-8")):
            if not (path.parent / link).exists():
                yield f"{path.relative_to(folder)} links to {link}"


def run_all(built, workers):
    "Notebooks by name, run; `HyspError` names those that fail"
    failed = []

    def run_one(name):
        start = time.perf_counter()
        try:
            nb = executed_twice(nbs / f"{name}.ipynb")
        except HyspError as e:
            failed.append(str(e))
            return print(f"{name}: failed", flush=True)
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
        return nb

    with ThreadPoolExecutor(workers) as pool:
        done = dict(zip(built, pool.map(run_one, built)))
    if failed:
        raise HyspError("\n".join(failed))
    return done


def build(wanted=(), out=root / "_docs", workers=2):
    "Run, write, check; `HyspError` names the notebooks that fail"
    built = list(wanted) or names()
    missing = [name for name in built if not (nbs / f"{name}.ipynb").is_file()]
    if missing:
        raise HyspError(
            f"there is no notebook {missing[0]}; name them as 70_disk or tutorials/quickstart"
        )
    done = run_all(built, workers)
    with atomic_dir(out, overwrite=True) as folder:
        (folder / "style.css").write_text(style(), encoding="utf-8")
        (folder / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
        shutil.copytree(nbs / "images", folder / "images")
        for name in ("LICENSE", "CONTRIBUTING.md", "CHANGELOG.md"):
            shutil.copy(root / name, folder)
        shutil.copy(site / "site.js", folder)
        texts = {name: main_text(name, nb, built) for name, nb in done.items()}
        (folder / "search.js").write_text(search_index(texts), encoding="utf-8")
        for name, text in texts.items():
            path = folder / f"{name}.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page(name, text, built), encoding="utf-8")
            for file, explorer in done[name].metadata["pages"].items():
                path.with_name(file).write_text(explorer, encoding="utf-8")
        if not wanted and (dead := list(dead_links(folder))):
            raise HyspError("; ".join(dead))
    return Path(out)


if __name__ == "__main__":
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument(
        "names", nargs="*", help="notebooks below nbs/, without .ipynb; all if none is named"
    )
    p.add_argument("--out", type=Path, default=root / "_docs")
    args = p.parse_args()
    try:
        print(f"open {build(args.names, args.out) / 'index.html'} in a browser")
    except HyspError as e:
        sys.exit(str(e))
