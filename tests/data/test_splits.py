"""Training, validation and test split of the real digits."""

import numpy as np
import pytest

from mnistexp.config.compose import compose_config
from mnistexp.data import Data, load_data
from mnistexp.data.files import DATASETS, FILES, read_idx
from mnistexp.errors import ConfigError


def load(*overrides: str) -> Data:
    return load_data(compose_config(list(overrides))[0].data)


def test_the_package_contains_all_of_mnist() -> None:
    data = load()
    assert (len(data.train), len(data.validation), len(data.test)) == (55_000, 5_000, 10_000)
    assert data.train.images.shape == (55_000, 28, 28, 1)
    assert data.train.images.dtype == np.uint8
    # The published counts of each digit in the test set.
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(data.test.labels).tolist() == counts


def test_the_validation_images_are_the_first_ones_for_any_seed() -> None:
    images, _ = read_idx(DATASETS / "mnist" / f"{FILES[0]}.gz", None)
    data = load("seed=7")
    np.testing.assert_array_equal(data.validation.images[..., 0], images[:5_000])
    np.testing.assert_array_equal(data.train.images[..., 0], images[5_000:])


def test_without_validation_all_60000_images_are_for_training() -> None:
    data = load("data.validation_size=0", "train.evaluate_on=[test]")
    assert (len(data.train), len(data.validation)) == (60_000, 0)


def test_a_subset_has_the_classes_in_proportion() -> None:
    whole, part = load().train, load("data.train_size=1001").train
    assert len(part) == 1_001
    exact = np.bincount(whole.labels) * 1_001 / 55_000
    assert np.abs(np.bincount(part.labels) - exact).max() < 1


def test_a_slice_of_the_test_set_starts_at_0_and_excludes_its_end() -> None:
    whole, part = load().test, load("data.test_slice=[3301,6601]").test
    assert len(part) == 3_300
    np.testing.assert_array_equal(part.images, whole.images[3_301:6_601])
    np.testing.assert_array_equal(part.labels, whole.labels[3_301:6_601])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.validation_size=60000", "data.validation_size: expected fewer than the 60000"),
        ("data.train_size=55001", "data.train_size: expected at most 55000"),
        ("data.test_slice=[0,10001]", "data.test_slice: expected an end of at most 10000"),
    ],
)
def test_splits_larger_than_the_data_are_rejected(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(override)


def test_runs_share_read_only_arrays() -> None:
    one, other = load(), load("data.train_size=1000")
    assert np.shares_memory(one.test.images, other.test.images)
    with pytest.raises(ValueError, match="read-only"):
        one.train.images[0] = 0
