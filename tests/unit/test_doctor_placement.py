"""What the doctor says of asking a phone's GPU and NPU here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from embedl_nb.errors import EmbedlError, MissingDependencyError
from embedl_nb.pipeline import placement_checks
from embedl_nb.pipeline.checks import Status
from embedl_nb.placement.gpu import drivers
from embedl_nb.placement.npu import sdk
from embedl_nb.placement.npu.sdk import Sdk
from embedl_nb.placement.npu.vendors import Vendor


def test_a_machine_without_a_vulkan_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "find_drivers", list)
    check = placement_checks.check_gpu_driver()
    assert (check.status, check.found) == (Status.MISSING, "no Vulkan driver")
    assert "chromium" in check.fix


def test_the_first_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "find_drivers", lambda: [drivers.Driver(name="SwiftShader", manifests=(Path("x"),))])
    assert placement_checks.check_gpu_driver().found == "SwiftShader"


def installed(*names: str, broken: str = "") -> Callable[[Vendor], Sdk]:
    """Stand in for looking for a vendor's SDK."""

    def find(vendor: Vendor) -> Sdk:
        if vendor.name == broken:
            raise EmbedlError(f"{vendor.package} is installed without its libraries", hint="install it again")
        if vendor.name not in names:
            raise MissingDependencyError(f"{vendor.compiler} is not installed", install=vendor.install)
        package = f"{vendor.package} 2.3.0"
        return Sdk(
            vendor=vendor, package=package, library_folders=(), plugin_folder=Path(), tool=Path("tool"), digest=""
        )

    return find


def test_a_missing_compiler_comes_with_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "find_sdk", installed())
    check = placement_checks.check_npu_compilers()
    assert (check.status, check.fix) == (Status.MISSING, 'pip install "embedl-nb[qualcomm]"')


def test_every_vendor_is_named_with_its_package_or_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "find_sdk", installed("Qualcomm", "MediaTek"))
    check = placement_checks.check_npu_compilers()
    assert check.status is Status.OK
    assert check.found == (
        "Qualcomm (ai-edge-litert-sdk-qualcomm 2.3.0), MediaTek (ai-edge-litert-sdk-mediatek 2.3.0); not Google Tensor "
        "(pip install ai-edge-litert-sdk-google-tensor), Samsung (pip install ai-edge-litert-sdk-samsung-nightly)"
    )


def test_an_sdk_that_came_without_its_libraries_is_what_the_doctor_warns_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "find_sdk", installed("Qualcomm", broken="MediaTek"))
    check = placement_checks.check_npu_compilers()
    assert (check.status, check.fix) == (Status.WARNING, "install it again")
    assert check.found == (
        "ai-edge-litert-sdk-mediatek is installed without its libraries; ready: Qualcomm (ai-edge-litert-sdk-qualcomm "
        "2.3.0)"
    )
