"""The run monitor: what a verb does now, on each device, and a Cancel that ends it.

It hears the events of a verb while that works in a cell, and shows them in place. What the page asks is answered while
the cell is busy where the front end reaches a busy kernel (by subshells); that an answer comes is how the page knows.
When the verb has ended, a line and a table of plain HTML take the monitor's place, and nothing of it is left.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import traitlets
from IPython.display import DisplayHandle

from embedl_nb.display import Table, View, text
from embedl_nb.display.markup import element
from embedl_nb.progress import Event
from embedl_nb.widgets.assets import es_module, style_sheet
from embedl_nb.widgets.base import Widget
from embedl_nb.widgets.run_rows import RunRow

__all__ = ["RunMonitor", "open_monitor"]

# Whatever is sent is drawn, and drawing takes processor time from what is measured.
_SEND_EVERY_S = 0.25
# A page that is there asks every three seconds.
_SILENT_S = 6.0


def open_monitor(verb: str, cancel: Callable[[], None]) -> RunMonitor:
    """Show a monitor in the output of the cell that runs.

    Parameters
    ----------
    verb
        What the user asked for, e.g. ``"compile"``.
    cancel
        Ends all of it; may be called from any thread.
    """
    monitor = RunMonitor(verb=verb, cancel=cancel)
    monitor.show()
    return monitor


class RunMonitor(Widget):
    """What a verb does now, while it does it.

    Parameters
    ----------
    verb
        What the user asked for.
    cancel
        Ends all of it; may be called from any thread.
    """

    _esm = es_module("run_monitor.js")
    _css = style_sheet("frame.css", "run_monitor.css")

    _run = traitlets.Dict().tag(sync=True)

    def __init__(self, *, verb: str, cancel: Callable[[], None]) -> None:
        super().__init__()
        self._forerunner()
        self._verb = verb
        self._cancel = cancel
        self._cancels: dict[str, Callable[[], None]] = {}
        self._rows: dict[str, RunRow] = {}
        self._whole = RunRow("")
        self._summary = ""
        self._started_s = time.monotonic()
        self._sent_s = 0.0
        self._turns: list[tuple[object, ...]] = []
        self._pages: set[str] = set()
        self._heard_s: float | None = None
        self._handle: Any = DisplayHandle()
        self._tell()
        self.on_msg(self._on_message)

    def show(self) -> None:
        """Show it in the cell that runs."""
        bundle = self._repr_mimebundle_()
        if bundle is not None:
            data, metadata = bundle
            self._handle.display(data, metadata=metadata, raw=True)

    def on_event(self, event: Event) -> None:
        """Take note of an event; the page is told at once where something has happened, else a few times a second."""
        self._whole.take(event)
        for job in event.jobs:
            row = self._rows.setdefault(job.name, RunRow(job.name))
            row.take_job(job)
            self._cancels[job.name] = job.cancel
        turns = [row.turn for row in (self._whole, *self._rows.values())]
        if turns != self._turns or time.monotonic() - self._sent_s >= _SEND_EVERY_S:
            self._turns = turns
            self._tell()

    def finish(self, summary: str) -> None:
        """Leave what can be read without a kernel, and close."""
        self._summary = summary
        for row in self._rows.values():
            row.stop()
        self._tell()
        view = self._view()
        self._handle.update({"text/plain": text.render(view), "text/html": self._left()}, raw=True)
        if not self._is_page_lost:
            self.close()

    def close(self) -> None:
        """Take it out of every output, and out of the kernel."""
        layout = self.layout
        super().close()
        layout.close()

    def _tell(self) -> None:
        self._sent_s = time.monotonic()
        rows = list(self._rows.values()) or [self._whole]
        self._run = {
            "verb": self._verb,
            "elapsed": round(self._elapsed_s, 1),
            "whole": self._whole.as_json(),
            "rows": [row.as_json() for row in rows],
            "summary": self._summary,
        }

    @property
    def _is_page_lost(self) -> bool:
        """Whether the page was loaded again: it is told of no output's change, but finds a widget that stays."""
        return len(self._pages) > 1 or (self._heard_s is not None and time.monotonic() - self._heard_s > _SILENT_S)

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started_s

    def _on_message(self, _widget: Widget, content: dict[str, Any], _buffers: list[bytes]) -> None:
        """Answer the page; in a thread beside the verb's, so that nothing is shown from here."""
        acts: dict[str, Callable[[], None]] = {
            "hello": partial(self._pages.add, str(content.get("page"))),
            "cancel": partial(self._cancel_job, str(content.get("name", ""))),
        }
        act = acts.get(str(content.get("type")))
        if act is not None and not self._summary:
            self._heard_s = time.monotonic()
            act()
            cancelling = [row.name for row in (self._whole, *list(self._rows.values())) if row.is_cancelling]
            self.send({"type": "heard", "elapsed": round(self._elapsed_s, 1), "cancelling": cancelling})

    def _cancel_job(self, name: str) -> None:
        """End one job that goes on, or with ``""`` everything."""
        row, cancel = (self._rows.get(name), self._cancels.get(name)) if name else (self._whole, self._cancel)
        if row is not None and cancel is not None and not row.is_over:
            row.is_cancelling = True
            cancel()

    def _view(self) -> View:
        rows = tuple((row.name, row.outcome) for row in self._rows.values())
        ended = Table(title="What became of each", columns=("where", "outcome"), rows=rows)
        return View(headline=self._headline(), tables=(ended,) if rows else ())

    def _headline(self) -> str:
        standings = Counter(row.standing for row in self._rows.values())
        counted = ", ".join(f"{number} {standing}" for standing, number in standings.items())
        return ": ".join(filter(None, (self._summary, counted))) or f"{self._verb} | its end was not heard of"

    def _left(self) -> str:
        """Return a line that opens on what became of each job: the result that follows is what is to be seen."""
        headline = element("small", self._headline())
        left = "text-align:left"  # a notebook's own tables have theirs on the right
        rows = [
            element("tr", element("td", row.name, style=left), element("td", row.outcome, style=left))
            for row in self._rows.values()
        ]
        return element("details", element("summary", headline), element("table", *rows)) if rows else headline
