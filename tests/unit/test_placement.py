"""What units answer becomes a verdict, a frame and figures; here they are asked by hand."""

from __future__ import annotations

import dataclasses
import errno
import json
from pathlib import Path

import pytest

from embedl_nb import charts
from embedl_nb.device.catalog.facts import chips
from embedl_nb.errors import InputError, SchemaTooNewError, UnknownNameError
from embedl_nb.model import LiteRTModel
from embedl_nb.placement import Placement, Placements, asking
from embedl_nb.placement.answers import OperatorAnswer, Reason, UnitAnswer
from embedl_nb.placement.placement import OperatorRow
from embedl_nb.placement.split import Split, split
from embedl_nb.testing import models
from embedl_nb.units import ComputeUnit

LINE = "LiteRT Op #2 'Atan2' (code=156) is not supported in Qualcomm Compiler."
ROWS = tuple(
    OperatorRow(index=index, operator=operator, name=f"t{index}", source=f"net.{index}", macs=macs)
    for index, (operator, macs) in enumerate([("CONV_2D", 900), ("RELU", 0), ("ATAN2", 0), ("CONV_2D", 100)])
)


def npu(*running: int, cause: str = "", reason: Reason = Reason.UNSUPPORTED_OPERATOR) -> UnitAnswer:
    return UnitAnswer(
        unit=ComputeUnit.NPU,
        asked="Qualcomm's compiler for SM8650",
        operators=tuple(
            OperatorAnswer(index=row.index, runs=True)
            if row.index in running
            else OperatorAnswer(index=row.index, runs=False, reason=reason, evidence=LINE)
            for row in ROWS
        ),
        cause=cause,
        seconds=0.5,
    )


GPU = UnitAnswer(
    unit=ComputeUnit.GPU, asked="", not_checked="no Vulkan driver was found", next_step="apt-get install chromium"
)


def a_split(*running: int) -> Split:
    sides = "".join("x" if row.index in running else " " for row in ROWS)
    done = sum(row.macs or 0 for row in ROWS if row.index in running)
    return Split(
        num_operators=len(ROWS),
        num_running=len(running),
        macs_share=done / 1000,
        num_parts=len(sides.split()),
        num_handovers=2,
        crossing_bytes=64,
    )


def placement(*running: int, cause: str = "") -> Placement:
    return Placement(
        model_name="net",
        model_sha256="ab" * 32,
        precision="w8a8",
        target="Samsung Galaxy S24",
        phones=("Samsung Galaxy S24",),
        chip="Snapdragon 8 Gen 3 (SM8650)",
        rows=ROWS,
        answers=(GPU, npu(*running, cause=cause)),
        splits={ComputeUnit.NPU: a_split(*running)},
    )


def test_the_verdict_counts_operators_and_work_and_names_what_splits_it() -> None:
    assert placement(0, 1, 3).verdict == (
        "3 of 4 operators, 100.0 % of the work, would run on the NPU in 2 parts; it does not take ATAN2"
    )


def test_operators_that_refused_ones_cut_off_are_not_called_refused() -> None:
    answer = npu(0, 1)
    cut_off = dataclasses.replace(answer.operators[3], reason=Reason.PARTITION_TOO_SMALL)
    split_up = dataclasses.replace(
        placement(0, 1), answers=(dataclasses.replace(answer, operators=(*answer.operators[:3], cut_off)),)
    )
    assert split_up.verdict.endswith("it does not take ATAN2, which cuts off 1 more")
    assert list(split_up.frame()["suggestion"])[3] == ""


def test_a_whole_model_is_said_to_be_whole() -> None:
    assert placement(0, 1, 2, 3).verdict == "All 4 operators would run on the NPU"


def test_a_faster_unit_that_was_not_checked_is_said_in_the_same_line() -> None:
    gpu = UnitAnswer(unit=ComputeUnit.GPU, asked="", operators=npu(0, 1, 2, 3).operators)
    asked = UnitAnswer(unit=ComputeUnit.NPU, asked="", not_checked="LiteRT supports none of this chip")
    both = dataclasses.replace(placement(), answers=(gpu, asked), splits={ComputeUnit.GPU: a_split(0, 1, 2, 3)})
    assert both.verdict == (
        "All 4 operators would run on the GPU; its NPU was not checked: LiteRT supports none of this chip"
    )


def test_the_first_line_names_the_phone_that_a_short_name_stood_for() -> None:
    asked = dataclasses.replace(placement(0, 1, 3), target="S24", phones=("itel S24",))
    assert repr(asked).startswith("net on itel S24 | Snapdragon 8 Gen 3 (SM8650) | ")


def test_a_cause_that_holds_for_all_is_said_once() -> None:
    answer = npu(cause="this chip's NPU has no float16", reason=Reason.NO_FLOAT16)
    none = dataclasses.replace(placement(), answers=(answer,))
    assert none.verdict == "None of 4 operators would run on the NPU: this chip's NPU has no float16"
    assert "enb.quantize" in none.operators["suggestion"].iloc[0]


def test_where_nothing_was_checked_the_first_line_says_why() -> None:
    nothing = dataclasses.replace(placement(), answers=(GPU,), splits={})
    assert nothing.verdict == "Nothing was checked: no Vulkan driver was found"
    assert "Next: apt-get install chromium" in repr(nothing)


def test_the_frame_has_a_row_an_operator_and_unit_with_the_units_own_words() -> None:
    frame = placement(0, 1, 3).frame()
    refused = frame[~frame["runs"]].iloc[0]
    assert len(frame) == 4
    assert (refused["operator"], refused["compute_unit"], refused["reason"]) == ("ATAN2", "npu", "unsupported operator")
    assert refused["evidence"] == LINE
    assert "sine and cosine" in refused["suggestion"]


def test_the_summary_tells_what_was_not_checked() -> None:
    summary = placement(0, 1, 3).summary.set_index("compute_unit")
    assert summary["is_checked"].to_dict() == {"gpu": False, "npu": True}
    assert summary.loc["gpu", "not_checked"] == "no Vulkan driver was found"


def test_a_placement_says_that_tools_reported_it() -> None:
    assert [line.split() for line in repr(placement()).splitlines()][1] == ["numbers", "are", "reported"]
    assert placement().to_record()["provenance"] == "reported"


def test_a_unit_that_was_not_asked_is_refused_by_name() -> None:
    with pytest.raises(UnknownNameError, match="compute unit 'cpu'"):
        placement().answer("cpu")


def test_html_escapes_what_models_and_compilers_say() -> None:
    rows = (OperatorRow(index=0, operator="<script>", name="<b>", source="", macs=None),)
    said = OperatorAnswer(index=0, runs=False, reason=Reason.UNKNOWN, evidence="<img src=x>")
    answer = UnitAnswer(unit=ComputeUnit.NPU, asked="<i>", operators=(said,))
    whole = Placement(
        model_name="<u>",
        model_sha256="",
        precision="f32",
        target="t",
        phones=(),
        chip="c",
        rows=rows,
        answers=(answer,),
        splits={ComputeUnit.NPU: split_of_none()},
    )
    for tag in ("<script>", "<b>", "<img", "<i>", "<u>"):
        assert tag not in whole._repr_html_()


def split_of_none() -> Split:
    return Split(num_operators=1, num_running=0, macs_share=None, num_parts=0, num_handovers=0, crossing_bytes=0)


def test_a_placement_survives_its_record() -> None:
    before = placement(0, 1, 3)
    assert Placement.from_record(json.loads(json.dumps(before.to_record()))) == before


def test_a_record_of_a_newer_version_is_refused() -> None:
    with pytest.raises(SchemaTooNewError, match="net"):
        Placement.from_record({**placement().to_record(), "schema_version": 2})


def test_a_disk_without_room_costs_one_units_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_arguments: object, **_options: object) -> UnitAnswer:
        raise OSError(errno.ENOSPC, "No space left on device")

    answered = UnitAnswer(unit=ComputeUnit.NPU, asked="a compiler", not_checked="said nothing")
    monkeypatch.setattr(asking, "ask_gpu", no_room)
    monkeypatch.setattr(asking, "ask_npu", lambda *_arguments, **_options: answered)
    units = (ComputeUnit.GPU, ComputeUnit.NPU)
    model = LiteRTModel.open(models.write(tmp_path, models.add()))
    gpu, npu = asking.place(
        model, chips()["SM8650"], target="SM8650", phones=(), units=units, signature_key=None
    ).answers
    assert "No space left" in gpu.not_checked
    assert "free some space" in gpu.next_step
    assert npu == answered


def test_the_split_counts_parts_handovers_and_bytes_that_cross(tmp_path: Path) -> None:
    model = LiteRTModel.open(models.write(tmp_path, models.chain(6, shape=(1, 16))))
    part = split(model.graph, model.graph.main, {0, 1, 4})
    # 0 1 | 2 3 | 4 | 5: the outputs of 1, 3 and 4 cross, 16 floats each.
    assert (part.num_running, part.num_parts, part.num_handovers, part.crossing_bytes) == (3, 2, 3, 3 * 16 * 4)
    assert part.macs_share is None


def test_a_share_of_the_work_is_not_told_where_an_operator_s_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LiteRTModel.open(models.write(tmp_path, models.chain(3)))
    monkeypatch.setattr("embedl_nb.placement.split.count_macs", lambda operator, *_: (900, 0, None)[operator.index])
    shares = [split(model.graph, model.graph.main, running).macs_share for running in ({0}, {0, 1}, {0, 1, 2}, set())]
    assert shares == [None, None, 1.0, 0.0]


def test_the_strip_is_as_wide_as_the_work_and_its_hover_says_why() -> None:
    figure = charts.draw("placement", placement(0, 1, 3)).to_dict()
    taken, refused = figure["data"]
    assert sum([*taken["x"], *refused["x"]]) == pytest.approx(1)
    assert taken["x"][0] > 0.85
    assert refused["customdata"][0][2] == f"unsupported operator: {LINE}"
    assert placement(0, 1, 3).strip().to_dict() == figure


def test_a_strip_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="no Placement"):
        charts.draw("placement", 3)
    unchecked = dataclasses.replace(placement(), answers=(GPU,), splits={})
    with pytest.raises(InputError, match=r"no unit of Snapdragon 8 Gen 3 \(SM8650\) was checked for net") as caught:
        charts.draw("placement", unchecked)
    assert caught.value.hint == "apt-get install chromium"


def test_several_placements_are_a_matrix_of_chips_and_units() -> None:
    both = Placements(results={"a": placement(0, 1, 3), "b": placement(0, 1, 2, 3)}, errors={})
    (cells,) = both.matrix().to_dict()["data"]
    assert [list(row) for row in cells["text"]] == [["not checked", "3 of 4"], ["not checked", "4 of 4"]]
    assert [row[1] for row in cells["z"]] == [0.75, 1.0]


def test_a_set_shows_the_verdicts_and_raises_the_errors() -> None:
    lost = UnknownNameError("no phone is known as 'x'")
    results = Placements(results={"a": placement(0, 1, 3)}, errors={"x": lost})
    assert repr(results).splitlines()[0] == "net on 1 chip | whole on 0 of 1 NPUs | 1 failed"
    assert len(results.frame()) == 4
    assert "GPU not checked: no Vulkan driver was found" in " ".join(repr(results).split())
    assert repr(results).rstrip().endswith("Next: apt-get install chromium")
    with pytest.raises(UnknownNameError, match="no phone is known"):
        results["x"]
