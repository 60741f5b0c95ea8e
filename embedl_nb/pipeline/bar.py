"""Progress as the place allows: a monitor or a bar in a notebook, one line in a terminal, nothing when piped.

Lower layers only emit events; this module listens while a verb runs and shows them. When the verb ends, what is shown
shrinks to one line that says where the time went. The monitor is a widget, which stands above the pipeline; it is found
by name here.
"""

from __future__ import annotations

import contextlib
import html
import importlib
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from embedl_nb.imports import is_installed
from embedl_nb.progress import Event, Job, is_shown, listening
from embedl_nb.stopping import Stop
from embedl_nb.units import format_ms

__all__ = ["Surface", "TerminalLine", "showing", "words_of"]

_MONITOR = "embedl_nb.widgets.run_monitor"
_MIN_INTERVAL_S = 0.1


class Surface(Protocol):
    """Where progress is seen."""

    def on_event(self, event: Event) -> None:
        """Show where the work stands now."""

    def finish(self, summary: str) -> None:
        """Leave one line of it."""


@contextmanager
def showing(verb: str) -> Iterator[None]:
    """Show the progress of ``verb`` until the block ends.

    Parameters
    ----------
    verb
        What the user asked for, e.g. ``"compile"``; it opens every line.
    """
    with contextlib.ExitStack() as stack:
        surface = None if is_shown() else _surface(verb, stack)
        if surface is None:
            yield
            return
        watch = _StopWatch(verb)
        try:
            with listening(watch.on_event), listening(surface.on_event):
                yield
        except BaseException:
            surface.finish(watch.summary("stopped after"))
            raise
        surface.finish(watch.summary("took"))


def words_of(event: Event) -> str:
    """Return what an event says, with the latest latency where it has one."""
    latency_ms = event.reading.latency_ms if event.reading is not None else None
    return ", ".join(filter(None, (event.message, "" if latency_ms is None else format_ms(latency_ms))))


class TerminalLine:
    """A line of a terminal that is overwritten; cut to the window, because what wraps cannot be taken back."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, line: str) -> None:
        """Put ``line`` in place of what was shown."""
        self._write(line[: shutil.get_terminal_size().columns - 1])

    def clear(self) -> None:
        """Take away what was shown."""
        self._write("")

    def _write(self, text: str) -> None:
        self._stream.write(f"\r\x1b[K{text}")
        self._stream.flush()


class _StopWatch:
    """Keeps the time of each stage."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._started = self._stage_started = time.perf_counter()
        self._stage = ""
        self._seconds: dict[str, float] = {}

    def on_event(self, event: Event) -> None:
        if event.stage != self._stage:
            self._close_stage(time.perf_counter())
            self._stage = event.stage

    def summary(self, how: str) -> str:
        now = time.perf_counter()
        self._close_stage(now)
        stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in self._seconds.items() if seconds >= 0.05)
        return f"{self._verb} {how} {now - self._started:.1f} s" + (f" ({stages})" if stages else "")

    def _close_stage(self, now: float) -> None:
        if self._stage:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._stage_started
        self._stage_started = now


def _surface(verb: str, stack: contextlib.ExitStack) -> Surface | None:
    """Return what suits the place; what it needs meanwhile is entered into ``stack``."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and getattr(shell, "kernel", None) is not None:
        return _monitor(verb, stack) if is_installed("anywidget") else _NotebookBar(verb)
    return _Terminal(verb, sys.stderr) if sys.stderr.isatty() else None


def _monitor(verb: str, stack: contextlib.ExitStack) -> Surface:
    """Open the monitor, whose Cancel ends the work where that waits, or says where it stands."""
    stop = Stop()
    monitor: Surface = importlib.import_module(_MONITOR).open_monitor(verb, stop.ask)
    stack.enter_context(stop.at_work())
    stack.enter_context(listening(lambda _event: stop.check()))
    return monitor


class _Line:
    """Turns events into lines, at most ten a second."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._drawn = 0.0
        self._stage = ""

    def on_event(self, event: Event) -> None:
        now = time.perf_counter()
        if event.stage == self._stage and now - self._drawn < _MIN_INTERVAL_S:
            return
        self._drawn, self._stage = now, event.stage
        percent = "" if event.share is None else f" {event.share:.0%}"
        words = words_of(event)
        message = f": {words}" if words else ""
        self._draw(f"{self._verb} | {event.stage}{percent}{message}", event)

    def _draw(self, line: str, event: Event) -> None:
        raise NotImplementedError


class _Terminal(_Line):
    def __init__(self, verb: str, stream: TextIO) -> None:
        super().__init__(verb)
        self._stream = stream
        self._shown = TerminalLine(stream)

    def finish(self, summary: str) -> None:
        self._shown.clear()
        self._stream.write(f"{summary}\n")
        self._stream.flush()

    def _draw(self, line: str, _event: Event) -> None:
        self._shown.show(line)


class _NotebookBar(_Line):
    def __init__(self, verb: str) -> None:
        from IPython.display import DisplayHandle

        super().__init__(verb)
        self._handle: Any = DisplayHandle()
        self._is_shown = False

    def finish(self, summary: str) -> None:
        self._show(summary, f"<small>{html.escape(summary)}</small>")

    def _draw(self, line: str, event: Event) -> None:
        jobs = [_markup(f"{job.name}: {_standing(job)}", 1.0 if job.is_over else job.event.share) for job in event.jobs]
        # With a bar for each job, one line about all of them would say it twice.
        whole = line if not jobs else line.partition(": ")[0]
        self._show(line, "<br>".join([_markup(whole, event.share), *jobs]))

    def _show(self, line: str, markup: str) -> None:
        bundle = {"text/plain": line, "text/html": markup}
        (self._handle.update if self._is_shown else self._handle.display)(bundle, raw=True)
        self._is_shown = True


def _standing(job: Job) -> str:
    if job.is_over:
        return f"failed: {type(job.errors[-1]).__name__}" if job.errors else "done"
    return words_of(job.event) or job.event.stage


def _markup(line: str, share: float | None) -> str:
    value = "" if share is None else f' value="{share:.3f}"'
    text = html.escape(line)
    return f'<progress aria-label="{text}"{value}></progress> <small>{text}</small>'
