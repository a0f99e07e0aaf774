"""A comparison of runs as one HTML page."""

from mnistexp.analysis.report.page import MAX_DETAILS, build_report

__all__ = ["MAX_DETAILS", "build_report"]
