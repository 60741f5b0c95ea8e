"""Providers that other packages bring, through the entry-point group."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator

import pytest

from embedl_nb.device import device_addresses, list_devices, open_device, registry
from embedl_nb.errors import EmbedlWarning
from embedl_nb.testing.devices import VirtualDevice, VirtualProvider


def lab() -> VirtualProvider:
    return VirtualProvider(VirtualDevice(name="lab"))


def broken() -> VirtualProvider:
    raise RuntimeError("no licence")


def other() -> object:
    return object()


class Host(VirtualProvider):
    """Claims a scheme that is taken."""

    @property
    def scheme(self) -> str:
        return "host"


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of functions and classes of this file that an installed package offers."""
    names: list[str] = []

    def entry_points(*, group: str) -> list[importlib.metadata.EntryPoint]:
        assert group == "embedl_nb.device_providers"
        return [importlib.metadata.EntryPoint(name=name, value=f"{__name__}:{name}", group=group) for name in names]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    registry._plugged_in.cache_clear()
    yield names
    registry._plugged_in.cache_clear()


def test_a_packages_devices_are_listed_typed_and_opened(plugged_in: list[str]) -> None:
    plugged_in.append("lab")
    assert "virtual://lab" in [info.address for info in list_devices()]
    assert "virtual://lab" in device_addresses()
    assert open_device("virtual://lab").info.name == "virtual lab"


@pytest.mark.parametrize(
    ("name", "says"),
    [("broken", "RuntimeError: no licence"), ("missing", "AttributeError"), ("other", "lacks a part of")],
)
def test_a_package_that_fails_is_named_and_the_others_stay(plugged_in: list[str], name: str, says: str) -> None:
    plugged_in.extend([name, "lab"])
    with pytest.warns(EmbedlWarning, match=says) as caught:
        addresses = [info.address for info in list_devices()]
    assert addresses == ["host://", "adb://", "virtual://lab"]
    assert f"entry point {name!r}" in str(caught[0].message)


def test_a_package_cannot_take_a_scheme_that_is_taken(plugged_in: list[str]) -> None:
    plugged_in.append("Host")
    with pytest.warns(EmbedlWarning, match="host:// is embedl_nb's own"):
        assert device_addresses() == ("host://",)
    assert open_device("host://").info.is_this_machine
