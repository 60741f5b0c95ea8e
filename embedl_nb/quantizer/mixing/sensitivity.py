"""Each operator quantized alone, and left out alone: where the noise of a quantized model comes from.

In: the float model, the ranges it was calibrated to, a recipe and held-out samples. Out: a ranked Sensitivity. Every
figure is of a real quantized model that ran on the samples; none is a sum of others. What is known is kept in the cache
at once, so an interrupted call goes on.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.errors import InputError
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.operators import describe_operators
from embedl_nb.quantizer.legality import plan_operators, scope_names
from embedl_nb.quantizer.mixing.noise import NoiseMeter
from embedl_nb.quantizer.mixing.sensitivity_cache import Case, NoiseCache, question_key
from embedl_nb.quantizer.mixing.sensitivity_table import Grouping, Sensitivity, SensitivityRow
from embedl_nb.quantizer.recipe import ALL_OPERATORS, NO_QUANTIZE, Recipe, scope_regex

if TYPE_CHECKING:
    import numpy as np

    from embedl_nb.model import LiteRTModel
    from embedl_nb.quantizer.engine import Engine

    Sample = Mapping[str, np.ndarray[Any, Any]]

__all__ = ["NUM_SAMPLES", "block_of", "measure_sensitivity"]

NUM_SAMPLES = 16
"""Held-out samples that are used, the first of those given."""
_COUNTS = (1, 2, 3, 5, 8, 13, 21, 34)
_ALL: Case = ("all", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Operators that are quantized, or left out, together."""

    indices: tuple[int, ...]
    name: str
    operator: str
    source: str


def measure_sensitivity(
    float_model: LiteRTModel,
    ranges: Mapping[str, tuple[float, float]],
    recipe: Recipe,
    samples: Sequence[Sample],
    *,
    engine: Engine,
    by: Grouping | str = Grouping.OPERATOR,
    signature_key: str | None = None,
    time_limit_s: float | None = None,
    cache_folder: Path | None = None,
) -> Sensitivity:
    """Quantize each operator alone, and everything but it, and measure the noise of the output.

    A network of 62 operators and 10 ms takes about half a minute. Ctrl-C or the time limit loses nothing: the next
    call goes on.

    Parameters
    ----------
    float_model
        What the recipe is for.
    ranges
        Of its tensors, from :func:`~embedl_nb.quantizer.ranges.ranges_of`; every variant uses them. Empty for a recipe
        that needs no calibration.
    recipe
        Its rules are applied; what is fitted to samples beyond them is not, it would have to be done anew for every
        variant.
    samples
        Held-out ones; the first :data:`NUM_SAMPLES` are used.
    engine
        Makes the quantized models.
    by
        ``"operator"``, or ``"source"`` for blocks of the source model.
    signature_key
        None for the first.
    time_limit_s
        After which no further variant is begun; the table then holds what was measured.
    cache_folder
        By default the user's cache.

    Returns
    -------
    Sensitivity
        The worst first.

    Raises
    ------
    InputError
        If there is no sample, or the recipe quantizes nothing.
    QuantizeError, BenchmarkError
        If a variant cannot be made or run.
    """
    chosen = list(samples[:NUM_SAMPLES])
    if not chosen:
        raise InputError("there is no held-out sample to measure sensitivity on", hint="give more data")
    subgraph_index = pick_signature(float_model.signatures, signature_key).subgraph_index
    names = scope_names(float_model.graph, subgraph_index=subgraph_index)
    groups = _groups(float_model, recipe, Grouping(by), subgraph_index, engine)
    if not groups:
        raise InputError(
            f"recipe {recipe.name!r} quantizes nothing in {float_model.name}", hint="choose another recipe"
        )
    key = question_key(
        float_model.sha256,
        recipe.full_rules,
        ranges,
        chosen,
        signature_key=signature_key,
    )
    with tempfile.TemporaryDirectory(prefix="embedl_nb-") as folder:
        meter = NoiseMeter(Path(folder), float_model.path, chosen, signature_key=signature_key)

        def build(case: Case, number: int) -> Path:
            path = Path(folder) / f"{number}.tflite"
            engine.apply(
                float_model.path,
                _rules(case, recipe, names),
                ranges,
                path,
            )
            return path

        deadline = math.inf if time_limit_s is None else time.monotonic() + time_limit_s
        work = _Work(build=build, noise_of=meter.noise_of, cache=NoiseCache(key, cache_folder), deadline=deadline)
        rows = _rows(groups, work)
        return Sensitivity(
            model_name=float_model.name,
            model_sha256=float_model.sha256,
            recipe=recipe.unrefined.sentence,
            by=Grouping(by),
            rows=rows,
            all_noise=work.known(_ALL),
            num_candidates=len(groups),
            num_samples=len(chosen),
            without_worst=_without_worst(rows, work),
        )


class _Work:
    """Measures cases, the known ones from the cache; the next variant is built while one runs."""

    def __init__(
        self,
        *,
        build: Callable[[Case, int], Path],
        noise_of: Callable[[Path], float],
        cache: NoiseCache,
        deadline: float,
    ) -> None:
        self._build, self._noise_of, self._cache, self._deadline = build, noise_of, cache, deadline
        self._num_built = 0

    def known(self, case: Case) -> float:
        """Return the noise power of a case that was measured."""
        noise = self._cache.get(case)
        return math.nan if noise is None else noise

    def measure(self, cases: Sequence[Case], describe: Callable[[Case], str]) -> None:
        """Measure the cases that are not known, until the deadline; the first is measured in any case."""
        waiting = [case for case in dict.fromkeys(cases) if self._cache.get(case) is None]
        with ThreadPoolExecutor(max_workers=1) as builder:
            ahead = self._submit(builder, waiting[0]) if waiting else None
            for position, case in enumerate(waiting):
                if ahead is None:
                    return
                progress.emit(
                    "sensitivity", describe(case), done=len(cases) - len(waiting) + position, total=len(cases)
                )
                path = ahead.result()
                rest = waiting[position + 1 :]
                ahead = self._submit(builder, rest[0]) if rest and time.monotonic() < self._deadline else None
                self._cache.put(case, self._noise_of(path))
                path.unlink()
        progress.emit("sensitivity", done=len(cases), total=len(cases))

    def _submit(self, builder: ThreadPoolExecutor, case: Case) -> Future[Path]:
        self._num_built += 1
        return builder.submit(self._build, case, self._num_built)


def _rows(groups: Sequence[_Group], work: _Work) -> tuple[SensitivityRow, ...]:
    """Measure every group, alone and left out, and rank those that are known."""
    described = {group.indices: f"{group.operator} {group.source or group.name}" for group in groups}
    cases = [_ALL, *((kind, group.indices) for group in groups for kind in ("alone", "left_out"))]
    work.measure(cases, lambda case: f"{case[0].replace('_', ' ')}: {described.get(case[1], 'everything quantized')}")
    rows = [
        SensitivityRow(
            indices=group.indices,
            name=group.name,
            operator=group.operator,
            source=group.source,
            alone_noise=work.known(("alone", group.indices)),
            left_out_noise=work.known(("left_out", group.indices)),
        )
        for group in groups
    ]
    measured = [row for row in rows if not (math.isnan(row.alone_noise) or math.isnan(row.left_out_noise))]
    return tuple(sorted(measured, key=lambda row: -row.alone_noise))


def _without_worst(rows: Sequence[SensitivityRow], work: _Work) -> tuple[tuple[int, float], ...]:
    """Leave the worst out together, more and more of them."""
    cases: dict[int, Case] = {}
    for count in _COUNTS:
        if count <= len(rows):
            cases[count] = ("left_out", tuple(sorted(index for row in rows[:count] for index in row.indices)))
    if cases:
        work.measure(list(cases.values()), lambda case: f"the worst {len(case[1])} left out together")
    noises = {count: work.known(case) for count, case in cases.items()}
    return tuple((count, noise) for count, noise in noises.items() if not math.isnan(noise))


def _rules(case: Case, recipe: Recipe, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the recipe's rules with those behind them that quantize only what a case says."""
    kind, indices = case
    rules = recipe.full_rules
    scope = scope_regex([names[index] for index in indices]) if indices else ""
    if kind == "alone":
        rules.append(_keep_float(f"^(?!{scope})"))
    elif kind == "left_out":
        rules.append(_keep_float(scope))
    # The first operator then rounds the input, and the last one's output becomes real: the same values, and one file
    # of samples serves every variant.
    return [*rules, *(_keep_float("^", operation) for operation in ("INPUT", "OUTPUT"))]


def _keep_float(regex: str, operation: str = ALL_OPERATORS) -> dict[str, Any]:
    return {"regex": regex, "operation": operation, "algorithm_key": NO_QUANTIZE}


def _groups(model: LiteRTModel, recipe: Recipe, by: Grouping, subgraph_index: int, engine: Engine) -> list[_Group]:
    """Return the operators that the recipe quantizes, one or one block a group."""
    infos = describe_operators(model.graph, subgraph_index=subgraph_index)
    plans = plan_operators(recipe, model.graph, subgraph_index=subgraph_index, engine=engine)
    quantized = {plan.index for plan in plans if plan.is_quantized}
    sources = [info.source for info in infos]
    members: dict[str, list[int]] = {}
    for info in infos:
        if info.index in quantized:
            block = block_of(info.source, sources) if by is Grouping.SOURCE and info.source else ""
            members.setdefault(block or f"\n{info.index}", []).append(info.index)
    return [
        _Group(indices=(first,), name=infos[first].name, operator=infos[first].operator, source=infos[first].source)
        if not rest
        else _Group(indices=(first, *rest), name=block, operator=f"{1 + len(rest)} operators", source=block)
        for block, (first, *rest) in members.items()
    ]


def block_of(source: str, sources: Sequence[str]) -> str:
    """Return the block that an operator's source module belongs to: its parent, or itself where others lie within it.

    Parameters
    ----------
    source
        Dotted name of the module.
    sources
        Of all operators.

    Examples
    --------
    >>> block_of("f.3.conv", ["f.3.conv", "f.3", "head"]), block_of("f.3", ["f.3.conv", "f.3", "head"])
    ('f.3', 'f.3')
    >>> block_of("head", ["f.3.conv", "f.3", "head"])
    'head'
    """
    holds_others = any(other.startswith(f"{source}.") for other in sources)
    parent = source.rpartition(".")[0]
    return source if holds_others or not parent else parent
