"""From a request in the canonical form to an answer: providers, routes, and steps around them."""

from lineside.gateway.calls import pass_through
from lineside.gateway.calls.asking import ServedBy
from lineside.gateway.calls.counting import count_tokens
from lineside.gateway.calls.embedding import EMBEDDED, embed
from lineside.gateway.calls.endpoint import PassThrough
from lineside.gateway.calls.failures import for_callers
from lineside.gateway.calls.gateway import (
    CallStep,
    Events,
    Gateway,
    ModelCall,
    Proceed,
    Wants,
    with_steps,
)
from lineside.gateway.calls.gguf import CONTEXT_TOKENS, LOCAL
from lineside.gateway.calls.route import ModelRoute
from lineside.gateway.calls.settings import gateway_file

__all__ = [
    "CONTEXT_TOKENS",
    "EMBEDDED",
    "LOCAL",
    "CallStep",
    "Events",
    "Gateway",
    "ModelCall",
    "ModelRoute",
    "PassThrough",
    "Proceed",
    "ServedBy",
    "Wants",
    "count_tokens",
    "embed",
    "for_callers",
    "gateway_file",
    "pass_through",
    "with_steps",
]
