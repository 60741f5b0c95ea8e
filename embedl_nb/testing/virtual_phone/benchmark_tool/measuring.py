"""One measurement in a process of its own, by the worker that measures on the host. Blocks; can be stopped.

The tool runs for at least so many times and at least so many seconds; the worker takes numbers only, so where seconds
were asked for, a first short measurement finds out how many inferences they are.
"""

from __future__ import annotations

import math
import os
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

from embedl_nb.errors import UnknownNameError
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import ModelGraph, Subgraph
from embedl_nb.model.spec import Signature
from embedl_nb.runtime.process import Child
from embedl_nb.runtime.raw_run import MeasureRequest, RawRun
from embedl_nb.runtime.running import WORKER, WORKER_NAME
from embedl_nb.runtime.threads import default_num_threads
from embedl_nb.testing.virtual_phone.benchmark_tool.flags import ParsedFlags

__all__ = ["Measured", "Measurement", "StoppedError"]

_LIMIT_S = 3600.0
_PROFILE_BUDGET_S = 5.0


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
        Every inference from the first on.
    """

    graph: ModelGraph
    signature: Signature
    raw: RawRun
    num_warmup: int
    times_ms: tuple[float, ...]

    @property
    def subgraph(self) -> Subgraph:
        """What was run."""
        return self.graph.subgraphs[self.signature.subgraph_index]


class Measurement:
    """Measures one model once; :meth:`run` blocks, :meth:`stop` may be called from another thread."""

    def __init__(self, model: Path, flags: ParsedFlags) -> None:
        self._model, self._flags = model, flags
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
        flags = self._flags
        graph = read_model(self._model)
        signature = _signature(graph, flags.text("signature_to_run_for"))
        asked_threads = int(flags.number("num_threads"))
        request = MeasureRequest(
            model_path=str(self._model),
            signature_key=signature.key or None,
            # More threads than this machine has cores would only wait for each other.
            num_threads=min(asked_threads, os.cpu_count() or 1) if asked_threads > 0 else default_num_threads(),
            budget_s=_PROFILE_BUDGET_S if flags.is_on("use_profiler") else 0.0,
        )
        num_warmup, num_runs = self._numbers(request)
        # The first inference is the tool's first warm-up, or its first run.
        iterations = max(1, num_runs if num_warmup else num_runs - 1)
        raw = self._ask(replace(request, warmup=max(0, num_warmup - 1), iterations=iterations))
        times_ms = (raw.first_ms, *raw.warmup_ms, *raw.samples_ms)[: num_warmup + num_runs]
        return Measured(graph=graph, signature=signature, raw=raw, num_warmup=num_warmup, times_ms=times_ms)

    def stop(self) -> None:
        """Have it end now."""
        self._is_stopped = True
        if self._child is not None:
            self._child.kill()

    def _numbers(self, request: MeasureRequest) -> tuple[int, int]:
        """Return how many inferences the warm-up and the measurement take."""
        flags = self._flags
        if flags.is_on("dry_run"):
            return 0, 0
        asked = [
            (int(flags.number(runs)), flags.number(seconds))
            for runs, seconds in (("warmup_runs", "warmup_min_secs"), ("num_runs", "min_secs"))
        ]
        if all(seconds <= 0 for _runs, seconds in asked):
            return max(0, asked[0][0]), max(0, asked[1][0])
        probe = self._ask(replace(request, warmup=1, iterations=3, profile=False))
        each_s = max(1e-6, statistics.median(probe.samples_ms) / 1e3)
        most = int(max(0.0, flags.number("max_secs")) / each_s) + 1
        warmup, runs = (min(most, max(least, math.ceil(seconds / each_s))) for least, seconds in asked)
        return warmup, runs

    def _ask(self, request: MeasureRequest) -> RawRun:
        if self._is_stopped:
            raise StoppedError
        with Child(WORKER, what=WORKER_NAME) as child:
            self._child = child
            raw = RawRun.from_json(child.request("measure", request.to_json(), timeout_s=_LIMIT_S))
        if raw.outputs_path is not None:
            Path(raw.outputs_path).unlink(missing_ok=True)
        return raw


def _signature(graph: ModelGraph, key: str) -> Signature:
    if not key:
        return graph.signatures[0]
    for signature in graph.signatures:
        if signature.key == key:
            return signature
    raise UnknownNameError.among("signature", key, [each.key for each in graph.signatures])
