"""Find runs: by the names that users type, by conditions, as tables, and their recordings."""
