"""Where models run: addresses, the provider protocol and its registry, and this machine and phones as devices."""

from __future__ import annotations

from embedl_nb.device.address import DeviceAddress
from embedl_nb.device.conditions import Conditions
from embedl_nb.device.info import DeviceInfo, UnreadyDevice
from embedl_nb.device.provider import Device, Provider
from embedl_nb.device.registry import device_addresses, list_devices, open_device

__all__ = [
    "Conditions",
    "Device",
    "DeviceAddress",
    "DeviceInfo",
    "Provider",
    "UnreadyDevice",
    "device_addresses",
    "list_devices",
    "open_device",
]
