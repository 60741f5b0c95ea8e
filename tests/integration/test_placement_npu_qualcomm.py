"""Qualcomm's own compiler, on tiny models: what it takes, what it refuses, and what is left of its accidents."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

from embedl_nb import config
from embedl_nb.device.catalog.facts import chips
from embedl_nb.model import LiteRTModel
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.schema import schema
from embedl_nb.placement.answers import Reason, UnitAnswer
from embedl_nb.placement.npu import answering, ask_npu, tool
from embedl_nb.placement.npu.sdk import find_sdk
from embedl_nb.placement.npu.vendors import VENDORS
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder

pytest.importorskip("onnxruntime_qnn", reason='needs Qualcomm\'s compiler: pip install "embedl-nb[qualcomm]"')
pytestmark = pytest.mark.litert

S24, S21, MOTOROLA = chips()["SM8650"], chips()["SM8350"], chips()["SM7435"]


def mixed(tmp_path: Path, *, names: Sequence[str] = "abcde", has_options: bool = True) -> LiteRTModel:
    """Build ABS, TANH, ATAN2 (which no NPU takes), CUMSUM (which kills the compile for SM8350), TANH."""
    options = schema().CumsumOptionsT() if has_options else None
    builder = ModelBuilder()
    x = builder.input("x", (1, 8, 8, 8))
    a, b, c, d, e = (builder.tensor(name, (1, 8, 8, 8)) for name in names)
    builder.operator("ABS", [x], a)
    builder.operator("TANH", [a], b)
    builder.operator("ATAN2", [b, a], c)
    builder.operator("CUMSUM", [c, builder.constant("axis", np.array(1, np.int32))], d, options=options)
    builder.operator("TANH", [d], e)
    return LiteRTModel.open(models.write(tmp_path, builder.build({"y": e})))


def reasons(answer: UnitAnswer) -> dict[int, Reason | None]:
    return {each.index: each.reason for each in answer.operators if not each.runs}


def test_an_operator_that_is_refused_splits_the_model_in_two_partitions(tmp_path: Path) -> None:
    model = mixed(tmp_path)
    answer = ask_npu(model, S24)
    assert answer.asked.startswith("Qualcomm's compiler (QAIRT 2.")
    assert answer.asked.endswith("for SM8650")
    assert reasons(answer) == {2: Reason.UNSUPPORTED_OPERATOR}
    assert answer.operators[2].evidence == "LiteRT Op #2 'Atan2' (code=156) is not supported in Qualcomm Compiler."
    assert answer.partitions == ((0, 1), (3, 4))
    assert answer.artifact is not None
    types = [operator.type_name for operator in read_model(answer.artifact).main.operators]
    assert types == ["DISPATCH_OP", "ATAN2", "DISPATCH_OP"]
    assert answer.log_path is not None
    assert "Atan2" in answer.log_path.read_text()


@pytest.mark.parametrize("names", [[""] * 5, ["same"] * 5], ids=["none", "same"])
def test_partitions_are_found_whatever_tensors_are_called(names: list[str], tmp_path: Path) -> None:
    assert ask_npu(mixed(tmp_path, names=names), S24).partitions == ((0, 1), (3, 4))


def test_the_operator_that_kills_the_whole_compile_is_found_and_left_to_the_cpu(tmp_path: Path) -> None:
    answer = ask_npu(mixed(tmp_path), S21)
    assert reasons(answer) == {2: Reason.UNSUPPORTED_OPERATOR, 3: Reason.COMPILER_FAILURE}
    assert "QNN_CumulativeSum" in answer.operators[3].evidence
    assert answer.partitions == ((0, 1), (4,))
    assert answer.artifact is not None
    # It is in the artifact as it is in the source, not as it was hidden from the compiler.
    types = [operator.type_name for operator in read_model(answer.artifact).main.operators]
    assert types == ["DISPATCH_OP", "ATAN2", "CUMSUM", "DISPATCH_OP"]


def test_an_operator_on_which_the_plugin_ends_without_a_word_is_found(tmp_path: Path) -> None:
    answer = ask_npu(mixed(tmp_path, has_options=False), S24)
    assert reasons(answer) == {2: Reason.UNSUPPORTED_OPERATOR, 3: Reason.COMPILER_FAILURE}
    assert "exit code 1 as soon as this operator" in answer.operators[3].evidence


def test_a_chip_without_float16_is_the_one_cause_of_its_refusals(tmp_path: Path) -> None:
    answer = ask_npu(mixed(tmp_path), MOTOROLA)
    assert answer.num_running == 0
    assert answer.cause.count("float16") == 1
    assert set(reasons(answer).values()) == {Reason.NO_FLOAT16, Reason.UNSUPPORTED_OPERATOR}
    assert answer.artifact is None
    assert not answer.not_checked


def test_int8_runs_where_float_does_not(tmp_path: Path) -> None:
    model = LiteRTModel.open(models.write(tmp_path, models.quantized_fully_connected()))
    answer = ask_npu(model, MOTOROLA)
    assert (answer.num_running, answer.partitions, answer.cause) == (1, ((0,),), "")


def test_an_unknown_chip_is_refused_by_its_name(tmp_path: Path) -> None:
    model = LiteRTModel.open(models.write(tmp_path, models.add()))
    answer = ask_npu(model, dataclasses.replace(S24, part="SM9999"))
    assert "does not know the chip SM9999" in answer.not_checked
    assert answer.operators == ()
    assert answer.artifact is None


def test_each_signature_is_asked_about_by_itself(tmp_path: Path) -> None:
    model = LiteRTModel.open(models.write(tmp_path, models.two_signatures()))
    first, second = (ask_npu(model, S24, signature_key=key) for key in ("first", "second"))
    assert (first.partitions, second.partitions) == (((0,),), ((0,),))
    assert first.artifact != second.artifact
    assert second.artifact is not None
    graph = read_model(second.artifact)
    types = {s.key: graph.subgraphs[s.subgraph_index].operators[0].type_name for s in graph.signatures}
    assert types == {"first": "FULLY_CONNECTED", "second": "DISPATCH_OP"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (models.custom_operator(), Reason.UNSUPPORTED_OPERATOR),
        (models.chain(1, shape=(1, 2, 2, 2, 2, 2, 2)), Reason.RANK),
        (models.add(dtype="float64"), Reason.DTYPE),
    ],
    ids=["custom", "rank", "dtype"],
)
def test_a_model_of_which_nothing_is_taken_is_an_answer(data: bytes, reason: Reason, tmp_path: Path) -> None:
    answer = ask_npu(LiteRTModel.open(models.write(tmp_path, data)), S24)
    assert reasons(answer) == {0: reason}
    assert answer.operators[0].evidence
    assert not answer.not_checked


def test_what_the_compiler_says_without_a_number_finds_its_operator(tmp_path: Path) -> None:
    builder = ModelBuilder()
    value = builder.input("x", (2, 4))
    value = builder.operator("ABS", [value], builder.tensor("a", (2, 4)))
    axes = builder.constant("axes", np.array([0, 1], np.int32))
    value = builder.operator("REVERSE_V2", [value, axes], builder.tensor("b", (2, 4)))
    answer = ask_npu(LiteRTModel.open(models.write(tmp_path, builder.build({"y": value}))), S24)
    assert reasons(answer) == {1: Reason.FORM}
    assert answer.operators[1].evidence == "Qnn supports ReverseV2 with a single axis for now."


def test_a_composite_runs_where_its_body_does(tmp_path: Path) -> None:
    answer = ask_npu(LiteRTModel.open(models.write(tmp_path, models.composite())), S24)
    assert answer.partitions == ((0,),)


def test_a_file_that_has_changed_is_not_compiled_in_the_name_of_the_old_one(tmp_path: Path, empty_home: Path) -> None:
    model = LiteRTModel.open(models.write(tmp_path, models.add()))
    models.write(tmp_path, models.chain(3))
    assert "has changed since it was opened" in ask_npu(model, S24).not_checked


def test_two_processes_that_ask_at_once_compile_once(tmp_path: Path, empty_home: Path) -> None:
    path = models.write(tmp_path, models.add())
    script = (
        "from embedl_nb.device.catalog.facts import chips\n"
        "from embedl_nb.model import LiteRTModel\n"
        "from embedl_nb.placement.npu import ask_npu\n"
        f"answer = ask_npu(LiteRTModel.open({str(path)!r}), chips()['SM8650'])\n"
        "print(answer.partitions, dict(answer.facts)['compile'], answer.artifact)\n"
    )
    asking = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in asking]
    assert said[0] == said[1]  # the time that the compile took, too: one answer
    assert said[0].startswith("((0,),)")


def test_a_home_with_a_comma_in_its_name_is_found(
    model: LiteRTModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDL_NB_HOME", str(tmp_path / "one, two"))
    assert ask_npu(model, S24).partitions == ((0,),)


def test_a_plugin_that_was_damaged_in_the_cache_is_made_again(empty_home: Path) -> None:
    plugin = next(find_sdk(VENDORS["qualcomm"]).plugin_folder.glob("*.so"))
    content = plugin.read_bytes()
    assert plugin.is_relative_to(config.cache_dir())
    plugin.write_bytes(content[:1000])
    assert next(find_sdk(VENDORS["qualcomm"]).plugin_folder.glob("*.so")).read_bytes() == content


@pytest.fixture
def model(tmp_path: Path) -> LiteRTModel:
    return LiteRTModel.open(models.write(tmp_path, models.add()))


def ask_with_tool(model: LiteRTModel, tmp_path: Path, script: str, *, timeout_s: float = 60.0) -> UnitAnswer:
    """Ask with a shell script in the place of the vendor's tool."""
    path = tmp_path / "tool"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    changed = dataclasses.replace(find_sdk(VENDORS["qualcomm"]), tool=path, digest=script)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answering, "find_sdk", lambda _vendor, _chip: changed)
        return ask_npu(model, S24, timeout_s=timeout_s)


READY = "echo 'INFO: [compiler_plugin.cc:948] Applying plugin with SDK version: v2.51.0.1' >&2; "


def test_a_tool_that_segfaults_while_it_loads_is_one_error(model: LiteRTModel, tmp_path: Path) -> None:
    answer = ask_with_tool(model, tmp_path, "kill -SEGV $$")
    assert "do not load in LiteRT" in answer.not_checked
    assert "SIGSEGV" in answer.not_checked
    assert "--force-reinstall onnxruntime-qnn" in answer.next_step


def test_a_tool_that_hangs_is_stopped_with_all_that_it_started(model: LiteRTModel, tmp_path: Path) -> None:
    script = f"{READY} sleep 300 & echo $! > {tmp_path}/pid; wait"
    answer = ask_with_tool(model, tmp_path, script, timeout_s=1.0)
    assert "was stopped" in answer.not_checked
    assert answer.log_path is not None
    assert "Applying plugin" in answer.log_path.read_text()
    assert is_over(int((tmp_path / "pid").read_text()))


def is_over(pid: int) -> bool:
    for _ in range(100):  # the system takes a moment to bury it
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_an_interrupt_ends_the_tool_and_stays_an_interrupt(model: LiteRTModel, tmp_path: Path) -> None:
    started = tmp_path / "pid"
    threading.Thread(target=interrupt_after, args=(started,), daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        ask_with_tool(model, tmp_path, f"echo $$ > {started}.new; mv {started}.new {started}; exec sleep 300")
    assert is_over(int(started.read_text()))


def test_a_tool_ends_with_a_kernel_that_is_killed(model: LiteRTModel, tmp_path: Path) -> None:
    started = tmp_path / "pid"
    script = f"echo $$ > {started}.new; mv {started}.new {started}; exec sleep 300"
    asker = multiprocessing.get_context("spawn").Process(target=ask_with_tool, args=(model, tmp_path, script))
    asker.start()
    while not started.exists():
        assert asker.is_alive()
        time.sleep(0.02)
    asker.kill()
    asker.join()
    assert is_over(int(started.read_text()))


def interrupt_after(file: Path) -> None:
    while not file.exists():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)


def test_a_tool_that_fills_the_disk_is_stopped(
    model: LiteRTModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "_LEAST_DISK_BYTES", 2**20)
    answer = ask_with_tool(model, tmp_path, f"{READY} exec cat /dev/zero >&2")
    assert "SIGXFSZ" in answer.not_checked
    assert answer.operators == ()


def test_a_tool_that_cannot_be_started_is_one_error(model: LiteRTModel, tmp_path: Path) -> None:
    answer = ask_with_tool(model, tmp_path, "")
    assert "do not load" in answer.not_checked
    changed = dataclasses.replace(find_sdk(VENDORS["qualcomm"]), tool=tmp_path / "missing", digest="missing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answering, "find_sdk", lambda _vendor, _chip: changed)
        assert "could not be started" in ask_npu(model, S24).not_checked


def test_a_corrupt_library_is_one_error(model: LiteRTModel, tmp_path: Path) -> None:
    sdk = find_sdk(VENDORS["qualcomm"])
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for library in sdk.library_folders[0].glob("libQnn*.so"):
        (libraries / library.name).symlink_to(library)
    (libraries / "libQnnSystem.so").unlink()
    (libraries / "libQnnSystem.so").write_bytes((sdk.library_folders[0] / "libQnnSystem.so").read_bytes()[:100_000])
    changed = dataclasses.replace(sdk, library_folders=(libraries, *sdk.library_folders[1:]), digest="corrupt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answering, "find_sdk", lambda _vendor, _chip: changed)
        answer = ask_npu(model, S24)
    assert "do not load in LiteRT" in answer.not_checked
    assert answer.log_path is not None
    shutil.rmtree(libraries)
