"""MLflow's own web UI on the run store, bound to this machine only and without telemetry.

The store's URI goes through the environment, not the command line, which every user of the machine can read.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from embedl_nb import config
from embedl_nb.errors import InputError, RunStoreError
from embedl_nb.runstore import store as run_store
from embedl_nb.runstore.location import Store, redact
from embedl_nb.runstore.reaching import LOOPBACK, link_lines, trusted_names
from embedl_nb.runstore.rows import VIEW

__all__ = ["command", "environment", "serve_ui"]

_START_S = 90.0
_POLL_S = 0.2
_STOP_S = 5.0
_LOG_TAIL = 2000
# MLflow 3 opens its pages for language models otherwise.
_VIEW = f"workflowType=machine_learning&viewStateShareKey={VIEW}"


def command(port: int) -> list[str]:
    """Return the command line of MLflow's server; it needs :func:`environment` as well."""
    return [sys.executable, "-P", "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1"]


def environment(store: Store) -> dict[str, str]:
    """Return the environment of MLflow's server on ``store``."""
    return {
        **os.environ,
        **trusted_names(),
        "MLFLOW_BACKEND_STORE_URI": store.uri,
        "MLFLOW_ARTIFACTS_DESTINATION": store.artifact_location or "",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def serve_ui(*, port: int | None = None, announce: Callable[[str], object] | None = None) -> None:
    """Serve the recorded runs at ``http://127.0.0.1:PORT`` until interrupted, then stop the server and all it started.

    On a hub the link leads through jupyter-server-proxy; in a login over SSH the command for the tunnel is said too.

    Parameters
    ----------
    port
        A free one is taken by default.
    announce
        Told the link once the server answers; by default it is written to standard output. A store that is an MLflow
        server already is announced by its own address, and nothing is started.

    Raises
    ------
    InputError
        If the port is not free.
    RunStoreError
        If the store cannot be opened or served.
    """
    tell = announce or _write_line
    run_store.prepare_store()
    waiting = run_store.flush()
    store, experiment_id = run_store.prepare_store()  # once more: the first run has made the experiment
    path = f"/#/experiments/{experiment_id}/runs?{_VIEW}" if experiment_id else ""
    if store.uri.startswith(("http://", "https://")):
        tell(f"{store.label.rstrip('/')}{path}")
        return
    if store.is_remote and not store.is_database_server:
        raise RunStoreError(f"{store.label} has a web UI of its own", hint="open it in the browser")
    chosen = _free_port(port)
    log_path = config.log_dir() / f"mlflow-ui-{os.getpid()}.log"
    with _server(chosen, store, log_path) as server:
        _wait_for_answer(server, chosen, log_path)
        if waiting.sentence:
            tell(waiting.sentence)
        *others, last = link_lines(chosen, path or "/")
        for line in others:
            tell(line)
        tell(f"{last}  (Ctrl-C stops it)")
        with contextlib.suppress(KeyboardInterrupt):
            server.wait()


@contextlib.contextmanager
def _server(port: int, store: Store, log_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server in a session of its own, and leave no process of it behind."""
    with _interrupted_by_signals(), log_path.open("wb") as log:
        server = subprocess.Popen(
            command(port),
            env=environment(store),
            cwd=config.data_dir(),  # MLflow makes folders in its working directory
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield server
        finally:
            _stop(server)


@contextlib.contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Treat a closed terminal and a polite kill like Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(server: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        server.terminate()
        server.wait()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(_STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _wait_for_answer(server: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    # Straight to this machine, whatever proxy the environment names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_S
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), opener.open(f"http://{LOOPBACK}:{port}/health", timeout=1) as answer:
            if answer.status == 200:
                return
        time.sleep(_POLL_S)
    tail = redact(log_path.read_text(errors="replace")[-_LOG_TAIL:])
    how = "ended" if server.poll() is not None else f"did not answer within {_START_S:g} s"
    raise RunStoreError(f"MLflow's server {how}", hint=f"its log is {log_path}", details=tail)


def _free_port(port: int | None) -> int:
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port or 0))
        except (OSError, OverflowError) as err:
            raise InputError(f"port {port} cannot be used: {err}", hint="leave it out to take a free one") from err
        return int(probe.getsockname()[1])


def _write_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
