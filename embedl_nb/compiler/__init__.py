"""Source model in, verified LiteRT model out.

``compile.py`` is the way through: take the source (taking.py: from_torch.py, from_export.py, from_onnx.py,
from_keras.py, from_model_file.py; from_tflite.py), look for it in the cache (fingerprint.py, cache.py), else build it
(build.py): export it here, lower it in a child (torch_child.py, keras_child.py) and compare what comes out with the
source (verify.py). Nothing heavy is imported before a source is at hand.
"""

from __future__ import annotations

from embedl_nb.compiler.compile import compile_model
from embedl_nb.compiler.pictures import ImageInput, image_input

__all__ = ["ImageInput", "compile_model", "image_input"]
