"""Phones and chips are found by what people call them, and nothing is guessed."""

from __future__ import annotations

from collections import Counter

import pytest

import embedl_nb as enb
from embedl_nb.device.catalog import Chip, targets_named
from embedl_nb.device.catalog.facts import chips, phones
from embedl_nb.errors import InputError, UnknownNameError


def parts_of(name: str) -> list[str]:
    named = targets_named(name)
    assert not isinstance(named, Chip)
    return [phone.chip.part for phone in named]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Samsung Galaxy S24", ["SM8650", "S5E9945"]),
        ("galaxy s21", ["SM8350", "S5E9840"]),
        ("Google Pixel 7", ["GS201"]),
        ("Pixel 7a", ["GS201"]),
        ("motorola moto g84 5G", ["SM6375"]),
        ("moto g85", ["SM6375"]),
        ("e1s", ["S5E9945"]),
        ("SM-G991B", ["S5E9840"]),
    ],
)
def test_a_phone_goes_by_its_name_codename_or_model_code_and_has_all_its_chips(name: str, parts: list[str]) -> None:
    assert parts_of(name) == parts


@pytest.mark.parametrize("name", ["SM8650", "sm8650", "Snapdragon 8 Gen 3", "qualcomm-snapdragon-8gen3"])
def test_a_chip_is_a_target_by_its_part_and_by_its_names(name: str) -> None:
    chip = targets_named(name)
    assert isinstance(chip, Chip)
    assert (chip.part, chip.npu, chip.npu_sdk, chip.npu_target) == ("SM8650", "Hexagon v75", "qualcomm", "57")


def test_a_name_that_is_nearly_right_gives_the_close_ones() -> None:
    with pytest.raises(UnknownNameError, match="Galaxy S24x") as error:
        targets_named("Galaxy S24x")
    assert error.value.candidates[0] == "Samsung Galaxy S24"


@pytest.mark.parametrize("name", ["motorola", "Samsung", "Xiaomi", "ZTE"])
def test_a_brand_is_no_phone_even_where_phones_report_it_as_their_model(name: str) -> None:
    with pytest.raises(UnknownNameError, match="no phone or chip is known"):
        targets_named(name)


@pytest.mark.parametrize(
    ("name", "meant"), [("s21", "Samsung Galaxy S21 5G"), ("moto", "moto g 5G"), ("Pixel", "Google Pixel 9")]
)
def test_a_name_that_is_too_short_gives_the_phones_that_have_it(name: str, meant: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        targets_named(name)
    assert error.value.candidates[0] == meant


def test_a_name_unlike_any_other_points_to_the_list() -> None:
    with pytest.raises(UnknownNameError) as error:
        targets_named("quux")
    assert error.value.hint == "enb.catalog() lists those that are known"


@pytest.mark.parametrize("name", ["", "  ", None, 24])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(InputError, match="is no name of a phone"):
        targets_named(name)  # type: ignore[arg-type]


def test_a_query_finds_the_family_and_shows_the_exact_name_first() -> None:
    found = enb.catalog("galaxy s24")
    assert [phone.name for phone in found][:2] == ["Samsung Galaxy S24", "Samsung Galaxy S24"]
    assert {"Samsung Galaxy S24 Ultra", "Samsung Galaxy S24 FE"} <= {phone.name for phone in found}


def test_filters_hold_for_every_phone_that_is_listed() -> None:
    found = enb.catalog(brand="samsung", npu="hexagon v75", min_ram_gb=12, tier="flagship", api_level=34)
    assert len(found) > 0
    for phone in found:
        assert (phone.brand, phone.chip.npu, phone.chip.tier) == ("Samsung", "Hexagon v75", "flagship")
        assert phone.ram_gb is not None
        assert phone.ram_gb[0] >= 12
        assert phone.api_levels is not None
        assert phone.api_levels[0] <= 34 <= phone.api_levels[1]


def test_chip_and_year_filter_too() -> None:
    assert {phone.chip.part for phone in enb.catalog(chip="Snapdragon 8 Gen 3")} == {"SM8650"}
    assert {phone.year for phone in enb.catalog(year=2021)} == {2021}


@pytest.mark.parametrize(
    ("filters", "said"),
    [({"tier": "flagships"}, "tier"), ({"brand": "Samsun"}, "brand"), ({"chip": "SM9999"}, "SM9999")],
)
def test_a_filter_that_nothing_can_fit_is_refused_with_close_names(filters: dict[str, str], said: str) -> None:
    with pytest.raises(UnknownNameError, match=said) as error:
        enb.catalog(**filters)  # type: ignore[arg-type]
    assert error.value.candidates


def test_filters_that_leave_nothing_say_so() -> None:
    empty = enb.catalog("pixel", min_ram_gb=64)
    assert len(empty) == 0
    assert repr(empty).startswith("No phone fits pixel")


def test_the_first_line_says_that_a_name_has_two_chips() -> None:
    ultra = enb.catalog("galaxy s21 ultra")
    assert repr(ultra).splitlines()[0] == (
        "Samsung Galaxy S21 Ultra 5G | sold with 2 chips: Snapdragon 888 (SM8350) and Exynos 2100 (S5E9840)"
    )


def test_the_frame_has_a_row_a_phone_and_blanks_for_what_is_unknown() -> None:
    frame = enb.catalog("galaxy s24 ultra").frame()
    assert frame.loc[0, ["part", "npu_sdk", "max_ram_gb"]].tolist() == ["SM8650", "qualcomm", 12]
    assert frame["year"].isna().all()


def test_the_files_are_consistent() -> None:
    assert len(phones()) > 2000
    assert len({(phone.name, phone.chip.part) for phone in phones()}) == len(phones())
    for phone in phones():
        assert phone.sources
        assert phone.ram_gb is None or 1 <= phone.ram_gb[0] <= phone.ram_gb[1] <= 32
        assert phone.api_levels is None or 21 <= phone.api_levels[0] <= phone.api_levels[1] <= 40
        assert phone.year is None or 2015 <= phone.year <= 2026
    for chip in chips().values():
        assert chip.sources
        assert chip.npu_sdk in ("", "qualcomm", "mediatek", "google_tensor", "samsung")
        assert chip.tier in ("", "entry", "mid", "flagship")


def test_a_chip_name_of_a_phone_is_one_of_its_chip() -> None:
    assert [phone.name for phone in phones() if phone.chip_name and phone.chip_name not in phone.chip.names] == []


@pytest.mark.parametrize(
    "filters",
    [{"brand": 5}, {"chip": ["SM8650"]}, {"npu": True}, {"tier": 5}, {"min_ram_gb": "8"}, {"year": 2024.5}],
    ids=lambda filters: next(iter(filters)),
)
def test_a_filter_of_another_type_is_refused_by_name(filters: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(filters))):
        enb.catalog(**filters)  # type: ignore[arg-type]


def test_an_npu_sdk_is_found_under_the_name_that_a_chip_gives_it() -> None:
    assert {chip.npu_sdk for chip in enb.catalog(npu="google_tensor").chips} == {"google_tensor"}


def test_a_chip_with_an_sdk_has_the_name_that_the_sdk_asks_for() -> None:
    assert [chip.part for chip in chips().values() if chip.npu_sdk and not chip.npu_target] == []


@pytest.mark.parametrize("part", ["SM7125", "SM8150", "SM6375", "MT8196"])
def test_a_chip_that_litert_makes_no_artifact_for_is_not_listed_for_its_vendors_sdk(part: str) -> None:
    assert chips()[part].npu_sdk == ""
    assert part not in {phone.chip.part for phone in enb.catalog(npu="qualcomm")}


def test_a_chip_of_which_litert_has_two_names_is_one() -> None:
    chip = targets_named("SDM865")
    assert isinstance(chip, Chip)
    assert chip.part == "SM8250"


def test_a_name_of_any_length_is_refused_in_a_line() -> None:
    with pytest.raises(UnknownNameError, match="1000000 characters") as caught:
        enb.catalog("x" * 1_000_000)
    assert len(str(caught.value)) < 200


def test_words_that_are_said_again_are_looked_for_once() -> None:
    assert enb.catalog("pixel " * 100_000).phones == enb.catalog("pixel").phones


def test_a_phone_with_a_chip_is_one_row_by_a_clean_name() -> None:
    assert [phone.name for phone in phones() if phone.name != " ".join(phone.name.split())] == []
    counted = Counter((phone.name.casefold(), phone.chip.part) for phone in phones())
    assert [name for name, num_rows in counted.items() if num_rows > 1] == []
