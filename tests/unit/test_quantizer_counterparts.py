"""Which tensor of a quantized graph stands for which of the float graph."""

from __future__ import annotations

import numpy as np

from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import Subgraph
from embedl_nb.quantizer.counterparts import find_counterparts
from embedl_nb.testing.models import ModelBuilder, chain


def graph(*steps: tuple[str, str], input_name: str = "x") -> Subgraph:
    """Build a chain of operators, each a type and the name of what it makes."""
    builder = ModelBuilder()
    value = builder.input(input_name, (1, 4))
    for operator, name in steps:
        value = builder.operator(operator, [value], builder.tensor(name, (1, 4)))
    return read_model(builder.build({"y": value})).main


def names(reference: Subgraph, quantized: Subgraph) -> dict[str, str]:
    found = find_counterparts(reference, quantized)
    return {quantized.tensors[q].name: reference.tensors[r].name for q, r in found.tensors.items()}


FLOAT = graph(("TANH", "a"), ("ABS", "b"))


def test_equal_names_belong_together_and_so_do_inputs() -> None:
    renamed_input = graph(("TANH", "a"), ("ABS", "b"), input_name="z")
    assert names(FLOAT, renamed_input) == {"serving_default_z": "serving_default_x", "a": "a", "b": "b"}


def test_a_conversion_stands_for_what_it_converts() -> None:
    quantized = graph(("QUANTIZE", "x_q"), ("TANH", "a"), ("DEQUANTIZE", "a_dequant"), ("ABS", "b"))
    found = names(FLOAT, quantized)

    assert (found["x_q"], found["a_dequant"]) == ("serving_default_x", "a")
    pairs = find_counterparts(FLOAT, quantized).operators
    assert [(r.index, q.index) for r, q in pairs] == [(0, 1), (1, 3)]


def test_a_conversion_that_took_the_name_over_stands_for_its_operator() -> None:
    quantized = graph(("TANH", "a_int8"), ("DEQUANTIZE", "a"), ("ABS", "b"))
    assert names(FLOAT, quantized)["a_int8"] == "a"


def test_position_tells_where_names_do_not_and_the_operators_are_the_same() -> None:
    found = names(FLOAT, graph(("TANH", "p"), ("ABS", "q")))
    assert (found["p"], found["q"]) == ("a", "b")
    assert "p" not in names(FLOAT, graph(("ABS", "p"), ("TANH", "q")))


def test_an_operator_of_another_type_is_no_counterpart_whatever_its_name() -> None:
    assert find_counterparts(FLOAT, graph(("TANH", "a"), ("NEG", "b"))).operators[-1][0].code == "TANH"


def test_a_tensor_of_another_shape_and_a_constant_are_no_counterparts() -> None:
    assert "a" not in names(FLOAT, read_model(chain(1, shape=(1, 5))).main)
    builder = ModelBuilder()
    constant = builder.constant("a", np.ones((1, 4), np.float32))
    y = builder.operator("ADD", [builder.input("x", (1, 4)), constant], builder.tensor("c", (1, 4)))
    assert "a" not in names(FLOAT, read_model(builder.build({"y": y})).main)
