"""The README's lines of notebook do what they say, as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.notebook, pytest.mark.torch, pytest.mark.litert]


def test_the_readmes_lines_compile_verify_and_measure_a_model(project_root: Path):
    readme = (project_root / "README.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"^```python\n(.*?)^```", readme, flags=re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "README.md", "exec"), names)
    assert names["model"].parity.passed
    assert names["result"].outputs.state == "match"
    assert len(names["result"].layers) > 0
