"""The text of a figure as lines of an SVG: what plotly reads as markup becomes plain words again."""

from __future__ import annotations

import html
import re

from embedl_nb.display.names import shortened

__all__ = ["LETTER_PX", "clipped", "lines"]

LETTER_PX = 6.1
"""About the width of a letter at 11 px."""

_TAG = re.compile(r"</?(?:b|i|em|sub|sup|span|a)\b[^<>]*>")


def lines(text: object) -> list[str]:
    """Return the lines of a text of plotly's, as they are read."""
    return [html.unescape(_TAG.sub("", line)) for line in re.split(r"<br ?/?>", str(text or ""))]


def clipped(text: str, width_px: float) -> str:
    """Return as much of ``text`` as fits: its beginning says what it is, its end which one."""
    return shortened(text, max(4, int(width_px / LETTER_PX)))
