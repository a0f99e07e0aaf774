"""Photographs of test digits are classified by a trained network."""

from collections import Counter

import numpy as np
import pytest
from photographs import generate_photographs
from support import TrackedRun

from mnistexp.config.compose import compose_config
from mnistexp.data import load_data
from mnistexp.inference import load_model
from mnistexp.inference.classification import read_pictures
from mnistexp.inference.image_io import decode_image
from mnistexp.inference.preprocessing import find_digits
from mnistexp.runs.run_selection import select_model
from mnistexp.tracking import MlflowTracking, RunStore


@pytest.mark.parametrize(
    "num_photographs",
    [
        pytest.param(100, marks=pytest.mark.integration),
        # About a thousand million pixels.
        pytest.param(1_000, marks=[pytest.mark.soak, pytest.mark.timeout(3_600)]),
    ],
)
def test_photographs_of_test_digits_are_classified(
    conv_big_run: TrackedRun, num_photographs: int
) -> None:
    """Scaled 1 to 40 times, inverted, noisy, unevenly lit, rotated, off center, JPEG quality 40."""
    test_digits = load_data(compose_config([])[0].data).test
    photographs = list(generate_photographs(test_digits, num_photographs, seed=2026))
    pictures = [find_digits(decode_image(photo.jpeg, "photograph")) for photo in photographs]
    store = RunStore(
        MlflowTracking(type="mlflow", uri=f"sqlite:///{conv_big_run.folder}/mlflow.db")
    )
    readings = read_pictures(load_model(select_model(store, "best"), store), pictures)
    correct = np.array(
        [
            reading.status == "digit" and reading.predictions[0].ranking[0][0] == str(photo.label)
            for reading, photo in zip(readings, photographs, strict=True)
        ]
    )
    print(f"\n{correct.mean():.4f} of {num_photographs:,} photographs")
    print(Counter(reading.status for reading in readings))
    for inverted in (False, True):
        group = np.array([photograph.inverted == inverted for photograph in photographs])
        print(f"{'light on dark' if inverted else 'dark on light'}: {correct[group].mean():.4f}")
    assert correct.mean() >= 0.97
