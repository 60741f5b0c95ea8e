"""The rehearsal before there is a phone: its NPU's artifact, run in the vendor's simulator on real inputs."""

from __future__ import annotations

from embedl_nb.placement.rehearsal.rehearsing import rehearse
from embedl_nb.placement.rehearsal.result import Rehearsal

__all__ = ["Rehearsal", "rehearse"]
