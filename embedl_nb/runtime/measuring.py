"""One process measures one model, stage by stage: load, compile, first inference, warm-up, samples, then the profile.

All samples are taken with profiling off; operators are timed afterwards, in a compiled model of their own, and that
pass's memory does not count.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from embedl_nb import progress
from embedl_nb.runtime import litert_c
from embedl_nb.runtime.invocation import Invocation
from embedl_nb.runtime.memory import PeakMemory
from embedl_nb.runtime.options import options_toml
from embedl_nb.runtime.profile import PROFILER_CAPACITY, Profile, aggregate
from embedl_nb.runtime.raw_run import MeasureRequest, OutputsFor, RawRun
from embedl_nb.runtime.samples import first_sample, random_inputs, save_outputs
from embedl_nb.runtime.sampling import Samples, check_request, measure_samples, warm_up
from embedl_nb.runtime.session import CompiledModel, LoadedModel, SignatureInfo, environment, refusals_explained
from embedl_nb.runtime.threads import resolve_num_threads

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["measure"]

T = TypeVar("T")

_PROFILED_ITERATIONS, _FEWEST_PROFILED = 50, 3
_PROFILE_WARMUP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What is measured: a signature of a loaded model, its inputs and how they are run."""

    loaded: LoadedModel
    signature: SignatureInfo
    inputs: Arrays
    num_threads: int
    request: MeasureRequest

    def compile(self, *, profile: bool = False) -> CompiledModel:
        options = self.request.runtime_options
        return CompiledModel(self.loaded, num_threads=self.num_threads, runtime_options=options, profile=profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Headline:
    """What was measured with profiling off."""

    compile_ns: int
    first_ns: int
    warmup_ns: tuple[int, ...]
    samples: Samples
    outputs: Arrays


def measure(request: MeasureRequest) -> RawRun:
    """Measure a model from its file on.

    Raises
    ------
    InputError
        If the request cannot be meant, or the model or the inputs cannot be read.
    SignatureMismatchError
        If the inputs do not fit the model.
    UnsupportedOperatorError
        If the runtime has no kernel for an operator.
    """
    check_request(request)
    num_threads = resolve_num_threads(request.num_threads)
    options_toml(request.runtime_options, num_threads=num_threads, profile=False)  # refused before any work
    given = first_sample(request.inputs_path) if request.inputs_path is not None else None
    wall_start = time.time()
    environment()
    memory = PeakMemory()
    memory.end_stage("start")
    progress.emit("load")
    loaded, load_ns = _timed(lambda: LoadedModel(request.model_path))
    memory.end_stage("load")
    with closing(loaded):
        signature = loaded.signature(request.signature_key)
        inputs = given if given is not None else random_inputs(signature, request.seed)
        case = _Case(loaded=loaded, signature=signature, inputs=inputs, num_threads=num_threads, request=request)
        headline = _take_samples(case, memory)
        profile = Profile(events=(), profiled_ms=(), note="")
        if request.profile:
            profile = _profile(case, num_samples=len(headline.samples.times_ns))
    return RawRun(
        runtime_version=f"ai-edge-litert {litert_c.runtime_version()}",
        num_threads=num_threads,
        load_ms=load_ns / 1e6,
        compile_ms=headline.compile_ns / 1e6,
        first_ms=headline.first_ns / 1e6,
        warmup_ms=_to_ms(headline.warmup_ns),
        samples_ms=_to_ms(headline.samples.times_ns),
        settled=headline.samples.settled,
        peak_memory_bytes=memory.by_stage,
        memory_source=memory.source,
        profiled_ms=profile.profiled_ms,
        profile_note=profile.note,
        events=profile.events,
        # Last: whatever fails before leaves no file behind.
        outputs_path=None if request.outputs_for == OutputsFor.NOTHING else save_outputs(headline.outputs),
        inputs="given" if given is not None else "random",
        pid=os.getpid(),
        wall_start=wall_start,
    )


def _take_samples(case: _Case, memory: PeakMemory) -> _Headline:
    progress.emit("compile")
    compiled, compile_ns = _timed(case.compile)
    memory.end_stage("compile")
    with closing(compiled):
        with refusals_explained(case.loaded.path):
            invocation = Invocation(compiled, case.signature, case.inputs)
        with closing(invocation):
            with refusals_explained(case.loaded.path):
                first_ns = invocation.run_ns()
            memory.end_stage("first")
            warmup_ns = warm_up(invocation.run_ns, case.request)
            samples = measure_samples(invocation.run_ns, case.request)
            memory.end_stage("run")
            outputs = {f"0/{name}": array for name, array in invocation.read().items()}
    return _Headline(
        compile_ns=compile_ns,
        first_ns=first_ns,
        warmup_ns=warmup_ns,
        samples=samples,
        outputs=outputs,
    )


def _profile(case: _Case, *, num_samples: int) -> Profile:
    """Run the model again, for half the budget at most, and profile each iteration as long as the profiler has room.

    Events are fetched once the iterations are over: fetching them in between would leave each one cold caches.
    """
    progress.emit("profile")
    ends: list[int] = []
    most = max(_FEWEST_PROFILED, min(_PROFILED_ITERATIONS, num_samples))
    with (
        closing(case.compile(profile=True)) as compiled,
        closing(Invocation(compiled, case.signature, case.inputs)) as invocation,
    ):
        for _ in range(_PROFILE_WARMUP):
            invocation.run_ns()
        deadline = time.monotonic() + case.request.budget_s / 2
        with compiled.profiling():
            while len(ends) < most and (len(ends) < _FEWEST_PROFILED or time.monotonic() < deadline):
                invocation.run_ns()
                ends.append(compiled.num_events())
                if ends[-1] + ends[0] >= PROFILER_CAPACITY:  # the next one would not fit
                    break
        events = compiled.events()
    return aggregate([events[begin:end] for begin, end in itertools.pairwise([0, *ends])])


def _timed(work: Callable[[], T]) -> tuple[T, int]:
    start = time.perf_counter_ns()
    result = work()
    return result, time.perf_counter_ns() - start


def _to_ms(times_ns: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(time_ns / 1e6 for time_ns in times_ns)
