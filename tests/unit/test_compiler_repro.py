"""A piece of a program as text: what is cut, what goes in, and that it is plain Python."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from embedl_nb.compiler.explaining.repro import Ending, Listing, NotCuttableError, write_script

FLOAT = {"dtype": "float32", "shape": [2, 4]}


def _line(name: str, operator: str, *uses: str, value: Any = FLOAT, code: str | None = None) -> dict[str, Any]:
    arguments = ", ".join(f"${{{used}}}" for used in uses)
    return {
        "name": name,
        "operator": operator,
        "code": f"torch.ops.{operator}.default({arguments})" if code is None else code,
        "uses": list(uses),
        "value": value,
        "place": f"module {name!r}",
        "origin": name,
    }


def _listing(*lines: dict[str, Any], **given: Any) -> Listing:
    inputs = given or {"x": {"is_constant": False, "value": FLOAT}}
    return Listing.from_json({"lines": list(lines), "given": inputs})


CHAIN = _listing(
    _line("lin", "aten.linear", "x", "weight"),
    _line("relu", "aten.relu", "lin"),
    _line("pair", "aten.max", "relu", value=None),
    _line("values", "getitem", "pair", code="${pair}[0]"),
    _line("out", "aten.exp", "values"),
    x={"is_constant": False, "value": FLOAT},
    weight={"is_constant": True, "value": {"dtype": "float32", "shape": [4, 4]}},
)


def _script(listing: Listing, *positions: int, ending: Ending = Ending.CONVERT) -> str:
    units = listing.units()
    script = write_script(listing, [units[index] for index in positions], title="it fails", ending=ending)
    ast.parse(script)
    return script


def test_an_operator_that_returns_several_stays_with_what_takes_them_apart() -> None:
    assert [[line.name for line in unit] for unit in CHAIN.units()] == [["lin"], ["relu"], ["pair", "values"], ["out"]]


def test_weights_are_random_buffers_and_values_from_before_are_inputs() -> None:
    script = _script(CHAIN, 0)
    assert "self.register_buffer('weight', torch.rand(4, 4))" in script
    assert "def forward(self, x):" in script
    assert "lin = torch.ops.aten.linear.default(x, self.weight)" in script
    assert "inputs = (torch.randn(2, 4),)" in script


def test_a_piece_from_the_middle_takes_what_it_reads() -> None:
    script = _script(CHAIN, 2, 3)
    assert "def forward(self, relu):" in script
    assert "return (out,)" in script


def test_parts_that_do_not_follow_each_other_make_a_piece_too() -> None:
    script = _script(CHAIN, 0, 3)
    assert "def forward(self, x, values):" in script
    assert "return (lin, out,)" in script


@pytest.mark.parametrize("ending", list(Ending))
def test_a_script_is_about_twenty_lines_and_says_the_versions(ending: Ending) -> None:
    script = _script(CHAIN, 0, 1, ending=ending)
    assert 18 <= len(script.splitlines()) <= 34
    assert "torch " in script.partition("Seen with ")[2]


def test_a_script_that_compiles_names_embedl_nb_alone_and_only_compiles_when_it_is_run() -> None:
    script = _script(CHAIN, 0, ending=Ending.COMPILE)
    assert "Seen with embedl-nb " in script
    assert "import litert_torch" not in script
    assert script.endswith('if __name__ == "__main__":\n    enb.compile(piece, inputs)\n')


def test_a_script_that_runs_gives_32_bit_numbers_and_compares() -> None:
    indices = {"is_constant": False, "value": {"dtype": "int64", "shape": [3]}}
    listing = _listing(_line("out", "aten.neg", "i"), i=indices)
    script = _script(listing, 0, ending=Ending.CONVERT_AND_RUN)
    assert "inputs = (torch.zeros((3,), dtype=torch.int64),)" in script
    assert "use_compiled_runtime()(inputs[0].int())" in script
    assert "assert_close" in script


def test_a_constant_becomes_the_input_where_there_is_no_other() -> None:
    listing = _listing(_line("out", "aten.neg", "w"), w={"is_constant": True, "value": FLOAT})
    assert "def forward(self, w):" in _script(listing, 0)


def test_a_number_from_before_is_written_in() -> None:
    listing = _listing(_line("size", "aten.sym_size", "x", value={"number": 7}), _line("out", "aten.mul", "x", "size"))
    assert "torch.ops.aten.mul.default(x, 7)" in _script(listing, 1)


@pytest.mark.parametrize(
    "line",
    [
        _line("out", "aten.exp", "unknown"),
        _line("out", "aten.arange", value=FLOAT),
        _line("out", "aten.sym_size", "x", value={"number": 1}),
        _line("out!", "aten.exp", "x"),
    ],
    ids=["reads something that is no tensor", "reads nothing", "returns no tensor", "has no name"],
)
def test_what_makes_no_module_is_not_cut(line: dict[str, Any]) -> None:
    listing = _listing(line)
    with pytest.raises(NotCuttableError):
        write_script(listing, listing.units(), title="", ending=Ending.CONVERT)


def test_a_shape_that_nobody_knows_is_no_input() -> None:
    open_ended = {"dtype": "float32", "shape": None}
    listing = _listing(_line("found", "aten.nonzero", "x", value=open_ended), _line("out", "aten.exp", "found"))
    assert "return (found,)" in _script(listing, 0)
    with pytest.raises(NotCuttableError):
        _script(listing, 1)


def test_subgraphs_are_left_out() -> None:
    listing = _listing(_line("branch", "cond", "x", code=""), _line("out", "aten.exp", "branch"))
    assert [unit[0].name for unit in listing.units()] == ["out"]


def test_names_that_mean_something_else_are_changed() -> None:
    listing = _listing(_line("torch", "aten.exp", "x"), _line("out", "aten.neg", "torch"))
    assert "torch_ = torch.ops.aten.exp.default(x)" in _script(listing, 0, 1)


def test_a_title_cannot_end_the_docstring() -> None:
    listing = _listing(_line("out", "aten.exp", "x"))
    script = write_script(listing, listing.units(), title='"""\nimport os\n\\', ending=Ending.CONVERT)
    tree = ast.parse(script)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import) and node.names[0].name == "os"]
