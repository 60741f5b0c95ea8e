"""Compile, verify and benchmark models for phones, in a notebook.

The public names are loaded on first use, so that importing the package costs nothing (not even ``typing``); their types
are in ``__init__.pyi``. ``%load_ext embedl_nb`` adds the magics.
"""

from __future__ import annotations

import importlib
import sys

__version__ = "0.1.0"

# Public name -> module that has it. A module stands for itself.
_HOMES = {
    "Benchmark": "embedl_nb.measure",
    "Choice": "embedl_nb.analysis",
    "Comparison": "embedl_nb.analysis",
    "DevicePicker": "embedl_nb.widgets",
    "EmbedlError": "embedl_nb.errors",
    "EmbedlWarning": "embedl_nb.errors",
    "LayerExplorer": "embedl_nb.widgets",
    "LiteRTModel": "embedl_nb.model",
    "Placement": "embedl_nb.placement",
    "ResultSet": "embedl_nb.display",
    "RunBrowser": "embedl_nb.widgets",
    "benchmark": "embedl_nb.pipeline",
    "bisect": "embedl_nb.pipeline",
    "catalog": "embedl_nb.pipeline",
    "compare": "embedl_nb.pipeline",
    "compile": "embedl_nb.pipeline",
    "devices": "embedl_nb.pipeline",
    "doctor": "embedl_nb.pipeline",
    "errors": "embedl_nb.errors",
    "export_runs": "embedl_nb.pipeline",
    "image_input": "embedl_nb.compiler",
    "images": "embedl_nb.quantizer",
    "import_runs": "embedl_nb.pipeline",
    "load": "embedl_nb.pipeline",
    "pick": "embedl_nb.pipeline",
    "preflight": "embedl_nb.pipeline",
    "quantize": "embedl_nb.pipeline",
    "report": "embedl_nb.pipeline",
    "rerun": "embedl_nb.pipeline",
    "runs": "embedl_nb.pipeline",
    "sensitivity": "embedl_nb.pipeline",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    home = importlib.import_module(_HOMES[name])
    value = home if home.__name__ == f"{__name__}.{name}" else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(ip: object) -> None:
    """Add the magics and their completion to a shell: ``%load_ext embedl_nb``."""
    importlib.import_module("embedl_nb.magics").load_ipython_extension(ip)


def unload_ipython_extension(ip: object) -> None:
    """Take away what :func:`load_ipython_extension` added, and nothing else."""
    importlib.import_module("embedl_nb.magics").unload_ipython_extension(ip)
