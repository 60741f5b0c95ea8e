"""Which of several is faster: results as they are, or models that are measured in turns and recorded first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError
from embedl_nb.formats import RUN_ID
from embedl_nb.pipeline.bar import showing
from embedl_nb.pipeline.recording import recorded_benchmark
from embedl_nb.pipeline.steps import load

if TYPE_CHECKING:
    from embedl_nb.analysis import Comparison, Comparisons
    from embedl_nb.measure import Benchmark
    from embedl_nb.measure.benchmarks import Benchmarks
    from embedl_nb.model import LiteRTModel

__all__ = ["compare"]

_WARN_CALLER = 3  # the caller of compare


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    results: list[Benchmark] = field(default_factory=list)
    models: list[LiteRTModel] = field(default_factory=list)


def compare(
    *subjects: Benchmark | Benchmarks | LiteRTModel | str | Path,
    device: str = "host://",
    compute_unit: str = "cpu",
    allow_fallback: bool = True,
    inputs: Any = None,
    num_threads: int | None = None,
    processes: int = 6,
    iterations: int | None = None,
    warmup: int | None = None,
    profile: bool = True,
    runtime_options: Mapping[str, str] | None = None,
    margin: float = 0.02,
) -> Comparison | Comparisons:
    """Say how many times as fast one is as another, with its interval, or what would tell.

    Results are compared as they are. Models are measured first, on one device, a process of each in turn (A B B A ...),
    so that a drift of the machine cancels; each measurement is recorded as a run as usual.

    The first is what all others are held against. Each process gives the logarithm of its median. Of models measured in
    turns, each pair of neighbours gives a difference, and the interval is Student's over the pairs; of results measured
    apart it is Welch's over the processes, wider by what a machine changes between two measurements. Where the 95 %
    interval lies within ``margin`` of 1 there is no difference larger than that; where the 98 % interval leaves 1 out
    they are different, so that equal things are called different in fewer than 5 of 100 comparisons; otherwise nobody
    can tell yet, and the sentence says how much more would. Numbers of different provenance are not compared; every
    other respect in which results are unlike is named.

    Parameters
    ----------
    subjects
        Two or more results, sets of results or ids of their runs; or two or more models, paths of ``.tflite`` files or
        ids of compiles.
    device, compute_unit, allow_fallback, inputs, num_threads, iterations, warmup, profile, runtime_options
        How models are measured, see :func:`benchmark`.
    processes
        Fresh processes of each model, >= 2; an even number lets a steady drift cancel.
    margin
        Share of the latency below which a difference is none.

    Returns
    -------
    Comparison or Comparisons
        Of more than two a set: each of the others by name.

    Raises
    ------
    InputError
        If there is nothing to compare, results stand beside models, or something is neither.
    UnknownNameError
        If no run has that id.
    DeviceError, BenchmarkError
        If a model cannot be measured.

    Examples
    --------
    >>> enb.compare(model, small).sentence  # doctest: +SKIP
    'small is 2.1 times as fast as big (95 % interval 2.0-2.2)'
    >>> enb.compare("20261128-093012", "20261128-094501").layers.sentence  # doctest: +SKIP
    """
    from embedl_nb.analysis import compare_results
    from embedl_nb.analysis.comparison import check_margin
    from embedl_nb.measure.plan import MeasureOptions

    check_margin(margin)
    given = _sorted(subjects)
    if given.results and given.models:
        raise InputError(
            f"{given.results[0].model_name} is a result and {given.models[0].name} a model: they are not compared",
            hint="give models only, to have all of them measured in turns, or results only",
        )
    if not given.models:
        return compare_results(given.results, margin=margin)
    if len(given.models) < 2:
        raise InputError(
            f"there is nothing to compare {given.models[0].name} with", hint="give two models or more, or two results"
        )
    if isinstance(processes, int) and processes == 1:
        raise InputError("processes=1 cannot be compared: one process says nothing of the next", hint="give 2 or more")
    options = MeasureOptions.checked(
        compute_unit=compute_unit,
        allow_fallback=allow_fallback,
        num_threads=num_threads,
        processes=processes,
        iterations=iterations,
        warmup=warmup,
        profile=profile,
        runtime_options=runtime_options,
    )
    return compare_results(_measured(given.models, device, options, inputs), margin=margin)


def _measured(models: Sequence[LiteRTModel], device: str, options: Any, inputs: Any) -> list[Benchmark]:
    from embedl_nb import runstore
    from embedl_nb.measure.turns import measure_in_turns
    from embedl_nb.measure.warning import warn_about

    kept: list[Benchmark] = []

    def keep(place: int, result: Benchmark) -> Benchmark:
        kept.append(recorded_benchmark(models[place], result))
        return kept[-1]

    try:
        with showing("compare"), runstore.pausing():
            results = measure_in_turns(models, device, options=options, inputs=inputs, keep=keep)
    except KeyboardInterrupt as stopped:
        stopped.add_note(f"{len(kept)} of {len(models)} models had been measured and are recorded: enb.runs()")
        raise
    for result in results:
        warn_about(result, where=result.model_name, stacklevel=_WARN_CALLER)
    return results


def _sorted(subjects: Sequence[Any]) -> _Given:
    """Tell results from models; sets and lists are laid flat."""
    from embedl_nb.measure import Benchmark
    from embedl_nb.measure.benchmarks import Benchmarks
    from embedl_nb.model import LiteRTModel, as_model

    given = _Given()
    waiting = list(subjects)
    while waiting:
        subject = waiting.pop(0)
        if isinstance(subject, Benchmarks | list | tuple):
            waiting[:0] = list(subject)
            continue
        if isinstance(subject, str) and re.fullmatch(RUN_ID, subject) and not Path(subject).exists():
            subject = load(subject)
        if isinstance(subject, Benchmark):
            given.results.append(subject)
        elif isinstance(subject, LiteRTModel | str | Path):
            given.models.append(as_model(subject))
        else:
            raise InputError(
                f"a {type(subject).__name__} is neither a benchmark nor a compiled model",
                hint="give what enb.benchmark or enb.compile returned, the id of such a run, or a .tflite path",
            )
    return given
