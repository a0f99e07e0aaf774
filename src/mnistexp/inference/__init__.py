"""Trained models: find, load, evaluate, preprocess images for them, and serve them."""

from mnistexp.inference.model_loading import TrainedModel, load_model
from mnistexp.inference.model_selection import find_model

__all__ = ["TrainedModel", "find_model", "load_model"]
