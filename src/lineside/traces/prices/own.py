"""A workspace's own prices: what it agreed with a provider, or what no table knows."""

import re
import time
from datetime import date
from threading import Lock
from typing import Any

from lineside.core import Invalid, NotFound, new_id, now
from lineside.store import Store
from lineside.traces.mapping import provider_name
from lineside.traces.prices import queries
from lineside.traces.prices.base import base_table
from lineside.traces.prices.rates import Rates
from lineside.traces.prices.table import OwnPrice, PriceTable
from lineside.trust import Scope, record

NAME_CHARACTERS_MAX = 200
OWN_PRICES_MAX = 1_000
_NAME = re.compile(r"[^\s\x00-\x1f]+")
_KNOWN_SECONDS = 5.0


def list_prices(scope: Scope) -> list[OwnPrice]:
    """The workspace's own prices by model, the newest of each first."""
    scope.require("read")
    return _own(scope.store, scope.workspace)


def set_price(
    scope: Scope,
    model: str,
    *,
    rates: Rates,
    provider: str | None = None,
    valid_from: date | None = None,
    valid_to: date | None = None,
) -> OwnPrice:
    """Say what a model costs from a day on; the ledger keeps who said so, and what was before.

    A price with the same model, provider and first day is replaced. Costs that are already written
    down stay as they are.

    Args:
        model: A model's name, or a pattern with `*`.
        provider: Only calls to this provider; nothing means whichever.
        valid_from: In UTC; today unless given.
        valid_to: The last day on which it counts.

    Raises:
        Invalid: A name cannot be one, the days are in the wrong order, or there is no price in it.
    """
    scope.require("prices")
    first_day = valid_from or now().date()
    _check(model, provider, rates, first_day, valid_to)
    own = OwnPrice(
        id=new_id("price"),
        provider=provider_name(provider.strip()) if provider else None,
        model=model.strip().lower(),
        valid_from=first_day,
        valid_to=valid_to,
        rates=rates,
        set_by=scope.actor.name,
        set_at=now(),
    )
    with scope.store.records.write() as connection:
        queries.lock_prices(connection, scope.workspace)
        there = [_price(row) for row in queries.select_prices(connection, scope.workspace)]
        before = next((one for one in there if _place(one) == _place(own)), None)
        if before is not None:
            queries.delete_price(connection, scope.workspace, before.id)
        elif len(there) >= OWN_PRICES_MAX:
            raise Invalid(
                "too_many_prices",
                f"There are {len(there):,} own prices, the limit is {OWN_PRICES_MAX:,}",
                hint="Remove old ones, or let one pattern such as `gpt-5*` stand for several.",
            )
        queries.insert_price(connection, scope.workspace, _row(own))
        details = _said(own) | {"before": _said(before) if before else None}
        record(connection, scope, "price.set", own.id, details)
    return own


def remove_price(scope: Scope, price_id: str) -> OwnPrice:
    """Take an own price back; calls from now on cost what the other prices say.

    Raises:
        NotFound: The workspace has no such price.
    """
    scope.require("prices")
    with scope.store.records.write() as connection:
        queries.lock_prices(connection, scope.workspace)
        rows = queries.select_prices(connection, scope.workspace)
        own = next((_price(row) for row in rows if row["id"] == price_id), None)
        if own is None:
            raise NotFound(
                "no_price",
                f"No own price has the id `{price_id[:80]}`",
                hint="`lineside prices ls` lists them.",
            )
        queries.delete_price(connection, scope.workspace, own.id)
        record(connection, scope, "price.removed", own.id, _said(own))
    return own


def price_table(scope: Scope) -> PriceTable:
    """What calls of this workspace cost, as it is set now."""
    return PriceTable(list_prices(scope), base_table)


class PriceTables:
    """The price table of each workspace, a few seconds old at most; for whoever prices many calls.

    Safe to share between threads.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._known: dict[str, tuple[float, PriceTable]] = {}

    def of(self, workspace: str) -> PriceTable:
        """The table that counts for a workspace now."""
        with self._lock:
            read_at, table = self._known.get(workspace, (0.0, None))
            if table is None or time.monotonic() - read_at > _KNOWN_SECONDS:
                own = tuple(_own(self._store, workspace))
                # One whose prices are as before has found most of them already.
                if table is None or table.own != own:
                    table = PriceTable(own, base_table)
                self._known[workspace] = (time.monotonic(), table)
            return table


def _own(store: Store, workspace: str) -> list[OwnPrice]:
    with store.records.read() as connection:
        return [_price(row) for row in queries.select_prices(connection, workspace)]


def _price(row: dict[str, Any]) -> OwnPrice:
    return OwnPrice.model_validate(row | {"provider": row["provider"] or None})


def _row(own: OwnPrice) -> dict[str, Any]:
    return own.model_dump() | {
        "provider": own.provider or "",
        "valid_from": own.valid_from.isoformat(),
        "valid_to": own.valid_to.isoformat() if own.valid_to else None,
    }


def _place(own: OwnPrice) -> tuple[str | None, str, date]:
    return own.provider, own.model, own.valid_from


def _said(own: OwnPrice) -> dict[str, Any]:
    """A price as the ledger keeps it."""
    told = own.model_dump(mode="json", exclude={"id", "model", "set_by", "set_at"})
    return {"name": own.model} | told


def _check(
    model: str, provider: str | None, rates: Rates, valid_from: date, valid_to: date | None
) -> None:
    for what, name in (("model", model), ("provider", provider)):
        if name is None:
            continue
        if len(name) > NAME_CHARACTERS_MAX or not _NAME.fullmatch(name.strip()):
            raise Invalid(
                "bad_price_name",
                f"Not the name of a {what}: `{name[:60]}`",
                hint="Write it as calls send it, without blanks; `*` stands for any letters.",
            )
    if rates.input is None and not rates.request_usd:
        raise Invalid(
            "no_price_given",
            f"The price of `{model[:60]}` has neither dollars for input tokens nor for a request",
            hint="Give at least --input, in dollars per million tokens; 0 means free.",
        )
    if valid_to is not None and valid_to < valid_from:
        raise Invalid(
            "price_ends_early",
            f"The price would begin on {valid_from} and end on {valid_to}",
            hint="Its last day comes after its first.",
        )
