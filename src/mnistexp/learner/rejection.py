"""The rejection rule: whether an image looks like the images that a network was trained on.

It adds two scores that see different things. The energy -log(sum(exp(logits))) is high where the
network recognizes nothing (W. Liu et al., Energy-based Out-of-distribution Detection, 2020). The
residual is the part of the pixels that the principal components of the predicted class do not
explain. docs/rejection.md compares the rule with others.
"""

import hashlib
import io
import math
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from mnistexp.data import Split
from mnistexp.errors import ModelError

FILE_NAME = "rejection.npz"
"""The name of the rule's file in the folder of a logged model."""
MAX_REFUSED = 0.01
"""At most this part of the validation images is refused."""
NUM_COMPONENTS = 50
NUM_EXTRA_AXES = 10
"""Axes that are computed beside the principal ones, which makes those precise."""
NUM_ITERATIONS = 4
MAX_TRAINING_IMAGES = 10_000
MIN_VALIDATION_IMAGES = 200


@dataclass(frozen=True)
class RejectionRule:
    """A fitted rule.

    means: of the pixels of each class, 0 to 1, [num_classes, num_pixels].
    components: the principal components of each class, [num_classes, num_components, num_pixels].
    energy_scale, residual_scale: [2], the median and the 99 % quantile for validation images.
    threshold: [], of the sum of both scores, each scaled to 0 at the median and 1 at the quantile.
    """

    means: np.ndarray
    components: np.ndarray
    energy_scale: np.ndarray
    residual_scale: np.ndarray
    threshold: np.ndarray

    def ood_scores(self, images: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return how unlike the training images each image is; above 1, it is refused.

        Args:
            images: uint8 [num_images, height, width, channels].
            logits: of the network for them, [num_images, num_classes].
        """
        energies = _scale(_energies(logits), self.energy_scale)
        residuals = _scale(self.residuals(images, logits), self.residual_scale)
        scores: np.ndarray = (energies + residuals) / self.threshold
        return scores

    def residuals(self, images: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return the squared distance of the pixels to the subspace of the predicted class."""
        return _residuals(images, logits.argmax(axis=1), self.means, self.components)

    def save(self, folder: Path) -> None:
        """Write the rule to the folder of a model, about 0.7 MB."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez_compressed(folder / FILE_NAME, **arrays)


def fit_rejection_rule(
    train: Split, validation: Split, validation_logits: np.ndarray
) -> RejectionRule | None:
    """Fit the class statistics to training images and the threshold to validation images.

    Args:
        train: the first 10,000 images are used.
        validation_logits: of the network for the validation images, [num_images, num_classes].

    Returns:
        None with fewer than 200 validation images, a class with fewer than two training images, or
        scores without a threshold above 0.
    """
    from threadpoolctl import threadpool_limits

    train = train[:MAX_TRAINING_IMAGES]
    counts = np.bincount(train.labels, minlength=validation_logits.shape[1])
    if len(validation) < MIN_VALIDATION_IMAGES or counts.min() < 2:
        return None
    # Threads of BLAS wait for each other in a busy loop: for matrices of this size that takes ten
    # times as long as the computation.
    with threadpool_limits(1, "blas"):
        return _fit(train, validation, validation_logits)


def _fit(train: Split, validation: Split, validation_logits: np.ndarray) -> RejectionRule | None:
    means, components = _fit_classes(train, validation_logits.shape[1])
    residuals = _residuals(validation.images, validation_logits.argmax(axis=1), means, components)
    energy_scale = _find_scale(_energies(validation_logits))
    residual_scale = _find_scale(residuals)
    rule = RejectionRule(means, components, energy_scale, residual_scale, np.array(1.0))
    scores = rule.ood_scores(validation.images, validation_logits)
    # The next higher value of the images, so that not more than MAX_REFUSED are above it.
    threshold = np.quantile(scores, 1 - MAX_REFUSED, method="higher")
    if not np.isfinite(threshold) or threshold <= 0:
        return None
    return RejectionRule(means, components, energy_scale, residual_scale, threshold)


def load_rejection_rule(folder: Path) -> RejectionRule | None:
    """Read the rule of a logged model; None if it has none, such as classical methods.

    Raises:
        ModelError: the file is damaged.
    """
    file = folder / FILE_NAME
    if not file.is_file():
        return None
    try:
        # From memory, because NumPy leaves a damaged file open.
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as arrays:
            rule = RejectionRule(*(arrays[field.name] for field in fields(RejectionRule)))
        _check(rule)
    except Exception as error:  # A damaged file can fail anywhere in its decoders.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(
            f"{file}: expected the rejection rule of a model. Received: a damaged file ({reason})"
        ) from error
    return rule


def _check(rule: RejectionRule) -> None:
    """Raise ValueError if an array has another shape, or a value is not finite."""
    num_classes, num_pixels = rule.means.shape if rule.means.ndim == 2 else (0, 0)
    num_components = rule.components.shape[1] if rule.components.ndim == 3 else 0
    shapes = {
        "means": (num_classes, num_pixels),
        "components": (num_classes, num_components, num_pixels),
        "energy_scale": (2,),
        "residual_scale": (2,),
        "threshold": (),
    }
    for name, shape in shapes.items():
        array = getattr(rule, name)
        if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"{name}: expected finite numbers of shape {list(shape)}")


def _fit_classes(train: Split, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and principal components of each class, as float16 to save space.

    The latest ones are kept, because the runs of a sweep usually have the same images.
    """
    sha = hashlib.sha256(train.images.tobytes())
    sha.update(train.labels.tobytes())
    key = (sha.hexdigest(), num_classes)
    if key not in _FITTED_CLASSES:
        _FITTED_CLASSES.clear()
        _FITTED_CLASSES[key] = _compute_classes(train, num_classes)
    return _FITTED_CLASSES[key]


_FITTED_CLASSES: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}


def _compute_classes(train: Split, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    num_pixels = math.prod(train.images.shape[1:])
    means = np.zeros((num_classes, num_pixels), "f2")
    components = np.zeros((num_classes, NUM_COMPONENTS, num_pixels), "f2")
    for label in range(num_classes):
        pixels = _pixels(train.images[train.labels == label])
        means[label] = pixels.mean(axis=0)
        number = min(NUM_COMPONENTS, len(pixels) - 1)
        components[label, :number] = _principal_axes(pixels - means[label], number)
    return means, components


def _principal_axes(centered: np.ndarray, number: int) -> np.ndarray:
    """Return the first principal axes, [number, num_pixels], by randomized subspace iteration.

    The algorithm of N. Halko et al., Finding structure with randomness, 2011, as in scikit-learn,
    whose import would take longer than a short training.

    Args:
        centered: [num_images, num_pixels], of mean 0. number: at most `num_images`.
    """
    num_images, num_pixels = centered.shape
    size = min(number + NUM_EXTRA_AXES, num_images, num_pixels)
    basis = np.random.default_rng(0).standard_normal((num_pixels, size), "f4")
    for _ in range(NUM_ITERATIONS):
        basis, _ = np.linalg.qr(centered.T @ (centered @ basis))
    _, _, rotation = np.linalg.svd(centered @ basis, full_matrices=False)
    axes: np.ndarray = (rotation @ basis.T)[:number]
    return axes


def _residuals(
    images: np.ndarray, classes: np.ndarray, means: np.ndarray, components: np.ndarray
) -> np.ndarray:
    """Return the squared distance to the subspace of the class of each image."""
    residuals = np.zeros(len(images), "f4")
    for label in np.unique(classes):
        chosen = classes == label
        difference = _pixels(images[chosen]) - means[label].astype("f4")
        explained = difference @ components[label].astype("f4").T
        residuals[chosen] = (difference**2).sum(axis=1) - (explained**2).sum(axis=1)
    return residuals


def _pixels(images: np.ndarray) -> np.ndarray:
    """Return float32 [num_images, num_pixels], 0 to 1."""
    return images.reshape(len(images), -1).astype("f4") / np.float32(255)


def _energies(logits: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # The caller reports logits of NaN.
        energies: np.ndarray = -np.logaddexp.reduce(logits.astype("f8"), axis=1)
    return energies


def _find_scale(values: np.ndarray) -> np.ndarray:
    scale: np.ndarray = np.quantile(values.astype("f8"), [0.5, 1 - MAX_REFUSED])
    return scale


def _scale(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    median, high = scale
    scaled: np.ndarray = (values - median) / max(high - median, 1e-9)
    return scaled
