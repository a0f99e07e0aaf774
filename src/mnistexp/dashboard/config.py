"""Settings of the dashboard: whether a training is recorded, and whether a viewer opens."""

from typing import Annotated, Literal

from pydantic import Field

from mnistexp.schema import Section
from mnistexp.train import QuantileSource


class NoDashboardConfig(Section):
    """Record nothing."""

    type: Literal["off"]


class RecordingConfig(Section):
    """Record the training at the cadence of `train`, for `mnistexp watch`."""

    type: Literal["record"]
    quantiles: QuantileSource = "auto"
    """Values of the two quantile panels: all weights and biases (`parameters`), or the logits and
    `activations` of a batch. `auto`: logits and activations if the network has batch
    normalization, else weights and biases."""


class LiveConfig(RecordingConfig):
    """Record the training, and open a viewer while it runs."""

    type: Literal["live"]  # type: ignore[assignment]
    hold: bool = False
    """Keep the viewer open after the training until Ctrl-C is pressed."""
    open_browser: bool = True
    """Open the page in the browser if there is a display. Its address is printed in any case."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port of the page on 127.0.0.1. Default: the first free port from 8800."""


DashboardConfig = Annotated[
    NoDashboardConfig | RecordingConfig | LiveConfig, Field(discriminator="type")
]
