"""Reserve before a call, settle after it: each within one transaction, or not at all."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple

from lineside.core import LinesideError, Unavailable, new_id
from lineside.gateway.budgets import queries
from lineside.gateway.budgets.bound import Bound
from lineside.gateway.budgets.cap import Cap, caps_on
from lineside.gateway.budgets.periods import period_at
from lineside.gateway.budgets.queries import Place
from lineside.gateway.budgets.refusal import Standing, headers_of, refusal
from lineside.gateway.budgets.sessions import alias_if_limited
from lineside.gateway.budgets.telling import Held, tell_crossed
from lineside.store import Store

LEASE_S = 60.0
"""How long a reservation lives without a sign of life from the process that made it."""


@dataclass(frozen=True)
class Payer:
    """Whom a call counts for.

    Attributes:
        key: Id of the API key, or `owner`.
    """

    workspace: str
    key: str
    team: str | None = None
    use_case: str | None = None
    session: str | None = None

    @property
    def subjects(self) -> dict[str, str]:
        """Names by their kind, as caps have them; an absent one has no limit to meet."""
        named = {
            "workspace": queries.EACH,
            "key": self.key,
            "team": self.team,
            "use_case": self.use_case,
            "session": self.session,
        }
        return {about: name for about, name in named.items() if name}


@dataclass
class Hold:
    """A reservation of one call over all its caps; empty where none holds for it.

    Attributes:
        tokens_out: The longest answer that is paid for, all choices together and of all models
            that may be asked at once; nothing where no limit of tokens or money asks.
        asks: Models that may be asked at once.
        headers: What is left, for the caller.
        lives_until: On this process's own clock; later the hold may be given back.
        settling: Begun once what the call took is known.
    """

    id: str
    parts: tuple[Held, ...] = ()
    tokens_out: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    lives_until: float = 0.0
    settling: "asyncio.Future[None] | None" = None
    workspace: str = ""
    asks: int = 1

    @property
    def counts_money(self) -> bool:
        """Whether a limit of money holds."""
        return any(part.cap.measure == "usd" for part in self.parts)


class Used(NamedTuple):
    """What a call took; a missing figure is unknown, and counts as all that was held.

    Attributes:
        lost: Models that were left while they were answering, or given up as too slow. What one
            took nobody knows, so that it counts as all that was held for it, as far as that goes.
    """

    tokens: int | None = None
    nano_usd: int | None = None
    lost: int = 0


NOTHING = Used(0, 0)


def by_alias(store: Store, payer: Payer) -> Payer:
    """The payer with its session as limits know it.

    Raises:
        Unavailable: Sessions are limited, and no alias can be made.
    """
    if payer.session is None:
        return payer
    return replace(payer, session=alias_if_limited(store, payer.workspace, payer.session))


def find_caps(store: Store, payer: Payer) -> list[Cap]:
    """Every cap that is on a call.

    Raises:
        Unavailable: One still counts sessions by their ids, see `sessions.keep_in_order`.
    """

    def asked(connection: Any) -> list[Cap]:
        rows = queries.select_caps_on(connection, payer.workspace, payer.subjects)
        if any(row["about"] == "session" and not row["is_aliased"] for row in rows):
            raise Unavailable(
                "budget_unreadable",
                "The call was refused and no model asked, because a limit of sessions still counts "
                "them as before an update",
                hint="Start lineside anew with `keys/ledger.ed25519` in its state folder.",
            )
        return caps_on(rows)

    return store.records.recall(payer, asked)


def free() -> Hold:
    """What a call holds that no cap is on."""
    return Hold(new_id("hold"), lives_until=float("inf"))


def reserve(connection: Any, payer: Payer, caps: list[Cap], bound: Bound | None) -> Hold:
    """Hold the most that a call can come to, of every cap that is on it.

    Args:
        bound: As `bound_on` gives it.

    Raises:
        BudgetExceeded: A cap has no room.
    """
    begun = monotonic()
    hold = free()
    at = queries.moment(connection)
    standings = []
    for cap in caps:
        place, renews_at = _place(cap, payer, at)
        spent, reserved = queries.lock_counter(connection, place, at=at, makes=True) or (0, 0)
        standings.append((place, Standing(cap, spent, reserved, renews_at)))
    tokens_out = _fitting(bound, [one for _, one in standings], at)
    expires_at = at + timedelta(seconds=LEASE_S)
    parts, after = [], []
    for place, one in standings:
        units = _need(one.cap, bound, tokens_out)
        queries.write_counter(connection, place, spent=one.spent, reserved=one.reserved + units)
        queries.insert_hold(connection, place, hold.id, units=units, expires_at=expires_at)
        parts.append(Held(place, one.cap, units))
        after.append(one._replace(reserved=one.reserved + units))
    hold.parts, hold.workspace = tuple(parts), payer.workspace
    hold.tokens_out = tokens_out if bound is not None else None
    hold.headers = headers_of(after, at=at)
    hold.asks = bound.asks if bound else 1
    hold.lives_until = begun + LEASE_S
    return hold


def settle(connection: Any, hold: Hold, used: Used) -> None:
    """Put what a call took in place of what was held; the request itself stays counted.

    A hold that lapsed meanwhile, because its lease could not be renewed, is counted all the same.
    """
    at = queries.moment(connection)
    for part in hold.parts:
        taken = _taken(part, used, hold.asks)
        spent = queries.settle_counter(connection, part.place, hold.id, taken=taken, at=at)
        if spent is None:
            continue  # the cap was removed, or its period is long over
        tell_crossed(connection, hold.workspace, part, before=spent[0], spent=spent[1])


def renew(connection: Any, hold_ids: list[str]) -> set[str]:
    """Say that calls are still under way; returns those that still hold."""
    at = queries.moment(connection)
    expires_at = at + timedelta(seconds=LEASE_S)
    return queries.renew_holds(connection, sorted(hold_ids), at=at, expires_at=expires_at)


def bound_on(caps: list[Cap], bound_of: Callable[[], Bound]) -> Bound | None:
    """What the call can come to; nothing where only the number of calls is limited.

    Raises:
        Invalid: It cannot be said, so that no limit could hold.
    """
    measures = {cap.measure for cap in caps}
    if measures <= {"requests"}:
        return None
    bound = bound_of()
    reason: LinesideError | None = bound.endless
    if "usd" in measures:
        reason = reason or bound.unpriced
    if reason is not None:
        raise reason
    return bound


def _place(cap: Cap, payer: Payer, at: datetime) -> tuple[Place, datetime | None]:
    begins_at, renews_at = period_at(cap.every, at)
    return Place(cap.id, payer.subjects[cap.about], begins_at), renews_at


def _fitting(bound: Bound | None, standings: list[Standing], at: datetime) -> int:
    """The longest answer that every cap has room for, at most the one that is wanted."""
    longest = bound.tokens_out if bound else 0
    shortest = bound.tokens_out_min if bound else 0
    for one in standings:
        if one.cap.measure == "requests" or bound is None:
            fits = longest if one.room >= 1 else -1
        elif one.cap.measure == "tokens":
            fits = one.room - bound.tokens_in
        else:
            fits = bound.tokens_out_for(one.room)
        if fits < shortest:
            headers = headers_of(standings, at=at)
            raise refusal(one, _need(one.cap, bound, shortest), at=at, headers=headers)
        longest = min(longest, fits)
    if bound is None:
        return 0
    return longest // bound.choices * bound.choices


def _need(cap: Cap, bound: Bound | None, tokens_out: int) -> int:
    if cap.measure == "requests" or bound is None:
        return 1
    if cap.measure == "tokens":
        return bound.tokens_in + tokens_out
    return bound.nano_usd(tokens_out)


def _taken(part: Held, used: Used, asks: int) -> int:
    if part.cap.measure == "requests":
        return 1
    taken = used.tokens if part.cap.measure == "tokens" else used.nano_usd
    if taken is None:
        return part.units
    lost = -(-part.units * used.lost // asks)  # rounded up
    return taken + min(lost, max(0, part.units - taken))
