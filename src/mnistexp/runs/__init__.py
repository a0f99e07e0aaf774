"""Find runs by the names that users type, tabulate, share and remove them."""
