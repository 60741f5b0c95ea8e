"""One measurement in a process of its own, by the worker that measures on the host. Blocks; can be stopped.

The tool runs for at least so many times and at least so many seconds; the worker takes numbers only, so where seconds
were asked for, a first short measurement finds out how many inferences they are. Times come out in the phone's pace,
in the same order of phones each time; that is all they tell of real ones.
"""

from __future__ import annotations

import math
import os
import statistics
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

from embedl_nb.model.calling import pick_signature
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import ModelGraph, Subgraph
from embedl_nb.model.spec import Signature
from embedl_nb.runtime.process import Child
from embedl_nb.runtime.raw_run import MeasureRequest, ProfiledEvent, RawRun
from embedl_nb.runtime.running import WORKER, WORKER_NAME
from embedl_nb.runtime.threads import default_num_threads
from embedl_nb.testing.virtual_phone.benchmark_tool.flags import ParsedFlags

__all__ = ["DISPATCH", "Measured", "Measurement", "StoppedError"]

DISPATCH = "DISPATCH_OP"
"""The operator that stands for what was compiled for an NPU."""

_MACHINE = threading.Lock()
_LONGEST_ALONE_S, _LOOK_S = 5.0, 0.1
_LIMIT_S = 3600.0
_PROFILE_BUDGET_S = 5.0
_NPU_MS, _NPU_INIT_MS = 1.5, 40.0


class StoppedError(Exception):
    """The measurement was stopped before it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured, on what.

    Attributes
    ----------
    num_warmup
        How many of ``times_ms`` are the tool's warm-up.
    times_ms
        Every inference from the first on, on a cool phone.
    events
        Of the profiled inferences; where a profile was asked for, the very ones of ``times_ms``.
    """

    graph: ModelGraph
    signature: Signature
    init_ms: float
    num_warmup: int
    times_ms: tuple[float, ...]
    peak_memory_bytes: Mapping[str, int]
    events: tuple[ProfiledEvent, ...]

    @property
    def subgraph(self) -> Subgraph:
        """What was run."""
        return self.graph.subgraphs[self.signature.subgraph_index]

    @property
    def input_bytes(self) -> int:
        """Size of its inputs together."""
        return sum(self.subgraph.tensors[index].num_bytes or 0 for index in self.subgraph.inputs)


class Measurement:
    """Measures one model once; :meth:`run` blocks, :meth:`stop` may be called from another thread.

    Parameters
    ----------
    has_npu
        Whether the phone has an NPU, and the libraries for it. What was compiled for one runs nowhere else, so the
        times of such a model are made up.
    pace
        How much longer than this machine the phone takes.
    """

    def __init__(self, model: Path, flags: ParsedFlags, *, has_npu: bool, pace: float) -> None:
        self._model, self._flags, self._has_npu, self._pace = model, flags, has_npu, pace
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._is_stopped = False

    def run(self) -> Measured:
        """Measure.

        Raises
        ------
        EmbedlError
            If the model cannot be read, or the runtime refuses or does not survive it.
        StoppedError
            If it was stopped before.
        """
        with self._alone():
            return self._run()

    def _run(self) -> Measured:
        graph = read_model(self._model)
        signature = pick_signature(graph.signatures, self._flags.text("signature_to_run_for") or None)
        operators = graph.subgraphs[signature.subgraph_index].operators
        if self._has_npu and any(operator.type_name == DISPATCH for operator in operators):
            return self._made_up(graph, signature)
        asked_threads = int(self._flags.number("num_threads"))
        request = MeasureRequest(
            model_path=str(self._model),
            signature_key=signature.key or None,
            # More threads than this machine has cores would only wait for each other.
            num_threads=min(asked_threads, os.cpu_count() or 1) if asked_threads > 0 else default_num_threads(),
            budget_s=_PROFILE_BUDGET_S if self._flags.is_on("use_profiler") else 0.0,
        )
        num_warmup, num_runs = self._numbers(lambda: self._probe_ms(request))
        # The first inference is the tool's first warm-up, or its first run.
        iterations = max(1, num_runs if num_warmup else num_runs - 1)
        raw = self._ask(replace(request, warmup=max(0, num_warmup - 1), iterations=iterations))
        times_ms: tuple[float, ...] = (raw.first_ms, *raw.warmup_ms, *raw.samples_ms)[: num_warmup + num_runs]
        events = raw.events
        if self._flags.is_on("use_profiler") and raw.profiled_ms:
            # The tool times the inferences that it profiles. Here few are profiled, and come again and again.
            times_ms = _cycled(raw.profiled_ms, len(times_ms))
            events = tuple(replace(each, durations_ms=_cycled(each.durations_ms, len(times_ms))) for each in events)
        return Measured(
            graph=graph,
            signature=signature,
            init_ms=(raw.load_ms + raw.compile_ms) * self._pace,
            num_warmup=num_warmup,
            times_ms=tuple(time_ms * self._pace for time_ms in times_ms),
            peak_memory_bytes=raw.peak_memory_bytes,
            events=tuple(_slower(each, self._pace) for each in events),
        )

    def stop(self) -> None:
        """Have it end now."""
        with self._lock:
            self._is_stopped = True
            if self._child is not None:
                self._child.kill()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other phones from slowing this one down, which has its own silicon; not for as long as energy takes."""
        if max(self._flags.number(name) for name in ("min_secs", "warmup_min_secs")) > _LONGEST_ALONE_S:
            yield
            return
        while not _MACHINE.acquire(timeout=_LOOK_S):
            if self._is_stopped:
                raise StoppedError
        try:
            yield
        finally:
            _MACHINE.release()

    def _numbers(self, each_ms: Callable[[], float]) -> tuple[int, int]:
        """Return how many inferences the warm-up and the measurement take.

        Parameters
        ----------
        each_ms
            Finds out how long one takes; called only where it matters.
        """
        flags = self._flags
        if flags.is_on("dry_run"):
            return 0, 0
        asked = [
            (int(flags.number(runs)), flags.number(seconds))
            for runs, seconds in (("warmup_runs", "warmup_min_secs"), ("num_runs", "min_secs"))
        ]
        if all(seconds <= 0 for _runs, seconds in asked):
            return max(0, asked[0][0]), max(0, asked[1][0])
        each_s = max(1e-6, each_ms() / 1e3)
        most = int(max(0.0, flags.number("max_secs")) / each_s) + 1
        warmup, runs = (min(most, max(least, math.ceil(seconds / each_s))) for least, seconds in asked)
        return warmup, runs

    def _probe_ms(self, request: MeasureRequest) -> float:
        raw = self._ask(replace(request, warmup=1, iterations=3, profile=False))
        return statistics.median(raw.samples_ms) * self._pace

    def _ask(self, request: MeasureRequest) -> RawRun:
        with Child(WORKER, what=WORKER_NAME) as child:
            with self._lock:
                if self._is_stopped:
                    raise StoppedError
                self._child = child
            try:
                raw = RawRun.from_json(child.request("measure", request.to_json(), timeout_s=_LIMIT_S))
            finally:
                with self._lock:
                    self._child = None
        if raw.outputs_path is not None:
            Path(raw.outputs_path).unlink(missing_ok=True)
        return raw

    def _made_up(self, graph: ModelGraph, signature: Signature) -> Measured:
        each_ms = _NPU_MS * self._pace
        num_warmup, num_runs = self._numbers(lambda: each_ms)
        times_ms = (each_ms * (1 + 0.01 * (number % 5)) for number in range(num_warmup + num_runs))
        return Measured(
            graph=graph,
            signature=signature,
            init_ms=_NPU_INIT_MS,
            num_warmup=num_warmup,
            times_ms=tuple(times_ms),
            peak_memory_bytes=dict.fromkeys(("start", "load", "compile", "first", "run"), 0),
            events=(),
        )


def _cycled(values: Sequence[float], count: int) -> tuple[float, ...]:
    return tuple(islice(cycle(values), count))


def _slower(event: ProfiledEvent, pace: float) -> ProfiledEvent:
    durations_ms = tuple(duration * pace for duration in event.durations_ms)
    return replace(event, start_ms=event.start_ms * pace, durations_ms=durations_ms)
