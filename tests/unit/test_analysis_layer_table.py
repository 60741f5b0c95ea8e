"""The layers of one result or two as a table: what adds up, and what is not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from embedl_nb.analysis import layer_facts
from embedl_nb.analysis.layer_table import layer_table
from embedl_nb.model import LiteRTModel
from embedl_nb.testing import models
from embedl_nb.testing.results import fake_benchmark


def test_the_work_of_a_fused_layer_is_not_told_where_that_of_an_operator_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LiteRTModel.open(models.write(tmp_path, models.chain(3)))
    described = layer_facts.describe_operators(model.graph, subgraph_index=0)
    known = [replace(info, macs=macs) for info, macs in zip(described, (10, None, 20), strict=True)]
    monkeypatch.setattr(layer_facts, "describe_operators", lambda *_, **__: known)
    made = fake_benchmark(2)
    layers = tuple(
        replace(layer, operator_indices=group) for layer, group in zip(made.layer_table, ((0, 1), (2,)), strict=True)
    )
    table = layer_table(replace(made, model_sha256=model.sha256, layer_table=layers), models=[model])
    assert [row.sides[0].facts.macs for row in table.rows if row.sides[0]] == [None, 20]


def test_a_layer_that_one_side_has_alone_changes_by_all_of_its_time() -> None:
    first = fake_benchmark(3)
    second = replace(first, model_sha256="1" * 64, layer_table=first.layer_table[:2])
    frame = layer_table(first, second).frame().set_index("name")
    gone = first.layer_table[2]
    assert frame.loc[gone.source, "mean_ms_change"] == pytest.approx(-gone.mean_ms)
    assert frame.loc[first.layer_table[0].source, "mean_ms_change"] == 0
