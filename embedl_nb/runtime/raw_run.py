"""What a measured process is asked and what it answers: raw samples and events, no statistics, no opinions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = [
    "EventKind",
    "ExecutionPath",
    "HeatReading",
    "MeasureRequest",
    "OutputsFor",
    "ProfiledEvent",
    "RawRun",
    "TimesSummary",
]


class OutputsFor(StrEnum):
    """What somebody does with the outputs; for a device where they take another process."""

    NOTHING = "nothing"
    CHECK = "check"
    """They are compared, where they can be had; otherwise the run says why not."""
    REQUIRED_CHECK = "required check"
    """Without them there is to be no run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRequest:
    """How one process is to measure one model.

    Attributes
    ----------
    model_path
        The ``.tflite`` file.
    signature_key
        Which signature; None for the model's only or first one.
    inputs_path
        ``.npz`` with arrays ``"<i>/<input name>"``; sample 0 is measured. None for random inputs from ``seed``.
    num_threads
        None for the default of :func:`embedl_nb.runtime.threads.default_num_threads`.
    warmup, iterations
        Number of untimed and timed inferences. None: as :func:`embedl_nb.runtime.sampling.warm_up` says, and until the
        median settles.
    min_iterations, max_iterations, budget_s, settle_ratio
        For ``iterations=None``: stop once the 95 % confidence interval of the median is narrower than ``settle_ratio``
        of it, never before ``min_iterations``, at ``max_iterations`` or after ``budget_s`` seconds at the latest.
    profile
        Whether to measure operators in a second pass.
    runtime_options
        Options of the runtime by name, see :data:`embedl_nb.runtime.options.RUNTIME_OPTIONS`.
    compute_unit, allow_fallback
        Where it is to run, and whether another unit may take over what that one does not; of a device that offers more
        than one.
    outputs_for
        What becomes of the outputs.
    """

    model_path: str
    signature_key: str | None = None
    inputs_path: str | None = None
    seed: int = 0
    num_threads: int | None = None
    warmup: int | None = None
    iterations: int | None = None
    min_iterations: int = 30
    max_iterations: int = 2000
    budget_s: float = 5.0
    settle_ratio: float = 0.02
    profile: bool = True
    runtime_options: dict[str, str] = dataclasses.field(default_factory=dict)
    compute_unit: str = "cpu"
    allow_fallback: bool = True
    outputs_for: str = OutputsFor.CHECK

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> MeasureRequest:
        """Rebuild what :meth:`to_json` gave."""
        return cls(**data)


class EventKind(StrEnum):
    """Who ran what an event timed."""

    DELEGATE = "delegate"
    """A kernel of a delegate (XNNPACK); it may cover several operators of the model."""
    OPERATOR = "operator"
    """One operator, by the runtime's own kernels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfiledEvent:
    """One step of an inference as the runtime's profiler reports it, over all profiled iterations.

    Attributes
    ----------
    index
        Position in the inference.
    name
        The runtime's own name: ``"CONV_2D"``, ``"Convolution (NHWC, F32) IGEMM"``.
    node_index
        The operator's index in its subgraph; for a delegate's kernel, its step within the delegate. None where the
        runtime gives none.
    subgraph_index
        Subgraph of the model, 0 is the main one.
    start_ms
        Median start after the beginning of the inference.
    durations_ms
        One duration for each profiled iteration.
    compute_unit
        Where it ran; ``"unknown"`` where the runtime does not say.
    """

    index: int
    name: str
    kind: EventKind
    node_index: int | None
    subgraph_index: int
    start_ms: float
    durations_ms: tuple[float, ...]
    compute_unit: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimesSummary:
    """What a tool says of timed inferences that it does not list.

    Attributes
    ----------
    n
        How many.
    """

    n: int
    min_ms: float
    max_ms: float
    mean_ms: float
    std_ms: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPath:
    """Where a run was seen to go, by what the runtime wrote.

    Attributes
    ----------
    compute_unit
        The unit that took the model or a part of it; ``"unknown"`` where nothing was said.
    sentence
        How much of it: ``"62 of 62 operators on the GPU (OpenCL)"``.
    cause
        Why it is not the unit that was asked for, or not all of it; ``""`` where it is.
    is_whole
        Whether all of it ran on the unit that was asked for.
    num_taken, num_operators
        The same in numbers: by that unit, and of how many; None where the runtime does not say.
    """

    compute_unit: str
    sentence: str
    cause: str = ""
    is_whole: bool = True
    num_taken: int | None = None
    num_operators: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatReading:
    """Heat and clocks at one moment of a run; None where the device does not say.

    Attributes
    ----------
    temperature_celsius
        The hottest of the CPU's sensors.
    thermal_status
        Of Android, from 0 to 6.
    clock_hz
        Mean of the cores.
    """

    temperature_celsius: float | None = None
    skin_celsius: float | None = None
    thermal_status: int | None = None
    clock_hz: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRun:
    """Everything one process measured.

    Attributes
    ----------
    num_threads
        The number that was used; None where a tool chose it and does not say.
    load_ms, compile_ms, first_ms
        Reading the file; creating the compiled model; the first inference.
    warmup_ms, samples_ms
        Untimed and timed inferences, in order. A sample is the inference alone: inputs are in place before it, outputs
        are read after it.
    settled
        Whether the median settled within the budget; None where the number of iterations was given.
    peak_memory_bytes
        Peak resident memory by stage (``start``, ``load``, ``compile``, ``first``, ``run``).
    memory_source
        ``"VmHWM"``: the peak of each stage alone; ``"ru_maxrss"``: the peak so far, which can only grow.
    profiled_ms
        Duration of each profiled iteration, in the order of ``ProfiledEvent.durations_ms``.
    profile_note
        What was wrong with the profile in one sentence; empty where nothing was.
    outputs_path
        ``.npz`` with the outputs ``"0/<output name>"`` of the request's inputs; None where there are none.
    outputs_note
        Which program gave the outputs, where it is another one than was timed; without outputs, why there are none.
    inputs
        What was timed: ``"given"`` or ``"random"``.
    wall_start
        When the process began to measure, in Unix seconds.
    summary
        Of a tool that lists no samples: what it says of them. ``samples_ms`` is empty then, and each event has one
        duration, its mean.
    path
        Where it ran; None where the device has one unit only.
    tool
        What measured, and its SHA-256, where that is a program of its own.
    during
        Heat and clocks while it ran, read where that does not disturb the timed inferences.
    load_kind
        ``"cold"`` where the process found nothing compiled or packed by an earlier one, ``"cached"`` where it did;
        empty where the device does not say.
    outputs_in_float16
        Whether what gave the outputs was allowed to compute in half precision, by its own words.
    """

    runtime_version: str
    num_threads: int | None
    load_ms: float
    compile_ms: float
    first_ms: float
    warmup_ms: tuple[float, ...]
    samples_ms: tuple[float, ...]
    settled: bool | None
    peak_memory_bytes: dict[str, int]
    memory_source: str
    profiled_ms: tuple[float, ...]
    profile_note: str
    events: tuple[ProfiledEvent, ...]
    outputs_path: str | None
    inputs: str
    pid: int
    wall_start: float
    summary: TimesSummary | None = None
    path: ExecutionPath | None = None
    tool: dict[str, str] = dataclasses.field(default_factory=dict)
    during: tuple[HeatReading, ...] = ()
    outputs_note: str = ""
    load_kind: str = ""
    outputs_in_float16: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RawRun:
        """Rebuild what :meth:`to_json` gave, also after a trip through JSON."""
        events = tuple(
            ProfiledEvent(**{**event, "kind": EventKind(event["kind"]), "durations_ms": tuple(event["durations_ms"])})
            for event in data["events"]
        )
        samples = {key: tuple(data[key]) for key in ("warmup_ms", "samples_ms", "profiled_ms")}
        summary = None if data.get("summary") is None else TimesSummary(**data["summary"])
        path = None if data.get("path") is None else ExecutionPath(**data["path"])
        during = tuple(HeatReading(**reading) for reading in data.get("during", ()))
        return cls(**{**data, **samples, "events": events, "summary": summary, "path": path, "during": during})
