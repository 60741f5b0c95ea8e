"""Small builders for HTML and SVG in which every text is escaped unless it was built here.

``element("td", name)`` escapes ``name``; what ``element`` returns is :class:`Markup` and passes through unchanged. The
result is valid as HTML and as XML, so a picture works inline and as a file of its own.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

__all__ = ["Markup", "element", "escape", "join"]

# Neither HTML nor XML can hold these, and a file name may: control characters and half surrogate pairs.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SELF_CLOSING = frozenset({"br", "circle", "hr", "line", "link", "meta", "path", "rect"})


class Markup(str):
    """Text that is markup already: written in this package or escaped."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Return ``text`` as markup that shows it literally, in an element or in a quoted attribute."""
    return text if isinstance(text, Markup) else Markup(html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)))


def join(children: Iterable[str | None], separator: str = "") -> Markup:
    """Put children behind one another; ``None`` and ``""`` leave no trace."""
    return Markup(escape(separator).join(escape(child) for child in children if child))


def element(tag: str, *children: str | None, **attributes: str | float | bool | None) -> Markup:
    """Build one element.

    Parameters
    ----------
    tag
        Its name, from the source code, never from data.
    children
        Markup is kept, text is escaped, ``None`` is left out.
    attributes
        Values are escaped; ``None`` and ``False`` leave the attribute out, ``True`` writes it empty. A trailing
        underscore is dropped (``class_``), the others become hyphens (``aria_label``).

    Examples
    --------
    >>> element("td", "<b>", class_='a"b')
    '<td class="a&quot;b">&lt;b&gt;</td>'
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    content = join(children)
    if not content and tag in _SELF_CLOSING:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{content}</{tag}>")


def _attribute(value: str | float | bool) -> str:
    if value is True:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    # str() drops the Markup type: an attribute is escaped even if it was built as markup.
    return escape(str.__str__(value) if isinstance(value, str) else str(value))
