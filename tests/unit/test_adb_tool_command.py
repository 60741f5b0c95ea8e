"""A command for benchmark_model holds what its version has, and nothing that a shell could take for its own."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from embedl_nb.device.adb.tool.command import BenchmarkCommand, RunLimits
from embedl_nb.device.adb.tool.flags import LEGACY, TOOL_FLAGS, FlagType, ToolVersion
from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.units import ComputeUnit

VERSIONS = ("1.3.0", "1.4.0", "2.0.2a1", "2.0.2", "2.1.0", "2.1.3", "2.1.5", "2.2.0", "2.3.0")
HOSTILE = (
    "a b",
    "' && rm -rf / #",
    "$(reboot)",
    "`id`",
    "a&&b",
    "a|b",
    "*",
    "~",
    "a=b",
    "-rf",
    "é",
    '"',
    "\\",
    "!x",
    "$HOME",
)


def command(**wishes: Any) -> BenchmarkCommand:
    return BenchmarkCommand(
        **{"version": "2.2.0", "directory": "/data/local/tmp/nb", "graph_path": "m.tflite"} | wishes
    )


def test_a_plain_command_reads_as_expected() -> None:
    assert command().to_shell() == (
        "cd /data/local/tmp/nb && ./benchmark_model --graph=m.tflite --use_cpu=true --num_runs=50 --min_secs=1 "
        "--max_secs=150 --warmup_runs=1 --warmup_min_secs=0.5 2>&1"
    )


def test_a_command_for_an_npu_names_libraries_cores_and_options() -> None:
    line = command(
        compute_unit=ComputeUnit.NPU,
        num_threads=4,
        cpu_mask=0xF0,
        runs=RunLimits.exactly(200),
        profile=True,
        signature_key="serving",
        dispatch_library_path=".",
        compiler_plugin_library_path=".",
        result_path="r.pb",
        runtime_info_path="i.pb",
        library_paths=(".", "/vendor/lib64"),
        dsp_library_paths=(".", "/vendor/dsp"),
        runtime_options={"qualcomm_htp_performance_mode": "burst", "gpu_precision": "fp16", "verbose": True},
    ).to_shell()
    assert line.startswith(
        "cd /data/local/tmp/nb && LD_LIBRARY_PATH=.:/vendor/lib64 ADSP_LIBRARY_PATH='.;/vendor/dsp' taskset f0 "
        "./benchmark_model --graph=m.tflite --use_cpu=true --use_npu=true --num_threads=4 --num_runs=200 --min_secs=0 "
    )
    for flag in (
        "--max_secs=86400",
        "--use_profiler=true",
        "--signature_to_run_for=serving",
        "--dispatch_library_path=.",
        "--compiler_plugin_library_path=.",
        "--result_file_path=r.pb",
        "--model_runtime_info_output_file=i.pb",
        "--qualcomm_htp_performance_mode=burst",
        "--gpu-precision=fp16",
        "--verbose=true",
    ):
        assert f" {flag} " in line


def test_every_flag_is_one_word_with_its_value() -> None:
    for word in command(profile=True, compute_unit=ComputeUnit.GPU).arguments():
        assert word.startswith("--")
        assert "=" in word


def test_exactly_n_runs_are_ended_by_nothing_else() -> None:
    assert RunLimits.exactly(7).is_exact
    assert not RunLimits(num_runs=7).is_exact
    assert not RunLimits(num_runs=7, min_s=1, max_s=1e6).is_exact


def test_a_whole_model_on_a_unit_leaves_the_cpu_out() -> None:
    arguments = command(compute_unit=ComputeUnit.GPU, require_full_delegation=True).arguments()
    assert "--use_cpu=false" in arguments
    assert "--require_full_delegation=true" in arguments
    with pytest.raises(InputError, match="makes no sense for the CPU"):
        command(require_full_delegation=True)


def test_the_older_tool_has_other_flags() -> None:
    arguments = command(version=LEGACY, compute_unit=ComputeUnit.GPU, profile=True).arguments()
    assert {"--use_gpu=true", "--enable_op_profiling=true"} <= set(arguments)
    assert not [word for word in arguments if word.startswith(("--use_cpu", "--use_profiler"))]
    assert "--gpu_backend=cl" in command(version=LEGACY, runtime_options={"gpu_backend": "cl"}).arguments()
    with pytest.raises(InputError, match="no flag for an NPU"):
        command(version=LEGACY, compute_unit=ComputeUnit.NPU)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_reaches_the_shell_as_anything_but_one_word(name: str) -> None:
    built = command(
        directory=f"/d/{name}",
        graph_path=name,
        tool_path=f"./{name}",
        signature_key=name,
        library_paths=(name,),
        dsp_library_paths=(name,),
        runtime_options={"compiler_cache_path": name},
    )
    words = shlex.split(built.to_shell(), comments=True)
    assert words[:3] == ["cd", f"/d/{name}", "&&"]
    assert words[3:6] == [f"LD_LIBRARY_PATH={name}", f"ADSP_LIBRARY_PATH={name}", f"./{name}"]
    assert words[6:] == [*built.arguments(), "2>&1"]
    assert f"--graph={name}" in words
    assert f"--compiler_cache_path={name}" in words


@pytest.mark.parametrize("name", ["", "a\nb", "a\x00b", "a\x1bb", "a\tb", "a\u2028b", "a\u202eb"])
@pytest.mark.parametrize("where", ["directory", "graph_path", "tool_path", "signature_key", "option", "library"])
def test_names_that_cannot_be_printed_are_refused(name: str, where: str) -> None:
    wishes: dict[str, Any] = {where: name}
    if where == "option":
        wishes = {"runtime_options": {"compiler_cache_path": name}}
    elif where == "library":
        wishes = {"library_paths": (name,)}
    with pytest.raises(InputError):
        command(**wishes)


@pytest.mark.parametrize("separator", [":", ";"])
def test_a_library_folder_cannot_be_two(separator: str) -> None:
    with pytest.raises(InputError, match="separator"):
        command(library_paths=(f"a{separator}b",))


@pytest.mark.parametrize("mask", [0, -1, 2**64])
def test_a_mask_of_no_core_is_refused(mask: int) -> None:
    with pytest.raises(InputError, match="names no core"):
        command(cpu_mask=mask)


def test_an_unknown_option_names_its_close_matches() -> None:
    with pytest.raises(UnknownNameError) as caught:
        command(runtime_options={"gpu_precison": "fp16"})
    assert "gpu-precision" in caught.value.candidates
    assert "2.2.0" in caught.value.message


def test_an_option_of_another_version_says_since_when_and_what_instead() -> None:
    with pytest.raises(InputError, match=r"LiteRT 2\.1\.2 has no flag gpu-precision.*from 2\.1\.5 on") as caught:
        command(version="2.1.2", runtime_options={"gpu-precision": "fp16"})
    assert caught.value.hint == "use allow_fp16"
    with pytest.raises(InputError, match=r"gone with 2\.1\.5") as caught:
        command(runtime_options={"allow_fp16": True})
    assert caught.value.hint == "use gpu-precision"
    with pytest.raises(InputError, match=r"gone with 2\.2\.0") as caught:
        command(runtime_options={"mediatek_nerun_pilot_version": "version8"})
    assert caught.value.hint == "use mediatek_sdk_version_type"
    with pytest.raises(InputError, match="only the older tool has it"):
        command(runtime_options={"use_nnapi": True})
    with pytest.raises(InputError, match=r"LiteRT 1\.3\.0 has no flag use_profiler"):
        command(version="1.3.0", profile=True)


def test_an_option_with_an_argument_of_its_own_is_refused() -> None:
    with pytest.raises(InputError, match="num_runs is set by runs"):
        command(runtime_options={"num_runs": 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gpu_invoke_loop_times", 0),
        ("gpu_invoke_loop_times", "1.5"),
        ("gpu_invoke_loop_times", "٣"),
        ("run_delay", "-2"),
        ("run_delay", "nan"),
        ("run_delay", "1e9"),
        ("verbose", "yes"),
        ("verbose", ""),
        ("gpu_backend", "cl"),
        ("gpu-precision", "fp8"),
        ("qualcomm_optimization_level", "O4"),
        ("compiler_cache_path", " "),
    ],
)
def test_a_value_that_the_flag_does_not_take_is_refused_with_what_it_takes(name: str, value: object) -> None:
    with pytest.raises(InputError, match="is not allowed") as caught:
        command(runtime_options={name: value})
    assert caught.value.hint.startswith("give ")


@pytest.mark.parametrize(
    "wishes", [{"num_threads": 0}, {"runs": RunLimits(num_runs=0)}, {"warmup": RunLimits(num_runs=-1)}]
)
def test_numbers_out_of_range_are_refused(wishes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="is not allowed"):
        command(**wishes)


@pytest.mark.parametrize("version", ["latest", "", "2", "2.2", "v2.2.0", "2.2.0-rc1", "2.2.0 "])
def test_a_version_whose_flags_cannot_be_known_is_refused(version: str) -> None:
    with pytest.raises(InputError, match="no version of benchmark_model"):
        command(version=version)


def test_versions_are_in_order() -> None:
    parsed = [ToolVersion.parse(version) for version in VERSIONS]
    assert parsed == sorted(parsed)


@pytest.mark.parametrize("version", [*VERSIONS, LEGACY])
def test_every_flag_of_a_version_can_be_given_and_no_other(version: str) -> None:
    samples = {FlagType.BOOL: "true", FlagType.INT: "1", FlagType.FLOAT: "0.5", FlagType.TEXT: "text"}
    parsed = ToolVersion.parse(version)
    given, refused = [], []
    for flag in TOOL_FLAGS.values():
        if flag.set_by:
            continue
        choices = flag.legacy_choices if parsed.is_legacy else flag.choices
        value = choices[0] if choices else samples[flag.type]
        try:
            written = command(version=version, runtime_options={flag.name: value}).arguments()[-1]
        except InputError:
            refused.append(flag)
        else:
            assert written == f"--{flag.name}={value}"
            given.append(flag)
    assert given == [flag for flag in TOOL_FLAGS.values() if not flag.set_by and flag.is_in(parsed)]
    assert refused


def test_what_replaces_a_flag_exists() -> None:
    for flag in TOOL_FLAGS.values():
        assert not flag.instead or flag.instead in TOOL_FLAGS or flag.instead in BenchmarkCommand.__dataclass_fields__
        assert not flag.set_by or flag.set_by in BenchmarkCommand.__dataclass_fields__
