"""One offline HTML file from any results: it opens from disk and asks the network for nothing."""

from __future__ import annotations

from embedl_nb.reports.html_report import write_report

__all__ = ["write_report"]
