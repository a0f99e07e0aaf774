"""What an experiment is expected to reach, and whether it did."""

from typing import Annotated

from pydantic import Field, Strict, model_validator

from mnistexp.errors import ConfigError
from mnistexp.schema import Section

Accuracy = Annotated[float, Field(ge=0, le=1)]


class Expectation(Section):
    """The interval of the final test accuracy, or that the loss becomes NaN."""

    test_accuracy: Annotated[tuple[Accuracy, Accuracy], Strict(False)] | None = None
    """[lowest, highest] of the final test accuracy."""
    diverges: bool = False
    """The loss becomes NaN or infinite, and the run stops there."""
    claim: str = ""
    """What the source says, in short."""
    note: str = ""
    """Where what is reached differs from the claim: why, as far as it is known."""
    shortened: list[str] = []
    """Settings with which `mnistexp verify` runs it, as the whole takes over 30 minutes."""

    @model_validator(mode="after")
    def _one_kind(self) -> "Expectation":
        if self.diverges == (self.test_accuracy is not None):
            raise ConfigError("expect: expected either test_accuracy or diverges=true")
        if self.test_accuracy and self.test_accuracy[0] > self.test_accuracy[1]:
            raise ConfigError(
                f"expect.test_accuracy: expected [lowest, highest]. Received: {self.test_accuracy}"
            )
        return self

    def is_met(self, test_accuracy: float | None) -> bool:
        """Args: test_accuracy: the final one, from 0 to 1; None where the training diverged."""
        if self.test_accuracy is None or test_accuracy is None:
            return self.diverges and test_accuracy is None
        lowest, highest = self.test_accuracy
        return lowest <= test_accuracy <= highest

    def __str__(self) -> str:
        if self.test_accuracy is None:
            return "diverges"
        return "{:.4f} to {:.4f}".format(*self.test_accuracy)
