"""Run the notebooks and write them, pictures and formulas included, as a site that needs no network: `make docs`, then open _docs/index.html.

python bench/docs.py                                    # all of them, a few minutes on two cores
python bench/docs.py tutorials/poincare_disk 70_disk    # these alone
python bench/docs.py --out DIR NAME                     # elsewhere than in _docs"""

import argparse
import html
import json
import os
import re
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import plotly.io
from latex2mathml.converter import convert
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from plotly.offline import get_plotlyjs
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from hysp.core import HyspError, atomic_dir
from hysp.style import offline

root = Path(__file__).parents[1]
nbs = root / "nbs"

# Running


def names():
    "All notebooks by name, the front page first, then the tutorials"
    tutorials = sorted(
        nbs.glob("tutorials/*.ipynb"), key=lambda o: (o.stem != "quickstart", o.stem)
    )
    return [
        o.relative_to(nbs).with_suffix("").as_posix()
        for o in (nbs / "index.ipynb", *tutorials, *sorted(nbs.glob("[0-9]*.ipynb")))
    ]


def directives(cell):
    return (
        set(re.findall(r"^#\|\s*(\S+)", cell.source, re.M)) if cell.cell_type == "code" else set()
    )


def skipped(cell):
    "Is the cell one that `make test` does not run either?"
    return (
        bool(directives(cell) & {"notest", "slow", "cuda", "data"})
        or re.search(r"^#\|\s*eval:\s*false", cell.source, re.M) is not None
    )


def executed(path, seconds=600):
    "A notebook with its outputs; `HyspError` names the cell that fails"
    nb = nbformat.read(path, 4)
    whole, nb.cells = nb.cells, [o for o in nb.cells if o.cell_type == "code" and not skipped(o)]
    env = {
        **os.environ,
        "PLOTLY_RENDERER": "plotly_mimetype",
        "TQDM_DISABLE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore",
    }
    try:
        NotebookClient(
            nb,
            timeout=seconds,
            kernel_name="python3",
            resources=dict(metadata=dict(path=str(path.parent))),
        ).execute(env=env)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as e:
        where = next(
            (o.id for o in nb.cells if any(x.output_type == "error" for x in o.outputs)), "?"
        )
        raise HyspError(
            f"{path}, cell {where}: "
            + re.sub(r"\x1b\[[\d;]*m", "", str(e)).strip().splitlines()[-1]
        ) from e
    nb.cells = whole
    return nb


# Writing


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


def mathml(tex, display):
    "A formula; `HyspError` where a command is not understood"
    found = convert(
        re.sub(r"\\[lr]Vert", r"\\|", html.unescape(tex).replace("{aligned}", "{align*}")),
        display=display,
    )
    found = found.replace("><<", ">&lt;<").replace(">\\|<", ">‖<")  # as \Big\| comes out
    if left := re.search(r"\\\S*", found):
        raise HyspError(
            f"the formula ${tex.strip()}$ holds {left[0]}, which latex2mathml does not know"
        )
    found = re.sub(
        r"(<mo[^>]*>&#x000(?:28|3D|2C);</mo>)<mo>&#x02212;", r'\1<mo form="prefix">&#x02212;', found
    )  # −x after ( = and ,
    found = re.sub(
        rf"(?<!<msub>)(?<!<msup>)(?<!<msubsup>)({_function})(?=<m(?!o))",
        r'\1<mspace width=".17em"/>',
        found,
    )  # log x, not logx
    return re.sub(rf"(</mn>)(?={_function})", r'\1<mspace width=".17em"/>', found)


def markdown(text):
    return to_html(MarkdownWithMath(renderer=Renderer(escape=False)).render(text))


def to_html(page):
    "Links to notebooks become links to their pages; a link above nbs/ leads to a file that lies beside the page"
    page = re.sub(r'(href="(?![a-z]+:)[^"#]*)\.ipynb', r"\1.html", page)
    return re.sub(r'href="\.\./((?:\.\./)*[A-Z]+(?:\.md)?)"', r'href="\1"', page)


def output(o):
    "One output of a cell"
    if o.output_type == "stream":
        return f'<pre class="out">{html.escape(plain(o.text))}</pre>' if o.name == "stdout" else ""
    data = o.get("data", {})
    if "application/vnd.plotly.v1+json" in data:
        figure = plotly.io.from_json(
            json.dumps(
                {k: v for k, v in data["application/vnd.plotly.v1+json"].items() if k != "config"}
            ),
            skip_invalid=True,
        )
        return plotly.io.to_html(
            figure,
            include_plotlyjs=False,
            full_html=False,
            auto_play=False,
            config=dict(displaylogo=False),
        )
    if "application/vnd.jupyter.widget-view+json" in data:
        return '<p class="widget">A widget: it needs a kernel. Open this notebook with <code>make lab</code>.</p>'
    if "text/html" in data:
        return f'<div class="out">{offline(data["text/html"])}</div>'
    if "image/svg+xml" in data:
        return data["image/svg+xml"]
    if "image/png" in data:
        return f'<img alt="What the cell above draws" src="data:image/png;base64,{data["image/png"].strip()}">'
    if "text/markdown" in data:
        return markdown(data["text/markdown"])
    return (
        f'<pre class="out">{html.escape(plain(data["text/plain"]))}</pre>'
        if "text/plain" in data
        else ""
    )


def plain(text):
    return (
        re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", text)
        .replace(tempfile.gettempdir(), "…")
        .replace(f"{root}/", "")
    )


def body(nb):
    "The cells as HTML; code that is exported to the package is marked, what is hidden is left out"
    for c in nb.cells:
        if c.cell_type == "markdown":
            yield markdown(c.source)
            continue
        if "hide" in directives(c):
            continue
        code = re.sub(r"^#\|.*\n?", "", c.source, flags=re.M).strip()
        if code and directives(c) & {"export", "exports"}:
            yield f'<div class="exported" title="Part of the package">{highlight(code, PythonLexer(), HtmlFormatter())}</div>'
        elif code:
            yield highlight(code, PythonLexer(), HtmlFormatter())
        shown = [output(o) for o in c.get("outputs", [])]
        if any(shown):
            yield '<div class="outputs">' + "".join(shown) + "</div>"


def heading(path):
    "Title and subtitle of a notebook"
    first = json.loads(path.read_text("utf-8"))["cells"][0]["source"]
    lines = "".join(first).splitlines()
    return lines[0].removeprefix("# "), next(
        (o.removeprefix("> ") for o in lines if o.startswith("> ")), ""
    )


# The site

css = """
:root { color-scheme: light dark; --ink: #1d2129; --faint: #667085; --ground: #fff; --box: #f6f7f9; --line: #e3e6eb; --link: #2f55c8 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ee; --faint: #98a2b3; --ground: #15171c; --box: #1e2128; --line: #2d323c; --link: #8fabff } }
* { box-sizing: border-box } html { scroll-behavior: smooth }
body { margin: 0; color: var(--ink); background: var(--ground); font: 16px/1.6 system-ui, sans-serif; display: grid; grid-template-columns: 17rem minmax(0,1fr) }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.4rem 1rem 2rem 1.4rem; border-right: 1px solid var(--line); font-size: .86rem; line-height: 1.35 }
nav a { display: block; padding: .22rem .4rem; border-radius: 5px; color: inherit; text-decoration: none } nav a:hover { background: var(--box) }
nav a.here { background: var(--box); font-weight: 600 } nav b { display: block; margin: 1.1rem .4rem .3rem; color: var(--faint); font-size: .74rem; letter-spacing: .04em; text-transform: uppercase }
nav .home { font-size: 1.15rem; font-weight: 700 }
main { width: 100%; max-width: 60rem; padding: 1rem 2.4rem 5rem; margin: 0 auto } a { color: var(--link) } h1 { margin-bottom: .2rem; line-height: 1.2 } h2 { margin-top: 2.4rem }
.anchor-link { visibility: hidden; padding-left: .3rem; text-decoration: none } :is(h1,h2,h3,h4):hover .anchor-link { visibility: visible }
h1 + blockquote { margin: 0 0 1.6rem; padding: 0; border: 0; color: var(--faint); font-size: 1.1rem } blockquote p { margin: 0 }
blockquote { margin: 1rem 0; padding-left: 1rem; border-left: 3px solid var(--line) }
img { max-width: 100% } .outputs img { background: #fff; border-radius: 6px } table { border-collapse: collapse; display: block; overflow-x: auto; font-size: .9rem } th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left }
pre, code { font: .84rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace } code { background: var(--box); padding: .1em .3em; border-radius: 4px } pre code { padding: 0 }
.highlight, pre.out, main > pre { margin: .8rem 0; padding: .7rem .9rem; border-radius: 7px; background: var(--box); overflow-x: auto } .highlight pre { margin: 0; background: none !important }
.exported > .highlight { border-left: 3px solid #56b48f } .outputs { margin: .4rem 0 1.4rem; overflow-x: auto } pre.out { color: var(--faint); background: none; border: 1px solid var(--line) }
.formula { overflow-x: auto; overflow-y: hidden; padding: .2rem 0 } math { font-size: 1.08em } .widget { color: var(--faint); font-style: italic }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .8rem; margin: 1.4rem 0 } .cards a { padding: .8rem 1rem; border: 1px solid var(--line); border-radius: 9px; color: inherit; text-decoration: none; font-size: .88rem; line-height: 1.4 }
.cards a:hover { border-color: var(--link) } .cards b { display: block; font-size: 1rem; color: var(--link) }
@media (max-width: 60rem) { body { display: block } nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line) } main { padding: 1rem } }
"""


def style():
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return (
        css
        + HtmlFormatter(style="default").get_style_defs(".highlight")
        + "@media (prefers-color-scheme: dark) {"
        + dark
        + "}\n.highlight { background: var(--box) !important }\n"
    )


def menu(built, here):
    "Links to all pages that are built"
    up = "../" * here.count("/")
    link = lambda o, text, more="": (
        f'<a class="{"here" if o == here else more}" href="{up}{o}.html">{html.escape(text)}</a>'
    )
    parts = [
        ("Tutorials", [o for o in built if "/" in o]),
        ("Notebooks", [o for o in built if o[0].isdigit()]),
    ]
    listed = "".join(
        f"<b>{name}</b>"
        + "".join(
            link(o, Path(o).name if name == "Notebooks" else heading(nbs / f"{o}.ipynb")[0])
            for o in pages
        )
        for name, pages in parts
        if pages
    )
    return f'<nav aria-label="Pages">{link("index", "hysp", "home") if "index" in built else ""}{listed}</nav>'


def cards(built):
    "The tutorials on the start page"
    told = [(o, *heading(nbs / f"{o}.ipynb")) for o in built if "/" in o]
    return (
        '<div class="cards">'
        + "".join(
            f'<a href="{o}.html"><b>{html.escape(t)}</b>{html.escape(s)}</a>' for o, t, s in told
        )
        + "</div>"
        if told
        else ""
    )


def page(name, nb, built):
    "A notebook as a whole page"
    parts, up = list(body(nb)), "../" * name.count("/")
    if name == "index":
        parts.insert(1, cards(built))
    text = "\n".join(parts)
    script = f'<script src="{up}plotly.min.js"></script>' if "Plotly.newPlot" in text else ""
    return f'''<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<title>{html.escape(heading(nbs / f"{name}.ipynb")[0])}</title><link rel="stylesheet" href="{up}style.css">{script}</head>
<body>{menu(built, name)}<main>
{text}
</main></body></html>
'''


def dead_links(folder):
    "Pages and what they link to that is not there"
    for o in sorted(folder.rglob("*.html")):
        for link in re.findall(r'(?:href|src)="([^"#:]+)(?:#[^":]*)?"', o.read_text("utf-8")):
            if not (o.parent / link).exists():
                yield f"{o.relative_to(folder)} links to {link}"


def build(wanted=(), out=root / "_docs", workers=2):
    "Run, write, check; `HyspError` names the notebooks that fail"
    built, failed = list(wanted) or names(), []
    if odd := [o for o in built if not (nbs / f"{o}.ipynb").is_file()]:
        raise HyspError(
            f"there is no notebook {odd[0]}; name them as 70_disk or tutorials/quickstart"
        )

    def one(name):
        start = time.perf_counter()
        try:
            nb = executed(nbs / f"{name}.ipynb")
        except HyspError as e:
            failed.append(str(e))
            return print(f"{name}: failed", flush=True)
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
        return nb

    with ThreadPoolExecutor(workers) as pool:
        done = dict(zip(built, pool.map(one, built)))
    if failed:
        raise HyspError("\n".join(failed))
    with atomic_dir(out, overwrite=True) as folder:
        (folder / "style.css").write_text(style(), encoding="utf-8")
        (folder / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
        shutil.copytree(nbs / "images", folder / "images")
        for o in ("LICENSE", "CONTRIBUTING.md", "CHANGELOG.md"):
            shutil.copy(root / o, folder)
        for name, nb in done.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.html").write_text(page(name, nb, built), encoding="utf-8")
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
