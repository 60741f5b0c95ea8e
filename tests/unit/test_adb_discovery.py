"""Phones in every state, as the list of devices and an opened address tell of them."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from fake_adb_server import FakeAdbServer, FakePhone, fake_adb_server
from phone_answers import shell

from embedl_nb import pipeline
from embedl_nb.device import DeviceInfo, device_addresses, open_device
from embedl_nb.device.adb import AdbProvider
from embedl_nb.errors import (
    DeviceError,
    DeviceLost,
    DeviceNotFound,
    DeviceTimeout,
    DeviceUnauthorized,
    InputError,
)
from embedl_nb.units import Provenance


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAdbServer]:
    with fake_adb_server() as running:
        monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:{running.place}")
        yield running


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every process that is started, as its arguments."""
    calls: list[Any] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, args: Any, *rest: Any, **options: Any) -> None:
            calls.append(args)
            super().__init__(args, *rest, **options)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return calls


def test_a_phone_that_is_ready_is_listed_with_its_facts(server: FakeAdbServer) -> None:
    server.phones["R58M12ABCDE"] = FakePhone(shell=shell)
    frame = pipeline.devices()
    assert frame.columns[0] == "address"
    row = frame.set_index("address").loc["adb://R58M12ABCDE"]
    assert row["state"] == "ready"
    assert row["name"] == "Samsung Galaxy S23 (SM-S911B)"
    assert row["soc"] == "Snapdragon 8 Gen 2 (SM8550)"
    assert row["cpu"] == "1x3.36 + 4x2.80 + 3x2.02 GHz"
    assert (row["num_cores"], row["memory_mib"], row["os"]) == (8, 7072, "Android 16 (API 36)")
    assert row["compute_units"] == "cpu, gpu, npu"
    assert frame.set_index("address").loc["host://"]["state"] == "ready"


@pytest.mark.parametrize(
    ("state", "shown", "step", "error"),
    [
        ("unauthorized", "unauthorized", "allow this computer", DeviceUnauthorized),
        ("authorizing", "authorizing", "answer its question", DeviceUnauthorized),
        ("offline", "offline", "plug it in again", DeviceNotFound),
        ("connecting", "connecting", "wait", DeviceNotFound),
        ("recovery", "recovery", "adb reboot", DeviceNotFound),
        ("sideload", "sideload", "adb reboot", DeviceNotFound),
        ("rescue", "rescue", "adb reboot", DeviceNotFound),
        ("bootloader", "bootloader", "fastboot reboot", DeviceNotFound),
        ("host", "host", "plug in a phone", DeviceNotFound),
        ("detached", "detached", "adb attach", DeviceNotFound),
        (
            "no permissions (user in plugdev group; are your udev rules wrong?); see [http://developer.android.com/x]",
            "no permissions",
            "udev rules",
            DeviceUnauthorized,
        ),
    ],
)
def test_every_state_is_named_with_what_to_do(
    server: FakeAdbServer, state: str, shown: str, step: str, error: type[DeviceError]
) -> None:
    server.phones["R58M12ABCDE"] = FakePhone(state=state, words="usb:1-4 transport_id:2")
    row = pipeline.devices().set_index("address").loc["adb://R58M12ABCDE"]
    assert row["state"] == shown
    assert step in row["next_step"]
    with pytest.raises(error) as caught:
        open_device("adb://R58M12ABCDE")
    assert "adb://R58M12ABCDE" in caught.value.message
    assert shown in caught.value.message
    assert step in caught.value.hint


def test_without_a_phone_one_row_says_what_to_do(server: FakeAdbServer) -> None:
    row = pipeline.devices().set_index("address").loc["adb://"]
    assert (row["state"], row["name"]) == ("no phone", "")
    assert "USB debugging" in row["next_step"]
    with pytest.raises(DeviceNotFound, match="no phone"):
        open_device("adb://")


def test_a_named_server_that_is_not_there_is_told_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, started: list[Any]
) -> None:
    monkeypatch.delenv("ADB_SERVER_SOCKET")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for name, value in (
        ("ADB_SERVER_SOCKET", f"tcp:127.0.0.1:{port}"),
        ("ADB_SERVER_SOCKET", f"tcp:{port}"),
        ("ANDROID_ADB_SERVER_PORT", str(port)),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            row = pipeline.devices().set_index("address").loc["adb://"]
            assert row["state"] == "no adb server"
            assert "adb start-server" in row["next_step"]
            assert device_addresses() == ("host://",)
            with pytest.raises(DeviceNotFound) as caught:
                open_device("adb://R58M12ABCDE")
            assert f"127.0.0.1:{port}" in caught.value.message
            assert name in caught.value.message
    with pytest.raises(DeviceNotFound, match=f"no adb server at 127.0.0.1:{port}"):
        open_device(f"adb://R58M12ABCDE?server=127.0.0.1:{port}")
    assert started == []
    # The port is still free: whoever named the server can open a tunnel on it now.
    socket.create_server(("127.0.0.1", port)).close()


def test_where_there_is_no_adb_the_host_is_listed_and_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, started: list[Any]
) -> None:
    from embedl_nb.device.adb import server as module

    monkeypatch.delenv("ADB_SERVER_SOCKET")
    monkeypatch.setattr(module, "_USUAL_PORT", _free_port())
    monkeypatch.setattr(module, "find_adb", lambda: None)
    monkeypatch.setattr(module, "which_server", lambda asked="": module.AdbServer(port=_free_port()))
    monkeypatch.setattr("embedl_nb.device.adb.provider.which_server", module.which_server)
    frame = pipeline.devices().set_index("address")
    assert frame.loc["host://"]["state"] == "ready"
    assert frame.loc["adb://"]["state"] == "no adb"
    assert "pip install adbutils" in frame.loc["adb://"]["next_step"]
    assert started == []


def test_a_wrong_setting_is_told_and_the_host_stays_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", "localfilesystem:/tmp/adb")
    frame = pipeline.devices().set_index("address")
    assert frame.loc["host://"]["state"] == "ready"
    assert "ADB_SERVER_SOCKET" in frame.loc["adb://"]["next_step"]
    with pytest.raises(InputError, match="ADB_SERVER_SOCKET"):
        open_device("adb://R58M12ABCDE")


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_tunnel_without_an_adb_server_at_its_end_is_recognized(server: FakeAdbServer, greeting: bytes) -> None:
    server.greeting = greeting
    row = pipeline.devices().set_index("address").loc["adb://"]
    assert row["state"] == "no adb server"
    assert "other end" in row["next_step"]
    with pytest.raises(DeviceNotFound, match="is no adb server"):
        open_device("adb://R58M12ABCDE")


def test_the_only_ready_phone_needs_no_serial(server: FakeAdbServer) -> None:
    server.phones.update(A=FakePhone(state="offline"), B=FakePhone(shell=shell))
    assert open_device("adb://").info.address == "adb://B"


def test_of_several_phones_one_must_be_chosen(server: FakeAdbServer) -> None:
    server.phones.update(A=FakePhone(shell=shell), B=FakePhone(shell=shell))
    with pytest.raises(InputError, match="any of 2 phones") as caught:
        open_device(f"adb://?server={server.place}")
    assert f"adb://A?server={server.place}" in caught.value.hint
    assert f"adb://B?server={server.place}" in caught.value.hint


def test_a_phone_that_is_not_there_is_named_with_those_that_are(server: FakeAdbServer) -> None:
    server.phones["R58M12ABCDE"] = FakePhone(shell=shell)
    with pytest.raises(DeviceNotFound, match="R58M12ABCDX") as caught:
        open_device("adb://R58M12ABCDX")
    assert "R58M12ABCDE" in caught.value.hint


def test_a_phone_in_the_network_is_connected_to(server: FakeAdbServer) -> None:
    server.phones["192.168.1.5:5555"] = FakePhone(state="device", shell=shell)
    phone = server.phones.pop("192.168.1.5:5555")
    server.connects["192.168.1.5:5555"] = "connected to 192.168.1.5:5555"
    real = server._serve_host

    def serve(service: str, connection: socket.socket) -> FakePhone | None:
        if service.startswith("host:connect:"):
            server.phones["192.168.1.5:5555"] = phone
        return real(service, connection)

    server._serve_host = serve  # type: ignore[method-assign]
    assert open_device("adb://192.168.1.5:5555").info.name == "Samsung Galaxy S23 (SM-S911B)"


def test_a_connection_that_fails_is_an_error_though_adb_says_okay(server: FakeAdbServer) -> None:
    server.connects["192.168.1.5:5555"] = "failed to connect to '192.168.1.5:5555': Connection refused"
    with pytest.raises(DeviceNotFound, match="Connection refused") as caught:
        open_device("adb://192.168.1.5:5555")
    assert "adb pair" in caught.value.hint


def test_a_phone_that_does_not_answer_costs_the_others_nothing(
    server: FakeAdbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedl_nb.device.adb.provider._FACTS_S", 0.2)
    server.phones.update(mute=FakePhone(is_silent=True), good=FakePhone(shell=shell), cut=FakePhone(cut_after=9))
    rows = pipeline.devices().set_index("address")
    assert list(rows["state"]) == ["ready", "does not answer", "ready", "does not answer"]
    assert rows.loc["adb://mute"]["next_step"]
    with pytest.raises(DeviceTimeout, match="adb://mute"):
        open_device("adb://mute")
    with pytest.raises(DeviceLost, match="adb://cut"):
        open_device("adb://cut")


def test_an_emulator_is_called_one_and_its_numbers_are_no_phones(server: FakeAdbServer) -> None:
    answer = "#props\n[ro.product.model]: [sdk_gphone64_x86_64]\n[ro.kernel.qemu]: [1]\n"
    server.phones["emulator-5554"] = FakePhone(shell=lambda command: (answer, "", 0))
    info = open_device("adb://emulator-5554").info
    assert info.name.startswith("emulator")
    assert info.provenance is Provenance.VIRTUAL


def test_completion_offers_what_is_ready_without_asking_a_phone(server: FakeAdbServer) -> None:
    server.phones.update(A=FakePhone(is_silent=True), B=FakePhone(state="offline"))
    assert device_addresses() == ("host://", "adb://A")


def test_many_phones_are_listed_at_once(server: FakeAdbServer) -> None:
    server.phones.update({f"phone{number}": FakePhone(shell=shell) for number in range(32)})
    listed = AdbProvider().devices()
    assert [info.address for info in listed] == [f"adb://phone{number}" for number in range(32)]
    assert all(isinstance(info, DeviceInfo) for info in listed)


def test_the_list_is_the_same_in_a_shell(server: FakeAdbServer, capsys: pytest.CaptureFixture[str]) -> None:
    from embedl_nb.cli import main

    server.phones["R58M12ABCDE"] = FakePhone(state="unauthorized")
    assert main(["devices"]) == 0
    printed = capsys.readouterr().out
    assert "adb://R58M12ABCDE" in printed
    assert "unlock it and allow this computer" in printed
    assert "<NA>" not in printed


def test_a_hostile_phone_cannot_break_the_list(server: FakeAdbServer) -> None:
    evil = "<script>alert(1)</script>\x1b[31m\u202e$(reboot)`id`" + "x" * 5000
    answer = f"#props\n[ro.product.model]: [{evil}]\n[ro.soc.model]: [{evil}]\n#cpu\ncpu0 99999999999999\n#mem\n"
    server.phones["R1"] = FakePhone(shell=lambda command: (answer, "", 0), words=f"model:{'y' * 9000}")
    server.phones['"><b>&'] = FakePhone(state="offline")
    frame = pipeline.devices()
    shown = frame.to_html()
    assert "<script>" not in shown
    assert "<b>" not in shown
    name = frame.set_index("address").loc["adb://R1"]["name"]
    assert len(name) < 200
    assert name.isprintable()
    assert not any(command.startswith("host:transport:") and '"' in command for command in server.asked)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
