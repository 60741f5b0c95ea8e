"""``enb.runs(query)``: the same rows from a SQLite store as from any other, a page at a time."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import embedl_nb as enb
from embedl_nb import runstore
from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.query import parse
from embedl_nb.runstore import direct, notices, reading
from embedl_nb.runstore.location import current_store
from embedl_nb.runstore.rows import EXPERIMENT, NAMES, TAG_PREFIX, named
from tests.unit.test_runstore_store import RECORD, FakeRecorder

_DEVICES = ("Galaxy S24", "Pixel 8", "")


@pytest.fixture
def database(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the tables of MLflow that are read, with 12 runs, of which one was deleted."""
    monkeypatch.setattr(reading, "recorder", FakeRecorder)
    notices.forget()
    path = current_store().sqlite_path
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            "CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT);"
            "CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, start_time INTEGER, status TEXT, lifecycle_stage TEXT,"
            " artifact_uri TEXT, experiment_id INTEGER);"
            "CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT, PRIMARY KEY (key, run_uuid));"
            "CREATE TABLE latest_metrics (key TEXT, value REAL, run_uuid TEXT, PRIMARY KEY (key, run_uuid));"
            "CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT, PRIMARY KEY (key, run_uuid));"
        )
        connection.execute("INSERT INTO experiments VALUES (1, ?)", (EXPERIMENT,))
        for number in range(12):
            _insert(connection, number)
    return path


def _insert(connection: sqlite3.Connection, number: int) -> None:
    uuid, stage = f"u{number}", "deleted" if number == 11 else "active"
    status = "RUNNING" if number == 7 else "FINISHED"
    started_ms = 1793491200000 + number * 3_600_000  # 2026-11-01 00:00 UTC and an hour each
    connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, '', 1)", (uuid, started_ms, status, stage))
    kind = "compile" if number % 4 == 0 else "benchmark"
    tags = {"run_id": f"20261101-{number:02}0000-00{number:02x}", "kind": kind, "device": _DEVICES[number % 3]}
    tags["model_sha256"] = ("ab" if number % 2 else "cd") * 32
    if number in (5, 6):
        tags["imported_from"] = "lab"
    rows = [(TAG_PREFIX + key, value, uuid) for key, value in tags.items()]
    connection.executemany("INSERT INTO tags VALUES (?, ?, ?)", rows)
    if kind == "benchmark":
        metrics = {"p50_ms": float(number), "peak_memory_bytes": number * 2.0**20}
        connection.executemany(
            "INSERT INTO latest_metrics VALUES (?, ?, ?)", [(*pair, uuid) for pair in metrics.items()]
        )
        unit = "npu" if number % 3 else "cpu"
        connection.execute("INSERT INTO params VALUES ('placement.got', ?, ?)", (unit, uuid))


@pytest.mark.parametrize(
    "query",
    [
        'kind == "benchmark" and p50_ms < 6 and device ~ "s24"',
        "not kind == benchmark",
        "p50_ms >= 5 or kind == compile",
        "peak_memory_mib <= 3 MiB",
        "peak_memory_bytes > 8 MiB",
        "started >= '2026-11-01 03:00' and started < '2026-11-01 09:30'",
        "model == abababababab and status == recorded",
        "status != recorded",
        "not (p50_ms < 3 and device ~ pixel)",
        "parent == '' and run_id > '20261101-05'",
        "energy_mj < 5",
        "compute_unit == npu and imported_from == lab",
        "git_commit == '' and notebook == '' and git_dirty == ''",
        'device == "\'; DROP TABLE runs; --"',
    ],
)
def test_sqlite_and_python_find_the_same_runs(database: Path, query: str) -> None:
    asked = parse(query, NAMES)
    every = direct.find_rows(database, None, limit=None).rows
    assert len(every) == 11
    found = direct.find_rows(database, asked, limit=None)
    assert found.rows == [row for row in every if asked.matches(named(row))]
    assert found.total == len(found.rows)


def test_a_page_is_the_newest_and_says_how_many_more_there_are(database: Path) -> None:
    table = runstore.runs(limit=3)
    assert [run_id[9:11] for run_id in table["run_id"]] == ["10", "09", "08"]
    assert "8 more are older" in repr(table)
    assert "8 more are older" in str(table._repr_html_())
    assert "more are older" not in repr(runstore.runs())
    assert "more are older" not in repr(table.head(2))


def test_what_waits_is_filtered_and_counted_too(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedl_nb.runstore.store.recorder", FakeRecorder)
    waiting = runstore.record("benchmark", RECORD)
    table = runstore.runs("p50_ms < 3 and kind == benchmark", limit=2)
    assert list(table["run_id"]) == [waiting, "20261101-020000-0002"]
    assert "1 more are older" in repr(table)


def test_an_id_is_completed_without_reading_the_table(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "find_rows", lambda *_, **__: pytest.fail("the whole table was read"))
    with pytest.raises(UnknownNameError, match="11 runs begin with"):
        runstore.get("20261101-")
    with pytest.raises(UnknownNameError) as caught:
        runstore.get("20261101-050001-0005")
    assert "20261101-050000-0005" in caught.value.candidates


def test_a_mistake_in_a_query_is_named(database: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        runstore.runs("p50 < 10")
    assert "p50_ms" in caught.value.candidates
    for query in ("p50_ms < 10; DROP TABLE runs", "(kind == benchmark", "", "x" * 2**20):
        with pytest.raises(InputError):
            runstore.runs(query)
    for limit in (0, -1, True, "ten", 10**30):
        with pytest.raises(InputError, match="limit="):
            runstore.runs(limit=limit)  # type: ignore[arg-type]  # on purpose
    assert len(runstore.runs()) == 11


def test_the_step_that_made_a_model_is_found_by_its_hash(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    monkeypatch.setattr(reading, "get", lambda run_id: read.append(run_id) or {"run_id": run_id})
    assert runstore.maker_of("cd" * 32) == {"run_id": "20261101-080000-0008"}
    assert runstore.maker_of("cd" * 31 + "00") is None
    assert len(read) == 1


def test_the_catalog_takes_words_as_before_and_queries_too() -> None:
    found = enb.catalog('npu ~ "hexagon" and min_ram_gb >= 8 and brand == Samsung')
    assert 0 < len(found) < len(enb.catalog("samsung"))
    assert all("hexagon" in phone.chip.npu.lower() and phone.brand == "Samsung" for phone in found)
    assert len(enb.catalog("year > 3000")) == 0
    with pytest.raises(UnknownNameError) as caught:
        enb.catalog("ram_gb >= 8")
    assert "min_ram_gb" in caught.value.candidates


def test_devices_are_found_by_words_or_a_query(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(name: str, state: str, memory_mib: int | None) -> Any:
        texts = dict.fromkeys(("address", "soc", "cpu", "os", "compute_units", "next_step"), "")
        return SimpleNamespace(
            to_row=lambda: {**texts, "name": name, "state": state, "num_cores": 8, "memory_mib": memory_mib}
        )

    all_devices = [row("Galaxy S24", "ready", 8192), row("Pixel 8", "offline", None)]
    monkeypatch.setattr("embedl_nb.device.list_devices", lambda: all_devices)
    assert list(enb.devices()["name"]) == ["Galaxy S24", "Pixel 8"]
    assert list(enb.devices("s24 READY")["name"]) == ["Galaxy S24"]
    assert list(enb.devices("memory_mib >= 4 GiB")["name"]) == ["Galaxy S24"]
    assert list(enb.devices("state != ready")["name"]) == ["Pixel 8"]
    assert list(enb.devices("iphone").columns) == list(enb.devices().columns)
    with pytest.raises(InputError, match="cannot be read"):
        enb.devices("state == ready and")
