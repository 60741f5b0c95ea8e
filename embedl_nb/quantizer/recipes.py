"""From a name to a :class:`~embedl_nb.quantizer.recipe.Recipe`: the grammar of ai-edge-quantizer's recipe names.

In: a name, a short form, rules, a record, a ``.json`` path, and overrides for some operators. Out: a Recipe whose rules
are those the library has under that name. The grammar is written out here, so that a name resolves without importing
the library; names that do not follow it (``sample_advanced_usage``) are asked of the child.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError, RecipeError, UnknownNameError
from embedl_nb.quantizer.recipe import ALL_OPERATORS, NO_QUANTIZE, Recipe, scope_regex

if TYPE_CHECKING:
    from embedl_nb.model.graph import ModelGraph

__all__ = ["AUTO", "KEEP_FLOAT", "RECIPE_NAMES", "SHORT_FORMS", "resolve_recipe", "rules_of"]

AUTO = "auto"
"""The name that starts a search."""
KEEP_FLOAT = "float"
"""What an override says to keep operators as they are."""
SHORT_FORMS = {
    "int8": "static_wi8_ai8",
    "w8a8": "static_wi8_ai8",
    "int16": "static_wi8_ai16",
    "w8a16": "static_wi8_ai16",
    "w4a8": "static_wi4_ai8",
    "w4a16": "static_wi4_ai16",
    "fp16": "float16",
    "dynamic": "dynamic_wi8_afp32",
    "weight_only": "weight_only_wi8_afp32",
    "w8": "weight_only_wi8_afp32",
    "w4": "weight_only_wi4_afp32",
}
RECIPE_NAMES = (
    "dynamic_wi8_afp32",
    "dynamic_wi4_afp32",
    "weight_only_wi8_afp32",
    "weight_only_wi4_afp32",
    "static_wi8_ai8",
    "static_wi8_ai16",
    "static_wi4_ai8",
    "static_wi4_ai16",
    "float16",
    "dynamic_legacy_wi8_afp32",
)
"""The names to offer; the grammar knows more (``dynamic_wi4b32_afp32``, ``dynamic_wi8c_hr_afp32``)."""

_GRAMMAR = re.compile(
    r"(?P<kind>dynamic|weight_only|static)(?P<legacy>_legacy)?_wi(?P<weights>8|4|2)(?P<granularity>c|b32|b64|b128|b256)?"
    r"(?P<hadamard>_hr)?_a(?:fp32|i(?P<activations>8|16))"
)
_MIN_MAX, _FLOAT_CASTING, _HADAMARD = "min_max_uniform_quantize", "float_casting", "DECOMPOSED_HADAMARD_ROTATION"
_TYPE_NAMES = {"TRANSPOSE_CONV": "CONV_2D_TRANSPOSE"}  # what a LiteRT file calls it, and the library
_LEGACY_MIN_WEIGHT_ELEMENTS = 1024
_OPERATOR_TYPE = re.compile(r"[A-Z][A-Z0-9_]*")


def resolve_recipe(
    recipe: str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]] | Recipe,
    overrides: Mapping[str, str] | None = None,
    *,
    graph: ModelGraph | None = None,
) -> Recipe:
    """Return the recipe that ``recipe`` stands for.

    Parameters
    ----------
    recipe
        A name in ai-edge-quantizer's grammar (``"static_wi8_ai8"``), ``"float16"``, a short form (``"int8"``,
        ``"fp16"``), the library's rules as a list, what :meth:`Recipe.to_record` returned, or the path of a ``.json``
        file that holds one of both.
    overrides
        What some operators get instead, ``{"FULLY_CONNECTED": "float", "blocks.3.*": "static_wi8_ai16"}``: an operator
        type, or a pattern (``*``, ``?``) for the source module's dotted name or for the name of the operator's output;
        and the name of a recipe or ``"float"``. Later ones win.
    graph
        The model's; patterns need it.

    Raises
    ------
    InputError
        If ``overrides`` is no dict by name.
    UnknownNameError
        If there is no such recipe, or an override fits no operator; close matches are in ``candidates``.
    RecipeError
        If it is no recipe, or cannot be applied to a single model.

    Examples
    --------
    >>> resolve_recipe("int8").name
    'static_wi8_ai8'
    >>> resolve_recipe("dynamic").rules[0]["op_config"]["weight_tensor_config"]["num_bits"]
    8
    """
    resolved = _resolve(recipe)
    if not overrides:
        return resolved
    if not isinstance(overrides, Mapping) or not all(isinstance(key, str) for key in overrides):
        raise InputError(
            f"overrides={overrides!r} is no dict by operator type or name",
            hint='give one, e.g. overrides={"SOFTMAX": "float"}',
        )
    rules = [*resolved.rules]
    for key, value in overrides.items():
        rules += _override_rules(key, value, graph)
    return replace(resolved, name=f"{resolved.name} with overrides", rules=tuple(rules))


def rules_of(name: str) -> list[dict[str, Any]] | None:
    """Return the rules of a name that follows the grammar, None where it does not.

    Examples
    --------
    >>> [rule["operation"] for rule in rules_of("static_wi8_ai8")], rules_of("static")
    (['*'], None)
    """
    if name == "float16":
        weights = {"num_bits": 16, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "FLOAT"}
        return [_rule(_FLOAT_CASTING, {"weight_tensor_config": weights, **_FLOAT_COMPUTE})]
    match = _GRAMMAR.fullmatch(name)
    if match is None or (match["kind"] == "static") != (match["activations"] is not None):
        return None
    if match["legacy"]:
        return _legacy_rules() if name == "dynamic_legacy_wi8_afp32" else None
    size = (match["granularity"] or "c")[1:]
    weights = {
        "num_bits": int(match["weights"]),
        "symmetric": True,
        "granularity": f"BLOCKWISE_{size}" if size else "CHANNELWISE",
        "dtype": "INT",
    }
    config: dict[str, Any] = {"weight_tensor_config": weights}
    if match["activations"]:
        bits = int(match["activations"])
        # The kernels take int16 activations without a zero point only.
        activations = {"num_bits": bits, "symmetric": bits == 16, "granularity": "TENSORWISE", "dtype": "INT"}
        config = {"activation_tensor_config": activations, **config}
    config |= _FLOAT_COMPUTE if match["kind"] == "weight_only" else _INTEGER_COMPUTE
    return [_rule(_HADAMARD if match["hadamard"] else _MIN_MAX, config)]


_FLOAT_COMPUTE = {
    "compute_precision": "FLOAT",
    "explicit_dequantize": True,
    "skip_checks": False,
    "min_weight_elements": 0,
}
_INTEGER_COMPUTE = {**_FLOAT_COMPUTE, "compute_precision": "INTEGER", "explicit_dequantize": False}


def _rule(algorithm: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"regex": ".*", "operation": ALL_OPERATORS, "algorithm_key": algorithm, "op_config": config}


def _legacy_rules() -> list[dict[str, Any]]:
    weights = {"num_bits": 8, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "INT", "block_size": 0}
    config = {"weight_tensor_config": weights, **_INTEGER_COMPUTE, "min_weight_elements": _LEGACY_MIN_WEIGHT_ELEMENTS}
    return [_rule(_MIN_MAX, config)]


def _resolve(recipe: object) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, Mapping):
        return Recipe.from_record(recipe)
    if isinstance(recipe, Path) or (isinstance(recipe, str) and recipe.endswith(".json")):
        return _from_file(Path(recipe).expanduser())
    if isinstance(recipe, str):
        return _from_name(recipe.strip())
    if isinstance(recipe, Sequence):
        return Recipe(name="custom", rules=tuple(recipe))
    raise RecipeError(
        f"a recipe is a name, a list of rules or a path, not {type(recipe).__name__}", hint="e.g. 'static_wi8_ai8'"
    )


def _from_name(text: str) -> Recipe:
    if text == AUTO:
        raise RecipeError(
            f"recipe {AUTO!r} is a search for a whole model, no rules for some operators or to measure one by one",
            hint="name the rules, e.g. 'static_wi8_ai8', or give model.fidelity.recipe of a model that it made",
        )
    name = SHORT_FORMS.get(text, text)
    rules = rules_of(name)
    if rules is not None:
        return Recipe(name=name, rules=tuple(rules))
    from embedl_nb.quantizer.engine import Engine

    with Engine() as engine:
        known = engine.named_recipes()
    if name not in known:
        raise UnknownNameError.among("recipe", text, {*RECIPE_NAMES, *SHORT_FORMS, *known, AUTO})
    rules = known[name]
    if rules is None:
        raise RecipeError(
            f"recipe {name!r} is for the several models of a LiteRT-LM bundle, not for a single one",
            hint="name one for a single model, e.g. 'dynamic_wi4_afp32'",
        )
    return Recipe(name=name, rules=tuple(rules))


def _from_file(path: Path) -> Recipe:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as err:
        raise RecipeError(
            f"{path} is no recipe file: {getattr(err, 'strerror', None) or err}", hint="give a JSON list of rules"
        ) from err
    if not isinstance(content, list | dict):
        raise RecipeError(f"{path} is no recipe file: it holds a {type(content).__name__}", hint="give a list of rules")
    try:
        resolved = _resolve(content)
    except InputError as err:
        raise RecipeError(f"{path} is no recipe file: {err.message}", hint=err.hint) from err
    return replace(resolved, name=path.stem) if resolved.name == "custom" else resolved


def _override_rules(key: str, value: str, graph: ModelGraph | None) -> list[dict[str, Any]]:
    base = [_KEEP_FLOAT_RULE] if value == KEEP_FLOAT else [dict(rule) for rule in _resolve(value).full_rules]
    if _OPERATOR_TYPE.fullmatch(key):
        _check_type(key, graph)
        return [{**rule, "operation": _TYPE_NAMES.get(key, key)} for rule in base]
    return [{**rule, "regex": scope_regex(_names_that_fit(key, graph))} for rule in base]


_KEEP_FLOAT_RULE = {"regex": ".*", "operation": ALL_OPERATORS, "algorithm_key": NO_QUANTIZE}


def _check_type(key: str, graph: ModelGraph | None) -> None:
    if graph is None:
        return
    types = {operator.type_name for subgraph in graph.subgraphs for operator in subgraph.operators}
    if key not in types and key not in {_TYPE_NAMES.get(name) for name in types}:
        raise UnknownNameError.among("operator type in overrides", key, types)


def _names_that_fit(pattern: str, graph: ModelGraph | None) -> list[str]:
    """Return the operators that a pattern means, by the names that rules know them by."""
    from embedl_nb.model.operators import describe_operators
    from embedl_nb.quantizer.legality import scope_names

    if graph is None:
        raise RecipeError(
            f"override {pattern!r} names a module or a tensor, and there is no model to find it in",
            hint="pass the model's graph, or name an operator type like 'CONV_2D'",
        )
    named = [
        (info, scope)
        for index in range(len(graph.subgraphs))
        for info, scope in zip(
            describe_operators(graph, subgraph_index=index), scope_names(graph, subgraph_index=index), strict=True
        )
    ]
    fits = [
        scope
        for info, scope in named
        if fnmatch.fnmatchcase(info.source, pattern) or fnmatch.fnmatchcase(info.name, pattern)
    ]
    if not fits:
        known = {info.source for info, _ in named if info.source} or {info.name for info, _ in named}
        raise UnknownNameError.among("module or tensor in overrides", pattern, known)
    return fits
