"""Quantize a LiteRT model and say what it cost: recipes, calibration, the quantized file, where the error comes from.

The kernel's side handles recipes, samples and results; everything that touches the quantizer library, the interpreter
or large arrays runs in one warm child (child.py), which is asked through engine.py. Nothing here imports the compiler.

The names are loaded on first use: the child is in this package too, and needs few of the modules behind them.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedl_nb.quantizer.data import ImageSet, images
    from embedl_nb.quantizer.mixing.sensitivity_table import Sensitivity
    from embedl_nb.quantizer.options import Effort, QuantizeOptions
    from embedl_nb.quantizer.quantize import quantize_model, sensitivity_of
    from embedl_nb.quantizer.recipe import Recipe

__all__ = [
    "Effort",
    "ImageSet",
    "QuantizeOptions",
    "Recipe",
    "Sensitivity",
    "images",
    "quantize_model",
    "sensitivity_of",
]

# Name -> module that has it.
_HOMES = {
    "Effort": "options",
    "ImageSet": "data",
    "QuantizeOptions": "options",
    "Recipe": "recipe",
    "Sensitivity": "mixing.sensitivity_table",
    "images": "data",
    "quantize_model": "quantize",
    "sensitivity_of": "quantize",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
