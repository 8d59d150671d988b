"""Door for application code: sends what the application does, reads it back, judges functions.

Nothing is imported until it is asked for: tracing needs no statistics, and judging no tracing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lineside.sdk.contexts import context
    from lineside.sdk.evaluation import Evaluation, evaluate
    from lineside.sdk.opinions import feedback, score
    from lineside.sdk.settings import SdkSettings
    from lineside.sdk.start import current_trace_id, dropped, flush, init, shutdown
    from lineside.sdk.steps import OpenStep, StepKind, step
    from lineside.sdk.tables import traces

__all__ = [
    "Evaluation",
    "OpenStep",
    "SdkSettings",
    "StepKind",
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

_HOMES = {
    "contexts": ("context",),
    "evaluation": ("Evaluation", "evaluate"),
    "opinions": ("feedback", "score"),
    "settings": ("SdkSettings",),
    "start": ("current_trace_id", "dropped", "flush", "init", "shutdown"),
    "steps": ("OpenStep", "StepKind", "step"),
    "tables": ("traces",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lineside.sdk' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"lineside.sdk.{_HOME[name]}"), name)
