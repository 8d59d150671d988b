"""Door for application code: sends what the application does, and reads it back as a table."""

from lineside.sdk.contexts import context
from lineside.sdk.opinions import feedback, score
from lineside.sdk.settings import SdkSettings
from lineside.sdk.start import current_trace_id, dropped, flush, init, shutdown
from lineside.sdk.steps import OpenStep, StepKind, step
from lineside.sdk.tables import traces

__all__ = [
    "OpenStep",
    "SdkSettings",
    "StepKind",
    "context",
    "current_trace_id",
    "dropped",
    "feedback",
    "flush",
    "init",
    "score",
    "shutdown",
    "step",
    "traces",
]
