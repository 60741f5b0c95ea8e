"""Peak memory of the process it runs in, stage by stage.

Linux can reset its peak counter, so each stage's own peak is known; elsewhere only the peak so far is.
"""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["PeakMemory"]

_RESET_PEAK = "5"  # proc(5), /proc/pid/clear_refs: resets VmHWM


class PeakMemory:
    """Peaks by stage, in bytes of resident memory.

    Attributes
    ----------
    source
        ``"VmHWM"``: each stage's own peak; ``"ru_maxrss"``: the peak so far; ``"peak_wset"``: the same on Windows.
    by_stage
        What was recorded.
    """

    def __init__(self) -> None:
        self.by_stage: dict[str, int] = {}
        self.source = "VmHWM" if self._reset() else ("peak_wset" if sys.platform == "win32" else "ru_maxrss")

    def end_stage(self, name: str) -> None:
        """Record the peak of the stage that ends here, and start the next one."""
        self.by_stage[name] = self._peak_bytes()
        if self.source == "VmHWM":
            self._reset()

    @staticmethod
    def _reset() -> bool:
        try:
            Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
        except OSError:
            return False
        return True

    def _peak_bytes(self) -> int:
        if self.source == "VmHWM":
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        if sys.platform == "win32":
            import psutil

            return int(psutil.Process().memory_info().peak_wset)
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
