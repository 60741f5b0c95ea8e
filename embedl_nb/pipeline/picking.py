"""Which model, on which device and unit, to take under a budget: from results, sets of them, run ids or a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError
from embedl_nb.pipeline.steps import load

if TYPE_CHECKING:
    from embedl_nb.analysis.budget import ModelFacts
    from embedl_nb.analysis.choice import Choice
    from embedl_nb.measure import Benchmark

__all__ = ["pick"]

_HINT = "give what enb.benchmark returned, ids of such runs, or enb.runs('kind == benchmark')"
_MOST = 5000


def pick(
    results: Any,
    *,
    where: str | None = None,
    minimize: str | None = None,
    maximize: str | None = None,
) -> Choice:
    """Pick the best model, device and unit under a budget, and say what ruled out each of the others.

    A candidate meets the budget only where its whole 95 % interval does; one that meets it by luck is "too close to
    call" and is not picked. One whose outputs are wrong is never picked.

    Parameters
    ----------
    results
        Benchmarks, sets of them, ids of their runs, or a table of :func:`runs`; or a list of any of these.
    where
        The budget: ``"p95_ms <= 10 and peak_memory_mib <= 150 and degradation <= 0.01"``. It is read, not evaluated.
        Names: ``p50_ms p90_ms p95_ms p99_ms mean_ms init_ms first_ms peak_memory_mib energy_mj size_mib degradation
        sqnr_db``, and in text ``model precision device compute_unit outputs provenance``. ``degradation`` is what the
        user's own metric lost when the model was quantized; like ``sqnr_db`` and the size it is known where that step
        was recorded.
    minimize, maximize
        What those that meet the budget are ranked by; ``p50_ms`` is minimized by default.

    Returns
    -------
    Choice
        ``.winner``, ``.runner_up``, ``.rejected`` with reasons, ``.front`` (Pareto), ``.pareto()``.

    Raises
    ------
    InputError
        If there is nothing to pick from, the budget cannot be read, or numbers of different provenance are mixed.
    UnknownNameError
        If a name in the budget, or a run, is unknown; close ones are its candidates.

    Examples
    --------
    >>> choice = enb.pick(results, where="p95_ms <= 10 and peak_memory_mib <= 150")  # doctest: +SKIP
    >>> choice.winner.model_name, choice.sentence  # doctest: +SKIP
    """
    from embedl_nb.analysis.budget import MODEL_NAMES, Candidate, ModelFacts
    from embedl_nb.analysis.choice import Axis, choose, parse_budget
    from embedl_nb.analysis.naming import distinct_names

    if minimize is not None and maximize is not None:
        raise InputError(
            f"minimize={minimize!r} and maximize={maximize!r} are two objectives", hint="put one into where= as a bound"
        )
    objective = Axis(name=maximize or minimize or "p50_ms", is_minimized=maximize is None)
    query = parse_budget(where, objective.name)
    found = _distinct(_benchmarks(results))
    wanted = {objective.name, *(query.columns if query else ())}
    known: dict[str, ModelFacts] = {}
    if wanted & MODEL_NAMES:
        known = {sha256: _facts(sha256) for sha256 in {result.model_sha256 for result in found}}
    candidates = [
        Candidate(name=name, result=result, facts=known.get(result.model_sha256, ModelFacts()))
        for name, result in zip(distinct_names(found), found, strict=True)
    ]
    return choose(candidates, query, objective)


def _benchmarks(given: Any) -> Iterator[Benchmark]:
    """Lay flat whatever holds benchmarks."""
    from embedl_nb.display import ResultSet
    from embedl_nb.measure import Benchmark

    if isinstance(given, Benchmark):
        yield given
    elif isinstance(given, str):
        yield _loaded(given)
    elif hasattr(given, "columns") and hasattr(given, "to_dict"):
        yield from _of_table(given)
    elif isinstance(given, ResultSet | list | tuple):
        for each in given:
            yield from _benchmarks(each)
    elif isinstance(given, Mapping):
        yield from _benchmarks(list(given.values()))
    else:
        raise InputError(f"a {type(given).__name__} is no benchmark, so there is nothing to pick from", hint=_HINT)


def _of_table(table: Any) -> Iterator[Benchmark]:
    """Load the benchmarks that a table of runs lists; other runs in it are passed over."""
    if "run_id" not in table.columns:
        raise InputError("this table has no column run_id", hint=_HINT)
    rows = table[table["kind"] == "benchmark"] if "kind" in table.columns else table
    if len(rows) > _MOST:
        raise InputError(
            f"{len(rows):,} benchmarks are more than the {_MOST:,} that are read", hint="filter them first"
        )
    for run_id in rows["run_id"]:
        yield _loaded(str(run_id))


def _loaded(run_id: str) -> Benchmark:
    from embedl_nb.measure import Benchmark

    if "://" in run_id:  # what going through a set gives
        raise InputError(
            f"{run_id} is a device's address, no run", hint="give the sets as they are: enb.pick([one, other])"
        )
    result: Any = load(run_id)
    if not isinstance(result, Benchmark):
        raise InputError(f"run {run_id} is a {type(result).__name__}, no benchmark", hint=_HINT)
    return result


def _distinct(results: Iterator[Benchmark]) -> list[Benchmark]:
    """Keep each once: a variable and its own run id are the same result."""
    return list({result.run_id or id(result): result for result in results}.values())


def _facts(sha256: str) -> ModelFacts:
    """Return what the step that made a model recorded of it; nothing where no such step is recorded."""
    from embedl_nb import runstore
    from embedl_nb.analysis.budget import ModelFacts
    from embedl_nb.model.fidelity import Fidelity

    record = runstore.maker_of(sha256) if re.fullmatch(r"[0-9a-f]{64}", sha256) else None
    if record is None:
        return ModelFacts()
    made = record["result"]
    size = made.get("size_bytes")
    if made.get("fidelity") is None:
        is_float = record["kind"] == "compile" and made.get("precision") == "f32"
        # What others are held against: the float model itself.
        return ModelFacts(
            size_bytes=size, degradation=0.0 if is_float else None, sqnr_db=float("inf") if is_float else None
        )
    fidelity = Fidelity.from_record(made["fidelity"])
    metric = fidelity.evaluation
    return ModelFacts(
        size_bytes=size,
        degradation=metric.drop if metric else None,
        degradation_ci95=metric.drop_ci95 if metric else None,
        sqnr_db=fidelity.sqnr_db,
    )
