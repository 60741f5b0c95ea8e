"""A ``.tflite`` file as a source: it is compiled already, so it is read, run once and passed on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.errors import InputError
from embedl_nb.model import LiteRTModel, TensorSpec

if TYPE_CHECKING:
    import numpy as np

__all__ = ["pass_on"]


def pass_on(path: Path, example_inputs: Any, *, name: str | None, verify: bool) -> LiteRTModel:
    """Open a LiteRT model and see that it runs; there is no source to compare it with.

    Raises
    ------
    InputError
        If the file cannot be read, or the inputs do not fit.
    UnsupportedOperatorError, BenchmarkError
        If the runtime refuses it, or crashes.
    """
    import dataclasses

    progress.emit("verify", f"reading {path.name}")
    model = LiteRTModel.open(path, name=name)
    if not verify:
        note = "it was given as a .tflite file and has not been run"
    else:
        given = example_inputs if isinstance(example_inputs, list) else [example_inputs]
        if not given:
            raise InputError("example_inputs is an empty list", hint="give a sample, or leave it out")
        for sample in given:
            progress.emit("verify", "running the model")
            args, inputs = _call(model, sample)
            model(*args, **inputs)
        kind = "random inputs" if example_inputs is None else "the given inputs"
        note = f"it was given as a .tflite file: it runs (on {kind}), and there is no source to compare it with"
    return dataclasses.replace(model, lineage=("given as .tflite",), notes=(note,))


def _call(model: LiteRTModel, sample: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if sample is None:
        return tuple(_random(spec) for spec in model.signatures[0].inputs), {}
    if isinstance(sample, Mapping):
        return (), dict(sample)
    return (sample if isinstance(sample, tuple) else (sample,)), {}


def _random(spec: TensorSpec) -> np.ndarray[Any, Any]:
    """Return random floats or zeros; an open dimension is one long."""
    import numpy as np

    shape = tuple(max(size, 1) for size in spec.shape)
    dtype = np.dtype("float32" if spec.is_quantized or spec.dtype == "bfloat16" else spec.dtype)
    if dtype.kind == "f":
        return np.random.default_rng(0).standard_normal(shape).astype(dtype)
    return np.zeros(shape, dtype)  # an index of 0 is valid everywhere
