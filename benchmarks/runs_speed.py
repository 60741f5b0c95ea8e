"""How long a store of many runs makes one wait, on SQLite: a query, a page, one run, a comparison of two, Tab.

    python benchmarks/runs_speed.py [--runs 10000] [--layers 100] [--folder FOLDER]

One benchmark with its layers is recorded as always; the others are copies of its rows in MLflow's own tables, with ids,
times, devices, latencies and artifact folders of their own. Goals: a selective query and a comparison by run ids 0.5 s
at most, Tab 0.1 s, all warm (a second call in the process); the median of 5 is quoted.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from embedl_nb import pipeline, runstore
from embedl_nb.runstore.recent import recent_ids
from embedl_nb.testing.results import fake_benchmark

ROUNDS = 5
DEVICES = ("Galaxy S24", "Pixel 8", "Galaxy S23", "Xiaomi 14", "Pixel 9 Pro")
COPIED = ("params", "metrics", "latest_metrics", "tags")


def seed(num_layers: int) -> Path:
    """Record one benchmark, and return the store's file."""
    runstore.record("benchmark", fake_benchmark(num_layers).to_record())
    waiting = runstore.flush(120)
    if waiting.num_waiting:
        raise SystemExit(waiting.sentence)
    from embedl_nb.runstore.location import current_store

    path = current_store().sqlite_path
    assert path is not None
    return path


def multiply(path: Path, num_runs: int) -> None:
    """Copy the one run until there are ``num_runs``."""
    with sqlite3.connect(path) as database:
        columns = {
            table: [row[1] for row in database.execute(f"PRAGMA table_info({table})")] for table in (*COPIED, "runs")
        }
        ((uuid, uri),) = database.execute("SELECT run_uuid, artifact_uri FROM runs").fetchall()
        rows = {
            table: database.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (uuid,)).fetchall()
            for table in columns
        }
        begin = datetime(2026, 1, 1, tzinfo=UTC)
        for number in range(1, num_runs):
            when, new = begin + timedelta(minutes=number), f"{number:032x}"
            changed = {
                "embedl_nb.run_id": f"{when:%Y%m%d-%H%M%S}-{number % 65536:04x}",
                "embedl_nb.device": DEVICES[number % len(DEVICES)],
                "p50_ms": 1 + number % 97 / 2,
                "p95_ms": 2 + number % 97 / 2,
            }
            values = {
                "run_uuid": new,
                "artifact_uri": uri.replace(uuid, new),
                "start_time": int(when.timestamp() * 1000),
            }
            for table, names in columns.items():
                copies = [_changed(names, row, values, changed) for row in rows[table]]
                marks = ", ".join("?" * len(names))
                database.executemany(f"INSERT INTO {table} VALUES ({marks})", copies)
            folder = Path(urlsplit(values["artifact_uri"]).path)
            folder.mkdir(parents=True)
            original = Path(urlsplit(uri).path) / "record.json"
            if number > 1:
                os.link(original, folder / "record.json")
                continue
            # The oldest is compared with the newest: its record is its own, the others share one file.
            record = {**json.loads(original.read_text()), "run_id": changed["embedl_nb.run_id"]}
            (folder / "record.json").write_text(json.dumps(record))
    database.close()


def _changed(
    names: list[str], row: tuple[object, ...], values: dict[str, object], by_key: dict[str, object]
) -> list[object]:
    found = {**dict(zip(names, row, strict=True)), **{name: value for name, value in values.items() if name in names}}
    if found.get("key") in by_key and "value" in found:
        found["value"] = by_key[str(found["key"])]
    return [found[name] for name in names]


def median_s(work: Callable[[], object]) -> float:
    """Return the median of the warm calls."""
    work()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> int:
    """Build the store, time each question, and say whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--layers", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where the store is made; one that is there is used again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["EMBEDL_NB_HOME"] = str(arguments.folder or temporary)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if len(runstore.runs(limit=None)) < arguments.runs:
            multiply(seed(arguments.layers), arguments.runs)
        ids = list(runstore.runs(limit=None)["run_id"])
        print(f"{len(ids):,} runs with {arguments.layers} layers each")
        questions: list[tuple[str, float, Callable[[], object]]] = [
            ("selective query", 0.5, lambda: pipeline.runs("kind == benchmark and p50_ms < 2 and device ~ 'S24'")),
            ("a month", 0.5, lambda: pipeline.runs("started >= '2026-01-03' and started < '2026-01-04'")),
            ("newest page", 0.5, pipeline.runs),
            ("all rows", 5.0, lambda: pipeline.runs(limit=None)),
            ("load by id", 0.5, lambda: pipeline.load(ids[0])),
            ("compare two by id", 0.5, lambda: pipeline.compare(ids[0], ids[-1])),
            ("Tab", 0.1, recent_ids),
        ]
        is_met = True
        for name, goal_s, work in questions:
            taken_s = median_s(work)
            is_met &= taken_s <= goal_s
            print(f"{name:20} {taken_s * 1000:8.1f} ms   (goal {goal_s * 1000:g})")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
