"""Compose and validate the config of a run.

Import from the modules: `--help` needs only `config_groups` and must not load Hydra and pydantic.
"""
