"""Measure which pictures are refused and split, and write docs/rejection.md: `make benchmark-rejection`.

Several rules are compared on `conv_big`. The threshold of each is the 99 % quantile of its score for
the validation digits. The pictures are those of `tests/not_digits.py` and `tests/photographs.py`.
"""

import gzip
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from not_digits import FONTS, LIKE_A_DIGIT, draw_character, letters, row_of_digits, scribbles
from photographs import generate_photographs

from mnistexp.config.compose import compose_config
from mnistexp.data import Data, load_data
from mnistexp.experiment import run_experiment
from mnistexp.inference.image_io import decode_image
from mnistexp.inference.preprocessing import find_digits
from mnistexp.learner.rejection import MAX_REFUSED, fit_rejection_rule

REPORT = Path(__file__).parent.parent / "docs" / "rejection.md"
FASHION = Path("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz")
"""The file of Debian's package dataset-fashion-mnist."""
SETTINGS = ("model=conv_big", "optim=adam_decay", "train.epochs=3", "train.evaluate_on=[]")
SEEDS = (0, 1, 2)
NUM_SCRIBBLES = 1_000
NUM_PHOTOGRAPHS = 300
NUM_SINGLE = 1_000
NUM_ROWS = 100
GAPS = (0.1, 0.2, 0.5, 1.0)
USED_RULE = "energy + residual of the predicted class (used)"

Scores = Callable[[np.ndarray], np.ndarray]
"""Images, uint8 [n, 28, 28, 1], to scores [n]; a high one means: not a digit."""


def find_symbols(pictures: Iterable[Image.Image]) -> np.ndarray:
    """Return all symbols that are found in the pictures, uint8 [n, 28, 28, 1]."""
    return np.stack([digit for picture in pictures for digit in find_digits(picture)])[..., None]


def image_sets(data: Data) -> dict[str, np.ndarray]:
    """Return the sets of images: those of digits first."""
    with gzip.open(FASHION) as file:
        fashion = np.frombuffer(file.read(), "u1", offset=16).reshape(-1, 28, 28, 1)
    drawn = list(letters())
    photographs = generate_photographs(data.validation, NUM_PHOTOGRAPHS, seed=1)
    return {
        "test digits": data.test.images,
        "photographs of validation digits": find_symbols(
            decode_image(photograph.jpeg, "photograph") for photograph in photographs
        ),
        "printed digits": find_symbols(
            draw_character(digit, font) for digit in "0123456789" for font in FONTS
        ),
        "Fashion-MNIST": fashion,
        "letters": find_symbols(p for letter, p in drawn if letter not in LIKE_A_DIGIT),
        "letters like a digit": find_symbols(p for letter, p in drawn if letter in LIKE_A_DIGIT),
        "scribbles": find_symbols(scribbles(NUM_SCRIBBLES, seed=1)),
    }


def train_classifier(seed: int) -> Any:
    """Train a network. Return the Keras model of raw pixels to probabilities."""
    config, _ = compose_config([*SETTINGS, f"seed={seed}", "tracking=none"])
    return run_experiment(config).learner.model


def build_rules(data: Data, classifier: Any) -> dict[str, Scores]:
    """Return the rules to compare."""
    import keras
    from scipy.special import logsumexp

    from mnistexp.learner.network import compile_prediction, compile_prediction_with_logits

    predict = compile_prediction_with_logits(classifier)
    hidden = compile_prediction(keras.Model(classifier.input, classifier.layers[-2].input))
    rule = fit_rejection_rule(data.train, data.validation, predict(data.validation.images)[1])
    assert rule is not None
    distance = class_mean_distance(hidden(data.train.images[:10_000]), data.train.labels[:10_000])
    return {
        "highest probability": lambda images: 1 - predict(images)[0].max(axis=1),
        "energy": lambda images: -logsumexp(predict(images)[1], axis=1),
        "Mahalanobis distance to the nearest class, last hidden layer": lambda images: distance(
            hidden(images)
        ),
        "residual of the predicted class": lambda images: rule.residuals(
            images, predict(images)[1]
        ),
        USED_RULE: lambda images: rule.ood_scores(images, predict(images)[1]),
    }


def class_mean_distance(features: np.ndarray, labels: np.ndarray) -> Scores:
    """K. Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples, 2018."""
    means = np.stack([features[labels == label].mean(axis=0) for label in range(10)])
    covariance = np.cov((features - means[labels]).T)
    covariance += 1e-2 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    root = np.linalg.cholesky(np.linalg.inv(covariance))
    return lambda rows: np.min(
        [(((rows - mean) @ root) ** 2).sum(axis=1) for mean in means], axis=0
    )


def refused(scores: Scores, data: Data, sets: dict[str, np.ndarray]) -> list[float]:
    """Return the percentage of each set that a rule refuses."""
    threshold = np.quantile(scores(data.validation.images), 1 - MAX_REFUSED, method="higher")
    return [100 * float((scores(images) > threshold).mean()) for images in sets.values()]


def rejection_table(data: Data, sets: dict[str, np.ndarray], classifiers: list[Any]) -> str:
    """Return the table of refused pictures, means over the classifiers."""
    per_seed = [
        {name: refused(scores, data, sets) for name, scores in build_rules(data, model).items()}
        for model in classifiers
    ]
    names = list(per_seed[0])
    means = {name: np.mean([result[name] for result in per_seed], axis=0) for name in names}
    lines = [
        f"| rule | {' | '.join(f'{name} ({len(images):,})' for name, images in sets.items())} |",
        f"|---|{'---:|' * len(sets)}",
        *(f"| {name} | {' | '.join(f'{v:.1f}' for v in means[name])} |" for name in names),
    ]
    return "\n".join(lines)


def segmentation_table(data: Data) -> str:
    """Return the rows of the table of split digits."""
    digits = data.test.images[..., 0]
    random = np.random.default_rng(2026)
    single = digits[random.choice(len(digits), NUM_SINGLE, replace=False)]
    sizes = [int(side) for side in random.integers(56, 400, NUM_SINGLE)]
    pictures = (
        Image.fromarray(255 - digit).resize((side, side), Image.Resampling.BICUBIC).convert("RGB")
        for digit, side in zip(single, sizes, strict=True)
    )
    whole = np.mean([len(find_digits(picture)) == 1 for picture in pictures])
    lines = [
        "| pictures | number of digits found correctly |",
        "|---|---:|",
        f"| {NUM_SINGLE:,} single test digits, enlarged 2 to 14 times | {whole:.1%} |",
    ]
    for number in (2, 3):
        for gap in GAPS:
            rows = (
                row_of_digits(list(digits[random.choice(len(digits), number)]), gap, random, noise)
                for noise in np.linspace(0, 0.15, NUM_ROWS)
            )
            right = np.mean([len(find_digits(row)) == number for row in rows])
            lines.append(
                f"| {NUM_ROWS} rows of {number} digits, {20 * gap:g} of 20 pixels apart | {right:.0%} |"
            )
    return "\n".join(line.replace("%", " %") for line in lines)


def write_report(segmentation: str, table: str) -> None:
    from mnistexp.device import cpu_device

    REPORT.write_text(f"""# What is refused, and what is split

Written by `make benchmark-rejection`; do not edit. {cpu_device().name}.

## Refused as "does not look like a digit", in %

`conv_big` after three epochs, means over {len(SEEDS)} seeds. The threshold of each rule is chosen so that it refuses 1 %
of the 5,000 validation digits. In brackets: the number of images.

{table}

Letters are printed in {len(FONTS)} fonts of matplotlib. Those like a digit: {" ".join(LIKE_A_DIGIT)}. Scribbles are smooth curves
through 5 to 9 random points. The images of Fashion-MNIST are used as they are; all other pictures except the test
digits are preprocessed as by `mnistexp predict`.

## Split into digits

{segmentation}

The noise of a row has a standard deviation of 0 to 0.15, where 1 is the difference between ink and paper. Each digit is
scaled by 0.8 to 1.2 and placed at a random height.
""")
    print(REPORT.read_text())


def main() -> None:
    data = load_data(compose_config([])[0].data)
    segmentation = segmentation_table(data)
    classifiers = [train_classifier(seed) for seed in SEEDS]
    write_report(segmentation, rejection_table(data, image_sets(data), classifiers))


if __name__ == "__main__":
    main()
