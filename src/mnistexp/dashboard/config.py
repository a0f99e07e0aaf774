"""Settings of the dashboard: whether a training is recorded, and whether a viewer opens."""

from typing import Annotated, Literal

from pydantic import Field

from mnistexp.schema import Section
from mnistexp.train import QuantileSource


class NoDashboardConfig(Section):
    """Record nothing."""

    type: Literal["off"]
    quantiles: QuantileSource = "auto"
    """Not used. It lets experiments that choose the quantiles be run with `dashboard=off`."""


class RecordingConfig(Section):
    """Record the training at the cadence of `train`, for `mnistexp watch`."""

    type: Literal["record"]
    quantiles: QuantileSource = "auto"
    """Values of the two quantile panels. `parameters`: all weights, and all biases. `activations`:
    the logits of the hidden layers, and the activations, for a batch. `maxima`: these logits, and
    the maximum of each activation over the batch. `layer_maxima`: the maxima of the convolutional
    layers, and of the dense layers. `auto`: `activations` if the network has batch normalization,
    else `parameters`."""


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
