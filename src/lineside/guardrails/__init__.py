"""What must not pass: guards on every message, streams under guard, and the proof that they act."""

from lineside.guardrails import probes as probes
from lineside.guardrails.build import build_guard, chain_for, guard_kinds
from lineside.guardrails.chain import GuardChain, GuardedCall, Tried, try_guards
from lineside.guardrails.guard import Caught, Guard, GuardDecision, GuardPoint, Passage
from lineside.guardrails.provenance import Provenance, provenance_of
from lineside.guardrails.streams import GuardedStream

__all__ = [
    "Caught",
    "Guard",
    "GuardChain",
    "GuardDecision",
    "GuardPoint",
    "GuardedCall",
    "GuardedStream",
    "Passage",
    "Provenance",
    "Tried",
    "build_guard",
    "chain_for",
    "guard_kinds",
    "provenance_of",
    "try_guards",
]
