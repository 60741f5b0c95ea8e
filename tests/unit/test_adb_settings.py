"""What the options of a run on a phone say that is no flag of the tool."""

from __future__ import annotations

import pytest

from embedl_nb.device.adb.settings import PhoneSettings
from embedl_nb.errors import InputError


def test_settings_are_told_from_flags_of_the_tool() -> None:
    options = {"cpu_mask": "0xF0", "tool_version": "2.1.6", "keep_on_phone": "true", "gpu_backend": "opengl"}
    settings, flags = PhoneSettings.split(options, allowed_cpus=range(8))
    assert settings == PhoneSettings(cpu_mask=0xF0, tool_version="2.1.6", keep_on_phone=True)
    assert flags == {"gpu_backend": "opengl"}
    assert PhoneSettings.split({}) == (PhoneSettings(), {})


@pytest.mark.parametrize("mask", ["", "0x0", "xyz", "-1", "0x" + "f" * 17, "4-7", "240", "f0"])
def test_a_mask_that_names_no_core_says_how_it_is_written(mask: str) -> None:
    with pytest.raises(InputError, match="names no core") as caught:
        PhoneSettings.split({"cpu_mask": mask})
    assert "cpu_mask='0xf0' for cores 4 to 7" in caught.value.hint


def test_a_core_that_the_phone_keeps_for_itself_is_named() -> None:
    with pytest.raises(InputError, match="names core 6, 7, which the phone does not let us use"):
        PhoneSettings.split({"cpu_mask": "0xf0"}, allowed_cpus=(0, 1, 2, 3, 4, 5))


def test_keep_on_phone_is_true_or_false() -> None:
    with pytest.raises(InputError, match="keep_on_phone='maybe'"):
        PhoneSettings.split({"keep_on_phone": "maybe"})
