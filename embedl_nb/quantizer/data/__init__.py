"""What users have, as a checked stream of samples: :func:`read_data`; pictures by :func:`images`.

Runs in the kernel, one sample at a time; knows nothing of recipes or of how models are quantized.
"""

from __future__ import annotations

from embedl_nb.quantizer.data.pictures import ImageSet, images
from embedl_nb.quantizer.data.reading import CalibrationData, read_data
from embedl_nb.quantizer.data.report import DataKind, DataReport, InputStatistics

__all__ = ["CalibrationData", "DataKind", "DataReport", "ImageSet", "InputStatistics", "images", "read_data"]
