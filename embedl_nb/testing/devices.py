"""A virtual device: it leases, measures and fails like a real one, and makes its numbers up. Their provenance says so.

Its times come from a seed and the model's operators, so that the same request gives the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from embedl_nb.device.address import DeviceAddress
from embedl_nb.device.conditions import Conditions
from embedl_nb.device.info import DeviceInfo
from embedl_nb.errors import DeviceBusy, DeviceNotFound
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.runtime.raw_run import (
    EventKind,
    ExecutionPath,
    MeasureRequest,
    ProfiledEvent,
    RawRun,
    TimesSummary,
)
from embedl_nb.units import ComputeUnit, Provenance

__all__ = ["VirtualDevice", "VirtualProvider"]

_PROFILED = 20


class VirtualDevice:
    """One made-up device.

    Parameters
    ----------
    name
        The part of its address after ``virtual://``.
    compute_units
        What it offers.
    samples_ms
        Makes the timed iterations of process ``number`` (from 0) of length n; by default 5 ms with 1 % of noise.
    outputs_path
        Makes the file of outputs for a request; by default there are none.
    is_summarizing
        Whether it says of its iterations and layers what a phone's tool says: no single times, and where it ran.
    before_run
        Called with the number of each process before it runs; raise here to have it fail.
    conditions
        Readings in order, the last one repeated; by default a quiet machine.

    Attributes
    ----------
    requests
        What it was asked, in order.
    is_leased
        Whether somebody holds it now.
    """

    def __init__(
        self,
        *,
        name: str = "bench",
        compute_units: tuple[ComputeUnit, ...] = (ComputeUnit.CPU,),
        samples_ms: Callable[[int, int], Sequence[float]] | None = None,
        outputs_path: Callable[[MeasureRequest], str] | None = None,
        is_summarizing: bool = False,
        before_run: Callable[[int], None] | None = None,
        conditions: Sequence[Conditions] = (),
    ) -> None:
        self.requests: list[MeasureRequest] = []
        self.is_leased = False
        self._name = name
        self._compute_units = compute_units
        self._samples_ms = samples_ms or _steady_samples_ms
        self._outputs_path = outputs_path
        self._is_summarizing = is_summarizing
        self._before_run = before_run
        self._conditions = list(conditions)

    @property
    def info(self) -> DeviceInfo:
        """Made-up facts."""
        return DeviceInfo(
            address=f"virtual://{self._name}",
            name=f"virtual {self._name}",
            cpu="Made-up CPU",
            num_cores=4,
            memory_bytes=8 * 2**30,
            os="Virtual 1.0",
            compute_units=self._compute_units,
            provenance=Provenance.VIRTUAL,
        )

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Hold it; a second holder is refused at once.

        Raises
        ------
        DeviceBusy
            If it is held already.
        """
        if self.is_leased:
            raise DeviceBusy(f"{self.info.address} is in use", address=self.info.address, hint="wait for its holder")
        self.is_leased = True
        try:
            yield
        finally:
            self.is_leased = False

    def run(self, request: MeasureRequest) -> RawRun:
        """Make a run up; every operator is run by the runtime's own kernels, for a time of its own."""
        number = len(self.requests)
        self.requests.append(request)
        if self._before_run is not None:
            self._before_run(number)
        samples_ms = tuple(self._samples_ms(number, request.iterations or request.min_iterations))
        events = _events(request, total_ms=float(np.median(samples_ms))) if request.profile else ()
        peaks = {"start": 20, "load": 22, "compile": 30, "first": 31, "run": 31}
        run = RawRun(
            runtime_version="virtual 1.0",
            num_threads=request.num_threads or 1,
            load_ms=2.0,
            compile_ms=10.0,
            first_ms=samples_ms[0] * 2,
            warmup_ms=samples_ms[: request.warmup or 0],
            samples_ms=samples_ms,
            settled=None if request.iterations else True,
            peak_memory_bytes={stage: mebibytes * 2**20 for stage, mebibytes in peaks.items()},
            memory_source="made up",
            profiled_ms=tuple(sum(event.durations_ms[i] for event in events) * 1.02 for i in range(_PROFILED))
            if events
            else (),
            profile_note="",
            events=events,
            outputs_path=self._outputs_path(request) if self._outputs_path else None,
            inputs="random" if request.inputs_path is None else "given",
            pid=number,
            wall_start=1_795_366_861.0,
        )
        return _summarized(run, request) if self._is_summarizing else run

    def conditions(self) -> Conditions:
        """Return the next prepared reading, or a quiet machine's."""
        if self._conditions:
            return self._conditions.pop(0) if len(self._conditions) > 1 else self._conditions[0]
        return Conditions(clock_s=time.monotonic(), busy_s=0.0, measured_s=0.0, stolen_s=0.0)


class VirtualProvider:
    """Knows the virtual devices it was given; use it with :func:`embedl_nb.device.registry.using_provider`."""

    def __init__(self, *devices: VirtualDevice) -> None:
        self._devices = {device.info.address: device for device in devices}

    @property
    def scheme(self) -> str:
        """``virtual``."""
        return "virtual"

    def addresses(self) -> tuple[str, ...]:
        """Return the address of each."""
        return tuple(self._devices)

    def devices(self) -> tuple[DeviceInfo, ...]:
        """Return the facts of each."""
        return tuple(device.info for device in self._devices.values())

    def open(self, address: DeviceAddress) -> VirtualDevice:
        """Return the device at ``address``.

        Raises
        ------
        DeviceNotFound
            If it has none of this name.
        """
        if str(address) not in self._devices:
            raise DeviceNotFound(
                f"there is no {address}", address=str(address), hint=f"one of: {', '.join(self._devices) or 'none'}"
            )
        return self._devices[str(address)]


def _summarized(run: RawRun, request: MeasureRequest) -> RawRun:
    """Return a run as a tool tells it that keeps no single times."""
    samples_ms = np.asarray(run.samples_ms)
    p50, p95 = (float(value) for value in np.percentile(samples_ms, (50, 95)))
    return replace(
        run,
        samples_ms=(),
        warmup_ms=(),
        profiled_ms=run.profiled_ms[:1],
        events=tuple(replace(event, durations_ms=event.durations_ms[:1]) for event in run.events),
        summary=TimesSummary(
            n=len(samples_ms),
            min_ms=float(samples_ms.min()),
            max_ms=float(samples_ms.max()),
            mean_ms=float(samples_ms.mean()),
            std_ms=float(samples_ms.std()),
            p50_ms=p50,
            p95_ms=p95,
        ),
        path=ExecutionPath(compute_unit=request.compute_unit, sentence="made up"),
        tool={"benchmark_model": "virtual"},
    )


def _steady_samples_ms(number: int, count: int) -> Sequence[float]:
    random = np.random.default_rng(number)
    return [float(value) for value in 5.0 * (1 + 0.01 * np.abs(random.normal(size=count)))]


def _events(request: MeasureRequest, *, total_ms: float) -> tuple[ProfiledEvent, ...]:
    operators = read_model(request.model_path).main.operators
    each_ms = total_ms / max(1, len(operators))
    return tuple(
        ProfiledEvent(
            index=index,
            name=operator.type_name,
            kind=EventKind.OPERATOR,
            node_index=operator.index,
            subgraph_index=0,
            start_ms=index * each_ms,
            durations_ms=(each_ms,) * _PROFILED,
        )
        for index, operator in enumerate(operators)
    )
