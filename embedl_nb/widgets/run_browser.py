"""The run browser: every recorded run in one table, where each comes from, and what can be done with it.

The rows are sent once. While the browser is seen, its page asks for news every few seconds; the kernel looks whether
the store has changed at all and sends only what is new. Records are read, compared, done again and reported in threads
beside the kernel's work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import traitlets

from embedl_nb import runstore
from embedl_nb.display import Table, View
from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.query import is_condition
from embedl_nb.units import counted, format_ms
from embedl_nb.widgets.assets import es_module, style_sheet
from embedl_nb.widgets.base import Widget
from embedl_nb.widgets.recorded_rows import changes_since, compact_rows
from embedl_nb.widgets.run_actions import (
    Again,
    compared,
    described,
    error_json,
    matching,
    report_file,
    rows_table,
    write_report,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunBrowser"]

_MOST_ROWS = 15
_MOST_NEWS = 500


class RunBrowser(Widget):
    """Search recorded runs, see where each comes from, and compare, report or do again those that are ticked.

    What is searched and ticked outlives a re-run of the cell and a reload of the page.

    Parameters
    ----------
    query
        What is searched at first: words, or what is to hold of the columns, as in ``enb.runs(query)``.
    key
        Tells two browsers of one cell apart.

    Attributes
    ----------
    value
        Ids of the runs that are ticked, in that order, which ``enb.load``, ``enb.compare`` and ``enb.report`` take. It
        can be set, and observed; a unique beginning of an id is enough.
    selected
        Id of the run whose details are shown, or ``""``.

    Raises
    ------
    InputError
        If the query cannot be read.

    Examples
    --------
    >>> browser = enb.RunBrowser("kind == benchmark")  # doctest: +SKIP
    >>> browser  # doctest: +SKIP
    >>> enb.compare(*browser.value)  # doctest: +SKIP
    """

    _esm = es_module("run_browser.js")
    _css = style_sheet("frame.css", "grid.css", "run_browser.css")

    value = traitlets.List(traitlets.Unicode()).tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    _rows = traitlets.Dict().tag(sync=True)
    # What has changed since `_rows` was sent, so that a reloaded page sees it too.
    _news = traitlets.Dict().tag(sync=True)
    _store = traitlets.Unicode("").tag(sync=True)
    _query = traitlets.Dict().tag(sync=True)
    # The answer to a search in the language of queries: `{text, ids}` or `{text, message, hint}`.
    _found = traitlets.Dict().tag(sync=True)
    _details = traitlets.Dict().tag(sync=True)
    _comparison = traitlets.Dict().tag(sync=True)
    _report = traitlets.Dict().tag(sync=True)
    _again = traitlets.Dict().tag(sync=True)
    # Counts the answers, so that a page sees that one came even where nothing has changed.
    _num_listed = traitlets.Int(0).tag(sync=True)

    def __init__(self, query: str = "", *, key: str = "") -> None:
        listing = runstore.list_all()
        found = matching(query, listing) if is_condition(query) else {}
        super().__init__(key=key)
        self._begun = query
        # What was accepted last: while a page's message is taken, `value` is what the page says already.
        self._ticked: tuple[str, ...] = ()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, Callable[[], Awaitable[None]]] = {}
        self._listing = self._sent = listing
        self._rows, self._store = compact_rows(listing.rows), listing.store
        self._say_problems()
        self._query, self._found = {"search": query}, found
        before = self._forerunner()
        if isinstance(before, RunBrowser):
            self._ticked = before._ticked
            self.value, self.selected = before.value, before.selected
            self._details = before._details
            # What is not finished goes on for nobody.
            self._comparison = {} if "isBeingMade" in before._comparison else before._comparison
            self._report = {} if "isBeingWritten" in before._report else before._report
            Again.hand_over(before, self)
            if before._begun == query:
                self._query, self._found = before._query, before._found
                self._find_again()
        self.on_msg(self._on_message)

    @property
    def runs(self) -> pd.DataFrame:
        """The ticked runs as :func:`enb.runs` shows them, in the order of ticking; those that are gone are left out."""
        known = self._listing.by_id
        return rows_table([known[run_id] for run_id in self.value if run_id in known])

    @traitlets.validate("value")
    def _known(self, proposal: dict[str, Any]) -> list[str]:
        known = self._listing.by_id
        self._ticked = tuple(dict.fromkeys(self._whole_id(wanted, known) for wanted in proposal["value"]))
        return list(self._ticked)

    def _whole_id(self, wanted: str, known: Mapping[str, object]) -> str:
        # A run that was deleted meanwhile stays ticked until it is unticked.
        if wanted in known or wanted in self._ticked:
            return wanted
        begin = [run_id for run_id in known if wanted and run_id.startswith(wanted)]
        if len(begin) == 1:
            return begin[0]
        if begin:
            raise UnknownNameError(f"{len(begin)} runs begin with {wanted!r}", candidates=tuple(begin[:5]))
        raise UnknownNameError.among("run", wanted, known)

    def _on_message(self, _widget: Widget, content: dict[str, Any], _buffers: list[bytes]) -> None:
        kind = str(content.get("type", ""))
        work: dict[str, Callable[[], Awaitable[None]]] = {
            "list": lambda: self._list(is_asked_for=bool(content.get("isAskedFor"))),
            "filter": lambda: self._filter(str(content.get("text", ""))),
            "show": lambda: self._show(str(content.get("id", ""))),
            "compare": self._compare,
            "report": lambda: self._write_report(str(content.get("root", ""))),
            "download": self._download,
            "again": lambda: Again.start(self, str(content.get("id", ""))),
        }
        if kind == "stop":
            Again.stop()
        elif kind in work:
            self._do(kind, work[kind])

    def _do(self, kind: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do one thing of a kind at a time; of those that come meanwhile the latest follows."""
        if kind in self._tasks and not self._tasks[kind].done():
            if kind in ("filter", "show"):
                self._waiting[kind] = work
            return
        self._tasks[kind] = asyncio.get_running_loop().create_task(self._done(kind, work))

    async def _done(self, kind: str, work: Callable[[], Awaitable[None]]) -> None:
        await work()
        while kind in self._waiting:
            await self._waiting.pop(kind)()

    async def _list(self, *, is_asked_for: bool) -> None:
        try:
            listing = await asyncio.to_thread(runstore.list_all, self._listing, is_asked_for=is_asked_for)
            if listing is not self._listing:
                self._take(listing)
            self._say_problems()
        finally:
            self._num_listed += 1

    def _take(self, listing: runstore.Listing) -> None:
        self._listing, self._store = listing, listing.store
        changed, gone = changes_since(self._sent, listing)
        with self.hold_sync():
            if len(changed) + len(gone) > _MOST_NEWS:
                self._sent, self._rows, self._news = listing, compact_rows(listing.rows), {}
            elif changed or gone or self._news:
                self._news = {**compact_rows(changed), "gone": gone}
            self._find_again()

    def _find_again(self) -> None:
        """Answer the latest search of the runs that are known now."""
        if self._found:
            self._found = matching(str(self._found["text"]), self._listing, is_shown=True)

    def _say_problems(self) -> None:
        self._error = error_json(*self._listing.problems)

    async def _filter(self, text: str) -> None:
        self._found = await asyncio.to_thread(matching, text, self._listing, is_shown=True)

    async def _show(self, run_id: str) -> None:
        self._details = await asyncio.to_thread(described, run_id)

    async def _compare(self) -> None:
        ids = list(self.value)
        # Said first, because an answer that is as the last one is not sent.
        self._comparison = {"ids": ids, "isBeingMade": True}
        self._comparison = await asyncio.to_thread(compared, ids)

    async def _write_report(self, root: str) -> None:
        ids = list(self.value)
        self._report = {"ids": ids, "isBeingWritten": True}
        is_compared = self._comparison.get("ids") == ids and "view" in self._comparison
        self._report = await asyncio.to_thread(write_report, ids, self.runs, root=root, is_compared=is_compared)

    async def _download(self) -> None:
        try:
            name, data = await asyncio.to_thread(report_file, self._report)
        except InputError as err:
            self._report = {**self._report, **error_json(err)}
        else:
            self.send({"type": "report", "name": name}, buffers=[data])

    def _view(self) -> View:
        rows = self._listing.rows
        known = self._listing.by_id
        ticked = [known[run_id] for run_id in self.value if run_id in known]
        shown = (("Ticked", ticked), (f"Newest {min(len(rows), _MOST_ROWS)} of {len(rows):,}", rows[:_MOST_ROWS]))
        problems = tuple(str(each) for each in self._listing.problems)
        if not rows and not problems:
            headline = "Run browser | nothing is recorded yet: enb.compile(model, example_inputs) makes the first run"
            return View(headline=headline)
        return View(
            headline=f"Run browser | {len(self.value) or 'none'} ticked | {counted(len(rows), 'recorded run')}",
            warnings=problems,
            tables=tuple(_table(title, some) for title, some in shown if some),
            next_step="enb.RunBrowser()",
        )


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    cells = tuple(
        (
            row["run_id"],
            row["kind"],
            row["name"],
            row["device"],
            row["compute_unit"],
            "" if row["p50_ms"] is None else f"{format_ms(row['p50_ms'])} ({row['provenance']})",
        )
        for row in rows
    )
    return Table(title=title, columns=("run", "kind", "model", "device", "unit", "p50"), rows=cells, numeric=("p50",))
