"README.md: made from its notebook, its links lead somewhere, its commands are understood"

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest

from hysp import cli
from hysp.style import palette, side_colours

root = Path(__file__).parents[1]
text = (root / "README.md").read_text("utf-8")
pages = [
    root / "README.md",
    root / "nbs" / "index.ipynb",
    *sorted((root / "nbs" / "tutorials").glob("*.ipynb")),
]


# Tutorials whose commands are checked as those of README.md are
FROM_README = "arrays_and_known_sets", "the_papers_experiments"


def tutorial(name):
    return root / "nbs" / "tutorials" / f"{name}.ipynb"


def load(name):
    spec = importlib.util.spec_from_file_location(name, root / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prose(path):
    if path.suffix == ".md":
        return path.read_text("utf-8")
    return "\n".join(
        "".join(c["source"])
        for c in json.loads(path.read_text("utf-8"))["cells"]
        if c["cell_type"] == "markdown"
    )


def links(path):
    found = re.findall(r"\]\(([^)\s]+)\)", prose(path))
    return [link.partition("#")[0] for link in found if not re.match(r"[a-z]+:|#", link)]


def commands():
    "Lines of the blocks of shell commands, in README.md and in the tutorials made from it"
    lines = []
    for path in (root / "README.md", *map(tutorial, FROM_README)):
        for block in re.findall(r"```sh\n(.*?)```", prose(path), re.S):
            lines += [line.partition("#")[0].strip() for line in block.splitlines()]
    return filter(None, lines)


def test_made_from_its_notebook():
    assert text == load("readme").readme(root / "nbs" / "index.ipynb"), "make readme"


def test_what_becomes_of_a_cell():
    readme = load("readme")
    assert (
        readme.markdown(
            dict(
                cell_type="markdown",
                source=[
                    "[a](x.ipynb) ![b](images/y.png) [c](../LICENSE) [d](https://e.org/f) [g](#h)"
                ],
            )
        )
        == "[a](nbs/x.ipynb) ![b](nbs/images/y.png) [c](LICENSE) [d](https://e.org/f) [g](#h)"
    )
    assert (
        readme.markdown(dict(cell_type="code", source=["#| eval: false\n", "x = 1\n"]))
        == "```python\nx = 1\n```"
    )
    assert readme.markdown(dict(cell_type="code", source=["#| hide\n", "x = 1\n"])) == ""


@pytest.mark.parametrize("path", pages, ids=lambda o: o.name)
def test_links_lead_somewhere(path):
    assert links(path)
    assert not [o for o in links(path) if not (path.parent / o).exists()]


def test_it_is_read_in_ten_minutes():
    assert len(text.split()) <= 1400


def test_its_python_is_run():
    "Every block of Python is a cell that `make notebooks` runs"
    cells = json.loads((root / "nbs" / "index.ipynb").read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    blocks = re.findall(r"```python\n(.*?)\n```", text, re.S)
    assert blocks and set(blocks) <= set(code)


def test_pictures_are_small():
    found = [root / o for o in links(root / "README.md") if o.endswith(".png")]
    assert found and all(o.stat().st_size < 200_000 for o in found)


def test_map_is_complete():
    there = [*(root / "nbs").glob("[0-9]*.ipynb"), *(root / "nbs").glob("tutorials/*.ipynb")]
    linked = {Path(link).name for link in links(root / "README.md") if link.endswith(".ipynb")}
    assert linked == {path.name for path in there}


def test_commands_are_understood():
    made = set(re.findall(r"^([\w-]+):", (root / "Makefile").read_text("utf-8"), re.M))
    kinds = {"hysp": 0, "make": 0, "pip": 0}
    for command in commands():
        program, *args = shlex.split(command)
        if program == "torchrun":
            program, *args = args[args.index("-m") + 1 :]
        kinds[program] += 1
        if program == "hysp":
            cli.parse(args[0], args[1:])
        if program == "make":
            assert args[0] in made, command
    assert kinds["hysp"] >= 20 and kinds["make"] >= 3


# How tutorials look

tutorials = sorted((root / "nbs" / "tutorials").glob("*.ipynb"))
each_tutorial = pytest.mark.parametrize("path", tutorials, ids=lambda o: o.stem)
# Colours that the house has by number: those of classes and of sides. Ink and ground are the sheet's
house_colours = {*palette, *side_colours.values()}


def code(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@each_tutorial
def test_lines_of_code_are_short(path):
    long = [line for cell in code(path) for line in cell.splitlines() if len(line) > 100]
    assert not long


@each_tutorial
def test_colours_are_those_of_the_house(path):
    text = "\n".join(code(path))
    strange = set(re.findall(r"#[0-9a-fA-F]{6}\b", text)) - house_colours
    named = re.findall(
        r"""(?:\bcolou?r|\bc|\bfc|\bec|facecolor|edgecolor)=["']([^"'#]+)["']""", text
    )
    strange |= {name for name in named if name != "none"}
    assert not strange, "take palette or grey of hysp.style, which are for sight of any kind"
    assert not re.search(r"""cmap=|plt\.cm\.|f"C\{|["'](?:C\d|tab:\w+|k[.*ox-]?)["']""", text)
    assert not re.search(r"prop_cycle|\.spines|frameon=False", text), "the style sheet does that"
