"""Recipe: named quantization rules as data, which is applied, shown, saved with the run and read back.

In: rules in ai-edge-quantizer's own form (recipes.py writes them from a name). Out: a frozen value that is plain JSON.
It knows nothing of models; legality.py says what a recipe makes of one.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from embedl_nb.errors import RecipeError, SchemaTooNewError

__all__ = ["ALL_OPERATORS", "NO_QUANTIZE", "RangeMethod", "Recipe", "Rounding", "scope_regex"]

SCHEMA_VERSION = 1
ALL_OPERATORS = "*"
"""What a rule's ``operation`` holds when it is for every operator type."""
NO_QUANTIZE = "no_quantize"
"""The ``algorithm_key`` of a rule that leaves operators in float."""
_RULE_KEYS = {"regex", "operation", "algorithm_key", "op_config"}
# Without what the library's own calibration gathers for them they round to nearest, and nobody is told.
_UNSUPPORTED = ("GPTQ", "OSCAR")


class RangeMethod(StrEnum):
    """How the range of an activation follows from what the samples showed."""

    MOVING_AVERAGE = "moving_average"
    """Each sample's minimum and maximum, averaged with weights that halve every 14 samples; the library's own."""
    MIN_MAX = "min_max"
    """The least and the largest value of all samples: nothing is clipped, one outlier costs everybody resolution."""
    PERCENTILE = "percentile"
    """All but the outermost 0.01 % of the values at each end."""
    MSE = "mse"
    """The range whose rounding and clipping errors together are least, in the mean of squares."""


class Rounding(StrEnum):
    """How weights become integers."""

    NEAREST = "nearest"
    LEAST_SQUARES = "least_squares"
    """So that the operator's output, not each weight, is nearest to the float one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is done to a model to quantize it.

    Attributes
    ----------
    name
        ``"static_wi8_ai8"`` for a named one, ``"auto"`` for one that was searched, ``"custom"`` for given rules.
    rules
        ai-edge-quantizer's own recipe: dicts with ``regex`` (searched in the names of an operator's outputs),
        ``operation`` (a type or ``"*"``), ``algorithm_key`` and ``op_config``; of two that fit, the later one holds.
    ranges
        How ranges of activations are chosen.
    is_equalized
        Whether scales are first moved between neighbouring operators; the float function stays the same.
    rounding
        How weights become integers.
    is_bias_corrected
        Whether biases take back the mean error that quantized weights and inputs cause.
    kept_float
        Names of operators that stay in float although a rule would quantize them, as :func:`scope_regex` takes them.
    num_samples, seed
        What it was calibrated with; None where it was not, or before. Given again they are used again, whatever the
        caller's own are.
    num_train
        How many of these samples weights and biases were fitted to; None where they were not, or before.
    """

    name: str
    rules: tuple[Mapping[str, Any], ...]
    ranges: RangeMethod = RangeMethod.MOVING_AVERAGE
    is_equalized: bool = False
    rounding: Rounding = Rounding.NEAREST
    is_bias_corrected: bool = False
    kept_float: tuple[str, ...] = ()
    num_samples: int | None = None
    seed: int | None = None
    num_train: int | None = None
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if not self.rules:
            raise RecipeError(f"recipe {self.name!r} has no rule", hint="name one, e.g. 'static_wi8_ai8'")
        for rule in self.rules:
            _check_rule(rule)

    @property
    def needs_calibration(self) -> bool:
        """Whether samples are needed: for the ranges of activations, or for what is done beyond min and max."""
        return self.is_equalized or self.is_refined or any(_needs_samples(rule) for rule in self.rules)

    @property
    def is_refined(self) -> bool:
        """Whether weights or biases are fitted to samples after the library has rounded them."""
        return self.rounding is not Rounding.NEAREST or self.is_bias_corrected

    @property
    def unrefined(self) -> Recipe:
        """The same without what is fitted to samples: quick to apply, farther from float."""
        return replace(self, rounding=Rounding.NEAREST, is_bias_corrected=False, num_train=None)

    @property
    def full_rules(self) -> list[dict[str, Any]]:
        """The rules with those that keep operators in float behind them: what the library is given."""
        rules = [copy.deepcopy(dict(rule)) for rule in self.rules]
        if self.kept_float:
            rules.append(
                {"regex": scope_regex(self.kept_float), "operation": ALL_OPERATORS, "algorithm_key": NO_QUANTIZE}
            )
        return rules

    @property
    def sentence(self) -> str:
        """One line for people."""
        parts = [self.name]
        if any(_needs_samples(rule) for rule in self.rules) and self.ranges is not RangeMethod.MOVING_AVERAGE:
            parts.append(f"{self.ranges} ranges")
        if self.is_equalized:
            parts.append("equalized")
        if self.rounding is Rounding.LEAST_SQUARES:
            parts.append("least-squares rounding")
        if self.is_bias_corrected:
            parts.append("bias corrected")
        if self.kept_float:
            parts.append("some operators kept in float")
        if self.num_samples is not None:
            seed = "" if self.seed is None else f", seed {self.seed}"
            parts.append(f"calibrated with {self.num_samples} sample{'' if self.num_samples == 1 else 's'}{seed}")
        return ", ".join(parts)

    def with_float(self, names: Iterable[str]) -> Recipe:
        """Return this recipe with more operators kept in float.

        Parameters
        ----------
        names
            One an operator, as :func:`scope_regex` takes them.
        """
        return replace(self, kept_float=tuple(dict.fromkeys((*self.kept_float, *names))))

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        record = {field.name: getattr(self, field.name) for field in fields(self)}
        rules = [copy.deepcopy(dict(rule)) for rule in self.rules]
        texts = {"ranges": str(self.ranges), "rounding": str(self.rounding), "kept_float": list(self.kept_float)}
        return record | texts | {"rules": rules}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Recipe:
        """Rebuild from :meth:`to_record`.

        Raises
        ------
        SchemaTooNewError
            If a newer embedl_nb wrote it.
        RecipeError
            If it is no record of a recipe.
        """
        version = record.get("schema_version", SCHEMA_VERSION)
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise SchemaTooNewError(
                f"the recipe has schema version {version}, this embedl_nb knows {SCHEMA_VERSION}",
                hint="upgrade embedl_nb",
            )
        unknown = set(record) - {field.name for field in fields(cls)}
        if unknown or "rules" not in record:
            what = f"it has {', '.join(sorted(map(repr, unknown)))}" if unknown else "it has no 'rules'"
            raise RecipeError(f"this is no record of a recipe: {what}", hint="pass what Recipe.to_record() returned")
        try:
            rules = tuple(copy.deepcopy(dict(rule)) for rule in record["rules"])
            values = {"name": "custom", **record, "rules": rules, "kept_float": tuple(record.get("kept_float", ()))}
            values["ranges"] = RangeMethod(record.get("ranges", RangeMethod.MOVING_AVERAGE))
            values["rounding"] = Rounding(record.get("rounding", Rounding.NEAREST))
            _check_fields(values)
            return cls(**values)
        except RecipeError:
            raise
        except (TypeError, ValueError) as err:
            raise RecipeError(
                f"this is no record of a recipe: {err}", hint="pass what Recipe.to_record() returned"
            ) from err


def _check_fields(values: Mapping[str, Any]) -> None:
    """Raise ValueError for what JSON can hold and a recipe cannot."""
    if not isinstance(values["name"], str):
        raise ValueError(f"its name is {values['name']!r}")
    if not all(isinstance(name, str) for name in values["kept_float"]):
        raise ValueError(f"its kept_float is {list(values['kept_float'])!r}")
    for name, least in (("num_samples", 1), ("seed", 0), ("num_train", 1)):
        value = values.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise ValueError(f"its {name} is {value!r}")


def scope_regex(names: Iterable[str]) -> str:
    """Return a regular expression that fits the operators whose outputs have these names, and no others.

    Parameters
    ----------
    names
        One an operator: its output's, or those of all its outputs joined by ``;`` (the library searches rules in them,
        with one more ``;`` at the end). :func:`embedl_nb.quantizer.legality.scope_names` has them.

    Examples
    --------
    >>> import re
    >>> [bool(re.search(scope_regex(["a;1"]), scope)) for scope in ("a;1;", "a;12;", "b;;a;1;")]
    [True, False, False]
    """
    return f"^(?:{'|'.join(re.escape(name) for name in names)});$"


def _check_rule(rule: object) -> None:
    if not isinstance(rule, Mapping):
        raise RecipeError(f"a rule is a dict, not {type(rule).__name__}", hint="see Recipe.rules for the form")
    keys = set(rule)
    needed = {"regex", "operation", "algorithm_key"}
    if rule.get("algorithm_key") != NO_QUANTIZE:
        needed |= {"op_config"}
    if not needed <= keys <= _RULE_KEYS:
        lacks = [f"lacks {key!r}" for key in sorted(needed - keys)]
        wrong = lacks + [f"has {key!r}" for key in sorted(keys - _RULE_KEYS)]
        raise RecipeError(
            f"a rule {', '.join(wrong)}: {dict(rule)}", hint=f"its keys are {', '.join(sorted(_RULE_KEYS))}"
        )
    if rule["algorithm_key"] in _UNSUPPORTED:
        raise RecipeError(
            f"the algorithm {rule['algorithm_key']} is not supported: the statistics that it needs are not gathered",
            hint="recipe='auto' fits the rounding of weights to samples, for every operator type",
        )
    try:
        re.compile(rule["regex"])
    except (re.error, TypeError) as err:
        raise RecipeError(f"a rule's regex {rule['regex']!r} is none: {err}", hint="escape it with re.escape") from err


def _needs_samples(rule: Mapping[str, Any]) -> bool:
    if rule["algorithm_key"] == NO_QUANTIZE:
        return False
    config = rule["op_config"]
    return "activation_tensor_config" in config and config.get("compute_precision") == "INTEGER"
