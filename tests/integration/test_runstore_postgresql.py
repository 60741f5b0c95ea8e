"""A team's store on PostgreSQL: four writers that share nothing but the server, from a database without any table."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from postgresql import folder_of_programs, postgresql

from embedl_nb.errors import RunStoreError
from embedl_nb.runstore.recorder import _DRIVERS


def writing(project_root: Path) -> Any:
    """Return the benchmark that does the same with thousands of runs."""
    spec = importlib.util.spec_from_file_location("postgresql_runs", project_root / "benchmarks" / "postgresql_runs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.skipif(folder_of_programs() is None, reason="PostgreSQL is not installed: apt-get install postgresql")
def test_four_writers_lose_and_double_no_run(project_root: Path, tmp_path: Path) -> None:
    with postgresql() as uri:
        written, found, _ = writing(project_root).write_all(uri, tmp_path, writers=4, runs=12, limit_s=240.0)
    assert len(written) == 12
    assert found == written


def test_a_driver_that_is_not_installed_is_named(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from embedl_nb.runstore import recorder
    from embedl_nb.runstore.location import current_store

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:s3cret@127.0.0.1/db")

    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    monkeypatch.setattr(recorder, "knock", missing)
    monkeypatch.setitem(sys.modules, "mlflow.tracking", recorder)
    with pytest.raises(RunStoreError, match="needs the Python package psycopg") as caught:
        recorder.prepare({"store": current_store().to_json()})
    assert caught.value.hint == f"pip install '{_DRIVERS['psycopg']}'"
    assert "s3cret" not in str(caught.value)
