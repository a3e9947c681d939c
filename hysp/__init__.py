"""Hyperbolic self-supervised learning of skeleton actions.

Clips come from `generate` or `arrays`; `prepare.prepare` makes a dataset folder of them, which `Dataset` opens.
`pretrain(load_config(Pretrain, "quick", {"data": …, "out": …}))` learns from it; `recipes.evaluate` judges that.
`load_run` and `features` give what it learnt, `embeddings.explore` shows it, `embed` adds clips of yours to that."""

import sys
from importlib import import_module
from types import ModuleType

__version__ = "0.0.1"

# What `hysp.<TAB>` offers, imported when it is asked for: names with their modules, and modules
_homes = {
    "Dataset": "feeder",
    "Evaluate": "settings",
    "HyspError": "core",
    "Pretrain": "settings",
    "arrays": "readers",
    "embed": "embeddings",
    "example": "runs",
    "features": "evaluate",
    "generate": "synthetic",
    "get_layout": "skeleton",
    "load_config": "config",
    "load_embeddings": "embeddings",
    "load_run": "runs",
    "pretrain": "recipes",
}
_modules = "embeddings", "prepare", "recipes"


class _Package(ModuleType):
    def __getattr__(self, name):
        if name in _modules:
            return import_module(f"hysp.{name}")
        if name in _homes:
            return getattr(import_module(f"hysp.{_homes[name]}"), name)
        raise AttributeError(f"module 'hysp' has no attribute '{name}'")

    def __dir__(self):
        return [*_homes, *_modules, "__doc__", "__version__"]

    def __setattr__(self, name, value):
        "Python sets each module here once it has imported it; its functions' help is completed then"
        super().__setattr__(name, value)
        if isinstance(value, ModuleType):
            import_module("hysp.core").complete_help(value)


sys.modules[__name__].__class__ = _Package
