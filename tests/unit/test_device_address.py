"""Addresses: what is accepted, and what a wrong one is told."""

from __future__ import annotations

import pytest

from embedl_nb.device import DeviceAddress, list_devices, open_device
from embedl_nb.device.registry import using_provider
from embedl_nb.errors import DeviceNotFound, InputError, UnknownNameError
from embedl_nb.testing.devices import VirtualDevice, VirtualProvider


@pytest.mark.parametrize("text", ["host://", "HOST://", "  host://  ", "host:///"])
def test_the_host_is_found_however_it_is_typed(text: str) -> None:
    assert str(DeviceAddress.parse(text)) == "host://"
    assert open_device(text).info.is_this_machine


def test_an_address_is_passed_on_as_it_is() -> None:
    address = DeviceAddress(scheme="host")
    assert DeviceAddress.parse(address) is address


@pytest.mark.parametrize("value", ["", "   ", None, 3])
def test_what_is_no_address_is_named_and_the_host_is_offered(value: object) -> None:
    with pytest.raises(InputError) as caught:
        open_device(value)  # type: ignore[arg-type]
    assert repr(value) in caught.value.message
    assert "host://" in caught.value.hint


def test_a_phones_name_is_explained() -> None:
    with pytest.raises(UnknownNameError) as caught:
        open_device("Samsung Galaxy S24")
    said = str(caught.value)
    assert "Samsung Galaxy S24" in said
    assert "compile for" in said
    assert "plugged in" in said
    assert "host://" in caught.value.hint
    assert caught.value.candidates == ("host://",)


@pytest.mark.parametrize("text", ["hots://", "hsot://", "host"])
def test_a_misspelt_address_has_the_right_one_as_candidate(text: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        open_device(text)
    assert caught.value.candidates == ("host://",)
    assert "did you mean host://" in caught.value.hint


def test_another_machines_name_is_not_the_host() -> None:
    with pytest.raises(InputError, match="my-server"):
        open_device("host://my-server")


def test_an_added_provider_is_known_inside_its_block_only() -> None:
    with using_provider(VirtualProvider(VirtualDevice(name="bench"))):
        assert open_device("virtual://bench").info.name == "virtual bench"
        assert [info.address for info in list_devices()] == ["host://", "adb://", "virtual://bench"]
        with pytest.raises(DeviceNotFound, match="virtual://other"):
            open_device("virtual://other")
    with pytest.raises(UnknownNameError):
        open_device("virtual://bench")


def test_the_list_of_devices_begins_with_the_address() -> None:
    row = list_devices()[0].to_row()
    assert next(iter(row.items())) == ("address", "host://")
