"""The recorder: the child process that alone imports MLflow, ``python -m embedl_nb.runstore.recorder``.

It takes one waiting file at a time from the kernel's queue (see client.py), writes it into the store and removes it;
it also answers what is in the store. It has low priority, sends no telemetry, and dies with the kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import re
import signal
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import EmbedlError, InputError, RunStoreError, SchemaTooNewError
from embedl_nb.runstore import database, spool, tracking
from embedl_nb.runstore.knock import knock
from embedl_nb.runstore.location import Store, redact
from embedl_nb.runtime.serve import serve

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

__all__ = ["main"]

_LOCK_S = 120.0  # making the first store takes five seconds, or a minute where the machine is busy
_CONNECT_S = 3.0
_NICENESS = 10
_LONGEST_CAUSE = 300
_DRIVER_ERROR = re.compile(r"\([\w.]+Error\) ")
# What brings the drivers that SQLAlchemy looks for.
_DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# A store that is down is tried again later anyhow; MLflow's own patience is minutes.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}


def begin(_payload: dict[str, Any]) -> dict[str, Any]:
    """Answer: from now on this process dies with the kernel, also while it is stopped."""
    return {}


def record(payload: dict[str, Any]) -> dict[str, Any]:
    """Write the waiting file ``path`` into ``store`` and remove it; says what became of it."""
    store, path = Store(**payload["store"]), Path(payload["path"])
    with _opened(store, writing=True) as client:
        try:
            entry = spool.read(path)
        except FileNotFoundError:
            return {"status": "gone"}
        except SchemaTooNewError as err:
            return {"status": "skipped", "reason": str(err)}
        except InputError as err:
            return {"status": "damaged", "reason": err.message, "moved_to": str(spool.set_aside(path))}
        tracking.write_run(client, entry, store)
        path.unlink(missing_ok=True)
    return {"status": "recorded"}


def rows(payload: dict[str, Any]) -> dict[str, Any]:
    """List the runs of ``store``."""
    with _opened(Store(**payload["store"])) as client:
        return {"rows": tracking.list_rows(client)}


def get(payload: dict[str, Any]) -> dict[str, Any]:
    """Read the record of ``run_id``."""
    with _opened(Store(**payload["store"])) as client:
        return {"record": tracking.read_record(client, payload["run_id"])}


def model(payload: dict[str, Any]) -> dict[str, Any]:
    """Download the model ``sha256`` into ``folder``."""
    with _opened(Store(**payload["store"])) as client:
        return {"path": tracking.fetch_model(client, payload["sha256"], payload["folder"])}


def prepare(payload: dict[str, Any]) -> dict[str, Any]:
    """Make sure that ``store`` exists and can be opened, and find our experiment in it."""
    with _opened(Store(**payload["store"])) as client:
        return {"experiment_id": tracking.find_experiment(client)}


@contextlib.contextmanager
def _opened(store: Store, *, writing: bool = False) -> Iterator[MlflowClient]:
    """Open ``store`` under its lock; what goes wrong with it is one error that names it, without its password."""
    from filelock import FileLock, Timeout

    try:
        importlib.import_module("mlflow.tracking")  # takes seconds: not while others wait for the lock
        with FileLock(store.lock_path, timeout=_LOCK_S):
            path = store.sqlite_path
            if path is not None:
                database.prepare(path, store)
                if writing:
                    database.check_writable(path)
            elif store.is_database_server:
                knock(store, timeout_s=_CONNECT_S)
            yield _client(store.uri)
    except EmbedlError:
        raise
    except Timeout as err:
        raise RunStoreError(
            f"another process has held the run store {store.label} for {_LOCK_S:g} s",
            hint="the result is recorded when it is done",
        ) from err
    except ModuleNotFoundError as err:
        raise RunStoreError(
            f"the run store {store.label} needs the Python package {err.name}, which is not installed",
            hint=f"pip install '{_DRIVERS.get(err.name or '', err.name)}'",
        ) from err
    except Exception as err:
        text = redact(str(err)).strip() or type(err).__name__
        raise RunStoreError(
            f"the run store {store.label} failed: {_cause(text)}",
            hint="check that it is up and can be written; embedl_nb.runs() tries again",
            details=text,
        ) from None  # the cause may carry the password; its text is in details


def _cause(text: str) -> str:
    """Pick the line that says why; SQLAlchemy's begins like ``(sqlite3.OperationalError)``."""
    lines = text.splitlines()
    return next((line for line in lines if _DRIVER_ERROR.match(line)), lines[0])[:_LONGEST_CAUSE]


@lru_cache(maxsize=4)
def _client(uri: str) -> MlflowClient:
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


def _die_with_parent() -> None:
    """Ask the kernel to end this process with its parent, even while it is stopped for a measurement."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Serve the kernel until it hangs up."""
    _die_with_parent()
    with contextlib.suppress(OSError, AttributeError):  # Windows has no niceness
        os.nice(_NICENESS)
    os.environ.update(_ENVIRONMENT)
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    serve({"begin": begin, "record": record, "rows": rows, "get": get, "model": model, "prepare": prepare})


if __name__ == "__main__":
    main()
