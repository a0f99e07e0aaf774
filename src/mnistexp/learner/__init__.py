"""What learns: a Keras network with its optimizer, or a classical method."""

from mnistexp.config.config import Config
from mnistexp.data import Data
from mnistexp.learner.learner import Learner
from mnistexp.model import NetworkConfig

__all__ = ["Learner", "build_learner"]


def build_learner(config: Config, data: Data) -> Learner:
    """The learner of a config, on its device, for data of this size.

    Raises:
        ConfigError: the layers do not fit each other.
        DeviceError: the device cannot be set up, or the method cannot use it.
    """
    # Each kind stands on packages that the other does without.
    if isinstance(config.model, NetworkConfig):
        from mnistexp.learner.network import NetworkLearner

        return NetworkLearner(config, len(data.train))

    from mnistexp.learner.classical import ClassicalLearner

    return ClassicalLearner(config)
