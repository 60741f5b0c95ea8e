"""What a compiler's result holds, read back to the operators of the source, whatever tensors are called."""

from __future__ import annotations

import pytest
from flatbuffers import flexbuffers

from embedl_nb.errors import CompileError, InputError
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import ModelGraph
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import pack, unpack
from embedl_nb.placement.npu.leaving_out import copy_for_compiler, put_back
from embedl_nb.placement.npu.origins import Origins, renamings
from embedl_nb.placement.npu.result import CompiledResult, divided, read_result
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder

SHAPE = (1, 4)


def diamond(names: list[str]) -> bytes:
    """Build x -> ABS -> (TANH, ATAN2 with x) -> ADD -> TANH; the five results are called ``names``."""
    builder = ModelBuilder()
    x = builder.input("x", SHAPE)
    a, b, c, d, e = (builder.tensor(name, SHAPE) for name in names)
    builder.operator("ABS", [x], a)
    builder.operator("TANH", [a], b)
    builder.operator("ATAN2", [a, x], c)
    builder.operator("ADD", [b, c], d, options=schema().AddOptionsT())
    builder.operator("TANH", [d], e)
    return builder.build({"y": e})


def compiled(names: dict[str, str]) -> bytes:
    """Build what a compiler makes of :func:`diamond` where only ATAN2 stays; ``names`` of a, b, c and e."""
    builder = ModelBuilder()
    x = builder.input("x", SHAPE)
    a, b, c, e = (builder.tensor(names[key], SHAPE) for key in "abce")
    dispatch(builder, [x], (a, b), offset=4096)
    builder.operator("ATAN2", [a, x], c)
    dispatch(builder, [b, c], (e,), offset=4096)
    return builder.build({"y": e})


def dispatch(builder: ModelBuilder, inputs: list[int], outputs: tuple[int, ...], *, offset: int) -> None:
    builder.operator("CUSTOM", inputs, *outputs, custom_name="DISPATCH_OP")
    options = flexbuffers.Dumps({"bytecode_offset": offset, "bytecode_size": 512, "name": "qnn_partition"})
    builder._operators[-1].customOptions = list(options)


def read(source: bytes, result: bytes) -> CompiledResult:
    graph = read_model(source)
    names = renamings(graph, graph.main)
    return read_result(result, graph.main, Origins(graph, graph.main, names), "serving_default")


def test_operators_are_found_in_their_partitions_in_order() -> None:
    result = read(diamond(list("abcde")), compiled({key: key for key in "abce"}))
    assert result.partitions == ((0, 1), (3, 4))
    assert result.remaining == {2}
    assert result.dropped == frozenset()
    assert result.bytecode_bytes == (512,)  # both partitions are in one piece of bytecode


@pytest.mark.parametrize("names", [["same"] * 5, [""] * 5, ['a"', "b\n", "c", "d", "e"]], ids=["same", "none", "odd"])
def test_names_that_cannot_tell_tensors_apart_are_replaced_in_the_copy(names: list[str]) -> None:
    source = diamond(names)
    graph = read_model(source)
    given = renamings(graph, graph.main)
    copied = read_model(copy_for_compiler(source, names=given, left_out=(), subgraph_index=0).data)
    made = [copied.main.tensors[operator.outputs[0]].name for operator in copied.main.operators]
    assert len(set(made)) == 5
    assert all(name and name.isprintable() and '"' not in name for name in made)
    result = read(source, compiled(dict(zip("abce", [*made[:3], made[4]], strict=True))))
    assert (result.partitions, result.remaining) == (((0, 1), (3, 4)), {2})


def test_names_that_tell_tensors_apart_are_kept() -> None:
    graph = read_model(diamond(list("abcde")))
    assert renamings(graph, graph.main) == {}


def test_an_operator_that_nothing_reads_is_neither_taken_nor_left() -> None:
    builder = ModelBuilder()
    x = builder.input("x", SHAPE)
    builder.operator("TANH", [x], builder.tensor("unread", SHAPE))
    y = builder.operator("ABS", [x], builder.tensor("y", SHAPE))
    source = builder.build({"y": y})
    builder = ModelBuilder()
    x, y = builder.input("x", SHAPE), builder.tensor("y", SHAPE)
    dispatch(builder, [x], (y,), offset=4096)
    result = read(source, builder.build({"y": y}))
    assert (result.partitions, result.remaining, result.dropped) == (((1,),), frozenset(), {0})


def test_a_result_that_is_another_model_is_refused() -> None:
    with pytest.raises(InputError, match="none of the model's operators"):
        read(diamond(list("abcde")), models.fully_connected())


def two_step_composite() -> bytes:
    """Build TANH after a composite of a FULLY_CONNECTED and an ABS."""
    model = unpack(models.composite())
    main, body = model.subgraphs
    s = schema()
    for code in ("ABS", "TANH"):
        number = getattr(s.BuiltinOperator, code)
        model.operatorCodes.append(s.OperatorCodeT(deprecatedBuiltinCode=number, builtinCode=number, version=1))
    body.tensors[-1].name = b"inner"
    body.tensors.append(s.TensorT(name=b"y", shape=[1, 4], type=0))
    body.operators.append(s.OperatorT(opcodeIndex=2, inputs=[len(body.tensors) - 2], outputs=[len(body.tensors) - 1]))
    body.outputs = [len(body.tensors) - 1]
    main.tensors[1] = s.TensorT(name=b"y", shape=[1, 4], type=0)
    main.tensors.append(s.TensorT(name=b"z", shape=[1, 4], type=0))
    main.operators.append(s.OperatorT(opcodeIndex=3, inputs=[1], outputs=[2]))
    main.outputs = [2]
    model.signatureDefs[0].outputs[0].tensorIndex = 2
    return pack(model)


def test_a_composite_of_which_a_part_stays_is_not_taken() -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 8))
    inner, y, z = (builder.tensor(name, SHAPE) for name in ("inner", "y", "z"))
    dispatch(builder, [x], (inner,), offset=4096)
    builder.operator("ABS", [inner], y)
    dispatch(builder, [y], (z,), offset=4096)
    result = read(two_step_composite(), builder.build({"y": z}))
    assert result.remaining == {0}
    assert result.partitions == ((), (1,))


def test_the_partitions_of_a_divided_model_hold_the_sources_operators() -> None:
    source = diamond(list("abcde"))
    graph = read_model(source)
    model = unpack(source)
    whole = model.subgraphs[0]
    s = schema()
    model.operatorCodes.append(s.OperatorCodeT(deprecatedBuiltinCode=32, builtinCode=32, customCode=b"DISPATCH_OP"))
    place = len(model.operatorCodes) - 1
    parts = [whole.operators[:2], whole.operators[3:]]
    bodies = [s.SubGraphT(tensors=whole.tensors, inputs=[], outputs=[], operators=part) for part in parts]
    made = [s.OperatorT(opcodeIndex=place, inputs=[0], outputs=[part[-1].outputs[0]]) for part in parts]
    whole.operators = [made[0], whole.operators[2], made[1]]
    model.subgraphs += bodies
    origins = Origins(graph, graph.main, {})
    assert divided(pack(model), origins) == [[{0}, {1}], [{3}, {4}]]


def test_what_was_left_out_is_put_back_in_place() -> None:
    source = diamond(list("abcde"))
    made = copy_for_compiler(source, names={}, left_out=[2, 3, 4], subgraph_index=0)
    kept_away = [operator.code for operator in read_model(made.data).main.operators]
    assert kept_away == ["ABS", "TANH", "DELEGATE", "DELEGATE", "DELEGATE"]
    restored = put_back(made.data, made.codes)
    assert len(restored) == len(made.data)
    assert codes_of(read_model(restored)) == codes_of(read_model(source))
    options = [operator.builtinOptions for operator in unpack(restored).subgraphs[0].operators]
    assert type(options[3]).__name__ == "AddOptionsT"


def codes_of(graph: ModelGraph) -> list[str]:
    return [operator.code for operator in graph.main.operators]


def test_a_result_that_lost_what_was_left_out_is_an_error() -> None:
    made = copy_for_compiler(diamond(list("abcde")), names={}, left_out=[2], subgraph_index=0)
    with pytest.raises(CompileError, match="without the operators"):
        put_back(diamond(list("abcde")), made.codes)


@pytest.mark.parametrize("size", [0, 7, 300])
def test_a_result_that_is_not_whole_is_an_error(size: int) -> None:
    data = compiled({key: key for key in "abce"})[:size]
    with pytest.raises(InputError):
        read(diamond(list("abcde")), data)
    with pytest.raises(InputError):
        put_back(data, {0: (0, 0)})


def test_a_composites_output_may_be_called_as_its_bodys() -> None:
    graph = read_model(two_step_composite())
    assert renamings(graph, graph.main) == {}
