"""A PostgreSQL server for a while, from the distribution's own package; its programs refuse to run as root."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ACCOUNT = "postgres"
_PASSWORD = "not-a-secret"  # of a server that lives for one test
_START_S = 120.0


def folder_of_programs() -> Path | None:
    """Return where initdb and postgres are, None where the server is not installed."""
    on_the_path = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), *on_the_path]
    return next((folder for folder in folders if os.access(folder / "initdb", os.X_OK)), None)


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Run a server with an empty database; yield its URI, password included."""
    programs = folder_of_programs()
    assert programs is not None
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = {"user": _ACCOUNT, "group": _ACCOUNT, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="embedl_nb-postgresql-", dir="/tmp"))
    try:
        password = folder / "password"
        password.write_text(_PASSWORD)
        if account:
            shutil.chown(folder, _ACCOUNT)
            shutil.chown(password, _ACCOUNT)
        data = folder / "data"
        make = [programs / "initdb", "-D", data, "-U", "ada", "--pwfile", password, "-A", "scram-sha-256", "-N"]
        subprocess.run(make, check=True, capture_output=True, cwd="/", **account)
        port = _free_port()
        # Nothing of it has to survive a crash of the machine.
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", folder]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-p", str(port), *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                **account,
            )
        try:
            _wait(server, port, folder / "log")
            yield f"postgresql://ada:{_PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"PostgreSQL did not start: {log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
