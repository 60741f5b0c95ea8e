"""The link to the phone: how much may still pass before the cable comes out, and how long it takes."""

from __future__ import annotations

from embedl_nb.testing.virtual_phone.faults import Faults

__all__ = ["Cable"]


class Cable:
    """Counts what passes, from when the faults were set.

    Each method takes how many bytes are to pass and returns how many do; fewer means that the cable is out.
    """

    def __init__(self, faults: Faults) -> None:
        self.set(faults)

    def set(self, faults: Faults) -> None:
        """Count anew."""
        self._left = {
            "pushed": faults.unplug_after_pushed_bytes,
            "pulled": faults.unplug_after_pulled_bytes,
            "output": faults.unplug_after_output_bytes,
        }

    def pushed(self, num_bytes: int) -> int:
        """Let content of pushed files pass."""
        return self._pass("pushed", num_bytes)

    def pulled(self, num_bytes: int) -> int:
        """Let content of pulled files pass."""
        return self._pass("pulled", num_bytes)

    def output(self, num_bytes: int) -> int:
        """Let output of commands pass."""
        return self._pass("output", num_bytes)

    def _pass(self, kind: str, num_bytes: int) -> int:
        left = self._left[kind]
        if left is None:
            return num_bytes
        self._left[kind] = max(0, left - num_bytes)
        return min(left, num_bytes)
