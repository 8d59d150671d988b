"""Whom a call was for, as its steps keep it: where guards mask what is said, ids of people too."""

from typing import Any

from lineside.guardrails import GuardChain, chain_of
from lineside.traces import privacy
from lineside.trust import Scope
from lineside.usecases import guards as declarations

OF_NOBODY_KNOWS = chain_of({"input": (declarations.declared_as("mask_pii"),)})


def people_kept(
    scope: Scope, chain: GuardChain | None, *, session: str | None, user: str | None
) -> dict[str, Any]:
    """The fields of a step that say whose it is.

    Budgets, rollouts and knobs go by the ids themselves; none of them is kept with the step.

    Args:
        chain: The guards of the call; where nobody knows them, all that is personal counts.
    """
    found = (OF_NOBODY_KNOWS if chain is None else chain).kind_in
    return {
        name: value and privacy.masked_id(scope.store, scope.workspace, name, value, found=found)
        for name, value in (("session_id", session), ("user_id", user))
    }
