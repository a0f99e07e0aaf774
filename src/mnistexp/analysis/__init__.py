"""Compare runs of the store, and draw figures and reports of them."""
