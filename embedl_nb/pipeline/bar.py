"""Progress as the place allows: a bar in a notebook, one line in a terminal, nothing when piped.

Lower layers only emit events; this module listens while a verb runs and draws them. When the verb ends, the bar shrinks
to one line that says where the time went.
"""

from __future__ import annotations

import html
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from embedl_nb.progress import Event, Job, is_shown, listening
from embedl_nb.units import format_ms

__all__ = ["TerminalLine", "showing", "words_of"]

_MIN_INTERVAL_S = 0.1


@contextmanager
def showing(verb: str) -> Iterator[None]:
    """Show the progress of ``verb`` until the block ends.

    Parameters
    ----------
    verb
        What the user asked for, e.g. ``"compile"``; it opens every line.
    """
    draw, finish = (None, None) if is_shown() else _surface()
    if draw is None or finish is None:
        yield
        return
    bar = _Bar(verb, draw)
    try:
        with listening(bar.on_event):
            yield
    except BaseException:
        finish(bar.summary("stopped after"))
        raise
    finish(bar.summary("took"))


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


class _Bar:
    """Turns events into lines, at most ten a second, and keeps the time of each stage."""

    def __init__(self, verb: str, draw: Callable[[str, Event], None]) -> None:
        self._verb = verb
        self._draw = draw
        self._started = self._stage_started = time.perf_counter()
        self._drawn = 0.0
        self._stage = ""
        self._seconds: dict[str, float] = {}

    def on_event(self, event: Event) -> None:
        now = time.perf_counter()
        is_new_stage = event.stage != self._stage
        if is_new_stage:
            self._close_stage(now)
            self._stage = event.stage
        if is_new_stage or now - self._drawn >= _MIN_INTERVAL_S:
            self._drawn = now
            percent = "" if event.share is None else f" {event.share:.0%}"
            words = words_of(event)
            message = f": {words}" if words else ""
            self._draw(f"{self._verb} | {event.stage}{percent}{message}", event)

    def summary(self, how: str) -> str:
        now = time.perf_counter()
        self._close_stage(now)
        stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in self._seconds.items() if seconds >= 0.05)
        return f"{self._verb} {how} {now - self._started:.1f} s" + (f" ({stages})" if stages else "")

    def _close_stage(self, now: float) -> None:
        if self._stage:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._stage_started
        self._stage_started = now


_Surface = tuple[Callable[[str, Event], None] | None, Callable[[str], None]]


def _surface() -> _Surface:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and getattr(shell, "kernel", None) is not None:
        return _notebook()
    if sys.stderr.isatty():
        return _terminal(sys.stderr)
    return None, lambda _: None


def _terminal(stream: TextIO) -> _Surface:
    shown = TerminalLine(stream)

    def draw(line: str, _event: Event) -> None:
        shown.show(line)

    def finish(summary: str) -> None:
        shown.clear()
        stream.write(f"{summary}\n")
        stream.flush()

    return draw, finish


def _notebook() -> _Surface:
    from IPython.display import DisplayHandle

    handle: Any = DisplayHandle()
    is_shown = False

    def show(line: str, markup: str) -> None:
        nonlocal is_shown
        bundle = {"text/plain": line, "text/html": markup}
        (handle.update if is_shown else handle.display)(bundle, raw=True)
        is_shown = True

    def draw(line: str, event: Event) -> None:
        jobs = [_markup(f"{job.name}: {_standing(job)}", 1.0 if job.is_over else job.event.share) for job in event.jobs]
        # With a bar for each job, one line about all of them would say it twice.
        whole = line if not jobs else line.partition(": ")[0]
        show(line, "<br>".join([_markup(whole, event.share), *jobs]))

    def finish(summary: str) -> None:
        show(summary, f"<small>{html.escape(summary)}</small>")

    return draw, finish


def _standing(job: Job) -> str:
    if job.is_over:
        return f"failed: {type(job.errors[-1]).__name__}" if job.errors else "done"
    return words_of(job.event) or job.event.stage


def _markup(line: str, share: float | None) -> str:
    value = "" if share is None else f' value="{share:.3f}"'
    text = html.escape(line)
    return f'<progress aria-label="{text}"{value}></progress> <small>{text}</small>'
