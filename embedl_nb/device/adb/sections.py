"""What one shell script printed, split at its ``#name`` marks; nothing in it is trusted to be short or printable."""

from __future__ import annotations

__all__ = ["clean", "split_sections"]

_LONGEST = 100


def split_sections(text: str) -> dict[str, list[str]]:
    """Return the lines below each mark; those before the first are below ``""``."""
    sections: dict[str, list[str]] = {"": []}
    name = ""
    for line in text.splitlines():
        if line.startswith("#"):
            name = line[1:].strip()
            sections.setdefault(name, [])
        else:
            sections[name].append(line)
    return sections


def clean(text: str) -> str:
    """Return ``text`` as it may be shown: one short line without control characters or such that turn the writing."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text.strip())
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
