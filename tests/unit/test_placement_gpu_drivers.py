"""Which Vulkan driver is taken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from embedl_nb.placement.gpu.drivers import find_drivers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="drivers are searched for on Linux only")


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VK_DRIVER_FILES", raising=False)
    monkeypatch.delenv("VK_ICD_FILENAMES", raising=False)


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}")


def test_a_bare_machine_has_no_driver(tmp_path: Path) -> None:
    assert find_drivers(root=tmp_path) == []


def test_a_driver_for_a_gpu_that_is_not_there_is_not_tried(tmp_path: Path) -> None:
    _touch(tmp_path, "usr/share/vulkan/icd.d/radeon_icd.x86_64.json", "usr/share/vulkan/icd.d/lvp_icd.x86_64.json")
    assert [driver.name for driver in find_drivers(root=tmp_path)] == ["lavapipe"]


def test_a_real_gpu_comes_before_swiftshader_and_that_before_lavapipe(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        "usr/share/vulkan/icd.d/lvp_icd.x86_64.json",
        "etc/vulkan/icd.d/nvidia_icd.json",
        "dev/nvidiactl",
        "usr/lib/chromium/vk_swiftshader_icd.json",
        "usr/lib/chromium/libvulkan.so.1",
    )
    drivers = find_drivers(root=tmp_path)
    assert [driver.name for driver in drivers] == ["this machine's GPU", "SwiftShader", "lavapipe"]
    assert drivers[0].environment["VK_DRIVER_FILES"].endswith("nvidia_icd.json")
    assert {driver.loader for driver in drivers} == {tmp_path / "usr/lib/chromium/libvulkan.so.1"}


def test_what_the_user_has_chosen_is_taken_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path, "usr/lib/chromium/vk_swiftshader_icd.json")
    monkeypatch.setenv("VK_ICD_FILENAMES", "/opt/mine.json")
    (driver,) = find_drivers(root=tmp_path)
    assert driver.environment == {"VK_DRIVER_FILES": "/opt/mine.json", "VK_ICD_FILENAMES": "/opt/mine.json"}


def test_a_driver_that_is_installed_anew_is_another(tmp_path: Path) -> None:
    _touch(tmp_path, "usr/lib/chromium/vk_swiftshader_icd.json", "usr/lib/chromium/libvk_swiftshader.so")
    manifest = tmp_path / "usr/lib/chromium/vk_swiftshader_icd.json"
    manifest.write_text('{"ICD": {"library_path": "./libvk_swiftshader.so"}}')
    before = find_drivers(root=tmp_path)[0].identity
    (tmp_path / "usr/lib/chromium/libvk_swiftshader.so").write_text("a newer one")
    assert len(before) == 2
    assert find_drivers(root=tmp_path)[0].identity != before
