"""A web page on which one draws a digit that a model classifies."""

from mnistexp.inference.drawing_page.app import build_app

__all__ = ["build_app"]
