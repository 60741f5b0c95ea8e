"""Have several machines' worth of writers record into one PostgreSQL store at once, from nothing, and count the runs.

Each writer is a process with a home of its own: no lock file is shared. The server is that of tests/integration.

    python benchmarks/postgresql_runs.py [--writers 4] [--runs 2000]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WRITER = """
import json, sys, time
from embedl_nb import runstore
from embedl_nb.testing.results import fake_benchmark
record = fake_benchmark(num_layers=10, iterations=20).to_record()
ids = [runstore.record("benchmark", record) for _ in range(int(sys.argv[1]))]
deadline = time.monotonic() + float(sys.argv[2])
while (flushed := runstore.flush(60)).num_waiting and time.monotonic() < deadline:
    pass
print(json.dumps({"ids": ids, "said": flushed.sentence}))
"""
COUNT = """
import json
from embedl_nb import runstore
frame = runstore.runs(limit=None)
print(json.dumps(sorted(frame["run_id"][frame["status"] == "recorded"])))
"""


def write_all(uri: str, folder: Path, *, writers: int, runs: int, limit_s: float) -> tuple[list[str], list[str], float]:
    """Return the ids that were written, the ids that the store has, and the seconds it took."""
    begun = time.monotonic()
    processes = []
    for number in range(writers):
        environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "EMBEDL_NB_HOME": str(folder / str(number))}
        share = runs // writers + (number < runs % writers)
        command = [sys.executable, "-c", WRITER, str(share), str(limit_s)]
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    answers = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    seconds = time.monotonic() - begun
    for answer in answers:
        if answer["said"]:
            print(answer["said"], file=sys.stderr)
    counted = subprocess.run(
        [sys.executable, "-c", COUNT],
        env={**os.environ, "MLFLOW_TRACKING_URI": uri, "EMBEDL_NB_HOME": str(folder / "reader")},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(counted.stdout.splitlines()[-1])
    return sorted(run_id for answer in answers for run_id in answer["ids"]), found, seconds


def main() -> None:
    """Run it and print one line."""
    sys.path.insert(0, str(ROOT / "tests" / "integration"))
    from postgresql import postgresql

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--limit-s", type=float, default=3600.0)
    asked = parser.parse_args()
    with postgresql() as uri, tempfile.TemporaryDirectory() as folder:
        written, found, seconds = write_all(
            uri, Path(folder), writers=asked.writers, runs=asked.runs, limit_s=asked.limit_s
        )
    lost, doubled = len(written) - len(set(found) & set(written)), len(found) - len(set(found))
    print(
        f"{len(written)} runs of {asked.writers} writers in {seconds:.0f} s "
        f"({seconds / len(written) * 1000:.0f} ms a run): {lost} lost, {doubled} doubled, "
        f"{len(found)} in the store"
    )
    sys.exit(1 if lost or doubled else 0)


if __name__ == "__main__":
    main()
