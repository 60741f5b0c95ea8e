"""Reads the tool's tables of operators, in four layouts, and turns each row into time for each inference.

A row is printed as time for each *call*. The older layouts count calls in one run, the newer ones (LiteRT 2.1.2 and
later) over all runs, warm-up included; rows of different partitions that have the same kernel and position are one row.
Every table is printed twice (in order, and by time); the first is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum

from embedl_nb.device.adb.tool.delegates import is_delegate
from embedl_nb.device.adb.tool.lines import Line, read_lines, unparsable
from embedl_nb.errors import UnparsableOutputError

__all__ = ["DelegateStatistic", "Profile", "ProfileLayout", "ProfileRow", "RowKind", "parse_profile"]


class ProfileLayout(StrEnum):
    """How the tables are laid out."""

    LEGACY_START = "legacy with start"
    """The older tool before about 2.11: tabs, a start column, calls in one run."""
    LEGACY = "legacy"
    """The older tool and LiteRT before 2.1.2: tabs, no start column, calls in one run."""
    LITERT_2_1 = "litert 2.1.2-2.1.6"
    """Blanks, no start column, the first run's time is not what it says, calls over all runs; a delegate's kernels
    stand only in the statistics."""
    LITERT_2_2 = "litert 2.2.0 or later"
    """Blanks, a start column, calls over all runs."""


class RowKind(StrEnum):
    """What a row timed."""

    OPERATOR = "operator"
    """One operator, by the runtime's own kernels on the CPU."""
    DELEGATE_KERNEL = "delegate kernel"
    """One kernel within a delegate; it may cover several operators."""
    DELEGATE = "delegate"
    """All that a delegate runs for one partition."""
    OVERHEAD = "overhead"
    """What the runtime does around the operators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """One row of the table in order of execution.

    Attributes
    ----------
    index
        Position in its table, from 0.
    node_type
        As printed, without ``Delegate/``: ``"CONV_2D"``, ``"Fully Connected (NC, F32) GEMM"``.
    name
        As printed: ``"[out1, out2]:3"``, ``"Delegate/…:0"``, ``"[Builtin]:2"``.
    node_index
        The number after the name: the operator's node; within a delegate it begins at 0 in every partition.
    graph
        Which graph, where there are several: ``"Subgraph (index: 1, name: body)"``; empty for the only one.
    start_ms, first_ms
        None where the layout has none, or a wrong one.
    per_call_ms
        As printed in ``[avg ms]``, in steps of 1 us.
    num_calls
        As printed in ``[times called]``.
    per_inference_ms
        Time for each inference; None where the number of profiled runs is not known.
    memory_bytes
        Growth of the process's memory; only initialization has any.
    """

    index: int
    kind: RowKind
    node_type: str
    name: str
    node_index: int | None
    graph: str
    start_ms: float | None
    first_ms: float | None
    per_call_ms: float
    num_calls: int
    per_inference_ms: float | None
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegateStatistic:
    """One kernel of a delegate over all calls of all runs; only LiteRT 2.1.2 and later print these."""

    name: str
    num_calls: int
    mean_us: float
    min_us: float
    max_us: float
    total_us: float
    per_inference_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Per-operator times of one process.

    Attributes
    ----------
    num_runs
        Runs that the table covers, warm-up included; None where it is not known. Of a layout that counts the calls of
        one run, it is not needed.
    is_whole
        Whether every table has its end and as many rows as it says.
    init_rows
        Steps of the initialization, where they were printed: building, applying delegates.
    notes
        What is special about this profile, in one sentence each; empty where nothing is.
    """

    layout: ProfileLayout
    num_runs: int | None
    rows: tuple[ProfileRow, ...]
    init_rows: tuple[ProfileRow, ...]
    delegate_statistics: tuple[DelegateStatistic, ...]
    is_whole: bool
    notes: tuple[str, ...]

    @property
    def per_inference_ms(self) -> float | None:
        """Sum over the rows; less than the latency where a delegate has no timer of its own."""
        times = [row.per_inference_ms for row in self.rows]
        return None if not times or None in times else sum(time for time in times if time is not None)


def parse_profile(text: str, *, num_runs: int | None = None) -> Profile | None:
    """Read the tables of one process; None where it printed none.

    Parameters
    ----------
    num_runs
        All runs of that process, warm-up included, where it is known: newer layouts count calls over all of them.

    Raises
    ------
    UnparsableOutputError
        If a table is of no known layout, a row cannot be read, or the calls do not go with the number of runs.
    """
    tables = _Tables(text)
    for line in read_lines(text):
        if line.is_whole:
            tables.take(line)
    return tables.finish(num_runs) if tables.num_open else None


_SECTION = re.compile(r"=+ (Run Order|Top by Computation Time|Summary by node type|Delegate Statistics) =+")
_TITLES = {
    "Profiling Info for Benchmark Initialization:": True,
    "Operator-wise Profiling Info for Regular Benchmark Runs:": False,
}
_GRAPH = re.compile(
    r"(Primary graph \(name: .*\)|Subgraph \(index: \d{1,9}, name: .*\)|Delegate internal)(?: profile)?:"
)
_NUM_NODES = re.compile(r"(\d{1,9}) nodes observed")
_DROPPED = "Warning: Dropping ProfileBuffer event."
_MS, _PERCENT = r"(-?\d{1,15}\.\d{3})", r"-?(?:\d{1,15}\.\d{3}|nan|inf)%"
_ROW = r"(?<=\S){start}\s++{ms}\s++{ms}\s++{percent}\s++{percent}\s++{ms}\s++(\d{{1,18}})(?:\s++(.*))?"
# Anchored at the numbers, because types and names hold anything: they are sought once, from the left.
_NUMBERS = {
    has_start: re.compile(_ROW.format(start=rf"\s++{_MS}" if has_start else r"()", ms=_MS, percent=_PERCENT))
    for has_start in (True, False)
}
_NODE_INDEX = re.compile(r":(\d{1,9})$")
_STATISTIC = re.compile(r"(?<=\s)(\d{1,18})\s++(\d{1,18}\.\d{2})\s++(\d{1,18})\s++(\d{1,18})\s++(\d{1,18})$")
_UNKNOWN_NAME = re.compile(r"\[Unknown\]:\d{1,9}")
_WIDE_CHARS = 120
"""LiteRT 2.2 centres its titles to 150 characters; all others put 30 signs on each side."""
_OVERHEADS = ("LiteRT::", "AllocateTensors", "ModifyGraphWithDelegate")


@dataclass(slots=True)
class _Tables:
    """Collects the tables of one text."""

    text: str
    section: str = ""
    graph: str = ""
    is_init: bool = False
    num_open: int = 0
    num_closed: int = 0
    is_wide: bool = False
    has_titles: bool = False
    has_tabs: bool = False
    has_start: bool | None = None
    has_dropped: bool = False
    num_rows_seen: int = 0
    num_rows_missing: int = 0
    rows: list[ProfileRow] = field(default_factory=list)
    init_rows: list[ProfileRow] = field(default_factory=list)
    statistics: list[DelegateStatistic] = field(default_factory=list)

    def take(self, line: Line) -> None:
        """Note a title, a header or a row; other lines are another's."""
        text = line.text
        if text in _TITLES:
            self.is_init, self.has_titles, self.section, self.graph = _TITLES[text], True, "", ""
        elif found := _SECTION.fullmatch(text):
            self._open(found[1], is_wide=len(text) >= _WIDE_CHARS)
        elif text == "Delegate Statistics:":
            self.section = "Delegate Statistics"
        elif found := _GRAPH.fullmatch(text):
            self.graph, self.section = found[1], ""
        elif text == _DROPPED:
            self.has_dropped = True
        elif found := _NUM_NODES.fullmatch(text):
            self.num_rows_missing += max(0, int(found[1]) - self.num_rows_seen)
            self.num_closed += 1
            self.section = ""
        elif self.section == "Run Order":
            self._take_row(line)
        elif self.section == "Delegate Statistics":
            self._take_statistic(line)

    def finish(self, num_runs: int | None) -> Profile:
        """Decide the layout, and with it what a number of calls means."""
        layout = self._layout()
        notes = []
        if layout in (ProfileLayout.LEGACY, ProfileLayout.LEGACY_START):
            covered = num_runs
            # Builds of 2019 cut the calls of one run to 0, in every row.
            is_cut = bool(self.rows) and all(row.num_calls == 0 for row in self.rows)
            rows = [
                replace(row, per_inference_ms=row.per_call_ms * (1 if is_cut else row.num_calls)) for row in self.rows
            ]
            statistics = list(self.statistics)
        else:
            covered = self._covered(num_runs)
            rows = [
                replace(row, per_inference_ms=_share(row.per_call_ms * row.num_calls, covered)) for row in self.rows
            ]
            statistics = [
                replace(one, per_inference_ms=_share(one.total_us / 1000, covered)) for one in self.statistics
            ]
        if layout is ProfileLayout.LITERT_2_1:
            rows = [replace(row, first_ms=None) for row in rows]  # the printed one is when it started
            notes.append("this version lists the kernels of delegates only as totals")
        if self.has_dropped:
            notes.append(f"the profiler's buffer was full: later runs than {covered} are not in these times")
        if self.num_rows_missing:
            notes.append(f"{self.num_rows_missing} rows of the table are missing in the output")
        if self.num_closed != self.num_open:
            notes.append("the end of the table is missing in the output")
        return Profile(
            layout=layout,
            num_runs=covered,
            rows=tuple(rows),
            init_rows=tuple(self.init_rows),
            delegate_statistics=tuple(statistics),
            is_whole=self.num_closed == self.num_open and not self.num_rows_missing,
            notes=tuple(notes),
        )

    def _open(self, section: str, *, is_wide: bool) -> None:
        self.section = section
        if section == "Run Order":
            self.num_open += 1
            self.num_rows_seen = 0
            self.is_wide = self.is_wide or is_wide

    def _take_row(self, line: Line) -> None:
        if line.text.startswith("[node type]"):
            has_start = "[start]" in line.text
            if self.has_start not in (None, has_start) or "[avg ms]" not in line.text:
                raise unparsable("printed a table with columns that are not known", self.text, line=line)
            self.has_start = has_start
            self.has_tabs = self.has_tabs or line.raw.startswith("\t")
            return
        if self.has_start is None:
            return  # a line of somebody else's between the title and the header
        row = self._row(line)
        if row is None:
            if line.raw.startswith(("\t", " ")) and "%" in line.raw:
                raise unparsable("printed a row of operators that cannot be read", self.text, line=line)
            return
        self.num_rows_seen += 1
        (self.init_rows if self.is_init else self.rows).append(row)

    def _row(self, line: Line) -> ProfileRow | None:
        found = _NUMBERS[bool(self.has_start)].search(line.text)
        if found is None or not found.start():
            return None
        start, first, avg, memory, calls, name = found.groups()
        node_type = line.text[: found.start()].rstrip()
        name = (name or "").strip()
        index = _NODE_INDEX.search(name)
        return ProfileRow(
            index=self.num_rows_seen,
            kind=_kind(node_type, name),
            node_type=node_type.removeprefix("Delegate/"),
            name=name,
            node_index=int(index[1]) if index else None,
            graph=self.graph,
            start_ms=float(start) if start else None,
            first_ms=float(first),
            per_call_ms=float(avg),
            num_calls=int(calls),
            per_inference_ms=None,
            memory_bytes=round(float(memory) * 1024),
        )

    def _take_statistic(self, line: Line) -> None:
        found = _STATISTIC.search(line.text)
        if found is None or line.text.startswith("Op Name "):
            return
        calls, mean, low, high, total = (float(number) for number in found.groups())
        self.statistics.append(
            DelegateStatistic(
                name=line.text[: found.start()].rstrip(),
                num_calls=int(calls),
                mean_us=mean,
                min_us=low,
                max_us=high,
                total_us=total,
                per_inference_ms=None,
            )
        )

    def _layout(self) -> ProfileLayout:
        if self.has_tabs or self.has_titles:
            return ProfileLayout.LEGACY_START if self.has_start else ProfileLayout.LEGACY
        if self.is_wide and self.has_start:
            return ProfileLayout.LITERT_2_2
        if self.has_start is False and all(_UNKNOWN_NAME.fullmatch(row.name) for row in self.rows):
            return ProfileLayout.LITERT_2_1
        raise unparsable("printed a table of operators in a layout that is not known", self.text)

    def _covered(self, num_runs: int | None) -> int | None:
        """Return how many runs a table covers whose calls are counted over all runs."""
        all_calls = [row.num_calls for row in self.rows] or [one.num_calls for one in self.statistics]
        calls = [number for number in all_calls if number]
        if num_runs is not None and all_calls and not (calls and num_runs):
            raise self._mismatch(num_runs)
        if not calls:
            return num_runs
        if self.has_dropped:
            # A row that is called once in a run says how many runs there are; those after the cut lack one call.
            covered = min(calls) + (min(calls) + 1 in calls)
            if num_runs is not None and covered > num_runs:
                raise self._mismatch(num_runs)
            return covered
        if num_runs is None:
            return None
        # The profiler may miss one run: a recorded table covers 3166 runs where the tool counted 1055 + 2112.
        for covered in (num_runs, num_runs - 1):
            if covered in calls:
                return covered
        if any(number % num_runs == 0 for number in calls):
            return num_runs  # every row is called several times in a run
        raise self._mismatch(num_runs)

    def _mismatch(self, num_runs: int) -> UnparsableOutputError:
        return unparsable(f"printed calls of operators that do not go with {num_runs} runs", self.text)


def _kind(node_type: str, name: str) -> RowKind:
    if node_type.startswith(_OVERHEADS):
        return RowKind.OVERHEAD
    if name.startswith(("Delegate/", "[Delegate]:")) or node_type.startswith("Delegate/"):
        return RowKind.DELEGATE_KERNEL
    return RowKind.DELEGATE if is_delegate(node_type) else RowKind.OPERATOR


def _share(total_ms: float, num_runs: int | None) -> float | None:
    return None if num_runs is None else total_ms / num_runs
