"""How long the run browser takes to open, and from a key in its search box to the rows of the answer.

Limit: 50 ms at 5,000 runs, for the median of the keys until the frame with the rows is painted, as the device picker's
(see picker_speed.py, whose typing this is). Beside it stand what the same runs take without a widget: ``enb.runs()`` of
all of them, and the HTML of that table laid out in the same browser. Run as
``python benchmarks/run_browser_speed.py [num_runs]``; it exits with 1 where the limit is broken. The store is a SQLite
file that is made up in a temporary folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from picker_speed import TYPE
from playwright.sync_api import sync_playwright

import embedl_nb as enb
from embedl_nb import runstore
from embedl_nb.runstore.location import current_store
from embedl_nb.runstore.rows import EXPERIMENT, TAG_PREFIX
from embedl_nb.testing.widget_page import widget_page
from embedl_nb.widgets import RunBrowser
from embedl_nb.widgets.run_actions import matching

LIMIT_MS = 50.0
SEARCHES = ("resnet18 w8a8", "galaxy s24 npu", "2026-11-0", "benchmark vit", "zzz")
_MODELS = ("resnet18", "mobilenet_v2", "vit_b_16", "yolo_n", "efficientnet_b0", "whisper_tiny")
_DEVICES = ("Samsung Galaxy S24", "Google Pixel 8", "OnePlus 12", "this machine")
_TABLES = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, start_time INTEGER, status TEXT, lifecycle_stage TEXT,
    artifact_uri TEXT, experiment_id INTEGER);
CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT, PRIMARY KEY (key, run_uuid));
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT, PRIMARY KEY (key, run_uuid));
CREATE TABLE latest_metrics (key TEXT, value REAL, run_uuid TEXT, PRIMARY KEY (key, run_uuid));
"""


def main(num_runs: int = 5000) -> int:
    """Print the times and return the exit code."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["EMBEDL_NB_HOME"] = home
        path = current_store().sqlite_path
        assert path is not None
        _write_store(path, num_runs)
        times = _timed(path)
    load = f", load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""
    print(f"run browser with {num_runs:,} runs{load}")
    for what, time_ms in times.items():
        print(f"  {what}: {time_ms:,.1f} ms")
    print(f"  limit {LIMIT_MS} ms for p50 from key to rows painted")
    return int(times["key to rows painted, p50"] > LIMIT_MS)


def _timed(path: Path) -> dict[str, float]:
    times: dict[str, float] = {}

    @contextlib.contextmanager
    def timing(what: str):
        started = time.perf_counter()
        yield
        times[what] = 1000 * (time.perf_counter() - started)

    enb.runs(limit=1)  # pandas is loaded, for both
    with timing("kernel: enb.RunBrowser()"):
        browser = RunBrowser()
    with timing("kernel: is there any news?"):
        runstore.list_all(browser._listing)
    path.touch()
    with timing("kernel: news, where the file was written to"):
        browser._take(runstore.list_all(browser._listing))
    with timing("kernel: a query in the search box"):
        matching("p50_ms < 10 and device ~ pixel", browser._listing)
    with timing("baseline, kernel: enb.runs(limit=None)"):
        table = enb.runs(limit=None)
    with timing("baseline, kernel: its HTML, all rows"):
        html = table.to_html(max_rows=None)
    print(f"sent to the page: {len(json.dumps(browser._rows)) / 2**20:.2f} MiB; baseline {len(html) / 2**20:.2f} MiB")
    executable = os.environ.get("EMBEDL_NB_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(viewport={"width": 1100, "height": 800})
        with timing("page: opened"):
            page.set_content(widget_page(browser))
            page.locator("body[data-is-ready]").wait_for()
        typed = page.evaluate(TYPE, list(SEARCHES))
        with timing("baseline, page: the table opened"):
            page.set_content(f"<!doctype html>{html}")
            page.evaluate("() => document.body.getBoundingClientRect().height")
        chromium.close()
    for what, place in (("laid out", 0), ("painted", 1)):
        some = sorted(pair[place] for pair in typed)
        times[f"key to rows {what}, p50"] = statistics.median(some)
        times[f"key to rows {what}, p95"] = statistics.quantiles(some, n=20)[-1]
    return times


def _write_store(path: Path, num_runs: int) -> None:
    """Make MLflow's tables as far as they are read, with a model and three measurements of it in turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_TABLES)
        connection.execute("INSERT INTO experiments VALUES (1, ?)", (EXPERIMENT,))
        parent = ""
        for number in range(num_runs):
            uuid, started = f"u{number}", begin + timedelta(minutes=37 * number)
            run_id = f"{started:%Y%m%d-%H%M%S}-{number:08x}"
            is_model = number % 4 == 0
            tags = {
                "run_id": run_id,
                "kind": "quantize" if is_model else "benchmark",
                "name": _MODELS[number // 4 % len(_MODELS)],
                "model_sha256": f"{number // 4:064x}",
                "precision": "w8a8" if number % 8 < 4 else "f32",
                "device": "" if is_model else _DEVICES[number % len(_DEVICES)],
                "provenance": "" if is_model else "measured",
                "parent_run_id": "" if is_model else parent,
                "notebook": "/home/me/notebooks/phones.ipynb",
            }
            parent = run_id if is_model else parent
            start_ms = int(started.timestamp() * 1000)
            connection.execute("INSERT INTO runs VALUES (?, ?, 'FINISHED', 'active', '', 1)", (uuid, start_ms))
            rows = [(TAG_PREFIX + key, value, uuid) for key, value in tags.items() if value]
            connection.executemany("INSERT INTO tags VALUES (?, ?, ?)", rows)
            metrics = (
                {"size_bytes": 1e7} if is_model else {"p50_ms": 1 + number % 97 / 3, "p95_ms": 2 + number % 97 / 3}
            )
            connection.executemany(
                "INSERT INTO latest_metrics VALUES (?, ?, ?)", [(*pair, uuid) for pair in metrics.items()]
            )
            if not is_model:
                unit = ("npu", "gpu", "cpu")[number % 3]
                connection.execute("INSERT INTO params VALUES ('placement.got', ?, ?)", (unit, uuid))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
