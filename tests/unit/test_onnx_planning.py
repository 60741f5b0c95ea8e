"""What is left of a graph once everything that is known beforehand has been computed, and which graphs are refused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from embedl_nb.compiler.onnx import control  # noqa: E402
from embedl_nb.compiler.onnx.dtypes import computed_tensor  # noqa: E402
from embedl_nb.compiler.onnx.module import module_of, node_names  # noqa: E402
from embedl_nb.compiler.onnx.planning import plan_of  # noqa: E402
from embedl_nb.compiler.sources.from_onnx import take_onnx  # noqa: E402
from embedl_nb.errors import (  # noqa: E402
    CompileError,
    EmbedlError,
    InputError,
    SignatureMismatchError,
    UnknownNameError,
    UnsupportedOperatorError,
)

pytestmark = pytest.mark.torch

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
RNG = np.random.default_rng(0)


def info(name: str, shape: Any = (2, 3), dtype: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, dtype, shape)


def const(name: str, value: Any, dtype: Any = np.float32) -> Any:
    return numpy_helper.from_array(np.asarray(value, dtype), name)


def model(
    *nodes: Any, inputs: Any = None, outputs: Any = ("y",), constants: Any = (), opset: int = 17, **more: Any
) -> Any:
    graph = helper.make_graph(
        list(nodes), "net", inputs or [info("x")], [info(name, None) for name in outputs], list(constants)
    )
    domains = [helper.make_opsetid("", 17), *more.pop("domains", ())]
    return helper.make_model(graph, opset_imports=domains, **more)


node = helper.make_node


def run(proto: Any, *values: Any, **options: Any) -> tuple[list[Any], list[str]]:
    """Return a model's outputs, and the operators that were left to compute."""
    source = take_onnx(proto, tuple(values), options.get("input_shapes"))
    tensors = [computed_tensor(tensor) for tensor in source.samples.first.tensors]
    plan = plan_of(source.model, [(tuple(tensor.shape), tensor.dtype) for tensor in tensors])
    with torch.no_grad():
        outputs = module_of(plan)(*tensors)
    return [output.numpy() for output in outputs], [step.call.operator for step in plan.steps]


X = RNG.standard_normal((2, 3)).astype(np.float32)


def test_shape_arithmetic_is_computed_beforehand() -> None:
    proto = model(
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["rows"]),
        node("Unsqueeze", ["rows", "first"], ["r"]),
        node("Concat", ["r", "minus"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["y"]),
        inputs=[info("x", ("N", 3, 4))],
        constants=[const("zero", 0, np.int64), const("first", [0], np.int64), const("minus", [-1], np.int64)],
    )
    (output,), operators = run(proto, RNG.standard_normal((2, 3, 4)).astype(np.float32))
    assert output.shape == (2, 12)
    assert operators == ["Reshape"]


def test_nodes_that_nothing_needs_are_left_out() -> None:
    _, operators = run(model(node("Exp", ["x"], ["unused"]), node("Abs", ["x"], ["y"])), X)
    assert operators == ["Abs"]


def test_nodes_in_any_order_are_sorted() -> None:
    proto = model(node("Abs", ["b"], ["y"]), node("Exp", ["a"], ["b"]), node("Neg", ["x"], ["a"]))
    (output,), operators = run(proto, X)
    assert operators == ["Neg", "Exp", "Abs"]
    assert np.allclose(output, np.exp(-X))


def test_outputs_may_be_inputs_and_constants() -> None:
    proto = model(node("Identity", ["x"], ["same"]), outputs=("same", "w", "x"), constants=[const("w", [1.0, 2.0])])
    outputs, operators = run(proto, X)
    assert operators == []
    assert all(np.array_equal(*pair) for pair in zip(outputs, (X, [1.0, 2.0], X), strict=True))


def test_nodes_without_names_are_called_after_what_they_make() -> None:
    source = take_onnx(model(node("Abs", ["x"], ["h"]), node("Exp", ["h"], ["y"], name="a/b.c|d")), X, None)
    assert node_names(plan_of(source.model, [((2, 3), torch.float32)])) == {"n0": "h", "n1": "a/b.c|d"}


def test_weights_that_several_nodes_share_are_kept_once() -> None:
    proto = model(node("Mul", ["x", "w"], ["h"]), node("Add", ["h", "w"], ["y"]), constants=[const("w", X)])
    source = take_onnx(proto, X, None)
    assert len(list(module_of(plan_of(source.model, [((2, 3), torch.float32)])).buffers())) == 1


def branch(operator: str, name: str) -> Any:
    return helper.make_graph([node(operator, ["x"], [name])], name, [], [info(name)])


@pytest.mark.parametrize(("value", "expected"), [(True, "Exp"), (False, "Neg")])
def test_a_branch_that_is_known_stands_in_the_place_of_its_if(value: bool, expected: str) -> None:
    choose = node("If", ["c"], ["y"], then_branch=branch("Exp", "t"), else_branch=branch("Neg", "e"))
    _, operators = run(model(choose, constants=[const("c", value, np.bool_)]), X)
    assert operators == [expected]


@pytest.mark.parametrize("value", [True, False])
def test_where_the_inputs_decide_both_branches_are_computed_and_one_is_chosen(value: bool) -> None:
    choose = node("If", ["c"], ["y"], then_branch=branch("Exp", "t"), else_branch=branch("Neg", "e"))
    (output,), operators = run(model(choose, inputs=[info("x"), info("c", (), BOOL)]), X, np.asarray(value))
    assert operators == ["Exp", "Neg", "If"]
    assert np.allclose(output, np.exp(X) if value else -X)


def test_branches_of_different_shapes_cannot_be_chosen_between() -> None:
    wide = helper.make_graph([node("Concat", ["x", "x"], ["t"], axis=0)], "t", [], [info("t")])
    choose = node("If", ["c"], ["y"], name="pick", then_branch=wide, else_branch=branch("Neg", "e"))
    with pytest.raises(UnsupportedOperatorError, match=r"node 'pick' \(If\).*\(4, 3\).*\(2, 3\)") as caught:
        run(model(choose, inputs=[info("x"), info("c", (), BOOL)]), X, np.asarray(True))
    assert caught.value.operators == ("If",)


def loop(*, extra: Any = ()) -> Any:
    """Return a body that adds x, which it captures, and the round's number to what it carries."""
    nodes = [
        node("Cast", ["i"], ["number"], to=FLOAT),
        node("Add", ["a", "number"], ["b"]),
        node("Add", ["b", "x"], ["a_out"]),
        node("Identity", ["a_out"], ["row"]),
        *(extra or [node("Identity", ["go"], ["go_out"])]),
    ]
    inputs = [info("i", (), INT64), info("go", (), BOOL), info("a")]
    return helper.make_graph(nodes, "body", inputs, [info("go_out", (), BOOL), info("a_out"), info("row")])


def test_a_loop_of_known_length_is_unrolled() -> None:
    proto = model(
        node("Loop", ["m", "", "x"], ["y", "rows"], body=loop()),
        outputs=("y", "rows"),
        constants=[const("m", 3, np.int64)],
    )
    (last, rows), _ = run(proto, X)
    assert np.allclose(rows, [2 * X, 3 * X + 1, 4 * X + 3], atol=1e-5)
    assert np.allclose(last, rows[-1])


def test_a_loop_ends_where_its_condition_says_so() -> None:
    stop = [node("Less", ["i", "one"], ["go_out"])]
    proto = model(
        node("Loop", ["m", "", "x"], ["y", "rows"], body=loop(extra=stop)),
        outputs=("rows",),
        constants=[const("m", 9, np.int64), const("one", 1, np.int64)],
    )
    (rows,), _ = run(proto, X)
    assert rows.shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("constants", "inputs", "said"),
    [
        ((), [info("x"), info("m", (), INT64)], "decide how often it runs"),
        ([const("m", 10**9, np.int64)], [info("x")], "more than 10 times"),
    ],
)
def test_a_loop_that_cannot_be_written_out_is_refused(
    constants: Any, inputs: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_MOST_ROUNDS", 10)
    proto = model(node("Loop", ["m", "", "x"], ["y", "r"], name="lp", body=loop()), inputs=inputs, constants=constants)
    with pytest.raises(UnsupportedOperatorError, match=rf"node 'lp' \(Loop\).*{said}"):
        run(proto, *[X, np.asarray(3)][: len(inputs)])


def test_a_scan_runs_once_for_each_slice() -> None:
    body = helper.make_graph(
        [node("Add", ["s", "v"], ["s_out"]), node("Identity", ["s_out"], ["o"])],
        "body",
        [info("s", (3,)), info("v", (3,))],
        [info("s_out", (3,)), info("o", (3,))],
    )
    scan = node("Scan", ["s0", "x"], ["last", "y"], body=body, num_scan_inputs=1, scan_input_directions=[1])
    (output,), _ = run(model(scan, constants=[const("s0", [0.0, 0.0, 0.0])]), X)
    assert np.allclose(output, [X[1], X[1] + X[0]])


def test_a_function_of_the_model_is_put_in_place_with_its_attributes() -> None:
    body = helper.make_function(
        "mine",
        "Scaled",
        ["v"],
        ["r"],
        [
            node("Constant", [], ["k"]),
            node("Mul", ["v", "k"], ["r"], name="times"),
        ],
        [helper.make_opsetid("", 17)],
        attributes=["factor"],
    )
    body.node[0].attribute.add(name="value_float", ref_attr_name="factor", type=onnx.AttributeProto.FLOAT)
    proto = model(
        node("Scaled", ["x"], ["y"], domain="mine", name="outer", factor=3.0),
        domains=[helper.make_opsetid("mine", 1)],
        functions=[body],
    )
    (output,), operators = run(proto, X)
    assert np.allclose(output, 3 * X)
    assert operators == ["Mul"]
    source = take_onnx(proto, X, None)
    assert node_names(plan_of(source.model, [((2, 3), torch.float32)])) == {"n0": "outer/times"}


def test_a_function_that_calls_itself_is_refused() -> None:
    body = helper.make_function(
        "mine", "Again", ["v"], ["r"], [node("Again", ["v"], ["r"], domain="mine")], [helper.make_opsetid("mine", 1)]
    )
    proto = model(
        node("Again", ["x"], ["y"], domain="mine"), domains=[helper.make_opsetid("mine", 1)], functions=[body]
    )
    with pytest.raises(InputError, match="one calls itself"):
        run(proto, X)


def test_an_operator_without_a_counterpart_is_named_with_its_node_shapes_and_fellows() -> None:
    proto = model(
        node("Odd", ["x"], ["h"], domain="com.acme", name="odd one"),
        node("Odder", ["h"], ["y"], domain="com.acme"),
        domains=[helper.make_opsetid("com.acme", 2)],
    )
    with pytest.raises(UnsupportedOperatorError) as caught:
        run(proto, X)
    assert caught.value.operators == ("com.acme.Odd", "com.acme.Odder")
    assert "node 'odd one' (com.acme.Odd)" in str(caught.value)
    assert "float32 (2, 3)" in str(caught.value)


def test_a_value_that_must_be_known_and_is_not_names_node_and_input() -> None:
    proto = model(node("Reshape", ["x", "s"], ["y"], name="r"), inputs=[info("x"), info("s", (2,), INT64)])
    with pytest.raises(UnsupportedOperatorError, match=r"node 'r' \(Reshape\).*input 1 .*int64 \(2\)"):
        run(proto, X, np.array([3, 2]))


def test_a_node_that_is_called_what_its_error_quotes_is_named_like_any_other() -> None:
    proto = model(
        node("Pad", ["x", "pads"], ["y"], mode="mirror", name="mirror"), constants=[const("pads", [0] * 4, np.int64)]
    )
    with pytest.raises(UnsupportedOperatorError, match=r"^node 'mirror' \(Pad\): mode 'mirror'"):
        run(proto, np.ones((2, 3), np.float32))


def test_a_node_without_what_onnx_defines_its_operator_by_is_named() -> None:
    proto = model(node("SequenceMap", ["x"], ["y"], name="each"))  # its body is missing
    with pytest.raises(InputError, match=r"node 'each' \(SequenceMap\) makes no sense to ONNX: .*body") as caught:
        run(proto, np.ones((2, 3), np.float32))
    assert "export it again" in caught.value.hint


def test_a_node_that_fails_on_its_inputs_is_named() -> None:
    proto = model(node("MatMul", ["x", "w"], ["y"], name="mm"), constants=[const("w", np.ones((5, 2)))])
    with pytest.raises(CompileError, match=r"'mm'.*float32 \(2, 3\), float32 \(5, 2\)"):
        run(proto, X)


def test_a_constant_without_elements_is_exported(tmp_path: Path) -> None:
    nodes = [node("Expand", ["k", "sizes"], ["none"]), node("Concat", ["none", "x"], ["y"], axis=1)]
    constants = [const("k", np.ones((1, 1))), const("sizes", [2, 0], np.int64)]
    source = take_onnx(model(*nodes, constants=constants), X, None)
    assert source.export(tmp_path)["output_names"] == ["y"]


@pytest.mark.parametrize(
    ("operator", "inputs", "said"),
    [
        (
            "Add",
            ["x"],
            r"node 'n' \(Add\): input 1 is left out; Add needs 2 in opset 17; its inputs are float32 \(2, 3\)",
        ),
        ("Gather", ["x", "", "x"], r"Gather takes at most 2"),
        ("Where", ["", "x", "x"], r"node 'n' \(Where\): input 0 is left out; Where needs 3"),
        ("Concat", [], r"node 'n' \(Concat\): input 0 is left out; Concat needs 1"),
    ],
)
def test_a_node_that_lacks_an_input_says_which(operator: str, inputs: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        run(model(node(operator, inputs, ["y"], name="n")), X)


def test_a_known_value_stays_known_where_only_the_type_of_another_counts() -> None:
    nodes = [node("CastLike", ["k", "x"], ["c"]), node("Neg", ["c"], ["d"]), node("Add", ["x", "d"], ["y"])]
    outputs, operators = run(model(*nodes, constants=[const("k", [1, 2, 3], np.int64)]), X)
    assert operators == ["Add"]
    assert np.array_equal(outputs[0], X - np.array([1, 2, 3], np.float32))


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([node("Add", ["x", "b"], ["a"], name="p"), node("Exp", ["a"], ["b"], name="q")], "circle: 'p', 'q'"),
        ([node("Add", ["x", "gone"], ["y"], name="p")], r"node 'p' \(Add\) takes 'gone'"),
        ([node("Exp", ["x"], ["z"])], "the graph's outputs need 'y'"),
        ([node("Exp", ["x"], ["y"]), node("Abs", ["x"], ["y"])], "two values of the graph have the name 'y'"),
    ],
)
def test_a_graph_that_makes_no_sense_is_refused(nodes: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        run(model(*nodes), X)


def test_a_constant_of_enormous_size_is_refused_before_it_is_made() -> None:
    proto = model(
        node("ConstantOfShape", ["s"], ["h"], name="big"),
        node("Add", ["x", "h"], ["y"]),
        constants=[const("s", [10**6, 10**6], np.int64)],
    )
    with pytest.raises(CompileError, match=r"node 'big'.*2 GiB"):
        run(proto, X)


def test_an_output_of_enormous_size_is_refused_before_anything_computes_it() -> None:
    sizes = const("sizes", [1, 3, 10**6, 10**6], np.int64)
    proto = model(
        node("Resize", ["x", "", "", "sizes"], ["y"], name="up"), inputs=[info("x", (1, 3, 8, 8))], constants=[sizes]
    )
    with pytest.raises(CompileError, match=r"node 'up' \(Resize\): its output has 3e\+12 elements"):
        run(proto, np.ones((1, 3, 8, 8), np.float32))


def test_doubles_and_halves_are_computed_in_float32() -> None:
    proto = model(
        node("Add", ["x", "w"], ["h"]),
        node("Cast", ["h"], ["y"], to=TensorProto.FLOAT16),
        inputs=[info("x", (2, 3), TensorProto.DOUBLE)],
        constants=[const("w", X, np.float64)],
    )
    (output,), _ = run(proto, X.astype(np.float64))
    assert output.dtype == np.float32
    notes = take_onnx(proto, X.astype(np.float64), None).notes()
    assert any("float16 and float64 are computed in float32" in note for note in notes)


def open_model() -> Any:
    return model(node("Add", ["x", "z"], ["y"]), inputs=[info("x", ("N", 3)), info("z", ("N", None))])


def test_an_open_dimension_is_named_and_the_argument_is_shown() -> None:
    with pytest.raises(InputError, match=r"dimension 'N' .* of input x float32 \(N, 3\)") as caught:
        take_onnx(open_model(), None, None)
    assert "input_shapes={'x': (1, 3)}" in caught.value.hint


def test_shapes_of_some_inputs_fix_the_named_dimensions_of_others() -> None:
    source = take_onnx(
        model(node("Add", ["x", "z"], ["y"]), inputs=[info("x", ("N", 3)), info("z", ("N", 1))]), None, {"x": (4, 3)}
    )
    assert source.samples.describe() == "x float32 (4, 3), z float32 (4, 1)"
    assert source.samples.is_made_up


def test_what_is_taken_from_the_samples_is_said() -> None:
    assert take_onnx(open_model(), (X, X), None).notes() == (
        "open dimensions have the sizes of the example inputs: N=2, dimension 1 of z=3",
    )


@pytest.mark.parametrize(
    ("inputs", "shapes", "error", "said"),
    [
        (None, {"w": (1,)}, UnknownNameError, "unknown input 'w'"),
        (None, {"x": (4, 5)}, SignatureMismatchError, r"\(4, 5\) does not fit the declared x float32 \(N, 3\)"),
        (None, {"x": (4, 3), "z": (5, 3)}, SignatureMismatchError, "'N' to 4 and, in 'z', to 5"),
        (None, {"x": "?"}, InputError, "is no shape"),
        (None, [1, 2], InputError, "is no dict"),
        ((X,), None, SignatureMismatchError, "1 inputs were given, and the model takes 2"),
        ({"x": X}, None, SignatureMismatchError, "the model also needs 'z'"),
        ({"x": X, "z": X, "q": X}, None, SignatureMismatchError, "no input 'q'"),
        ((X, X[:1]), None, SignatureMismatchError, "the dimension 'N' is 2 and, in input 'z', 1"),
        ((X, X.astype(int)), None, SignatureMismatchError, "'z' is int64; the graph declares float32"),
        ((X[:, :2], X), None, SignatureMismatchError, r"'x' has the shape \(2, 2\)"),
        ((X, "text"), None, InputError, "'z' is a str, which is no array"),
        ([(X, X), (X[:1], X[:1])], None, SignatureMismatchError, "'N' is 2 and, in input 'x', 1"),
        ([], None, InputError, "empty list"),
    ],
)
def test_samples_and_shapes_that_do_not_fit_are_named(inputs: Any, shapes: Any, error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        take_onnx(open_model(), inputs, shapes)


def test_a_random_sample_has_the_declared_dtypes() -> None:
    kinds = [FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, INT64, BOOL, TensorProto.UINT8]
    inputs = [info(f"x{kind}", (2,), kind) for kind in kinds]
    source = take_onnx(model(node("Abs", ["x1"], ["y"]), inputs=inputs), None, None)
    dtypes = [str(tensor.dtype) for tensor in source.samples.first.tensors]
    assert dtypes == ["torch.float32", "torch.float16", "torch.float64", "torch.int64", "torch.bool", "torch.uint8"]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Return ``data`` cut off, or with some bits turned or bytes lost."""
    if rng.random() < 0.2:
        return data[: rng.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        position = rng.randrange(len(changed))
        if rng.random() < 0.2:
            del changed[position]
        else:
            changed[position] ^= 1 << rng.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_planned_or_refused_and_nothing_else(seed: int, tmp_path: Path) -> None:
    body = loop()
    proto = model(
        node("Conv", ["x", "w"], ["h"], name="conv", kernel_shape=[1, 1], pads=[0, 0, 0, 0]),
        node("Relu", ["h"], ["r"]),
        node("Flatten", ["r"], ["f"]),
        node("Gemm", ["f", "g"], ["y"], transB=1),
        node("If", ["c"], ["z"], then_branch=branch("Exp", "t"), else_branch=branch("Neg", "e")),
        node("Loop", ["m", "", "x"], ["l", "rows"], body=body),
        inputs=[info("x", (1, 3, 2, 2))],
        outputs=("y", "z", "l"),
        constants=[
            const("w", np.ones((4, 3, 1, 1))),
            const("g", np.ones((2, 16))),
            const("c", True, np.bool_),
            const("m", 2, np.int64),
        ],
    )
    data, rng, path = proto.SerializeToString(), random.Random(seed), tmp_path / "x.onnx"
    outcomes = {"planned": 0, "refused": 0}
    for _ in range(60):
        path.write_bytes(damaged(data, rng))
        try:
            source = take_onnx(path, None, None)
            source.fingerprint()
            plan_of(source.model, [(tuple(t.shape), computed_tensor(t).dtype) for t in source.samples.first.tensors])
            outcomes["planned"] += 1
        except EmbedlError:
            outcomes["refused"] += 1
    assert outcomes["planned"] > 3
    assert outcomes["refused"] > 3


@pytest.mark.parametrize("shape", ["13", (1.5, 3), None, 13])
def test_a_shape_that_is_no_whole_numbers_is_not_read_as_one(shape: Any) -> None:
    with pytest.raises(InputError, match="is no shape"):
        take_onnx(open_model(), None, {"x": shape, "z": (1, 1)})
