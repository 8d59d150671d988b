"""What does a step, by name: the one list, which the SDK can read without the rest of lineside."""

from typing import Literal

StepKind = Literal[
    "agent",
    "workflow",
    "model",
    "tool",
    "retriever",
    "embedding",
    "reranker",
    "guard",
    "scorer",
    "prompt",
    "step",
]
"""What does a step of an application: a model, a tool, …; `step` is anything else."""

SpanKind = Literal["app", StepKind]
"""The same, and `app`: the application as a whole, which only lineside's own serving is."""
