"""The base class and the value types of the config sections."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Strict, Tag


class Section(BaseModel):
    """Base class of the config sections: immutable, and without unknown settings.

    Strict, so that `units=true` is not accepted as 1; finite, so that a number is never NaN.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        defer_build=True,  # Only the whole config is validated, so sections need no validator.
    )


Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(gt=0)]
Size = Annotated[
    Annotated[Count, Tag("number")] | Annotated[tuple[Count, Count], Strict(False), Tag("pair")],
    Discriminator(lambda value: "pair" if isinstance(value, list | tuple) else "number"),
]
"""Height and width in pixels: one number for both, or two numbers."""
