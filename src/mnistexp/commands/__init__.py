"""The commands: each translates words into calls."""
