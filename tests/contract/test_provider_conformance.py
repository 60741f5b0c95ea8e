"""Real and virtual providers pass the same suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from embedl_nb.device.adb import AdbProvider
from embedl_nb.device.host import HostProvider
from embedl_nb.device.provider import Provider
from embedl_nb.testing.devices import VirtualDevice, VirtualProvider
from embedl_nb.testing.provider_conformance import ProviderConformance
from embedl_nb.testing.virtual_phone import virtual_rack


class TestVirtualProvider(ProviderConformance):
    def provider(self) -> Provider:
        return VirtualProvider(VirtualDevice(name="a"), VirtualDevice(name="b"))


class TestProviderOfSummaries(ProviderConformance):
    def provider(self) -> Provider:
        return VirtualProvider(VirtualDevice(name="a", is_summarizing=True), VirtualDevice(name="b"))


@pytest.mark.litert
class TestHostProvider(ProviderConformance):
    def provider(self) -> Provider:
        return HostProvider()


@pytest.fixture(scope="module")
def phones() -> Iterator[None]:
    pytest.importorskip("adbutils", reason="adbutils brings the adb server of these tests")
    with virtual_rack("Samsung Galaxy S24", "Google Pixel 7"):
        yield


@pytest.mark.litert
@pytest.mark.usefixtures("phones")
class TestAdbProvider(ProviderConformance):
    def provider(self) -> Provider:
        return AdbProvider()
