"""What the delegate is asked about: the subgraph of one signature, as a file of its own where the model has several.

LiteRT compiles every subgraph of a file, and the delegate does not say which one its lines are about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedl_nb.model.calling import pick_signature
from embedl_nb.model.graph import Subgraph
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.model.slicer import slice_operators
from embedl_nb.model.spec import Signature

__all__ = ["Question", "make_question"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A model with one signature.

    Attributes
    ----------
    path
        What is compiled.
    subgraph
        Whose operators the answer is about; those of ``path`` have the same indices.
    signature
        Of ``path``.
    aliases
        Tensor indices in ``subgraph`` by the names that the signature gives them.
    samples_path
        Real inputs, where there are any.
    """

    path: Path
    subgraph: Subgraph
    signature: Signature
    aliases: Mapping[str, int]
    samples_path: Path | None


def make_question(model: LiteRTModel, signature_key: str | None, folder: Path) -> Question:
    """Return the question about a signature; ``folder`` takes the file, where one is made."""
    signature = pick_signature(model.signatures, signature_key)
    subgraph = model.graph.subgraphs[signature.subgraph_index]
    if len(model.signatures) == 1:
        samples = model.samples_path if model.samples_path is not None and model.samples_path.is_file() else None
        return _question(model.path, subgraph, signature, subgraph.inputs, subgraph.outputs, samples)
    part = slice_operators(model.content(), 0, len(subgraph.operators) - 1, subgraph_index=subgraph.index)
    path = folder / "signature.tflite"
    path.write_bytes(part.data)
    return _question(path, subgraph, LiteRTModel.open(path).signatures[0], part.inputs, part.outputs, None)


def _question(
    path: Path,
    subgraph: Subgraph,
    signature: Signature,
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
    samples_path: Path | None,
) -> Question:
    names = [*zip(signature.inputs, inputs, strict=False), *zip(signature.outputs, outputs, strict=False)]
    return Question(
        path=path,
        subgraph=subgraph,
        signature=signature,
        aliases={spec.name: index for spec, index in names},
        samples_path=samples_path,
    )
