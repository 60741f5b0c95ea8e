"""What Qualcomm's compiler said, as it was recorded, read back to operators, reasons and culprits."""

from __future__ import annotations

import pytest

from embedl_nb.placement.answers import Reason
from embedl_nb.placement.npu.log import REASON_PATTERNS, Culprit, ReasonPattern, loading_failure, parse_log

# Recorded with ai-edge-litert 2.3.0 and QAIRT 2.51 (--qualcomm_log_level=error), cut.
READY = """\
INFO: [compiler_plugin.cc:260] Loaded plugin at: libLiteRtCompilerPlugin_Qualcomm.so
WARNING: [qnn_manager.cc:272] Qnn library version 2.40.0 is used. The version LiteRT using is 2.39.0.
INFO: [compiler_plugin.cc:948] Applying plugin with SDK version: v2.51.0.260929181845
INFO: [compiler_plugin.cc:936] Applied transformations.
INFO: [Qnn] Using provided SoC info. SoC name: SM7435.
INFO: [Qnn] Initializing QNN backend for SoC model: 61
"""
REFUSED = """\
ERROR: [qnn_manager.cc:480]\x20
QNN op validation failed: 'Conv2d_2' (type=Conv2d)
  Inputs:
    [0] name="0_litert_12" dtype=QNN_DATATYPE_FLOAT_32 dims=[1,32,32,3] (no quantization)
  Outputs:
    [0] name="3_litert_13" dtype=QNN_DATATYPE_FLOAT_32 dims=[1,32,32,16] (no quantization)
  QNN error=3110. See the QNN validator log lines above for the specific reason.
ERROR: [qnn_compiler_plugin.cc:538]\x20
LiteRT Op #1 'Conv2d' (code=3) is not supported in Qualcomm Compiler.
  Inputs:
    [0] name="a|Conv2d;2"  tensor_idx=12
    [1] name="a|Conv2d;1"  tensor_idx=8
  Outputs:
    [0] name="a|Conv2d;3"  tensor_idx=13
ERROR: [qnn_compose_graph.cc:1722]\x20
LiteRT Op #4 'Atan2' (code=156) is not supported in Qualcomm Compiler.
  Inputs:
    [0] name="A;3"  tensor_idx=14
    [1] name="A;4"  tensor_idx=15
  Outputs:
    [0] name="A;5"  tensor_idx=16
INFO: [compiler_plugin.cc:742] Partitioned subgraph<0>, selected 11 ops, from a total of 13 ops.
"""
NO_FLOAT16 = """\
 # LIBNATIVE: No alternate configuration present in libnative_tls.conf
     0.0ms [ ERROR ]   <E> The SocModel doesn't support FP16
     0.0ms [ ERROR ]   <E> The SocModel doesn't support FP16
     0.0ms [ ERROR ]   <E> QnnBackend_validateOpConfig failed 3110
     0.0ms [ ERROR ]   <E> Failed to validate op Conv2d_2 with error 0xc26
     0.0ms [ ERROR ]   <E> unexpected GraphHtpSettings option 66
"""
DTYPE = """\
     0.0ms [ ERROR ]   <E> Unsupported input/output datatypes requested for the HTP Op 'Conv2d' in the node \
'Conv2d_2'. There is a mismatch for the combination of inputs and outputs.
     0.0ms [ ERROR ]   <E> Requested I/O datatype set:

   in[0]:QNN_DATATYPE_FLOAT_64
   out[0]:QNN_DATATYPE_FLOAT_64

     0.0ms [ ERROR ]   <E> QnnBackend_validateOpConfig failed 3110
     0.0ms [ ERROR ]   <E> Failed to validate op Conv2d_2 with error 0xc26
"""
KILLED = """\
INFO: [qnn_compiler_plugin.cc:699] Composing graph
INFO: [qnn_compiler_plugin.cc:703] Entry point name: qnn_partition_0
INFO: [qnn_compiler_plugin.cc:713] Graph composed
INFO: [qnn_compiler_plugin.cc:703] Entry point name: qnn_partition_1
ERROR: [apply_plugin.cc:455] ERROR: [litert/compiler/plugin/compiler_plugin.cc:504]
"""
CULPRIT = """\
     0.0ms [ ERROR ]  graph_prepare.cc:211::ERROR:could not create op: q::QNN_CumulativeSum
     0.0ms [ ERROR ]  graph_prepare.cc:1878::ERROR:Op 0x32 preparation failed with err:-1
     0.0ms [ ERROR ]   <E> "b|Conv2d/Conv2d_31_LiteRt_OpId_7" generated: could not create op
     0.0ms [ ERROR ]   <E> "A/CumulativeSum_24_LiteRt_OpId_2" generated: could not create op
     0.0ms [ ERROR ]   <E> RouterX86 graph prepare failed 12
"""


def test_a_refusal_has_the_compilers_line_and_the_validators_reason() -> None:
    log = parse_log(READY + REFUSED, NO_FLOAT16)
    conv, atan = log.refusals
    assert (conv.index, conv.outputs, conv.reason) == (1, ("a|Conv2d;3",), Reason.NO_FLOAT16)
    assert conv.evidence == (
        "LiteRT Op #1 'Conv2d' (code=3) is not supported in Qualcomm Compiler. | The SocModel doesn't support FP16"
    )
    assert "int8" in conv.cause
    # What was not even made into an operator of Qualcomm's has no counterpart there.
    assert (atan.index, atan.outputs, atan.reason) == (4, ("A;5",), Reason.UNSUPPORTED_OPERATOR)
    assert not atan.cause


def test_a_datatype_is_named_with_the_set_that_was_asked_for() -> None:
    refusal = parse_log(READY + REFUSED, DTYPE).refusals[0]
    assert refusal.reason is Reason.DTYPE
    assert "in[0]:QNN_DATATYPE_FLOAT_64" in refusal.evidence
    assert "\n" not in refusal.evidence


def test_a_reason_that_is_not_known_yet_is_about_the_form() -> None:
    said = NO_FLOAT16.replace("The SocModel doesn't support FP16", "Value 7 of parameter axis is out of range")
    refusal = parse_log(READY + REFUSED, said).refusals[0]
    assert refusal.reason is Reason.FORM
    assert refusal.evidence.endswith("| Value 7 of parameter axis is out of range")


def test_without_the_validators_words_the_evidence_is_what_it_was_asked() -> None:
    refusal = parse_log(READY + REFUSED, "").refusals[0]
    assert refusal.reason is Reason.FORM
    assert "QNN op validation failed: 'Conv2d_2' (type=Conv2d)" in refusal.evidence
    assert "dtype=QNN_DATATYPE_FLOAT_32" in refusal.evidence


def test_what_is_said_of_an_operator_without_its_number_is_kept_in_order() -> None:
    said = (
        "ERROR: [Qnn] Unsupported data type for OneHot on/off values.\n"
        "ERROR: [Qnn] Qnn supports ReverseV2 with a single axis for now.\n"
    )
    log = parse_log(READY + said + REFUSED, "")
    assert log.unnumbered == (
        (Reason.DTYPE, "Unsupported data type for OneHot on/off values."),
        (Reason.FORM, "Qnn supports ReverseV2 with a single axis for now."),
    )
    assert len(log.refusals) == 2


@pytest.mark.parametrize("entry", REASON_PATTERNS, ids=lambda entry: entry.pattern.pattern[:20])
def test_each_pattern_reads_its_recorded_sample(entry: ReasonPattern) -> None:
    refusal = parse_log(
        READY + REFUSED, NO_FLOAT16.replace("The SocModel doesn't support FP16", entry.sample)
    ).refusals[0]
    assert (refusal.reason, refusal.cause) == (entry.reason, entry.cause)


def test_what_kills_the_whole_compile_is_found_by_partition_and_position() -> None:
    log = parse_log(READY + KILLED, CULPRIT)
    assert log.culprit == Culprit(
        partition=1,
        position=2,
        evidence="graph_prepare.cc:211::ERROR:could not create op: q::QNN_CumulativeSum | "
        '"A/CumulativeSum_24_LiteRt_OpId_2" generated: could not create op',
    )
    assert parse_log(READY + KILLED, "").culprit is None


def test_an_unknown_chip_is_told_from_one_that_is_taken_for_another() -> None:
    unknown = parse_log("ERROR: [qnn_compiler_plugin.cc:101] Unexpected SoC model: SM9999\n", "")
    assert unknown.unknown_soc == "Unexpected SoC model: SM9999"
    assert unknown.soc == ""
    assert parse_log(READY, "").soc == "SM7435"


def test_a_library_that_does_not_load_is_told_from_a_compile_that_took_nothing() -> None:
    unloadable = parse_log(
        "WARNING: [compiler_plugin.cc:312] Failed to load plugin at: x.so with error: ERROR: [compiler_plugin.cc:259]\n"
        "└ Could not load shared library x.so: libQnnHtp.so: cannot open shared object file.\n",
        "",
    )
    assert "libQnnHtp.so" in unloadable.unloadable
    assert not unloadable.sdk_version
    nothing = parse_log(
        f"{READY}INFO: [compiler_plugin.cc:493] CompilerPlugin::Compile: Skipped for non partitioned model.\n", ""
    )
    assert nothing.selected_nothing
    assert nothing.sdk_version == "2.51.0.260929181845"


def test_a_log_that_was_cut_off_or_is_empty_says_nothing() -> None:
    log = parse_log("", "")
    assert (log.refusals, log.culprit, log.sdk_version) == ((), None, "")
    assert len(parse_log((READY + REFUSED)[:-330], NO_FLOAT16[:90]).refusals) == 1


# Recorded with ai-edge-litert 2.3.0 and stand-ins for the vendors' libraries, or without any.
MEDIATEK = """\
INFO: [compiler_plugin.cc:948] Applying plugin with SDK version: np8.0.10
INFO: [compiler_plugin.cc:704] SoC model mt6989 is supported
INFO: [compiler_plugin.cc:435] Compiling for MediaTek architecture: mt6989
INFO: [compile_model.cc:199] NeuronCompilation_finish failed with error 4
INFO: [compiler_plugin.cc:648] Failed to finish compilation
"""
GOOGLE = """\
WARNING: [compiler_plugin.cc:955] Applying plugin with unknown SDK version, because the targeted SoC Manufacturer does \
not report its SDK version.
INFO: [compiler_plugin.cc:609] unsupported composite op: odml.gelu
INFO: [compiler_plugin.cc:1069] Starting GoogleTensor Compilation for 1 subgraphs, soc_model=Tensor_G4
ERROR: [compiler_plugin.cc:1145] Failed to compile model: op 3 is not legal
"""
GOOGLE_WITHOUT_LIBRARY = """\
ERROR: [adapter_aot.cc:78] Failed to load Tensor TPU compiler library: Failed to load Tensor TPU compiler library: \
liblitert_plugin_compiler.so: cannot open shared object file: No such file or directory
WARNING: [compiler_plugin.cc:955] Applying plugin with unknown SDK version, because the targeted SoC Manufacturer does \
not report its SDK version.
"""
SAMSUNG_WITHOUT_LIBRARY = """\
WARNING: [compiler_plugin.cc:955] Applying plugin with unknown SDK version, because the targeted SoC Manufacturer does \
not report its SDK version.
INFO: [ai_litecore_manager.cc:142] Loading from: libgraph_wrapper.so
INFO: [ai_litecore_manager.cc:144] Failed to load
"""
SAMSUNG_UNLOADABLE = """\
WARNING: [compiler_plugin.cc:312] Failed to load plugin at: plugins/libLiteRtCompilerPlugin_Samsung.so with error:
\u2514 Could not load shared library plugins/libLiteRtCompilerPlugin_Samsung.so: plugins/libLiteRtCompilerPlugin_\
Samsung.so: undefined symbol: _ZN11flatbuffers13ClassicLocale9instance_E.
"""


def test_every_vendors_plugin_says_its_version_and_chip_in_its_own_way() -> None:
    mediatek, google = parse_log(MEDIATEK, ""), parse_log(GOOGLE, "")
    assert (mediatek.is_ready, mediatek.sdk_version, mediatek.soc) == (True, "8.0.10", "mt6989")
    assert mediatek.failed == "NeuronCompilation_finish failed with error 4"
    assert (google.is_ready, google.sdk_version, google.soc) == (True, "", "Tensor_G4")
    assert google.failed == "Failed to compile model: op 3 is not legal"
    assert google.composite == "unsupported composite op: odml.gelu"


@pytest.mark.parametrize("litert", [GOOGLE_WITHOUT_LIBRARY, SAMSUNG_WITHOUT_LIBRARY], ids=["google", "samsung"])
def test_a_plugin_that_goes_on_without_its_libraries_is_not_ready(litert: str) -> None:
    log = parse_log(litert, "")
    assert not log.is_ready
    assert "Failed to load" in log.unloadable


def test_why_a_library_does_not_load_is_said_without_its_path() -> None:
    assert loading_failure(SAMSUNG_UNLOADABLE) == "undefined symbol: _ZN11flatbuffers13ClassicLocale9instance_E"
    assert loading_failure(READY) == ""


@pytest.mark.parametrize(
    "line",
    [
        "ERROR: [qnn_compiler_plugin.cc:101] Unexpected SoC model: SM9999",
        "ERROR: [compiler_plugin.cc:701] Unsupported SoC model: mt9999",
        "ERROR: [compiler_plugin.cc:730] Invalid soc model for device type: Tensor_G9",
        "ERROR: [soc_model.cc:41] Unsupported soc model `E9999`",
    ],
)
def test_a_chip_that_a_plugin_does_not_know_is_read_from_any_vendors_log(line: str) -> None:
    assert parse_log(line, "").unknown_soc in line
    assert parse_log(line, "").unknown_soc
