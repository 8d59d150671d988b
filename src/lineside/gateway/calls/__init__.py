"""From a request in the canonical form to an answer: providers, routes, and steps around them."""

from lineside.gateway.calls.asking import ServedBy
from lineside.gateway.calls.counting import count_tokens
from lineside.gateway.calls.embedding import EMBEDDED, embed
from lineside.gateway.calls.gateway import (
    CallStep,
    Events,
    Gateway,
    ModelCall,
    Proceed,
    Wants,
    with_steps,
)

__all__ = [
    "EMBEDDED",
    "CallStep",
    "Events",
    "Gateway",
    "ModelCall",
    "Proceed",
    "ServedBy",
    "Wants",
    "count_tokens",
    "embed",
    "with_steps",
]
