"""What ``--explore`` shows: the layers of what a line measured, below that line's own result."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import EmbedlWarning, InputError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from embedl_nb.measure import Benchmark
    from embedl_nb.model import LiteRTModel

__all__ = ["explorer_below"]


def explorer_below(shell: InteractiveShell) -> Callable[..., None]:
    """Return what shows the layers of a result once the cell is done; without widgets the line is refused before."""
    from embedl_nb.widgets import LayerExplorer

    def explore(found: Any, *models: LiteRTModel | str | Path) -> None:
        for name, results in _of_each(found):
            try:
                # What was measured is worth more than how it is shown.
                explorer = LayerExplorer(*results, models=_measured(results, models), key=name)
            except InputError as err:
                warnings.warn(f"{name} has no layers to explore: {err.message}", EmbedlWarning, stacklevel=2)
            else:
                _show_after_cell(shell, explorer)

    return explore


def _of_each(found: Any) -> Iterator[tuple[str, tuple[Benchmark, ...]]]:
    """Lay flat a result, a comparison or a set of either: each one's name, and the one or two results of it."""
    from embedl_nb.analysis import Comparison
    from embedl_nb.display import ResultSet

    if isinstance(found, ResultSet):
        for each in found:
            yield from _of_each(each)
    elif isinstance(found, Comparison):
        yield f"{found.first_name} and {found.second_name}", (found.first, found.second)
    else:
        yield f"{found.model_name} on {found.device.address} {found.placement.got}", (found,)


def _measured(results: tuple[Benchmark, ...], models: tuple[Any, ...]) -> list[LiteRTModel]:
    """Return those of the models that the results are of: what ran on an NPU may be made of one of them."""
    from embedl_nb.model import LiteRTModel, as_model

    hashes = {result.model_sha256 for result in results}
    given = (as_model(model) for model in models if isinstance(model, LiteRTModel | str | Path))
    return [model for model in given if model.sha256 in hashes]


def _show_after_cell(shell: InteractiveShell, widget: Any) -> None:
    from IPython.display import display

    def show(_result: object) -> None:
        shell.events.unregister("post_run_cell", show)
        display(widget)

    shell.events.register("post_run_cell", show)
