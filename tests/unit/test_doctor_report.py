"""What the doctor's findings add up to, and the table of platforms."""

from __future__ import annotations

import pytest

from embedl_nb.errors import UnknownNameError
from embedl_nb.pipeline.checks import Check, Status
from embedl_nb.pipeline.doctor import Doctor
from embedl_nb.pipeline.platforms import PLATFORMS, markdown_table, this_platform

LINUX = PLATFORMS["linux", "x86_64"]
FINE = {name: Check(name=name, status=Status.OK, found=f"{name} is there") for name in ("runtime", "compiler", "cpu")}


def report(*changed: Check) -> Doctor:
    return Doctor(platform=LINUX, checks=tuple({**FINE, **{check.name: check for check in changed}}.values()))


def missing(name: str) -> Check:
    return Check(name=name, status=Status.MISSING, found=f"{name} is not installed", fix=f"pip install {name}")


def test_a_complete_machine_is_ready() -> None:
    doctor = report()
    assert doctor.can_measure
    assert doctor.can_compile
    text = repr(doctor)
    assert text.splitlines()[0] == "Ready to compile and measure on this machine"
    assert text.splitlines()[-1] == "Next: embedl-nb quickstart"
    assert "!" not in text


def test_without_a_compiler_it_can_still_measure() -> None:
    doctor = report(missing("compiler"))
    assert doctor.can_measure
    assert not doctor.can_compile
    text = repr(doctor)
    assert text.splitlines()[0] == "Can measure, cannot compile: compiler is not installed"
    assert "! compiler: compiler is not installed. Fix: pip install compiler" in text
    assert text.splitlines()[-1] == "Next: pip install compiler"


def test_without_a_runtime_nothing_can_be_done() -> None:
    doctor = report(missing("runtime"))
    assert not doctor.can_measure
    assert not doctor.can_compile
    assert repr(doctor).splitlines()[0] == "Cannot measure or compile: runtime is not installed"


def test_a_warning_stands_in_nobodys_way() -> None:
    doctor = report(Check(name="cpu", status=Status.WARNING, found="busy now, load 3", fix="wait"))
    assert doctor.can_compile
    assert "! cpu: busy now, load 3. Fix: wait" in repr(doctor)
    assert "cpu: busy now, load 3. Fix: wait" in doctor._repr_html_()


def test_a_check_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(UnknownNameError, match="compilr") as caught:
        report()["compilr"]
    assert caught.value.candidates == ("compiler",)


def test_findings_are_a_frame_too() -> None:
    frame = report(missing("compiler")).frame()
    assert list(frame.columns) == ["name", "status", "found", "fix"]
    assert frame.set_index("name").loc["compiler", "status"] == "missing"


def test_every_platform_is_found_however_it_is_spelled() -> None:
    assert this_platform("win32", "AMD64").name == "Windows x86-64"
    assert this_platform("linux", "aarch64").name == "Linux arm64"
    assert this_platform("darwin", "arm64").name == "macOS arm64"
    assert this_platform("darwin", "x86_64").name == "macOS x86-64"


def test_an_unlisted_platform_offers_nothing() -> None:
    row = this_platform("linux", "riscv64")
    assert row.name == "linux riscv64"
    assert not any(each.is_available for each in row.capabilities.values())


@pytest.mark.parametrize("row", PLATFORMS.values(), ids=lambda row: row.name)
def test_what_is_not_available_says_why(row: object) -> None:
    refusals = [each for each in row.capabilities.values() if not each.is_available]  # type: ignore[attr-defined]
    assert all(each.reason for each in refusals)


def test_the_markdown_table_has_one_line_a_platform() -> None:
    lines = markdown_table().splitlines()
    assert len(lines) == 2 + len(PLATFORMS)
    assert {line.count("|") for line in lines} == {10}
    assert "| Linux x86-64 | yes | yes | yes | yes | yes | WebGPU |" in lines[2]
