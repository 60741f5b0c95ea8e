"""Recording as the pipeline sees it, with a recorder that only remembers; and what MLflow is shown of a record."""

from __future__ import annotations

import math
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from embedl_nb import config, runstore
from embedl_nb.errors import EmbedlError, EmbedlWarning, RunStoreError, SchemaTooNewError, UnknownNameError
from embedl_nb.runstore import notices, reading, spool, store
from embedl_nb.runstore.location import Store, current_store, redact
from embedl_nb.runstore.summary import flatten, summarize

RECORD: dict[str, Any] = {
    "model_name": "net",
    "model_sha256": "ab" * 32,
    "precision": "f32",
    "provenance": "measured",
    "device": {"name": "this machine", "address": "host://", "memory_bytes": 8},
    "latency": {"p50_ms": 1.5, "p95_ms": 2.0, "ci95_ms": [1.4, 1.6], "samples_ms": [[1.0, 2.0]]},
    "memory": {"peak_memory_bytes": 1024, "by_stage": {"load": 512}},
    "environment": {"num_cores": 2, "versions": {"python": "3.11"}, "started_at": "2026-11-22T17:00:00+00:00"},
    "layer_table": [{"index": 0, "name": "a", "mean_ms": 1.0}, {"index": 1, "name": "b", "mean_ms": 0.5}],
    "is_settled": True,
}


class FakeRecorder:
    """Remembers who woke it; answers or fails as the test says."""

    def __init__(self) -> None:
        self.woken: list[Store] = []
        self.answers: dict[str, dict[str, Any] | EmbedlError] = {"rows": {"rows": []}}
        self.noted: list[EmbedlError] = []
        self.has_work = False

    def wake(self, where: Store, *, after_s: float = 0) -> None:
        self.woken.append(where)

    def ask(self, command: str, payload: dict[str, Any], *, timeout_s: float = 0) -> dict[str, Any]:
        answer = self.answers[command]
        if isinstance(answer, EmbedlError):
            raise answer
        return answer

    def wait(self, timeout_s: float, *, drained: bool) -> bool:
        return True

    def problems(self) -> list[EmbedlError]:
        found, self.noted = self.noted, []
        return found

    @contextmanager
    def pausing(self) -> Iterator[None]:
        yield


@pytest.fixture
def fake(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRecorder:
    recorder = FakeRecorder()
    monkeypatch.setattr(store, "recorder", lambda: recorder)
    monkeypatch.setattr(reading, "recorder", lambda: recorder)
    notices.forget()
    return recorder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have runs go to a server, which only the recorder can ask."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker:5000")


def test_a_recorded_result_can_be_read_at_once(fake: FakeRecorder) -> None:
    run_id = runstore.record("benchmark", RECORD, parent_run_id="20261122-000000-0000")
    found = runstore.get(run_id)
    assert (found["kind"], found["result"], found["run_id"]) == ("benchmark", RECORD, run_id)
    assert found["parent_run_id"] == "20261122-000000-0000"
    assert fake.woken == [current_store()]


def test_the_layer_table_becomes_a_table_of_the_run(fake: FakeRecorder) -> None:
    runstore.record("benchmark", RECORD, tables={"extra": [{"a": 1}]}, pictures={"waterfall": "<svg/>"})
    (path,) = spool.paths()
    entry = spool.read(path)
    assert entry.tables == {"layers": RECORD["layer_table"], "extra": [{"a": 1}]}
    assert entry.pictures == {"waterfall": "<svg/>"}


def test_a_waiting_run_is_listed_and_marked(fake: FakeRecorder) -> None:
    run_id = runstore.record("benchmark", {**RECORD, "energy": {"energy_mj": 12.5, "uncertainty_mj": 0.5}})
    row = runstore.runs().iloc[0]
    assert (row["run_id"], row["status"], row["p50_ms"], row["model"]) == (run_id, "waiting", 1.5, "ab" * 6)
    assert row["energy_mj"] == 12.5
    assert row["started"].isoformat() == "2026-11-22T17:00:00+00:00"


def test_runs_are_newest_first_and_each_is_listed_once(fake: FakeRecorder, server: None) -> None:
    waiting = runstore.record("benchmark", RECORD)
    row = {**reading._waiting_rows()[0][0], "status": "recorded"}
    older = {**row, "run_id": "20250101-000000-0000", "started_ms": 5}
    fake.answers["rows"] = {"rows": [older, row]}
    frame = runstore.runs()
    assert list(frame["run_id"]) == [waiting, "20250101-000000-0000"]
    assert list(frame["status"]) == ["waiting", "recorded"]


def test_an_empty_store_gives_an_empty_frame_with_all_columns(fake: FakeRecorder) -> None:
    frame = runstore.runs()
    assert frame.empty
    assert {"run_id", "p50_ms", "status", "parent", "git_commit"} <= set(frame.columns)


def test_a_store_that_fails_is_told_once_and_the_waiting_runs_are_still_listed(
    fake: FakeRecorder, server: None
) -> None:
    runstore.record("benchmark", RECORD)
    fake.answers["rows"] = RunStoreError("the run store http://tracker is down", hint="start it")
    with pytest.warns(EmbedlWarning, match="tracker is down") as caught:
        assert len(runstore.runs()) == 1
    assert len(caught) == 1
    assert "1 result waits in" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(runstore.runs()) == 1


def test_what_the_recorder_met_is_told_at_the_next_call(fake: FakeRecorder) -> None:
    fake.noted = [RunStoreError("the run store x cannot be written")]
    with pytest.warns(EmbedlWarning, match="x cannot be written"):
        runstore.record("benchmark", RECORD)


def test_a_failed_flush_says_how_many_wait_where_and_why(fake: FakeRecorder) -> None:
    runstore.record("benchmark", RECORD)
    fake.noted = [RunStoreError("the run store x is full")]
    flushed = runstore.flush(0)
    assert flushed.num_waiting == 1
    assert str(spool.folder()) in flushed.sentence
    assert "x is full" in flushed.sentence


def test_an_unknown_run_id_names_the_close_ones(fake: FakeRecorder) -> None:
    run_id = runstore.record("benchmark", RECORD)
    with pytest.raises(UnknownNameError) as caught:
        runstore.get(f"x{run_id}")
    assert caught.value.candidates == (run_id,)


def test_the_beginning_of_two_run_ids_is_not_enough(fake: FakeRecorder) -> None:
    run_ids = sorted(runstore.record("benchmark", RECORD) for _ in range(2))
    with pytest.raises(UnknownNameError, match="2 runs begin with '20'") as caught:
        runstore.get("20")
    assert list(caught.value.candidates) == run_ids


def test_with_nothing_recorded_an_unknown_run_id_says_so(fake: FakeRecorder) -> None:
    with pytest.raises(UnknownNameError) as caught:
        runstore.get("20261122")
    assert caught.value.hint == "nothing is recorded yet"


def test_a_waiting_run_is_found_by_its_beginning_while_the_store_is_down(fake: FakeRecorder, server: None) -> None:
    run_id = runstore.record("benchmark", RECORD)
    fake.answers["rows"] = RunStoreError("down")
    assert runstore.get(run_id[:12])["run_id"] == run_id
    with pytest.raises(RunStoreError, match=r"'1999' cannot be looked up: down"):
        runstore.get("1999")


def test_a_record_of_a_newer_version_says_so(fake: FakeRecorder, server: None) -> None:
    run_id = runstore.record("benchmark", RECORD)
    fake.answers["rows"] = {"rows": [{**reading._waiting_rows()[0][0], "run_id": "20300101-000000-0000"}]}
    fake.answers["get"] = {"record": {"run_id": run_id, "schema_version": 99}}
    with pytest.raises(SchemaTooNewError):
        runstore.get("2030")


def test_two_results_that_draw_the_same_id_are_both_kept(fake: FakeRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["20261122-170401-0001", "20261122-170401-0001", "20261122-170401-0002"])
    monkeypatch.setattr(spool, "new_run_id", lambda _now: next(drawn))
    assert [runstore.record("compile", RECORD) for _ in range(2)] == ["20261122-170401-0001", "20261122-170401-0002"]


def test_a_model_that_cannot_be_kept_costs_a_warning_not_the_run(fake: FakeRecorder, tmp_path: Path) -> None:
    with pytest.warns(EmbedlWarning, match="without its model"):
        run_id = runstore.record("compile", RECORD, model_path=tmp_path / "gone.tflite")
    assert runstore.get(run_id)["kind"] == "compile"


@pytest.mark.parametrize(
    ("uri", "wish", "is_uploaded"),
    [("http://tracker:5000", "1", True), ("http://tracker:5000", "", False), ("", "1", False)],
)
def test_a_model_goes_to_a_remote_store_only_on_request(
    uri: str, wish: str, is_uploaded: bool, fake: FakeRecorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("EMBEDL_NB_UPLOAD_MODELS", wish)
    (tmp_path / "m.tflite").write_bytes(b"m")
    runstore.record("compile", {"name": "net"}, model_path=tmp_path / "m.tflite")
    (path,) = spool.paths()
    assert bool(spool.read(path).model_file) is is_uploaded


def test_a_password_is_in_no_file_and_no_label(fake: FakeRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:s3cret@tracker/mlflow?token=t0ken")
    runstore.record("benchmark", RECORD)
    (path,) = spool.paths()
    text = path.read_text() + current_store().label
    assert "s3cret" not in text
    assert "t0ken" not in text
    assert "tracker/mlflow" in text
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:changed@tracker/mlflow?token=new")
    assert spool.paths(current_store().fingerprint) == [path]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:p@db:5432/mlflow", "postgresql://***@db:5432/mlflow"),
        ("at https://u:p@ss@host/x failed", "at https://***@host/x failed"),
        ("mssql://h/db?driver=x&password=p;pwd=q", "mssql://h/db?driver=x&password=***;pwd=***"),
        ("sqlite:////home/me/a@b.db", "sqlite:////home/me/a@b.db"),
        ("user@example.org wrote", "user@example.org wrote"),
    ],
)
def test_credentials_are_redacted_and_nothing_else(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_without_a_choice_runs_go_to_sqlite_in_the_data_folder(empty_home: Path) -> None:
    where = current_store()
    assert where.sqlite_path == config.data_dir() / "mlflow.db"
    assert where.is_own
    assert not where.is_remote


@pytest.mark.parametrize(
    ("uri", "resolved"),
    [
        ("sqlite:///runs.db", "sqlite:///{cwd}/runs.db"),
        ("sqlite+pysqlite:///runs.db?timeout=5", "sqlite+pysqlite:///{cwd}/runs.db?timeout=5"),
        ("./mlruns", "file://{cwd}/mlruns"),
        ("file:mlruns", "file://{cwd}/mlruns"),
        ("file:///abs/mlruns", "file:///abs/mlruns"),
        ("http://tracker:5000", "http://tracker:5000"),
        ("databricks", "databricks"),
        ("databricks://profile", "databricks://profile"),
    ],
)
def test_a_users_uri_is_resolved_where_it_was_meant(
    uri: str, resolved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    where = current_store()
    assert where.uri == resolved.format(cwd=tmp_path)
    assert not where.is_own


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("postgresql+psycopg2://u:p@db/mlflow", ("db", 5432)),
        ("mysql://db:3307/x", ("db", 3307)),
        ("http://tracker:5000", ("tracker", 5000)),
        ("https://tracker/mlflow", ("tracker", 443)),
        ("databricks", None),
        ("databricks://profile", None),
        ("sqlite:////x.db", None),
        ("http://[::1", None),
        ("postgresql://me:a/b@db/mlflow", None),
    ],
)
def test_a_server_is_known_by_its_address(uri: str, address: tuple[str, int] | None) -> None:
    assert Store(uri=uri, is_own=False).address == address


@pytest.mark.parametrize(
    ("uri", "is_remote", "is_database_server"),
    [
        ("sqlite:////x.db", False, False),
        ("sqlite+pysqlite:////x.db", False, False),
        ("file:///runs", False, False),
        ("postgresql+psycopg2://db/mlflow", True, True),
        ("http://tracker", True, False),
        ("http://[::1", True, False),
        ("databricks", True, False),
        ("uc:https://catalog", True, False),
    ],
)
def test_a_store_elsewhere_is_known_as_such(uri: str, is_remote: bool, is_database_server: bool) -> None:
    where = Store(uri=uri, is_own=False)
    assert (where.is_remote, where.is_database_server) == (is_remote, is_database_server)


def test_the_tracking_uri_that_the_kernel_has_set_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = types.SimpleNamespace(is_tracking_uri_set=lambda: True, get_tracking_uri=lambda: "http://mine:1")
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)  # type: ignore[arg-type]  # only these two are looked at
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other:1")
    assert current_store().uri == "http://mine:1"
    monkeypatch.setattr(mlflow, "is_tracking_uri_set", lambda: False)
    assert current_store().uri == "http://other:1"


def test_metrics_have_units_in_their_names_and_the_rest_are_parameters() -> None:
    params, metrics = flatten(RECORD)
    assert metrics == {"p50_ms": 1.5, "p95_ms": 2.0, "peak_memory_bytes": 1024.0, "peak_load_bytes": 512.0}
    assert params["latency.ci95_ms"] == "1.4, 1.6"
    assert params["environment.num_cores"] == "2"
    assert params["device.memory_bytes"] == "8"
    assert params["is_settled"] == "True"
    assert not [name for name in params if "samples" in name or "layer" in name]


def test_metrics_of_the_same_name_keep_their_paths_apart() -> None:
    _, metrics = flatten({"a": {"time_ms": 1}, "b": {"time_ms": 2}, "c": {"other_ms": math.nan, "more_ms": math.inf}})
    assert metrics == {"a.time_ms": 1.0, "b.time_ms": 2.0}


def test_names_and_values_are_made_fit_for_mlflow() -> None:
    params, _ = flatten({"odd name!?": "x" * 10_000, "none": None, "empty": ""})
    assert list(params) == ["odd name__"]
    assert len(params["odd name__"]) == 500


def test_the_summary_reads_a_compile_and_a_benchmark() -> None:
    assert summarize(RECORD).device == "this machine"
    compiled = summarize({"name": "net", "sha256": "cd" * 32, "target": "a phone", "precision": "w8a8"})
    assert (compiled.name, compiled.model_sha256, compiled.device) == ("net", "cd" * 32, "a phone")
