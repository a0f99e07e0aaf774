"""Build the function that changes the training images."""

from typing import TYPE_CHECKING

from mnistexp.augmentation.config import AugmentationConfig

if TYPE_CHECKING:
    from mnistexp.augmentation.transforms import Augmentation


def build_augmentation(config: AugmentationConfig) -> "Augmentation | None":
    """Return the function that changes a batch of images; None if all changes are off."""
    if config.is_off:
        return None
    from mnistexp.augmentation.transforms import Augmentation  # Imports TensorFlow.

    return Augmentation(config)
