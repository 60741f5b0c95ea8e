"""Progress where it is shown: a terminal's line, nothing when piped."""

from __future__ import annotations

import io

import pytest

from embedl_nb.pipeline.bar import TerminalLine, showing
from embedl_nb.progress import Reading, emit


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def watched(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in the place of standard error; called in the test, because pytest puts its own there before."""
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    return stream


def test_a_long_line_stays_within_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    TerminalLine(terminal).show("x" * 200)
    assert terminal.getvalue() == "\r\x1b[K" + "x" * 39


def test_a_terminal_sees_the_stage_its_share_and_in_the_end_one_line_with_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = watched(monkeypatch)
    with showing("compile"):
        emit("lower", "2 of 4", done=2, total=4)
    assert "compile | lower 50%: 2 of 4" in terminal.getvalue()
    assert terminal.getvalue().rpartition("\x1b[K")[2].startswith("compile took 0.0 s")


def test_a_benchmark_shows_its_latest_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)
    with showing("benchmark"):
        emit("measure", reading=Reading(latency_ms=5.02))
    assert "benchmark | measure: 5.02 ms" in terminal.getvalue()


def test_work_that_stops_says_when_and_the_interrupt_stays_an_interrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = watched(monkeypatch)
    with pytest.raises(KeyboardInterrupt), showing("compile"):
        raise KeyboardInterrupt
    assert "compile stopped after" in terminal.getvalue()


def test_nothing_is_shown_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with showing("compile"):
        emit("lower")
    assert capsys.readouterr() == ("", "")
