"""Import Keras without packages that it needs only for functions that no command uses.

Keras imports scikit-learn for its wrappers, matplotlib for its galleries, and pandas for tables,
where they are installed. That takes as long as the rest of TensorFlow.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

OPTIONAL_PACKAGES = ("sklearn", "matplotlib", "pandas")
_is_active = False


def skip_optional_packages() -> None:
    """Let this process import Keras as if its optional packages were not installed.

    For processes of commands. A notebook may need these functions of Keras.
    """
    global _is_active
    _is_active = True


@contextmanager
def optional_packages_hidden() -> Iterator[None]:
    """Let imports of the optional packages fail, after `skip_optional_packages`.

    Keras expects an ImportError, which Python raises for modules that are registered as None.
    """
    hidden = [name for name in OPTIONAL_PACKAGES if _is_active and name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
