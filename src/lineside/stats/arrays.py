"""numpy, imported with the first calculation instead of with the rooms that calculate.

It takes 14 MiB and a twentieth of a second, and a server that only answers calls needs none of it.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["np"]


class _Later(ModuleType):
    """Stands for a module; what is asked of it is kept, and then costs nothing more."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(self.__name__), name)
        setattr(self, name, found)
        return found


if TYPE_CHECKING:
    import numpy as np
else:
    np = _Later("numpy")
