"""Source model in, verified LiteRT model out.

``compile.py`` is the way through: take the source (taking.py, ``sources/``), look for it in the cache (``keys/``), else
build it (build.py): export it here, lower it in a child (``lowering/``, ``keras/``) and compare what comes out with the
source (verify.py). ``onnx/`` and ``keras/`` read and check models of their kind; ``explaining/`` says why one fails.
Nothing heavy is imported before a source is at hand.
"""

from __future__ import annotations

from embedl_nb.compiler.compile import compile_model
from embedl_nb.compiler.sources.pictures import ImageInput, image_input

__all__ = ["ImageInput", "compile_model", "image_input"]
