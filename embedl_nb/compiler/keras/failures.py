"""Why TensorFlow's converter gave up: its text becomes an error that names operators and layers.

All text patterns on that converter live here, each with a sample that was recorded from the version it names.
"""

from __future__ import annotations

import re
from typing import Any

from embedl_nb.compiler.keras.tracing import Traced, layer_of
from embedl_nb.compiler.one_line import one_line
from embedl_nb.errors import CompileError, EmbedlError, UnsupportedOperatorError
from embedl_nb.runtime.refusals import RefusalPattern

__all__ = ["FAILURE_PATTERNS", "conversion_error"]

FAILURE_PATTERNS = (
    RefusalPattern(
        pattern=re.compile(r"^\s*TF Select ops: (?P<name>[\w, ]+)$", re.MULTILINE),
        sample="TF Select ops: Mul, Relu",
        source="tensorflow 2.21.0",
    ),
    RefusalPattern(
        pattern=re.compile(r"^\s*Custom ops: (?P<name>[\w, ]+)$", re.MULTILINE),
        sample="Custom ops: Erfinv",
        source="tensorflow 2.21.0",
    ),
    RefusalPattern(
        pattern=re.compile(r"error: 'tf\.(?P<name>\w+)' op is neither a custom op nor a flex op"),
        sample="error: 'tf.Svd' op is neither a custom op nor a flex op",
        source="tensorflow 2.21.0",
    ),
)
_SHOWN = 3
# How MLIR writes a tensor's type.
_ODD_DTYPES = {"xf64>": "float64", "xf16>": "float16", "xbf16>": "bfloat16", "xcomplex<": "complex numbers"}


def conversion_error(err: Exception, *, name: str, traced: tuple[Traced, ...]) -> EmbedlError:
    """Return the error for ``err``, which converting ``traced`` of the model ``name`` has raised."""
    text = str(err)
    found = [match["name"] for entry in FAILURE_PATTERNS for match in entry.pattern.finditer(text)]
    operators = tuple(dict.fromkeys(each.strip() for group in found for each in group.split(",")))
    if not operators:
        return CompileError(
            f"TensorFlow's converter failed on {name}: {one_line(err)}",
            hint="compile parts of the model to find the cause; .details has what it said",
            details=f"{type(err).__name__}: {text}",
        )
    return UnsupportedOperatorError(
        f"LiteRT has no implementation of {', '.join(operators)}, which {name} needs{_places(operators, traced)}",
        operators=operators,
        hint=_hint(operators, text),
        details=text,
    )


def _places(operators: tuple[str, ...], traced: tuple[Traced, ...]) -> str:
    """Say which layers the operators are in, else where in the graph."""
    places: dict[str, None] = {}
    for each in traced:
        for node in _nodes(each):
            if node.op in operators:
                layer = layer_of(node.name, each.layers)
                places[f"layer {layer!r}" if layer else f"{node.name!r}"] = None
    if not places:
        return ""
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return f" (in {', '.join(list(places)[:_SHOWN])}{more})"


def _hint(operators: tuple[str, ...], text: str) -> str:
    odd = next((dtype for sign, dtype in _ODD_DTYPES.items() if sign in text), None)
    if odd is not None:
        return (
            f"LiteRT has few operators in {odd}: build the model in float32 (keras.config.set_dtype_policy('float32'))"
        )
    if any("Lookup" in operator or operator.startswith("String") for operator in operators):
        return "leave the layers that look up or parse text out of the model, and give it their numbers"
    return "write this layer with other operations; TensorFlow's own operators (Flex) are not used: phones lack them"


def _nodes(traced: Traced) -> list[Any]:
    """Return the nodes of a graph and of the functions that it calls."""
    graph = traced.function.graph.as_graph_def()
    return [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
