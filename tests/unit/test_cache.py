"""The cache of compiled models: whole entries, damage, room, locks. No model is compiled here."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from embedl_nb import cache, config, progress
from embedl_nb.errors import CompileError, EmbedlWarning

KEY = "a" * 64


def _built(folder: Path, content: bytes = b"model") -> cache.Entry:
    folder.mkdir(parents=True)
    (folder / cache.MODEL).write_bytes(content)
    return cache.write_meta(folder, {"sha256": hashlib.sha256(content).hexdigest(), "record": {"name": "net"}})


def _entries() -> list[str]:
    return sorted(path.name for path in (config.cache_dir() / "models").iterdir() if path.is_dir())


def test_what_was_published_is_found(empty_home: Path, tmp_path: Path) -> None:
    assert cache.find(KEY) is None
    published = cache.publish(KEY, _built(tmp_path / "built"))
    found = cache.find(KEY)
    assert published is not None
    assert found is not None
    assert found.model_path.read_bytes() == b"model"
    assert found.meta["record"] == {"name": "net"}


def test_publishing_again_replaces_the_entry(empty_home: Path, tmp_path: Path) -> None:
    cache.publish(KEY, _built(tmp_path / "one", b"one"))
    cache.publish(KEY, _built(tmp_path / "two", b"two"))
    found = cache.find(KEY)
    assert found is not None
    assert found.model_path.read_bytes() == b"two"
    assert _entries() == [KEY]


@pytest.mark.parametrize("damage", ["model", "meta", "no model", "no meta"])
def test_a_damaged_entry_is_removed(empty_home: Path, tmp_path: Path, damage: str) -> None:
    entry = cache.publish(KEY, _built(tmp_path / "built"))
    assert entry is not None
    if damage == "model":
        entry.model_path.write_bytes(b"modem")
    elif damage == "meta":
        (entry.folder / "meta.json").write_text("{")
    else:
        (entry.folder / ("model.tflite" if damage == "no model" else "meta.json")).unlink()
    assert cache.find(KEY) is None
    assert _entries() == []


def test_evidence_belongs_to_its_samples(empty_home: Path, tmp_path: Path) -> None:
    entry = cache.publish(KEY, _built(tmp_path / "built"))
    assert entry is not None
    for path in cache.evidence_paths(entry.folder, "5" * 64):
        path.write_bytes(b"arrays")
    cache.add_evidence(entry, "5" * 64, {"num_samples": 1})
    known = entry.evidence("5" * 64)
    assert known is not None
    assert known.parity == {"num_samples": 1}
    assert entry.evidence("6" * 64) is None


def test_the_least_recently_used_entries_make_room(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [letter * 64 for letter in "abc"]
    for age, key in enumerate(keys):
        entry = cache.publish(key, _built(tmp_path / key, bytes(4000)))
        assert entry is not None
        os.utime(entry.folder / "meta.json", (1000 + age, 1000 + age))
    monkeypatch.setattr(cache, "_in_use", set())  # another session
    assert cache.find(keys[0]) is not None  # used now, so it is the youngest
    monkeypatch.setattr(cache, "_in_use", set())
    monkeypatch.setenv("EMBEDL_NB_CACHE_LIMIT", "9KiB")
    cache.publish("d" * 64, _built(tmp_path / "d", b"new"))
    assert _entries() == [keys[0], keys[2], "d" * 64]


def test_what_this_session_holds_is_not_removed_for_room(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.publish(KEY, _built(tmp_path / "one", bytes(4000)))
    monkeypatch.setenv("EMBEDL_NB_CACHE_LIMIT", "1KiB")
    cache.publish("b" * 64, _built(tmp_path / "two", bytes(4000)))
    assert _entries() == [KEY, "b" * 64]


def test_clear_says_how_much_it_freed(empty_home: Path, tmp_path: Path) -> None:
    entry = cache.publish(KEY, _built(tmp_path / "built", bytes(5000)))
    assert entry is not None
    size = sum(path.stat().st_size for path in entry.folder.iterdir())
    assert cache.clear() == size > 5000
    assert cache.find(KEY) is None
    assert cache.clear() == 0


def test_clear_forgets_answers_too(empty_home: Path) -> None:
    answer = config.cache_dir() / cache.ANSWERS / "gpu-1.json"
    answer.parent.mkdir(parents=True)
    answer.write_text("{}", encoding="utf-8")
    assert cache.clear() == 2
    assert not answer.exists()


def test_a_full_disk_leaves_nothing_half_written(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = _built(tmp_path / "built")

    def full(source: Path, target: Path) -> None:
        Path(target).mkdir()
        (Path(target) / cache.MODEL).write_bytes(b"mo")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.warns(EmbedlWarning, match="No space left"):
        assert cache.publish(KEY, built) is None
    assert _entries() == []
    assert built.model_path.read_bytes() == b"model"


def test_only_one_holds_the_lock_and_the_other_says_that_it_waits(empty_home: Path) -> None:
    is_held, may_release, order = threading.Event(), threading.Event(), []

    def hold() -> None:
        with cache.locked(KEY, timeout_s=10):
            is_held.set()
            may_release.wait(10)
            order.append("first")

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(10)
    stages: list[str] = []

    def listen(event: progress.Event) -> None:
        stages.append(event.stage)
        may_release.set()

    with progress.listening(listen), cache.locked(KEY, timeout_s=10):
        order.append("second")
    holder.join()
    assert stages == ["wait"]
    assert order == ["first", "second"]


def test_waiting_for_a_lock_ends(empty_home: Path) -> None:
    is_held, may_release = threading.Event(), threading.Event()

    def hold() -> None:
        with cache.locked(KEY, timeout_s=10):
            is_held.set()
            may_release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(10)
    with pytest.raises(CompileError, match=r"more than 0\.2 s"), cache.locked(KEY, timeout_s=0.2):
        pass
    may_release.set()
    holder.join()


def test_an_entry_is_plain_data(empty_home: Path, tmp_path: Path) -> None:
    entry = cache.publish(KEY, _built(tmp_path / "built"))
    assert entry is not None
    assert json.loads((entry.folder / "meta.json").read_text())["record"]["name"] == "net"
