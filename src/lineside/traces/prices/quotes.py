"""What a model costs at a moment, and which prices there are, as people ask for them."""

from datetime import date, datetime
from itertools import islice

from lineside.core import Record, now
from lineside.traces.mapping import provider_name
from lineside.traces.prices.base import base_table
from lineside.traces.prices.own import list_prices, price_table
from lineside.traces.prices.rates import REASONS, Listing, Rates, Unpriced, Usage
from lineside.traces.prices.table import OwnPrice
from lineside.trust import Scope

LISTED_MAX = 500


class PriceStep(Record):
    """A price, and how many tokens a call must read for it to hold.

    Attributes:
        above_tokens_in: It holds for the whole call where more tokens than these were read.
    """

    above_tokens_in: int
    rates: Rates


class Quote(Record):
    """What a model costs at a moment, or why nobody knows.

    Attributes:
        source: The table that says so, such as `genai-prices 0.2.3` or `own 2026-01-01`.
        listed_as: The name, or pattern, under which it has the model.
        steps: From the cheapest calls, those that read few tokens, to the longest.
        reason: Why the price is unknown; nothing where it is known.
    """

    provider: str | None
    model: str
    at: datetime
    source: str | None = None
    listed_as: str | None = None
    steps: tuple[PriceStep, ...] = ()
    reason: str | None = None

    @property
    def why(self) -> str:
        """The reason in words; empty where the price is known."""
        return REASONS[self.reason] if self.reason else ""


class BaseFacts(Record):
    """What is to be known of the base table.

    Attributes:
        source: Its name and version.
        newest_change: The last day up to today on which one of its prices changed.
    """

    source: str
    newest_change: date
    providers: int
    models: int


class PriceList(Record):
    """Prices that were looked for.

    Attributes:
        own: Set by this workspace; they win over those of the base table.
        listed: Of the base table, as they are now.
        has_more: Whether the base table has more of them than were asked for.
    """

    own: tuple[OwnPrice, ...]
    base: BaseFacts
    listed: tuple[Quote, ...]
    has_more: bool


def quote(
    scope: Scope, model: str, *, provider: str | None = None, at: datetime | None = None
) -> Quote:
    """What a model costs at a moment, by the price that would be taken for a call.

    Args:
        provider: Nothing means that the call does not name one.
        at: An aware moment; now unless given.
    """
    moment = at or now()
    seller = provider_name(provider)
    listing = price_table(scope).listing(Usage(seller, model, moment, None, None))
    asked = Quote(provider=seller, model=model, at=moment)
    if isinstance(listing, Unpriced):
        return asked.model_copy(update={"reason": listing.reason})
    return _quoted(asked, listing)


def find_prices(scope: Scope, words: str = "", *, limit: int = 50) -> PriceList:
    """The own prices and those of the base table whose names hold all these words.

    Args:
        words: Such as `openai gpt-5`; without any, no prices of the base table are listed.
        limit: Prices of the base table, at most 500.
    """
    wanted = words.lower().split()
    own = [one for one in list_prices(scope) if all(word in _text(one) for word in wanted)]
    base, moment = base_table(), now()
    found = base.search(wanted, moment) if wanted else ()
    kept = list(islice(found, max(0, min(limit, LISTED_MAX)) + 1))
    listed = tuple(
        _quoted(Quote(provider=one.provider, model=one.model, at=moment), one.listing)
        for one in kept[:limit]
    )
    return PriceList(
        own=tuple(own),
        base=BaseFacts(
            source=base.source,
            newest_change=base.newest_change,
            providers=base.providers,
            models=base.models,
        ),
        listed=listed,
        has_more=len(kept) > limit,
    )


def _quoted(asked: Quote, listing: Listing) -> Quote:
    steps = tuple(
        PriceStep(above_tokens_in=max(above, 0), rates=rates)
        for above, rates in reversed(listing.steps)
    )
    known = {"source": listing.source, "listed_as": listing.model, "steps": steps}
    return asked.model_copy(update=known)


def _text(own: OwnPrice) -> str:
    return f"{own.provider or ''} {own.model}"
