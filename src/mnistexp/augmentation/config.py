"""Settings of the random changes of the training images."""

from typing import Annotated

from pydantic import Field

from mnistexp.schema import Fraction, NonNegative, Positive, Section


class AugmentationConfig(Section):
    """Random changes of the training images, other ones at each step. 0 switches a change off.

    Shift, rotation, scale and shear are drawn evenly from their ranges. All changes of the shape
    are one interpolation, so the image is not blurred several times. Evaluations use the unchanged
    images.
    """

    shift: NonNegative = 0.0
    """Largest shift in pixels, in each direction."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest rotation about the center in degrees, in each direction."""
    scale: Fraction = 0.0
    """Largest relative change of the size: 0.1 is 90 % to 110 %."""
    shear: Annotated[float, Field(ge=0, lt=90)] = 0.0
    """Largest horizontal shear in degrees, in each direction: the slant of handwriting."""
    elastic: NonNegative = 0.0
    """Standard deviation of an elastic distortion in pixels, after Simard et al., 2003."""
    elastic_smoothness: Positive = 4.0
    """Standard deviation in pixels of the Gaussian that smooths the elastic distortion."""
    erasing: Annotated[int, Field(ge=0)] = 0
    """Side in pixels of a square at a random place whose pixels are set to 0."""
    erasing_probability: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Probability with which an image loses this square."""

    @property
    def changes_shape(self) -> bool:
        """Whether the images are interpolated."""
        return any((self.shift, self.rotation, self.scale, self.shear, self.elastic))

    @property
    def is_off(self) -> bool:
        """Whether all images remain as they are."""
        return not self.changes_shape and not self.erasing
