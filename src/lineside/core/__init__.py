"""Words every room shares: ids, clock, money, actor, errors, settings, plugins. No I/O.

Errors and settings are imported at once; whatever needs pydantic, and `plugins`, which needs
`importlib.metadata`, waits until it is asked for, so that `import lineside` and `lineside --help`
stay quick.
"""

from typing import TYPE_CHECKING, Any

from lineside.core.clock import now
from lineside.core.errors import (
    Conflict,
    Denied,
    Invalid,
    LinesideError,
    NotFound,
    Unavailable,
)
from lineside.core.ids import new_id
from lineside.core.nearest import did_you_mean
from lineside.core.settings import Settings

if TYPE_CHECKING:
    from lineside.core import plugins
    from lineside.core.actor import SYSTEM, Actor
    from lineside.core.money import Money
    from lineside.core.record import Record

__all__ = [
    "SYSTEM",
    "Actor",
    "Conflict",
    "Denied",
    "Invalid",
    "LinesideError",
    "Money",
    "NotFound",
    "Record",
    "Settings",
    "Unavailable",
    "did_you_mean",
    "new_id",
    "now",
    "plugins",
]

_LATE = {
    "SYSTEM": "lineside.core.actor",
    "Actor": "lineside.core.actor",
    "Money": "lineside.core.money",
    "Record": "lineside.core.record",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'lineside.core' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATE[name]), name)
