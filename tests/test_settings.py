"Settings: a default that a library function has too is the same, or the difference is decided"

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest

from hysp import checkpoint, embeddings, evaluate, explore, losses, optim, prepare, protocols
from hysp import kinect, runs, settings, survey, synthetic, train, uncertainty
from hysp.config import Range, check_config, load_config
from hysp.core import HyspError
from hysp.encoders import TCN
from hysp.models import Online, SkeletonCLR
from hysp.settings import Pretrain, commands
from hysp.stgcn import STGCN

root = Path(__file__).parents[1]
heads = dict(hidden="width", out="out_dim", head="head_dim", middle="pred_dim")

# Settings, the function that they are handed to, and the settings of parameters that are called
# otherwise there; an empty one means that the two are not the same thing
handed = [
    (settings.Contrast, losses.batch_contrastive_loss, {}),
    (settings.Linear, evaluate.probe_descent, {}),
    (settings.Tune, evaluate.fine_tune, {}),
    (settings.Tune, evaluate.tune_descent, {}),
    (settings.Evaluate, evaluate.features, {}),
    (settings.Evaluate, protocols.judge_frozen, dict(metrics="metric")),
    (settings.Evaluate, protocols.judge_fine_tuned, {}),
    (settings.Evaluate, protocols.assess_radius, {}),
    (settings.Ensemble, evaluate.features, {}),
    (settings.Ensemble, protocols.probe_twice, {}),
    (settings.Subset, uncertainty.choose_by_certainty, {}),
    (settings.Embed, embeddings.embeddings, {}),
    (settings.Embed, embeddings.scene, {}),
    (settings.Embed, explore.explorer_page, {}),
    (settings.Export, checkpoint.export_encoder, {}),
    (settings.Prepare, prepare.prepare, dict(reference="reference_arrays")),
    (settings.Prepare, prepare.Steps, {}),
    (settings.Prepare, kinect.ntu, {}),
    (settings.Synth, synthetic.generate, {}),
    (settings.Synth, prepare.prepare, {}),
    (settings.Info, survey.survey, {}),
    (settings.Demo, synthetic.generate, {}),
    (settings.Demo, prepare.prepare, {}),
    (Pretrain, runs.build, {}),
    (Pretrain, TCN, heads),
    (Pretrain, train.Trainer, dict(tracker="track", geometry="", lr="")),
]

# Where the two differ: the library's default, and why
decided = {
    # An exception is heard and a clip that lacks is not; of a raw tree of 56,000 files the command
    # line leaves it out, lists it and says so in its exit code
    ("Prepare", "prepare", "strict"): True,
    # The set of the demo is small; None is what is usual for a source
    ("Demo", "prepare", "frames"): None,
    # `judge_frozen` and `judge_fine_tuned` are handed the same protocols, and each passes over the other's
    ("Evaluate", "judge_fine_tuned", "protocols"): ("semi", "supervised"),
    # Pairs and steps an epoch, which a run works out from its settings
    ("Pretrain", "Trainer", "pairs"): None,
    ("Pretrain", "Trainer", "steps"): None,
    # A trainer without settings is for trying things out
    ("Pretrain", "Trainer", "batch"): 128,
}


def title(part):
    return getattr(part, "__name__", type(part).__name__)


def defaults(part):
    "Defaults of a function or class by name of parameter; of an instance its fields"
    if not callable(part):
        return vars(part)
    parameters = inspect.signature(part).parameters.values()
    return {o.name: o.default for o in parameters if o.default is not inspect.Parameter.empty}


def compared(cfg, function, names):
    "Parameter, its default, and the setting, of all that both have; devices have their own test"
    for name, default in defaults(function).items():
        field = names.get(name, name)
        if field in vars(cfg) and field != "device":
            yield name, default, getattr(cfg, field)


required = dict(kind="arrays", runs=["a", "b"], run="run", data="data", out="out", path="x")


def filled(cls):
    "Settings with all that is required"
    needed = {
        o.name: required[o.name]
        for o in dataclasses.fields(cls)
        if o.default is o.default_factory is dataclasses.MISSING
    }
    return load_config(cls, overrides=needed)


@pytest.mark.parametrize(
    "cls,function,names", handed, ids=[f"{title(a)}-{title(b)}" for a, b, _ in handed]
)
def test_a_default_stands_once(cls, function, names):
    found = list(compared(filled(cls), function, names))
    assert found
    for name, library, setting in found:
        key = title(cls), title(function), name
        if key in decided:
            assert decided[key] == library != setting, key
        else:
            assert library == setting, key


def test_decided_differences_are_still_there():
    pairs = {(title(cls), title(function)) for cls, function, _ in handed}
    assert {(cls, function) for cls, function, _ in decided} <= pairs


# Parts of the paper's method have the paper's values; the recipe `quick` hands them its own


@pytest.mark.parametrize(
    "function,names",
    [
        (optim.make_optimizer, {}),
        (optim.schedule, dict(name="schedule", steps="")),
        (optim.curriculum, {}),
        (losses.curriculum_loss, {}),
        (losses.contrastive_loss, {}),
        (STGCN, dict(heads, hidden="", out="")),
        (Online, dict(heads, hidden="", out="")),
        (SkeletonCLR, {}),
        (
            train.Trainer,
            dict.fromkeys(("batch", "pairs", "steps", "lr", "save_every", "keep_every"), ""),
        ),
    ],
)
def test_parts_of_the_paper_have_its_values(function, names):
    paper = load_config(Pretrain, "paper", missing=Path("x"))
    found = list(compared(paper, function, names))
    assert found
    for name, library, setting in found:
        assert library == setting, name


def test_library_functions_take_a_torch_device():
    "`auto` is for settings"
    for cls, function, _ in handed:
        assert defaults(function).get("device", "cpu") == "cpu"
        assert getattr(filled(cls), "device", "auto") == "auto"


# Ranges


def ranges(cls):
    "Each setting with a range: its class, its name and the range"
    for name, hint in get_type_hints(cls, include_extras=True).items():
        for part in (hint, *get_args(hint)):
            if dataclasses.is_dataclass(part):
                yield from ranges(part)
            elif get_origin(part) is Annotated:
                yield from ((cls, name, o) for o in get_args(part)[1:] if isinstance(o, Range))


all_ranges = {o for cls in commands.values() for o in ranges(cls)}
each_range = sorted((cls.__name__, name, o.low, o.high or 0) for cls, name, o in all_ranges)


@pytest.mark.parametrize("cls,name,low,high", each_range)
def test_ranges_hold(cls, name, low, high):
    group = filled(getattr(settings, cls))

    def with_value(value):
        many = isinstance(getattr(group, name), tuple)
        return dataclasses.replace(group, **{name: (value,) if many else value})

    assert check_config(with_value(low)) == with_value(low)
    says = f"settings: {name} must be at least {low}"
    for outside in (low - 1, *([high] if high else [])):
        with pytest.raises(HyspError, match=says):
            check_config(with_value(outside))


def test_every_kind_of_count_has_its_range():
    names = {name for _, name, _, _ in each_range}
    from_1 = "width out_dim head_dim pred_dim queue epochs batch steps passes frames"
    from_1 += " save_every keep_every"
    from_0 = "lr head_lr weight_decay threads keep_last k shares share clips rerank"
    below_1 = "momentum dropout warmup own"
    others = "folds fps"
    assert names == set(f"{from_1} {from_0} {below_1} {others}".split())
    for group in (settings.Linear, settings.Tune, *commands.values()):
        found = {name for cls, name, _ in ranges(group) if cls is group}
        assert found == names & {o.name for o in dataclasses.fields(group)}, group


def test_settings_need_no_torch():
    heavy = "{'torch', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules)"
    code = f"import sys, hysp.settings; assert not {heavy}"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
