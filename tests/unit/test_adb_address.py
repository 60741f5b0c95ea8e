"""Addresses of phones: what serials look like, and what is none."""

from __future__ import annotations

import pytest

from embedl_nb.device.adb.address import AdbAddress
from embedl_nb.device.address import DeviceAddress
from embedl_nb.device.registry import identity_of
from embedl_nb.errors import DeviceNotFound, InputError
from embedl_nb.measure import Benchmark
from embedl_nb.pipeline.benchmarks import benchmark_many


def parse(text: str) -> AdbAddress:
    return AdbAddress.parse(DeviceAddress.parse(text))


@pytest.mark.parametrize(
    "serial",
    [
        "R58M12ABCDE",
        "127.0.0.1:5555",
        "[fe80::1%wlan0]:5555",
        "emulator-5554",
        "adb-R58M12ABCDE-Kx7aQz._adb-tls-connect._tcp",
        "adb-R58M12ABCDE-Kx7aQz (2)._adb-tls-connect._tcp",
        "0123456789abcdef",
        "phone.local:37123",
    ],
)
def test_a_serial_of_any_kind_survives_its_address(serial: str) -> None:
    for server in ("", "laptop:5038", "127.0.0.1:5037", "[::1]:5037"):
        address = AdbAddress(serial, server)
        assert parse(str(address)) == address
        assert " " not in str(address)


def test_a_serial_may_be_typed_as_it_is_listed() -> None:
    assert parse("adb://adb-X (2)._adb-tls-connect._tcp").serial == "adb-X (2)._adb-tls-connect._tcp"
    assert parse(" ADB://R58M12ABCDE/ ").serial == "R58M12ABCDE"
    assert parse("adb://").serial == ""


@pytest.mark.parametrize(
    "name",
    [
        "a;reboot",
        "$(id)",
        "`id`",
        "a|b",
        "a&b",
        "a\nb",
        "a%0Ab",
        "a%00b",
        "'x'",
        '"><script>',
        "a b\u202e",
        "\u00e9",
        "../../etc",
        "%20",
        " ".join("ab") + "  c",
        "x" * 129,
        "a#b",
    ],
)
def test_what_no_serial_looks_like_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="not the serial of a phone") as caught:
        parse(f"adb://{name}")
    assert "adb://SERIAL" in caught.value.hint


@pytest.mark.parametrize(
    "query",
    [
        "server=",
        "server=laptop",
        "server=laptop:",
        "server=laptop:0",
        "server=laptop:65536",
        "server=laptop:5037x",
        "server=:5037",
        "server=lap top:5037",
        "server=laptop:5037&server=other:1",
        "server=laptop:5037#x",
        "server=laptop%0a:5037",
        "SERVER=laptop:5037",
        "host=laptop:5037",
        "server=http://laptop:5037",
        "server=" + "x" * 200 + ":5037",
        "server=laptop:\u0665\u0660\u0663\u0667",
    ],
)
def test_what_names_no_server_is_refused(query: str) -> None:
    with pytest.raises(InputError, match="is not server=HOST:PORT"):
        parse(f"adb://R58M12ABCDE?{query}")


def test_a_phone_is_one_device_with_and_without_the_name_of_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", "tcp:localhost:5041")
    spellings = ("adb://R58M", "adb://R58M?server=127.0.0.1:5041", "ADB://R58M?server=localhost:5041")
    assert len({identity_of(DeviceAddress.parse(each)) for each in spellings}) == 1
    others = ("adb://R58M?server=laptop:5041", "adb://R58M?server=127.0.0.1:5042", "adb://R59M", "host://")
    assert len({identity_of(DeviceAddress.parse(each)) for each in (spellings[0], *others)}) == 5


def test_a_phone_that_is_named_twice_in_a_set_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", "tcp:127.0.0.1:9")
    asked: list[str] = []

    def refuse(device: str | DeviceAddress, **_options: object) -> Benchmark:
        asked.append(str(device))
        raise DeviceNotFound("gone")

    spelled = ["adb://R58M?server=127.0.0.1:9", "adb://R58M", "adb://wrong serial?"]
    result = benchmark_many(refuse, spelled, "cpu", record=lambda each: each)
    assert sorted(asked) == sorted(result.errors) == ["adb://R58M?server=127.0.0.1:9", "adb://wrong serial"]
