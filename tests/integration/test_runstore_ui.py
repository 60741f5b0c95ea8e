"""MLflow's web UI on the run store: it answers on this machine, shows a run's files, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from embedl_nb import runstore
from embedl_nb.errors import InputError
from embedl_nb.runstore import ui
from embedl_nb.runstore.location import Store

SVG = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
RECORD_AND_SERVE = f"""
from embedl_nb import runstore
runstore.record("benchmark", {{"model_name": "net"}}, pictures={{"waterfall": "{SVG}"}})
runstore.serve_ui()
"""
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url: str, data: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with NO_PROXY.open(request, timeout=300) as answer:
        body: bytes = answer.read()
    return body


def members_of_session(session: int) -> list[int]:
    """Return the processes of a session, from /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


HUB = {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", "JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/ada/"}


def status(url: str, headers: dict[str, str]) -> int:
    """Ask for a page as a proxy does, which leaves the names in the headers as the browser sent them."""
    try:
        with NO_PROXY.open(urllib.request.Request(url, headers=headers), timeout=300) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as err:
        return err.code


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("stop", "hub"),
    [(signal.SIGINT, {}), pytest.param(signal.SIGTERM, HUB, marks=pytest.mark.slow)],
    ids=["here", "hub"],
)
def test_the_ui_shows_the_waterfall_and_stops_with_all_it_started(
    stop: signal.Signals, hub: dict[str, str], empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    for name, value in hub.items():
        monkeypatch.setenv(name, value)
    serving = subprocess.Popen(
        [sys.executable, "-c", RECORD_AND_SERVE], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert serving.stdout is not None
        link = serving.stdout.readline().split()[0]
        base = link.partition("/#")[0]
        if hub:
            proxy, _, port = base.rpartition("/")
            assert proxy == "https://hub.example/user/ada/proxy"
            base = f"http://127.0.0.1:{port}"
            assert status(base, {"Host": "hub.example"}) == 200
        assert urlsplit(base).hostname == "127.0.0.1"
        assert status(base, {"Host": "elsewhere.example"}) == 403
        (experiment_id,) = link.partition("/experiments/")[2].split("/runs")[:1]
        query = json.dumps({"experiment_ids": [experiment_id]}).encode()
        (run,) = json.loads(fetch(f"{base}/api/2.0/mlflow/runs/search", query))["runs"]
        (experiment,) = json.loads(fetch(f"{base}/api/2.0/mlflow/experiments/search", b'{"max_results": 9}'))[
            "experiments"
        ][:1]
        assert "mlflow.sharedViewState.embedl_nb" in {tag["key"] for tag in experiment["tags"]}
        picture = fetch(f"{base}/get-artifact?path=waterfall.svg&run_uuid={run['info']['run_id']}")
        assert picture.decode() == SVG
        server = int(Path(f"/proc/{serving.pid}/task/{serving.pid}/children").read_text().split()[-1])
        assert len(members_of_session(server)) >= 2
        serving.send_signal(stop)
        assert serving.wait(120) == 0
        assert members_of_session(server) == []
        assert list(tmp_path.iterdir()) == [empty_home]
    finally:
        serving.kill()
        serving.wait()


def test_a_server_is_announced_by_its_own_address_without_the_password(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:s3cret@tracker.example/mlflow/")
    monkeypatch.setattr(
        ui.run_store, "prepare_store", lambda: (Store(uri=os.environ["MLFLOW_TRACKING_URI"], is_own=False), "7")
    )
    said: list[str] = []
    runstore.serve_ui(announce=said.append)
    assert said == [f"https://***@tracker.example/mlflow/#/experiments/7/runs?{ui._VIEW}"]


def test_the_password_of_a_database_is_not_on_the_command_line() -> None:
    store = Store(uri="postgresql://me:s3cret@db/mlflow", is_own=False)
    assert "s3cret" not in " ".join(ui.command(5000))
    assert ui.environment(store)["MLFLOW_BACKEND_STORE_URI"] == store.uri
    assert ui.environment(store)["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_port_that_is_taken_is_named(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(uri=f"sqlite:///{empty_home}/x.db", is_own=True)
    monkeypatch.setattr(ui.run_store, "prepare_store", lambda: (store, ""))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} cannot be used"):
            runstore.serve_ui(port=port)
