"""The expected result of an experiment."""

from typing import Annotated

from pydantic import Field, Strict, model_validator

from mnistexp.errors import ConfigError
from mnistexp.schema import Section

Accuracy = Annotated[float, Field(ge=0, le=1)]


class Expectation(Section):
    """Either an interval of the final test accuracy, or a loss that becomes NaN."""

    test_accuracy: Annotated[tuple[Accuracy, Accuracy], Strict(False)] | None = None
    """[lowest, highest] final test accuracy, 0 to 1."""
    diverges: bool = False
    """The loss becomes NaN or infinite, and the run stops there."""
    claim: str = ""
    """What the source of the experiment claims, in short."""
    note: str = ""
    """Why the result differs from the claim, if it does."""
    shortened: list[str] = []
    """Overrides with which `mnistexp verify` shortens an experiment of over 30 minutes."""

    @model_validator(mode="after")
    def _check_one_kind(self) -> "Expectation":
        if self.diverges == (self.test_accuracy is not None):
            received = "both" if self.diverges else "neither"
            raise ConfigError(
                f"expect: expected either test_accuracy or diverges=true. Received: {received}"
            )
        if self.test_accuracy and self.test_accuracy[0] > self.test_accuracy[1]:
            raise ConfigError(
                f"expect.test_accuracy: expected [lowest, highest]. Received: {self.test_accuracy}"
            )
        return self

    def is_met(self, test_accuracy: float | None) -> bool:
        """Return whether a result meets the expectation.

        Args:
            test_accuracy: the final test accuracy, 0 to 1; None if the training diverged.
        """
        if self.test_accuracy is None or test_accuracy is None:
            return self.diverges and test_accuracy is None
        lowest, highest = self.test_accuracy
        return lowest <= test_accuracy <= highest

    def __str__(self) -> str:
        if self.test_accuracy is None:
            return "diverges"
        return "{:.4f} to {:.4f}".format(*self.test_accuracy)
