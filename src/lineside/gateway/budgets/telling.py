"""Tells webhooks that a limit is nearly or wholly used up, or that it refused a call."""

import asyncio
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from lineside.gateway.budgets.cap import Cap, label
from lineside.gateway.budgets.queries import Place
from lineside.gateway.budgets.refusal import BudgetExceeded
from lineside.store import Store
from lineside.trust import keys, outbox

SHARES_TOLD = (0.8, 1.0)
"""Parts of a limit that are told of when they are spent, once in each period."""

_KNOWN_MAX = 10_000


class Held(NamedTuple):
    """What one cap holds for a call."""

    place: Place
    cap: Cap
    units: int


def tell_crossed(connection: Any, workspace: str, part: Held, *, before: int, spent: int) -> None:
    """Tell that a share of a limit is spent, in the transaction that spends it."""
    cap, place = part.cap, part.place
    for share in SHARES_TOLD:
        if cap.units and before < cap.units * share <= spent:
            _emit(
                connection,
                workspace,
                "budget.crossed",
                cap,
                place.subject,
                begins_at=place.begins_at,
                said=f"{share:.0%} of the limit of {cap.said(cap.units)} is spent",
                share=share,
            )


class Refusals:
    """Tells of refusals, the first of each limit in each period; a flood of them is told once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: set[tuple[str, str, datetime | None]] = set()

    def tell(self, workspace: str, subjects: dict[str, str], refused: BudgetExceeded) -> None:
        """Have it told soon; nobody waits for it."""
        cap = refused.cap
        if cap is None:
            return
        key = (cap.id, subjects[cap.about], refused.renews_at)
        if key in self._known:
            return
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known.add(key)
        change = partial(
            _emit,
            workspace=workspace,
            kind="budget.refused",
            cap=cap,
            subject=subjects[cap.about],
            begins_at=refused.renews_at,
            said=f"calls are refused, the limit of {cap.said(cap.units)} has no room",
        )
        # Where it cannot be kept, the caller was told all the same.
        self._store.changes.make(change, is_certain=True).add_done_callback(_looked_at)


def _looked_at(done: "asyncio.Future[None]") -> None:
    if not done.cancelled():
        done.exception()


def _emit(
    connection: Any,
    workspace: str,
    kind: str,
    cap: Cap,
    subject: str,
    *,
    begins_at: datetime | None,
    said: str,
    share: float | None = None,
) -> None:
    period = "in all" if cap.every == "ever" else f"every {cap.every}"
    name = keys.key_name(connection, subject) if cap.about == "key" else subject
    more = {"measure": cap.measure, "every": cap.every, "amount": cap.amount, "whose": subject}
    outbox.emit(
        connection,
        workspace,
        kind,
        subject=cap.id,
        sentence=f"{label(cap, name)} ({period}): {said}",
        use_case=subject if cap.about == "use_case" else None,
        link="/budgets",
        more=more | ({"share": share} if share is not None else {}),
        once=f"{kind} {cap.id} {subject} {begins_at} {share} {cap.set_at.isoformat()}",
    )
