"""What calls cost: the workspace's own prices over a base table, both with dates."""

from lineside.traces.prices.base import BaseTable, ListedModel, base_table
from lineside.traces.prices.own import (
    PriceTables,
    list_prices,
    price_table,
    remove_price,
    set_price,
)
from lineside.traces.prices.quotes import (
    BaseFacts,
    PriceList,
    PriceStep,
    Quote,
    find_prices,
    quote,
)
from lineside.traces.prices.rates import REASONS, Listing, Priced, Rates, Unpriced, Usage
from lineside.traces.prices.span import (
    BY_SENDER,
    check_tokens,
    cost_of,
    price_row,
    price_span,
    usage_of,
)
from lineside.traces.prices.table import OwnPrice, PriceTable

__all__ = [
    "BY_SENDER",
    "REASONS",
    "BaseFacts",
    "BaseTable",
    "ListedModel",
    "Listing",
    "OwnPrice",
    "PriceList",
    "PriceStep",
    "PriceTable",
    "PriceTables",
    "Priced",
    "Quote",
    "Rates",
    "Unpriced",
    "Usage",
    "base_table",
    "check_tokens",
    "cost_of",
    "find_prices",
    "list_prices",
    "price_row",
    "price_span",
    "price_table",
    "quote",
    "remove_price",
    "set_price",
    "usage_of",
]
