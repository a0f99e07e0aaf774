"""Whether an installation is in order: packages, processor, files, store and runs."""

from mnistexp.diagnostics.check_result import CheckResult
from mnistexp.diagnostics.checks import Check, checkup

__all__ = ["Check", "CheckResult", "checkup"]
