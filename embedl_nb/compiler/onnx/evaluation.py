"""One operator on the values of a plan: on real tensors where all are known, else on fake ones.

Fake tensors have shapes and dtypes only, so a shape is inferred by the function that computes it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.one_line import one_line
from embedl_nb.compiler.onnx import open_sizes
from embedl_nb.compiler.onnx.dtypes import computed_tensor
from embedl_nb.compiler.onnx.values import Computed, Constant, Sizes, Value
from embedl_nb.errors import CompileError, EmbedlError, InputError, OutOfMemoryError, UnsupportedOperatorError
from embedl_nb.formats import LARGEST_MODEL, LARGEST_MODEL_BYTES

if TYPE_CHECKING:
    import numpy as np
    import torch

    from embedl_nb.compiler.onnx.registry import Call, Operator

__all__ = ["Evaluation", "Outcome", "described"]

_MOST_ELEMENTS = LARGEST_MODEL_BYTES // 4  # of float32
_MOST_INDEXED = 2**31 - 1  # LiteRT counts elements in 32 bits
# With little input, what these make can be of any size.
_GROWING = frozenset({"Expand", "Tile", "Pad", "Resize", "Upsample", "OneHot"})
_FROM_VALUES = ("DynamicOutputShapeException", "DataDependentOutputException", "GuardOnDataDependentSymNode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call gives.

    Attributes
    ----------
    known, fakes
        By position among the results: values that are known, and what is computed when the model runs: tensors, and
        arrays of sizes that stay open.
    function, arguments
        What was called, for a step.
    """

    known: dict[int, Constant]
    fakes: dict[int, torch.Tensor | np.ndarray[Any, Any]]
    function: Callable[..., Any]
    arguments: tuple[Value | np.ndarray[Any, Any] | None, ...]


class Evaluation:
    """Calls functions of the registry; its fake tensors belong together."""

    def __init__(self) -> None:
        from torch._subclasses.fake_tensor import FakeTensorMode
        from torch.fx.experimental.symbolic_shapes import ShapeEnv

        self._sizes = ShapeEnv()
        self._open: dict[str, Any] = {}
        # Only sizes that open_size() makes are open; those of weights are what they are.
        self.mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=self._sizes, static_shapes=True)

    def open_size(self, label: str, example: int) -> torch.SymInt:
        """Return a size that stays open; the same one for the same label."""
        from torch._dynamo.source import ConstantSource
        from torch.fx.experimental.symbolic_shapes import DimDynamic

        if label not in self._open:
            source = ConstantSource(label)
            symbol = self._sizes.create_symbol(example, source, DimDynamic.DYNAMIC, constraint_dim=None)
            self._open[label] = self._sizes.create_symintnode(symbol, hint=example, source=source)
        return self._open[label]

    def empty(self, shape: Sequence[int | torch.SymInt], dtype: torch.dtype) -> torch.Tensor:
        """Return a fake tensor."""
        import torch

        with self.mode:
            return torch.empty(shape, dtype=dtype)

    def of(self, row: Operator, call: Call, values: Sequence[Value | None]) -> Outcome:
        """Call a row's function on ``values``.

        Raises
        ------
        UnsupportedOperatorError
            If it must know a value that is not known, or the size of its output depends on values.
        CompileError
            If it fails on its inputs.
        """
        function, is_known = row.function, False
        arguments: tuple[Value | np.ndarray[Any, Any] | None, ...]
        returned = self._on_sizes(call, values)
        if returned is not NotImplemented:
            function = open_sizes.FUNCTIONS[call.operator]
            arguments = tuple(value.array if isinstance(value, Constant) else value for value in values)
        else:
            arguments = _arguments(row, call, values)
            is_known = row.is_folded and not any(isinstance(argument, Computed | Sizes) for argument in arguments)
            if is_known:
                self._refuse_huge(row, call, arguments)
            returned = self._call(row, call, arguments, is_fake=not is_known)
            self._refuse_fixed(call)
        known: dict[int, Constant] = {}
        fakes: dict[int, torch.Tensor | np.ndarray[Any, Any]] = {}
        for position, result in enumerate(returned if isinstance(returned, tuple) else (returned,)):
            if result is None:
                continue
            if hasattr(result, "untyped_storage") and not is_known:
                fake = fakes[position] = computed_tensor(result)
                _refuse_unindexed(fake)
            elif open_sizes.stays_open(result):
                fakes[position] = result
            else:
                known[position] = Constant.of(open_sizes.settled(result))
        return Outcome(known=known, fakes=fakes, function=function, arguments=arguments)

    def _on_sizes(self, call: Call, values: Sequence[Value | None]) -> Any:
        """Return what an operator gives on sizes that stay open; NotImplemented where it is given something else."""
        kinds = {type(each) for each in values}
        if call.domain or call.operator not in open_sizes.FUNCTIONS or Sizes not in kinds or Computed in kinds:
            return NotImplemented
        arrays = [each.array if isinstance(each, Constant | Sizes) else None for each in values]
        return open_sizes.FUNCTIONS[call.operator](call, *arrays)

    def _refuse_fixed(self, call: Call) -> None:
        """Refuse an operator that works for one size only; torch notes which it has taken to be a number."""
        fixed = {label: size for label, size in self._open.items() if size.node.expr.is_number}
        for label, size in fixed.items():
            raise UnsupportedOperatorError(
                f"it fixes the dimension {label!r}, which dynamic_shapes leaves open, to {size}",
                operators=(call.operator,),
                hint=f"leave {label!r} out of dynamic_shapes",
            )

    def _refuse_huge(self, row: Operator, call: Call, arguments: tuple[Any, ...]) -> None:
        size = 0.0
        if call.operator == "ConstantOfShape" and arguments:
            size = math.prod(map(float, _array(arguments[0]).reshape(-1)))
        elif call.operator == "Range" and len(arguments) == 3:
            start, limit, delta = (float(_array(argument).reshape(-1)[0]) for argument in arguments)
            size = (limit - start) / delta if delta else math.inf
        elif call.operator in _GROWING:
            returned = self._call(row, call, arguments, is_fake=True)
            results = returned if isinstance(returned, tuple) else (returned,)
            size = max(float(math.prod(getattr(result, "shape", ()))) for result in results)
        if size > _MOST_ELEMENTS:
            raise CompileError(
                f"it makes a constant of {size:.3g} elements, and a LiteRT model can hold {LARGEST_MODEL}",
                hint="make it smaller, or compute it outside the model",
            )

    def _call(self, row: Operator, call: Call, arguments: tuple[Any, ...], *, is_fake: bool) -> Any:
        import torch

        taken = [self._taken(argument, is_fake=is_fake) for argument in arguments]
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                if not is_fake:
                    return row.function(call, *taken)
                with self.mode:
                    return row.function(call, *taken)
        except EmbedlError:
            raise
        except MemoryError as err:
            raise OutOfMemoryError("there is not enough memory for its result", hint="close other programs") from err
        except Exception as err:
            raise _failed(err, call) from err

    def _taken(self, argument: Any, *, is_fake: bool) -> Any:
        if isinstance(argument, Computed):
            return argument.fake
        if isinstance(argument, Sizes):
            return argument.array
        if isinstance(argument, Constant):
            return self.mode.from_tensor(argument.tensor) if is_fake else argument.tensor
        return argument


def _refuse_unindexed(fake: torch.Tensor) -> None:
    if isinstance(fake.numel(), int) and fake.numel() > _MOST_INDEXED:
        raise CompileError(
            f"its output has {fake.numel():.3g} elements, {tuple(fake.shape)}, and LiteRT can count to {_MOST_INDEXED}",
            hint="make it smaller: look at the sizes that this node is given",
        )


def described(values: Sequence[Value | None]) -> str:
    """Say what inputs are: ``float32 (1, 3, 224, 224), int64 (2,)``."""
    return ", ".join(_described(value) for value in values) or "none"


def _described(value: Value | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, Sizes):
        return f"sizes {value.array.tolist()}"
    tensor: Any = value.fake if isinstance(value, Computed) else value.array
    return f"{str(tensor.dtype).removeprefix('torch.')} ({', '.join(map(str, tensor.shape))})"


def _arguments(
    row: Operator, call: Call, values: Sequence[Value | None]
) -> tuple[Value | np.ndarray[Any, Any] | None, ...]:
    if len(values) > len(row.arrivals) and not row.is_variadic:
        raise InputError(
            f"it has {len(values)} inputs; {call.operator} takes at most {len(row.arrivals)} in opset {call.opset}",
            hint="the file is damaged, or says the wrong opset: export the model again",
        )
    for position in range(row.num_required):
        if position >= len(values) or values[position] is None:
            raise InputError(
                f"input {position} is left out; {call.operator} needs {row.num_required} in opset {call.opset}",
                hint="the file is damaged, or says the wrong opset: export the model again",
            )
    arguments = [_argument(row.arrival(position), position, call, value) for position, value in enumerate(values)]
    num_missing = 0 if row.is_variadic else len(row.arrivals) - len(values)
    return (*arguments, *[None] * num_missing)


def _argument(arrival: str, position: int, call: Call, value: Value | None) -> Value | np.ndarray[Any, Any] | None:
    if isinstance(value, Sizes) and arrival == "Tensor":
        raise UnsupportedOperatorError(
            f"input {position} is made of sizes that dynamic_shapes leaves open, and {call.operator} cannot take them",
            operators=(call.operator,),
            hint="leave these dimensions out of dynamic_shapes",
        )
    if value is None or arrival == "Tensor" or isinstance(value, Sizes):
        return value
    if isinstance(value, Constant):
        return value.array
    if arrival == "Known":
        return value
    if not value.fake.numel():
        return _empty(value.fake)
    raise UnsupportedOperatorError(
        f"input {position} depends on the model's inputs, and {call.operator} must know it beforehand",
        operators=(call.operator,),
        hint="make it a constant when exporting, e.g. with fixed sizes instead of open dimensions",
    )


def _array(argument: Any) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = argument.array if isinstance(argument, Constant) else argument
    return array


def _empty(fake: torch.Tensor) -> np.ndarray[Any, Any]:
    """Return the value of a tensor without elements: it is known."""
    import numpy as np

    return np.empty(tuple(fake.shape), str(fake.dtype).removeprefix("torch."))


def _failed(err: Exception, call: Call) -> EmbedlError:
    text = f"{type(err).__name__}: {err}"
    if any(sign in text for sign in _FROM_VALUES):
        return UnsupportedOperatorError(
            "the shape of its output depends on values that are only known when the model runs",
            operators=(call.operator,),
            hint="cut this part off and compute it outside the model",
            details=text,
        )
    return CompileError(
        f"it fails on its inputs: {one_line(err)}",
        hint="see whether onnx.checker.check_model(path, full_check=True) accepts the model",
        details=text,
    )
