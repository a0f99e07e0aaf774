"""Settings of the section `data`."""

from typing import Annotated

from pydantic import Field, Strict, field_validator

from mnistexp.errors import ConfigError
from mnistexp.schema import Count, Positive, Section

Side = Annotated[int, Field(ge=1, le=96)]
ClassName = Annotated[str, Field(min_length=1, max_length=40)]
Slice = Annotated[
    tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]],
    Strict(False),
]


class DataConfig(Section):
    """A data set, its classes, its splits and the scale of its pixels."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    """The checksums of the package for this name are verified. Names without `url`, except
    `mnist`, need `directory`."""
    directory: str | None = None
    """Folder with four IDX files, plain or gzip, with the binary files of CIFAR-10, or with
    pictures (train/CLASS/*.png), or an .npz file. Default: the package, a package of Debian, or
    the cache."""
    url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """Address from which missing files are downloaded once: a folder with the four IDX files
    (.gz), or a .zip or .tar.gz archive."""
    num_classes: Annotated[int, Field(ge=2, le=256)] = 10
    """Number of classes. Default: read from the data, if `directory` is set."""
    class_names: Annotated[tuple[ClassName, ...], Strict(False)] | None = None
    """Names of the classes, in the order of their labels. Default: the labels."""
    resize: Annotated[tuple[Side, Side], Strict(False)] | None = None
    """[height, width] to which pictures are resized. Default: their size, equal for all."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Fraction of each class for the test, for a folder of pictures without `test`."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Seed of that split, and of the order of the training pictures."""
    validation_size: Annotated[int, Field(ge=0)] = 5_000
    """Number of validation images: the first training images, independent of the seed."""
    train_size: Count | None = None
    """Number of training images, with the classes in proportion. Default: all that remain."""
    test_slice: Slice | None = None
    """[start, end] of the test images to use, counted from 0, end excluded. Default: all."""
    use_test: bool = True
    """Whether the run may read the test images. false: it is measured on validation images only, as
    a search should be that is to be judged on test images later."""
    scale: Positive = 255.0
    """Divisor of the pixels, which are 0 to 255."""

    @field_validator("test_slice")
    @classmethod
    def _check_start_before_end(cls, test_slice: tuple[int, int] | None) -> tuple[int, int] | None:
        if test_slice and test_slice[0] >= test_slice[1]:
            raise ConfigError(
                f"data.test_slice: expected start < end. Received: {list(test_slice)}"
            )
        return test_slice
