"""Whether experiments reach what their files expect."""

from mnistexp.verification.verification import (
    Reached,
    find_experiments,
    plan,
    reached,
    verify,
)

__all__ = ["Reached", "find_experiments", "plan", "reached", "verify"]
