"""From the words of a command to one validated config.

Import from the modules: `--help` needs only `config_groups`, and must not load Hydra and pydantic.
"""
