"""Where models run: addresses, the provider protocol and its registry, and this machine as a device."""

from __future__ import annotations

from embedl_nb.device.address import DeviceAddress
from embedl_nb.device.conditions import Conditions
from embedl_nb.device.info import DeviceInfo
from embedl_nb.device.provider import Device, Provider
from embedl_nb.device.registry import list_devices, open_device

__all__ = ["Conditions", "Device", "DeviceAddress", "DeviceInfo", "Provider", "list_devices", "open_device"]
