"""Reads what benchmark_model printed: text in, :class:`ToolOutput` out.

Two programs have that name, LiteRT's own and the older TFLite one, and both changed over the years; every layout that
is known is read, and nothing is guessed: a line that begins like one of the tool's and cannot be read, or two that
contradict each other, are an UnparsableOutputError. Per-operator tables are profile.py's, delegates placement.py's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum, StrEnum
from typing import Any

from embedl_nb.device.adb.tool.counts import RunCounts, parse_counts, parse_number
from embedl_nb.device.adb.tool.lines import Line, read_lines, unparsable

__all__ = ["MemoryFigure", "Program", "ResultTimings", "ResultsBlock", "Stage", "ToolOutput", "parse_output"]


class Program(StrEnum):
    """Which of the two programs that are called benchmark_model."""

    LITERT = "litert"
    """LiteRT's own, over the CompiledModel interface."""
    LEGACY = "legacy"
    """The older one, over the TFLite interpreter."""


class Stage(IntEnum):
    """How far the tool came, by its own lines."""

    STARTED = 1
    LOADED = 2
    INITIALIZED = 3
    WARMED_UP = 4
    TIMED = 5
    """The timed runs are summarized: the measurement is whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFigure:
    """One memory figure with what it means.

    Attributes
    ----------
    name
        ``"init_footprint"``, ``"overall_footprint"``, ``"peak_memory"``, ``"rss_at_end"``,
        ``"rss_anonymous_at_end"`` or ``"rss_file_and_shared_at_end"``.
    num_bytes
        From what was printed in units of 2^20 bytes, with the digits that were printed.
    definition
        What the tool measured, in words.
    """

    name: str
    num_bytes: int
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsBlock:
    """The block ``BENCHMARK RESULTS`` of the LiteRT tool: times in steps of 10 us; None for what was not printed."""

    init_ms: float | None = None
    first_ms: float | None = None
    warmup_avg_ms: float | None = None
    num_warmup_runs: int | None = None
    avg_ms: float | None = None
    num_runs: int | None = None
    min_ms: float | None = None
    max_ms: float | None = None
    std_ms: float | None = None
    throughput_mib_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultTimings:
    """The older tool's line ``Inference timings in us``; None for what was not printed."""

    init_us: float | None = None
    first_us: float | None = None
    warmup_avg_us: float | None = None
    avg_us: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """What one process of the tool said of itself.

    Attributes
    ----------
    program
        Which of the two; None where no line tells.
    layout
        Family of the layout, ``"litert 2.1.3-2.1.6"``; empty where no line tells.
    parameters
        What the tool says it was asked: name as printed, value.
    warmup, timed
        Summaries of the two phases; None where they were not printed.
    unconsumed_flags
        Flags that the tool does not know: its numbers are not what was asked for.
    has_failed
        Whether it printed ``Benchmarking failed.``.
    """

    program: Program | None
    layout: str
    stage: Stage
    parameters: Mapping[str, str]
    model_path: str = ""
    signature_key: str = ""
    session_ms: float | None = None
    warmup: RunCounts | None = None
    timed: RunCounts | None = None
    results: ResultsBlock | None = None
    timings: ResultTimings | None = None
    memory: tuple[MemoryFigure, ...] = ()
    unconsumed_flags: tuple[str, ...] = ()
    has_failed: bool = False

    @property
    def is_measured(self) -> bool:
        """Whether the timed runs are there."""
        return self.stage is Stage.TIMED

    @property
    def num_runs(self) -> int | None:
        """Timed runs."""
        return self.timed.num_runs if self.timed else self.results.num_runs if self.results else None

    @property
    def num_warmup_runs(self) -> int | None:
        """Runs before the timed ones."""
        return self.warmup.num_runs if self.warmup else self.results.num_warmup_runs if self.results else None

    @property
    def median_ms(self) -> float | None:
        """Median of the timed runs; None where the build prints none."""
        if self.timed is None:
            return None
        return _ms(self.timed.curr_us if self.timed.are_all_same else self.timed.median_us)

    @property
    def mean_ms(self) -> float | None:
        """Mean of the timed runs, from the line with the most digits."""
        if self.timed and self.timed.mean_us is not None:
            return _ms(self.timed.mean_us)
        if self.timings and self.timings.avg_us is not None:
            return _ms(self.timings.avg_us)
        return self.results.avg_ms if self.results else None

    @property
    def init_ms(self) -> float | None:
        """Loading and compiling the model, from the line with the most digits."""
        if self.timings and self.timings.init_us is not None:
            return _ms(self.timings.init_us)
        if self.session_ms is not None:
            return self.session_ms
        return self.results.init_ms if self.results else None

    @property
    def first_ms(self) -> float | None:
        """The first inference, which is a warm-up run."""
        if self.warmup and self.warmup.first_run_us is not None:
            return _ms(self.warmup.first_run_us)
        if self.timings and self.timings.first_us is not None:
            return _ms(self.timings.first_us)
        return self.results.first_ms if self.results else None


def parse_output(text: str) -> ToolOutput:
    """Read what one process printed, standard output and error together; it may be cut anywhere.

    Raises
    ------
    UnparsableOutputError
        If no line is the tool's, one of its lines cannot be read, lines contradict each other, or there is more than
        one run.
    """
    seen = _Seen(text)
    for line in read_lines(text):
        if line.is_whole:
            seen.take(line)
    return seen.finish()


_FOOTPRINT = "growth of the process's peak resident memory (ru_maxrss) {}; device-side GPU and NPU memory is not in it"
_MEMORY = {
    "init_footprint": _FOOTPRINT.format("from the tool's start to the end of initialization"),
    "overall_footprint": _FOOTPRINT.format("from the tool's start to the end of the timed runs"),
    "peak_memory": "highest resident memory of the process that the tool's sampling thread saw",
    "rss_at_end": "resident memory of the process at the end (VmRSS)",
    "rss_anonymous_at_end": "anonymous resident memory of the process at the end (RssAnon)",
    "rss_file_and_shared_at_end": "file-backed and shared resident memory of the process at the end",
}
_N = r"(\d{1,18}(?:\.\d{1,12})?(?:e[+-]?\d{1,2})?)"
_N_OR_NAN = rf"(?:{_N}|-?nan)"
_INTEGER = r"(\d{1,12})"

# How a line of the tool begins, what it is in full, and the names of its groups. A line that begins so and is not so in
# full is refused. "-" is a group that is not kept.
_TOOL_LINES: tuple[tuple[str, re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (start, re.compile(re.escape(start) + rest, re.ASCII), names)
    for start, rest, names in (
        ("Tensorflow Version : ", r"(\S{1,40})", ("version",)),
        ("Loaded model ", r"(.+)", ("loaded",)),
        ("Loading model from: ", r"(.*)", ("loading",)),
        ("Initialized session in ", rf"{_N}ms\.?", ("session_ms",)),
        ("Signature name: ", r" *(.*)", ("signature",)),
        ("Model initialization: ", rf" *{_N} ms", ("init_ms",)),
        ("Warmup (first): ", rf" *{_N_OR_NAN} ms", ("first_ms",)),
        ("Warmup (avg): ", rf" *{_N_OR_NAN} ms \({_INTEGER} runs\)", ("warmup_avg_ms", "num_warmup_runs")),
        ("Inference (avg): ", rf" *{_N_OR_NAN} ms \({_INTEGER} runs\)", ("avg_ms", "num_runs")),
        ("Inference (min): ", rf" *{_N} ms", ("min_ms",)),
        ("Inference (max): ", rf" *{_N} ms", ("max_ms",)),
        ("Inference (std): ", rf" *{_N}", ("std_ms",)),
        ("Throughput: ", rf" *{_N} MB/s", ("throughput_mib_per_s",)),
        ("Init footprint: ", rf" *{_N} MB", ("init_footprint",)),
        ("Overall footprint: ", rf" *{_N} MB", ("overall_footprint",)),
        ("Peak memory: ", rf" *{_N} MB", ("peak_memory",)),
        (
            "Memory footprint delta from the start of the tool (MB): ",
            rf"init={_N} overall={_N}",
            ("init_footprint", "overall_footprint"),
        ),
        ("Peak memory footprint (MB): ", rf"init={_N} overall={_N}", ("init_footprint", "overall_footprint")),
        ("Overall peak memory footprint (MB) via periodic monitoring: ", _N, ("peak_memory",)),
        ("- VmRSS", rf" *: *{_N} MB", ("rss_at_end",)),
        ("+ RssAnnon", rf" *: *{_N} MB", ("rss_anonymous_at_end",)),
        ("+ RssFile + RssShmem", rf" *: *{_N} MB", ("rss_file_and_shared_at_end",)),
    )
)
_BLOCK_NUMBERS = tuple(one.name for one in fields(ResultsBlock))
_PARAMETER = re.compile(r"([A-Z#][A-Za-z0-9 #/()_-]{0,60}?) ?: \[(.*)\]")
_TIMINGS = ("Inference timings in us: ", "Average inference timings in us: ")
_TIMING_NAMES = {
    "Init": "init_us",
    "First inference": "first_us",
    "Warmup (avg)": "warmup_avg_us",
    "Warmup": "warmup_avg_us",
    "Inference (avg)": "avg_us",
    "Inference": "avg_us",
    "no stats": "avg_us",
}
_LEGACY_STARTS = ("Loaded model ", *_TIMINGS, "Memory footprint delta", "Peak memory footprint (MB): ")
_TABLE = re.compile(r"=+ (?:Run Order|Top by Computation Time|Summary by node type|Delegate Statistics) =+")
_TABLE_END = re.compile(r"\d{1,9} nodes observed")
# Which line of benchmark_litert_model.h prints "Model initialization", by version of LiteRT.
_LITERT_LAYOUTS = {
    57: "before 2.0.2a1",
    71: "2.0.2a1",
    73: "2.0.2-2.0.3",
    82: "2.1.0-2.1.2",
    84: "2.1.3-2.1.6",
    94: "2.2.0 or later",
}


@dataclass(slots=True)
class _Seen:
    """Collects the tool's lines of one text."""

    text: str
    facts: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    counts: list[tuple[int, RunCounts, Line]] = field(default_factory=list)
    unconsumed: list[str] = field(default_factory=list)
    programs: set[Program] = field(default_factory=set)
    layout: str = ""
    num_phases: int = 0
    has_started: bool = False
    has_failed: bool = False
    is_in_table: bool = False

    def take(self, line: Line) -> None:
        """Note what a line says; lines of others say nothing."""
        text = line.text
        if _TABLE.fullmatch(text) or text == "Delegate Statistics:":
            self.is_in_table = True
        elif self.is_in_table:  # its rows hold names from the model, which may read like anything
            self.is_in_table = not _TABLE_END.fullmatch(text)
        elif text == "STARTING!":
            if self.has_started or self.counts or self.facts:
                raise unparsable("was started more than once in this output", self.text, line=line)
            self.has_started = True
        elif text == "Benchmarking failed.":
            self.has_failed = True
        elif text.startswith("Running benchmark for at least "):
            self.num_phases += 1
        elif text.startswith("count="):
            self._take_counts(line)
        elif text.startswith("Unconsumed cmdline flags:"):
            self._take_unconsumed(text.partition(":")[2].split())
        elif text.startswith(_TIMINGS):
            self._take_timings(line)
        else:
            self._take_other(line)
        self._note_program(line)

    def finish(self) -> ToolOutput:
        """Put together what was noted, or refuse it."""
        if len(self.programs) > 1:
            raise unparsable("printed lines of both programs of that name", self.text)
        program = next(iter(self.programs), None)
        warmup, timed = self._phases()
        results, timings = self._results(), self._legacy_timings()
        self._check(warmup, timed, results, timings)
        stage = self._stage(warmup, timed, results, timings)
        if stage is None:
            raise unparsable("printed no line that tells what ran", self.text)
        return ToolOutput(
            program=program,
            layout=self.layout,
            stage=stage,
            parameters=self.parameters,
            model_path=self.facts.get("loading") or self.facts.get("loaded", ""),
            signature_key=self.facts.get("signature", ""),
            session_ms=self._number("session_ms"),
            warmup=warmup,
            timed=timed,
            results=results,
            timings=timings,
            memory=tuple(self._memory()),
            unconsumed_flags=tuple(self.unconsumed),
            has_failed=self.has_failed,
        )

    def _take_unconsumed(self, words: list[str]) -> None:
        for word in words:
            if word.startswith("--") or not self.unconsumed:
                self.unconsumed.append(word)
            else:
                self.unconsumed[-1] += f" {word}"  # a value with a blank in it

    def _take_counts(self, line: Line) -> None:
        counts = parse_counts(line.text)
        if counts is None:
            raise unparsable("printed a summary of runs that cannot be read", self.text, line=line)
        self.counts.append((self.num_phases, counts, line))

    def _take_timings(self, line: Line) -> None:
        for part in line.text.partition(" in us: ")[2].split(", "):
            name, _, digits = part.rpartition(": ")
            value = parse_number(digits)
            if value is None or name not in _TIMING_NAMES:
                raise unparsable("printed timings that cannot be read", self.text, line=line)
            if self.timings.setdefault(_TIMING_NAMES[name], value) != value:
                raise unparsable("printed two different results", self.text, line=line)

    def _take_other(self, line: Line) -> None:
        for start, pattern, names in _TOOL_LINES:
            if line.text.startswith(start):
                found = pattern.fullmatch(line.text)
                if found is None:
                    raise unparsable(
                        f"printed {start.strip()!r} with something that cannot be read", self.text, line=line
                    )
                for name, value in zip(names, found.groups(), strict=True):
                    if value is not None and self.facts.setdefault(name, value) != value:
                        raise unparsable(f"printed two different values of {start.strip()!r}", self.text, line=line)
                return
        found = _PARAMETER.fullmatch(line.text)
        if found is not None and self.num_phases == 0:
            self.parameters.setdefault(found[1], found[2])

    def _note_program(self, line: Line) -> None:
        if "benchmark_litert_model." in line.source:
            self.programs.add(Program.LITERT)
            if line.text.startswith("Model initialization: "):
                printed_by = _LITERT_LAYOUTS.get(int(line.source.rpartition(":")[2]))
                self.layout = f"litert {printed_by}" if printed_by else "litert"
        elif not self.is_in_table and line.text.startswith(_LEGACY_STARTS):
            self.programs.add(Program.LEGACY)
            self.layout = "legacy, no level before a line" if line.raw.startswith(line.text) else "legacy"

    def _phases(self) -> tuple[RunCounts | None, RunCounts | None]:
        """Tell the warm-up's summary from the timed runs': by the two announcements, or as both are there."""
        if len(self.counts) > 2 or self.num_phases > 2:
            raise unparsable(
                "summarized more than two phases of runs", self.text, line=self.counts[-1][2] if self.counts else None
            )
        if len(self.counts) == 2:
            return self.counts[0][1], self.counts[1][1]
        if not self.counts:
            return None, None
        phase, counts, line = self.counts[0]
        mean_us, timed_us = counts.mean_us, self.timings.get("avg_us")
        if phase == 1 and (self.has_started or "session_ms" in self.facts) and timed_us is None:
            return counts, None
        if phase == 0 and mean_us is not None and timed_us is not None and _is_near(mean_us, timed_us):
            return None, counts
        raise unparsable("summarized runs of which it is not clear whether they are the warm-up", self.text, line=line)

    def _results(self) -> ResultsBlock | None:
        numbers: dict[str, Any] = {name: self._number(name) for name in _BLOCK_NUMBERS if name in self.facts}
        for name in ("num_runs", "num_warmup_runs"):
            if name in numbers:
                numbers[name] = int(self.facts[name])
        return ResultsBlock(**numbers) if numbers else None

    def _legacy_timings(self) -> ResultTimings | None:
        return ResultTimings(**self.timings) if self.timings else None

    def _memory(self) -> list[MemoryFigure]:
        return [
            MemoryFigure(name=name, num_bytes=round(value * 2**20), definition=definition)
            for name, definition in _MEMORY.items()
            if (value := self._number(name)) is not None
        ]

    def _number(self, name: str) -> float | None:
        return parse_number(self.facts[name]) if name in self.facts else None

    def _check(
        self,
        warmup: RunCounts | None,
        timed: RunCounts | None,
        results: ResultsBlock | None,
        timings: ResultTimings | None,
    ) -> None:
        """Hold the same figure from two lines against each other: one of them may be another process's."""
        block, line = results or ResultsBlock(), timings or ResultTimings()
        for what, counts, num_runs, avg_ms, avg_us in (
            ("warm-up", warmup, block.num_warmup_runs, block.warmup_avg_ms, line.warmup_avg_us),
            ("timed", timed, block.num_runs, block.avg_ms, line.avg_us),
        ):
            if counts is None or counts.mean_us is None:
                continue
            if (
                (num_runs is not None and num_runs != counts.num_runs)
                or (avg_ms is not None and not _is_near(counts.mean_us, avg_ms * 1000, step_us=10))
                or (avg_us is not None and not _is_near(counts.mean_us, avg_us))
            ):
                raise unparsable(f"summarized its {what} runs in two ways that contradict each other", self.text)

    def _stage(
        self,
        warmup: RunCounts | None,
        timed: RunCounts | None,
        results: ResultsBlock | None,
        timings: ResultTimings | None,
    ) -> Stage | None:
        reached = {
            Stage.TIMED: (timed is not None and timed.num_runs > 0)
            or (results is not None and bool(results.num_runs) and results.avg_ms is not None)
            or (timings is not None and timings.avg_us is not None),
            Stage.WARMED_UP: warmup is not None,
            Stage.INITIALIZED: "session_ms" in self.facts or "init_ms" in self.facts or self.num_phases > 0,
            Stage.LOADED: "loaded" in self.facts or "loading" in self.facts,
            Stage.STARTED: self.has_started or bool(self.parameters) or bool(self.unconsumed) or self.has_failed,
        }
        return next((stage for stage, is_reached in reached.items() if is_reached), None)


def _is_near(value_us: float, other_us: float, *, step_us: float = 0.0) -> bool:
    """Whether two numbers are one, printed with six digits or rounded to a step."""
    return abs(value_us - other_us) <= step_us / 2 + 1e-6 + 1.1e-5 * max(value_us, other_us)


def _ms(value_us: float | None) -> float | None:
    return None if value_us is None else value_us / 1000
