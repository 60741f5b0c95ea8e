"""What to change so that an operator runs on a unit, where a remedy is known. A table; it never guesses."""

from __future__ import annotations

from embedl_nb.placement.answers import Reason

__all__ = ["suggestion_for"]

_BY_REASON = {
    Reason.NO_FLOAT16: 'quantize it: enb.quantize(model, data, recipe="static_wi8_ai8")',
    Reason.DYNAMIC_SHAPE: "compile it with fixed sizes: leave dynamic_shapes out",
    Reason.RANK: "reshape to at most 4 dimensions before it",
    Reason.PARTITION_TOO_SMALL: "",  # the remedy is that of the operators around it
}
_BY_OPERATOR = {
    "ATAN2": "compute the angle outside of the model, or keep its sine and cosine instead",
    "BROADCAST_TO": "leave the broadcast to the operator that follows; keep a mask of one size as a buffer",
    "GATHER_ND": "gather along one axis (torch.index_select), or slice where the indices are fixed",
    "CUMSUM": "multiply by a fixed triangular matrix of ones",
    "TOPK_V2": "return the scores and choose the best outside of the model",
    "CAST": "keep one dtype through the network",
}


def suggestion_for(operator: str, reason: Reason | None) -> str:
    """Return what may bring ``operator`` onto a unit that refuses it for ``reason``; ``""`` where nothing is known."""
    return _BY_REASON[reason] if reason in _BY_REASON else _BY_OPERATOR.get(operator, "")
