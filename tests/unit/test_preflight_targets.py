"""What a user names becomes distinct chips; nothing is guessed, and one unknown name costs no other."""

from __future__ import annotations

import pytest

import embedl_nb as enb
from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.pipeline.preflight import _targets, _units


def parts(device: object) -> dict[str, list[str]]:
    found, _ = _targets(device)  # type: ignore[arg-type]
    return {chip.part: phones for chip, (_, phones) in found.items()}


def test_a_phone_with_two_chips_is_asked_about_with_both() -> None:
    assert parts("Galaxy S24") == {"SM8650": ["Samsung Galaxy S24"], "S5E9945": ["Samsung Galaxy S24"]}


def test_phones_of_one_chip_are_asked_about_once() -> None:
    assert parts(["Samsung Galaxy S24 Ultra", "SM8650"]) == {"SM8650": ["Samsung Galaxy S24 Ultra"]}


def test_what_the_catalog_found_can_be_asked_about() -> None:
    assert set(parts(enb.catalog("galaxy s24"))) == {"SM8650", "S5E9945"}


def test_a_phone_or_a_chip_of_the_catalog_can_be_asked_about() -> None:
    (phone,) = enb.catalog("galaxy s24 ultra")
    assert parts(phone) == parts([phone]) == {"SM8650": ["Samsung Galaxy S24 Ultra"]}
    assert parts(phone.chip) == {"SM8650": []}


def test_one_unknown_name_among_several_is_an_error_of_its_own() -> None:
    found, errors = _targets(["SM8650", "Galaxy S24x"])
    assert [chip.part for chip in found] == ["SM8650"]
    assert isinstance(errors["Galaxy S24x"], UnknownNameError)


def test_an_unknown_name_alone_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Galaxy S24x"):
        _targets("Galaxy S24x")


@pytest.mark.parametrize("device", [[], enb.catalog("pixel", min_ram_gb=64)])
def test_nothing_to_ask_about_is_refused(device: object) -> None:
    with pytest.raises(InputError, match="no device"):
        _targets(device)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", [None, 5, b"SM8650", [None]])
def test_what_is_no_device_is_refused_as_the_callers_mistake(device: object) -> None:
    with pytest.raises(InputError, match="is no name of a phone"):
        _targets(device)  # type: ignore[arg-type]


def test_this_machine_is_no_target() -> None:
    with pytest.raises(InputError, match=r"host:// is .*, which is no phone"):
        _targets("host://")


@pytest.mark.parametrize("units", [None, 5])
def test_what_is_no_compute_unit_is_refused_as_the_callers_mistake(units: object) -> None:
    with pytest.raises(InputError, match="compute_units="):
        _units(units)  # type: ignore[arg-type]


def test_units_are_checked_by_name() -> None:
    assert [str(unit) for unit in _units(("npu", "cpu", "npu"))] == ["npu", "cpu"]
    assert [str(unit) for unit in _units("gpu")] == ["gpu"]
    with pytest.raises(UnknownNameError, match="'tpu'"):
        _units(("tpu",))
    with pytest.raises(InputError, match="no compute unit"):
        _units(())
