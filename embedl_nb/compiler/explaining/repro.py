"""A piece of a program as a script that anybody can run.

In: the lines of an exported program (listing.py). Out: a module with random weights and inputs of the same shapes and
dtypes, compiled by embedl_nb or converted by litert-torch alone. Pure text: nothing is run here, and nothing of the
user's weights, samples or source files is written.
"""

from __future__ import annotations

import keyword
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from embedl_nb.imports import version_of

__all__ = ["Ending", "Line", "Listing", "NotCuttableError", "Unit", "write_script"]

_RESERVED = {"enb", "litert_torch", "operator", "self", "torch"}
_TOOLS = ("torch", "litert-torch", "litert-converter", "ai-edge-litert")
_NARROWER = {"int64": "int", "float64": "float"}


class Ending(StrEnum):
    """What a script does with its piece."""

    COMPILE = "embedl_nb"
    """``enb.compile``: what the user has called."""
    CONVERT = "litert-torch"
    """litert-torch's own conversion, for a report to its makers."""
    CONVERT_AND_RUN = "litert-torch, and a run"
    """The same, run and compared with torch's outputs."""


class NotCuttableError(Exception):
    """These lines make no module: nothing goes in or nothing comes out, or what does is no tensor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One operator of the program; see listing.py for the fields."""

    name: str
    operator: str
    code: str
    uses: tuple[str, ...]
    value: Mapping[str, Any] | None
    place: str
    origin: str


Unit = tuple[Line, ...]
"""What is cut as a whole: an operator and, where it returns several tensors, the lines that take them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A program's lines, and what comes from outside: its inputs and constants."""

    lines: tuple[Line, ...]
    given: Mapping[str, Mapping[str, Any]]

    @classmethod
    def from_json(cls, listed: Mapping[str, Any]) -> Listing:
        """Read what the child has listed."""
        lines = tuple(Line(**{**line, "uses": tuple(line["uses"])}) for line in listed["lines"])
        return cls(lines=lines, given=listed["given"])

    def units(self) -> list[Unit]:
        """Return what pieces are made of, in order; what cannot be written down (a subgraph) is left out."""
        parts: dict[str, list[Line]] = {}
        owner: dict[str, str] = {}
        for line in self.lines:
            if not line.code:
                continue
            several = next((name for name in line.uses if name in owner), None)
            owned = owner[several] if several is not None else line.name
            parts.setdefault(owned, []).append(line)
            if line.value is None:
                owner[line.name] = owned
        return [tuple(part) for part in parts.values()]

    def value(self, name: str) -> Mapping[str, Any] | None:
        """Describe the value called ``name``."""
        if name in self.given:
            described: Mapping[str, Any] | None = self.given[name]["value"]
            return described
        return next((line.value for line in self.lines if line.name == name), None)


def write_script(listing: Listing, units: Sequence[Unit], *, title: str, ending: Ending) -> str:
    """Write the piece that ``units`` make.

    Parameters
    ----------
    listing
        The whole program.
    units
        In the program's order.
    title
        One sentence that says what goes wrong.
    ending
        What is done with the piece.

    Raises
    ------
    NotCuttableError
        If these units make no module.
    """
    lines = [line for unit in units for line in unit]
    outside = _outside(listing, lines)
    constants = {name: value for name, value in outside.items() if listing.given.get(name, {}).get("is_constant")}
    inputs = {name: value for name, value in outside.items() if name not in constants and "number" not in value}
    if not inputs:
        inputs, constants = constants, {}
    outputs = _outputs(lines)
    if not inputs or not outputs:
        raise NotCuttableError
    spelled = {name: str(value["number"]) for name, value in outside.items() if "number" in value}
    spelled |= {name: f"self.{_identifier(name)}" for name in constants}
    names = {name: spelled.get(name, _identifier(name)) for name in [*outside, *(line.name for line in lines)]}
    body = [f"{names[line.name]} = {string.Template(line.code).substitute(names)}" for line in lines]
    weights = [f"self.register_buffer({_identifier(name)!r}, {_random(constants[name], 'rand')})" for name in constants]
    init = ["def __init__(self):", *_indented(["super().__init__()", *weights]), ""] if weights else []
    forward = [f"def forward(self, {', '.join(names[name] for name in inputs)}):"]
    forward += _indented([*body, f"return ({', '.join(names[name] for name in outputs)},)"])
    script = [
        f'"""{_plain(title)}',
        "",
        f"A piece of a larger model, with random weights and inputs. Seen with {_versions(ending)}.",
        '"""',
        "",
        *(["import operator", ""] if any("operator." in line.code for line in lines) else []),
        *_imports(ending),
        "",
        "torch.manual_seed(0)",
        "",
        "",
        "class Piece(torch.nn.Module):",
        *_indented([*init, *forward]),
        "",
        "",
        "piece = Piece().eval()",
        f"inputs = ({', '.join(_random(value, 'randn') for value in inputs.values())},)",
        *_last_lines(inputs, ending),
    ]
    return "\n".join(script) + "\n"


def _outside(listing: Listing, lines: Sequence[Line]) -> dict[str, Mapping[str, Any]]:
    """Describe what ``lines`` read and do not compute."""
    inside = {line.name for line in lines}
    found: dict[str, Mapping[str, Any]] = {}
    for name in dict.fromkeys(used for line in lines for used in line.uses if used not in inside):
        value = listing.value(name)
        if value is None or None in value.values():
            raise NotCuttableError
        found[name] = value
    return found


def _outputs(lines: Sequence[Line]) -> list[str]:
    """Return the tensors that nothing inside reads."""
    used = {name for line in lines for name in line.uses}
    return [line.name for line in lines if line.name not in used and line.value is not None and "shape" in line.value]


def _identifier(name: str) -> str:
    if not name.isidentifier():
        raise NotCuttableError
    return f"{name}_" if name in _RESERVED or keyword.iskeyword(name) else name


def _random(value: Mapping[str, Any], generator: str) -> str:
    """Return the call that makes such a tensor: positive weights, inputs of both signs, indices that always exist."""
    shape, dtype = ", ".join(map(str, value["shape"])), value["dtype"]
    if dtype == "float32":
        return f"torch.{generator}({shape})" if shape else f"torch.{generator}(())"
    if dtype.startswith(("float", "bfloat", "complex")):
        return f"torch.{generator}(({shape}{',' if shape else ''}), dtype=torch.{dtype})"
    maker = "ones" if dtype == "bool" else "zeros"
    return f"torch.{maker}(({shape}{',' if shape else ''}), dtype=torch.{dtype})"


def _imports(ending: Ending) -> list[str]:
    if ending is Ending.COMPILE:
        return ["import torch", "", "import embedl_nb as enb"]
    return ["import litert_torch", "import torch"]


def _last_lines(inputs: Mapping[str, Mapping[str, Any]], ending: Ending) -> list[str]:
    """Return the lines that compile or convert; the first can be left out by those who only want the piece."""
    if ending is Ending.COMPILE:
        return ["", 'if __name__ == "__main__":', "    enb.compile(piece, inputs)"]
    converted = ["expected = piece(*inputs)", "converted = litert_torch.convert(piece, inputs)"]
    return [*converted, *(_run(inputs) if ending is Ending.CONVERT_AND_RUN else [])]


def _run(inputs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the lines that run the result; LiteRT models take 32-bit integers and floats."""
    positions = {index: value["dtype"] for index, value in enumerate(inputs.values())}
    given = [
        f"inputs[{index}].{_NARROWER[dtype]}()" if dtype in _NARROWER else f"inputs[{index}]"
        for index, dtype in positions.items()
    ]
    return [
        f"outputs = converted.use_compiled_runtime()({', '.join(given)})",
        "for found, wanted in zip(outputs if isinstance(outputs, tuple) else (outputs,), expected, strict=True):",
        "    found, wanted = torch.from_numpy(found).double(), wanted.double()",
        "    limit = 1e-3 * wanted.nan_to_num().abs().max().item()",
        "    torch.testing.assert_close(found, wanted, rtol=0, atol=limit, equal_nan=True)",
    ]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]


def _plain(title: str) -> str:
    """Return a sentence that can stand in a docstring."""
    return re.sub(r"\s+", " ", title).replace("\\", "/").replace('"', "'").strip()[:200]


def _versions(ending: Ending) -> str:
    tools = ("embedl-nb", *_TOOLS) if ending is Ending.COMPILE else _TOOLS
    return ", ".join(f"{tool} {version_of(tool)}".strip() for tool in tools)
