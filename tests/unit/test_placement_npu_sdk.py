"""Where a vendor's compiler is looked for, and what is said of an SDK that is there but not whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedl_nb.device.catalog.facts import chips
from embedl_nb.errors import EmbedlError, MissingDependencyError
from embedl_nb.placement.npu import sdk
from embedl_nb.placement.npu.vendors import VENDORS

MODULES = {name: vendor.package.replace("-", "_") for name, vendor in VENDORS.items()}
OTHERS = ("mediatek", "google_tensor", "samsung")


@pytest.fixture(autouse=True)
def _plugin_that_knows_every_chip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "check_plugin", lambda *_arguments: None)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder from which modules are imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for module in MODULES.values():
        sys.modules.pop(module, None)


def install(site: Path, vendor: str, body: str) -> None:
    """Write a stand-in for an SDK's package, with the body of its ``path_to_sdk_libs``."""
    package = site / MODULES[vendor]
    package.mkdir()
    source = f'import pathlib\n\n\ndef path_to_sdk_libs(version="v8"):\n    {body}\n'
    (package / "__init__.py").write_text(source)


@pytest.mark.parametrize("vendor", OTHERS)
def test_the_libraries_of_an_sdk_are_where_its_package_says(vendor: str, site: Path) -> None:
    install(site, vendor, f"return pathlib.Path({str(site)!r}) / version")
    (site / "v8").mkdir()
    for name in VENDORS[vendor].libraries:
        (site / "v8" / name).write_bytes(b"library")
    found = sdk.find_sdk(VENDORS[vendor], "chip")
    assert found.library_folders[0] == site / "v8"
    assert found.plugin_folder == sdk.package_folder("ai_edge_litert") / "vendors" / vendor / "compiler"


def test_the_newest_mediatek_chip_gets_the_newest_neuropilot(site: Path) -> None:
    install(site, "mediatek", f"return pathlib.Path({str(site)!r}) / version")
    (site / "v9").mkdir()
    (site / "v9" / "libneuron_adapter.so").write_bytes(b"library")
    vendor = VENDORS["mediatek"]
    assert sdk.find_sdk(vendor, vendor.chip_name(chips()["MT6993"])).library_folders[0] == site / "v9"
    assert vendor.flags("mt6993") == ("--mediatek_sdk_version_type=version9",)
    assert vendor.flags("mt6989") == ()


@pytest.mark.parametrize("vendor", OTHERS)
@pytest.mark.parametrize("body", ["return None", 'return pathlib.Path("missing")'], ids=["none", "folder"])
def test_an_sdk_without_its_libraries_is_said_with_the_command_that_fetches_them(
    vendor: str, body: str, site: Path
) -> None:
    install(site, vendor, body)
    with pytest.raises(EmbedlError, match=r"is installed without .*'s libraries") as caught:
        sdk.find_sdk(VENDORS[vendor])
    # What pip has kept of the first time has no libraries either.
    assert f"pip install --force-reinstall --no-cache-dir {VENDORS[vendor].package}" in caught.value.hint


def test_an_sdk_with_half_of_its_libraries_is_named_with_the_missing_one(site: Path) -> None:
    install(site, "samsung", f"return {str(site)!r}")
    (site / "libgraph_wrapper.so").write_bytes(b"library")
    with pytest.raises(EmbedlError, match=r"ai-edge-litert-sdk-samsung is not whole: it has no libgraphgen_api\.so"):
        sdk.find_sdk(VENDORS["samsung"])


def test_an_sdk_that_raises_is_said_with_its_own_words(site: Path) -> None:
    install(site, "mediatek", 'raise NotImplementedError("Unsupported version")')
    with pytest.raises(EmbedlError, match="NotImplementedError: Unsupported version"):
        sdk.find_sdk(VENDORS["mediatek"])


def test_googles_libraries_are_also_found_by_litert_s_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_TENSOR_COMPILER_LIB", str(tmp_path))
    with pytest.raises(EmbedlError, match=r"has no liblitert_plugin_compiler\.so") as caught:
        sdk.find_sdk(VENDORS["google_tensor"])
    assert caught.value.hint == "set GOOGLE_TENSOR_COMPILER_LIB to the folder of the libraries"
    (tmp_path / "liblitert_plugin_compiler.so").write_bytes(b"library")
    assert sdk.find_sdk(VENDORS["google_tensor"]).package == "GOOGLE_TENSOR_COMPILER_LIB"


def test_another_vendor_on_another_platform_is_sent_to_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk.platform, "machine", lambda: "aarch64")
    with pytest.raises(MissingDependencyError, match=r"MediaTek's compiler runs on Linux x86-64, not on .* aarch64"):
        sdk.find_sdk(VENDORS["mediatek"])


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("SM8650", "SM8650"),
        ("QCM8550LE", "QCS8550"),
        ("MT6989", "mt6989"),
        ("Tensor G4", "Tensor_G4"),
        ("S5E9955", "E9955"),
    ],
)
def test_a_chip_goes_by_the_name_that_its_plugin_has_for_it(part: str, name: str) -> None:
    chip = chips()[part]
    assert VENDORS[chip.npu_sdk].chip_name(chip) == name


def test_samsungs_compiler_is_told_the_chip_which_it_would_take_for_another_otherwise() -> None:
    assert VENDORS["samsung"].flags("E9955") == ("--samsung_soc_model=E9955",)
