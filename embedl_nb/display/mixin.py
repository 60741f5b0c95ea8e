"""The base class by which a result shows itself everywhere: a terminal, a notebook, a static page."""

from __future__ import annotations

from typing import Any

from embedl_nb.display import html, text
from embedl_nb.display.view import View

__all__ = ["Displayable"]


class Displayable:
    """Shows ``self._view()`` as text and as HTML. No I/O happens in a repr.

    A dataclass that inherits it is declared with ``repr=False``, or the generated ``__repr__`` hides this one.
    """

    __slots__ = ()

    def _view(self) -> View:
        raise NotImplementedError

    def __repr__(self) -> str:
        return text.render(self._view())

    def _repr_html_(self) -> str:
        return html.render(self._view(), result=self)

    # IPython passes both by name; a front end drops what it cannot show.
    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002
        view = self._view()
        return {"text/plain": text.render(view), "text/html": html.render(view, result=self)}
