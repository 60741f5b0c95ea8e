"""The NPU of a phone's chip: what its vendor's own compiler, on this machine, does with a model."""

from __future__ import annotations

from embedl_nb.placement.npu.asking import ask_npu

__all__ = ["ask_npu"]
