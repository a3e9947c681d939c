"""Write README.md from nbs/index.ipynb: make readme

What is hidden in the notebook is left out; links start at the top folder."""

import json
import re
from pathlib import Path

root = Path(__file__).parents[1]


def from_top(text):
    "Links of nbs/ as seen from the folder above it"

    def moved(link):
        whole, target = link[0], link[1]
        if re.match(r"[a-z]+:|#", target):
            return whole
        if target.startswith("../"):
            return f"]({target[3:]})"
        return f"](nbs/{target})"

    return re.sub(r"\]\(([^)\s]+)\)", moved, text)


def markdown(cell):
    "A cell as Markdown; nothing for a hidden one"
    text = "".join(cell["source"]).strip()
    if cell["cell_type"] != "code":
        return from_top(text)
    if re.search(r"^#\|\s*hide\b", text, re.M):
        return ""
    return "```python\n" + re.sub(r"^#\|.*\n", "", text, flags=re.M) + "\n```"


def readme(
    index,  # The notebook
):  # What README.md holds
    "A notebook's cells as Markdown"
    cells = json.loads(Path(index).read_text("utf-8"))["cells"]
    parts = ["<!-- Made from nbs/index.ipynb by `make readme`: edit that -->"]
    parts += filter(None, map(markdown, cells))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    (root / "README.md").write_text(readme(root / "nbs" / "index.ipynb"), encoding="utf-8")
