"""Runs compared on one page that needs nothing else: `build_report`."""

from mnistexp.analysis.report.page import MAX_DETAILS, build_report

__all__ = ["MAX_DETAILS", "build_report"]
