"""What the doctor says of asking a phone's GPU and NPU here."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedl_nb.errors import MissingDependencyError
from embedl_nb.pipeline import placement_checks
from embedl_nb.pipeline.checks import Status
from embedl_nb.placement.gpu import drivers
from embedl_nb.placement.npu import sdk


def test_a_machine_without_a_vulkan_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "find_drivers", list)
    check = placement_checks.check_gpu_driver()
    assert (check.status, check.found) == (Status.MISSING, "no Vulkan driver")
    assert "chromium" in check.fix


def test_the_first_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "find_drivers", lambda: [drivers.Driver(name="SwiftShader", manifests=(Path("x"),))])
    assert placement_checks.check_gpu_driver().found == "SwiftShader"


def test_a_missing_compiler_comes_with_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingDependencyError("Qualcomm's compiler is not installed", extra="qualcomm", install=sdk.INSTALL)

    monkeypatch.setattr(sdk, "find_sdk", missing)
    check = placement_checks.check_qualcomm()
    assert (check.status, check.fix) == (Status.MISSING, 'pip install "embedl-nb[qualcomm]"')
