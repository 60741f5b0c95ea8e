"""ONNX's own backend tests: imported and computed in torch, and a sample of them compiled and run in LiteRT.

``benchmarks/onnx_conformance.py --write`` writes the list of known failures, and which cases it has compiled: samples
to compile are drawn among those. The list may only shrink: a case on it that passes fails the test.
"""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("litert_torch")

from embedl_nb.runtime.process import Child
from embedl_nb.testing.onnx import eager
from embedl_nb.testing.onnx.cases import KINDS, NETWORK_KINDS, Case, load_cases
from embedl_nb.testing.onnx.child import MODULE
from embedl_nb.testing.onnx.freezing import frozen
from embedl_nb.testing.onnx.storing import store_case

pytestmark = [pytest.mark.torch, pytest.mark.litert]

SMALL_NETWORKS = ("light_squeezenet", "light_shufflenet")
NUM_EAGER, NUM_COMPILED, NUM_COMPILED_SLOWLY = 120, 6, 70
LIMIT_S = 900.0


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [case for case in load_cases(KINDS) if not case.category]


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "onnx_known_failures.json").read_text())
    return found


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with Child(MODULE, what="the process of a case") as started:
        yield started


def key(case: Case) -> str:
    return f"{case.kind}/{case.name}"


def drawn(cases: Iterable[Case], number: int, seed: int) -> list[Case]:
    small = [case for case in cases if case.kind != "light"]
    return random.Random(seed).sample(small, number)


def eager_failures(cases: Iterable[Case]) -> dict[str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcomes = {key(case): eager.failure(frozen(case)) for case in cases}
    return {name: said for name, said in outcomes.items() if said}


def compiled_failures(cases: Iterable[Case], child: Child, folder: Path) -> dict[str, str]:
    outcomes = {}
    for case in cases:
        payload = {"folder": str(store_case(case, folder)), "level": "compiled"}
        outcomes[key(case)] = child.request("run", payload, timeout_s=LIMIT_S)["failure"]
    return {name: said for name, said in outcomes.items() if said}


def must_be(failures: dict[str, str], known: dict[str, str], tried: Iterable[Case]) -> None:
    assert {name: said for name, said in failures.items() if name not in known} == {}, "these passed before"
    assert sorted({key(case) for case in tried} & known.keys() - failures.keys()) == [], "take these off the list"


def test_every_network_of_onnx_computes_the_same_in_torch(cases: list[Case], known: dict[str, Any]) -> None:
    networks = [case for case in cases if case.kind in (*NETWORK_KINDS[1:], "simple") or case.name in SMALL_NETWORKS]
    must_be(eager_failures(networks), known["eager"], networks)


def test_a_sample_of_onnx_operators_computes_the_same_in_torch(cases: list[Case], known: dict[str, Any]) -> None:
    sample = drawn((case for case in cases if case.kind == "node"), NUM_EAGER, seed=0)
    must_be(eager_failures(sample), known["eager"], sample)


@pytest.mark.slow
def test_every_operator_of_onnx_computes_the_same_in_torch(cases: list[Case], known: dict[str, Any]) -> None:
    nodes = [case for case in cases if case.kind == "node"]
    must_be(eager_failures(nodes), known["eager"], nodes)


def test_a_sample_of_onnx_tests_runs_in_litert(
    cases: list[Case], known: dict[str, Any], child: Child, tmp_path: Path
) -> None:
    sample = drawn((case for case in cases if key(case) in known["was_compiled"]), NUM_COMPILED, seed=1)
    must_be(compiled_failures(sample, child, tmp_path), known["compiled"], sample)


@pytest.mark.slow
def test_a_larger_sample_of_onnx_tests_runs_in_litert(
    cases: list[Case], known: dict[str, Any], child: Child, tmp_path: Path
) -> None:
    sample = drawn((case for case in cases if key(case) in known["was_compiled"]), NUM_COMPILED_SLOWLY, seed=2)
    sample += [case for case in cases if case.name in SMALL_NETWORKS]
    must_be(compiled_failures(sample, child, tmp_path), known["compiled"], sample)


def test_each_case_has_a_name_of_its_own_and_something_to_compare_with(cases: list[Case]) -> None:
    assert len(cases) > 1500
    assert len({key(case) for case in cases}) == len(cases)
    assert all(case.expected for case in cases)


def test_what_cannot_be_asked_is_told_apart_by_what_the_graph_holds() -> None:
    every = load_cases(("simple",))
    by_category: dict[str, set[str]] = {}
    for case in every:
        by_category.setdefault(case.category, set()).add(case.name)
    assert {"test_sign_model", "test_shrink", "test_single_relu_model"} <= by_category[""]
    assert {"test_gradient_of_add", "test_gradient_of_add_and_mul"} == by_category["training"]
    assert "test_sequence_model1" in by_category["sequences, optionals and sparse tensors"]
    assert "test_strnorm_model_monday_empty_output" in by_category["strings"]
