"""lineside: from what customers say to a released, watched and proven AI app.

Application code needs this page only: `lineside.init()`, `@lineside.step`, `lineside.context(…)`,
`lineside.traces(…)`, `lineside.evaluate(…)`. Nothing is imported until one of them is used.
"""

import sys

TYPE_CHECKING = False  # `typing` takes longer to import than all of this
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from lineside.sdk import (
        context,
        current_trace_id,
        dropped,
        evaluate,
        feedback,
        flush,
        init,
        score,
        shutdown,
        step,
        traces,
    )
else:
    ModuleType = type(sys)

__version__ = "0.1.0"

__all__ = [
    "context",
    "current_trace_id",
    "dropped",
    "evaluate",
    "feedback",
    "flush",
    "init",
    "score",
    "shutdown",
    "step",
    "traces",
]


class _CallableRoom(ModuleType):
    """The room `lineside.traces`, which application code calls as `lineside.traces(…)`."""

    def __call__(self, *arguments: "Any", **named: "Any") -> "Any":
        return getattr(_sdk(), "traces")(*arguments, **named)  # noqa: B009 # mypy sees the room


class _FrontDoor(ModuleType):
    """This package, where a room and a function share the name `traces`."""

    def __setattr__(self, name: str, value: object) -> None:
        # Python binds a submodule to its package as soon as anybody imports it; it would then
        # stand in the way of the function.
        if name == "traces" and isinstance(value, ModuleType):
            value.__class__ = _CallableRoom
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor


def __getattr__(name: str) -> "Any":
    if name not in __all__:
        raise AttributeError(f"module 'lineside' has no attribute {name!r}")
    return getattr(_sdk(), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def _sdk() -> ModuleType:
    from importlib import import_module

    return import_module("lineside.sdk")
