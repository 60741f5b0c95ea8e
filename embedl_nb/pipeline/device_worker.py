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
from embedl_nb.stopping import Stop
from embedl_nb.units import format_ms

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
    """What a worker tells: where it stands, an outcome by its name, or that it has ended.

    Attributes
    ----------
    share
        Of its work that is done, 0 to 1.
    """

    device: str
    text: str = ""
    share: float = 0.0
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
        self._num_done, self._num_units, self._share = 0, 1, 0.0

    def start(self, said: queue.SimpleQueue[Said], *, others: Sequence[Worker]) -> None:
        """Begin; everything is told through ``said``."""
        self._said, self._others = said, others
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._stop.covering, self._work), name=f"embedl_nb {self.address}", daemon=True
        )
        self._thread.start()

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
            pass  # it was asked to, and whoever asked knows
        finally:
            self.is_busy = False
            self._said.put(Said(device=self.address, is_last=True))

    def _measure_all(self) -> None:
        named = _outcome(self.address, self._named_units)
        if isinstance(named, EmbedlError):
            self._tell(self.address, named)
            return
        self._num_units = len(named)
        for number, (name, unit) in enumerate(named):
            self._num_done, self._share = number, number / self._num_units
            self._tell(name, self._measured(name, unit))

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
        self._show("lost; it is used again if it comes back")
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
        if isinstance(outcome, Benchmark):
            text = f"done: p50 {format_ms(outcome.latency.p50_ms)}"
        else:
            text = f"failed: {type(outcome).__name__}"
        self._said.put(Said(device=self.address, text=text, share=1.0, name=name, outcome=outcome))

    def _pass_on(self, event: progress.Event) -> None:
        if event.stage == "process" and event.done is not None and event.total:
            self._share = (self._num_done + event.done / event.total) / self._num_units
        self._show(event.message or event.stage)

    def _show(self, text: str) -> None:
        self._said.put(Said(device=self.address, text=text, share=self._share))


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
