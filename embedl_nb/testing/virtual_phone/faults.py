"""What is wrong with a virtual phone: a value that can be changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Crash", "Faults", "Miscomputed"]


class Crash(StrEnum):
    """How ``benchmark_model`` dies, with the exit code that the phone's shell gives for it."""

    SEGMENTATION_FAULT = "segmentation fault"
    """139."""
    ABORT = "abort"
    """134, of an exception that nobody caught."""
    ILLEGAL_INSTRUCTION = "illegal instruction"
    """132, on a core that lacks what the program was compiled for."""
    KILLED = "killed"
    """137, by whoever frees memory."""


class Miscomputed(StrEnum):
    """What comes out instead of the model's outputs."""

    NAN = "nan"
    """NaN in every float; integers are 0."""
    SWAPPED = "swapped"
    """The right values in the opposite order."""
    CONSTANT = "constant"
    """The first value everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Everything that can be wrong; by default nothing is.

    Attributes
    ----------
    unauthorized
        Its owner has not accepted this computer's key yet.
    silent
        It takes the connection and never says a word, which adb calls offline.
    mode
        What it was started as, where that is not ``"device"``: ``"recovery"``, ``"sideload"``, ``"bootloader"``.
    unplug_after_pushed_bytes, unplug_after_pulled_bytes, unplug_after_output_bytes
        The cable comes out once so many bytes of pushed files, pulled files or output of commands have passed,
        counted from when the fault was set.
    bytes_per_s
        How fast the link is, in each direction.
    storage_bytes
        How much more fits on it.
    no_exec
        Nothing that was pushed may be run.
    missing_library
        A library that ``benchmark_model`` is linked with and that is not there.
    crash, hang
        What ``benchmark_model`` does instead of measuring.
    gpu_works, npu_works
        Whether the unit can be used; without, the tool goes on with the CPU and does not say so. Times are the CPU's
        either way. An NPU takes the libraries that were pushed for it as well, and what was compiled for its chip.
    gpu_refuses
        Operators that the GPU's library leaves to the CPU.
    outputs
        What its silicon makes of models instead of the right outputs, a :class:`Miscomputed`; as fast as ever.
    celsius_per_busy_s
        How much warmer its skin gets with each second of work; it throttles once it is hot.
    charging
        Whether it hangs on a charger.
    hides_current
        A shell is not let see its battery's current.
    gauge_every_s
        How often its battery's gauge says something new.
    """

    unauthorized: bool = False
    silent: bool = False
    mode: str = "device"
    unplug_after_pushed_bytes: int | None = None
    unplug_after_pulled_bytes: int | None = None
    unplug_after_output_bytes: int | None = None
    bytes_per_s: float | None = None
    storage_bytes: int | None = None
    no_exec: bool = False
    missing_library: str = ""
    crash: Crash | None = None
    hang: bool = False
    gpu_works: bool = False
    gpu_refuses: frozenset[str] = frozenset()
    npu_works: bool = False
    outputs: Miscomputed | str | None = None
    celsius_per_busy_s: float = 0.0
    charging: bool = False
    hides_current: bool = False
    gauge_every_s: float = 0.1
