"""A model that learns: a Keras network with its optimizer, or a scikit-learn classifier."""

from mnistexp.config.config import Config
from mnistexp.data import Data
from mnistexp.learner.learner import Learner
from mnistexp.model import NetworkConfig

__all__ = ["Learner", "build_learner"]


def build_learner(config: Config, data: Data) -> Learner:
    """Build the learner of a config on its device.

    Args:
        config: all settings.
        data: its size determines the length of an epoch, and its images the input of the model.

    Raises:
        ConfigError: the layers do not fit each other, or the optimizer rejects its settings.
        DeviceError: the device cannot be set up, or the method cannot use it.
    """
    # Each module imports only the packages that its kind of learner needs.
    if isinstance(config.model, NetworkConfig):
        from mnistexp.learner.network import NetworkLearner

        return NetworkLearner(config, data)

    from mnistexp.learner.classical import ClassicalLearner

    return ClassicalLearner(config, data)
