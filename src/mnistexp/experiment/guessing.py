"""Say when a trained network does not do better than guessing, and what to try."""

import math
from collections.abc import Mapping

import numpy as np

from mnistexp.config.config import Config, usual_learning_rate
from mnistexp.model import NetworkConfig

MARGIN = 0.02
"""An accuracy above that of guessing by less than this counts as guessing."""
MIN_DECREASE = 0.02
"""A training loss below that of guessing by less than this fraction counts as guessing."""
LOW_ACCURACY = 0.5
"""Below it, a loss of guessing means that the network has learned little."""
FAR_ABOVE = 2.0
"""From this multiple of the loss of guessing on, the probabilities are wrong at any accuracy."""


def explain_guessing(
    config: Config, train_loss: Mapping[int, float], accuracy: float, labels: np.ndarray
) -> str:
    """Return what was seen and what to try if accuracy or loss are those of guessing; else "".

    Args:
        train_loss: the logged training loss by step.
        accuracy: on test images, or on validation images if the run reads no test images; 0 to 1.
        labels: of these images.
    """
    split = "test" if config.data.use_test else "validation"
    guessing = float(np.bincount(labels).max() / len(labels))
    # The cross-entropy of equal probabilities for all classes.
    guessing_loss = math.log(config.data.num_classes)
    if accuracy <= guessing + MARGIN:
        text = (
            f"the {split} accuracy {accuracy:.4f} is no better than guessing the most frequent "
            f"class ({guessing:.4f})"
        )
    elif accuracy < LOW_ACCURACY and _last_loss(train_loss) > (1 - MIN_DECREASE) * guessing_loss:
        text = (
            f"the {split} accuracy {accuracy:.4f} is low, and the training loss is no better "
            f"than with equal probabilities for all classes ({guessing_loss:.4g})"
        )
    elif _last_loss(train_loss) > FAR_ABOVE * guessing_loss:
        text = (
            f"the {split} accuracy is {accuracy:.4f}, but the training loss is far above that of "
            f"equal probabilities for all classes ({guessing_loss:.4g}): the probabilities of the "
            "network are wrong"
        )
    else:
        return ""
    if not isinstance(config.model, NetworkConfig):
        return text
    others = ", or check model.kernel_initializer and data.scale"
    return f"{text}; {_describe_loss(train_loss, guessing_loss)}. {describe_rate(config)}{others}"


def describe_rate(config: Config) -> str:
    """Return the optimizer with its learning rate, and the learning rate to try instead."""
    rate, default = config.optim.learning_rate, usual_learning_rate(config)
    is_usual = default / 10 <= rate <= default
    other = rate / 10 if is_usual else default
    name = getattr(config.optim, "class_name", config.optim.type)
    return f"Seen with {name} and optim.learning_rate={rate:g}. Try optim.learning_rate={other:g}"


def _last_loss(train_loss: Mapping[int, float]) -> float:
    """Return the last logged training loss; 0 if none was logged."""
    *_, last = train_loss.values() or [0.0]
    return last


def _describe_loss(train_loss: Mapping[int, float], guessing_loss: float) -> str:
    """Return how the training loss changed: `the training loss rose from 2.3 (step 100) to …`."""
    if not train_loss:
        return "the training loss was not logged"
    steps = list(train_loss)
    first, last = train_loss[steps[0]], train_loss[steps[-1]]
    step = next((step for step in steps if train_loss[step] > 1.1 * first), None)
    if step is not None:
        return (
            f"the training loss rose from {first:.3g} at step {steps[0]} "
            f"to {train_loss[step]:.3g} at step {step}"
        )
    if last > FAR_ABOVE * guessing_loss:
        return (
            f"the training loss was still {last:.3g} at step {steps[-1]}, "
            f"{last / guessing_loss:.3g} times that of guessing"
        )
    change = "stayed at" if last > 0.95 * first else "only fell to"
    return f"the training loss {change} {last:.3g} until step {steps[-1]}"
