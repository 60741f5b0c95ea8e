"""How long tensors live and where they are put."""

from __future__ import annotations

import itertools
import random

from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.memory import _arena_bytes, estimate_memory, tensor_lifetimes
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder
from embedl_nb.units import Provenance


def test_a_value_lives_from_the_operator_that_makes_it_to_the_last_that_reads_it() -> None:
    lifetimes = tensor_lifetimes(read_model(models.chain(4)).main)
    assert [(life.first, life.last) for life in lifetimes] == [(0, 3), (0, 1), (1, 2), (2, 3), (3, 3)]


def test_constants_are_not_among_the_computed() -> None:
    graph = read_model(models.fully_connected(num_inputs=8, num_outputs=4))
    estimate = estimate_memory(graph)

    assert [life.num_bytes for life in estimate.lifetimes] == [32, 16]
    assert estimate.constant_bytes == 4 * (8 * 4 + 4)


def test_a_chain_needs_its_input_and_two_values_however_long_it_is() -> None:
    estimate = estimate_memory(read_model(models.chain(50, shape=(1, 1024))))

    assert estimate.peak_live_bytes == 3 * 4096
    assert estimate.arena_bytes == 3 * 4096
    assert estimate.provenance is Provenance.ESTIMATED


def test_a_value_that_is_read_late_holds_its_place() -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 16))
    early = value = builder.operator("ABS", [x], builder.tensor("early", (1, 1024)))
    for index in range(3):
        value = builder.operator("ABS", [value], builder.tensor(f"v{index}", (1, 1024)))
    y = builder.operator("ADD", [value, early], builder.tensor("y", (1, 1024)))
    estimate = estimate_memory(read_model(builder.build({"y": y})))

    assert estimate.peak_live_bytes == 64 + 3 * 4096
    assert estimate.peak_operator_index == 2


def test_values_of_unknown_size_are_counted_and_left_out() -> None:
    builder = ModelBuilder()
    x = builder.input("x", (-1, 4))
    y = builder.operator("ABS", [x], builder.tensor("y", (-1, 4)))
    estimate = estimate_memory(read_model(builder.build({"y": y})))

    assert (estimate.num_unknown, estimate.arena_bytes) == (2, 0)


def test_a_model_without_operators_needs_its_inputs() -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 16))
    assert estimate_memory(read_model(builder.build({"y": x}))).peak_live_bytes == 64


def test_the_arena_is_never_smaller_than_what_lives_at_once_nor_larger_than_all_together() -> None:
    source = random.Random(0)
    for _ in range(50):
        blocks = []
        for _ in range(source.randrange(1, 12)):
            first, last = sorted((source.randrange(8), source.randrange(8)))
            blocks.append((first, last, 64 * source.randrange(1, 20)))
        at_once = max(sum(size for first, last, size in blocks if first <= t <= last) for t in range(8))
        assert at_once <= _arena_bytes(blocks) <= sum(size for _, _, size in blocks)


def test_blocks_that_live_at_different_times_share_their_place() -> None:
    for order in itertools.permutations([(0, 1, 640), (2, 3, 640), (4, 5, 128)]):
        assert _arena_bytes(order) == 640
