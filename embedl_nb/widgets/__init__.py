"""What a notebook's user works with by hand: widgets that show what the functions do and hand names to them.

They hold no logic of their own, start nothing by themselves and own no device. Nothing below imports anywidget.
"""

from __future__ import annotations

from embedl_nb.errors import MissingDependencyError
from embedl_nb.imports import is_installed

if not is_installed("anywidget"):
    _INSTALL = 'pip install "embedl-nb[notebook]"'
    raise MissingDependencyError("anywidget is not installed", extra="notebook", install=_INSTALL)

from embedl_nb.widgets.device_picker import DevicePicker
from embedl_nb.widgets.layer_explorer import LayerExplorer
from embedl_nb.widgets.run_browser import RunBrowser
from embedl_nb.widgets.run_monitor import RunMonitor

__all__ = ["DevicePicker", "LayerExplorer", "RunBrowser", "RunMonitor"]
