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
        ConfigError: the erased square does not fit into an image, or pixels move by more than half
            of it.
    """
    if config.is_off:
        return None
    side = min(image_shape[:2])
    limits = {"shift": side // 2, "elastic": side // 2, "erasing": side}
    for name, limit in limits.items():
        value = getattr(config, name)
        if value > limit:
            raise ConfigError(
                f"augmentation.{name}: expected at most {limit} pixels, since the shorter side of "
                f"the images has {side}. Received: {value:g}"
            )
    from mnistexp.augmentation.transforms import Augmentation  # Imports TensorFlow.

    return Augmentation(config)
