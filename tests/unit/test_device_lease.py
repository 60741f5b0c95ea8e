"""The lease: one holder, a named holder, and no holder after an error."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from embedl_nb import progress
from embedl_nb.device.lease import leased
from embedl_nb.errors import DeviceBusy


def test_a_second_holder_is_refused_and_told_the_process(tmp_path: Path) -> None:
    with (
        leased("host://", wait_s=0, folder=tmp_path),
        pytest.raises(DeviceBusy) as caught,
        leased("host://", wait_s=0, folder=tmp_path),
    ):
        pass
    assert str(os.getpid()) in caught.value.message
    assert caught.value.address == "host://"
    assert caught.value.hint


def test_another_device_is_not_in_the_way(tmp_path: Path) -> None:
    with leased("host://", wait_s=0, folder=tmp_path), leased("adb://A", wait_s=0, folder=tmp_path):
        pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_releases_it(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), leased("host://", wait_s=0, folder=tmp_path):
        raise error
    with leased("host://", wait_s=0, folder=tmp_path):
        pass


def test_whoever_waits_says_so_and_then_gets_it(tmp_path: Path) -> None:
    heard: list[progress.Event] = []
    is_held, was_heard = threading.Event(), threading.Event()

    def hold() -> None:
        with leased("host://", wait_s=0, folder=tmp_path):
            is_held.set()
            was_heard.wait(30)

    def listen(event: progress.Event) -> None:
        heard.append(event)
        was_heard.set()

    holder = threading.Thread(target=hold)
    holder.start()
    assert is_held.wait(30)
    with progress.listening(listen), leased("host://", wait_s=30, folder=tmp_path):
        pass
    holder.join(30)
    assert heard[0].stage == "wait"
    assert f"process {os.getpid()}" in heard[0].message


def test_a_holder_that_left_no_note_is_another_process(tmp_path: Path) -> None:
    with leased("host://", wait_s=0, folder=tmp_path):
        (tmp_path / "host.json").write_text("half a no")
        with pytest.raises(DeviceBusy, match="another process"), leased("host://", wait_s=0, folder=tmp_path):
            pass


def test_a_full_disk_does_not_keep_anybody_from_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)

    with (
        leased("host://", wait_s=0, folder=tmp_path),
        pytest.raises(DeviceBusy, match="in use by another process"),
        leased("host://", wait_s=0, folder=tmp_path),
    ):
        pass
