"""What the converter's child says becomes an error that also says what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from embedl_nb.compiler import converter
from embedl_nb.errors import BenchmarkError, CompileError


class _FailingChild:
    log_path = Path("child.log")

    def request(self, command: str, _payload: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        raise BenchmarkError(f"the converter failed in {command!r} of {timeout_s} s: ValueError: odd", details="where")


def test_an_exception_that_nobody_foresaw_says_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def warm(_module: str, *, what: str) -> Iterator[_FailingChild]:
        assert what
        yield _FailingChild()

    monkeypatch.setattr(converter, "warm", warm)
    with pytest.raises(CompileError, match=r"ValueError: odd \(while lowering net\)") as caught:
        converter.TENSORFLOW.ask("lower", {}, name="net", timeout_s=1.0)
    assert caught.value.details == "where"
    assert "child.log" in caught.value.hint
