"""Keep what torch says to its own developers out of the notebook."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO, cast

__all__ = ["quiet"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence torch's warnings, logs and half-exported graphs; errors are raised all the same."""
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.split(".")[0] == "torch"]
    handlers = [handler for logger in loggers for handler in logger.handlers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for handler in handlers:
            handler.addFilter(_nothing)
        try:
            with contextlib.redirect_stderr(cast("TextIO", _WithoutGraphs(sys.stderr))):
                yield
        finally:
            for handler in handlers:
                handler.removeFilter(_nothing)


class _WithoutGraphs:
    """Standard error, less the half-exported graphs that torch prints to it before it raises."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._has_dropped = False

    def write(self, text: str) -> int:
        if "def forward(self, arg" in text or (self._has_dropped and text == "\n"):
            self._has_dropped = text != "\n"
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _nothing(_record: logging.LogRecord) -> bool:
    return False
