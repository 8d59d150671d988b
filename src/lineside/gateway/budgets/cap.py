"""Caps: how many requests, tokens or dollars a key, team, use case or session may take."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, get_args

from lineside.core import Invalid, NotFound, Record, did_you_mean, new_id, now
from lineside.gateway.budgets import queries
from lineside.gateway.budgets.periods import Every, period_at
from lineside.gateway.budgets.queries import EACH
from lineside.gateway.budgets.sessions import session_alias
from lineside.trust import Scope, list_keys, record

About = Literal["workspace", "key", "team", "use_case", "session"]
Measure = Literal["requests", "tokens", "usd"]

OWNER = "owner"
"""Stands in place of a key for calls without one: the person's own, on this machine."""

CAPS_MAX = 1_000
NANO = 1_000_000_000
"""Money is counted in billionths of a dollar: a token may cost no more than a few of them."""

_SUBJECT_CHARACTERS_MAX = 200
_UNITS_MAX = 2**62
USES_MAX = 200


class Cap(Record):
    """What may be taken at most in a period.

    Attributes:
        about: What the subject is; `workspace` counts every call there is.
        subject: Id of a key, `owner` for calls without one, or the name of a team, use case or
            session, by its alias; `*` means each of them by itself.
        every: The period, by the calendar in UTC, after which it counts anew.
        amount: Requests, tokens, or US dollars.
    """

    id: str
    about: About
    subject: str
    measure: Measure
    every: Every
    amount: float
    set_by: str
    set_at: datetime

    def said(self, units: int) -> str:
        """So many units of this cap in words, such as `$0.25` or `1,200 tokens`."""
        if self.measure == "usd":
            dollars = f"{units / NANO:,.6f}".rstrip("0")
            return "$" + (dollars + "00")[: max(len(dollars), dollars.index(".") + 3)]
        word = self.measure if units != 1 else self.measure.removesuffix("s")
        return f"{units:,} {word}"

    def shown(self, units: int) -> float:
        """So many units as people read them: dollars, or a plain number."""
        return units / NANO if self.measure == "usd" else units

    @property
    def units(self) -> int:
        """The amount as it is counted."""
        return units_of(self.measure, self.amount)


class CapUse(Record):
    """How far a cap is used by one subject in the present period.

    Attributes:
        subject: Whom it counts for; the name of a key, where it is one.
        spent: By calls that have ended, in the measure of the cap; `spent_units` as it is counted.
        reserved: The most that calls under way may come to; `reserved_units` likewise.
        begins_at: When the period began; nothing where it lasts for ever.
        renews_at: When it counts anew.
    """

    cap: Cap
    subject: str
    spent: float
    reserved: float
    begins_at: datetime | None
    renews_at: datetime | None

    @property
    def spent_units(self) -> int:
        return units_of(self.cap.measure, self.spent)

    @property
    def reserved_units(self) -> int:
        return units_of(self.cap.measure, self.reserved)

    @property
    def share(self) -> float:
        """How much of the cap is spent; what is more than all of it is told, too."""
        return self.spent_units / self.cap.units if self.cap.units else 1.0

    @property
    def spent_share(self) -> float:
        """The same as a part of a bar, from 0 to 1."""
        return min(1.0, self.share)

    @property
    def reserved_share(self) -> float:
        """What is reserved as the next part of that bar."""
        share = self.reserved_units / self.cap.units if self.cap.units else 0.0
        return min(share, 1.0 - self.spent_share)


def set_cap(
    scope: Scope,
    about: About,
    subject: str,
    *,
    measure: Measure,
    amount: float,
    every: Every,
) -> Cap:
    """Say what may be taken at most; the ledger keeps who said so, and what was before.

    It counts from the next call on, in every process. What was spent in the period stays spent.

    Args:
        subject: As in `Cap`; a key may be given by its name. Of a workspace it is left empty.
        amount: In requests, tokens or US dollars; 0 lets nothing through.

    Raises:
        Invalid: The amount, the period or the subject cannot be one.
        NotFound: There is no such key.
    """
    scope.require("budgets")
    subject = _checked_subject(scope, about, subject)
    _check(measure, amount, every)
    values = {"units": units_of(measure, amount), "set_by": scope.actor.name, "set_at": now()}
    place = {"about": about, "subject": subject, "measure": measure, "every": every}
    names = _key_names(scope)
    with scope.store.records.write() as connection:
        queries.lock_caps(connection, scope.workspace)
        there = queries.select_caps(connection, scope.workspace)
        before = next((row for row in there if place.items() <= row.items()), None)
        if before is not None:
            cap = _cap(before | values)
            queries.update_cap(connection, cap.id, values)
        elif len(there) >= CAPS_MAX:
            raise Invalid(
                "too_many_caps",
                f"There are {len(there):,} limits, the most there may be is {CAPS_MAX:,}",
                hint="Remove old ones, or let one with the subject `*` stand for several.",
            )
        else:
            cap = _cap({"id": new_id("cap"), **place, **values})
            row = {"id": cap.id, "workspace": scope.workspace, **place, **values}
            row["is_aliased"] = about == "session"
            queries.insert_cap(connection, row)
        old = None if before is None else _cap(before).amount
        record(connection, scope, "budget.set", cap.id, _told(cap, names) | {"before": old})
    return cap


def remove_cap(scope: Scope, cap_id: str) -> Cap:
    """Take a cap back, and forget what was counted for it.

    Raises:
        NotFound: The workspace has no such cap.
    """
    scope.require("budgets")
    names = _key_names(scope)
    with scope.store.records.write() as connection:
        queries.lock_caps(connection, scope.workspace)
        cap = _found(queries.select_caps(connection, scope.workspace), cap_id)
        queries.delete_cap(connection, cap.id)
        record(connection, scope, "budget.removed", cap.id, _told(cap, names))
    return cap


def cap_uses(scope: Scope, *, cap_id: str | None = None) -> list[CapUse]:
    """Every cap with what is spent and reserved of it now; one of `*` once for each subject.

    A cap that nothing was counted for yet is there with nothing spent. Of one cap at most the 200
    subjects that spent most are told.

    Raises:
        NotFound: The workspace has no cap of that id.
    """
    scope.require("read")
    with scope.store.records.read() as connection:
        rows = queries.select_caps(connection, scope.workspace)
        found = [_cap(row) for row in rows] if cap_id is None else [_found(rows, cap_id)]
        ids = [cap.id for cap in found]
        at = queries.moment(connection)
        lapsed = queries.select_lapsed(connection, ids, at=at)
        counted: dict[str, list[dict[str, Any]]] = {cap.id: [] for cap in found}
        begins = {cap.id: period_at(cap.every, at)[0] for cap in found}
        for row in queries.select_counters(connection, ids):
            if row["begins_at"] == begins[row["cap_id"]]:
                counted[row["cap_id"]].append(row)
    names = _key_names(scope) if any(cap.about == "key" for cap in found) else {}
    uses: list[CapUse] = []
    for cap in found:
        nothing = {"cap_id": cap.id, "subject": cap.subject, "spent": 0, "reserved": 0}
        for row in counted[cap.id][:USES_MAX] or [nothing | {"begins_at": begins[cap.id]}]:
            place = queries.Place(cap.id, row["subject"], row["begins_at"])
            uses.append(_use(cap, row, lapsed.get(place, 0), names, at))
    return uses


def caps_on(rows: list[dict[str, Any]]) -> list[Cap]:
    """Caps as they were read for a call."""
    return list(map(_cap, rows))


def label(cap: Cap, name: str) -> str:
    """Whom a cap counts for, as people read it."""
    if cap.about == "workspace":
        return "whole workspace"
    who = "API key" if cap.about == "key" else cap.about.replace("_", " ")
    return f"each {who}" if name == EACH else f"{who} {name}"


def nano_usd(usd: float) -> int:
    """Dollars as they are counted."""
    return round(usd * NANO)


def units_of(measure: Measure, amount: float) -> int:
    """An amount as it is counted."""
    return nano_usd(amount) if measure == "usd" else int(amount)


def _use(
    cap: Cap, row: Mapping[str, Any], lapsed: int, names: Mapping[str, str], at: datetime
) -> CapUse:
    begins_at, renews_at = period_at(cap.every, at)
    return CapUse(
        cap=cap,
        subject=names.get(row["subject"], row["subject"]),
        spent=cap.shown(row["spent"]),
        reserved=cap.shown(max(0, row["reserved"] - lapsed)),
        begins_at=begins_at if renews_at else None,
        renews_at=renews_at,
    )


def _key_names(scope: Scope) -> dict[str, str]:
    return {key.id: key.name for key in list_keys(scope)} if "keys" in scope.rights else {}


def _found(rows: list[dict[str, Any]], cap_id: str) -> Cap:
    for row in rows:
        if row["id"] == cap_id:
            return _cap(row)
    raise NotFound(
        "no_cap",
        f"No limit has the id `{cap_id[:80]}`",
        hint="`lineside budgets ls` lists them.",
    )


def _cap(row: Mapping[str, Any]) -> Cap:
    amount = row["units"] / NANO if row["measure"] == "usd" else row["units"]
    fields = {name: row[name] for name in Cap.model_fields if name != "amount"}
    return Cap(**fields, amount=amount)


def _told(cap: Cap, names: Mapping[str, str]) -> dict[str, Any]:
    """A cap as the ledger keeps it."""
    told = cap.model_dump(mode="json", exclude={"id", "set_by", "set_at"})
    every = "in all" if cap.every == "ever" else f"every {cap.every}"
    who = label(cap, names.get(cap.subject, cap.subject))
    return {"name": f"{who}: {cap.said(cap.units)} {every}"} | told


def _checked_subject(scope: Scope, about: About, subject: str) -> str:
    if about not in get_args(About):
        near = did_you_mean(about, get_args(About))
        known = ", ".join(f"`{word}`" for word in get_args(About))
        hint = f"Did you mean `{near}`?" if near else f"There are: {known}."
        raise Invalid("bad_cap", f"There are no limits per `{about[:40]}`", hint=hint)
    if about == "workspace":
        return EACH
    subject = subject.strip()
    if not subject or len(subject) > _SUBJECT_CHARACTERS_MAX or not subject.isprintable():
        raise Invalid(
            "bad_cap_subject",
            f"Not the name of a {about.replace('_', ' ')}: `{subject[:60]}`",
            hint="Give its name, or `*` for each of them by itself.",
        )
    if about == "session" and subject != EACH:
        return session_alias(scope.store, scope.workspace, subject)
    if about != "key" or subject in (EACH, OWNER):
        return subject
    keys = [key for key in list_keys(scope) if subject in (key.id, key.name)]
    if not keys:
        raise NotFound(
            "no_key",
            f"There is no API key `{subject[:80]}`",
            hint="Run `lineside keys ls` to see them all; `owner` stands for calls without one.",
        )
    if len(keys) > 1:
        ids = ", ".join(f"`{key.id}`" for key in keys[:5])
        raise Invalid(
            "ambiguous_key",
            f"{len(keys)} API keys have the name `{subject[:80]}`",
            hint=f"Give the id of one: {ids}.",
        )
    return keys[0].id


def _check(measure: Measure, amount: float, every: Every) -> None:
    if measure not in get_args(Measure) or every not in get_args(Every):
        raise Invalid(
            "bad_cap",
            f"Nothing is limited by `{measure[:40]}` every `{every[:40]}`",
            hint=f"Measures: {', '.join(get_args(Measure))}; "
            f"periods: {', '.join(get_args(Every))}.",
        )
    is_whole = measure == "usd" or amount == int(amount) if abs(amount) < 1e18 else False
    if not is_whole or amount < 0 or units_of(measure, amount) > _UNITS_MAX:
        raise Invalid(
            "bad_cap_amount",
            f"Not a limit: {amount:g} {measure}",
            hint="Give a whole number of requests or tokens, or US dollars, from 0 on.",
        )
