"""One phone: commands and files within limits, and what is said when something goes wrong on the way."""

from __future__ import annotations

import hashlib
import re
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_adb_server import Answer, FakeAdbServer, FakePhone, fake_adb_server
from phone_answers import GALAXY_S23, QUIET

from embedl_nb.device.adb.facts import read_facts
from embedl_nb.device.adb.phone import FOLDER, AdbPhone, Channel
from embedl_nb.device.adb.server import AdbServer
from embedl_nb.errors import (
    DeviceBusy,
    DeviceError,
    DeviceLost,
    DeviceTimeout,
    DeviceUnauthorized,
    InputError,
    RemoteCommandError,
)

SERIAL = "R58M12ABCDE"
GIBIBYTE_KIB = 1 << 20


class Storage(FakePhone):
    """A phone with a file system that knows the commands of a push."""

    def __init__(self) -> None:
        super().__init__(shell=self.run)
        self.free_kib = GIBIBYTE_KIB
        self.commands: list[str] = []

    def run(self, command: str) -> Answer:
        self.commands.append(command)
        out = ""
        for part in re.split(r"; |&& |\n", command):
            words = shlex.split(part)
            if words[0] == "sha256sum" and words[1] in self.files:
                out += f"{hashlib.sha256(self.files[words[1]]).hexdigest()}  {words[1]}\n"
            elif words[0] == "df":
                out += f"Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/x 9 9 {self.free_kib} 9% /data\n"
            elif words[0] == "mv":
                self.files[words[2]] = self.files.pop(words[1])
            elif words[0] == "rm":
                for target in words[2:]:
                    pattern = re.escape(target).replace(r"\*", ".*") + r"(/.*)?"
                    self.files = {
                        name: content for name, content in self.files.items() if not re.fullmatch(pattern, name)
                    }
        return out, "", 0


@pytest.fixture
def server() -> Iterator[FakeAdbServer]:
    with fake_adb_server() as running:
        yield running


def phone_at(server: FakeAdbServer, serial: str = SERIAL) -> AdbPhone:
    where = AdbServer(port=server.port, named_by="a test")
    return AdbPhone(Channel(where, serial, address=f"adb://{serial}"), read_facts(GALAXY_S23))


def answering(out: str = "", err: str = "", status: int = 0) -> FakePhone:
    return FakePhone(shell=lambda command: (out, err, status))


def test_a_command_gives_both_streams_and_its_status(server: FakeAdbServer) -> None:
    server.phones[SERIAL] = answering("out\n", "err\n", 3)
    result = phone_at(server).shell("x", check=False)
    assert (result.stdout, result.stderr, result.returncode) == ("out\n", "err\n", 3)


def test_a_command_that_fails_says_what_and_why(server: FakeAdbServer) -> None:
    server.phones[SERIAL] = answering("", "mv: bad 'a': No such file or directory\n", 1)
    with pytest.raises(RemoteCommandError, match="'mv a b' ended with 1: mv: bad 'a'") as caught:
        phone_at(server).shell("mv a b")
    error = caught.value
    assert (error.address, error.command, error.returncode) == (f"adb://{SERIAL}", "mv a b", 1)
    assert "No such file" in error.tails


def test_a_phone_that_prints_without_end_is_stopped(server: FakeAdbServer) -> None:
    server.phones[SERIAL] = answering("x" * 100_000)
    with pytest.raises(RemoteCommandError, match="more than 5000 bytes"):
        phone_at(server).shell("cat big", max_bytes=5000)


def test_a_phone_that_does_not_answer_is_not_waited_for_for_ever(server: FakeAdbServer) -> None:
    server.phones[SERIAL] = FakePhone(is_silent=True)
    with pytest.raises(DeviceTimeout, match="no answer in time while running 'sleep 99'"):
        phone_at(server).shell("sleep 99", timeout_s=0.1)


@pytest.mark.parametrize("cut_after", [0, 3, 4, 6, 9, 12, 20])
def test_a_connection_that_breaks_at_any_byte_is_a_lost_device(server: FakeAdbServer, cut_after: int) -> None:
    server.phones[SERIAL] = FakePhone(shell=lambda command: ("out", "", 0), cut_after=cut_after)
    with pytest.raises(DeviceLost, match="the connection broke while running 'x'"):
        phone_at(server).shell("x")


@pytest.mark.parametrize(
    ("state", "error", "step"),
    [
        ("offline", DeviceLost, "plug it in again"),
        ("unauthorized", DeviceUnauthorized, "allow this computer"),
        ("recovery", DeviceLost, "adb reboot"),
    ],
)
def test_what_has_become_of_the_phone_is_told(
    server: FakeAdbServer, state: str, error: type[DeviceError], step: str
) -> None:
    server.phones[SERIAL] = FakePhone(state=state)
    with pytest.raises(error, match=f"{state} while running 'x'") as caught:
        phone_at(server).shell("x")
    assert step in caught.value.hint


def test_a_phone_that_was_unplugged_is_lost(server: FakeAdbServer) -> None:
    with pytest.raises(DeviceLost, match="not connected while running 'x'"):
        phone_at(server).shell("x")


def test_a_server_that_went_away_is_told_from_a_phone_that_did() -> None:
    with fake_adb_server(**{SERIAL: answering()}) as server:
        phone = phone_at(server)
    with pytest.raises(DeviceLost, match=r"the adb server at 127\.0\.0\.1:\d+ went away") as caught:
        phone.shell("x")
    assert "tunnel" in caught.value.hint


def test_a_file_is_pushed_once_verified_and_named_by_its_hash(server: FakeAdbServer, tmp_path: Path) -> None:
    server.phones[SERIAL] = storage = Storage()
    path = tmp_path / "model.tflite"
    path.write_bytes(bytes(range(256)) * 1000)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    phone = phone_at(server)
    assert phone.put(path) == f"{FOLDER}/{digest}/model.tflite"
    assert storage.files == {f"{FOLDER}/{digest}/model.tflite": path.read_bytes()}
    assert server.asked.count("sync:") == 1
    assert phone.put(path) == f"{FOLDER}/{digest}/model.tflite"
    assert server.asked.count("sync:") == 1
    phone.remove(f"{FOLDER}/{digest}/model.tflite")
    assert storage.files == {}


def test_a_damaged_copy_on_the_phone_is_replaced(server: FakeAdbServer, tmp_path: Path) -> None:
    server.phones[SERIAL] = storage = Storage()
    path = tmp_path / "model.tflite"
    path.write_bytes(b"right")
    remote = f"{FOLDER}/{hashlib.sha256(b'right').hexdigest()}/model.tflite"
    storage.files[remote] = b"wrong"
    storage.files[f"{remote}.part"] = b"left by a run that was cut"
    phone_at(server).put(path)
    assert storage.files == {remote: b"right"}


def test_what_arrives_differently_is_refused_and_removed(server: FakeAdbServer, tmp_path: Path) -> None:
    class Forgetful(Storage):
        def run(self, command: str) -> Answer:
            self.files = {name: content[:-1] for name, content in self.files.items()}
            return super().run(command)

    server.phones[SERIAL] = storage = Forgetful()
    path = tmp_path / "model.tflite"
    path.write_bytes(b"0123456789")
    with pytest.raises(RemoteCommandError, match=r"model\.tflite has SHA-256 .* on the phone, not"):
        phone_at(server).put(path)
    assert storage.files == {}


def test_a_full_phone_is_told_before_anything_is_pushed(server: FakeAdbServer, tmp_path: Path) -> None:
    server.phones[SERIAL] = storage = Storage()
    storage.free_kib = 1000
    path = tmp_path / "model.tflite"
    path.write_bytes(b"x")
    with pytest.raises(DeviceError, match=r"has 1000\.0 KiB free, model\.tflite needs") as caught:
        phone_at(server).put(path)
    assert "free space" in caught.value.hint
    assert "sync:" not in server.asked


def test_a_push_that_the_phone_refuses_says_why(server: FakeAdbServer, tmp_path: Path) -> None:
    server.phones[SERIAL] = storage = Storage()
    storage.refuse_push = "couldn't create file: Permission denied"
    path = tmp_path / "model.tflite"
    path.write_bytes(b"x")
    with pytest.raises(DeviceError, match=r"refused while pushing model\.tflite: couldn't create file"):
        phone_at(server).put(path)
    assert storage.files == {}


@pytest.mark.parametrize("cut_push_after", [0, 7, 50, 70_000, 150_000])
def test_a_cable_that_is_pulled_during_a_push_leaves_nothing_that_counts(
    server: FakeAdbServer, tmp_path: Path, cut_push_after: int
) -> None:
    server.phones[SERIAL] = storage = Storage()
    path = tmp_path / "model.tflite"
    path.write_bytes(b"x" * 200_000)
    phone = phone_at(server)
    storage.cut_push_after = cut_push_after
    with pytest.raises(DeviceLost, match=r"while pushing model\.tflite"):
        phone.put(path)
    assert storage.files == {}
    storage.cut_push_after = None
    assert phone.put(path) in storage.files


@pytest.mark.parametrize("name", ["a b.so", "../x", "a;b", "$(id)", ".hidden", "", "x" * 101, "a\n"])
def test_a_name_that_does_not_suit_a_phone_is_refused(server: FakeAdbServer, tmp_path: Path, name: str) -> None:
    path = tmp_path / "no name here!"
    path.write_bytes(b"x")
    with pytest.raises(InputError, match="is no name for a file on a phone"):
        phone_at(server).put(path, name=name)
    assert server.asked == []


@pytest.mark.parametrize(
    "path", ["/", "/data/local/tmp", FOLDER, f"{FOLDER}/x", f"{FOLDER}/{'0' * 64}/../..", "/sdcard/x"]
)
def test_only_what_was_put_there_can_be_removed(server: FakeAdbServer, path: str) -> None:
    with pytest.raises(InputError, match="was not put on the phone"):
        phone_at(server).remove(path)
    assert server.asked == []


def test_a_file_is_pulled_up_to_its_limit(server: FakeAdbServer, tmp_path: Path) -> None:
    server.phones[SERIAL] = FakePhone(files={"/data/x": b"y" * 100_000})
    phone, target = phone_at(server), tmp_path / "x"
    assert phone.pull("/data/x", target, max_bytes=100_000) == 100_000
    assert target.read_bytes() == b"y" * 100_000
    with pytest.raises(RemoteCommandError, match="holds more than 99999 bytes"):
        phone.pull("/data/x", target, max_bytes=99_999)
    with pytest.raises(DeviceError, match="No such file"):
        phone.pull("/data/other", target, max_bytes=10)


def test_our_tool_is_killed_and_somebody_elses_is_not(server: FakeAdbServer) -> None:
    commands: list[str] = []

    def run(command: str) -> Answer:
        commands.append(command)
        if command.startswith("pidof"):
            return "11 12 13\n", "", 0
        if command.startswith("ls"):
            links = (
                f"/proc/11/exe -> {FOLDER}/{'0' * 64}/benchmark_model",
                "/proc/12/exe -> /data/local/tmp/benchmark_model",
            )
            return "".join(f"lrwxrwxrwx 1 shell shell 0 2026-11-28 02:07 {link}\n" for link in links), "denied", 1
        return "", "", 0

    server.phones[SERIAL] = FakePhone(shell=run)
    assert phone_at(server).stop_leftovers() == 2
    assert commands[-1] == "kill -9 11 13"


def test_the_lease_is_of_the_phone_however_it_is_addressed(
    server: FakeAdbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedl_nb.device.adb.phone._LEASE_WAIT_S", 0.0)
    first, second, other = phone_at(server), phone_at(server), phone_at(server, "OTHER")
    refused: list[DeviceBusy] = []

    def take() -> None:
        try:
            with second.lease():
                pass
        except DeviceBusy as err:
            refused.append(err)

    with first.lease(), other.lease():
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
    assert SERIAL in str(refused[0])
    take()
    assert len(refused) == 1


def test_conditions_are_read_in_one_go(server: FakeAdbServer) -> None:
    server.phones[SERIAL] = answering(QUIET)
    assert phone_at(server).conditions().thermal_status == 1
    assert sum(asked.startswith("shell") for asked in server.asked) == 1
