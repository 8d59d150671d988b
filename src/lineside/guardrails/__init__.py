"""What must not pass: guards on every message, streams under guard, and the proof that they act."""

from lineside.guardrails.build import build_guard, chain_for, guard_kinds
from lineside.guardrails.chain import GuardChain, GuardedCall
from lineside.guardrails.guard import Caught, Guard, GuardDecision, GuardPoint, Passage
from lineside.guardrails.probes import PROBE as PROBE
from lineside.guardrails.probes import Coverage, ServedPath, probe_paths, probed_point
from lineside.guardrails.probes import is_probe as is_probe
from lineside.guardrails.provenance import Provenance as Provenance
from lineside.guardrails.provenance import provenance_of as provenance_of
from lineside.guardrails.values import texts_of as texts_of

__all__ = [
    "Caught",
    "Coverage",
    "Guard",
    "GuardChain",
    "GuardDecision",
    "GuardPoint",
    "GuardedCall",
    "Passage",
    "Provenance",
    "ServedPath",
    "build_guard",
    "chain_for",
    "guard_kinds",
    "probe_paths",
    "probed_point",
]
