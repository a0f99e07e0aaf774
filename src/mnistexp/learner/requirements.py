"""What a saved model needs."""

from importlib.metadata import version


def pinned(*packages: str) -> list[str]:
    """The packages in the versions that are installed: `["numpy==2.4.6"]`."""
    return [f"{name}=={version(name)}" for name in packages]
