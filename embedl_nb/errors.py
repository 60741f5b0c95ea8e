"""Every error embedl_nb raises, in one tree.

Each says what happened, to which object, with which value; ``hint`` is the one thing to try next and ``details`` is
longer text (a log's tail) that is kept but not shown first. Extra fields are keyword-only with defaults, so that every
class pickles across processes.

::

    EmbedlError                 .hint  .details
      InputError(ValueError)    SignatureMismatchError  RecipeError  UnknownNameError(KeyError; candidates)
      MissingDependencyError(ImportError; extra, install)
      CompileError(repro_path)  UnsupportedOperatorError(operators)  ConverterCrashedError(log_path)  ParityError
      QuantizeError             CalibrationError
      DeviceError(address)      DeviceNotFound  DeviceUnauthorized  DeviceBusy  DeviceTimeout(TimeoutError)  DeviceLost
                                UnitUnavailableError(asked, available)  RemoteCommandError(command, returncode, tails)
      BenchmarkError            UnparsableOutputError(tool, excerpt)  RuntimeCrashedError(signal, log_path)
                                RuntimeTimeoutError  OutOfMemoryError  WrongOutputError(outputs)
      RunStoreError             SchemaTooNewError
    EmbedlWarning               FallbackWarning(asked, got)  UnstableMeasurementWarning  ThrottledWarning
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "BenchmarkError",
    "CalibrationError",
    "CompileError",
    "ConverterCrashedError",
    "DeviceBusy",
    "DeviceError",
    "DeviceLost",
    "DeviceNotFound",
    "DeviceTimeout",
    "DeviceUnauthorized",
    "EmbedlError",
    "EmbedlWarning",
    "FallbackWarning",
    "InputError",
    "MissingDependencyError",
    "OutOfMemoryError",
    "ParityError",
    "QuantizeError",
    "RecipeError",
    "RemoteCommandError",
    "RunStoreError",
    "RuntimeCrashedError",
    "RuntimeTimeoutError",
    "SchemaTooNewError",
    "SignatureMismatchError",
    "ThrottledWarning",
    "UnitUnavailableError",
    "UnknownNameError",
    "UnparsableOutputError",
    "UnstableMeasurementWarning",
    "UnsupportedOperatorError",
    "WrongOutputError",
]


def _rebuild(cls: type[EmbedlError], args: tuple[Any, ...], state: dict[str, Any]) -> EmbedlError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class EmbedlError(Exception):
    """Base of every error raised on purpose by embedl_nb."""

    def __init__(self, message: str = "", *, hint: str = "", details: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.details = details

    @property
    def message(self) -> str:
        """What happened, without the hint."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        return f"{self.message}\nTry: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__.copy())


class InputError(EmbedlError, ValueError):
    """What the caller passed cannot be used."""


class SignatureMismatchError(InputError):
    """Inputs do not fit the model's signature (count, name, shape or dtype)."""


class RecipeError(InputError):
    """A quantization recipe is unknown or not legal for this model."""


class UnknownNameError(InputError, KeyError):
    """A name that is in no list; ``candidates`` are the close matches."""

    def __init__(
        self, message: str = "", *, candidates: tuple[str, ...] = (), hint: str = "", details: str = ""
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.candidates = candidates

    @classmethod
    def among(cls, what: str, name: object, known: Iterable[str]) -> UnknownNameError:
        """Build the error for ``name``, naming the close matches in ``known``."""
        names = sorted(known)
        close = tuple(difflib.get_close_matches(str(name), names, n=3, cutoff=0.5))
        hint = f"did you mean {' or '.join(close)}?" if close else f"one of: {', '.join(names)}"
        return cls(f"unknown {what} {name!r}", candidates=close, hint=hint)


class MissingDependencyError(EmbedlError, ImportError):
    """An optional package is not installed; ``install`` is the command that adds it."""

    def __init__(
        self, message: str = "", *, extra: str = "", install: str = "", hint: str = "", details: str = ""
    ) -> None:
        super().__init__(message, hint=hint or install, details=details)
        self.extra = extra
        self.install = install


class CompileError(EmbedlError):
    """The source model did not become a LiteRT model.

    Attributes
    ----------
    repro_path
        A script of a few lines that fails the same way, where one is written.
    exception
        Class of what the converter raised.
    """

    def __init__(
        self, message: str = "", *, repro_path: str = "", exception: str = "", hint: str = "", details: str = ""
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.repro_path = repro_path
        self.exception = exception


class UnsupportedOperatorError(CompileError):
    """The converter or the runtime has no implementation of ``operators``.

    Attributes
    ----------
    suspects
        Where they stand in the source, each as a module's path and, on the lines after it, a stack trace.
    """

    def __init__(
        self,
        message: str = "",
        *,
        operators: tuple[str, ...] = (),
        suspects: tuple[str, ...] = (),
        repro_path: str = "",
        exception: str = "",
        hint: str = "",
        details: str = "",
    ) -> None:
        super().__init__(message, repro_path=repro_path, exception=exception, hint=hint, details=details)
        self.operators = operators
        self.suspects = suspects


class ConverterCrashedError(CompileError):
    """The converter's process died or hung; its output is kept in ``log_path``."""

    def __init__(
        self,
        message: str = "",
        *,
        log_path: str = "",
        repro_path: str = "",
        exception: str = "",
        hint: str = "",
        details: str = "",
    ) -> None:
        super().__init__(message, repro_path=repro_path, exception=exception, hint=hint, details=details)
        self.log_path = log_path


class ParityError(CompileError):
    """The compiled model runs but does not compute what its source computes."""


class QuantizeError(EmbedlError):
    """The model could not be quantized."""


class CalibrationError(QuantizeError):
    """The calibration data cannot be used."""


class DeviceError(EmbedlError):
    """Something about the device at ``address``."""

    def __init__(self, message: str = "", *, address: str = "", hint: str = "", details: str = "") -> None:
        super().__init__(message, hint=hint, details=details)
        self.address = address


class DeviceNotFound(DeviceError):
    """No device answers at this address."""


class DeviceUnauthorized(DeviceError):
    """The device is attached but has not allowed this computer."""


class DeviceBusy(DeviceError):
    """Another process holds the device's lease."""


class DeviceTimeout(DeviceError, TimeoutError):
    """The device did not answer in time."""


class DeviceLost(DeviceError):
    """The device went away in the middle of the work."""


class UnitUnavailableError(DeviceError):
    """The compute unit ``asked`` for is not to be had; ``available`` are."""

    def __init__(
        self,
        message: str = "",
        *,
        asked: str = "",
        available: tuple[str, ...] = (),
        address: str = "",
        hint: str = "",
        details: str = "",
    ) -> None:
        super().__init__(message, address=address, hint=hint, details=details)
        self.asked = asked
        self.available = available


class RemoteCommandError(DeviceError):
    """A command on the device failed."""

    def __init__(
        self,
        message: str = "",
        *,
        command: str = "",
        returncode: int | None = None,
        tails: str = "",
        address: str = "",
        hint: str = "",
        details: str = "",
    ) -> None:
        super().__init__(message, address=address, hint=hint, details=details)
        self.command = command
        self.returncode = returncode
        self.tails = tails


class BenchmarkError(EmbedlError):
    """The model could not be measured."""


class UnparsableOutputError(BenchmarkError):
    """``tool`` printed something that no known format explains."""

    def __init__(
        self, message: str = "", *, tool: str = "", excerpt: str = "", hint: str = "", details: str = ""
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.tool = tool
        self.excerpt = excerpt


class RuntimeCrashedError(BenchmarkError):
    """The measured process died (``signal`` names how); its output is kept in ``log_path``."""

    def __init__(
        self, message: str = "", *, signal: str = "", log_path: str = "", hint: str = "", details: str = ""
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.signal = signal
        self.log_path = log_path


class RuntimeTimeoutError(BenchmarkError):
    """The measured process did not finish in time and was stopped."""


class OutOfMemoryError(BenchmarkError):
    """The system or an allocator ran out of memory."""


class WrongOutputError(BenchmarkError):
    """The device computed something else than the golden ``outputs``."""

    def __init__(self, message: str = "", *, outputs: tuple[str, ...] = (), hint: str = "", details: str = "") -> None:
        super().__init__(message, hint=hint, details=details)
        self.outputs = outputs


class RunStoreError(EmbedlError):
    """A run could not be recorded or read."""


class SchemaTooNewError(RunStoreError):
    """The record was written by a newer embedl_nb."""

    @classmethod
    def check(cls, what: str, version: object, newest: int) -> None:
        """Raise if ``version``, of the schema in which ``what`` was written, is beyond the ``newest`` that is known."""
        if isinstance(version, int) and version > newest:
            raise cls(
                f"{what} was written by a newer embedl_nb (schema version {version}; this one knows {newest})",
                hint="pip install -U embedl-nb",
            )


class EmbedlWarning(UserWarning):
    """Base of every warning of embedl_nb."""


class FallbackWarning(EmbedlWarning):
    """The model did not run where it was asked to."""

    def __init__(self, message: str = "", *, asked: str = "", got: str = "") -> None:
        super().__init__(message)
        self.asked = asked
        self.got = got


class UnstableMeasurementWarning(EmbedlWarning):
    """The samples drift, have two modes or come from a busy machine."""


class ThrottledWarning(EmbedlWarning):
    """The device slowed itself down while it was measured."""
