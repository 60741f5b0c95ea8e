"""A SQLite store before MLflow opens it: made, checked and migrated, one process at a time.

Runs in the recorder only. MLflow builds a fresh file step by step, so two processes that do it at once, or one that is
killed on the way, break it; here it is built under another name and appears complete. A store whose schema another
MLflow wrote is recognised before anything is changed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from embedl_nb.errors import RunStoreError, SchemaTooNewError
from embedl_nb.runstore.location import Store

__all__ = ["check_writable", "prepare"]

_BUSY_S = 3.0
_MIGRATION_LIMIT_S = 300.0


def prepare(path: Path, store: Store) -> None:
    """Make sure that MLflow can open ``path`` with its present schema. The caller holds the store's lock.

    Raises
    ------
    SchemaTooNewError
        If a newer MLflow wrote the store.
    RunStoreError
        If it cannot be opened, or is a user's own store that needs a migration.
    """
    try:
        if not path.exists() or path.stat().st_size == 0:
            _create(path)
            return
        revision = _revision(path)
    except (OSError, sqlite3.Error) as err:
        raise _refused(path, err) from err
    if revision is None or revision == _newest_revision():
        return
    if not _is_known(revision):
        raise SchemaTooNewError(
            f"the run store {path} was written by a newer MLflow than {_mlflow_version()} (schema {revision})",
            hint="pip install -U mlflow",
        )
    if not store.is_own:
        raise RunStoreError(
            f"the run store {path} was written by an older MLflow than {_mlflow_version()} (schema {revision})",
            hint=f"make a copy of it, then run: mlflow db upgrade sqlite:///{path}",
        )
    _migrate(path)


def check_writable(path: Path) -> None:
    """Fail quickly where MLflow would wait for long or fail in the middle: locked, read-only, not a database.

    Raises
    ------
    RunStoreError
        Naming the file and the reason.
    """
    try:
        with contextlib.closing(_connect(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            # Only a write, though it changes nothing, shows a read-only file system.
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version = {int(version)}")
            connection.execute("ROLLBACK")
    except sqlite3.Error as err:
        raise _refused(path, err) from err


def _create(path: Path) -> None:
    from mlflow.tracking import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    os.chdir(path.parent)  # MLflow makes its default artifact folder in the working directory
    if sys.platform == "win32":  # an open file cannot be renamed there
        MlflowClient(f"sqlite:///{path}").search_experiments(max_results=1)
        return
    for leftover in path.parent.glob(f".{path.name}.new-*"):  # of a recorder that was killed
        leftover.unlink(missing_ok=True)
    unfinished = path.with_name(f".{path.name}.new-{os.getpid()}")
    MlflowClient(f"sqlite:///{unfinished}").search_experiments(max_results=1)
    unfinished.replace(path)


def _migrate(path: Path) -> None:
    """Bring our own store to the present schema: a copy is migrated, then written back in one transaction."""
    before = path.with_name(f"{path.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
    migrated = path.with_name(f".{path.name}.migrating")
    try:
        _copy(path, before)
        _copy(path, migrated)
        subprocess.run(
            [sys.executable, "-P", "-m", "mlflow", "db", "upgrade", f"sqlite:///{migrated}"],
            check=True,
            capture_output=True,
            text=True,
            timeout=_MIGRATION_LIMIT_S,
        )
        _copy(migrated, path)
    except (OSError, sqlite3.Error, subprocess.SubprocessError) as err:
        raise RunStoreError(
            f"the run store {path} could not be brought to the schema of MLflow {_mlflow_version()}; it is unchanged",
            hint=f"move it away to start a new one; a copy is {before}",
            details=str(getattr(err, "stderr", "") or err),
        ) from err
    finally:
        migrated.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    with contextlib.closing(_connect(source)) as reader, contextlib.closing(sqlite3.connect(target)) as writer:
        reader.backup(writer)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None)


def _revision(path: Path) -> str | None:
    """Return the schema's revision; None for a database that has no MLflow tables yet."""
    with contextlib.closing(_connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchall()
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall() if tables else []
    return str(rows[0][0]) if rows else None


def _refused(path: Path, err: Exception) -> RunStoreError:
    text = str(err)
    hints = {
        "locked": "another program is writing to it; the result is recorded when it is done",
        "readonly": "make the file and its folder writable, or set EMBEDL_NB_HOME",
        "not a database": "move the file away; a new store is made",
        "full": "free space on this disk",
    }
    hint = next((say for sign, say in hints.items() if sign in text), "check the path and its permissions")
    return RunStoreError(f"the run store {path} cannot be written: {text}", hint=hint)


@cache
def _revisions() -> tuple[frozenset[str], frozenset[str]]:
    """Return all revisions this MLflow knows, and the newest."""
    import mlflow
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    return frozenset(script.revision for script in scripts.walk_revisions()), frozenset(scripts.get_heads())


def _newest_revision() -> str:
    return next(iter(_revisions()[1]))


def _is_known(revision: str) -> bool:
    return revision in _revisions()[0]


def _mlflow_version() -> str:
    from importlib.metadata import version

    return version("mlflow")
