"""Compare the speed of training with Keras, PyTorch and JAX, and write docs/speed.md."""
