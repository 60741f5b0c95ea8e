"""The recorder against a real MLflow store: once, at once, in spite of everything."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embedl_nb import config, runstore
from embedl_nb.errors import EmbedlWarning, RunStoreError, SchemaTooNewError, UnknownNameError
from embedl_nb.runstore import client, direct, notices, spool, store
from embedl_nb.runstore.location import current_store
from embedl_nb.runtime.process import Child

RECORD: dict[str, Any] = {
    "model_name": "net",
    "precision": "f32",
    "provenance": "measured",
    "device": {"name": "this machine"},
    "latency": {"p50_ms": 1.5, "p95_ms": 2.0},
    "layer_table": [{"index": 0, "name": "a,b", "mean_ms": 1.0}],
}
PATIENCE_S = 300.0  # a limit against hanging on a busy machine, where MLflow's import alone can take a minute
SVG = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
RECORD_AND_FLUSH = """
import json, sys
from embedl_nb import runstore
run_ids = [runstore.record("benchmark", json.loads(sys.argv[1])) for _ in range(3)]
flushed = runstore.flush(300)
print(json.dumps({"ids": run_ids, "said": flushed.sentence, "mlflow": "mlflow" in sys.modules}))
"""
MAKE_AN_OLDER_STORE = """
import pathlib, sys
import mlflow, sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from mlflow.store.tracking.dbmodels.initial_models import Base
url, scripts = f"sqlite:///{sys.argv[1]}", str(pathlib.Path(mlflow.__file__).parent / "store" / "db_migrations")
Base.metadata.create_all(sqlalchemy.create_engine(url))
config = Config()
config.set_main_option("script_location", scripts)
config.set_main_option("sqlalchemy.url", url)
directory = ScriptDirectory(scripts)
command.upgrade(config, directory.get_revision(directory.get_current_head()).down_revision)
"""
RECORD_AND_DIE_WHILE_MEASURING = """
import json, os, signal, sys, time
from embedl_nb import runstore
from embedl_nb.runstore import client
from embedl_nb.runstore.client import recorder
client._GRACE_S = float(sys.argv[2])
runstore.record("benchmark", json.loads(sys.argv[1]))
while recorder()._child is None:
    time.sleep(0.01)
with runstore.pausing():
    print(recorder()._child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def recorder() -> Iterator[client.Recorder]:
    """One recorder process for this file: its start takes longer than all it is asked here."""
    yield client.recorder()
    client.recorder().close()
    client._after_fork()  # the next file gets a new one


@pytest.fixture(scope="module")
def fresh_store(recorder: client.Recorder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a store in which nothing was recorded yet."""
    home = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDL_NB_HOME", str(home))
        store.prepare_store()
        return config.data_dir() / "mlflow.db"


@pytest.fixture
def database(fresh_store: Path, empty_home: Path) -> Path:
    """Return the file of the present test's own store."""
    path = config.data_dir() / "mlflow.db"
    shutil.copyfile(fresh_store, path)
    notices.forget()
    return path


def finished(database: Path) -> list[str]:
    """Return our ids of all finished runs, deleted or not."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            "SELECT value FROM tags JOIN runs USING (run_uuid) WHERE key = 'embedl_nb.run_id' AND status = 'FINISHED'"
        ).fetchall()
    return sorted(row[0] for row in rows)


def put_back(database: Path, run_id: str, spooled: str) -> Path:
    """Undo the last step of recording, as a crash right before it would."""
    path = spool.folder() / f"{run_id}.{current_store().fingerprint}.json"
    path.write_text(spooled)
    return path


def eventually(condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> bool:
    """Poll for a condition that another process brings about."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the latter where it goes away between opening and reading
        return False


def test_a_run_has_its_numbers_words_files_and_parent(database: Path) -> None:
    parent = runstore.record("compile", {"name": "net", "sha256": "cd" * 32})
    run_id = runstore.record("benchmark", RECORD, parent_run_id=parent, pictures={"waterfall": SVG, "page": "<p>x</p>"})
    assert runstore.flush(PATIENCE_S).sentence == ""
    from mlflow.tracking import MlflowClient

    mlflow = MlflowClient(f"sqlite:///{database}")
    experiment = mlflow.get_experiment_by_name("embedl_nb")
    child, base = mlflow.search_runs([experiment.experiment_id], order_by=["attributes.end_time DESC"])
    assert child.data.metrics == {"p50_ms": 1.5, "p95_ms": 2.0}
    assert child.data.params["device.name"] == "this machine"
    assert child.data.tags["mlflow.parentRunId"] == base.info.run_id
    assert child.data.tags["embedl_nb.run_id"] == run_id
    assert child.info.run_name == "benchmark net f32 this machine"
    files = config.data_dir() / "artifacts" / child.info.run_id / "artifacts"
    assert sorted(file.name for file in files.iterdir()) == ["layers.csv", "page.html", "record.json", "waterfall.svg"]
    assert (files / "layers.csv").read_text() == 'index,name,mean_ms\n0,"a,b",1.0\n'
    assert json.loads((files / "record.json").read_text())["result"] == RECORD
    assert spool.paths() == []


def test_a_recorded_run_is_listed_and_read_back_by_its_beginning(database: Path) -> None:
    run_id = runstore.record("benchmark", RECORD)
    runstore.flush(PATIENCE_S)
    row = runstore.runs().iloc[0]
    assert (row["run_id"], row["status"], row["p95_ms"], row["device"]) == (run_id, "recorded", 2.0, "this machine")
    assert runstore.get(run_id)["result"] == runstore.get(run_id[:-2])["result"] == RECORD
    with pytest.raises(UnknownNameError) as caught:
        runstore.get(run_id.replace(run_id[-4:], "zzzz"))
    assert run_id in caught.value.candidates
    with pytest.raises(UnknownNameError):
        runstore.get("it's; DROP TABLE runs")


def _by_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: str(row["run_id"]))


def test_a_step_stands_above_the_one_it_builds_on(database: Path) -> None:
    parent = runstore.record("compile", {"name": "net", "sha256": "cd" * 32})
    child = runstore.record("benchmark", RECORD, parent_run_id=parent)
    assert list(runstore.runs()["run_id"])[:2] == [child, parent]
    runstore.flush(PATIENCE_S)
    assert list(runstore.runs()["run_id"])[:2] == [child, parent]


def test_the_direct_look_and_mlflow_see_the_same_runs(database: Path, recorder: client.Recorder) -> None:
    parent = runstore.record("compile", {"name": "net", "sha256": "cd" * 32})
    runstore.record("benchmark", RECORD, parent_run_id=parent)
    runstore.flush(PATIENCE_S)
    where = current_store().to_json()
    answer = recorder.ask("rows", {"store": where})["rows"]
    assert _by_id(direct.find_rows(database, None, limit=None).rows) == _by_id(answer)
    assert direct.read_record(database, parent) == recorder.ask("get", {"store": where, "run_id": parent})["record"]


def test_a_database_that_cannot_be_read_directly_is_left_to_mlflow(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = runstore.record("benchmark", RECORD)
    runstore.flush(PATIENCE_S)
    monkeypatch.setattr(direct, "_OURS", "FROM a_table_of_another_mlflow")
    with pytest.raises(direct.NotReadable):
        direct.find_rows(database, None, limit=None)
    assert list(runstore.runs()["run_id"]) == [run_id]
    assert runstore.get(run_id)["result"] == RECORD


def test_a_crash_before_the_file_is_removed_leaves_one_run(database: Path) -> None:
    run_id = runstore.record("benchmark", RECORD)
    spooled = spool.paths()[0].read_text()
    runstore.flush(PATIENCE_S)
    path = put_back(database, run_id, spooled)
    runstore.flush(PATIENCE_S)
    assert finished(database) == [run_id]
    assert not path.exists()


def test_a_half_written_run_is_completed(database: Path) -> None:
    run_id = runstore.record("benchmark", RECORD)
    spooled = spool.paths()[0].read_text()
    runstore.flush(PATIENCE_S)
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE runs SET status = 'RUNNING', end_time = NULL")
        connection.execute("DELETE FROM tags WHERE key = 'embedl_nb.precision'")
        connection.execute("DELETE FROM params WHERE key = 'precision'")
    put_back(database, run_id, spooled)
    runstore.flush(PATIENCE_S)
    assert finished(database) == [run_id]
    assert runstore.runs().iloc[0]["precision"] == "f32"


def test_a_run_that_the_user_deleted_does_not_come_back(database: Path) -> None:
    run_id = runstore.record("benchmark", RECORD)
    spooled = spool.paths()[0].read_text()
    runstore.flush(PATIENCE_S)
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
    put_back(database, run_id, spooled)
    runstore.flush(PATIENCE_S)
    assert runstore.runs().empty
    assert finished(database) == [run_id]


def test_a_recorder_that_is_killed_in_the_middle_loses_and_doubles_nothing(
    database: Path, recorder: client.Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ids = sorted(runstore.record("benchmark", RECORD) for _ in range(12))
    request, num_asked, killed = Child.request, itertools.count(1), []

    def kill_at_the_fourth(child: Child, command: str, payload: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        if command == "record" and next(num_asked) == 4:
            killed.append(threading.Timer(0.02, os.kill, (child.pid, signal.SIGKILL)))  # recording one takes longer
            killed[0].start()
        return request(child, command, payload, timeout_s=timeout_s)

    monkeypatch.setattr(Child, "request", kill_at_the_fourth)
    recorder.wake(current_store(), after_s=0)
    assert eventually(lambda: bool(killed))
    killed[0].join()
    assert runstore.flush(PATIENCE_S).num_waiting == 0
    assert finished(database) == run_ids


def test_a_damaged_file_is_set_aside_and_the_others_are_recorded(database: Path) -> None:
    damaged = spool.folder() / f"20200101-000000-0000.{current_store().fingerprint}.json"
    damaged.write_text('{"schema_version": 1, "run_')
    run_id = runstore.record("benchmark", RECORD)
    with pytest.warns(EmbedlWarning, match=damaged.name):
        runstore.flush(PATIENCE_S)
    assert finished(database) == [run_id]
    assert (damaged.parent / "damaged" / damaged.name).read_text() == '{"schema_version": 1, "run_'


def test_a_locked_store_keeps_the_result_waiting_until_it_is_free(database: Path) -> None:
    run_id = runstore.record("benchmark", RECORD)
    with sqlite3.connect(database, isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        flushed = runstore.flush(PATIENCE_S)
        connection.execute("ROLLBACK")
    assert flushed.num_waiting == 1
    assert "locked" in flushed.sentence
    assert str(database) in flushed.sentence
    assert runstore.flush(PATIENCE_S).num_waiting == 0
    assert finished(database) == [run_id]


def test_a_store_that_refuses_a_write_keeps_the_result(database: Path) -> None:
    run_id = runstore.record("benchmark", RECORD)
    with sqlite3.connect(database) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON params BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        )
    assert "disk is full" in runstore.flush(PATIENCE_S).sentence
    assert runstore.get(run_id)["result"] == RECORD
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TRIGGER full")
    runstore.flush(PATIENCE_S)
    assert finished(database) == [run_id]


def test_a_store_of_a_newer_mlflow_is_left_alone_and_said(database: Path) -> None:
    run_id = runstore.record("benchmark", RECORD)
    with sqlite3.connect(database) as connection:
        (known,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.execute("UPDATE alembic_version SET version_num = 'fffffffff000'")
    assert "newer MLflow" in runstore.flush(PATIENCE_S).sentence
    with pytest.raises(SchemaTooNewError):
        store.prepare_store()
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (known,))
    runstore.flush(PATIENCE_S)
    assert finished(database) == [run_id]


def test_a_file_that_is_no_database_is_named_and_left_alone(database: Path) -> None:
    database.write_text("these are my notes" * 100)
    runstore.record("benchmark", RECORD)
    sentence = runstore.flush(PATIENCE_S).sentence
    assert str(database) in sentence
    assert "not a database" in sentence
    assert database.read_text().startswith("these are my notes")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://me:s3cret@127.0.0.1:9", "http://***@127.0.0.1:9"),
        ("postgresql://me:s3cret@127.0.0.1:9/mlflow", "does not answer"),
        ("sqlite:////proc/nowhere/mlflow.db", "/proc/nowhere/mlflow.db"),
    ],
)
def test_a_store_that_is_down_is_given_up_and_named_without_its_password(
    uri: str, said: str, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    run_id = runstore.record("benchmark", RECORD)
    flushed = runstore.flush(PATIENCE_S)
    assert flushed.num_waiting == 1
    assert said in flushed.sentence  # it was given up before the time was over, and why
    assert "s3cret" not in flushed.sentence
    assert runstore.get(run_id)["result"] == RECORD


def test_nothing_is_recorded_while_something_is_measured(database: Path, recorder: client.Recorder) -> None:
    with runstore.pausing():
        run_id = runstore.record("benchmark", RECORD)
        recorder.wake(current_store(), after_s=0)
        assert runstore.flush(0.3).num_waiting == 1
        assert finished(database) == []
    assert runstore.flush(PATIENCE_S).num_waiting == 0
    assert finished(database) == [run_id]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads process states from /proc")
def test_a_recorder_in_the_middle_of_something_long_is_stopped_and_goes_on(
    database: Path, recorder: client.Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_GRACE_S", 0.05)
    runstore.flush(PATIENCE_S)
    store.prepare_store()
    with sqlite3.connect(database, isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")  # what takes long: the recorder waits for this lock
        run_id = runstore.record("benchmark", RECORD)
        recorder.wake(current_store(), after_s=0)
        assert eventually(lambda: recorder._is_busy)
        with runstore.pausing():
            assert recorder._child is not None
            stat = Path(f"/proc/{recorder._child.pid}/stat")
            assert eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
            connection.execute("ROLLBACK")
            assert finished(database) == []
    runstore.flush(PATIENCE_S)
    assert finished(database) == [run_id]


def test_an_uploaded_model_can_be_fetched_elsewhere(database: Path, recorder: client.Recorder, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"model").hexdigest()
    uploaded = tmp_path / f"{sha256}.tflite"
    uploaded.write_bytes(b"model")
    runstore.record("compile", {"name": "net", "sha256": sha256})
    (path,) = spool.paths()
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_file": str(uploaded)}))
    runstore.flush(PATIENCE_S)
    question = {"store": current_store().to_json(), "folder": str(tmp_path / "elsewhere")}
    (tmp_path / "elsewhere").mkdir()
    fetched = recorder.ask("model", {**question, "sha256": sha256})["path"]
    assert Path(fetched).read_bytes() == b"model"
    assert recorder.ask("model", {**question, "sha256": "0" * 64})["path"] == ""


def test_results_of_two_threads_are_all_recorded(database: Path) -> None:
    run_ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: run_ids.extend(runstore.record("compile", RECORD) for _ in range(4)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runstore.flush(PATIENCE_S)
    assert finished(database) == sorted(run_ids)


def test_three_processes_record_at_once_on_a_store_that_is_not_there_yet(empty_home: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RECORD_AND_FLUSH, json.dumps(RECORD)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    answers = [json.loads(process.communicate(timeout=PATIENCE_S)[0]) for process in processes]
    assert [answer["said"] for answer in answers] == [""] * 3
    assert not any(answer["mlflow"] for answer in answers)
    assert finished(config.data_dir() / "mlflow.db") == sorted(run_id for answer in answers for run_id in answer["ids"])


def test_a_recorder_that_is_killed_while_it_makes_the_store_leaves_no_broken_one(
    empty_home: Path, recorder: client.Recorder
) -> None:
    run_id = runstore.record("benchmark", RECORD)
    recorder.wake(current_store(), after_s=0)
    assert eventually(lambda: any(path.stat().st_size for path in config.data_dir().glob(".mlflow.db.new-*")))
    child = recorder._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    assert runstore.flush(PATIENCE_S).num_waiting == 0
    assert finished(config.data_dir() / "mlflow.db") == [run_id]
    assert not list(config.data_dir().glob(".mlflow.db*"))


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel for the parent's death signal")
def test_a_recorder_that_is_ended_as_it_starts_is_started_again(
    database: Path, recorder: client.Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    runstore.flush(PATIENCE_S)
    recorder._let_child_go()
    monkeypatch.setattr(client, "_GRACE_S", 0.0)
    run_id = runstore.record("benchmark", RECORD)
    recorder.wake(current_store(), after_s=0)
    assert eventually(lambda: recorder._is_busy)
    with runstore.pausing():
        assert eventually(lambda: not recorder._is_busy)
        assert len(spool.paths()) == 1
    assert runstore.flush(PATIENCE_S).sentence == ""
    assert finished(database) == [run_id]


@pytest.mark.parametrize("grace_s", [client._GRACE_S, 0.0], ids=["it-has-begun", "it-still-starts"])
def test_a_kernel_that_is_killed_while_measuring_leaves_no_recorder_behind(empty_home: Path, grace_s: float) -> None:
    kernel = subprocess.Popen(
        [sys.executable, "-c", RECORD_AND_DIE_WHILE_MEASURING, json.dumps(RECORD), str(grace_s)],
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(kernel.communicate(timeout=PATIENCE_S)[0])
    assert kernel.returncode == -signal.SIGKILL
    assert eventually(lambda: not is_running(pid))
    assert len(spool.paths()) == 1


@pytest.mark.slow
def test_an_older_store_that_two_kernels_open_at_once_is_migrated_once_and_a_copy_kept(empty_home: Path) -> None:
    database = config.data_dir() / "mlflow.db"
    subprocess.run([sys.executable, "-c", MAKE_AN_OLDER_STORE, str(database)], check=True, cwd=empty_home)
    before = revision(database)
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", RECORD_AND_FLUSH, json.dumps(RECORD)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [json.loads(kernel.communicate(timeout=PATIENCE_S)[0]) for kernel in kernels]
    assert [each["said"] for each in told] == ["", ""]
    assert finished(database) == sorted(run_id for each in told for run_id in each["ids"])
    (copy,) = config.data_dir().glob("mlflow.db.before-*")
    assert revision(copy) == before != revision(database)


@pytest.mark.slow
def test_a_users_store_of_an_older_mlflow_is_left_alone_and_the_command_is_said(
    empty_home: Path, recorder: client.Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = config.data_dir() / "mine.db"
    subprocess.run([sys.executable, "-c", MAKE_AN_OLDER_STORE, str(database)], check=True, cwd=empty_home)
    before = database.read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    runstore.record("benchmark", RECORD)
    assert "older MLflow" in runstore.flush(PATIENCE_S).sentence
    with pytest.raises(RunStoreError, match="mlflow db upgrade"):
        store.prepare_store()
    assert database.read_bytes() == before


def revision(database: Path) -> str:
    with sqlite3.connect(database) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
