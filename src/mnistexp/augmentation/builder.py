"""Build the function that changes the training images."""

from typing import TYPE_CHECKING

from mnistexp.augmentation.config import AugmentationConfig
from mnistexp.errors import ConfigError

if TYPE_CHECKING:
    from mnistexp.augmentation.transforms import Augmentation


def build_augmentation(
    config: AugmentationConfig, image_shape: tuple[int, int, int]
) -> "Augmentation | None":
    """Return the function that changes a batch of images; None if all changes are off.

    Args:
        image_shape: height, width and channels of an image.

    Raises:
        ConfigError: the erased square does not fit into an image.
    """
    if config.is_off:
        return None
    shorter_side = min(image_shape[:2])
    if config.erasing > shorter_side:
        raise ConfigError(
            f"augmentation.erasing: expected at most {shorter_side} pixels, the shorter side of "
            f"the images. Received: {config.erasing}"
        )
    from mnistexp.augmentation.transforms import Augmentation  # Imports TensorFlow.

    return Augmentation(config)
