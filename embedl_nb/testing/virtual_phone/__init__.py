"""Phones that are programs: real adb servers connect to them, shells answer, and models really run, on this machine.

Where things are: :mod:`.phone` is what tests use, :mod:`.rack` several at once; :mod:`.daemon` speaks the adb
protocol over :mod:`.protocol` and :mod:`.streams`; :mod:`.sync` and :mod:`.shell_service` are its services;
:mod:`.handset` is the phone behind them, with :mod:`.files`, :mod:`.shell`, :mod:`.toolbox` and
:mod:`.benchmark_tool`; :mod:`.faults` is what can be wrong with it.
"""

from __future__ import annotations

from embedl_nb.testing.virtual_phone.adb_server import AdbServer, adb_server
from embedl_nb.testing.virtual_phone.faults import Crash, Faults, Miscomputed
from embedl_nb.testing.virtual_phone.phone import VirtualPhone
from embedl_nb.testing.virtual_phone.rack import ARM64_PROGRAM, virtual_rack

__all__ = ["ARM64_PROGRAM", "AdbServer", "Crash", "Faults", "Miscomputed", "VirtualPhone", "adb_server", "virtual_rack"]
