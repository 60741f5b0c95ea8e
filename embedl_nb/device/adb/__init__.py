"""Phones over adb: which server, which phones, what they are, commands and files; ``tool`` measures on them."""

from __future__ import annotations

from embedl_nb.device.adb.provider import AdbProvider

__all__ = ["AdbProvider"]
