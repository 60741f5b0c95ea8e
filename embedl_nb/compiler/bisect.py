"""Look for the smallest piece of a source that fails as the whole does: compile it, and search what was exported.

A piece goes through the steps of a compile; the budget is one of work and time.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from embedl_nb.compiler.build import Request, build
from embedl_nb.compiler.compile import exporting
from embedl_nb.compiler.converter import Converter
from embedl_nb.compiler.explaining.reproducing import Repro, search_repro
from embedl_nb.compiler.explaining.search import Budget
from embedl_nb.compiler.taking import TIMEOUT_S, take
from embedl_nb.errors import CompileError, InputError

__all__ = ["bisect_model"]


def bisect_model(
    source: Any,
    example_inputs: Any = None,
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    max_trials: int = 100,
    time_limit_s: float = 900.0,
    timeout_s: float = TIMEOUT_S,
) -> Repro:
    """Compile a source that fails to, and return the smallest piece of it that fails the same way, as a script.

    Parameters
    ----------
    source, example_inputs, input_shapes
        As for ``compile``.
    max_trials
        How many pieces may be compiled. Each takes about as long as a compile of its size.
    time_limit_s
        For the search, in s. Where it ends early, the smallest piece so far is returned.
    timeout_s
        For the compile, in s; also for each piece where what is looked for is a time-out.

    Raises
    ------
    InputError
        If an option is no number, or the source compiles.
    CompileError
        That of the compile, if no piece fails the same way with random weights and inputs.
    """
    _check(max_trials, time_limit_s, timeout_s)
    taken = take(source, example_inputs, input_shapes)
    found: list[Repro | None] = []

    def search(err: CompileError, exported: dict[str, Any], converter: Converter) -> None:
        budget = Budget(max_trials=max_trials, time_limit_s=time_limit_s)
        found.append(search_repro(err, exported, converter, budget=budget, timeout_s=timeout_s))

    request = Request(source=taken, name=taken.name, verify=True, timeout_s=timeout_s, on_failure=search)
    try:
        with exporting:
            model = build(request, key="")
    except CompileError as err:
        if found and found[0] is not None:
            return found[0]
        if found:
            err.hint = f"{err.hint}; no piece of it fails the same way with random weights and inputs".lstrip("; ")
        raise
    shutil.rmtree(model.path.parent, ignore_errors=True)
    raise InputError(f"{taken.name} compiles: there is no failure to look for", hint="compile it with enb.compile")


def _check(max_trials: Any, time_limit_s: Any, timeout_s: Any) -> None:
    if isinstance(max_trials, bool) or not isinstance(max_trials, int) or max_trials < 1:
        raise InputError(f"max_trials={max_trials!r} is no number of pieces", hint="give a whole number, e.g. 100")
    for name, value in (("time_limit_s", time_limit_s), ("timeout_s", timeout_s)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise InputError(f"{name}={value!r} is no time", hint="give seconds, e.g. 900")
