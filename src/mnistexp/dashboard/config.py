"""Whether a training is recorded, and shown while it goes on."""

from typing import Annotated, Literal

from pydantic import Field

from mnistexp.schema import Section
from mnistexp.train import QuantileSource


class NoDashboard(Section):
    """Nothing is recorded."""

    type: Literal["off"]


class RecordingConfig(Section):
    """The training is recorded at the cadence of `train`, for `mnistexp watch`."""

    type: Literal["record"]
    quantiles: QuantileSource = "auto"
    """What the panels below the curves show: the weights and biases (`parameters`), or the logits
    and `activations`. `auto`: the latter where there is batch normalisation."""


class LiveConfig(RecordingConfig):
    """As `record`, with a view that opens by itself."""

    type: Literal["live"]  # type: ignore[assignment]
    hold: bool = False
    """Keep the view open when the training has ended, until it is closed."""
    web: bool = False
    """A page in the browser even where there is a display."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Of the page on 127.0.0.1. Default: the first free one from 8800."""


DashboardConfig = Annotated[NoDashboard | RecordingConfig | LiveConfig, Field(discriminator="type")]
