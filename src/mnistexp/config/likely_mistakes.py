"""Settings that are valid but probably not what the user wants."""

import sys
from collections.abc import Iterable
from math import ceil
from typing import TypeGuard

from mnistexp.config.config import Config
from mnistexp.model import NetworkConfig
from mnistexp.model.layers import AnyKerasLayer, ordered_layers
from mnistexp.train import TrainConfig

MAX_PIXEL = 255
USUAL_MAX_INPUT = (0.02, 50.0)
"""The largest input of a network is usually 1; outside of this range it trains badly."""
MIN_STEPS_FOR_CURVES = 500
"""Shorter trainings, and those of at most one epoch, are naturally evaluated once."""


def find_likely_mistakes(config: Config, num_images: int) -> list[str]:
    """Return one line for each probable mistake: what is wrong, and the setting to change.

    Args:
        num_images: size of the training split.
    """
    if not isinstance(config.model, NetworkConfig):
        return []
    return [
        *_check_scaling(config.model, config.data.scale),
        *_check_batch_size(config.train, num_images),
        *_check_evaluations(config.train, num_images),
    ]


def print_likely_mistakes(mistakes: Iterable[str]) -> None:
    """Print each different mistake once, as a warning."""
    for mistake in dict.fromkeys(mistakes):
        print(f"warning: {mistake}", file=sys.stderr, flush=True)


def _check_scaling(model: NetworkConfig, scale: float) -> list[str]:
    """Check the largest value that the first layer receives, after a layer that rescales."""
    name, first = ordered_layers(model.layers)[0]
    if first.type == "batch_normalization":
        return []
    max_input = MAX_PIXEL / scale
    factor = first.config.get("scale") if _is_rescaling(first) else None
    max_output = max_input * factor if isinstance(factor, int | float) else max_input
    low, high = USUAL_MAX_INPUT
    if low <= max_output <= high:
        return []
    if factor is not None and max_output < low <= max_input:
        return [
            f"model.layers.{name}: the pixels are scaled twice, to at most {max_output:.2g}: "
            f"data.scale={scale:g} divides them, and this layer multiplies them by {factor:.2g}. "
            f"Set data.scale=1, or model.layers.{name}=null"
        ]
    return [
        f"data.scale: the pixels, 0 to {MAX_PIXEL}, become 0 to {max_output:.4g}, but networks "
        f"train best on 0 to 1. Received: {scale:g}. Set data.scale={MAX_PIXEL}"
    ]


def _is_rescaling(layer: object) -> TypeGuard[AnyKerasLayer]:
    return isinstance(layer, AnyKerasLayer) and layer.class_name == "Rescaling"


def _check_batch_size(train: TrainConfig, num_images: int) -> list[str]:
    """Check that a batch contains no image twice."""
    if train.batch_size <= num_images:
        return []
    return [
        f"train.batch_size: expected at most the number of training images, {num_images:,}, or "
        f"each batch contains images more than once. Received: {train.batch_size:,}"
    ]


def _check_evaluations(train: TrainConfig, num_images: int) -> list[str]:
    """Check that the curves of evaluated metrics have more than one point."""
    num_steps = train.num_steps(num_images)
    is_single = len({*train.evaluation_steps(num_images)} - {0}) == 1
    is_short = num_steps <= max(MIN_STEPS_FOR_CURVES, ceil(num_images / train.batch_size))
    if not is_single or not train.evaluated_splits or is_short:
        return []
    return [
        f"train.evaluate_every: only one evaluation in {num_steps} steps. Try {num_steps // 10}"
    ]
