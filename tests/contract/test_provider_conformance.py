"""Real and virtual providers pass the same suite."""

from __future__ import annotations

import pytest

from embedl_nb.device.host import HostProvider
from embedl_nb.device.provider import Provider
from embedl_nb.testing.devices import VirtualDevice, VirtualProvider
from embedl_nb.testing.provider_conformance import ProviderConformance


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
