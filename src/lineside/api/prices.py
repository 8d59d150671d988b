"""`/api/prices`: what models cost, and who says so."""

from datetime import date, datetime

from fastapi import APIRouter

from lineside.api.caller import Caller
from lineside.core import Record
from lineside.traces import prices

router = APIRouter(tags=["prices"])


class PriceWish(Record):
    """A price to be set; from today on unless a first day is named."""

    model: str
    rates: prices.Rates
    provider: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None


@router.get("/prices")
def price_list(scope: Caller, model: str = "", limit: int = 50) -> prices.PriceList:
    """Own prices; with part of a model's name also those of the base table, at most 500."""
    return prices.find_prices(scope, model, limit=limit)


@router.get("/prices/quote")
def quote(
    scope: Caller, model: str, provider: str | None = None, at: datetime | None = None
) -> prices.Quote:
    """What one model costs now, or at a moment, or the reason why nobody knows."""
    return prices.quote(scope, model, provider=provider, at=at)


@router.post("/prices", status_code=201)
def set_price(scope: Caller, wish: PriceWish) -> prices.OwnPrice:
    """Set an own price, in US dollars per million tokens; it wins over the base table."""
    return prices.set_price(
        scope,
        wish.model,
        rates=wish.rates,
        provider=wish.provider,
        valid_from=wish.valid_from,
        valid_to=wish.valid_to,
    )


@router.delete("/prices/{price_id}")
def remove_price(scope: Caller, price_id: str) -> prices.OwnPrice:
    """Take an own price back; costs that are written down stay."""
    return prices.remove_price(scope, price_id)
