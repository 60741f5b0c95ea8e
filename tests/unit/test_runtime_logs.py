"""Logs are kept where they can be, and not for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embedl_nb import config
from embedl_nb.runtime import logs
from embedl_nb.runtime.logs import ChildLog


@pytest.fixture
def log_folder(empty_home: Path) -> Path:
    return config.log_dir()


def test_the_tail_is_what_was_written_after_the_mark(log_folder: Path) -> None:
    log = ChildLog("toy")
    os.write(log.fd, b"before\n")
    mark = log.size_bytes()
    os.write(log.fd, b"after\n")
    assert log.tail(since_bytes=mark) == "after\n"
    assert log.tail() == "before\nafter\n"
    assert log.path.parent == log_folder
    log.close()


def test_a_long_log_gives_its_end(log_folder: Path) -> None:
    log = ChildLog("toy")
    os.write(log.fd, b"x" * 100_000 + b"the end")
    assert log.tail().endswith("the end")
    assert len(log.tail()) < 20_000
    log.close()


def test_reading_the_tail_does_not_move_where_the_child_writes(log_folder: Path) -> None:
    log = ChildLog("toy")
    os.write(log.fd, b"first line\n")
    log.tail()
    os.write(log.fd, b"second line\n")
    assert log.path.read_text() == "first line\nsecond line\n"
    log.close()


def test_only_the_newest_logs_are_kept(log_folder: Path) -> None:
    for number in range(80):
        old = log_folder / f"embedl_nb-toy-{number:03}.log"
        old.touch()
        os.utime(old, (number, number))
    foreign = log_folder / "notes.txt"
    foreign.touch()
    log = ChildLog("toy")
    log.close()
    kept = sorted(path.name for path in log_folder.glob("*.log"))
    assert len(kept) == 50
    assert "embedl_nb-toy-079.log" in kept
    assert "embedl_nb-toy-000.log" not in kept
    assert log.path.name in kept
    assert foreign.exists()


def test_a_folder_that_is_gone_costs_the_place_of_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log_folder: Path
) -> None:
    monkeypatch.setattr(logs.config, "log_dir", lambda: tmp_path / "gone")
    monkeypatch.setattr(logs.tempfile, "gettempdir", lambda: str(tmp_path))
    log = ChildLog("toy")
    assert log.path.parent == tmp_path
    log.close()


def test_no_folder_at_all_costs_the_log_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(logs.config, "log_dir", lambda: tmp_path / "gone")
    monkeypatch.setattr(logs.tempfile, "gettempdir", lambda: str(tmp_path / "gone as well"))
    log = ChildLog("toy")
    os.write(log.fd, b"lost")
    assert log.path == Path(os.devnull)
    assert log.tail() == ""
    log.close()


def test_a_closed_log_has_no_tail(log_folder: Path) -> None:
    log = ChildLog("toy")
    log.close()
    log.close()
    assert log.tail() == ""
    assert log.size_bytes() == 0
