"""Random changes of the training images: their settings, and the functions that make them."""

from mnistexp.augmentation.builder import build_augmentation
from mnistexp.augmentation.config import AugmentationConfig

__all__ = ["AugmentationConfig", "build_augmentation"]
