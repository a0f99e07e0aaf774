"""Checks of an installation: packages, hardware, data files, disk, store and runs."""

from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.diagnostics.checks import Check, list_checks

__all__ = ["Check", "CheckResult", "list_checks"]
