"""The report of a run: figures, and one HTML page that stands alone."""

from ictal.report.html import Report, render

__all__ = ["Report", "render"]
