"""Quantize a LiteRT model and say what it cost: recipes, calibration, the quantized file, where the error comes from.

The kernel's side handles recipes, samples and results; everything that touches the quantizer library, the interpreter
or large arrays runs in one warm child (child.py), which is asked through engine.py. Nothing here imports the compiler.
"""

from __future__ import annotations

from embedl_nb.quantizer.data import ImageSet, images
from embedl_nb.quantizer.options import Effort, QuantizeOptions
from embedl_nb.quantizer.quantize import quantize_model, sensitivity_of
from embedl_nb.quantizer.recipe import Recipe
from embedl_nb.quantizer.sensitivity_table import Sensitivity

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
