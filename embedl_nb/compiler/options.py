"""What a compile is asked for besides its source and its samples: checked once, then handed on as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.sources.interface import adapted, read_layout
from embedl_nb.compiler.sources.sequence import State, StatefulSource, read_state
from embedl_nb.compiler.sources.varying import read_varying, with_other_sizes
from embedl_nb.errors import InputError
from embedl_nb.units import Layout

if TYPE_CHECKING:
    from embedl_nb.compiler.sources.source import Source

__all__ = ["Options", "dressed", "read_options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options that change what is compiled.

    Attributes
    ----------
    layout
        Of 4-D inputs and outputs.
    state
        Pairs of an output and the input that takes it in the next call.
    dynamic_shapes
        Dimensions that stay open, as the user wrote them; None without.
    """

    layout: Layout = Layout.KEEP
    state: State = ()
    dynamic_shapes: Any = None

    def refuse(self, what: str, *, hint: str) -> None:
        """Raise an InputError where any of them was given for ``what``, which takes none."""
        options = {
            "layout": self.layout is not Layout.KEEP,
            "state": bool(self.state),
            "dynamic_shapes": self.dynamic_shapes is not None,
        }
        given = [name for name, is_given in options.items() if is_given]
        if given:
            raise InputError(f"{given[0]} was given for {what}", hint=hint)


def read_options(*, layout: str, state: Mapping[str, str] | None, dynamic_shapes: Any) -> Options:
    """Check options.

    Raises
    ------
    InputError
        If one cannot be meant.
    """
    options = Options(layout=read_layout(layout), state=read_state(state), dynamic_shapes=dynamic_shapes)
    if options.state and dynamic_shapes is not None:
        raise InputError(
            "state and dynamic_shapes were both given", hint="a state keeps its shape; compile with fixed sizes"
        )
    return options


def dressed(source: Source, options: Options, *, is_alone: bool = True) -> Source:
    """Return ``source`` as the options want it; ``is_alone`` says that it is the only one in its file.

    Raises
    ------
    UnknownNameError
        If the source has no input that an option names.
    """
    if options.dynamic_shapes is not None:
        _open_dimensions(source, options.dynamic_shapes)
    result = adapted(source, options.layout, is_alone=is_alone)
    return StatefulSource(result, options.state) if options.state else result


def _open_dimensions(source: Source, dynamic_shapes: Any) -> None:
    if not source.can_vary:
        raise InputError(
            f"dynamic_shapes was given for {source.origin}, whose dimensions are its own",
            hint="it is for torch modules and ONNX models; export a program with its own dynamic_shapes",
        )
    if source.samples.images:
        raise InputError("dynamic_shapes was given with an image_input, which has one size", hint="leave one out")
    samples = replace(source.samples, varying=read_varying(dynamic_shapes, source.samples, source.symbols))
    source.samples = with_other_sizes(samples)
