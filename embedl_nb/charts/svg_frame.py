"""What the small SVG pictures have in common: a frame with heading, words for a screen reader, and colours of its own.

No script, no external font, no style that leaves the picture. Text takes the page's colour where the picture is inline;
where it is a file of its own, text and ground follow ``prefers-color-scheme`` together.
"""

from __future__ import annotations

import hashlib
from typing import Any

from embedl_nb.display.markup import Markup, element

__all__ = ["WIDTH", "digest", "framed", "text"]

WIDTH = 920
_MARGIN = 8


def framed(
    *body: Markup, kind: str, heading: str, shown_heading: str, words: str, note: str = "", height: float, uid: str
) -> Markup:
    """Return a picture ``WIDTH`` wide: heading and words on top, ``body`` drawn over the whole of it.

    Parameters
    ----------
    kind
        Ends the class of the ``<svg>``: ``embedl-<kind>``.
    shown_heading
        ``heading`` as far as there is room for it.
    note
        What a screen reader hears after ``words``.
    uid
        Begins the ids, which must differ between pictures of one page.
    """
    return element(
        "svg",
        element("title", heading, id=f"{uid}-title"),
        element("desc", f"{words}. {note}" if note else words, id=f"{uid}-desc"),
        element("style", _style(kind)),
        text(0, 14, shown_heading, font_size=13, font_weight=600),
        text(0, 31, words, opacity=0.75),
        *body,
        xmlns="http://www.w3.org/2000/svg",
        class_=f"embedl-{kind}",
        viewBox=f"{-_MARGIN} {-_MARGIN} {WIDTH + 2 * _MARGIN} {height + 2 * _MARGIN}",
        width=WIDTH + 2 * _MARGIN,
        height=height + 2 * _MARGIN,
        role="img",
        aria_labelledby=f"{uid}-title {uid}-desc",
        font_family="system-ui, sans-serif",
        font_size=11,
        fill="currentColor",
    )


def text(x: float, y: float, words: str, **attributes: str | float) -> Markup:
    """Return words whose baseline begins at a place."""
    return element("text", words, x=float(x), y=float(y), **attributes)


def digest(*drawn: Any) -> str:
    """Return the ids' beginning for what is drawn: equal pictures are equal text."""
    return f"embedl-{hashlib.sha256(repr(drawn).encode('utf-8', 'backslashreplace')).hexdigest()[:10]}"


def _style(kind: str) -> Markup:
    # Only where the picture is a document of its own is the svg element the root.
    root = f"svg.embedl-{kind}:root"
    return Markup(
        f"{root}{{color:#1f2328;background:#ffffff}}"
        f"@media screen and (prefers-color-scheme:dark){{{root}{{color:#e6edf3;background:#0f141a}}}}"
    )
