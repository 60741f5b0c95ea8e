"""What the run browser does with runs, as plain JSON for the page: find, describe, compare, report and do again.

Each calls one function of the pipeline; what goes wrong comes out as ``{"message": ..., "hint": ...}``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from embedl_nb import runstore
from embedl_nb.commands.lines import shortened
from embedl_nb.display.figures import draw
from embedl_nb.errors import EmbedlError, InputError
from embedl_nb.measure import Benchmark
from embedl_nb.pipeline import compare, report, rerun
from embedl_nb.pipeline.bar import words_of
from embedl_nb.pipeline.steps import load, result_of
from embedl_nb.progress import Event, showing_alone
from embedl_nb.query import parse
from embedl_nb.runstore.rows import NAMES, named
from embedl_nb.stopping import Stop
from embedl_nb.widgets.view_json import view_json

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Again",
    "compared",
    "described",
    "error_json",
    "matching",
    "report_file",
    "rows_table",
    "write_report",
]

_SEND_EVERY_S = 0.1

Json = dict[str, Any]


def error_json(*errors: BaseException) -> Json:
    """Return what went wrong, and what to try; nothing where nothing did."""
    if not errors:
        return {}
    messages = [each.message if isinstance(each, EmbedlError) else f"{type(each).__name__}: {each}" for each in errors]
    hints = [each.hint for each in errors if isinstance(each, EmbedlError) and each.hint]
    return {"message": shortened("\n".join(messages)), "hint": shortened((hints or [""])[0])}


def matching(text: str, listing: runstore.Listing, *, is_shown: bool = False) -> Json:
    """Return the ids of the runs that a query holds of.

    Parameters
    ----------
    is_shown
        Whether a query that cannot be read is an answer, too.

    Raises
    ------
    InputError, UnknownNameError
        If it cannot be read.
    """
    try:
        asked = parse(text, NAMES)
    except EmbedlError as err:
        if not is_shown:
            raise
        return {"text": text, **error_json(err)}
    return {"text": text, "ids": [row["run_id"] for row in listing.rows if asked.matches(named(row))]}


def rows_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as ``enb.runs`` does."""
    from embedl_nb.runstore.table import runs_table

    return runs_table([named(row) for row in rows], total=len(rows))


def described(run_id: str) -> Json:
    """Return what a run's record says, whether or not its model is still here."""
    return _told({"id": run_id}, lambda: {"view": view_json(result_of(runstore.get(run_id))._view())})


def compared(ids: Sequence[str]) -> Json:
    """Return a comparison of benchmarks: what it says, its pictures as SVG, and its numbers as CSV."""
    return _told({"ids": list(ids)}, lambda: _comparison(ids))


def _comparison(ids: Sequence[str]) -> Json:
    results = [load(run_id) for run_id in ids]
    models = [run_id for run_id, result in zip(ids, results, strict=True) if not isinstance(result, Benchmark)]
    if models:
        raise InputError(
            f"run {models[0]} is no benchmark: there is no latency to compare",
            hint="tick benchmarks only; enb.compare(*browser.value) measures models in turns",
        )
    comparison: Any = compare(*results)  # type: ignore[arg-type]  # they are benchmarks
    view = comparison._view()
    pictures = [str(draw(kind, comparison)) for kind in view.pictures]
    csv = comparison.frame().to_csv(index=False, lineterminator="\r\n")
    return {"view": view_json(view), "pictures": pictures, "csv": csv}


def write_report(ids: Sequence[str], frame: pd.DataFrame, *, root: str, is_compared: bool) -> Json:
    """Write a report of runs beside the notebook, the comparison first; say where it is, and where under ``root``."""

    def work() -> Json:
        more = f"_and_{len(ids) - 1}_more" if len(ids) > 1 else ""
        results: Any = [compare(*ids), *ids] if is_compared else frame
        path = report(results, f"embedl_nb_report_{''.join(ids[:1])}{more}.html")
        return {"path": str(path), "served": _served(path, root)}

    return _told({"ids": list(ids)}, work)


def _told(about: Json, work: Callable[[], Json]) -> Json:
    """Return what comes of ``work``, or what goes wrong: whatever that is, there is no cell that could show it."""
    try:
        return about | work()
    except Exception as err:
        return about | error_json(err)


def report_file(written: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return the name and the content of the report that was written last.

    Raises
    ------
    InputError
        If it is not there.
    """
    path = Path(written.get("path", ""))
    try:
        return path.name, path.read_bytes()
    except OSError as err:
        raise InputError(f"the report {path} cannot be read: {err.strerror}", hint="write it again") from err


def _served(path: Path, root: str) -> str:
    """Return the path below the folder that the notebook server serves, as part of a URL; empty where it is not."""
    try:
        return quote(path.relative_to(Path(root).expanduser().resolve()).as_posix()) if root else ""
    except (ValueError, RuntimeError):  # not below it; a home that nobody knows
        return ""


class Again:
    """The one run that is being done again in this kernel.

    Parameters
    ----------
    widget
        Which is told of its progress.
    """

    _now: ClassVar[Again | None] = None

    def __init__(self, widget: Any, run_id: str) -> None:
        self._widget, self._run_id = widget, run_id
        self._stop = Stop()
        self._told = 0.0
        self._loop = asyncio.get_running_loop()

    @classmethod
    def hand_over(cls, before: Any, widget: Any) -> None:
        """Have ``widget`` show what ``before`` did."""
        widget._again = before._again
        if cls._now is not None and cls._now._widget is before:
            cls._now._widget = widget

    @classmethod
    def stop(cls) -> None:
        """End it at its next wait."""
        if cls._now is not None:
            cls._now._stop.ask()
            cls._now._say(isStopping=True)

    @classmethod
    async def start(cls, widget: Any, run_id: str) -> None:
        """Do a run again, unless one is being done."""
        if cls._now is not None:
            widget._again = {"id": run_id, "message": f"run {cls._now._run_id} is being done again: one at a time"}
            return
        now = cls._now = cls(widget, run_id)
        now._say(stage="starts")
        try:
            answer = await asyncio.to_thread(now._work)
            try:
                await now._widget._list(is_asked_for=True)  # first, because the answer has a way to the new run
            finally:
                now._widget._again = answer
        finally:
            cls._now = None

    def _work(self) -> Json:
        def work() -> Json:
            with showing_alone(self._on_event):
                again = self._stop.covering(lambda: rerun(self._run_id))
            return {"view": view_json(again._view()), "newId": str(again.after.run_id or "")}

        try:
            return _told({"id": self._run_id}, work)
        except KeyboardInterrupt:
            return {"id": self._run_id, "message": "cancelled", "hint": ""}

    def _on_event(self, event: Event) -> None:
        if time.monotonic() - self._told < _SEND_EVERY_S:
            return
        self._told = time.monotonic()
        standing = {"stage": event.stage, "words": words_of(event), "share": event.share}
        self._loop.call_soon_threadsafe(lambda: self._say(**standing))

    def _say(self, **standing: Any) -> None:
        if Again._now is self:
            before = self._widget._again if self._widget._again.get("isRunning") else {}
            self._widget._again = {**before, "id": self._run_id, "isRunning": True, **standing}
