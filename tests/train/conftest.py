"""The data of the training tests."""

import pytest

from mnistexp.config.compose import compose_config
from mnistexp.data import Data, load_data


@pytest.fixture(scope="session")
def data() -> Data:
    """2,000 real training images, and all validation and test images."""
    return load_data(compose_config(["data.train_size=2000"])[0].data)
