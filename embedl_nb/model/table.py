"""A cursor over a flatbuffer that trusts nothing: a position or length beyond the file is an error, never a read.

The generated schema reads whatever the offsets point to; files come from anywhere, so the reader goes through this
instead. It is also several times faster, because a layout that many tables share is decoded once. Format: tables start
with a signed offset to their layout (vtable), whose entries say where each field lies;
https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

__all__ = ["FlatBuffer", "MalformedError", "Table"]

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_I32 = struct.Struct("<i")
_SCALARS = {code: struct.Struct(f"<{code}") for code in "bBhHiIqQf?"}

# What may be decoded in all, so that a file whose vectors all point to one place cannot ask for more than it holds.
_LARGEST_STRUCTURE_BYTES = 64 * 2**20
_SLACK_BYTES = 64 * 2**10


class MalformedError(ValueError):
    """An offset or a length does not fit into the file. Where nothing more can be said, struct.error is raised."""


class FlatBuffer:
    """The bytes of a file, and how much of them may still be decoded."""

    __slots__ = ("_budget_bytes", "_layouts", "data", "size")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self._layouts: dict[int, tuple[int, ...]] = {}
        self._budget_bytes = min(2 * self.size, _LARGEST_STRUCTURE_BYTES) + _SLACK_BYTES

    def root(self) -> Table:
        """Return the file's outermost table."""
        return Table(self, _U32.unpack_from(self.data, 0)[0])

    def layout(self, position: int) -> tuple[int, ...]:
        """Return the fields' offsets of the vtable at ``position``."""
        known = self._layouts.get(position)
        if known is not None:
            return known
        if not 0 <= position <= self.size - 4:
            raise MalformedError(f"a table's layout points to byte {position} of {self.size}")
        num_bytes = _U16.unpack_from(self.data, position)[0]
        if num_bytes < 4 or num_bytes % 2 or position + num_bytes > self.size:
            raise MalformedError(f"the table layout at byte {position} has an impossible size, {num_bytes}")
        fields = struct.unpack_from(f"<{num_bytes // 2 - 2}H", self.data, position + 4)
        self.spend(num_bytes)
        self._layouts[position] = fields
        return fields

    def spend(self, num_bytes: int) -> None:
        """Count what is decoded, and stop a file that has its parts decoded over and over."""
        self._budget_bytes -= num_bytes
        if self._budget_bytes < 0:
            raise MalformedError("its parts refer to each other more often than a model's do")


class Table:
    """One table; a field is asked for by its number in the schema, and answers its default where it is absent."""

    __slots__ = ("_buffer", "_fields", "_position")

    def __init__(self, buffer: FlatBuffer, position: int) -> None:
        if not 0 < position <= buffer.size - 4:
            raise MalformedError(f"a table is said to be at byte {position} of {buffer.size}")
        buffer.spend(8)
        self._buffer = buffer
        self._position = position
        self._fields = buffer.layout(position - _I32.unpack_from(buffer.data, position)[0])

    def scalar(self, field: int, code: str, default: Any = 0) -> Any:
        """Read a number; ``code`` is its struct format (``"i"``, ``"B"``, ``"?"``)."""
        fields = self._fields
        offset = fields[field] if field < len(fields) else 0
        if not offset:
            return default
        packer = _SCALARS[code]
        return packer.unpack_from(self._buffer.data, self._position + offset)[0]

    def _vector(self, field: int, item_bytes: int) -> tuple[int, int]:
        """Return where a vector's items start and how many there are."""
        fields = self._fields
        offset = fields[field] if field < len(fields) else 0
        if not offset:
            return 0, 0
        buffer = self._buffer
        at = self._position + offset
        # Offsets are unsigned, so only the end can be overstepped, and unpack_from refuses that itself (struct.error).
        at += _U32.unpack_from(buffer.data, at)[0]
        (count,) = _U32.unpack_from(buffer.data, at)
        if count * item_bytes > buffer.size - at - 4:
            raise MalformedError(f"a list at byte {at} is said to have {count} entries")
        return at + 4, count

    def vector(self, field: int, code: str) -> tuple[Any, ...]:
        """Read a list of numbers; ``code`` is the struct format of one."""
        item_bytes = _SCALARS[code].size
        start, count = self._vector(field, item_bytes)
        if not count:
            return ()
        self._buffer.spend(count * item_bytes)
        return struct.unpack_from(f"<{count}{code}", self._buffer.data, start)

    def length(self, field: int, item_bytes: int = 1) -> int:
        """Return how many entries a list has, without reading them."""
        return self._vector(field, item_bytes)[1]

    def text(self, field: int) -> str:
        """Read a string; bytes that are no UTF-8 are replaced."""
        start, count = self._vector(field, 1)
        if not count:
            return ""
        self._buffer.spend(count)
        return self._buffer.data[start : start + count].decode("utf-8", "replace")

    def child(self, field: int) -> Table | None:
        """Return the table that a field refers to, None where it is absent."""
        fields = self._fields
        offset = fields[field] if field < len(fields) else 0
        if not offset:
            return None
        at = self._position + offset
        return Table(self._buffer, at + _U32.unpack_from(self._buffer.data, at)[0])

    def children(self, field: int) -> Sequence[Table]:
        """Return a list of tables."""
        start, count = self._vector(field, 4)
        if not count:
            return ()
        buffer = self._buffer
        buffer.spend(4 * count)
        offsets = struct.unpack_from(f"<{count}I", buffer.data, start)
        return [Table(buffer, start + 4 * i + offset) for i, offset in enumerate(offsets)]
