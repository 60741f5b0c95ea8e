"""What every test shares: a home of its own, and none of the user's settings.

Recorded runs, cached models and logs of the whole session go to one temporary folder, so that a test run neither reads
nor changes what the user has recorded. Tests that need an empty home take the ``empty_home`` fixture.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Settings of the person who runs the tests that would change what the tests see.
_FOREIGN_SETTINGS = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_RUN_ID",
    "EMBEDL_NB_CACHE_LIMIT",
    "ANDROID_ADB_SERVER_HOST",
    "ANDROID_ADB_SERVER_PORT",
    "EMBEDL_NB_BENCHMARK_MODEL",
)
# Tests that import onnxruntime themselves do it while they are collected, before any fixture.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@pytest.fixture(scope="session", autouse=True)
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep everything that this session writes in one temporary folder."""
    home = tmp_path_factory.mktemp("embedl_nb_home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDL_NB_HOME", str(home))
        # Nobody's phones, and no adb server started for a test: nothing listens on port 1.
        patch.setenv("ADB_SERVER_SOCKET", "tcp:127.0.0.1:1")
        for name in _FOREIGN_SETTINGS:
            patch.delenv(name, raising=False)
        yield home


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts() -> None:
    """Let SIGINT interrupt also where a shell has started the tests in the background, which ignores it there."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder in which nothing was ever recorded or cached."""
    home = tmp_path / "home"
    monkeypatch.setenv("EMBEDL_NB_HOME", str(home))
    return home


@pytest.fixture
def spooled_home(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home, into whose files alone results are recorded: no recorder is started."""
    from embedl_nb.runstore import reading, store
    from embedl_nb.runstore.client import Recorder

    monkeypatch.setattr(Recorder, "_start_thread", lambda self: None)
    for module in (store, reading):
        recorder = Recorder()
        monkeypatch.setattr(module, "recorder", lambda recorder=recorder: recorder)
    monkeypatch.setattr(store, "_drain_at_exit_of_a_script", lambda: None)
    return empty_home


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Return the folder of pyproject.toml."""
    return Path(__file__).resolve().parents[1]


class FakePipeline:
    """Stands in for the pipeline: notes each call, and returns the object prepared for the verb."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.results: dict[str, Any] = {}
        self.errors: dict[str, BaseException] = {}

    def verb(self, name: str) -> Callable[..., Any]:
        """Return the stand-in of one verb."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            if name in self.errors:
                raise self.errors[name]
            return self.results.setdefault(name, f"result of {name}")

        return call


@pytest.fixture
def fake_pipeline(monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    """Put a fake in the place of every verb, so that commands and magics can be tried without models."""
    from embedl_nb import pipeline

    fake = FakePipeline()
    for name in pipeline.__all__:
        monkeypatch.setattr(pipeline, name, fake.verb(name))
    return fake
