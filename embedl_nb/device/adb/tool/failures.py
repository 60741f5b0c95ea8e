"""Turns the end of a run into one error: the exit code first, then how far the tool came, then its words.

The words are those of the table in sayings.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from embedl_nb.device.adb.tool.lines import Line, read_lines, unparsable
from embedl_nb.device.adb.tool.output import Stage, ToolOutput, parse_output
from embedl_nb.device.adb.tool.sayings import SAYINGS, FailureKind, Saying
from embedl_nb.errors import (
    BenchmarkError,
    EmbedlError,
    OutOfMemoryError,
    RemoteCommandError,
    RuntimeCrashedError,
    UnitUnavailableError,
    UnparsableOutputError,
    UnsupportedOperatorError,
)
from embedl_nb.units import ComputeUnit

__all__ = ["classify_failure", "signal_of"]

_TAIL_LINES = 40
# A failure is said at the end, and the text may be of any size.
_READ_CHARS, _READ_LINES = 2**20, 5000
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_SIGNALS_FROM = 128
# Linux's numbers, whatever the computer that reads this runs; what each looks like to a person.
_SIGNALS = {
    1: ("SIGHUP", "was ended because its connection went away"),
    2: ("SIGINT", "was interrupted from outside"),
    4: ("SIGILL", "crashed on an instruction this processor lacks"),
    6: ("SIGABRT", "aborted itself"),
    7: ("SIGBUS", "crashed with a bus error"),
    8: ("SIGFPE", "crashed on an arithmetic error"),
    9: ("SIGKILL", "was killed from outside"),
    11: ("SIGSEGV", "crashed with a segmentation fault"),
    15: ("SIGTERM", "was stopped from outside"),
    31: ("SIGSYS", "was ended for a system call that is not allowed"),
}
_SIGNAL_WORDS = dict(_SIGNALS.values())
_MOST_SIGNALS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunEnd:
    """How a process of the tool ended, see :func:`classify_failure`."""

    returncode: int | None
    text: str
    asked: ComputeUnit | None
    address: str
    command: str
    log_path: str


def classify_failure(
    returncode: int | None,
    text: str,
    *,
    asked: ComputeUnit | None = None,
    exact_runs: int | None = None,
    address: str = "",
    command: str = "",
    log_path: str = "",
) -> EmbedlError | None:
    """Return the error that a run ended with; None where its numbers are whole and are what was asked for.

    Parameters
    ----------
    returncode
        As the phone's shell gives it (128 + n for signal n) or as ``subprocess`` does (-n); None where the connection
        was lost before it came.
    text
        All it printed, standard output and error together.
    asked
        The unit that was asked for.
    exact_runs
        The number of timed runs that was asked for, where it was to be kept, see
        :meth:`embedl_nb.device.adb.tool.command.RunLimits.exactly`.
    address, command, log_path
        For the error: which phone, what was run there, where the output is kept.
    """
    end = _RunEnd(returncode=returncode, text=text, asked=asked, address=address, command=command, log_path=log_path)
    lines = list(read_lines("\n".join(text[-_READ_CHARS:].split("\n")[-_READ_LINES:])))
    if name := signal_of(returncode):
        return _crash(end, name, lines)
    if returncode in (_NOT_EXECUTABLE, _NOT_FOUND):
        return _not_started(end, lines)
    try:
        output = parse_output(text)
    except UnparsableOutputError as error:
        # Where the tool has failed, why is worth more than that its last words make no whole line.
        return error if returncode == 0 else _by_words(end, lines) or (_ended(end) if returncode else error)
    if output.unconsumed_flags:
        return _unconsumed(end, output)
    if output.is_measured and returncode in (0, None) and not output.has_failed:
        return None if exact_runs is None or exact_runs == output.num_runs else _stopped_early(end, output, exact_runs)
    return _by_words(end, lines) or _unexplained(end, output)


def signal_of(returncode: int | None) -> str:
    """Name the signal behind an exit code, of a shell or of ``subprocess``; empty where there is none."""
    if returncode is None:
        return ""
    number = -returncode if returncode < 0 else returncode - _SIGNALS_FROM
    if not 1 <= number <= _MOST_SIGNALS:
        return ""
    return _SIGNALS[number][0] if number in _SIGNALS else f"signal {number}"


def _crash(end: _RunEnd, name: str, lines: list[Line]) -> EmbedlError:
    memory = _first(lines, end, FailureKind.OUT_OF_MEMORY)
    if memory is not None:
        return _error(end, memory[0], memory[1])
    hint = "run it again; if it crashes each time, its output says more"
    if name == "SIGKILL":
        hint = "Android kills what takes too much memory: use a smaller model, or close what else runs on the phone"
    elif said := _first(lines, end, FailureKind.CRASHED):
        hint = said[0].hint
    words = _SIGNAL_WORDS.get(name, "was ended by a signal")
    return RuntimeCrashedError(
        f"benchmark_model {words} ({name}){_where(end)}",
        signal=name,
        log_path=end.log_path,
        hint=hint,
        details=_tail(end.text),
    )


def _not_started(end: _RunEnd, lines: list[Line]) -> EmbedlError:
    said = _first(lines, end, FailureKind.NOT_STARTED)
    if said is not None:
        return _error(end, said[0], said[1])
    what = "is not there" if end.returncode == _NOT_FOUND else "cannot be executed"
    return RemoteCommandError(
        f"benchmark_model {what}{_where(end)}",
        hint="push the tool again",
        command=end.command,
        returncode=end.returncode,
        tails=_tail(end.text),
        address=end.address,
    )


def _by_words(end: _RunEnd, lines: list[Line]) -> EmbedlError | None:
    said = _first(lines, end)
    return _error(end, said[0], said[1]) if said else None


def _first(lines: list[Line], end: _RunEnd, kind: FailureKind | None = None) -> tuple[Saying, re.Match[str]] | None:
    """Find the first entry of the table that a line says; of one kind, or of any that is a failure."""
    for saying in SAYINGS:
        if saying.failure is None or kind not in (None, saying.failure):
            continue
        if saying.only_if_asked and saying.unit is not end.asked:
            continue
        for line in lines:
            if found := saying.pattern.fullmatch(line.text):
                return saying, found
    return None


def _error(end: _RunEnd, said: Saying, found: re.Match[str]) -> EmbedlError:
    words = found[0][:300]
    operator = found.groupdict().get("operator") or ""
    tail = _tail(end.text)
    if said.failure is FailureKind.OUT_OF_MEMORY:
        return OutOfMemoryError(
            f"benchmark_model ran out of memory{_where(end)}: {words}", hint=said.hint, details=tail
        )
    if said.failure is FailureKind.CRASHED:
        return RuntimeCrashedError(
            f"benchmark_model {_SIGNAL_WORDS[said.signal]} ({said.signal}){_where(end)}: {words}",
            signal=said.signal,
            log_path=end.log_path,
            hint=said.hint,
            details=tail,
        )
    if said.failure is FailureKind.NOT_STARTED:
        return RemoteCommandError(
            f"benchmark_model could not be started{_where(end)}: {words}",
            hint=said.hint,
            command=end.command,
            returncode=end.returncode,
            tails=tail,
            address=end.address,
        )
    if said.failure is FailureKind.NO_UNIT:
        unit = said.unit or end.asked
        return UnitUnavailableError(
            f"the model cannot run on the {unit or 'unit that was asked for'}{_where(end)}: {words}",
            hint=said.hint,
            asked=unit or "",
            address=end.address,
            details=tail,
        )
    if said.failure is FailureKind.NO_OPERATOR:
        return UnsupportedOperatorError(
            f"benchmark_model has no {operator}{_where(end)}: {words}",
            operators=(operator,),
            hint=said.hint,
            details=tail,
        )
    return BenchmarkError(f"benchmark_model failed{_where(end)}: {words}", hint=said.hint, details=tail)


def _unconsumed(end: _RunEnd, output: ToolOutput) -> EmbedlError:
    flags = " ".join(output.unconsumed_flags)[:1000]
    return BenchmarkError(
        f"benchmark_model does not know {flags}{_where(end)}: its numbers are not what was asked for",
        hint="give the version of the tool that is used, or leave the option out",
        details=_tail(end.text),
    )


def _stopped_early(end: _RunEnd, output: ToolOutput, exact_runs: int) -> EmbedlError:
    return BenchmarkError(
        f"benchmark_model made {output.num_runs} timed runs instead of {exact_runs}{_where(end)}",
        hint="ask for fewer runs, or give them more time",
        details=_tail(end.text),
    )


def _ended(end: _RunEnd, *, reached: str = "") -> EmbedlError:
    return RemoteCommandError(
        f"benchmark_model ended with exit code {end.returncode}{reached}{_where(end)}",
        hint="its output says more" + (f": {end.log_path}" if end.log_path else ""),
        command=end.command,
        returncode=end.returncode,
        tails=_tail(end.text),
        address=end.address,
    )


def _unexplained(end: _RunEnd, output: ToolOutput) -> EmbedlError:
    """Build the error for an end that the tool's words do not explain."""
    if end.returncode:
        return _ended(end, reached=f" after it was {_REACHED[output.stage]}")
    if output.has_failed:
        return BenchmarkError(
            f"benchmark_model says that it failed, and not why{_where(end)}",
            hint="its output may say more to you",
            details=_tail(end.text),
        )
    return unparsable(f"printed no timed runs: its output ends when it was {_REACHED[output.stage]}", end.text)


_REACHED = {
    Stage.STARTED: "started",
    Stage.LOADED: "loading the model",
    Stage.INITIALIZED: "initialized",
    Stage.WARMED_UP: "warmed up",
    Stage.TIMED: "done",
}


def _where(end: _RunEnd) -> str:
    return f" on {end.address}" if end.address else ""


def _tail(text: str) -> str:
    return "\n".join(text[-16_384:].split("\n")[-_TAIL_LINES:])
