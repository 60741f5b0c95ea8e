"""How a measurement is to be taken: the caller's options, checked once, before any device is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from numbers import Integral
from typing import Any

from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.measure.duration import parse_duration
from embedl_nb.units import ComputeUnit

__all__ = ["BUDGET_S", "MAX_ITERATIONS", "MIN_ITERATIONS", "SEED", "SETTLE_RATIO", "MeasureOptions"]

SEED = 0
"""Random inputs and the bootstrap start from here, so that a repeat differs by the machine alone."""

MIN_ITERATIONS = 100
MAX_ITERATIONS = 2_000
BUDGET_S = 3.0
"""Time for the timed iterations of one process; warm-up, loading and profiling come on top."""

SETTLE_RATIO = 0.02
"""The median has settled once its own 95 % interval is narrower than this share of it."""

_MAX_PROCESSES = 100
_MAX_COUNT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """The options of one benchmark, as given by the caller.

    Attributes
    ----------
    compute_unit
        Where the model is asked to run.
    allow_fallback
        Whether another unit may take over; it is then said aloud.
    num_threads
        Threads of the CPU kernels; None takes one for each processor this process may use, 4 at the most.
    processes
        Fresh processes, >= 1. One process cannot tell how much a restart changes.
    iterations
        Timed iterations in each process, >= 1; None runs until the median settles or the budget ends.
    warmup
        Untimed iterations before, >= 0; None leaves it to the worker.
    profile
        Whether a separate pass with the runtime's profiler gives the layers.
    runtime_options
        Further options handed to the runtime as they are.
    energy
        Whether the energy of an inference is measured, in a loop of its own.
    sustain_s
        How long the model is run on after the processes, for its latency over minutes; None for not at all.
    """

    compute_unit: ComputeUnit = ComputeUnit.CPU
    allow_fallback: bool = True
    num_threads: int | None = None
    processes: int = 3
    iterations: int | None = None
    warmup: int | None = None
    profile: bool = True
    runtime_options: dict[str, str] = field(default_factory=dict)
    energy: bool = False
    sustain_s: float | None = None

    @classmethod
    def checked(
        cls,
        *,
        compute_unit: str,
        allow_fallback: bool,
        num_threads: int | None,
        processes: int,
        iterations: int | None,
        warmup: int | None,
        profile: bool,
        runtime_options: Mapping[str, str] | None,
        energy: bool = False,
        sustain: str | None = None,
    ) -> MeasureOptions:
        """Check every option by itself.

        Raises
        ------
        InputError
            Naming the option and its value.
        UnknownNameError
            For a compute unit that does not exist.
        """
        return cls(
            compute_unit=_compute_unit(compute_unit),
            allow_fallback=_flag("allow_fallback", allow_fallback),
            num_threads=_optional_count("num_threads", num_threads, least=1, most=1024),
            processes=_count("processes", processes, least=1, most=_MAX_PROCESSES),
            iterations=_optional_count("iterations", iterations, least=1, most=_MAX_COUNT),
            warmup=_optional_count("warmup", warmup, least=0, most=_MAX_COUNT),
            profile=_flag("profile", profile),
            runtime_options=_strings("runtime_options", {} if runtime_options is None else runtime_options),
            energy=_flag("energy", energy),
            sustain_s=None if sustain is None else parse_duration("sustain", sustain),
        )

    def to_record(self) -> dict[str, Any]:
        """Return the options as plain JSON data."""
        return {**asdict(self), "compute_unit": str(self.compute_unit)}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> MeasureOptions:
        """Rebuild what :meth:`to_record` wrote."""
        return cls(**{**record, "compute_unit": ComputeUnit(record["compute_unit"])})


def _compute_unit(value: object) -> ComputeUnit:
    name = value.strip().lower() if isinstance(value, str) else value
    if not isinstance(name, str):
        raise InputError(f"compute_unit={value!r} is not a name", hint="one of: cpu, gpu, npu")
    if name not in tuple(ComputeUnit):
        raise UnknownNameError.among("compute_unit", name, tuple(ComputeUnit))
    return ComputeUnit(name)


def _count(option: str, value: object, *, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{option}={value!r} is not a whole number", hint=f"give {option}={least} or more")
    if not least <= int(value) <= most:
        raise InputError(f"{option}={value!r} is out of range", hint=f"give {option} between {least} and {most}")
    return int(value)


def _optional_count(option: str, value: object, *, least: int, most: int) -> int | None:
    return None if value is None else _count(option, value, least=least, most=most)


def _flag(option: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{option}={value!r} is neither True nor False", hint=f"give {option}=True or {option}=False")
    return value


def _strings(option: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) and key for key in value):
        raise InputError(f"{option}={value!r} is not a dict of names", hint=f'give {option}={{"name": "value"}}')
    wrong = [key for key, item in value.items() if not isinstance(item, (str, int, float))]
    if wrong:
        raise InputError(
            f"{option}[{wrong[0]!r}]={value[wrong[0]]!r} is not text or a number", hint="write the value as text"
        )
    return {key: _option_text(item) for key, item in value.items()}


def _option_text(item: str | int | float) -> str:
    return str(item).lower() if isinstance(item, bool) else str(item)
