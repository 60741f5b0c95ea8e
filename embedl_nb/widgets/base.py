"""What every widget has: one script and style, a table for readers without a kernel, an error box, and a memory.

A widget is built in three lines: ``_esm = es_module("x.js")``, ``_css = style_sheet("frame.css", "x.css")`` and
``_view()``, from which the fallback is made. Its state is in synchronized traits, so that a reloaded page and a second
view show the same. Its constructor takes keywords by name only.
"""

from __future__ import annotations

import secrets
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import anywidget
import traitlets

from embedl_nb.commands.lines import shortened
from embedl_nb.display import View, html, text
from embedl_nb.display.markup import Markup, element
from embedl_nb.errors import EmbedlError
from embedl_nb.widgets.cells import Execution, current_execution

__all__ = ["Widget"]


class Widget(anywidget.AnyWidget):
    """Base class of the widgets.

    Parameters
    ----------
    key
        What tells two widgets of one cell apart; the one that takes this one's place when the cell is run again has the
        same.
    """

    _error = traitlets.Dict().tag(sync=True)
    # Class of what is shown in its stead where no front end draws it; a page that does draw it hides that.
    _instead = traitlets.Unicode().tag(sync=True)

    # Those that can be seen. ipywidgets keeps them alive until they are closed; here they are only found again.
    _open: ClassVar[weakref.WeakSet[Widget]] = weakref.WeakSet()

    def __init__(self, *, key: str = "") -> None:
        super().__init__()
        self._key = key
        self._instead = f"embedl-instead-{secrets.token_hex(4)}"
        self._execution: Execution = current_execution()
        self._made_ns = time.monotonic_ns()
        Widget._open.add(self)

    def close(self) -> None:
        """Take it out of every output; what it holds stays."""
        Widget._open.discard(self)
        super().close()

    def _view(self) -> View:
        """Return what is shown where there is no kernel."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return text.render(self._view())

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, metadata = bundle
        # GitHub, nbviewer and nbconvert take this; a front end with a kernel takes the widget.
        return {**data, "text/html": html.render(self._view())}, metadata

    def _ipython_display_(self) -> None:
        """Show the widget, and in an output of its own what stands in its stead.

        Of all that one output offers, JupyterLab takes the widget where there is no kernel as well, and nbconvert where
        the notebook keeps the states of widgets: one then shows an error, the other without a network nothing.
        """
        from IPython.display import display

        bundle = self._repr_mimebundle_()
        if bundle is None or current_execution().message_id == "":
            sys.stdout.write(f"{self!r}\n")  # no front end, but a terminal
            return
        data, metadata = bundle
        instead = element("div", Markup(data.pop("text/html")), class_=self._instead)
        display({**data, "text/plain": self._view().headline}, metadata=metadata, raw=True)
        display({"text/html": str(instead)}, raw=True)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what a page sends; what is refused is not kept, and the page is told why."""
        before = {name: getattr(self, name) for name in sync_data if self.has_trait(name)}
        try:
            super().set_state(sync_data)
        except Exception:  # traitlets undoes its own errors only
            for name, value in before.items():
                setattr(self, name, value)
            with self._errors_shown():
                raise

    @contextmanager
    def _errors_shown(self) -> Iterator[None]:
        """Show what goes wrong in the block under the widget: there is no cell that could."""
        try:
            yield
        except EmbedlError as err:
            self._error = {"message": shortened(err.message), "hint": shortened(err.hint)}
        except Exception as err:
            self._error = {
                "message": shortened(f"{type(err).__name__}: {err}"),
                "hint": "the kernel's log has the traceback",
            }
            raise
        else:
            self._error = {}

    def _forerunner(self) -> Widget | None:
        """Return the widget that this one takes the place of, closed: what an earlier run of its cell made."""
        found = [each for each in Widget._open if self._follows(each)]
        newest = max(found, key=lambda each: each._made_ns, default=None)
        for each in found:
            Widget._open.discard(each)
            if self._execution.cell_id:  # else it may be another cell's, and still be seen
                each.close()
        return newest

    def _follows(self, other: Widget) -> bool:
        # anywidget gives each widget a class of its own, but the same name.
        is_same = other._anywidget_id == self._anywidget_id and other._key == self._key
        return is_same and self._execution.is_again(other._execution)
