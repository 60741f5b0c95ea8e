"""Runs in one file: out of one home, into another, and files that somebody else made."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

import embedl_nb as enb
from embedl_nb import config, runstore
from embedl_nb.errors import EmbedlError, EmbedlWarning, InputError, RunStoreError, SchemaTooNewError
from embedl_nb.runstore import archive, reading, spool
from embedl_nb.testing import models
from embedl_nb.testing.results import fake_benchmark

RECORDS = Path(__file__).parent / "records"


@pytest.fixture
def exported(spooled_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file with a compile and its benchmark; the home is empty again, as another machine's is."""
    model = enb.LiteRTModel.open(models.write(tmp_path, models.fully_connected(), name="net"))
    run_id = runstore.record("compile", model.to_record(), model_path=model.path)
    benchmark = fake_benchmark().to_record() | {"model_sha256": model.sha256}
    runstore.record("benchmark", benchmark, parent_run_id=run_id)
    monkeypatch.setattr(archive.machine, "hostname", lambda: "lab-7")
    path: Path = enb.export_runs(tmp_path / "out" / "runs.zip")
    shutil.rmtree(spooled_home)
    return path


def rewritten(path: Path, change: Any) -> Path:
    """Write the archive anew, with its members (bytes by name) as ``change`` leaves them."""
    with zipfile.ZipFile(path) as source:
        members = {name: source.read(name) for name in source.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as target:
        for name, data in members.items():
            target.writestr(name, data)
    return path


def first_record(members: dict[str, bytes], **changes: Any) -> None:
    name = next(name for name in members if name.startswith("runs/"))
    members[name] = json.dumps({**json.loads(members[name]), **changes}).encode()


def test_runs_keep_their_ids_times_parents_and_provenance(exported: Path) -> None:
    imported = enb.import_runs(exported)
    assert imported.host == "lab-7"
    assert "imported 2 runs and 1 model from lab-7" in repr(imported)
    benchmark, compiled = (runstore.get(run_id) for run_id in sorted(imported.run_ids, key=_kind))
    assert benchmark["parent_run_id"] == compiled["run_id"]
    assert {benchmark["imported_from"], compiled["imported_from"]} == {"lab-7"}
    loaded = enb.load(benchmark["run_id"])
    assert isinstance(loaded, enb.Benchmark)
    assert loaded.provenance == fake_benchmark().provenance
    (row,) = (row for row in spool.paths() if spool.run_id_of(row) == benchmark["run_id"])
    entry = spool.read(row)
    assert entry.tables["layers"]
    assert entry.pictures["waterfall"].startswith("<svg")
    assert enb.load(compiled["run_id"]).path.is_file()  # type: ignore[union-attr]


def _kind(run_id: str) -> str:
    return str(runstore.get(run_id)["kind"])


def test_a_second_import_changes_nothing(exported: Path) -> None:
    first = enb.import_runs(exported)
    again = enb.import_runs(exported)
    assert (again.run_ids, again.num_models) == ((), 0)
    assert sorted(again.already_here) == sorted(first.run_ids)
    assert len(spool.paths()) == 2


def test_an_id_that_another_run_has_here_is_said_and_left_alone(exported: Path) -> None:
    enb.import_runs(exported)
    other = fake_benchmark(p50_ms=9.0).to_record()
    path = rewritten(exported, lambda members: first_record(members, kind="benchmark", result=other))
    imported = enb.import_runs(path)
    (run_id,) = imported.conflicting
    assert "is that of another run here" in repr(imported)
    assert runstore.get(run_id)["result"] != other


def test_chosen_runs_without_models(exported: Path, tmp_path: Path) -> None:
    run_ids = enb.import_runs(exported).run_ids
    path = enb.export_runs(tmp_path / "one.zip", enb.runs()[:1], models=False)
    with zipfile.ZipFile(path) as content:
        assert len(content.namelist()) == 2
        assert any(run_id in name for run_id in run_ids for name in content.namelist())
    # What came from elsewhere still says from where it came first.
    shutil.rmtree(config.data_dir())
    enb.import_runs(path)
    assert runstore.get(enb.runs()["run_id"][0])["imported_from"] == "lab-7"


def test_an_empty_store_exports_nothing(spooled_home: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run to export"):
        enb.export_runs(tmp_path / "runs.zip")
    assert not (tmp_path / "runs.zip").exists()


def test_an_export_that_fails_leaves_the_file_that_was_there(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enb.import_runs(exported)
    before = exported.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(EmbedlError, match="No space left"):
        enb.export_runs(exported)
    assert exported.read_bytes() == before
    assert [file.name for file in exported.parent.iterdir()] == [exported.name]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_an_export_does_not_take_the_place_of_a_pipe(exported: Path) -> None:
    enb.import_runs(exported)
    pipe = exported.with_name("pipe")
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="pipe is not a regular file"):
        enb.export_runs(pipe)
    assert pipe.is_fifo()


def test_an_export_into_a_folder_that_cannot_be_made_names_the_path(exported: Path) -> None:
    enb.import_runs(exported)
    with pytest.raises(RunStoreError, match=r"y\.zip cannot be written"):
        enb.export_runs(exported / "folder" / "y.zip")


MODEL = "models/" + "ab" * 32 + ".tflite"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda members: members.update({"../../evil.json": b"{}"}), "does not belong"),
        (lambda members: members.update({"/etc/passwd": b"{}"}), "does not belong"),
        (lambda members: members.update({"runs/../x.json": b"{}"}), "does not belong"),
        (lambda members: members.update({MODEL: b"not this"}), "another hash"),
        (lambda members: members.update({"runs/20260101-000000-abcd.json": b"[" * 100_000}), "cannot be read"),
        (lambda members: members.update({"runs/20260101-000000-abcd.json": b"[]"}), "no record of a run"),
        (lambda members: members.pop("export.json"), "has no export.json"),
        (lambda members: members.update({"export.json": b"7"}), "export.json is none"),
        (lambda members: first_record(members, run_id="20260101-000000-abcd"), "record of another run"),
        (lambda members: first_record(members, result={"device": 3}), "cannot be read"),
        (lambda members: first_record(members, result=[1]), "result is a list"),
    ],
    ids=[
        "traversal",
        "absolute",
        "traversal in a folder",
        "model with another hash",
        "deep nesting",
        "no object",
        "no header",
        "header of another kind",
        "another id",
        "no result",
        "result of another kind",
    ],
)
def test_a_file_that_is_not_sound_is_refused_whole(change: Any, said: str, exported: Path) -> None:
    path = rewritten(exported, change)
    with pytest.raises(InputError, match=said):
        enb.import_runs(path)
    assert spool.paths() == []
    outside = [file for file in exported.parent.parent.rglob("*") if "evil" in file.name or "passwd" in file.name]
    assert outside == []


def test_no_model_is_kept_of_a_file_whose_last_model_is_bad(exported: Path) -> None:
    with zipfile.ZipFile(exported) as content:
        assert content.namelist()[-1].startswith("models/")  # the sound one comes first
    with pytest.raises(InputError, match="another hash") as caught:
        enb.import_runs(rewritten(exported, lambda members: members.update({MODEL: b"not this"})))
    assert "nothing was taken from it" in caught.value.hint
    assert list((config.data_dir() / "models").iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda members: members.update({"export.json": b'{"format": 99}'}),
        lambda members: first_record(members, schema_version=99),
    ],
    ids=["format", "record"],
)
def test_a_file_of_a_newer_version_is_refused(change: Any, exported: Path) -> None:
    with pytest.raises(SchemaTooNewError):
        enb.import_runs(rewritten(exported, change))
    assert spool.paths() == []


def test_a_record_that_unpacks_without_end_is_refused(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_LARGEST_RECORD_BYTES", 1000)
    with pytest.raises(InputError, match="larger than any"):
        enb.import_runs(exported)


def test_a_cut_off_file_is_refused(exported: Path) -> None:
    exported.write_bytes(exported.read_bytes()[:-100])
    with pytest.raises(InputError, match="no sound file of runs"):
        enb.import_runs(exported)
    with pytest.raises(InputError, match="there is no file"):
        enb.import_runs(exported.with_name("nowhere.zip"))


def test_a_folder_that_a_record_names_is_not_asked_for_its_state(exported: Path, tmp_path: Path) -> None:
    source = {"git_folder": str(tmp_path), "git_commit": "abc", "notebook": "<b>.ipynb"}
    imported = enb.import_runs(rewritten(exported, lambda members: first_record(members, source=source)))
    sources = [runstore.get(run_id)["source"] for run_id in imported.run_ids]
    assert {"git_commit": "abc", "notebook": "<b>.ipynb"} in sources


@pytest.mark.parametrize("path", sorted(RECORDS.glob("v*/*.json")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_records_of_every_schema_version_still_open(path: Path, spooled_home: Path) -> None:
    record = json.loads(path.read_text())
    assert f"v{record['schema_version']}" == path.parent.name
    entry = {**record, "store": "", "tables": {}, "pictures": {}, "model_file": ""}
    waiting = spool.folder() / f"{record['run_id']}.{reading.current_store().fingerprint}.json"
    waiting.write_text(json.dumps(entry))
    assert enb.runs()["run_id"].tolist() == [record["run_id"]]
    assert runstore.get(record["run_id"])["result"] == record["result"]
    if record["kind"] in ("benchmark", "preflight"):
        assert enb.load(record["run_id"]).model_sha256 == record["result"]["model_sha256"]  # type: ignore[union-attr]
    else:
        with pytest.raises(EmbedlError, match="no kept model"):
            enb.load(record["run_id"])


def test_there_is_a_record_of_every_schema_version() -> None:
    assert {int(folder.name[1:]) for folder in RECORDS.glob("v*")} == set(range(1, spool.SCHEMA_VERSION + 1))


NONE_OF_OURS = pytest.mark.parametrize(
    ("field", "value"),
    [
        ("started_ms", "yesterday"),
        ("started_ms", float("nan")),
        ("started_ms", 10**30),  # a time that no table shows: runs() would fail ever after
        ("recorded_ms", None),
        ("schema_version", "1"),
        ("source", 5),
        ("call", "compile"),
        ("parent_run_id", {"run": 1}),
    ],
)


@NONE_OF_OURS
def test_a_record_with_a_field_that_is_none_of_ours_is_refused(field: str, value: Any, exported: Path) -> None:
    rewritten(exported, lambda members: first_record(members, **{field: value}))
    with pytest.raises(InputError, match=f"no record of a run: {field}"):
        enb.import_runs(exported)
    assert enb.runs().empty


@NONE_OF_OURS
def test_a_waiting_file_with_a_field_that_is_none_of_ours_is_damaged(field: str, value: Any, exported: Path) -> None:
    enb.import_runs(exported)
    waiting, sound = spool.paths()
    waiting.write_text(json.dumps({**json.loads(waiting.read_text()), field: value}))
    with pytest.raises(InputError, match=f"{waiting.name} is damaged: {field}"):
        spool.read(waiting)
    with pytest.warns(EmbedlWarning, match="is damaged"):
        assert enb.runs()["run_id"].tolist() == [spool.run_id_of(sound)]
