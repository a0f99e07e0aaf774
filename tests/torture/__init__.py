"""Kills, faults and bad input in bulk, counted. `make torture` writes docs/reliability.md."""
