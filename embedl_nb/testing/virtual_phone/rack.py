"""Several virtual phones at an adb server of their own, ready to be measured: for notebooks and tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from embedl_nb.testing.virtual_phone.adb_server import adb_server
from embedl_nb.testing.virtual_phone.phone import VirtualPhone

__all__ = ["ARM64_PROGRAM", "virtual_rack"]

ARM64_PROGRAM = b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + (0xB7).to_bytes(2, "little") + bytes(100)
"""Stands in for Google's program, which a virtual phone knows by its name and never runs: the head of one for arm64."""


@contextmanager
def virtual_rack(*phones: str | VirtualPhone) -> Iterator[tuple[str, ...]]:
    """Run virtual phones at one adb server until the block ends, and have this process talk to that server only.

    Meanwhile ``ADB_SERVER_SOCKET`` and ``EMBEDL_NB_BENCHMARK_MODEL`` are set, so that ``enb.devices()`` and ``adb://*``
    mean these phones, and nothing need be fetched.

    Parameters
    ----------
    *phones
        Names of phones in the catalog, or phones that are not running yet, for those with faults.

    Yields
    ------
    tuple of str
        The address of each, in the order of ``phones``.

    Raises
    ------
    UnknownNameError
        If there is no such phone in the catalog.
    MissingDependencyError
        If there is no adb for this machine.

    Examples
    --------
    >>> with virtual_rack("Samsung Galaxy S24", "Google Pixel 7") as addresses:  # doctest: +SKIP
    ...     enb.benchmark(model, addresses)
    """
    made = [VirtualPhone(each) if isinstance(each, str) else each for each in phones]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="embedl_nb-rack-")))
        program = folder / "benchmark_model"
        program.write_bytes(ARM64_PROGRAM)
        server = stack.enter_context(adb_server())
        for phone in made:
            server.connect(stack.enter_context(phone))
        variables = {
            "ADB_SERVER_SOCKET": f"tcp:{server.host}:{server.port}",
            "EMBEDL_NB_BENCHMARK_MODEL": str(program),
        }
        stack.enter_context(_environment(variables))
        yield tuple(f"adb://{phone.address}" for phone in made)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
