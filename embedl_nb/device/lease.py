"""One user of a device at a time: a lock file that the operating system releases when its holder dies."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedl_nb import config, progress, stopping
from embedl_nb.errors import DeviceBusy

__all__ = ["is_any_leased", "leased"]

_POLL_S = 0.05
_SAY_EVERY_S = 1.0


@contextmanager
def leased(address: str, *, wait_s: float, folder: Path | None = None) -> Iterator[None]:
    """Hold the lease of the device at ``address`` until the block ends.

    Parameters
    ----------
    wait_s
        How long to wait for another holder, seconds.
    folder
        Where the lock files are; by default in the cache folder.

    Raises
    ------
    DeviceBusy
        Naming the process that holds it.
    """
    from filelock import FileLock, Timeout

    folder = folder or config.cache_dir() / "leases"
    folder.mkdir(parents=True, exist_ok=True)
    stem = "".join(letter if letter.isalnum() else "-" for letter in address).strip("-") or "device"
    lock, note = FileLock(folder / f"{stem}.lock"), folder / f"{stem}.json"
    started = time.monotonic()
    while True:
        stopping.check()
        waited = time.monotonic() - started
        try:
            lock.acquire(timeout=max(0.0, min(_SAY_EVERY_S, wait_s - waited)), poll_interval=_POLL_S)
            break
        except Timeout as err:
            waited = time.monotonic() - started
            holder = _holder(note)
            if waited >= wait_s:
                raise DeviceBusy(
                    f"{address} is still in use by {holder} after {waited:.0f} s of waiting",
                    address=address,
                    hint="wait for that benchmark to end, or stop it",
                ) from err
            progress.emit("wait", f"{address} is in use by {holder}; waiting ({waited:.0f} s)")
    try:
        with contextlib.suppress(OSError):  # a full disk costs the holder's name, not the benchmark
            note.write_text(json.dumps({"pid": os.getpid(), "since_s": time.time()}))
        yield
    finally:
        with contextlib.suppress(OSError):
            note.unlink(missing_ok=True)
        lock.release()


def is_any_leased(*, folder: Path | None = None) -> bool:
    """Say whether a program of this user holds the lease of some device now; nothing is waited for."""
    import psutil

    for note in (folder or config.cache_dir() / "leases").glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # gone by now, or half written
            if psutil.pid_exists(int(json.loads(note.read_text())["pid"])):
                return True
    return False


def _holder(note: Path) -> str:
    """Say who holds the lease, as far as its note tells."""
    try:
        said = json.loads(note.read_text())
        pid, held_s = int(said["pid"]), time.time() - float(said["since_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"  # it has only just taken the lease, or died in doing so
    mine = " (this one)" if pid == os.getpid() else ""
    return f"process {pid}{mine}, for {max(held_s, 0):.0f} s"
