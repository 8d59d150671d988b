"""What must not pass: guards on every message, streams under guard, and the proof that they act."""

from lineside.guardrails import probes as probes
from lineside.guardrails.build import build_guard, chain_for, chain_of, guard_kinds
from lineside.guardrails.chain import GuardChain, GuardedCall, Tried, try_guards
from lineside.guardrails.guard import Guard, GuardDecision, GuardPoint
from lineside.guardrails.provenance import Provenance, provenance_of
from lineside.guardrails.streams import GuardedStream, StreamCost

__all__ = [
    "Guard",
    "GuardChain",
    "GuardDecision",
    "GuardPoint",
    "GuardedCall",
    "GuardedStream",
    "Provenance",
    "StreamCost",
    "Tried",
    "build_guard",
    "chain_for",
    "chain_of",
    "guard_kinds",
    "provenance_of",
    "try_guards",
]
