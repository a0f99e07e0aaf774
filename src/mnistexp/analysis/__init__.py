"""What helped: runs read back from the store, compared, and drawn."""
