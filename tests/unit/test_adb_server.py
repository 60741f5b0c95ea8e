"""Which adb server is spoken to, and when one is started."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from fake_adb_server import fake_adb_server

from embedl_nb.device.adb import server as module
from embedl_nb.device.adb.server import AdbServer, Unusable, running, which_server
from embedl_nb.errors import InputError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_HOST", "ANDROID_ADB_SERVER_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_this_machines_own_is_the_default_and_nobody_named_it() -> None:
    assert which_server() == AdbServer(host="127.0.0.1", port=5037, named_by="")


@pytest.mark.parametrize(
    ("settings", "place", "named_by"),
    [
        ({"ANDROID_ADB_SERVER_PORT": "5038"}, "127.0.0.1:5038", "ANDROID_ADB_SERVER_PORT"),
        ({"ANDROID_ADB_SERVER_HOST": "laptop"}, "laptop:5037", "ANDROID_ADB_SERVER_HOST"),
        ({"ADB_SERVER_SOCKET": "tcp:5038"}, "127.0.0.1:5038", "ADB_SERVER_SOCKET"),
        ({"ADB_SERVER_SOCKET": "tcp:laptop:5038"}, "laptop:5038", "ADB_SERVER_SOCKET"),
        ({"ADB_SERVER_SOCKET": "tcp:[::1]:5038"}, "[::1]:5038", "ADB_SERVER_SOCKET"),
        ({"ADB_SERVER_SOCKET": "tcp:a:1", "ANDROID_ADB_SERVER_PORT": "5038"}, "a:1", "ADB_SERVER_SOCKET"),
    ],
)
def test_the_environment_names_a_server(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], place: str, named_by: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert (str(which_server()), which_server().named_by) == (place, named_by)
    assert str(which_server("phone-desk:9")) == "phone-desk:9"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADB_SERVER_SOCKET", "localabstract:adb"),
        ("ADB_SERVER_SOCKET", "laptop:5037"),
        ("ADB_SERVER_SOCKET", "tcp:laptop"),
        ("ADB_SERVER_SOCKET", "tcp:laptop:70000"),
        ("ANDROID_ADB_SERVER_PORT", "50x"),
        ("ANDROID_ADB_SERVER_HOST", "a b"),
    ],
)
def test_a_setting_that_names_no_server_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=name):
        which_server()


def test_a_server_that_runs_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_adb", lambda: pytest.fail("looked for adb"))
    with fake_adb_server() as there:
        server = AdbServer(port=there.port)
        assert running(server) == server
        assert there.asked == ["host:version"]


def test_this_machines_own_is_started_with_adb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    adb, noted = _fake_adb(tmp_path, status=1)
    monkeypatch.setattr(module, "find_adb", lambda: adb)
    with pytest.raises(Unusable, match=r"ended with 1: Cannot mkdir '/nowhere/\.android'") as caught:
        running(AdbServer(port=_free_port()))
    assert caught.value.state.name == "adb does not start"
    assert noted.read_text() == "start-server"


def test_an_adb_that_starts_nothing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    adb, _ = _fake_adb(tmp_path, status=0)
    monkeypatch.setattr(module, "find_adb", lambda: adb)
    with pytest.raises(Unusable, match="adb was started, but no server answers"):
        running(AdbServer(port=_free_port()))


def test_a_named_server_is_never_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    adb, noted = _fake_adb(tmp_path, status=0)
    monkeypatch.setattr(module, "find_adb", lambda: adb)
    with pytest.raises(Unusable, match="named by somebody"):
        running(AdbServer(port=_free_port(), named_by="somebody"))
    assert not noted.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for adb is a script")
def test_adb_is_found_in_the_path_before_the_bundled_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    adb, _ = _fake_adb(tmp_path, status=0)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert module.find_adb() == adb


def test_a_bundled_adb_is_found() -> None:
    pytest.importorskip("adbutils", reason="adbutils has no wheel for this platform")
    assert module.find_adb() is not None


def _fake_adb(folder: Path, *, status: int) -> tuple[str, Path]:
    """Write a program that notes its argument and fails as adb does where it has no home."""
    adb, noted = folder / "adb", folder / "noted"
    adb.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"if sys.argv[1] != 'version': open({str(noted)!r}, 'w').write(' '.join(sys.argv[1:]))\n"
        "print(\"11-28 02:07:47.592 1 1 F adb     : Cannot mkdir '/nowhere/.android'\")\n"
        f"print('error: cannot connect to daemon')\nsys.exit({status} if sys.argv[1] != 'version' else 0)\n"
    )
    adb.chmod(0o755)
    return str(adb), noted


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
