"""A config-driven experiment runner for MNIST-size image classification."""

from importlib.metadata import version

__version__ = version("mnistexp")
