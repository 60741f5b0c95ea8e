"""Phones behind a real adb server: listed, opened, pushed to and broken, through a relay as well."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tcp_relay import relay

from embedl_nb import pipeline
from embedl_nb.device import open_device
from embedl_nb.device.adb import AdbProvider
from embedl_nb.device.adb.phone import FOLDER, AdbPhone
from embedl_nb.errors import DeviceError, DeviceLost, DeviceNotFound, DeviceUnauthorized
from embedl_nb.testing.virtual_phone import AdbServer, Faults, VirtualPhone, adb_server
from embedl_nb.units import Provenance

pytest.importorskip("adbutils", reason="adbutils brings the adb server of these tests")


@pytest.fixture(scope="module")
def server() -> Iterator[AdbServer]:
    with adb_server() as running:
        yield running


@pytest.fixture
def phone(server: AdbServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualPhone]:
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:{server.host}:{server.port}")
    with VirtualPhone() as phone:
        server.connect(phone)
        yield phone
        server.disconnect(phone)


def opened(server: AdbServer, phone: VirtualPhone) -> AdbPhone:
    device = open_device(f"adb://{phone.address}?server={server.host}:{server.port}")
    assert isinstance(device, AdbPhone)
    return device


def files_of(phone: VirtualPhone) -> dict[str, bytes]:
    """Return what lies in our folder on the phone."""
    folder = phone.root / FOLDER.lstrip("/")
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every process that this one starts, as its arguments."""
    calls: list[object] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, args: object, *rest: object, **options: object) -> None:
            calls.append(args)
            super().__init__(args, *rest, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return calls


def test_a_phone_is_listed_and_opens_with_the_same_facts(server: AdbServer, phone: VirtualPhone) -> None:
    (listed,) = AdbProvider().devices()
    info = open_device(f"adb://{phone.address}").info
    assert info == listed
    assert (info.name, info.soc) == ("virtual Galaxy S24", "Snapdragon 8 Gen 3 (SM8650)")
    assert info.provenance is Provenance.VIRTUAL
    assert opened(server, phone).facts.big_cpus_mask == 0xFC
    assert opened(server, phone).conditions().skin_celsius is not None
    assert AdbProvider().addresses() == (f"adb://{phone.address}",)


def test_the_list_shows_phones_in_every_state(server: AdbServer, phone: VirtualPhone) -> None:
    others = [VirtualPhone(faults=faults) for faults in (Faults(unauthorized=True), Faults(mode="recovery"))]
    with others[0], others[1], VirtualPhone("Google Pixel 7") as gone:
        for each in (*others, gone):
            server.connect(each)
        gone.unplug()
        frame = pipeline.devices().set_index("address")
        states = {each.address: frame["state"].get(f"adb://{each.address}") for each in (phone, *others, gone)}
        assert states[phone.address] == "ready"
        assert states[others[0].address] in ("unauthorized", "authorizing")
        assert states[others[1].address] == "recovery"
        assert states[gone.address] in ("offline", None)
        with pytest.raises(DeviceUnauthorized):
            open_device(f"adb://{others[0].address}")
        with pytest.raises(DeviceNotFound, match="recovery"):
            open_device(f"adb://{others[1].address}")
        for each in (*others, gone):
            server.disconnect(each)


def test_a_phone_in_the_network_is_connected_to_when_it_is_opened(server: AdbServer, phone: VirtualPhone) -> None:
    with VirtualPhone("Google Pixel 7") as other:
        assert open_device(f"adb://{other.address}").info.name == "virtual Pixel 7"
        server.disconnect(other)
    with pytest.raises(DeviceNotFound, match="failed to connect"):
        open_device(f"adb://{other.address}")


def test_files_are_pushed_verified_found_again_and_removed(
    server: AdbServer, phone: VirtualPhone, tmp_path: Path
) -> None:
    device, path = opened(server, phone), tmp_path / "model.tflite"
    path.write_bytes(random.Random(0).randbytes(3_000_000))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    remote = device.put(path)
    assert files_of(phone) == {f"{digest}/model.tflite": path.read_bytes()}
    assert os.access(phone.root / remote.lstrip("/"), os.X_OK)
    assert device.put(path) == remote
    assert sum("mv" in command for command in phone.commands) == 1
    assert device.pull(remote, tmp_path / "back", max_bytes=4_000_000) == 3_000_000
    assert (tmp_path / "back").read_bytes() == path.read_bytes()
    device.remove(remote)
    assert files_of(phone) == {}


def test_a_full_phone_is_told(server: AdbServer, phone: VirtualPhone, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(bytes(1000))
    phone.faults = Faults(storage_bytes=500)
    with pytest.raises(DeviceError, match=r"has .* free, model\.tflite needs"):
        opened(server, phone).put(path)
    assert files_of(phone) == {}


def test_a_tool_that_hangs_is_ended_on_the_phone(server: AdbServer, phone: VirtualPhone, tmp_path: Path) -> None:
    tool = tmp_path / "benchmark_model"
    tool.write_bytes(b"any bytes")
    device = opened(server, phone)
    remote = device.put(tool)
    phone.faults = Faults(hang=True)
    with pytest.raises(DeviceError, match="no answer in time"):
        device.shell(f"cd {FOLDER} && {remote} --graph=x.tflite", timeout_s=0.3)
    assert phone.num_running == 1
    assert device.stop_leftovers() == 1
    assert device.stop_leftovers() == 0
    assert phone.num_running == 0


def test_a_cable_that_is_pulled_anywhere_in_a_push_leaves_nothing_that_counts(
    server: AdbServer, phone: VirtualPhone, tmp_path: Path
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(random.Random(1).randbytes(400_000))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    device = opened(server, phone)
    for moment in random.Random(2).sample(range(400_000), 6):
        phone.faults = Faults(unplug_after_pushed_bytes=moment)
        with pytest.raises(DeviceLost, match=r"while pushing model\.tflite"):
            device.put(path)
        phone.faults = Faults()
        phone.plug_in()
        server.connect_again(phone)
        assert f"{digest}/model.tflite" not in files_of(phone)
    device.put(path)
    assert files_of(phone) == {f"{digest}/model.tflite": path.read_bytes()}


@pytest.mark.parametrize("num_cuts", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_a_tunnel_that_is_cut_anywhere_is_one_clear_error_and_nothing_is_started(
    server: AdbServer,
    phone: VirtualPhone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: list[object],
    num_cuts: int,
) -> None:
    monkeypatch.delenv("ADB_SERVER_SOCKET")
    path = tmp_path / "model.tflite"
    path.write_bytes(random.Random(3).randbytes(100_000))

    def work(place: str) -> None:
        device = open_device(f"adb://{phone.address}?server={place}")
        assert isinstance(device, AdbPhone)
        with device.lease():
            remote = device.put(path)
            device.conditions()
            device.remove(remote)

    with relay(server.port) as whole:
        work(whole.place)
    files, threads = psutil.Process().num_fds(), threading.active_count()
    for moment in random.Random(4).choices(range(whole.num_bytes), k=num_cuts):
        with relay(server.port) as cut:
            cut.cut_after = moment
            with pytest.raises((DeviceLost, DeviceNotFound)) as caught:
                work(cut.place)
            assert cut.place in caught.value.message
            assert caught.value.hint
        with relay(server.port) as whole:
            work(whole.place)
        assert files_of(phone) == {}
    assert started == []
    assert (psutil.Process().num_fds(), threading.active_count()) == (files, threads)
