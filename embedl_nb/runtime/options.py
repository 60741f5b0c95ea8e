"""The runtime's own options: which there are, what they take, and how they are written for it.

LiteRT takes options as TOML and ignores keys it does not know, so they are checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from embedl_nb.errors import InputError, UnknownNameError

__all__ = ["RUNTIME_OPTIONS", "RuntimeOption", "options_toml"]

_BOOLEANS = ("true", "false")
_KERNEL_MODES = ("xnnpack", "builtin", "reference")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeOption:
    """One option.

    Attributes
    ----------
    section
        The identifier under which the runtime looks for it.
    accepts
        What a value may be, for a person.
    to_toml
        Turns a user's text into TOML, or None where it is not allowed.
    """

    section: str
    accepts: str
    to_toml: Callable[[str], str | None]


def _boolean(text: str) -> str | None:
    return text.lower() if text.lower() in _BOOLEANS else None


def _kernel_mode(text: str) -> str | None:
    return f'"{text}"' if text in _KERNEL_MODES else None


def _whole_number(text: str) -> str | None:
    return text if text.isascii() and text.isdigit() and int(text) < 2**31 else None


CPU_SECTION = "xnnpack"
RUNTIME_SECTION = "runtime_options_string"

# Keys as litert/runtime/litert_cpu_options.cc and litert_runtime_options.cc parse them,
# https://github.com/google-ai-edge/LiteRT/tree/f67457790c9c2ab67347d6fe53270e8d3df20868/litert/runtime
RUNTIME_OPTIONS: Mapping[str, RuntimeOption] = {
    "kernel_mode": RuntimeOption(section=CPU_SECTION, accepts=" or ".join(_KERNEL_MODES), to_toml=_kernel_mode),
    "flags": RuntimeOption(section=CPU_SECTION, accepts="XNNPACK's flags as a whole number", to_toml=_whole_number),
    "compress_quantization_zero_points": RuntimeOption(
        section=RUNTIME_SECTION, accepts="true or false", to_toml=_boolean
    ),
    "disable_delegate_clustering": RuntimeOption(section=RUNTIME_SECTION, accepts="true or false", to_toml=_boolean),
}


def options_toml(options: Mapping[str, str], *, num_threads: int, profile: bool) -> dict[str, str]:
    """Return the TOML of each section.

    The runtime section is always there: its presence alone changes how the runtime treats composite operators, and a
    profiled model has to be the measured one.

    Raises
    ------
    UnknownNameError
        If a name is none of :data:`RUNTIME_OPTIONS`.
    InputError
        If a value is not allowed.
    """
    sections = {
        CPU_SECTION: f"num_threads = {num_threads}\n",
        RUNTIME_SECTION: f"enable_profiling = {'true' if profile else 'false'}\n",
    }
    for name, value in options.items():
        option = RUNTIME_OPTIONS.get(name)
        if option is None:
            raise UnknownNameError.among("runtime option", name, RUNTIME_OPTIONS)
        written = option.to_toml(str(value).strip())
        if written is None:
            raise InputError(f"runtime option {name}={value!r} is not allowed", hint=f"give {option.accepts}")
        sections[option.section] += f"{name} = {written}\n"
    return sections
