"""Several models measured in turns on one device, A B B A ..., so that a drift of the machine cancels between them."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from embedl_nb import progress
from embedl_nb.device import DeviceAddress, open_device
from embedl_nb.errors import InputError
from embedl_nb.measure.artifact import choose_file
from embedl_nb.measure.benchmark import Benchmark, OutputCheck
from embedl_nb.measure.flags import Window
from embedl_nb.measure.plan import MeasureOptions
from embedl_nb.measure.session import Subject, as_benchmark, choose_subject, choose_unit, run_process, worst_check
from embedl_nb.model.litert_model import LiteRTModel, as_model
from embedl_nb.runtime.raw_run import RawRun

__all__ = ["measure_in_turns", "turns"]

_MOST_MODELS = 20


@dataclass(slots=True, kw_only=True)
class _Taken:
    """What the processes of one model have given so far."""

    subject: Subject
    runs: list[RawRun] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    checks: list[OutputCheck] = field(default_factory=list)

    def add(self, run: RawRun, window: Window, check: OutputCheck) -> None:
        self.runs.append(run)
        self.windows.append(window)
        self.checks.append(check)


def turns(num_models: int, rounds: int) -> Iterator[int]:
    """Return whose turn it is: every second round goes backwards.

    Examples
    --------
    >>> "".join("ABC"[model] for model in turns(2, 4)), "".join("ABC"[model] for model in turns(3, 2))
    ('ABBAABBA', 'ABCCBA')
    """
    order = range(num_models)
    for number in range(rounds):
        yield from reversed(order) if number % 2 else order


def measure_in_turns(
    models: Sequence[LiteRTModel | str | Path],
    device: str | DeviceAddress = "host://",
    *,
    options: MeasureOptions,
    inputs: Any = None,
    keep: Callable[[int, Benchmark], Benchmark] = lambda _place, result: result,
) -> list[Benchmark]:
    """Measure models on a device, a process of each in turn.

    The lease of the device is held from the first process to the last. A model that fails ends it all.

    Parameters
    ----------
    options
        Of each of them; ``processes`` are those of each.
    inputs
        One sample for all of them; by default each model's own first example, else random values.
    keep
        Called with the place and the result of a model as soon as its last process has ended; what it returns is what
        is returned.

    Raises
    ------
    InputError
        If there are too many models, or a model or the inputs cannot be used.
    DeviceError
        If the device is unknown or busy, or lacks the unit asked for.
    BenchmarkError
        If the runtime crashes, hangs or runs out of memory.
    """
    if len(models) > _MOST_MODELS:
        raise InputError(f"{len(models)} models are too many to take turns", hint=f"give {_MOST_MODELS} at the most")
    target = open_device(device)
    unit = choose_unit(target, options)
    together = secrets.token_hex(8)
    results: dict[int, Benchmark] = {}
    with ExitStack() as stack:
        files = [choose_file(as_model(model), target.info, options.compute_unit) for model in models]
        taken = [_Taken(subject=_subject(stack, file, inputs)) for file in files]
        stack.enter_context(target.lease())
        for place in _announced(taken, options):
            each = taken[place]
            each.add(*run_process(target, each.subject, options, earlier=each.checks[-1] if each.checks else None))
            if len(each.runs) == options.processes:
                result = as_benchmark(
                    target, each.subject, options, unit, each.runs, each.windows, worst_check(each.checks)
                )
                results[place] = keep(place, replace(result, in_turns=together))
    return [results[place] for place in range(len(models))]


def _subject(stack: ExitStack, model: LiteRTModel, inputs: Any) -> Subject:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="embedl_nb-measure-"))
    return choose_subject(model, Path(folder), inputs=inputs, golden=None, signature_key=None)


def _announced(taken: Sequence[_Taken], options: MeasureOptions) -> Iterator[int]:
    total = len(taken) * options.processes
    for number, place in enumerate(turns(len(taken), options.processes)):
        name = taken[place].subject.title
        progress.emit("process", f"process {number + 1} of {total}: {name}", done=number, total=total)
        yield place
    progress.emit("process", "", done=total, total=total)
