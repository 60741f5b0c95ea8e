"""A LiteRT model: what is in the file, what it computes, how it is cut, patched, written and called.

In: a ``.tflite`` path. Out: :class:`~embedl_nb.model.litert_model.LiteRTModel` with its signatures, operators and
evidence. It knows the flatbuffer and the runtime's worker, nothing of devices, measurements or compilers.
"""

from __future__ import annotations

from embedl_nb.model.evidence import OutputMatch, Parity, compare_outputs
from embedl_nb.model.fidelity import Fidelity, compare_fidelity
from embedl_nb.model.litert_model import LiteRTModel, as_model
from embedl_nb.model.spec import Signature, TensorSpec

__all__ = [
    "Fidelity",
    "LiteRTModel",
    "OutputMatch",
    "Parity",
    "Signature",
    "TensorSpec",
    "as_model",
    "compare_fidelity",
    "compare_outputs",
]
