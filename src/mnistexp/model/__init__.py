"""What is trained: a network's settings and how it is built from them."""

from mnistexp.model.network import NetworkConfig, build_classifier, build_model

ModelConfig = NetworkConfig

__all__ = ["ModelConfig", "NetworkConfig", "build_classifier", "build_model"]
