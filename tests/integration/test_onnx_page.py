"""docs/onnx.md says of the operators what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from embedl_nb.compiler.onnx import operators  # noqa: E402, F401 - fills the registry
from embedl_nb.compiler.onnx.operator_page import operator_page  # noqa: E402
from embedl_nb.compiler.onnx.registry import table  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def page(project_root: Path) -> str:
    return (project_root / "docs" / "onnx.md").read_text(encoding="utf-8")


def test_the_page_of_operators_is_up_to_date(page: str) -> None:
    if f"onnx {onnx.__version__}." not in page:
        pytest.skip(f"the page was made with another onnx than {onnx.__version__}, which has other operators")
    assert page == operator_page(), "run: python -m embedl_nb.compiler.onnx.operator_page > docs/onnx.md"


def test_every_operator_of_the_table_is_on_the_page_from_its_first_opset(page: str) -> None:
    listed = {(name, int(opset)) for name, opset in re.findall(r"^\| (\w+) \| (\d+) \|", page, re.MULTILINE)}
    first: dict[str, int] = {}
    for row in table():
        first[row.name] = min(first.get(row.name, row.since), row.since)
    assert {item for item in first.items() if item not in listed} == set()


def test_no_operator_is_both_supported_and_refused(page: str) -> None:
    refused = page.partition("## Refused")[2].partition("\n## ")[0]
    names = {row.name for row in table() if not row.domain}
    assert names & set(re.findall(r"`(\w+)`", refused)) == set()


def test_the_pages_are_linked_to(project_root: Path, page: str) -> None:
    assert "docs/onnx.md" in (project_root / "README.md").read_text(encoding="utf-8")
    assert "(onnx-conformance.md)" in page
    assert (project_root / "docs" / "onnx-conformance.md").exists()
