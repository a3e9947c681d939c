"What every notebook, and the package as others install it, must be"

import ast
import configparser
import importlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tokenize
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest

root = Path(__file__).parents[1]
notebooks = sorted((root / "nbs").rglob("*.ipynb"))
modules = sorted((root / "hysp").glob("[a-z]*.py"))
skipped = {
    ".git",
    ".venv",
    ".ipynb_checkpoints",
    "__pycache__",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    "runs",
    "data",
    "build",
    "_docs",
    "_proc",
    "hysp.egg-info",
}


def cells(path):
    return json.loads(path.read_text("utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


def exported(cell):
    return cell["cell_type"] == "code" and re.match(r"#\|\s*exports?\b", source(cell)) is not None


def number(path):
    return int(path.name[:2]) if path.name[:2].isdigit() else 99


def name(path):
    return path.relative_to(root).as_posix()


def module_of(path):
    for cell in cells(path):
        if found := re.match(r"#\|\s*default_exp\s+(\S+)", source(cell)):
            return found[1]
    return None


def files():
    for folder, folders, names in os.walk(root):
        folders[:] = [o for o in folders if o not in skipped]
        yield from (Path(folder) / o for o in names)


def made_modules():
    "Notebooks that make a module, by its name"
    made = {module_of(path): path for path in notebooks}
    made.pop(None, None)
    return made


each_notebook = pytest.mark.parametrize("path", notebooks, ids=name)
each_module = pytest.mark.parametrize("path", modules, ids=name)

# Notebooks


@each_notebook
def test_cells(path):
    ids = [c.get("id") for c in cells(path)]
    assert all(ids) and len(set(ids)) == len(ids), "every cell has an id of its own"
    stored = [
        c["id"] for c in cells(path) if c.get("outputs") or c.get("execution_count") is not None
    ]
    assert not stored, f"cells {stored} hold outputs or counts: make export"
    marked = [c["id"] for c in cells(path) if re.match(r"`(<{7}|={7}|>{7})", source(c))]
    assert not marked, f"cells {marked} are what a merge left: keep one side"


@each_notebook
def test_opening_and_end(path):
    first = source(cells(path)[0])
    assert re.match(r"# \S.*\n\n> [^\n$]+$", first.strip()), (
        "a notebook opens with a title and a one-line > subtitle without LaTeX"
    )
    if module_of(path):
        assert re.fullmatch(
            r"#\| hide\n(.*\n)*import nbdev\n+nbdev.nbdev_export\(\)", source(cells(path)[-1])
        ), "its last cell exports"


@each_notebook
def test_nothing_of_one_machine(path):
    for c in cells(path):
        assert not re.search(r"(?<![\w.])/(root|home|work|tmp|Users)/\w", source(c)), (
            f"cell {c['id']} holds an absolute path"
        )
        if c["cell_type"] != "code":
            continue
        assert not re.search(
            r"^\s*[!%](pip|conda)|urlretrieve|urlopen|requests\.get|wget ", source(c), re.M
        ), f"cell {c['id']} installs or downloads"
        assert "#| cuda" in source(c) or ".cuda()" not in source(c), (
            f"cell {c['id']}: .cuda() without the cuda flag"
        )


@each_notebook
def test_figures_have_one_look(path):
    code = "\n".join(source(c) for c in cells(path) if c["cell_type"] == "code")
    draws = re.search(r"^import .*\bmatplotlib\.pyplot\b", code, re.M) is not None
    assert code.count('plt.style.use("hysp.assets.light")') == draws, (
        'after its imports, plt.style.use("hysp.assets.light") gives all figures one look'
    )


@each_notebook
def test_exported_cells_are_short(path):
    for c in filter(exported, cells(path)):
        lines = sum(bool(o.strip()) for o in source(c).splitlines())
        whole_class = re.search(r"^class \w+", source(c), re.M) is not None
        end = 80 if whole_class else 60
        assert lines <= end, f"cell {c['id']} exports {lines} lines; 20 is the aim, {end} the end"


def test_one_notebook_a_module():
    made = [module_of(path) for path in notebooks]
    assert sorted(filter(None, made)) == [path.stem for path in modules], (
        "modules of hysp/ and notebooks with a default_exp"
    )


def test_numbers_are_unique():
    numbers = [path.name[:2] for path in (root / "nbs").glob("[0-9]*.ipynb")]
    assert len(numbers) > 30 and len(set(numbers)) == len(numbers), sorted(numbers)


@each_notebook
def test_imports_only_lower_numbers(path):
    homes = {module: number(home) for module, home in made_modules().items()}
    for c in filter(exported, cells(path)):
        for module in imported(source(c)):
            assert homes.get(module, -1) < number(path), (
                f"cell {c['id']} imports hysp.{module}, number {homes[module]}"
            )


def imported(text):
    "Names of the modules of hysp that a piece of Python imports"
    for node in ast.walk(ast.parse(re.sub(r"^[!%].*$", "", text, flags=re.M))):
        if isinstance(node, ast.Import):
            yield from (o.name.split(".")[1] for o in node.names if o.name.startswith("hysp."))
        elif isinstance(node, ast.ImportFrom):
            where = "." * node.level + (node.module or "")
            if where in ("hysp", "."):
                yield from (o.name for o in node.names)
            elif where.startswith(("hysp.", ".")):
                yield where.removeprefix("hysp").lstrip(".").split(".")[0]


def test_imported_sees_every_form():
    text = (
        "import hysp.core\nfrom hysp.skeleton import x\n"
        "def f():\n    from hysp import readers, prepare\n    from .feeder import y\nimport torch"
    )
    assert sorted(imported(text)) == ["core", "feeder", "prepare", "readers", "skeleton"]


# Package


@each_module
def test_package_needs_no_notebook_tools(path):
    used = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            used |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            used.add((node.module or "").split(".")[0])
    assert not used & {"nbdev", "fastcore", "execnb", "IPython", "pytest"}


def loads(tree):
    "Calls that could execute what a file holds"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            call = ast.unparse(node.func)
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if call in (
                "pickle.load",
                "pickle.loads",
                "joblib.load",
                "yaml.unsafe_load",
            ):
                yield call
            if call == "yaml.load" and "safe" not in given.get("Loader", "").lower():
                yield call
            if call == "torch.load" and given.get("weights_only") != "True":
                yield call
            if call == "np.load" and given.get("allow_pickle", "False") != "False":
                yield call


@each_module
def test_no_file_is_executed(path):
    assert not list(loads(ast.parse(path.read_text("utf-8"))))


def test_loads_sees_them():
    text = (
        "pickle.load(f); torch.load(p); torch.load(p, weights_only=True); "
        "torch.load(p, weights_only=False); np.load(p); np.load(p, allow_pickle=True); "
        "yaml.load(f); yaml.load(f, Loader=yaml.Loader); yaml.load(f, Loader=yaml.SafeLoader)"
    )
    seen = ["pickle.load", "torch.load", "torch.load", "np.load", "yaml.load", "yaml.load"]
    assert list(loads(ast.parse(text))) == seen


def comments(path):
    "Comments of a file, as (line, text)"
    with open(path, "rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def test_comments_stand_alone():
    found = [
        f"{name(path)}:{line}: {text}"
        for path in modules
        for line, text in comments(path)
        if re.match(r"#\s+(Of|Its|Their)\b", text)
    ]
    assert not found, "comments that need what stands beside them: " + "; ".join(found)


def test_sizes():
    big = {name(o): o.stat().st_size for o in files() if o.stat().st_size > 2_000_000}
    assert not big
    assert sum(o.stat().st_size for o in (root / "tests/golden").glob("*")) < 3_000_000


def test_pins_hold_what_is_required():
    cfg = configparser.ConfigParser(delimiters=["="])
    cfg.read(root / "settings.ini", encoding="utf-8")

    def plain(requirement):
        return re.split(r"[<>=~!\[ ]", requirement)[0].lower().replace("_", "-")

    pins = set(map(plain, (root / "constraints.txt").read_text().split()))
    required = cfg["DEFAULT"]["requirements"] + " " + cfg["DEFAULT"]["dev_requirements"]
    needed = set(map(plain, required.split()))
    assert needed <= pins, "every requirement is pinned to what was tested"


def test_oldest_are_the_lower_bounds():
    cfg = configparser.ConfigParser(delimiters=["="])
    cfg.read(root / "settings.ini", encoding="utf-8")
    bounds = cfg["DEFAULT"]["requirements"].replace(">=", "==").split()
    lines = (root / "constraints-oldest.txt").read_text().splitlines()
    assert sorted(bounds) == [line for line in lines if not line.startswith("#")]


def test_every_licence_is_told(monkeypatch, capsys):
    "Without a network, which is said; what is required here and may be used"
    monkeypatch.syspath_prepend(str(root / "tools"))
    import audit

    def unreachable(*args, **options):
        raise OSError("no network")

    monkeypatch.setattr(audit, "urlopen", unreachable)
    assert audit.main(["geoopt", "PyYAML"]) == 0
    said = capsys.readouterr()
    assert "geoopt" in said.out and "PyYAML" in said.out and "torch " not in said.out
    assert "no dates of releases: pypi.org does not answer (no network)" in said.err


def test_the_day_of_a_release(monkeypatch):
    monkeypatch.syspath_prepend(str(root / "tools"))
    import audit

    class Geoopt:
        name = "Geoopt"
        version = "0.5.1+cpu"

    files = [("geoopt-0.5.0.tar.gz", "2022-06-29"), ("geoopt-0.5.1.tar.gz", "2025-06-20T01")]
    files += [("geoopt-0.5.1-py3-none-any.whl", "2025-06-19T20"), ("geoopt.txt", "2000-01-01")]
    told = [{"filename": name, "upload-time": time} for name, time in files]
    answer = io.BytesIO(json.dumps(dict(files=told)).encode())
    monkeypatch.setattr(audit, "urlopen", lambda *args, **options: answer)
    assert audit.released(Geoopt) == "2025-06-19"


# As others install it


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    "A venv of its own, with what `pip install .` brings and no more"
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(root, folder / "source", ignore=shutil.ignore_patterns(*skipped))
    venv.create(folder / "venv", with_pip=True)
    done = subprocess.run(
        [
            folder / "venv/bin/pip",
            "install",
            "--quiet",
            "--no-compile",
            "-c",
            "constraints.txt",
            ".",
        ],
        cwd=folder / "source",
        env={**clean_env(), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shutil.rmtree(folder / "source")
    yield folder / "venv/bin"
    shutil.rmtree(folder)


def clean_env():
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}


def run(*command, cwd):
    return subprocess.run(
        command, cwd=cwd, env=clean_env(), capture_output=True, text=True, timeout=120
    )


def test_installed_imports(installed, tmp_path):
    names = [f"hysp.{o.stem}" for o in modules]
    code = f"""import importlib.util, sys
for o in {names}: importlib.import_module(o)
for o in ('nbdev','fastcore','execnb','pytest'): assert importlib.util.find_spec(o) is None, o
assert 'site-packages' in sys.modules['hysp.cli'].__file__
import matplotlib.pyplot as plt
for look in ('light', 'dark'): plt.style.use(f'hysp.assets.{{look}}')"""
    done = run(installed / "python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_installed_command(installed, tmp_path):
    done = run(installed / "hysp", "--help", cwd=tmp_path)
    assert done.returncode == 0 and "pretrain" in done.stdout, done.stderr
    done = run(installed / "hysp", "config", cwd=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()] == sorted(
        o.relative_to(root / "hysp/configs").with_suffix("").as_posix()
        for o in (root / "hysp/configs").rglob("*.yaml")
    )


def test_installed_data(installed):
    folder = next((installed.parent / "lib").glob("python*/site-packages/hysp"))

    def data(package):
        files = [*(package / "configs").rglob("*"), *(package / "assets").rglob("*")]
        return {path.relative_to(package).as_posix() for path in files if path.is_file()}

    assert data(folder) == data(root / "hysp") and data(folder)


def test_old_names_still_work():
    from hysp.core import old_names

    for old, today in old_names().items():
        module, name = old.split(".")
        with pytest.warns(DeprecationWarning, match=f"hysp.{old} is now hysp.{today}"):
            found = getattr(importlib.import_module(f"hysp.{module}"), name)
        home, name = today.split(".")
        assert found is getattr(importlib.import_module(f"hysp.{home}"), name)


# CHANGELOG says so: a range stands in the type of its field
gone = {"config.ranges", "config.within", "recipes.ranges"}


@pytest.mark.filterwarnings("ignore:hysp:DeprecationWarning")
def test_public_names_of_before_are_there():
    "All that `__all__` of the modules held before the package was taken apart, but for `gone`"
    before = (root / "tests/golden/public_names.txt").read_text("utf-8").split()
    assert len(before) == 422 and gone < set(before)
    split = (entry.split(".") for entry in before)
    missing = {
        f"{module}.{name}"
        for module, name in split
        if not hasattr(importlib.import_module(f"hysp.{module}"), name)
    }
    assert missing == gone


# Objects on a screen


@pytest.fixture(scope="module")
def big_objects(tmp_path_factory):
    "One of each kind that holds much, by name"
    import torch

    from hysp.disk import HoroPCA, Polar, TangentPCA, horopca
    from hysp.embeddings import Embeddings
    from hysp.explore import Explorer, Scene, Training
    from hysp.feeder import Dataset
    from hysp.pairs import find_pairs
    from hysp.plot import curve_panels
    from hysp.prepare import prepare
    from hysp.result_page import ReportClips
    from hysp.run_folder import RunFolder
    from hysp.survey import survey
    from hysp.synthetic import generate

    folder = tmp_path_factory.mktemp("big")
    source = generate(24, classes=["wave", "kick"], subjects=2, seed=0)
    data = Dataset(prepare(source, folder / "data", frames=8, progress=False), "all")
    epochs, n = list(range(0, 300, 2)), len(data)
    known = torch.zeros(n, dtype=torch.int64)
    embeddings = Embeddings(
        epochs=epochs,
        z=torch.randn(len(epochs), n, 16),
        predicted=known.expand(len(epochs), n),
        labels=known,
        bodies=known + 1,
        frames=known + 8,
        subjects=known - 1,
        names=list(data.names),
        class_names=data.class_names,
        about=dict(c=1.0),
    )
    points = horopca(embeddings.z[-1])
    scene = Scene(embeddings, data)
    clips = data.batch(range(n))
    trainer = SimpleNamespace(epoch=3, run=folder / "run")
    return dict(
        clip=source[0],
        source=source,
        dataset=data,
        survey=survey(folder / "data"),
        run_folder=RunFolder(folder / "run"),
        pairs=find_pairs(clips, data.layout),
        embeddings=embeddings,
        drawing=points,
        polar=Polar().fit(embeddings.z[-1]),
        tangent_pca=TangentPCA().fit(embeddings.z[-1]),
        horopca=HoroPCA(steps=3).fit(embeddings.z[-1]),
        curves=curve_panels(dict(loss=[1.0] * 900, lr=[0.1] * 900, knn=[0.5] * 900)),
        report_clips=ReportClips(points=points, labels=known, clips=clips, layout=data.layout),
        scene=scene,
        explorer=Explorer(scene, ["polar"]),
        training=Training(trainer),
    )


def test_big_objects_say_in_a_line_what_they_are(big_objects):
    for kind, thing in big_objects.items():
        text = repr(thing)
        assert 0 < len(text) < 200 and "\n" not in text, f"{kind}: {text[:300]}"
        assert not re.match(r"<.* at 0x", text), f"{kind} says only where it lies"


# What a browser gets


def test_lint_reads_what_a_browser_gets(tmp_path):
    from hysp.explore import Explorer

    command = [sys.executable, root / "tools/scripts.py", tmp_path]
    subprocess.run(command, check=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    assert (tmp_path / "explorer.js").read_text("utf-8") == str(Explorer._esm)
    assert (
        (tmp_path / "page.js")
        .read_text("utf-8")
        .endswith((root / "hysp/assets/page.js").read_text("utf-8"))
    )


# What `import hysp` offers


def test_offered_names():
    code = """import sys, warnings, hysp
assert len(hysp.__doc__.splitlines()) == 5
assert not [name for name in sys.modules if name.startswith("hysp.") or name in ("torch", "numpy")]
warnings.simplefilter("error", DeprecationWarning)
offered = [name for name in dir(hysp) if not name.startswith("_")]
assert 12 <= len(offered) <= 20
for name in offered:
    assert getattr(hysp, name) is not None
assert not hasattr(hysp, "nothing")
from hysp import Dataset, feeder, poincare
assert Dataset is feeder.Dataset and hysp.poincare is poincare"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@each_module
def test_help_shows_comments_of_parameters(path):
    module = importlib.import_module(f"hysp.{path.stem}")
    tree = ast.parse(path.read_text("utf-8"))
    lines = path.read_text("utf-8").splitlines()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            doc = getattr(module, node.name).__doc__ or ""
            for argument in node.args.args + node.args.kwonlyargs:
                _, found, comment = lines[argument.end_lineno - 1].partition("  # ")
                if found and argument.lineno > node.lineno and doc:
                    assert f"\n{argument.arg}: {comment}" in doc, node.name
