"""What calls cost: the workspace's own prices first, then the base table. Pure."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple, Protocol

from lineside.core import Record, clock
from lineside.traces.prices.names import Named, named
from lineside.traces.prices.rates import Listing, Priced, Rates, Unpriced, Usage

_FOUND_MAX = 20_000
# Its models are files on the machine that asks: nobody is paid for a call.
_LOCAL = "gguf"
_FREE = Rates(input=0.0, output=0.0)


class OwnPrice(Record):
    """A price that a workspace has set for itself.

    Attributes:
        provider: Only calls to this provider; nothing means whichever.
        model: A model's name, or a pattern in which `*` stands for any letters, such as `gpt-5*`.
        valid_from: First day on which it counts, in UTC.
        valid_to: Last day on which it counts; nothing means until further notice.
        set_by: Name of the actor who set it.
    """

    id: str
    provider: str | None
    model: str
    valid_from: date
    valid_to: date | None
    rates: Rates
    currency: str = "USD"
    set_by: str
    set_at: datetime

    @property
    def source(self) -> str:
        """What a span says of a cost that this price made."""
        return f"own {self.valid_from.isoformat()}"


class Base(Protocol):
    """A price table that comes with lineside."""

    def find(self, name: Named, at: datetime, service_tier: str | None) -> Listing | Unpriced:
        """The price at that moment, or why there is none."""


class _Rule(NamedTuple):
    own: OwnPrice
    matches: Callable[[str], object]


class PriceTable:
    """Says what a call cost, or why nobody knows.

    An own price wins over the base table. Of several own ones that fit, the closer one counts: one
    for a provider before one for all, an exact name before a pattern, a longer pattern before a
    shorter; and of those that are alike, the newest that was valid when the call began. A model
    that runs from a local file costs nothing unless an own price says otherwise.

    Looking a price up is slow and done once for each provider, model and day; a known one takes a
    microsecond or two. Safe to share between threads.

    Args:
        own: The workspace's own prices.
        base: Gives the base table; asked only when a price is first looked for in it, because to
            load it takes a second.
    """

    def __init__(
        self, own: Sequence[OwnPrice] = (), base: Callable[[], Base] | None = None
    ) -> None:
        self.own = tuple(own)
        self._base = base
        self._rules = [_Rule(one, _pattern(one.model)) for one in sorted(own, key=_closeness)][::-1]
        self._found: dict[tuple[object, ...], Listing | Unpriced] = {}

    def price(self, usage: Usage) -> Priced | Unpriced:
        """What the call cost; unknown, never 0, where its model or tokens are not known."""
        listing = self.listing(usage)
        return listing if isinstance(listing, Unpriced) else listing.price(usage)

    def listing(self, usage: Usage) -> Listing | Unpriced:
        """The price that holds for a call, whatever its tokens."""
        provider, model, at, _, _, _, _, _, service_tier = usage
        if at.tzinfo is not UTC:
            at = clock.in_utc(at)
        key: tuple[object, ...] = (provider, model, at.toordinal(), service_tier)
        found = self._found.get(key)
        if found is None:
            found = self._keep(key, usage, at)
        if isinstance(found, Listing) and found.has_hours:
            key = (*key, at.hour, at.minute)
            found = self._found.get(key) or self._keep(key, usage, at)
        return found

    def _keep(self, key: tuple[object, ...], usage: Usage, at: datetime) -> Listing | Unpriced:
        if len(self._found) >= _FOUND_MAX:
            # Senders choose the names of models; they must not fill the memory.
            self._found.clear()
        found = self._find(usage.provider, usage.model, at, usage.service_tier)
        self._found[key] = found
        return found

    def _find(
        self, provider: str | None, model: str | None, at: datetime, service_tier: str | None
    ) -> Listing | Unpriced:
        if not model:
            return Unpriced("no_model")
        name = named(provider, model)
        sellers = {None, provider, name.vendor}
        spellings = {model.strip().lower(), name.model}
        day = at.date()
        for own, matches in self._rules:
            if (
                own.provider in sellers
                and own.valid_from <= day
                and (own.valid_to is None or day <= own.valid_to)
                and any(matches(spelling) for spelling in spellings)
            ):
                return Listing(own.source, own.model, ((-1, own.rates),))
        if provider == _LOCAL:
            return Listing(_LOCAL, name.model, ((-1, _FREE),))
        if self._base is None:
            return Unpriced("unknown_model")
        return self._base().find(name, at, service_tier)


def _pattern(model: str) -> Callable[[str], object]:
    parts = (re.escape(part) for part in model.lower().split("*"))
    return re.compile(".*".join(parts), re.DOTALL).fullmatch


def _closeness(own: OwnPrice) -> tuple[object, ...]:
    is_exact = "*" not in own.model
    return (own.provider is not None, is_exact, len(own.model), own.valid_from, own.set_at)
