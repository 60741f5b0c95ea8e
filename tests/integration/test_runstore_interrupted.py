"""Sessions that end in the middle, and files that go: what the store still says afterwards."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import embedl_nb as enb
from embedl_nb import config, runstore
from embedl_nb.errors import RunStoreError, UnknownNameError
from embedl_nb.runstore import client, spool
from embedl_nb.testing import models

pytestmark = [pytest.mark.litert, pytest.mark.slow]

# A recorded step, then one that is cut off: in the middle of a measurement, as the kernel of a notebook is restarted.
MEASURE_AND_DIE = """
import os, signal, sys, threading, warnings
import embedl_nb as enb
from embedl_nb import progress, runstore
warnings.simplefilter("ignore")
first = enb.benchmark(sys.argv[1], processes=1, iterations=5, profile=False)
print(first.run_id, flush=True)
runstore.flush(120)
def die(event):
    if event.done == 1:
        os.kill(os.getpid(), signal.SIGKILL)
with progress.listening(die):
    enb.benchmark(sys.argv[1], processes=50, iterations=5, profile=False)
"""


def test_a_session_that_is_killed_in_the_middle_of_a_run_leaves_a_whole_store(empty_home: Path, tmp_path: Path) -> None:
    model = models.write(tmp_path, models.fully_connected(), name="net")
    session = subprocess.run(
        [sys.executable, "-c", MEASURE_AND_DIE, str(model)], capture_output=True, text=True, timeout=300, check=False
    )
    assert session.returncode == -signal.SIGKILL, session.stderr
    run_id = session.stdout.strip()
    frame = runstore.runs()
    assert frame["run_id"].tolist() == [run_id]  # the one that was cut off is absent
    assert frame["status"].tolist() == ["recorded"]
    with sqlite3.connect(config.data_dir() / "mlflow.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM runs WHERE status != 'FINISHED'").fetchone() == (0,)
    assert spool.paths() == []
    assert isinstance(enb.load(run_id), enb.Benchmark)
    # And the store takes the next one.
    opened = enb.LiteRTModel.open(model)
    compiled = runstore.record("compile", opened.to_record(), model_path=model)
    assert runstore.flush(300).num_waiting == 0
    assert set(runstore.runs()["run_id"]) == {run_id, compiled}
    _files_that_go(run_id, compiled)


def _files_that_go(run_id: str, compiled: str) -> None:
    """Delete one thing after another: each is said by what it is of."""
    shutil.rmtree(config.data_dir() / "models")
    with pytest.raises(UnknownNameError, match="no kept model"):
        enb.load(compiled)
    shutil.rmtree(config.data_dir() / "artifacts")
    with pytest.raises(RunStoreError, match=rf"run {run_id} is in the store but its record.json cannot be read"):
        enb.load(run_id)
    assert run_id in set(runstore.runs()["run_id"])
    client.recorder().close()
    client._after_fork()
