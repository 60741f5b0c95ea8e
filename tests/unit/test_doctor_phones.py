"""What the doctor says of phones, and the way to one that hangs on another computer."""

from __future__ import annotations

import socket

import pytest
from fake_adb_server import FakePhone, fake_adb_server

from embedl_nb.device.adb import server as module
from embedl_nb.device.adb import tunnel
from embedl_nb.pipeline.checks import Check, Status
from embedl_nb.pipeline.phone_checks import check_phones


@pytest.fixture(autouse=True)
def desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer on a desk: nobody named a server, none of the signs of another machine is there."""
    signs = ("COLAB_RELEASE_TAG", "JUPYTERHUB_USER", "KUBERNETES_SERVICE_HOST", "SSH_CONNECTION", "ADB_SERVER_SOCKET")
    for name in signs:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tunnel, "_CONTAINER_MARKS", ())
    monkeypatch.setattr(tunnel.platform, "release", lambda: "6.1.0-generic")
    monkeypatch.setattr(module, "_USUAL_PORT", 1)
    monkeypatch.setattr(module.AdbServer.__init__, "__kwdefaults__", {"host": "127.0.0.1", "port": 1, "named_by": ""})
    monkeypatch.setattr(module, "_start", lambda: pytest.fail("the doctor started an adb server"))


def test_on_a_desk_without_a_phone_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_adb", lambda: "/usr/bin/adb")
    assert check_phones() == Check(
        name="phones", status=Status.OK, found="no adb server runs; enb.devices() starts /usr/bin/adb"
    )


def test_without_adb_the_way_to_get_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_adb", lambda: None)
    check = check_phones()
    assert (check.status, check.found, check.fix) == (
        Status.WARNING,
        "no adb on this machine",
        "pip install adbutils",
    )


def test_phones_are_named_with_their_states(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_adb_server(R1=FakePhone(), R2=FakePhone(state="unauthorized", words="usb:1-2")) as server:
        monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:{server.place}")
        check = check_phones()
        assert check.status is Status.OK
        assert check.found == (
            f"adb server at {server.place} (named by ADB_SERVER_SOCKET): R1 Pixel 8 ready, R2 unauthorized"
        )
        assert set(server.asked) == {"host:devices-l"}
        del server.phones["R1"]
        check = check_phones()
        assert (check.status, check.fix) == (Status.WARNING, "unlock it and allow this computer")


@pytest.mark.parametrize(
    ("sign", "place"),
    [
        ({"COLAB_RELEASE_TAG": "x"}, "Colab"),
        ({"JUPYTERHUB_USER": "x"}, "a server of JupyterHub"),
        ({"KUBERNETES_SERVICE_HOST": "x"}, "a container"),
        ({"SSH_CONNECTION": "x"}, "a server, reached over ssh"),
        ({}, "WSL"),
    ],
)
def test_where_nobody_plugs_in_a_phone_the_tunnel_is_told(
    monkeypatch: pytest.MonkeyPatch, sign: dict[str, str], place: str
) -> None:
    monkeypatch.setattr(module, "find_adb", lambda: "/usr/bin/adb")
    if not sign:
        monkeypatch.setattr(tunnel.platform, "release", lambda: "5.15.153.1-microsoft-standard-WSL2")
    for name, value in sign.items():
        monkeypatch.setenv(name, value)
    check = check_phones()
    assert check.status is Status.WARNING
    assert f"this is {place}, so a phone hangs on another computer" in check.found
    assert "ssh -R 127.0.0.1:50" in check.fix
    assert ":127.0.0.1:5037 " in check.fix
    assert "ADB_SERVER_SOCKET=tcp:127.0.0.1:50" in check.fix
    assert "every user of this machine reaches the phone" in check.fix


def test_a_tunnel_that_is_not_open_is_told_with_its_own_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "x")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:127.0.0.1:{port}")
    check = check_phones()
    assert f"no adb server at 127.0.0.1:{port} (named by ADB_SERVER_SOCKET)" in check.found
    assert f"ssh -R 127.0.0.1:{port}:127.0.0.1:5037 " in check.fix
    assert "set ADB_SERVER_SOCKET" not in check.fix


def test_a_tunnel_without_a_server_at_its_other_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "x")
    with fake_adb_server() as server:
        server.greeting = b""
        monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:{server.place}")
        check = check_phones()
    assert "is no adb server" in check.found
    assert "adb start-server" in check.fix


def test_a_server_on_another_host_is_not_tunnelled_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "x")
    monkeypatch.setenv("ADB_SERVER_SOCKET", "tcp:phone-desk.invalid:5037")
    check = check_phones()
    assert check.status is Status.WARNING
    assert "phone-desk.invalid" in check.fix
    assert "ssh" not in check.fix


def test_a_setting_that_is_wrong_is_missing_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", "nonsense")
    check = check_phones()
    assert (check.status, check.fix) == (Status.MISSING, "write it like tcp:HOST:PORT")


def test_a_port_that_is_taken_is_not_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(tunnel, "_FIRST_PORT", port)
        command, proposed = tunnel.tunnel_command()
    assert proposed > port
    assert f"127.0.0.1:{proposed}:" in command
