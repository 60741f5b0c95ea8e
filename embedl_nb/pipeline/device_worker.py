"""One device's part of a benchmark on many: its units one after the other, in a thread, with a lease of its own.

A device that is lost is measured once more if it comes back while others are still at work, or soon after.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from embedl_nb import progress, stopping
from embedl_nb.device import DeviceAddress, open_device
from embedl_nb.errors import BenchmarkError, DeviceLost, EmbedlError
from embedl_nb.measure import Benchmark
from embedl_nb.measure.afterwards import InterruptedAfterwards
from embedl_nb.stopping import Stop

__all__ = ["EVERY_UNIT", "MeasureOne", "Outcome", "Said", "Worker"]

EVERY_UNIT = "all"
"""Asks for each unit that the device offers."""
_LOOK_S = 0.5
_LINGER_S = 5.0

_Result = TypeVar("_Result")
Outcome = Benchmark | EmbedlError


class MeasureOne(Protocol):
    """Measures on one device; everything else of the benchmark is settled."""

    def __call__(self, device: str | DeviceAddress, /, *, compute_unit: str, warn: bool = True) -> Benchmark:
        """Measure there, on one unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a worker tells: where it stands, an outcome by its name, or that it has ended."""

    device: str
    event: progress.Event | None = None
    name: str = ""
    outcome: Outcome | None = None
    is_last: bool = False


class Worker:
    """One device's benchmarks, in a thread of their own.

    Parameters
    ----------
    units
        Of several the results are called ``"address | unit"``; of one, given as text, by the address alone.

    Attributes
    ----------
    is_busy
        Whether it measures; not while it waits for a device that was lost.
    returned
        How the device was lost before it came back, by the name of the result.
    """

    def __init__(self, address: str, units: Sequence[str] | str, measure_one: MeasureOne) -> None:
        self.address = address
        self.is_busy = True
        self.returned: dict[str, DeviceLost] = {}
        self._units = units
        self._measure_one = measure_one
        self._stop = Stop()
        self._is_cancelled = False

    def start(self, said: queue.SimpleQueue[Said], *, others: Sequence[Worker]) -> None:
        """Begin; everything is told through ``said``."""
        self._said, self._others = said, others
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._stop.covering, self._work), name=f"embedl_nb {self.address}", daemon=True
        )
        self._thread.start()

    def cancel(self) -> None:
        """Have it end, and say so in place of its result."""
        self._is_cancelled = True
        self._stop.ask()

    def ask_to_stop(self) -> None:
        """Have it end as Ctrl-C ends a single benchmark."""
        self._stop.ask()

    def join(self, *, until: float) -> None:
        """Wait for its end, or until a time of the monotonic clock."""
        self._thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        try:
            with progress.listening(self._pass_on, alone=True):
                self._measure_all()
        except KeyboardInterrupt:
            if self._is_cancelled:  # else everything ends, and whoever asked knows
                message = f"{self.address} was cancelled before it was done"
                self._tell(self.address, BenchmarkError(message, hint="run it again for this device alone"))
        finally:
            self.is_busy = False
            self._said.put(Said(device=self.address, is_last=True))

    def _measure_all(self) -> None:
        named = _outcome(self.address, self._named_units)
        if isinstance(named, EmbedlError):
            self._tell(self.address, named)
            return
        for name, unit in named:
            try:
                self._tell(name, self._measured(name, unit))
            except InterruptedAfterwards as stopped:
                self._tell(name, stopped.result)
                if name != named[-1][0]:
                    raise

    def _measured(self, name: str, unit: str) -> Outcome:
        measure = partial(_outcome, name, partial(self._measure_one, self.address, compute_unit=unit, warn=False))
        outcome = measure()
        if not isinstance(outcome, DeviceLost) or not self._comes_back():
            return outcome
        again = measure()
        if isinstance(again, Benchmark):
            self.returned[name] = outcome
        return again

    def _comes_back(self) -> bool:
        """Wait for a device that was lost, while others are at work and a little longer; whether it answers again."""
        self._pass_on(progress.Event(stage="lost", message="lost; it is used again if it comes back"))
        self.is_busy = False
        until = time.monotonic() + _LINGER_S
        try:
            while True:
                stopping.check()
                if any(other.is_busy for other in self._others):
                    until = time.monotonic() + _LINGER_S
                try:
                    open_device(self.address)
                except EmbedlError:
                    if time.monotonic() > until:
                        return False
                    time.sleep(_LOOK_S)
                else:
                    return True
        finally:
            self.is_busy = True

    def _named_units(self) -> list[tuple[str, str]]:
        units = self._units
        if units == EVERY_UNIT:
            units = tuple(str(unit) for unit in open_device(self.address).info.compute_units)
        if isinstance(units, str):
            return [(self.address, units)]
        return [(f"{self.address} | {unit}", unit) for unit in units]

    def _tell(self, name: str, outcome: Outcome) -> None:
        self._said.put(Said(device=self.address, name=name, outcome=outcome))

    def _pass_on(self, event: progress.Event) -> None:
        self._said.put(Said(device=self.address, event=event))


def _outcome(name: str, act: Callable[[], _Result]) -> _Result | EmbedlError:
    """Return what ``act`` returns, or what went wrong: whatever that is, the other devices go on."""
    try:
        return act()
    except EmbedlError as err:
        return err
    except Exception as err:
        failed = BenchmarkError(f"{name}: {type(err).__name__}: {err}", hint="see the error's __cause__")
        failed.__cause__ = err
        return failed
