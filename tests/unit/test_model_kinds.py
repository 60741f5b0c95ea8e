"""Operators are alike where only names and weights differ."""

from __future__ import annotations

from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.kinds import operator_kind
from embedl_nb.model.writer import pack, unpack
from embedl_nb.testing import models


def kinds(data: bytes) -> list[str]:
    tree, subgraph = unpack(data), read_model(data).main
    return [operator_kind(tree, subgraph, operator) for operator in subgraph.operators]


def test_operators_of_a_chain_are_alike() -> None:
    assert len(set(kinds(models.chain(3)))) == 1


def test_weights_make_no_difference_and_shapes_do() -> None:
    assert kinds(models.conv_relu(seed=0)) == kinds(models.conv_relu(seed=1))
    assert kinds(models.conv_relu(size=8)) != kinds(models.conv_relu(size=16))


def test_another_stride_is_another_kind_whatever_the_shapes() -> None:
    tree = unpack(models.conv_relu())
    tree.subgraphs[0].operators[0].builtinOptions.dilationWFactor = 2
    assert kinds(pack(tree))[0] != kinds(models.conv_relu())[0]
