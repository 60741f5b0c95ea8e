"""Vendors of NPUs that LiteRT compiles for: what differs from one to the next, as data. The way of asking is one.

Facts are those of ai-edge-litert 2.3.0: of its ``aot/vendors``, of the plugins themselves and of the vendors' SDK
packages. Which chips a plugin knows is not here: the plugin is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from embedl_nb.device.catalog import Chip

__all__ = ["VENDORS", "Vendor"]

# LiteRT's list of chips has these with the number under which the plugin has another name: the same to the compiler.
_QUALCOMM_NAMES = {
    "QCM8550LA": "QCS8550",
    "QCM8550LE": "QCS8550",
    "QCS6690": "QCM6690",
}
_NEUROPILOT_9 = ("mt6993",)


def _target(chip: Chip) -> str:
    return chip.npu_target


def _nothing(_chip_name: str) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """How one vendor's compiler is reached through LiteRT's tool.

    Attributes
    ----------
    name
        As a person says it.
    manufacturer
        As LiteRT's tool says it.
    plugin
        LiteRT's plugin for it, below ``ai_edge_litert/vendors``.
    package
        The SDK's package, which fetches its libraries from the vendor while it is installed.
    libraries
        Files without which the SDK is not whole.
    install, extra
        The command that installs what is needed, and the extra of this package that it names.
    other_package
        Another package with the same libraries, which the SDK's goes before.
    chip_name
        What the plugin calls a chip.
    flags
        More arguments for LiteRT's tool, by the chip's name.
    sdk_arguments
        What the SDK's package must be told to name the folder of its libraries, by the chip's name.
    folder_variable
        The environment variable that names that folder where the package is not installed.
    scratch_variables
        Environment variables that name a folder in which the compiler leaves files, beside the system's otherwise.
    sdk_name
        What a version in the log is a version of.
    unreadable
        The code of an operator that the plugin never takes, for those that are kept from it.
    is_linked
        Whether the plugin itself is linked to the vendor's libraries, and does not load without them.
    takes_whole
        Whether the plugin offers its compiler every operator, so that none can be kept from it.
    is_seen
        Whether the whole way was seen with the vendor's own libraries.
    """

    name: str
    manufacturer: str
    plugin: str
    package: str
    libraries: tuple[str, ...]
    install: str
    extra: str = ""
    other_package: str = ""
    chip_name: Callable[[Chip], str] = _target
    flags: Callable[[str], tuple[str, ...]] = _nothing
    sdk_arguments: Callable[[str], tuple[str, ...]] = _nothing
    folder_variable: str = ""
    scratch_variables: tuple[str, ...] = ()
    sdk_name: str = ""
    unreadable: str = "DELEGATE"
    is_linked: bool = False
    takes_whole: bool = False
    is_seen: bool = False

    @property
    def compiler(self) -> str:
        """What is asked."""
        return f"{self.name}'s compiler"


VENDORS: Mapping[str, Vendor] = {
    "qualcomm": Vendor(
        name="Qualcomm",
        manufacturer="Qualcomm",
        plugin="qualcomm/compiler/libLiteRtCompilerPlugin_Qualcomm.so",
        package="ai-edge-litert-sdk-qualcomm",
        libraries=("libQnnHtp.so", "libQnnSystem.so"),
        install='pip install "embedl-nb[qualcomm]"',
        extra="qualcomm",
        other_package="onnxruntime-qnn",
        chip_name=lambda chip: _QUALCOMM_NAMES.get(chip.part, chip.part),
        flags=lambda _chip_name: ("--qualcomm_log_level=error",),
        sdk_name="QAIRT",
        is_linked=True,
        is_seen=True,
    ),
    "mediatek": Vendor(
        name="MediaTek",
        manufacturer="MediaTek",
        plugin="mediatek/compiler/libLiteRtCompilerPlugin_MediaTek.so",
        package="ai-edge-litert-sdk-mediatek",
        libraries=("libneuron_adapter.so",),
        install="pip install ai-edge-litert-sdk-mediatek",
        flags=lambda name: ("--mediatek_sdk_version_type=version9",) if name in _NEUROPILOT_9 else (),
        sdk_arguments=lambda name: ("v9" if name in _NEUROPILOT_9 else "v8",),
        scratch_variables=("MTKNN_ADAPTER_DLA_DIR",),
        sdk_name="NeuroPilot",
    ),
    "google_tensor": Vendor(
        name="Google Tensor",
        manufacturer="Google",
        plugin="google_tensor/compiler/libLiteRtCompilerPlugin_google_tensor.so",
        package="ai-edge-litert-sdk-google-tensor",
        libraries=("liblitert_plugin_compiler.so",),
        install="pip install ai-edge-litert-sdk-google-tensor",
        folder_variable="GOOGLE_TENSOR_COMPILER_LIB",
        unreadable="DENSIFY",  # its plugin lists what it does not take; DELEGATE is not in the list
    ),
    "samsung": Vendor(
        name="Samsung",
        manufacturer="Samsung",
        plugin="samsung/compiler/libLiteRtCompilerPlugin_Samsung.so",
        package="ai-edge-litert-sdk-samsung",
        libraries=("libgraph_wrapper.so", "libgraphgen_api.so"),
        install="pip install ai-edge-litert-sdk-samsung-nightly",  # there is no other yet
        flags=lambda name: (f"--samsung_soc_model={name}",),  # without it, it compiles for the E9965 whatever is asked
        takes_whole=True,
    ),
}
