"""The base class by which a result shows itself everywhere: a terminal, a notebook, a static page."""

from __future__ import annotations

from typing import Any

from embedl_nb.display import html, text
from embedl_nb.display.view import View

__all__ = ["Displayable"]


class Displayable:
    """Shows ``self._view()`` as text and as HTML. No I/O happens in a repr."""

    __slots__ = ()

    def _view(self) -> View:
        raise NotImplementedError

    def __repr__(self) -> str:
        return text.render(self._view())

    def _repr_html_(self) -> str:
        return html.render(self._view(), result=self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}
