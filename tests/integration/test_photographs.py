"""Photographs of test digits are classified by a trained network."""

import numpy as np
import pytest
from photographs import generate_photographs
from support import TrackedRun

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.inference.image_io import decode_image
from mnistexp.inference.preprocessing import preprocess

pytestmark = pytest.mark.integration


@pytest.mark.timeout(3_600)  # The photographs have about a thousand million pixels.
def test_photographs_of_test_digits_are_classified(conv_big_run: TrackedRun) -> None:
    """Scaled 1 to 40 times, inverted, noisy, unevenly lit, rotated, off center, JPEG quality 40."""
    test_digits = load_data(compose_config([])[0].data).test
    photographs = list(generate_photographs(test_digits, 1_000, seed=2026))
    results = [
        preprocess(decode_image(photograph.jpeg, "photograph")) for photograph in photographs
    ]
    found = np.array([image is not None for image in results])
    images = np.stack([np.zeros((28, 28), "u1") if r is None else r for r in results])
    probabilities = conv_big_run.result.learner.predict_probabilities(images[..., np.newaxis])
    labels = [photograph.label for photograph in photographs]
    correct = found & (probabilities.argmax(axis=1) == labels)
    print(f"\n{correct.mean():.4f} of 1,000 photographs, {(~found).sum()} without a digit")
    for inverted in (False, True):
        group = np.array([photograph.inverted == inverted for photograph in photographs])
        print(f"{'light on dark' if inverted else 'dark on light'}: {correct[group].mean():.4f}")
    assert correct.mean() >= 0.97
