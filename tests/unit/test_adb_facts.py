"""Facts and conditions of phones: from the format rules, and from what real phones printed where that is at hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from phone_answers import GALAXY_S23, QUIET

from embedl_nb.device.adb.facts import CpuCluster, PhoneFacts, read_facts
from embedl_nb.device.adb.readings import read_conditions
from embedl_nb.device.info import DeviceInfo
from embedl_nb.units import ComputeUnit, Provenance

LOGS = Path(__file__).resolve().parents[3] / "shared" / "logs"
real_phones = pytest.mark.skipif(not LOGS.is_dir(), reason=f"{LOGS} is not there: it holds what real phones printed")


def facts(**properties: str) -> PhoneFacts:
    return read_facts(
        "#props\n" + "".join(f"[{key.replace('__', '.')}]: [{value}]\n" for key, value in properties.items())
    )


def test_a_phone_is_found_in_the_catalog_by_its_model_and_chip() -> None:
    read = read_facts(GALAXY_S23)
    assert read.phone is not None
    assert read.chip is not None
    assert (read.phone.name, read.chip.part) == ("Samsung Galaxy S23", "SM8550")
    assert read.soc_label == "Snapdragon 8 Gen 2 (SM8550)"
    assert read.gpu == "Adreno740v2"
    assert (read.android, read.api_level, read.abis[0]) == ("16", 36, "arm64-v8a")


def test_cores_are_grouped_by_their_highest_clock_and_the_big_ones_masked() -> None:
    read = read_facts(GALAXY_S23)
    assert read.clusters == (
        CpuCluster(3_360_000_000, (7,)),
        CpuCluster(2_803_200_000, (3, 4, 5, 6)),
        CpuCluster(2_016_000_000, (0, 1, 2)),
    )
    assert (read.big_cpus, read.big_cpus_mask) == ((3, 4, 5, 6, 7), 0xF8)


def test_cores_that_a_shell_may_not_use_are_left_out_of_the_mask() -> None:
    assert read_facts(GALAXY_S23.replace("list:\t0-7", "list:\t0-5")).big_cpus_mask == 0x38
    assert replace(read_facts(GALAXY_S23), clusters=()).big_cpus_mask is None


def test_cores_of_one_kind_are_all_big() -> None:
    read = read_facts("#cpu\ncpu0 2000000\ncpu1 2000000\n")
    assert read.big_cpus_mask == 0x3


@pytest.mark.parametrize(
    ("properties", "part"),
    [
        ({"ro__soc__model": "SM8650-AC"}, "SM8650"),
        ({"ro__soc__model": "sm8650"}, "SM8650"),
        ({"ro__soc__model": "s5e9945"}, "S5E9945"),
        ({"ro__soc__model": "", "ro__hardware__chipname": "exynos2400"}, "S5E9945"),
        ({"ro__soc__model": "MT6989"}, "MT6989"),
        ({"ro__soc__model": "MT6985W/TCZA"}, "MT6985"),
        ({"ro__hardware": "mt6893"}, "MT6893"),
        ({"ro__soc__model": "Tensor G3", "ro__board__platform": "zuma"}, "Tensor G3"),
        ({"ro__soc__model": "GS201"}, "GS201"),
        ({"ro__board__platform": "zumapro"}, "Tensor G4"),
    ],
)
def test_a_chip_is_known_by_what_each_vendor_calls_it(properties: dict[str, str], part: str) -> None:
    read = facts(**properties)
    assert read.chip is not None
    assert read.chip.part == part


def test_an_unknown_chip_keeps_the_phones_word_for_it() -> None:
    read = facts(ro__soc__model="XX9999", ro__product__model="Phone 1", ro__product__manufacturer="acme")
    assert (read.chip, read.soc_label, read.name) == (None, "XX9999", "Acme Phone 1")


def test_a_test_double_says_so_in_its_name_and_numbers() -> None:
    read = facts(
        ro__product__model="virtual Galaxy S24", ro__product__manufacturer="samsung", ro__embedl_nb__virtual="1"
    )
    assert read.name.startswith("virtual ")
    assert read.name.count("virtual") == 1
    assert read.to_info("adb://x").provenance is Provenance.VIRTUAL


def test_a_phone_that_says_nothing_is_still_a_device() -> None:
    info = read_facts("").to_info("adb://x")
    assert (info.name, info.num_cores, info.compute_units) == ("unknown phone", 1, (ComputeUnit.CPU,))


def test_facts_survive_a_record_and_older_records_are_read() -> None:
    info = read_facts(GALAXY_S23).to_info("adb://R58M12ABCDE")
    record = info.to_record()
    assert DeviceInfo.from_record(record) == info
    for name in ("soc", "gpu", "abi"):
        del record[name]
    assert DeviceInfo.from_record(record) == replace(info, soc="", gpu="", abi="")


@pytest.mark.parametrize(
    "hostile",
    [
        "#props\n[ro.product.model]: [a]\n#props\n" + "[x]: [y]\n" * 10_000,
        "#cpu\n" + "cpu1 99999999\n" * 1000 + "cpu9999 1000000\ncpu-1 5\n",
        "#online\n0-99999999\n#allowed\nCpus_allowed_list:\t0-1,zz\n",
        "#mem\nMemTotal: 9999999999999999999999 kB\n",
        "#props\n[ro.build.version.sdk]: [\u0663\u0664]\n[ro.product.cpu.abilist]: [,,,]\n",
        "\x00\x1b]0;x\x07" * 100,
    ],
)
def test_what_a_phone_makes_up_ends_as_plain_facts(hostile: str) -> None:
    info = read_facts(hostile).to_info("adb://x")
    assert info.num_cores < 1000
    assert info.name.isprintable()
    assert all(len(str(value)) < 200 for value in info.to_row().values())
    read_conditions(hostile.replace("#props", "#battery"))


def test_conditions_are_read_from_the_hal_and_not_from_its_cache() -> None:
    read = read_conditions(QUIET)
    assert (read.temperature_celsius, read.skin_celsius) == (57.9, 34.4)
    assert read.battery_celsius == pytest.approx(32.1)
    assert (read.thermal_status, read.battery_share, read.is_charging) == (1, 0.44, True)
    assert (read.is_screen_on, read.is_battery_saver_on) == (True, False)
    assert (read.busy_s, read.load_average_1m, read.clock_hz, read.governor) == (16.0, 1.25, 1.5e9, "walt")


def test_what_a_phone_does_not_say_is_unknown() -> None:
    read = read_conditions("")
    values = {name: getattr(read, name) for name in read.__dataclass_fields__ if name != "clock_s"}
    assert set(values.values()) == {None}


@pytest.mark.parametrize(
    ("battery", "is_charging"),
    [
        ("  AC powered: false\n  USB powered: false\n  status: 3\n", False),
        ("  AC powered: true\n  status: 4\n", True),
        ("  USB powered: true\n  status: 5\n", True),
        ("  status: 2\n", True),
        ("  status: 3\n", False),
        ("  Charge counter: 1\n", None),
    ],
)
def test_a_charger_counts_even_when_the_battery_is_full(battery: str, is_charging: bool | None) -> None:
    assert read_conditions(f"#battery\n{battery}").is_charging is is_charging


@real_phones
def test_what_a_galaxy_s23_printed_is_read() -> None:
    read = read_facts(_log("adb_devinfo_samsung_s23"))
    assert read.chip is not None
    assert (read.model, read.chip.part, read.soc) == ("SM-S9110", "SM8550", "SM8550")
    assert (read.android, read.api_level, read.memory_bytes) == ("16", 36, 7_242_448 * 1024)
    assert [str(cluster) for cluster in read.clusters] == ["1x3.36", "4x2.80", "3x2.02"]
    assert (read.big_cpus_mask, read.gpu) == (0xF8, "Adreno (TM) 740")


@real_phones
def test_what_a_pixel_11_pro_printed_is_read() -> None:
    read = read_facts(_log("adb_devinfo_pixel11pro"))
    assert read.chip is not None
    assert (read.model, read.chip.part, read.abis) == ("Pixel 11 Pro", "Tensor G6", ("arm64-v8a",))
    assert [str(cluster) for cluster in read.clusters] == ["1x4.11", "4x3.38", "2x2.65"]
    assert (read.big_cpus_mask, read.gpu, read.to_info("adb://x").num_cores) == (0x7C, "powervr", 7)


@real_phones
def test_what_thermal_services_printed_is_read() -> None:
    throttled = read_conditions("#thermal\n" + _log("adb_thermalservice_throttled"))
    assert (throttled.thermal_status, throttled.temperature_celsius) == (2, 61.9)
    assert (throttled.skin_celsius, throttled.battery_celsius) == (44.1, 36.8)
    stale = read_conditions("#thermal\n" + _log("adb_thermalservice_xiaomi13tpro_stale_cache"))
    assert (stale.thermal_status, stale.temperature_celsius, stale.skin_celsius) == (0, 57.9, 34.351)


@real_phones
def test_what_batteries_printed_is_read() -> None:
    samsung = read_conditions("#battery\n" + _log("adb_dumpsys_battery_samsung_s23"))
    assert (samsung.battery_share, samsung.is_charging) == (0.44, True)
    assert samsung.battery_celsius == pytest.approx(42.2)
    generic = read_conditions("#battery\n" + _log("adb_dumpsys_battery_generic_full"))
    assert (generic.battery_share, generic.is_charging) == (1.0, True)
    pixel = read_conditions(_log("adb_power_pixel11pro").replace("#dumpsys", "#battery"))
    assert (pixel.battery_share, pixel.is_charging) == (1.0, True)


def _log(name: str) -> str:
    text = (LOGS / f"{name}.txt").read_text(encoding="utf-8")
    return text.partition("\n")[2]  # the first line names the source
