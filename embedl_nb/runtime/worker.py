"""The measured child: ``python -m embedl_nb.runtime.worker`` loads, compiles, runs and times models in LiteRT.

``run`` computes outputs for a caller who wants them and keeps models loaded; ``measure`` starts from nothing and
records each stage. Paths to arrays come in and go out (see arrays.py), numbers as JSON.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from embedl_nb import progress
from embedl_nb.errors import InputError
from embedl_nb.runtime import litert_c
from embedl_nb.runtime.arrays import load_arrays, save_arrays
from embedl_nb.runtime.dtypes import random_array
from embedl_nb.runtime.invocation import Invocation
from embedl_nb.runtime.memory import PeakMemory
from embedl_nb.runtime.options import options_toml
from embedl_nb.runtime.profile import Profile, aggregate
from embedl_nb.runtime.raw_run import MeasureRequest, RawRun
from embedl_nb.runtime.sampling import check_request, measure_samples, warm_up
from embedl_nb.runtime.serve import serve
from embedl_nb.runtime.session import CompiledModel, LoadedModel, SignatureInfo, environment, refusals_explained
from embedl_nb.runtime.threads import resolve_num_threads

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["main"]

T = TypeVar("T")

_KEPT_MODELS = 4
_PROFILED_ITERATIONS, _FEWEST_PROFILED = 50, 3
_PROFILE_WARMUP = 3


class _Models:
    """Compiled models that a repeated call finds ready, the least recently used leaving first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], tuple[LoadedModel, CompiledModel]] = OrderedDict()

    def get(self, path: str, num_threads: int) -> CompiledModel:
        """Return the model at ``path``, loaded anew if the file has changed."""
        try:
            stat = Path(path).stat()
        except OSError as err:
            raise InputError(f"there is no model file {path!r}") from err
        key = (path, stat.st_mtime_ns, stat.st_size, stat.st_ino, num_threads)
        if key not in self._kept:
            loaded = LoadedModel(path)
            try:
                self._kept[key] = loaded, CompiledModel(loaded, num_threads=num_threads, runtime_options={})
            except BaseException:
                loaded.close()
                raise
            if len(self._kept) > _KEPT_MODELS:
                _, (oldest_loaded, oldest_compiled) = self._kept.popitem(last=False)
                oldest_compiled.close()
                oldest_loaded.close()
        self._kept.move_to_end(key)
        return self._kept[key][1]


_models = _Models()


def _run(payload: dict[str, Any]) -> dict[str, Any]:
    """Compute the outputs of every sample in a file."""
    compiled = _models.get(payload["model_path"], resolve_num_threads(payload.get("num_threads")))
    signature = compiled.model.signature(payload.get("signature_key"))
    samples = _samples(payload["inputs_path"])
    outputs: Arrays = {}
    total_ns = 0
    with refusals_explained(compiled.model.path), contextlib.ExitStack() as stack:
        invocation: Invocation | None = None
        for done, (index, inputs) in enumerate(samples.items(), start=1):
            if invocation is not None and invocation.fits(inputs):
                invocation.write(inputs)
            else:
                stack.close()
                invocation = Invocation(compiled, signature, inputs)
                stack.callback(invocation.close)
            total_ns += invocation.run_ns()
            outputs.update({f"{index}/{name}": array for name, array in invocation.read().items()})
            progress.emit("run", done=done, total=len(samples))
    return {"outputs_path": _save_outputs(outputs), "seconds": total_ns / 1e9}


def _measure(payload: dict[str, Any]) -> dict[str, Any]:
    """Measure one model from its file on, stage by stage; profiling is off until all samples are taken."""
    request = MeasureRequest.from_json(payload)
    check_request(request)
    num_threads = resolve_num_threads(request.num_threads)
    options_toml(request.runtime_options, num_threads=num_threads, profile=False)  # refused before any work
    given = _first_sample(request.inputs_path) if request.inputs_path is not None else None
    wall_start = time.time()
    environment()
    memory = PeakMemory()
    memory.end_stage("start")
    progress.emit("load")
    loaded, load_ns = _timed(lambda: LoadedModel(request.model_path))
    memory.end_stage("load")
    signature = loaded.signature(request.signature_key)
    inputs = given if given is not None else _random_inputs(signature, request.seed)
    progress.emit("compile")
    compiled, compile_ns = _timed(
        lambda: CompiledModel(loaded, num_threads=num_threads, runtime_options=request.runtime_options)
    )
    memory.end_stage("compile")
    with refusals_explained(loaded.path):
        invocation = Invocation(compiled, signature, inputs)
        first_ns = invocation.run_ns()
    memory.end_stage("first")
    warmup_ns = warm_up(invocation.run_ns, request)
    samples = measure_samples(invocation.run_ns, request)
    memory.end_stage("run")
    outputs_path = _save_outputs({f"0/{name}": array for name, array in invocation.read().items()})
    invocation.close()
    compiled.close()
    profile = Profile(events=(), profiled_ms=(), note="")
    if request.profile:
        progress.emit("profile")
        profile = _profile(loaded, signature, inputs, num_threads, request, len(samples.times_ns))
    loaded.close()
    return RawRun(
        runtime_version=f"ai-edge-litert {litert_c.runtime_version()}",
        num_threads=num_threads,
        load_ms=load_ns / 1e6,
        compile_ms=compile_ns / 1e6,
        first_ms=first_ns / 1e6,
        warmup_ms=_to_ms(warmup_ns),
        samples_ms=_to_ms(samples.times_ns),
        settled=samples.settled,
        peak_memory_bytes=memory.by_stage,
        memory_source=memory.source,
        profiled_ms=profile.profiled_ms,
        profile_note=profile.note,
        events=profile.events,
        outputs_path=outputs_path,
        inputs="given" if given is not None else "random",
        pid=os.getpid(),
        wall_start=wall_start,
    ).to_json()


def _profile(
    loaded: LoadedModel,
    signature: SignatureInfo,
    inputs: Arrays,
    num_threads: int,
    request: MeasureRequest,
    num_samples: int,
) -> Profile:
    """Run the model again in a compiled model of its own, for half the budget at most, and profile each iteration.

    Events are fetched once the iterations are over: fetching them in between would leave each one cold caches.
    """
    compiled = CompiledModel(loaded, num_threads=num_threads, runtime_options=request.runtime_options, profile=True)
    invocation = Invocation(compiled, signature, inputs)
    for _ in range(_PROFILE_WARMUP):
        invocation.run_ns()
    deadline = time.monotonic() + request.budget_s / 2
    ends: list[int] = []
    most = max(_FEWEST_PROFILED, min(_PROFILED_ITERATIONS, num_samples))
    with compiled.profiling():
        while len(ends) < most and (len(ends) < _FEWEST_PROFILED or time.monotonic() < deadline):
            invocation.run_ns()
            ends.append(compiled.num_events())
    events = compiled.events()
    invocation.close()
    compiled.close()
    return aggregate([events[begin:end] for begin, end in itertools.pairwise([0, *ends])])


def _samples(inputs_path: str) -> dict[str, Arrays]:
    """Return the samples of a file by their number, each an array by input name."""
    samples: dict[str, Arrays] = {}
    for key, array in load_arrays(inputs_path).items():
        index, slash, name = key.partition("/")
        if not (slash and index.isdigit()):
            raise InputError(f"array {key!r} in {inputs_path!r} is not named like '0/input'")
        samples.setdefault(index, {})[name] = array
    return dict(sorted(samples.items(), key=lambda item: int(item[0])))


def _first_sample(inputs_path: str) -> Arrays:
    samples = _samples(inputs_path)
    if not samples:
        raise InputError(f"{inputs_path!r} holds no sample", hint="store arrays named like '0/input'")
    return next(iter(samples.values()))


def _random_inputs(signature: SignatureInfo, seed: int) -> Arrays:
    import numpy as np

    rng = np.random.default_rng(seed)
    for tensor in signature.inputs:
        if -1 in tensor.shape:
            raise InputError(
                f"input {tensor.name!r} has the open shape {tensor.shape}, which random inputs cannot fill",
                hint="give inputs of the size to measure",
            )
    return {tensor.name: random_array(rng, tensor.kind, tensor.shape) for tensor in signature.inputs}


def _save_outputs(outputs: Arrays) -> str:
    """Write outputs to a file that the caller reads and removes."""
    fd, path = tempfile.mkstemp(prefix="embedl_nb-outputs-", suffix=".npz")
    os.close(fd)
    try:
        save_arrays(path, outputs)
    except BaseException:
        Path(path).unlink()
        raise
    return path


def _timed(work: Callable[[], T]) -> tuple[T, int]:
    start = time.perf_counter_ns()
    result = work()
    return result, time.perf_counter_ns() - start


def _to_ms(times_ns: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(time_ns / 1e6 for time_ns in times_ns)


def main() -> None:
    """Serve the commands until the parent hangs up."""
    serve({"run": _run, "measure": _measure})


if __name__ == "__main__":
    main()
