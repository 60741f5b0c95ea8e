"""Tiny LiteRT models, built in milliseconds without torch, for tests of everything that takes a model.

Each function returns the bytes of a valid ``.tflite`` file with one signature ``"serving_default"``; :func:`write`
puts them on disk. :class:`ModelBuilder` makes others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from embedl_nb.model.schema import dtype_code, operator_code, schema
from embedl_nb.model.writer import pack, unpack, write_file

__all__ = [
    "ModelBuilder",
    "add",
    "chain",
    "composite",
    "conv_relu",
    "custom_operator",
    "fully_connected",
    "quantized_fully_connected",
    "two_outputs",
    "unsupported_operator",
    "write",
]

Array = np.ndarray[Any, Any]


class ModelBuilder:
    """Builds a model of one subgraph, operator by operator.

    Examples
    --------
    >>> builder = ModelBuilder()
    >>> x = builder.input("x", (1, 4))
    >>> y = builder.operator("ABS", [x], builder.tensor("y", (1, 4)))
    >>> data = builder.build(outputs={"y": y})
    >>> data[4:8]
    b'TFL3'
    """

    def __init__(self) -> None:
        s = schema()
        # Buffer 0 is empty by convention: "no value".
        self._buffers = [s.BufferT()]
        self._codes: list[Any] = []
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._inputs: dict[str, int] = {}

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "float32",
        *,
        scale: float | Sequence[float] | None = None,
        zero_point: int = 0,
        axis: int = 0,
    ) -> int:
        """Add a tensor that is computed; returns its index. A size of -1 may vary; several scales go along ``axis``."""
        s = schema()
        quantization = None
        if scale is not None:
            scales = [scale] if isinstance(scale, float) else list(scale)
            quantization = s.QuantizationParametersT(
                scale=scales, zeroPoint=[zero_point] * len(scales), quantizedDimension=axis
            )
        self._tensors.append(
            s.TensorT(
                name=name,
                shape=[1 if size < 0 else size for size in shape],
                shapeSignature=list(shape) if -1 in shape else None,
                type=dtype_code(dtype),
                quantization=quantization,
                hasRank=True,
            )
        )
        return len(self._tensors) - 1

    def input(self, name: str, shape: Sequence[int], dtype: str = "float32", **quantization: Any) -> int:
        """Add an input of the model; returns its tensor's index."""
        self._inputs[name] = self.tensor(f"serving_default_{name}", shape, dtype, **quantization)
        return self._inputs[name]

    def constant(self, name: str, value: Array, **quantization: Any) -> int:
        """Add a tensor whose value is in the file; returns its index."""
        index = self.tensor(name, value.shape, str(value.dtype), **quantization)
        self._buffers.append(schema().BufferT(data=np.frombuffer(value.tobytes(), np.uint8)))
        self._tensors[index].buffer = len(self._buffers) - 1
        return index

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        *outputs: int,
        options: Any = None,
        options_2: Any = None,
        version: int = 1,
        custom_name: str | None = None,
    ) -> int:
        """Add an operator; returns its first output's index. ``options`` is e.g. ``schema().Conv2DOptionsT(...)``."""
        s = schema()
        operator = s.OperatorT(
            opcodeIndex=self._code(name, version, custom_name), inputs=list(inputs), outputs=list(outputs)
        )
        if options is not None:
            operator.builtinOptionsType = getattr(s.BuiltinOptions, type(options).__name__[:-1])
            operator.builtinOptions = options
        if options_2 is not None:
            operator.builtinOptions2Type = getattr(s.BuiltinOptions2, type(options_2).__name__[:-1])
            operator.builtinOptions2 = options_2
        self._operators.append(operator)
        return outputs[0]

    def _code(self, name: str, version: int, custom_name: str | None) -> int:
        code = operator_code(name)
        wanted = schema().OperatorCodeT(
            deprecatedBuiltinCode=min(code, 127), customCode=custom_name, version=version, builtinCode=code
        )
        for index, known in enumerate(self._codes):
            if vars(known) == vars(wanted):
                return index
        self._codes.append(wanted)
        return len(self._codes) - 1

    def build(self, outputs: dict[str, int], *, signature_key: str | None = "serving_default") -> bytes:
        """Pack the model; ``signature_key=None`` leaves the signature out, as old converters do."""
        s = schema()
        subgraph = s.SubGraphT(
            tensors=self._tensors,
            inputs=list(self._inputs.values()),
            outputs=list(outputs.values()),
            operators=self._operators,
            name="main",
        )
        signature = s.SignatureDefT(
            inputs=[s.TensorMapT(name=name, tensorIndex=index) for name, index in self._inputs.items()],
            outputs=[s.TensorMapT(name=name, tensorIndex=index) for name, index in outputs.items()],
            signatureKey=signature_key,
        )
        return pack(
            s.ModelT(
                version=3,
                operatorCodes=self._codes,
                subgraphs=[subgraph],
                description="embedl_nb.testing",
                buffers=self._buffers,
                signatureDefs=[signature] if signature_key is not None else [],
            )
        )


def add(shape: Sequence[int] = (1, 4), *, dtype: str = "float32") -> bytes:
    """Build ``sum = a + b``."""
    builder = ModelBuilder()
    a, b = builder.input("a", shape, dtype), builder.input("b", shape, dtype)
    total = builder.operator("ADD", [a, b], builder.tensor("sum", shape, dtype), options=schema().AddOptionsT())
    return builder.build({"sum": total})


def two_outputs(shape: Sequence[int] = (1, 4)) -> bytes:
    """Build ``sum = a + b`` and ``product = a * b``, in one signature."""
    builder = ModelBuilder()
    a, b = builder.input("a", shape), builder.input("b", shape)
    total = builder.operator("ADD", [a, b], builder.tensor("sum", shape), options=schema().AddOptionsT())
    product = builder.operator("MUL", [a, b], builder.tensor("product", shape), options=schema().MulOptionsT())
    return builder.build({"sum": total, "product": product})


def conv_relu(*, size: int = 8, channels: int = 4, seed: int = 0) -> bytes:
    """Build a 3x3 convolution with a fused ReLU; input ``image`` (1, size, size, 3), output ``features``.

    Its tensors are named as litert-torch names them: the convolution comes from module ``f.0``.
    """
    builder, random = ModelBuilder(), np.random.default_rng(seed)
    image = builder.input("image", (1, size, size, 3))
    prefix = "__main__.Net/torch.nn.modules.container.Sequential_f/torch.nn.modules.conv.Conv2d_0;"
    weights = builder.constant(prefix, random.normal(size=(channels, 3, 3, 3)).astype(np.float32))
    bias = builder.constant(f"{prefix}1", random.normal(size=channels).astype(np.float32))
    features = builder.operator(
        "CONV_2D",
        [image, weights, bias],
        builder.tensor(f"{prefix}2", (1, size, size, channels)),
        options=schema().Conv2DOptionsT(
            padding=schema().Padding.SAME,
            strideW=1,
            strideH=1,
            fusedActivationFunction=schema().ActivationFunctionType.RELU,
        ),
    )
    return builder.build({"features": features})


def fully_connected(*, num_inputs: int = 8, num_outputs: int = 4, seed: int = 0) -> bytes:
    """Build ``y = x W^T + b``; input ``x`` (1, num_inputs), output ``y`` (1, num_outputs)."""
    builder, random = ModelBuilder(), np.random.default_rng(seed)
    x = builder.input("x", (1, num_inputs))
    weights = builder.constant("weights", random.normal(size=(num_outputs, num_inputs)).astype(np.float32))
    bias = builder.constant("bias", random.normal(size=num_outputs).astype(np.float32))
    y = builder.operator(
        "FULLY_CONNECTED",
        [x, weights, bias],
        builder.tensor("y", (1, num_outputs)),
        options=schema().FullyConnectedOptionsT(),
    )
    return builder.build({"y": y})


def two_signatures() -> bytes:
    """Build two functions of ``x`` (1, 8) with tensors of their own: ``first`` gives 4 values, ``second`` 6."""
    model, other = (unpack(fully_connected(num_inputs=8, num_outputs=size, seed=size)) for size in (4, 6))
    for tensor in other.subgraphs[0].tensors:
        tensor.name = b"second/" + tensor.name
        tensor.buffer += len(model.buffers)
    other.subgraphs[0].name = b"second"
    model.signatureDefs[0].signatureKey, other.signatureDefs[0].signatureKey = b"first", b"second"
    other.signatureDefs[0].subgraphIndex = 1
    model.buffers += other.buffers
    model.subgraphs += other.subgraphs
    model.signatureDefs += other.signatureDefs
    return pack(model)


def quantized_fully_connected(*, num_inputs: int = 8, num_outputs: int = 4, seed: int = 0) -> bytes:
    """Build :func:`fully_connected` in int8: weights one scale a channel, activations one scale a tensor (w8a8)."""
    builder, random = ModelBuilder(), np.random.default_rng(seed)
    input_scale, output_scale = 4 / 127, 16 / 127
    x = builder.input("x", (1, num_inputs), "int8", scale=input_scale, zero_point=3)
    real = random.normal(size=(num_outputs, num_inputs))
    scales = np.abs(real).max(axis=1) / 127
    integers = np.round(real / scales[:, None]).astype(np.int8)
    weights = builder.constant("weights", integers, scale=scales.tolist(), axis=0)
    bias_scales = scales * input_scale
    integer_bias = np.round(random.normal(size=num_outputs) / bias_scales).astype(np.int32)
    bias = builder.constant("bias", integer_bias, scale=bias_scales.tolist(), axis=0)
    y = builder.operator(
        "FULLY_CONNECTED",
        [x, weights, bias],
        builder.tensor("y", (1, num_outputs), "int8", scale=output_scale, zero_point=-5),
        options=schema().FullyConnectedOptionsT(),
        version=5,
    )
    return builder.build({"y": y})


def chain(num_operators: int = 10, *, shape: Sequence[int] = (1, 16), operator: str = "TANH") -> bytes:
    """Build a chain of ``num_operators`` elementwise operators, one after the other; input ``x``, output ``y``.

    Operator ``i`` comes from module ``layers.<i>``.
    """
    builder = ModelBuilder()
    value = builder.input("x", shape)
    for index in range(num_operators):
        name = f"__main__.Net/torch.nn.modules.container.Sequential_layers/torch.nn.modules.activation.Tanh_{index};"
        value = builder.operator(operator, [value], builder.tensor(name, shape))
    return builder.build({"y": value})


def unsupported_operator(shape: Sequence[int] = (1, 4)) -> bytes:
    """Build a valid file that the runtime refuses to load: ``STABLEHLO_SORT`` has no kernel."""
    builder = ModelBuilder()
    x = builder.input("x", shape)
    options = schema().StablehloSortOptionsT(dimension=1)
    y = builder.operator("STABLEHLO_SORT", [x], builder.tensor("y", shape), options_2=options)
    return builder.build({"y": y})


def custom_operator(shape: Sequence[int] = (1, 4)) -> bytes:
    """Build a valid file with a custom operator that no runtime knows."""
    builder = ModelBuilder()
    x = builder.input("x", shape)
    y = builder.operator("CUSTOM", [x], builder.tensor("y", shape), custom_name="MyOperator")
    return builder.build({"y": y})


def composite() -> bytes:
    """Build :func:`fully_connected` as the body of a ``STABLEHLO_COMPOSITE`` operator, in a subgraph of its own."""
    s = schema()
    model = unpack(fully_connected())
    body = model.subgraphs[0]
    operator = s.OperatorT(
        opcodeIndex=len(model.operatorCodes),
        inputs=[0],
        outputs=[1],
        builtinOptions2Type=s.BuiltinOptions2.StableHLOCompositeOptions,
        builtinOptions2=s.StableHLOCompositeOptionsT(
            name="dense", decompositionSubgraphIndex=1, compositeAttributes=list(flexbuffers.Dumps({}))
        ),
    )
    model.operatorCodes.append(
        s.OperatorCodeT(deprecatedBuiltinCode=127, builtinCode=s.BuiltinOperator.STABLEHLO_COMPOSITE, version=1)
    )
    x, y = body.tensors[0], body.tensors[-1]
    model.subgraphs = [s.SubGraphT(tensors=[x, y], inputs=[0], outputs=[1], operators=[operator], name="main"), body]
    model.signatureDefs[0].outputs[0].tensorIndex = 1
    return pack(model)


def write(folder: str | Path, data: bytes, *, name: str = "tiny") -> Path:
    """Write ``data`` to ``<folder>/<name>.tflite`` and return the path."""
    return write_file(Path(folder) / f"{name}.tflite", data)
