"""Whether an installation is in order: packages, processor, files, store and runs."""

from mnistexp.checkup.checkup import Check, checkup
from mnistexp.checkup.finding import Finding

__all__ = ["Check", "Finding", "checkup"]
