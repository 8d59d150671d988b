"""What was sent and not taken: counted by reason, for people who did not send it."""

from lineside.traces.refusals.counting import TurnedAway, keep_refusals
from lineside.traces.refusals.listing import RefusalCount, forget_refusals, list_refusals
from lineside.traces.refusals.queries import RefusalsIntake

__all__ = [
    "RefusalCount",
    "RefusalsIntake",
    "TurnedAway",
    "forget_refusals",
    "keep_refusals",
    "list_refusals",
]
