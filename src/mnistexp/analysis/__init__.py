"""Select runs of the store, compare them, and draw figures and reports of them."""
