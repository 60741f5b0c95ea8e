"""What to try about a file that cannot be used: the hints that many errors on ONNX models share."""

from __future__ import annotations

__all__ = ["DAMAGED", "SENSELESS"]

DAMAGED = "the file is damaged: export or download it again"
SENSELESS = "the model makes no sense: export it again"
