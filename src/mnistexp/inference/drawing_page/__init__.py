"""A page to draw a digit on, and the server behind it."""

from mnistexp.inference.drawing_page.app import build_app

__all__ = ["build_app"]
