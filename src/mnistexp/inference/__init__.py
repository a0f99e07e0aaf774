"""Trained models: find, load, evaluate, preprocess images for them, and serve them."""

from mnistexp.inference.model_loading import TrainedModel, load_model

__all__ = ["TrainedModel", "load_model"]
