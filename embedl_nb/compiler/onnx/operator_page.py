"""The ONNX operators as a page to read, made from the table: ``python -m embedl_nb.compiler.onnx.operator_page``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from embedl_nb.compiler.onnx.registry import full_name

__all__ = ["operator_page"]

_INTRODUCTION = """# ONNX

`enb.compile("net.onnx")` imports an ONNX graph as a torch module and compiles that. What passes of ONNX's own tests,
and why the rest does not, is in [onnx-conformance.md](onnx-conformance.md). This page is made from the code by
`python -m embedl_nb.compiler.onnx.operator_page > docs/onnx.md`; the operators are those of onnx {version}.
"""
_DEFINED = """## Through their definition

These have no function of their own here: ONNX defines them by other operators, and what it says is compiled.
"""
_REFUSED = """## Refused

A model that calls one of these is refused, with the node's name. Text, sequences, optional values and training have no
counterpart in a LiteRT model; a random number would differ from call to call.
"""
_NEEDED = """## What has to be known

A compiled model has fixed shapes, but for dimensions that `dynamic_shapes` leaves open: by the names that the file has
for them, `enb.compile("net.onnx", dynamic_shapes={"batch": (1, 8), "sequence": (2, 128)})`, or by input and dimension,
`{"x": {0: (1, 8)}}`; a name in the place of the range stands for any size. What a graph computes from its own shapes
(Shape, Gather, Concat, Mul and others into Reshape, Expand, Slice, Range) follows them, and the model is compared with
onnxruntime at the example's, the smallest and the largest size. A node that holds for one size only is named.

Where an input of an operator decides a shape (the `shape` of Reshape, `axes`,
`pads`, `k` of TopK), its value has to follow from constants and from the shapes of the model's inputs; else the model
is refused. `Loop` and `Scan` are unrolled, so the number of rounds has to be known as well; of an `If` both branches
are computed where its condition is not known. float64 and float16 are computed in float32, and 64-bit integers in
32 bits where LiteRT has no others.
"""
# Their definitions call operators that are refused: random numbers, sequences.
_DEFINED_BY_REFUSED = ("Bernoulli", "SequenceMap")


def operator_page() -> str:
    """Return the page as Markdown: what is supported, by domain and version, what is not, and what has to be known."""
    import onnx

    supported = _supported()
    defined, refused = _others(supported)
    return "\n".join(
        [
            _INTRODUCTION.format(version=onnx.__version__),
            *_tables(supported),
            _DEFINED,
            _listed(defined),
            _REFUSED,
            _listed(refused),
            _NEEDED,
        ]
    )


def _supported() -> dict[tuple[str, str], list[int]]:
    """Return, by domain and operator, the opset versions that a function was written for."""
    import embedl_nb.compiler.onnx.operators  # noqa: F401 - fills the registry
    from embedl_nb.compiler.onnx import control
    from embedl_nb.compiler.onnx.registry import table

    found: dict[tuple[str, str], list[int]] = {("", name): [1] for name in (*control.OPERATORS, "Constant", "Identity")}
    for row in table():
        found.setdefault((row.domain, row.name), []).append(row.since)
    return {key: sorted(set(found[key])) for key in sorted(found)}


def _tables(supported: dict[tuple[str, str], list[int]]) -> Iterator[str]:
    for domain in sorted({domain for domain, _ in supported}):
        names = [name for owner, name in supported if owner == domain]
        yield f"## {domain or 'ai.onnx'}\n"
        yield "| operator | from opset | versions of the standard |\n| --- | --- | --- |"
        yield "".join(_row(domain, name, supported[(domain, name)]) for name in names)


def _row(domain: str, name: str, since: list[int]) -> str:
    standard = [version for version in _versions(domain, name) if version >= min(since)]
    return f"| {name} | {min(since)} | {', '.join(map(str, standard))} |\n"


def _versions(domain: str, name: str) -> list[int]:
    """Return the opsets in which ONNX has changed the operator."""
    return sorted({schema.since_version for schema in _schemas() if (schema.domain, schema.name) == (domain, name)})


def _others(supported: dict[tuple[str, str], list[int]]) -> tuple[list[str], list[str]]:
    """Return what the standard has besides: what is defined by other operators, and what is not."""
    import onnx

    names = {(schema.domain, schema.name) for schema in _schemas()} - supported.keys()
    newest: list[Any] = [onnx.defs.get_schema(name, domain=domain) for domain, name in sorted(names)]
    current = [schema for schema in newest if not schema.deprecated]
    defined = [full_name(schema.domain, schema.name) for schema in current if _is_defined(schema)]
    return defined, [full_name(schema.domain, schema.name) for schema in current if not _is_defined(schema)]


def _is_defined(schema: Any) -> bool:
    has_body = schema.has_function or schema.has_context_dependent_function
    return has_body and schema.name not in _DEFINED_BY_REFUSED


def _schemas() -> Iterable[Any]:
    import onnx

    schemas: Iterable[Any] = onnx.defs.get_all_schemas_with_history()
    return schemas


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) + "\n"


if __name__ == "__main__":
    sys.stdout.write(operator_page())
