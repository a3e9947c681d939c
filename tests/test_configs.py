"Every ready-made setting: the paper's values, and a model that can be built"

import itertools
import re
from pathlib import Path

import pytest

from hysp.clips import read_layout
from hysp.config import config_names, load_config
from hysp.core import HyspError
from hysp.feeder import Dataset
from hysp.models import models
from hysp.recipes import model_spec
from hysp.runs import build
from hysp.settings import Evaluate, Pretrain, fill_braces
from hysp.skeleton import layouts, channels

sets = (
    "ntu60/xsub",
    "ntu60/xview",
    "ntu120/xsub",
    "ntu120/xset",
    "pku1/xsub",
    "pku1/xview",
    "pku2/xsub",
    "pku2/xview",
)
methods = (
    "",
    "+euclidean",
    "+simsiam",
    "+simsiam_hyperbolic",
    "+skeletonclr",
    "+skeletonclr_hyperbolic",
)


@pytest.mark.parametrize(
    "name",
    [o for o in config_names() if not o.startswith("evaluate/")]
    + [s + m for s in sets for m in methods if m],
)
def test_resolves_and_builds(name):
    for stream in ("joint", "motion", "bone"):
        cfg = load_config(Pretrain, name, dict(stream=stream), missing=Path("data/x"))
        assert "{" not in str(fill_braces(cfg.out, cfg))
        spec = model_spec(cfg, layouts["ui-prmd" if "uiprmd" in name else "ntu-rgb+d"])
    model = build(spec)
    assert type(model) is models[cfg.model]
    encoder = model.online_encoder
    read = channels(stream) * len(encoder.layout)
    if cfg.encoder == "stgcn":
        assert encoder.data_bn.num_features == read
    else:
        assert cfg.encoder == "tcn" and encoder.into[0].num_features == 2 * read  # And its steps


table = {  # METHOD: epochs, milestones, lr, optimizer
    "ntu60/xview": (600, (400,), 0.2, "riemannian_sgd"),
    "ntu60/xsub": (400, (300,), 0.2, "riemannian_sgd"),
    "ntu120/xsub": (400, (300,), 0.2, "sgd"),
    "ntu120/xset": (400, (300,), 0.2, "sgd"),
    "pku1/xsub": (600, (200, 400), 0.4, "riemannian_sgd"),
    "pku2/xsub": (500, (200, 400), 0.1, "sgd"),
}


@pytest.mark.parametrize("name", table)
def test_the_papers_settings(name):
    cfg = load_config(Pretrain, name)
    assert (cfg.epochs, cfg.milestones, cfg.lr, cfg.optimizer) == table[name]
    assert (cfg.model, cfg.encoder, cfg.views, cfg.pairs) == ("hysp", "stgcn", "paper", "own")
    assert (
        cfg.batch,
        cfg.momentum,
        cfg.weight_decay,
        cfg.ema,
        cfg.dropout,
        cfg.ramp,
        cfg.schedule,
        cfg.warmup,
    ) == (512, 0.9, 1e-4, 0.999, 0.5, (50, 100), "step", 0)
    assert (
        cfg.width,
        cfg.out_dim,
        cfg.head_dim,
        cfg.geometry,
        cfg.pool,
        cfg.gain,
        cfg.precision,
        cfg.edge_importance,
    ) == (64, 1024, None, "ball", "all", 1.0, "fp32", True)
    assert (
        cfg.strong == type(cfg.strong)()
        and cfg.normal == type(cfg.normal)()
        and cfg.split == f"{name.partition('/')[2]}/train"
        and 25 <= cfg.keep_every <= 50
    )


@pytest.mark.parametrize("name", ["base", "uiprmd", "demo", "tiny/synth", "tiny/uiprmd"])
def test_small_settings_of_the_paper_say_so(name):
    cfg = load_config(Pretrain, name, missing=Path("data/x"))
    assert (cfg.model, cfg.encoder, cfg.views, cfg.pairs) == ("hysp", "stgcn", "paper", "own")


def test_quick_is_the_default():
    cfg = load_config(Pretrain, "quick", dict(data="d"))
    assert cfg == Pretrain(Path("d"))
    assert (cfg.model, cfg.encoder, cfg.views, cfg.pairs) == ("simclr", "tcn", "natural", "people")


def test_the_papers_size():
    model = build(model_spec(load_config(Pretrain, "ntu60/xview+simsiam"), layouts["ntu-rgb+d"]))
    assert round(sum(o.numel() for o in model.online_encoder.parameters()) / 1e6, 1) == 12.8
    shapes = [
        [tuple(o.net[i].weight.shape) for i in (0, 3)]
        for o in (model.online_projector, model.online_predictor)
    ]
    assert shapes == [[(1024, 1024), (1024, 1024)], [(512, 1024), (1024, 512)]]


def test_the_papers_other_methods():
    def told(name, *keys):
        return tuple(getattr(load_config(Pretrain, name), o) for o in keys)

    assert told("ntu60/xview+simsiam", "model", "epochs", "ramp", "init") == (
        "simsiam",
        400,
        None,
        None,
    )
    assert told("ntu60/xview+simsiam_hyperbolic", "model", "epochs", "lr", "ramp") == (
        "simsiam",
        800,
        0.02,
        (0, 50),
    )
    assert told(
        "ntu60/xsub+skeletonclr", "model", "epochs", "milestones", "queue", "temperature", "ramp"
    ) == ("skeletonclr", 600, (400,), 8192, 0.07, None)
    assert told("ntu60/xsub+skeletonclr_hyperbolic", "ramp", "queue") == ((0, 0), 8192)
    assert told("ntu60/xsub+euclidean", "ramp", "epochs") == (None, 400)


def test_every_run_has_a_folder_of_its_own():
    cfgs = [
        load_config(Pretrain, s + m, dict(stream=o))
        for s, m, o in itertools.product(sets, methods, ("joint", "motion", "bone"))
    ]
    assert len({fill_braces(o.out, o) for o in cfgs}) == len(cfgs)


def test_the_second_part_begins_where_the_first_ends():
    for stream in ("joint", "bone"):
        first, second = (
            load_config(Pretrain, f"ntu60/xview+{o}", dict(stream=stream))
            for o in ("simsiam", "simsiam_hyperbolic")
        )
        assert fill_braces(second.init, second) == fill_braces(first.out, first)


def test_what_is_added_wins(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: ntu60/xsub+skeletonclr\nlr: 0.5\n")
    cfg = load_config(Pretrain, tmp_path / "mine.yaml")
    assert (cfg.lr, cfg.model, cfg.epochs, cfg.data) == (
        0.5,
        "skeletonclr",
        600,
        Path("data/ntu60"),
    )
    with pytest.raises(HyspError, match="did you mean 'simsiam'"):
        load_config(Pretrain, "ntu60/xsub+simsiem")


def test_the_papers_linear_evaluation():
    def told(name):
        c = load_config(Evaluate, name, dict(run="r"))
        return c.protocol, c.linear.epochs, c.linear.steps, c.linear.batch, c.linear.lr

    assert told("evaluate/ntu60") == ("xsub", 100, (60, 80), 256, 1.0)
    assert told("evaluate/ntu120_xset") == ("xset", 100, (60, 80), 1024, 1.0)
    assert told("evaluate/pku2") == ("xsub", 250, (150, 200), 256, 10.0)


hostile_yaml = {
    "2001-99-99": "month must be in 1..12",
    "!!int x": "line 2: a tag",
    "!!timestamp x": "line 2: a tag",
    "!!python/object/apply:os.system [x]": "line 2: a tag",
    "9" * 5000: "4300 digits",
    "&x {blur: *x}": "line 2: an anchor or an alias",
    "[" * 3000: "line 2: nested deeper",
    "[" + "&a [x,x,x,x,x,x,x,x,x], " + "&b [*a,*a,*a,*a,*a,*a,*a,*a,*a]]": "line 2: an anchor",
}


@pytest.mark.parametrize("text,says", hostile_yaml.items(), ids=range(len(hostile_yaml)))
def test_hostile_yaml_is_one_sentence(tmp_path, text, says):
    "In settings, in a layout, in a dataset folder"
    for name in ("settings.yaml", "layout.yaml", "dataset.yaml"):
        (tmp_path / name).write_text(f"data: d\nlr: {text}\n")
    readers = (
        lambda: load_config(Pretrain, tmp_path / "settings.yaml"),
        lambda: read_layout(tmp_path / "layout.yaml"),
        lambda: Dataset(tmp_path),
    )
    for read in readers:
        with pytest.raises(HyspError, match=re.escape(says)) as caught:
            read()
        assert "\n" not in str(caught.value)
