"""Trained models: naming one of them, and loading it."""

from mnistexp.trained.loading import TrainedModel, load_model
from mnistexp.trained.naming import find_model

__all__ = ["TrainedModel", "find_model", "load_model"]
