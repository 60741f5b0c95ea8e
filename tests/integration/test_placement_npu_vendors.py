"""The NPUs of MediaTek, Google and Samsung: LiteRT's real tool and plugins, with stand-ins for the vendors' libraries.

None of the vendors' own libraries is here, so what their compilers take is not tested; the way to an answer is.
"""

from __future__ import annotations

import dataclasses
import json
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import vendor_libraries
from flatbuffers import flexbuffers

from embedl_nb.device.catalog import Chip
from embedl_nb.device.catalog.facts import chips
from embedl_nb.errors import MissingDependencyError
from embedl_nb.imports import is_installed
from embedl_nb.model import LiteRTModel
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.pipeline.ahead_of_time import with_artifact
from embedl_nb.placement.answers import Reason, UnitAnswer
from embedl_nb.placement.npu import ask_npu, plugin, sdk
from embedl_nb.placement.npu.stamp import Stamp, read_stamp
from embedl_nb.placement.npu.tool import run_tool
from embedl_nb.placement.npu.vendors import VENDORS
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder

pytestmark = [
    pytest.mark.litert,
    pytest.mark.skipif(sys.platform != "linux", reason="LiteRT's compiler plugins are for Linux"),
]
needs_cc = pytest.mark.skipif(vendor_libraries.COMPILER is None, reason="needs a C compiler for the stand-ins")
SHAPE = (1, 8, 8, 8)
DIMENSITY, TENSOR, EXYNOS = chips()["MT6989"], chips()["Tensor G4"], chips()["S5E9955"]


def mixed(folder: Path, *, last: str = "e") -> LiteRTModel:
    """Build ABS, TANH, REVERSE_SEQUENCE (which no plugin takes), ABS, TANH."""
    builder = ModelBuilder()
    x = builder.input("x", SHAPE)
    a, b, c, d, e = (builder.tensor(name, SHAPE) for name in ("a", "b", "c", "d", last))
    builder.operator("ABS", [x], a)
    builder.operator("TANH", [a], b)
    builder.operator("REVERSE_SEQUENCE", [b, a], c)
    builder.operator("ABS", [c], d)
    builder.operator("TANH", [d], e)
    return LiteRTModel.open(models.write(folder, builder.build({"y": e})))


def compiled() -> bytes:
    """Build what a compiler makes of :func:`mixed` where one operator stays."""
    builder = ModelBuilder()
    x = builder.input("x", SHAPE)
    b, c, e = (builder.tensor(name, SHAPE) for name in "bce")
    for given, made in (([x], b), ([c], e)):
        builder.operator("CUSTOM", given, made, custom_name="DISPATCH_OP")
        builder._operators[-1].customOptions = list(flexbuffers.Dumps({"bytecode_offset": 4096, "bytecode_size": 512}))
    builder.operator("REVERSE_SEQUENCE", [b, b], c)
    builder._operators.insert(1, builder._operators.pop())
    return builder.build({"y": e})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_home: Path) -> Iterator[Path]:
    """Return a folder from which modules are imported."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield tmp_path / "site"
    for vendor in VENDORS.values():
        sys.modules.pop(vendor.package.replace("-", "_"), None)


def install(vendor: str, site: Path) -> None:
    """Put the stand-in of a vendor's SDK where it is found."""
    vendor_libraries.build(vendor, site / "libraries")
    vendor_libraries.package(site, VENDORS[vendor].package.replace("-", "_"), site / "libraries")


def is_stamped_for(answer: UnitAnswer, chip: Chip) -> bool:
    """Whether LiteRT wrote into the artifact whose it is, as a phone's run will look for it."""
    vendor = VENDORS[chip.npu_sdk]
    assert answer.artifact is not None
    stamp = Stamp(manufacturer=vendor.manufacturer, chip_name=vendor.chip_name(chip))
    return read_stamp(answer.artifact.read_bytes()) == stamp


def reasons(answer: UnitAnswer) -> dict[int, Reason | None]:
    return {each.index: each.reason for each in answer.operators if not each.runs}


@needs_cc
def test_mediateks_plugin_gives_partitions_and_an_artifact(tmp_path: Path, site: Path) -> None:
    install("mediatek", site)
    before = set(Path("/tmp").glob("tempdir_dla*"))
    answer = ask_npu(mixed(tmp_path), DIMENSITY)
    assert answer.asked == "MediaTek's compiler (NeuroPilot 8.0.3) for MT6989"
    assert answer.partitions == ((0, 1), (3, 4))
    assert reasons(answer) == {2: Reason.UNKNOWN}
    assert any("never seen with MediaTek's own libraries" in note for note in answer.notes)
    assert any("does not say why" in note for note in answer.notes)
    assert answer.artifact is not None
    types = [operator.type_name for operator in read_model(answer.artifact).main.operators]
    assert types == ["DISPATCH_OP", "REVERSE_SEQUENCE", "DISPATCH_OP"]
    assert is_stamped_for(answer, DIMENSITY)
    assert set(Path("/tmp").glob("tempdir_dla*")) == before


@needs_cc
def test_the_chip_says_which_neuropilot_is_asked(tmp_path: Path, site: Path) -> None:
    install("mediatek", site)
    answer = ask_npu(mixed(tmp_path), chips()["MT6993"])
    assert answer.asked == "MediaTek's compiler (NeuroPilot 9.0.3) for MT6993"
    assert answer.partitions == ((0, 1), (3, 4))


@needs_cc
def test_googles_plugin_gives_partitions_and_an_artifact(tmp_path: Path, site: Path) -> None:
    install("google_tensor", site)
    answer = ask_npu(mixed(tmp_path), TENSOR)
    assert answer.asked == "Google Tensor's compiler for Tensor G4"
    assert answer.partitions == ((0, 1), (3, 4))
    assert dict(answer.facts)["bytecode"] == "8 B"
    assert is_stamped_for(answer, TENSOR)


@needs_cc
def test_an_artifact_carries_what_the_answer_warns_of(tmp_path: Path, site: Path) -> None:
    install("google_tensor", site)
    artifact = with_artifact(LiteRTModel.open(models.write(tmp_path, models.chain(2))), TENSOR).aot
    assert artifact is not None
    assert any("never seen with Google Tensor's own libraries" in note for note in artifact.notes)


@needs_cc
def test_an_operator_on_which_googles_compiler_fails_is_found_with_its_words(tmp_path: Path, site: Path) -> None:
    install("google_tensor", site)
    answer = ask_npu(mixed(tmp_path, last="killer"), TENSOR)
    assert answer.operators[4].reason is Reason.COMPILER_FAILURE
    assert "Failed to compile model: not legal here" in answer.operators[4].evidence
    assert reasons(answer) == {1: Reason.COMPILER_FAILURE, 2: Reason.UNKNOWN, 4: Reason.COMPILER_FAILURE}  # alike
    # It is in the artifact as it is in the source, not as it was hidden from the compiler.
    assert answer.artifact is not None
    assert [o.type_name for o in read_model(answer.artifact).main.operators][-1] == "TANH"


@pytest.fixture
def exynos(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have Samsung's plugin load, which lacks a symbol."""
    install("samsung", site)
    monkeypatch.setenv("LD_PRELOAD", str(site / "libraries" / "symbol" / "libsymbol.so"))
    plugin._known_chips.cache_clear()
    yield
    plugin._known_chips.cache_clear()


@needs_cc
@pytest.mark.parametrize("part", ["S5E9955", "S5E9965"])
@pytest.mark.usefixtures("exynos")
def test_samsungs_plugin_compiles_for_the_chip_that_was_asked_for(part: str, tmp_path: Path) -> None:
    answer = ask_npu(LiteRTModel.open(models.write(tmp_path, models.chain(2))), chips()[part])
    assert answer.partitions == ((0, 1),)
    assert answer.artifact is not None
    assert f"for chip {part[-4:]}".encode() in answer.artifact.read_bytes()
    assert is_stamped_for(answer, chips()[part])


@needs_cc
@pytest.mark.usefixtures("exynos")
def test_samsungs_plugin_takes_a_model_whole_or_not_at_all(tmp_path: Path) -> None:
    answer = ask_npu(mixed(tmp_path), EXYNOS)
    assert not answer.not_checked
    assert (answer.num_running, answer.partitions, answer.artifact) == (0, (), None)
    assert answer.operators[2].reason is Reason.UNSUPPORTED_OPERATOR
    assert answer.operators[2].evidence == "Unsupported op: 112"
    assert "whole or not at all, and it does not take REVERSE_SEQUENCE" in answer.operators[0].evidence


@needs_cc
@pytest.mark.parametrize("chip", [DIMENSITY, TENSOR], ids=["mediatek", "google"])
def test_a_compiler_that_takes_nothing_leaves_every_operator_with_its_words(
    chip: Chip, tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(chip.npu_sdk, site)
    monkeypatch.setenv("STANDIN_FAILS", "1")
    model = LiteRTModel.open(models.write(tmp_path, models.chain(2)))
    answer = ask_npu(model, chip)
    assert reasons(answer) == dict.fromkeys((0, 1), Reason.COMPILER_FAILURE)
    assert f"{VENDORS[chip.npu_sdk].compiler} ended with exit code 3 (" in answer.operators[0].evidence


@pytest.mark.parametrize(
    ("vendor", "chip", "words"),
    [
        ("mediatek", DIMENSITY, "Failed to load NeuronAdapter shared library"),
        ("google_tensor", TENSOR, "liblitert_plugin_compiler.so: file too short"),
    ],
    ids=["mtk", "google"],
)
def test_libraries_that_do_not_load_are_named_with_the_command_that_fetches_them(
    vendor: str, chip: Chip, words: str, tmp_path: Path, site: Path
) -> None:
    libraries = site / "libraries" / "v8"
    libraries.mkdir(parents=True)
    for name in VENDORS[vendor].libraries:
        (libraries / name).write_bytes(b"cut")
    vendor_libraries.package(site, VENDORS[vendor].package.replace("-", "_"), site / "libraries")
    answer = ask_npu(mixed(tmp_path), chip)
    assert "do not load in LiteRT" in answer.not_checked
    assert words in answer.not_checked
    assert f"--no-cache-dir {VENDORS[vendor].package}" in answer.next_step
    assert answer.log_path is not None


@pytest.mark.parametrize("part", ["MT6989", "Tensor G4"])
def test_a_chip_that_the_plugin_does_not_know_is_refused_before_there_is_an_sdk(part: str, tmp_path: Path) -> None:
    answer = ask_npu(mixed(tmp_path), dataclasses.replace(chips()[part], npu_target="newer"))
    assert "does not know the chip newer, and none stands in for another" in answer.not_checked
    assert chips()[part].npu_target in answer.not_checked


def test_a_plugin_that_does_not_load_is_said_with_the_loaders_words(tmp_path: Path) -> None:
    runtime = sdk.package_folder("ai_edge_litert")
    broken = tmp_path / "libLiteRtCompilerPlugin_Samsung.so"
    broken.write_bytes(b"cut")
    with pytest.raises(MissingDependencyError, match=r"plugin for Samsung does not load in .*: file too short"):
        plugin.check_plugin(runtime / "tools" / "apply_plugin_main", broken, VENDORS["samsung"], "E9955")


def test_the_catalog_names_chips_that_the_plugins_know() -> None:
    runtime = sdk.package_folder("ai_edge_litert")
    tool = runtime / "tools" / "apply_plugin_main"
    for chip in chips().values():
        if chip.npu_sdk in ("mediatek", "google_tensor"):
            vendor = VENDORS[chip.npu_sdk]
            plugin.check_plugin(tool, runtime / "vendors" / vendor.plugin, vendor, vendor.chip_name(chip))


@pytest.mark.skipif(not is_installed("onnxruntime_qnn"), reason="needs Qualcomm's compiler")
def test_the_catalog_names_chips_that_qualcomms_plugin_knows(tmp_path: Path) -> None:
    vendor, listed = VENDORS["qualcomm"], tmp_path / "chips"
    model = models.write(tmp_path, models.add())
    run_tool(sdk.find_sdk(vendor), model, listed, command="info", chip_name="", subgraph_index=0, timeout_s=60)
    known = listed.read_text()
    named = {vendor.chip_name(chip) for chip in chips().values() if chip.npu_sdk == "qualcomm"}
    assert named
    assert {name for name in named if f'"{name}"' not in known} == set()


def test_litert_itself_maps_the_same_chips_to_the_newest_neuropilot() -> None:
    target = pytest.importorskip("ai_edge_litert.aot.vendors.mediatek.target")
    versions = {str(soc).lower(): target.map_soc_to_np_version(soc) for soc in target.SocModel}
    arguments = VENDORS["mediatek"].sdk_arguments
    assert {name: arguments(name) for name in versions} == {name: (version,) for name, version in versions.items()}


TOOL = """#!{python} -IS
import json, os, pathlib, sys
given = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
result = pathlib.Path(given["o"])
if given["cmd"] == "info":
    result.write_text('< LiteRtCompilerPlugin > "Any" | {known}')
    sys.exit()
given["libraries"] = os.environ["LD_LIBRARY_PATH"]
pathlib.Path({seen!r}).write_text(json.dumps(given))
print("WARNING: [compiler_plugin.cc:955] Applying plugin with unknown SDK version, because", file=sys.stderr)
result.write_bytes(pathlib.Path({result!r}).read_bytes())
"""


@pytest.fixture
def stand_in(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Chip], UnitAnswer]:
    """Return what asks with a script in the place of LiteRT's tool and a package in the place of the vendor's SDK."""

    def ask(chip: Chip) -> UnitAnswer:
        vendor, runtime = VENDORS[chip.npu_sdk], tmp_path / "runtime"
        (tmp_path / "result.tflite").write_bytes(compiled())
        script = TOOL.format(
            python=sys.executable,
            known=f'"{vendor.chip_name(chip)}"',
            seen=str(tmp_path / "seen.json"),
            result=str(tmp_path / "result.tflite"),
        )
        for file, data in ((f"vendors/{vendor.plugin}", "plugin"), ("tools/apply_plugin_main", script)):
            (runtime / file).parent.mkdir(parents=True)
            (runtime / file).write_text(data)
        tool = runtime / "tools" / "apply_plugin_main"
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sdk, "package_folder", lambda _module: runtime)
        libraries = site / "libraries" / "v8"
        libraries.mkdir(parents=True)
        for name in vendor.libraries:
            (libraries / name).write_bytes(b"library")
        vendor_libraries.package(site, vendor.package.replace("-", "_"), site / "libraries")
        return ask_npu(mixed(tmp_path), chip)

    return ask


@pytest.mark.parametrize(
    ("chip", "told"),
    [
        (DIMENSITY, {"soc_manufacturer": "MediaTek", "soc_model": "mt6989"}),
        (TENSOR, {"soc_manufacturer": "Google", "soc_model": "Tensor_G4"}),
        (EXYNOS, {"soc_manufacturer": "Samsung", "soc_model": "E9955", "samsung_soc_model": "E9955"}),
    ],
    ids=lambda value: value.npu_sdk if isinstance(value, Chip) else "",
)
def test_every_vendor_is_asked_in_the_same_way_and_its_result_decides(
    chip: Chip, told: dict[str, str], stand_in: Callable[[Chip], UnitAnswer], tmp_path: Path
) -> None:
    answer = stand_in(chip)
    assert answer.partitions == ((0, 1), (3, 4))
    assert reasons(answer) == {2: Reason.UNKNOWN}
    assert answer.artifact is not None
    assert dict(answer.facts)["libraries"] == VENDORS[chip.npu_sdk].package
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert {name: seen[name] for name in told} == told
    assert seen["libraries"].startswith(str(tmp_path / "site" / "libraries" / "v8"))
