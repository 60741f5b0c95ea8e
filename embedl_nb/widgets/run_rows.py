"""A run's events as the rows of the monitor, one for each job. Plain JSON for the browser.

An event tells what is new; a row keeps what single events told before: the latest temperature, the last latencies.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from embedl_nb.commands.lines import shortened
from embedl_nb.errors import BenchmarkError, EmbedlError
from embedl_nb.progress import Event, Job
from embedl_nb.units import format_ms

__all__ = ["RunRow"]

_NUM_LATENCIES = 60
_LONGEST_LINE = 200


class RunRow:
    """Where one job stands, and what was measured in it so far.

    Parameters
    ----------
    name
        The device's address; ``""`` where the work is a single job.

    Attributes
    ----------
    is_cancelling
        Whether it was asked to end.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_cancelling = False
        self._event = Event(stage="starting")
        self._errors: tuple[EmbedlError, ...] = ()
        self._is_over = self._is_stopped = False
        self._process = ""
        self._latencies_ms: deque[float] = deque(maxlen=_NUM_LATENCIES)
        self._temperature_celsius: float | None = None
        self._asked = self._got = ""

    def take(self, event: Event) -> None:
        """Take note of what is new."""
        if event is self._event:
            return
        self._event = event
        if event.stage == "process" and event.total:
            number = int(min((event.done or 0) + 1, event.total))
            self._process = f"process {number} of {int(event.total)}" if event.total > 1 else ""
        elif event.stage == "lost":
            self._process = ""  # it begins anew, if at all
        reading = event.reading
        if reading is None:
            return
        if reading.latency_ms is not None:
            self._latencies_ms.append(reading.latency_ms)
        if reading.temperature_celsius is not None:
            self._temperature_celsius = reading.temperature_celsius
        self._asked, self._got = reading.asked or self._asked, reading.got or self._got

    def take_job(self, job: Job) -> None:
        """Take note of what a job says of itself."""
        self.take(job.event)
        self._errors, self._is_over = job.errors, job.is_over

    def stop(self) -> None:
        """Take note that nothing more will be said."""
        self._is_stopped = True

    @property
    def is_over(self) -> bool:
        """Whether it has ended by itself, and no Cancel can reach it."""
        return self._is_over

    @property
    def turn(self) -> tuple[object, ...]:
        """What is different where something has happened, and not only gone on."""
        return self.standing, self._event.stage, len(self._errors)

    @property
    def standing(self) -> str:
        """``"running"``, ``"cancelling"``, or its end: ``"done"``, ``"failed"``, ``"cancelled"``, ``"stopped"``."""
        if not self._is_over and self._is_stopped:
            return "stopped"  # with all the others
        if not self._is_over:
            return "cancelling" if self.is_cancelling else "running"
        if not self._errors:
            return "done"
        return "cancelled" if self.is_cancelling and type(self._errors[-1]) is BenchmarkError else "failed"

    @property
    def _told_errors(self) -> tuple[EmbedlError, ...]:
        """What went wrong, but for the error that stands for the Cancel."""
        return self._errors[:-1] if self.standing == "cancelled" else self._errors

    @property
    def outcome(self) -> str:
        """What it came to, in a line."""
        latency = format_ms(self._latencies_ms[-1]) if self._latencies_ms else ""
        told = [_told(error) for error in self._told_errors] or [latency]
        return ": ".join(filter(None, (self.standing, "; ".join(told))))

    def as_json(self) -> dict[str, Any]:
        """Return what the page shows."""
        event, latest = self._event, self._latencies_ms[-1] if self._latencies_ms else None
        message = "" if event.message == self._process else event.message
        return {
            "name": self.name,
            "standing": self.standing,
            "process": self._process,
            "stage": "" if event.stage == "process" else event.stage,
            "message": shortened(message, _LONGEST_LINE),
            "done": event.done,
            "total": event.total,
            "share": event.share,
            "latency": "" if latest is None else format_ms(latest),
            "latencies": [round(each, 5) for each in self._latencies_ms],
            "temperature": self._temperature_celsius,
            "asked": self._asked,
            "got": self._got,
            "errors": [
                {"kind": type(error).__name__, "message": shortened(error.message), "hint": shortened(error.hint)}
                for error in self._told_errors
            ],
        }


def _told(error: EmbedlError) -> str:
    hint = f". Try: {error.hint}" if error.hint else ""
    return shortened(f"{type(error).__name__}: {error.message}{hint}")
