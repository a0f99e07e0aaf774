"""The commands: each module translates the arguments of one command into calls."""
