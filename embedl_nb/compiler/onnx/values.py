"""The values of a plan: constants, whose content is known, and tensors that are computed when the model runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from embedl_nb.compiler.onnx.dtypes import computed, computed_tensor

if TYPE_CHECKING:
    import numpy as np
    import torch

    from embedl_nb.compiler.onnx.registry import Call

__all__ = ["Computed", "Constant", "Plan", "Sizes", "Step", "Value"]


class Constant:
    """A value that is known while planning, as an array and as a tensor; each is made when it is first asked for."""

    __slots__ = ("_array", "_load", "_tensor")

    def __init__(self, load: Callable[[], np.ndarray[Any, Any] | torch.Tensor]) -> None:
        self._load = load
        self._array: np.ndarray[Any, Any] | None = None
        self._tensor: torch.Tensor | None = None

    @classmethod
    def of(cls, value: np.ndarray[Any, Any] | torch.Tensor) -> Constant:
        """Return a constant with this value."""
        return cls(lambda: value)

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """The value as a numpy array."""
        if self._array is None:
            self._fill()
        if self._array is None:
            tensor: Any = self._tensor
            self._array = tensor.resolve_conj().resolve_neg().numpy()
        return cast("np.ndarray[Any, Any]", self._array)

    @property
    def tensor(self) -> torch.Tensor:
        """The value as a torch tensor."""
        import numpy as np
        import torch

        if self._tensor is None:
            self._fill()
        if self._tensor is None:
            array = np.asarray(self._array)
            array = np.ascontiguousarray(array).reshape(array.shape)
            self._tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
        return self._tensor

    def _fill(self) -> None:
        import numpy as np
        import torch

        if self._array is not None or self._tensor is not None:
            return
        value = self._load()
        if isinstance(value, torch.Tensor):
            self._tensor = computed_tensor(value)
        else:
            self._array = computed(np.asarray(value))


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """A tensor of the running model.

    Attributes
    ----------
    slot
        Its number among all such tensors; the inputs come first.
    fake
        A tensor with its shape and dtype, and no content.
    """

    slot: int
    fake: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Sizes:
    """Whole numbers that follow from sizes that stay open: a step computes them, and no tensor of the model holds them.

    Attributes
    ----------
    slot
        Its number, among those of computed tensors.
    array
        Of Python integers and torch's symbolic ones, dtype object.
    """

    slot: int
    array: np.ndarray[Any, Any]


Value = Constant | Computed | Sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of an operator when the model runs.

    Attributes
    ----------
    function
        Of the registry.
    arguments
        Computed tensors and sizes, constant tensors, known arrays, or None for an input that is left out.
    outputs
        Position of a result among what the function returns -> the slot it goes to.
    """

    call: Call
    function: Callable[..., Any]
    arguments: tuple[Value | np.ndarray[Any, Any] | None, ...]
    outputs: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is left to do when the model runs, in order.

    Attributes
    ----------
    num_inputs
        They are in the slots 0, 1, ...
    outputs
        Of the graph, in its order.
    """

    num_inputs: int
    steps: tuple[Step, ...]
    outputs: tuple[Value, ...]
