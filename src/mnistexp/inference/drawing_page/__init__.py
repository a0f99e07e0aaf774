"""A web page for drawing digits, which a model classifies."""

from mnistexp.inference.drawing_page.app import build_app

__all__ = ["build_app"]
