"""Recipes are data: named, overridden, saved and read back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from embedl_nb.errors import RecipeError, SchemaTooNewError, UnknownNameError
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.quantizer.recipe import RangeMethod, Recipe, Rounding, scope_regex
from embedl_nb.quantizer.recipes import RECIPE_NAMES, SHORT_FORMS, resolve_recipe, rules_of
from embedl_nb.testing import models


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_every_offered_name_resolves_under_its_own_name(name: str) -> None:
    recipe = resolve_recipe(name)
    assert recipe.name == name
    assert recipe.full_rules == rules_of(name)


@pytest.mark.parametrize(("short", "name"), SHORT_FORMS.items())
def test_a_short_form_is_the_recipe_it_stands_for(short: str, name: str) -> None:
    assert resolve_recipe(short) == resolve_recipe(name)


@pytest.mark.parametrize(
    ("name", "weights", "activations", "granularity"),
    [
        ("static_wi8_ai8", 8, (8, False), "CHANNELWISE"),
        ("static_wi4_ai16", 4, (16, True), "CHANNELWISE"),
        ("dynamic_wi4b32_afp32", 4, None, "BLOCKWISE_32"),
        ("weight_only_wi8c_afp32", 8, None, "CHANNELWISE"),
    ],
)
def test_a_name_says_bits_and_granularity(
    name: str, weights: int, activations: tuple[int, bool] | None, granularity: str
) -> None:
    (rule,) = rules_of(name) or []
    config = rule["op_config"]
    assert config["weight_tensor_config"]["num_bits"] == weights
    assert config["weight_tensor_config"]["granularity"] == granularity
    given = config.get("activation_tensor_config")
    assert (given and (given["num_bits"], given["symmetric"])) == activations


@pytest.mark.parametrize("name", ["static_wi8_afp32", "dynamic_wi8_ai8", "static_wi3_ai8", "dynamic_legacy_wi4_afp32"])
def test_a_name_against_the_grammar_has_no_rules(name: str) -> None:
    assert rules_of(name) is None


@pytest.mark.parametrize(("name", "needs"), [("int8", True), ("int16", True), ("dynamic", False), ("fp16", False)])
def test_only_static_recipes_need_samples(name: str, needs: bool) -> None:
    assert resolve_recipe(name).needs_calibration is needs


def test_what_learns_from_samples_needs_them_also_with_a_dynamic_recipe() -> None:
    recipe = Recipe(name="custom", rules=tuple(rules_of("float16") or ()), is_bias_corrected=True)
    assert recipe.needs_calibration


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(
        name="auto",
        rules=tuple(rules_of("static_wi8_ai8") or ()),
        ranges=RangeMethod.MSE,
        is_equalized=True,
        rounding=Rounding.LEAST_SQUARES,
        is_bias_corrected=True,
        kept_float=("a;1", "b"),
        num_samples=100,
        seed=3,
    )
    assert Recipe.from_record(json.loads(json.dumps(recipe.to_record()))) == recipe
    assert resolve_recipe(recipe.to_record()) == recipe
    assert recipe.sentence == (
        "auto, mse ranges, equalized, least-squares rounding, bias corrected, some operators kept in float, "
        "calibrated with 100 samples, seed 3"
    )


def test_changing_the_rules_handed_out_does_not_change_the_recipe() -> None:
    recipe = resolve_recipe("int8")
    recipe.full_rules[0]["op_config"]["compute_precision"] = "FLOAT"
    recipe.to_record()["rules"][0]["op_config"]["compute_precision"] = "FLOAT"
    assert recipe == resolve_recipe("int8")


def test_a_record_of_a_newer_version_is_refused() -> None:
    record = resolve_recipe("int8").to_record() | {"schema_version": 99}
    with pytest.raises(SchemaTooNewError, match="99"):
        Recipe.from_record(record)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"rules": []},
        {"rules": [{}]},
        {"rules": [3]},
        {"rules": 3},
        {"rules": rules_of("float16"), "ranges": "widest"},
        {"rules": rules_of("float16"), "colour": "red"},
        {"rules": [{"regex": "(", "operation": "*", "algorithm_key": "no_quantize"}]},
        {"rules": [{"regex": ".*", "operation": "*", "algorithm_key": "min_max_uniform_quantize"}]},
    ],
)
def test_what_is_no_recipe_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Recipe.from_record(record)


def test_a_file_may_hold_rules_or_a_record(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(rules_of("float16")))
    (tmp_path / "kept.json").write_text(json.dumps(resolve_recipe("int8").to_record()))
    mine = resolve_recipe(tmp_path / "mine.json")
    assert (mine.name, mine.full_rules) == ("mine", rules_of("float16"))
    assert resolve_recipe(str(tmp_path / "kept.json")) == resolve_recipe("int8")


@pytest.mark.parametrize("content", [None, "not json", "3", '"int8"', "[]", '[{"regex": 1}]'])
def test_a_file_that_holds_no_recipe_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "mine.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RecipeError, match=re.escape(str(path))):
        resolve_recipe(path)


def test_what_is_kept_in_float_becomes_the_last_rule() -> None:
    recipe = resolve_recipe("int8").with_float(["a"]).with_float(["b.c", "a"])
    assert recipe.kept_float == ("a", "b.c")
    last = recipe.full_rules[-1]
    assert last["algorithm_key"] == "no_quantize"
    scopes = ("a;", "b.c;", "bxc;", "x;a;", "a;1;", "a;;b.c;")
    assert [bool(re.search(last["regex"], scope)) for scope in scopes] == [True, True, False, False, False, False]


def test_a_name_full_of_signs_is_taken_literally() -> None:
    name = "m.0|Conv2d;;a+b(c)[d]*;2"
    assert re.search(scope_regex([name]), f"{name};")
    assert not re.search(scope_regex([name]), "m.0|Conv2d;;aab(c)[d]*;2;")


def test_an_operator_type_is_overridden() -> None:
    recipe = resolve_recipe("int8", {"FULLY_CONNECTED": "float", "TRANSPOSE_CONV": "int16"})
    base, dense, transposed = recipe.rules
    assert base == (rules_of("static_wi8_ai8") or [])[0]
    assert (dense["operation"], dense["algorithm_key"]) == ("FULLY_CONNECTED", "no_quantize")
    assert transposed["operation"] == "CONV_2D_TRANSPOSE"
    assert transposed["op_config"]["activation_tensor_config"]["num_bits"] == 16
    assert recipe.name == "static_wi8_ai8 with overrides"


def test_a_module_pattern_means_the_operators_that_come_from_it() -> None:
    graph = read_model(models.chain(12))
    recipe = resolve_recipe("int8", {"layers.1?": "float"}, graph=graph)
    scopes = [f"{graph.main.tensors[operator.outputs[0]].name};" for operator in graph.main.operators]
    assert [bool(re.search(recipe.rules[-1]["regex"], scope)) for scope in scopes] == [False] * 10 + [True] * 2


def test_an_override_that_fits_nothing_names_close_matches() -> None:
    graph = read_model(models.chain(3))
    with pytest.raises(UnknownNameError) as module:
        resolve_recipe("int8", {"layer.1": "float"}, graph=graph)
    assert "layers.1" in module.value.candidates
    with pytest.raises(UnknownNameError) as kind:
        resolve_recipe("int8", {"TANHH": "float"}, graph=graph)
    assert kind.value.candidates == ("TANH",)


def test_a_module_pattern_without_a_model_is_refused() -> None:
    with pytest.raises(RecipeError, match="no model"):
        resolve_recipe("int8", {"layers.*": "float"})


@pytest.mark.parametrize("algorithm", ["GPTQ", "OSCAR"])
def test_an_algorithm_that_would_quietly_round_to_nearest_is_refused(algorithm: str) -> None:
    rules = [rule | {"algorithm_key": algorithm} for rule in rules_of("static_wi8_ai8") or []]
    with pytest.raises(RecipeError, match=algorithm):
        resolve_recipe(rules)


@pytest.mark.parametrize("recipe", [3, None, 2.5])
def test_something_else_than_a_recipe_is_refused(recipe: Any) -> None:
    with pytest.raises(RecipeError, match=type(recipe).__name__):
        resolve_recipe(recipe)
