"""A phone as a device like others: what it measures comes back as a raw run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from embedl_nb.device.adb.phone import AdbPhone
from embedl_nb.device.adb.raw import to_raw_run
from embedl_nb.device.adb.running import run_on_phone

if TYPE_CHECKING:
    from embedl_nb.runtime.raw_run import MeasureRequest, RawRun

__all__ = ["AdbDevice"]


class AdbDevice(AdbPhone):
    """A phone that measures."""

    def run(self, request: MeasureRequest) -> RawRun:
        """Measure once with the phone's own tool, in a process for the times and one more for the layers."""
        wall_start = time.time()
        run = run_on_phone(self, request)
        return to_raw_run(run, num_threads=request.num_threads, wall_start=wall_start)
