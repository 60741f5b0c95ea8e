"""Let ai-edge-quantizer make the quantized file. Only the child imports this.

In: a float model's path, rules and ranges. Out: a file that is complete or not there; and for legality.py what the
library's policy makes of each operator. What the library raises becomes an error that names the operator or tensor and
says what to try.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_quantizer import algorithm_manager, default_policy, quantizer, recipe, recipe_manager
from ai_edge_quantizer.utils import tfl_flatbuffer_utils

from embedl_nb.errors import EmbedlError, QuantizeError, RecipeError
from embedl_nb.model.schema import operator_name
from embedl_nb.model.writer import write_file

__all__ = ["apply", "choices", "named_recipes"]

Rules = Sequence[Mapping[str, Any]]
# What the library says, and what a person can do about it.
_KNOWN: tuple[tuple[re.Pattern[str], type[EmbedlError], str], ...] = (
    (
        re.compile(
            r"Failed to get quantization parameters for tensor: (?P<what>.+?)\. Error: .*calibration", re.DOTALL
        ),
        QuantizeError,
        "calibrate with samples that reach this tensor, or keep its operator in float",
    ),
    (
        re.compile(r"Failed to get quantization parameters for tensor: (?P<what>.+?)\. Error"),
        QuantizeError,
        "keep the operator of this tensor in float",
    ),
    (
        re.compile(r"Tensor name (?P<what>.+?) is not unique"),
        QuantizeError,
        "compile the model again with enb.compile: the library tells tensors apart by their names",
    ),
    (
        re.compile(r"do not have the same\s+quantization (parameters|settings)"),
        RecipeError,
        "give all operators that read this tensor the same recipe",
    ),
    (
        re.compile(r"quantization statistics values \(QSVs\) are required|Missing QSVs"),
        QuantizeError,
        "a static recipe needs samples: pass data",
    ),
    (
        re.compile(r"Unsupported op(eration)?\b.*?(?P<what>\b[A-Z][A-Z0-9_]{2,}\b)"),
        RecipeError,
        "see the recipe's rules",
    ),
    (re.compile(r"Unsupported algorithm key"), RecipeError, "name an algorithm of ai-edge-quantizer"),
)


def apply(model_path: str, rules: Rules, ranges: Mapping[str, Sequence[float]], output_path: str) -> None:
    """Write the quantized model.

    Parameters
    ----------
    rules
        The library's own recipe.
    ranges
        Least and largest value by tensor name; empty for a recipe that needs no calibration.

    Raises
    ------
    RecipeError
        If the rules are not legal.
    QuantizeError
        If the library refuses the model.
    """
    try:
        made = quantizer.Quantizer(model_path, [dict(rule) for rule in rules])
    except MemoryError:
        raise
    except Exception as err:
        raise _explained(err, otherwise=RecipeError) from err
    try:
        statistics = _statistics(model_path, ranges) if ranges else None
        result = made.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
    except (EmbedlError, MemoryError):
        raise
    except Exception as err:
        raise _explained(err) from err
    if result.quantized_model is None:
        raise QuantizeError("the library made no model", hint="another recipe")
    write_file(output_path, bytes(result.quantized_model))


def _statistics(model_path: str, ranges: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Any]]:
    """Return ranges as the library keeps them: arrays of as many dimensions as the tensor, each of size 1."""
    model = tfl_flatbuffer_utils.read_model(tfl_flatbuffer_utils.get_model_content(model_path))
    statistics = {}
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            name = tfl_flatbuffer_utils.get_tensor_name(tensor)
            if name not in ranges:
                continue
            ones = (1,) * (0 if tensor.shape is None else len(tensor.shape))
            low, high = (np.full(ones, bound, np.float32) for bound in ranges[name])
            statistics[name] = {"min": low, "max": high}
    return statistics


def _explained(err: Exception, *, otherwise: type[EmbedlError] = QuantizeError) -> EmbedlError:
    said = " ".join(str(err).split())
    for pattern, kind, hint in _KNOWN:
        if match := pattern.search(said):
            what = match.groupdict().get("what")
            return kind(f"the model cannot be quantized so{f' ({what})' if what else ''}: {said}", hint=hint)
    return otherwise(
        f"ai-edge-quantizer failed: {type(err).__name__}: {said}", hint="another recipe, e.g. 'dynamic_wi8_afp32'"
    )


def choices(rules: Rules, operators: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Say what the library's policy makes of operators under rules, without touching a model.

    Parameters
    ----------
    operators
        ``type`` as in the file, and ``scope``: the names of its outputs, each with a ``;`` behind it.

    Returns
    -------
    list
        For each: ``is_known`` (whether the library quantizes this type under any recipe), ``algorithm`` and
        ``config`` (None where it stays float), and ``is_asked`` (whether a rule is for it that does not keep it float).

    Raises
    ------
    RecipeError
        If the rules are not legal.
    """
    manager = recipe_manager.RecipeManager()
    try:
        manager.load_quantization_recipe([dict(rule) for rule in rules])
    except Exception as err:
        raise _explained(err, otherwise=RecipeError) from err
    return [_choice(manager, rules, operator["type"], operator["scope"]) for operator in operators]


def _choice(manager: Any, rules: Rules, kind: str, scope: str) -> dict[str, Any]:
    known = _TYPES.get(kind)
    fits = [
        rule
        for rule in rules
        if re.search(rule["regex"], scope) and (rule["operation"] == "*" or known == rule["operation"])
    ]
    is_asked = bool(fits) and fits[-1]["algorithm_key"] != algorithm_manager.AlgorithmName.NO_QUANTIZE
    choice: dict[str, Any] = {
        "is_known": known in default_policy.DEFAULT_CONFIG_CHECK_POLICY,
        "is_asked": is_asked,
        "algorithm": None,
        "config": None,
    }
    if known is None:
        return choice
    algorithm, config = manager.get_quantization_configs(known, scope)
    if algorithm != algorithm_manager.AlgorithmName.NO_QUANTIZE:
        choice |= {"algorithm": str(algorithm_manager.AlgorithmName(algorithm).value), "config": config.to_dict()}
    return choice


_TYPES = {operator_name(code): name for code, name in tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME.items()}


def named_recipes() -> dict[str, list[dict[str, Any]] | None]:
    """Return the library's named recipes; None for one that is a table of recipes for a bundle of models."""
    found: dict[str, list[dict[str, Any]] | None] = {}
    for path in sorted((Path(inspect.getfile(recipe)).parent / "recipes").glob("*.json")):
        found[path.stem.removesuffix("_recipe")] = json.loads(path.read_text(encoding="utf-8"))
    for name, make in inspect.getmembers(recipe, inspect.isfunction):
        if not name.startswith("_"):
            found[name] = json.loads(json.dumps(make()))
    return {name: rules if isinstance(rules, list) else None for name, rules in found.items()}
