"""Better integers for the same operators: equalized ranges, least-squares rounding, corrected biases. Bytes to bytes.

Imported in the quantizer's child process only.
"""

from embedl_nb.quantizer.refine.equalizing import equalize
from embedl_nb.quantizer.refine.refining import refine

__all__ = ["equalize", "refine"]
