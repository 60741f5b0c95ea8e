"""Each of the doctor's checks: what it finds, and the fix it names."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedl_nb.model
from embedl_nb import config
from embedl_nb.errors import RuntimeCrashedError
from embedl_nb.pipeline import checks
from embedl_nb.pipeline.checks import Requirement, Status
from embedl_nb.pipeline.platforms import PLATFORMS
from embedl_nb.testing import models

LINUX, WINDOWS = PLATFORMS["linux", "x86_64"], PLATFORMS["win32", "x86_64"]
NET = Requirement(package="net", at_least="2.9", below="2.14", install="pip install net")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return versions by package, as if these were all that is installed; the test fills it."""
    versions: dict[str, str] = {}

    def version(package: str) -> str:
        if package not in versions:
            raise importlib.metadata.PackageNotFoundError(package)
        return versions[package]

    monkeypatch.setattr(importlib.metadata, "version", version)
    return versions


@pytest.mark.parametrize("version", ["2.9", "2.9.0", "2.13.0+cpu", "2.13.1rc1"])
def test_a_version_in_range_is_fine(installed: dict[str, str], version: str) -> None:
    installed["net"] = version
    assert NET.check("it").status is Status.OK


@pytest.mark.parametrize("version", ["2.8.9", "2.14.0", "2.14", "3.0", "nightly"])
def test_a_version_out_of_range_names_the_range(installed: dict[str, str], version: str) -> None:
    installed["net"] = version
    check = NET.check("it")
    assert check.status is Status.MISSING
    assert version in check.found
    assert check.fix == "pip install 'net>=2.9,<2.14'"


def test_a_package_that_is_not_installed_names_the_command(installed: dict[str, str]) -> None:
    check = NET.check("it")
    assert (check.status, check.found, check.fix) == (Status.MISSING, "net is not installed", "pip install net")


def test_the_compiler_names_the_first_package_that_is_missing(installed: dict[str, str]) -> None:
    installed.update({"torch": "2.13.0", "litert-converter": "0.5.0"})
    check = checks.check_compiler(LINUX)
    assert check.found == "litert-torch is not installed"
    assert check.fix == "pip install 'embedl-nb[torch]'"


def test_onnx_models_need_what_runs_their_reference_too(installed: dict[str, str]) -> None:
    installed["onnx"] = "1.23.2"
    check = checks.check_onnx(LINUX)
    assert check is not None
    assert (check.status, check.found) == (Status.MISSING, "onnxruntime is not installed")
    assert check.fix == "pip install 'embedl-nb[onnx]'"
    installed["onnxruntime"] = "1.31.1"
    check = checks.check_onnx(LINUX)
    assert check is not None
    assert (check.status, check.found) == (Status.OK, "onnx 1.23.2, onnxruntime 1.31.1")


def test_keras_models_need_a_tensorflow_that_is_new_enough(installed: dict[str, str]) -> None:
    check = checks.check_keras(WINDOWS)
    assert check is not None
    assert (check.found, check.fix) == ("tensorflow is not installed", "pip install 'embedl-nb[keras]'")
    installed["tensorflow"] = "2.15.1"
    check = checks.check_keras(WINDOWS)
    assert check is not None
    assert check.found == "tensorflow 2.15.1 is not 2.18 or newer"
    assert check.fix == "pip install 'tensorflow>=2.18'"


def test_what_has_no_wheels_here_is_not_asked_for_once_more(installed: dict[str, str]) -> None:
    assert checks.check_onnx(WINDOWS) is None
    assert checks.check_keras(PLATFORMS["darwin", "x86_64"]) is None


def test_a_platform_without_a_converter_says_where_to_compile(installed: dict[str, str]) -> None:
    check = checks.check_compiler(WINDOWS)
    assert check.found == "no wheel of litert-converter for Windows x86-64"
    assert "Linux x86-64" in check.fix


def test_a_platform_without_a_runtime_says_so() -> None:
    check = checks.check_runtime(PLATFORMS["darwin", "x86_64"])
    assert check.status is Status.MISSING
    assert check.found == "no wheel of ai-edge-litert 2.3 on macOS x86-64"


def test_a_runtime_that_crashes_is_missing(installed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(path: Path) -> Any:
        raise RuntimeCrashedError("the LiteRT runtime died of SIGILL", hint="use a CPU with AVX")

    installed["ai-edge-litert"] = "2.3.0"
    monkeypatch.setattr(embedl_nb.model, "as_model", crash)
    check = checks.check_runtime(LINUX)
    assert check.status is Status.MISSING
    assert check.found == "ai-edge-litert 2.3.0 does not run a model: the LiteRT runtime died of SIGILL"
    assert check.fix == "use a CPU with AVX"


@pytest.mark.parametrize(("total", "status"), [(2.0, Status.OK), (3.0, Status.MISSING)])
def test_a_runtime_must_add_rightly(
    installed: dict[str, str], monkeypatch: pytest.MonkeyPatch, total: float, status: Status
) -> None:
    installed["ai-edge-litert"] = "2.3.0"
    monkeypatch.setattr(embedl_nb.model, "as_model", lambda path: lambda a, b: {"sum": np.full((1, 4), total)})
    assert checks.check_runtime(LINUX).status is status


def test_the_probe_is_the_tiny_model_of_the_public_fakes() -> None:
    assert Path(checks.__file__).with_name("probe.tflite").read_bytes() == models.add()


def test_a_notebook_needs_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "is_installed", lambda module: False)
    check = checks.check_notebook()
    assert (check.status, check.fix) == (Status.MISSING, "pip install 'embedl-nb[notebook]'")


def test_chromium_is_not_asked_for_where_no_browser_tests_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "is_installed", lambda module: False)
    assert checks.check_browser() is None


def test_a_missing_chromium_only_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "is_installed", lambda module: True)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    check = checks.check_browser()
    assert check is not None
    assert check.status is Status.WARNING
    assert "nothing else needs it" in check.found


def test_the_run_store_is_made_with_the_first_run(empty_home: Path) -> None:
    check = checks.check_run_store()
    assert check.status is Status.OK
    assert check.found == f"{empty_home / 'data' / 'mlflow.db'} (made with the first run)"


def test_a_run_store_that_is_no_database_is_named(empty_home: Path) -> None:
    path = config.data_dir() / "mlflow.db"
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    check = checks.check_run_store()
    assert check.status is Status.WARNING
    assert str(path) in check.found
    assert check.fix


def test_a_run_store_somebody_is_writing_to_is_named(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedl_nb.runstore.database._BUSY_S", 0.01)
    with sqlite3.connect(config.data_dir() / "mlflow.db", isolation_level=None) as connection:
        connection.execute("CREATE TABLE runs (id)")
        connection.execute("BEGIN EXCLUSIVE")
        check = checks.check_run_store()
        connection.execute("ROLLBACK")
    assert check.status is Status.WARNING
    assert "locked" in check.found


def test_results_that_wait_are_counted(empty_home: Path) -> None:
    spool = config.data_dir() / "spool"
    spool.mkdir()
    (spool / "20261122-170401-3f9a.00000000.json").write_text("{}")
    assert checks.check_run_store().found.endswith("; waiting to be recorded: 1")


def test_a_server_that_does_not_answer_is_named_without_its_password(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as listener:  # bound but not listening: connections are refused
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
        check = checks.check_run_store()
    assert check.status is Status.WARNING
    assert f"127.0.0.1:{port}" in check.found
    assert "secret" not in check.found
    assert "MLFLOW_TRACKING_URI" in check.fix


def test_a_server_that_answers_is_fine(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert checks.check_run_store().status is Status.OK


def test_a_folder_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * 2048)
    check = checks.check_folder("cache", tmp_path)
    assert check.status is Status.OK
    assert check.found.startswith(f"{tmp_path}: 2.0 KiB, ")


def test_a_full_disk_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    check = checks.check_folder("cache", tmp_path)
    assert check.status is Status.WARNING
    assert "10.0 MiB free" in check.found
    assert "cache clear" in check.fix


def test_a_folder_that_stands_in_for_an_unwritable_one_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "locked").write_text("a file where the folder should be")
    monkeypatch.setenv("EMBEDL_NB_HOME", str(tmp_path / "locked"))
    with pytest.warns(UserWarning, match="cannot be written"):
        check = checks.check_folder("data", config.data_dir())
    assert check.status is Status.WARNING
    assert "EMBEDL_NB_HOME" in check.fix


@pytest.fixture
def idle_machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Pretend to be four idle cores that nobody limits."""
    from embedl_nb.device import machine

    facts = {"cpu_name": "Some CPU", "num_cores": 4, "num_usable_cores": 4, "container_cpu_limit": None}
    for name, value in {**facts, "governor": None}.items():
        monkeypatch.setattr(machine, name, lambda value=value: value)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1))
    return monkeypatch


def test_an_idle_cpu_is_fine(idle_machine: pytest.MonkeyPatch) -> None:
    assert checks.check_cpu() == checks.Check(name="cpu", status=Status.OK, found="Some CPU, 4 cores")


def test_a_container_limit_is_shown(idle_machine: pytest.MonkeyPatch) -> None:
    from embedl_nb.device import machine

    idle_machine.setattr(machine, "num_usable_cores", lambda: 1)
    idle_machine.setattr(machine, "container_cpu_limit", lambda: 1.5)
    assert checks.check_cpu().found == "Some CPU, 1 of 4 cores, container limit 1.5 cores"


def test_a_saving_governor_is_warned_of(idle_machine: pytest.MonkeyPatch) -> None:
    from embedl_nb.device import machine

    idle_machine.setattr(machine, "governor", lambda: "powersave")
    check = checks.check_cpu()
    assert check.status is Status.WARNING
    assert "performance" in check.fix


def test_a_busy_machine_is_warned_of(idle_machine: pytest.MonkeyPatch) -> None:
    idle_machine.setattr(os, "getloadavg", lambda: (2.5, 0.0, 0.0))
    check = checks.check_cpu()
    assert check.status is Status.WARNING
    assert "load 2.5" in check.found


@pytest.mark.parametrize(("limit_bytes", "status"), [(2**30, Status.WARNING), (None, Status.OK)])
def test_little_memory_is_warned_of(monkeypatch: pytest.MonkeyPatch, limit_bytes: int | None, status: Status) -> None:
    import psutil

    from embedl_nb.device import machine

    plenty = psutil.virtual_memory()._replace(total=64 * 2**30, available=60 * 2**30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: plenty)
    monkeypatch.setattr(machine, "container_memory_limit_bytes", lambda: limit_bytes)
    assert checks.check_memory().status is status


def test_a_python_newer_than_the_wheels_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.check_python().status is Status.OK
    monkeypatch.setattr(checks, "_NEWEST_PYTHON", (3, 10))
    assert checks.check_python().status is Status.WARNING


@pytest.mark.parametrize("uri", ["http://[::1", "postgresql://me:a/b@db/mlflow", "databricks"])
def test_an_address_that_only_mlflow_can_judge_does_not_stop_the_doctor(
    uri: str, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert checks.check_run_store().status is Status.OK


def test_a_file_that_disappears_while_it_is_counted_counts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.walk", lambda folder: [(str(folder), [], ["gone"])])
    assert ": 0 B, " in checks.check_folder("cache", tmp_path).found
