"""What the run store writes and keeps by itself, without a recorder: waiting files, models, where a run was made."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from embedl_nb import config
from embedl_nb.errors import InputError, RunStoreError, SchemaTooNewError, UnknownNameError
from embedl_nb.runstore import models, source, spool
from embedl_nb.runstore.summary import Summary

ENTRY = spool.Entry(
    run_id="20261122-170401-3f9a",
    kind="benchmark",
    store="/somewhere/mlflow.db",
    started_ms=1_000,
    recorded_ms=2_000,
    result={"latency": {"p50_ms": 1.5}},
    summary=Summary(name="net"),
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def _home(empty_home: Path) -> None:
    """Every test here starts with nothing."""


def test_an_entry_comes_back_as_it_was_written() -> None:
    path = spool.write(ENTRY, fingerprint="0a1b2c3d")
    assert spool.read(path) == ENTRY
    assert spool.run_id_of(path) == ENTRY.run_id


def test_a_run_id_sorts_by_time_in_utc() -> None:
    first = spool.new_run_id(datetime(2026, 11, 22, 17, 4, 1, tzinfo=UTC))
    second = spool.new_run_id(datetime.fromisoformat("2026-11-22T18:04:02+01:00"))
    assert first.startswith("20261122-170401-")
    assert second.startswith("20261122-170402-")


def test_a_taken_run_id_is_refused_and_the_first_result_stays() -> None:
    path = spool.write(ENTRY, fingerprint="0a1b2c3d")
    with pytest.raises(FileExistsError):
        spool.write(replace(ENTRY, kind="compile"), fingerprint="0a1b2c3d")
    assert spool.read(path).kind == "benchmark"
    assert names_in(path.parent) == [path.name]


def test_waiting_files_are_listed_oldest_first_and_by_store() -> None:
    old = spool.write(replace(ENTRY, run_id="b"), fingerprint="0a1b2c3d")
    new = spool.write(replace(ENTRY, run_id="a"), fingerprint="0a1b2c3d")
    other = spool.write(replace(ENTRY, run_id="c"), fingerprint="ffffffff")
    for second, path in enumerate((old, new, other)):
        os.utime(path, (second, second))
    assert spool.paths() == [old, new, other]
    assert spool.paths("0a1b2c3d") == [old, new]


def test_numpy_scalars_and_paths_are_written_as_plain_data() -> None:
    numpy = pytest.importorskip("numpy")
    path = spool.write(replace(ENTRY, result={"a": numpy.float32(1.5), "p": Path("x")}), fingerprint="0a1b2c3d")
    assert spool.read(path).result == {"a": 1.5, "p": "x"}


def test_what_is_not_plain_data_is_refused_with_its_type() -> None:
    with pytest.raises(InputError, match="a object is not plain data"):
        spool.write(replace(ENTRY, result={"a": object()}), fingerprint="0a1b2c3d")
    assert spool.paths() == []


def test_a_full_disk_names_the_folder_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunStoreError, match="No space left on device") as caught:
        spool.write(ENTRY, fingerprint="0a1b2c3d")
    assert str(config.data_dir() / "spool") in caught.value.message
    assert "EMBEDL_NB_HOME" in caught.value.hint
    assert names_in(spool.folder()) == []


def test_a_truncated_file_is_named_and_can_be_set_aside_unharmed() -> None:
    path = spool.write(ENTRY, fingerprint="0a1b2c3d")
    half = path.read_text()[:40]
    path.write_text(half)
    with pytest.raises(InputError, match=path.name):
        spool.read(path)
    aside = spool.set_aside(path)
    assert aside.read_text() == half
    assert spool.paths() == []


@pytest.mark.parametrize("text", ["[]", "null", "{}", '{"schema_version": 1}', "\x00\x00", '{"schema_version": "x"}'])
def test_foreign_content_is_a_damaged_file(text: str) -> None:
    path = spool.folder() / "20261122-170401-3f9a.0a1b2c3d.json"
    path.write_text(text)
    with pytest.raises(InputError, match="damaged"):
        spool.read(path)


def test_a_file_of_a_newer_version_says_so() -> None:
    path = spool.write(ENTRY, fingerprint="0a1b2c3d")
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99, "novelty": 1}))
    with pytest.raises(SchemaTooNewError, match="schema version 99"):
        spool.read(path)


def test_a_compiled_model_costs_a_link_and_a_users_file_a_copy(tmp_path: Path) -> None:
    cached, own = config.cache_dir() / "model.tflite", tmp_path / "own.tflite"
    cached.write_bytes(b"cached")
    own.write_bytes(b"own")
    kept = models.keep(cached, hashlib.sha256(b"cached").hexdigest())
    copied = models.keep(own, "")
    own.write_bytes(b"changed later")
    assert kept.samefile(cached)
    assert copied.read_bytes() == b"own"
    assert copied.stem == hashlib.sha256(b"own").hexdigest()


def test_a_model_that_changed_since_it_was_measured_is_not_kept(tmp_path: Path) -> None:
    own = tmp_path / "own.tflite"
    own.write_bytes(b"changed")
    with pytest.raises(RunStoreError, match="has changed since"):
        models.keep(own, hashlib.sha256(b"measured").hexdigest())
    assert names_in(config.data_dir() / "models") == []


def test_a_model_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunStoreError, match=r"gone\.tflite"):
        models.keep(tmp_path / "gone.tflite", "")


def test_a_model_is_found_by_the_beginning_of_its_hash(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"m")
    kept = models.keep(tmp_path / "m", "")
    assert models.find(kept.stem) == models.find(kept.stem[:8].upper()) == kept


def test_a_beginning_that_several_models_have_asks_for_more_of_it() -> None:
    folder = config.data_dir() / "models"
    folder.mkdir(parents=True, exist_ok=True)
    for end in ("0", "1"):
        (folder / f"{'abcd' * 15}abc{end}.tflite").write_bytes(b"m")
    with pytest.raises(UnknownNameError, match="2 kept models begin with 'abcd'") as caught:
        models.find("abcd")
    assert caught.value.hint.startswith("give more of its digits: ")
    assert len(caught.value.candidates) == 2


@pytest.mark.parametrize("wanted", ["", "abc", "../../etc/passwd", "*", "0" * 64])
def test_a_hash_that_is_not_kept_is_unknown(wanted: str) -> None:
    with pytest.raises(UnknownNameError, match="no kept model"):
        models.find(wanted)


def test_the_notebook_is_known_in_jupyterlab_and_visual_studio_code(monkeypatch: pytest.MonkeyPatch) -> None:
    import __main__

    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/work/study.ipynb")
    assert source.describe()["notebook"] == "study.ipynb"
    monkeypatch.setattr(__main__, "__vsc_ipynb_file__", "/home/me/other.ipynb", raising=False)
    assert source.describe()["notebook"] == "other.ipynb"


@pytest.mark.parametrize("layout", ["loose", "packed", "detached", "worktree"])
def test_the_git_commit_is_read_from_every_layout(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "1234567890" * 4
    git, work = tmp_path / "main" / ".git", tmp_path / "work"
    (git / "refs" / "heads").mkdir(parents=True)
    work.mkdir()
    (git / "HEAD").write_text(f"{commit}\n" if layout == "detached" else "ref: refs/heads/main\n")
    if layout == "packed":
        (git / "packed-refs").write_text(f"# pack-refs\n{'0' * 40} refs/heads/other\n{commit} refs/heads/main\n")
    elif layout != "detached":
        (git / "refs" / "heads" / "main").write_text(f"{commit}\n")
    here = tmp_path / "main"
    if layout == "worktree":
        (git / "worktrees" / "w").mkdir(parents=True)
        (git / "worktrees" / "w" / "HEAD").write_text("ref: refs/heads/main\n")
        (git / "worktrees" / "w" / "commondir").write_text("../..\n")
        (work / ".git").write_text(f"gitdir: {git / 'worktrees' / 'w'}\n")
        here = work
    (here / "sub").mkdir()
    monkeypatch.chdir(here / "sub")
    found = source.describe()
    assert (found["git_commit"], found["git_folder"]) == (commit, str(here))


def test_a_repository_without_a_commit_and_a_folder_that_is_gone_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone" / ".git").mkdir(parents=True)
    (tmp_path / "gone" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    monkeypatch.chdir(tmp_path / "gone")
    assert "git_commit" not in source.describe()
    (tmp_path / "gone" / ".git" / "HEAD").unlink()
    (tmp_path / "gone" / ".git").rmdir()
    (tmp_path / "gone").rmdir()
    assert "folder" not in source.describe()


def test_a_kept_model_that_was_damaged_is_replaced_when_it_is_recorded_again(tmp_path: Path) -> None:
    source = tmp_path / "model.tflite"
    source.write_bytes(b"a model")
    sha256 = hashlib.sha256(b"a model").hexdigest()
    kept = models.keep(source, sha256)
    kept.write_bytes(b"damaged")

    assert models.keep(source, sha256) == kept
    assert kept.read_bytes() == b"a model"
    assert models.keep(kept, sha256) == kept


def test_writers_that_share_only_a_server_do_not_draw_the_same_id() -> None:
    now = datetime.now(UTC)
    assert len({spool.new_run_id(now) for _ in range(5_000)}) == 5_000
