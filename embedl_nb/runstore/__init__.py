"""Records of every step on MLflow: :func:`record` and read back with :func:`runs` and :func:`get`.

Results come in as plain data. They are written to a file first, then handed to a recorder process, which alone imports
MLflow; the kernel neither waits for it nor notices when the store is down.
"""

from __future__ import annotations

from embedl_nb.runstore.archive import Archive, write_archive
from embedl_nb.runstore.browsing import Listing, list_all
from embedl_nb.runstore.reading import get, maker_of, model_path, records, runs
from embedl_nb.runstore.store import Flushed, flush, idle, pausing, record, take_over
from embedl_nb.runstore.ui import serve_ui

__all__ = [
    "Archive",
    "Flushed",
    "Listing",
    "flush",
    "get",
    "idle",
    "list_all",
    "maker_of",
    "model_path",
    "pausing",
    "record",
    "records",
    "runs",
    "serve_ui",
    "take_over",
    "write_archive",
]
