from typing import Any

from embedl_nb import errors as errors
from embedl_nb.analysis import Choice as Choice
from embedl_nb.analysis import Comparison as Comparison
from embedl_nb.compiler import image_input as image_input
from embedl_nb.display import ResultSet as ResultSet
from embedl_nb.errors import EmbedlError as EmbedlError
from embedl_nb.errors import EmbedlWarning as EmbedlWarning
from embedl_nb.measure import Benchmark as Benchmark
from embedl_nb.model import LiteRTModel as LiteRTModel
from embedl_nb.pipeline import benchmark as benchmark
from embedl_nb.pipeline import bisect as bisect
from embedl_nb.pipeline import catalog as catalog
from embedl_nb.pipeline import compare as compare
from embedl_nb.pipeline import compile as compile  # noqa: A004 - the public verb of the field
from embedl_nb.pipeline import devices as devices
from embedl_nb.pipeline import doctor as doctor
from embedl_nb.pipeline import export_runs as export_runs
from embedl_nb.pipeline import import_runs as import_runs
from embedl_nb.pipeline import load as load
from embedl_nb.pipeline import pick as pick
from embedl_nb.pipeline import preflight as preflight
from embedl_nb.pipeline import quantize as quantize
from embedl_nb.pipeline import report as report
from embedl_nb.pipeline import rerun as rerun
from embedl_nb.pipeline import runs as runs
from embedl_nb.pipeline import sensitivity as sensitivity
from embedl_nb.placement import Placement as Placement
from embedl_nb.quantizer import images as images
from embedl_nb.widgets import DevicePicker as DevicePicker
from embedl_nb.widgets import LayerExplorer as LayerExplorer
from embedl_nb.widgets import RunBrowser as RunBrowser

__version__: str

def load_ipython_extension(ip: Any) -> None: ...
def unload_ipython_extension(ip: Any) -> None: ...
