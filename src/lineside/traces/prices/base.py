"""The base table: the package `genai-prices`, whose figures are files inside it.

Only those are read: its own update over the network is never started, and what another library in
this process may have downloaded for it is not used.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cache
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from lineside.core import now
from lineside.traces.prices.names import Named
from lineside.traces.prices.rates import Listing, Rates, Unpriced

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

_PACKAGE = "genai-prices"
_STANDARD_TIERS = {None, "", "auto", "default", "standard", "on_demand"}
_FINE_TUNED = ("ft:", "tunedmodels/")
_MOVING = "latest"
# What may stand behind a model's name without making it another model: a date, a version.
_VERSION = re.compile(
    r"(?:[-@:._]?(?:v?\d+|preview|latest|default|exp|beta|thinking|it|instruct))*"
)
# Bedrock sells a model dearer in some regions. A name without one stands for the United States.
_REGION = re.compile(r"(us-gov|eu|apac|au|ca|jp|sa)\.")
# Steps do not say what the tokens of an answer stand for. The table has the price of text alone for
# some of these models, which their names give away.
_MEDIA = ("output_audio_mtok", "output_image_mtok", "output_video_mtok")
_SPEAKING = re.compile(r"\b(?:audio|image|live|realtime|sonic|transcribe|tts|voice)\b")
_LOADING = Lock()


class ListedModel(NamedTuple):
    """One model of the base table, with the price that holds now."""

    provider: str
    model: str
    listing: Listing


class BaseTable:
    """Prices of most providers, with the days they changed; loading it takes about a second.

    Attributes:
        source: Its name and version, as spans that it priced say it.
        newest_change: The last day up to today on which a price in it changed; so old it may be.
    """

    def __init__(self) -> None:
        from genai_prices.data import providers

        self.source = f"{_PACKAGE} {version(_PACKAGE)}"
        self._providers = list(providers)
        self._by_id = {one.id: one for one in self._providers}
        self.newest_change = max(_changes(self._providers, until=now().date()))
        self.models = sum(len(one.models) for one in self._providers)
        self.providers = len(self._providers)

    def find(self, name: Named, at: datetime, service_tier: str | None) -> Listing | Unpriced:
        """The price of a model at that moment, or why there is none."""
        if name.vendor is None:
            return Unpriced("ambiguous_provider")
        provider = self._by_id.get(name.vendor)
        if provider is None:
            return Unpriced("unknown_provider")
        model = provider.find_model(name.model, all_providers=self._providers)
        if model is None or not _is_meant(name.model, model):
            return Unpriced("unknown_model")
        context: dict[str, str] | None = None
        if service_tier not in _STANDARD_TIERS:
            context = _context(provider, model, at, str(service_tier).lower())
            if context is None:
                return Unpriced("unknown_tier")
        prices = model.get_prices(at, context)
        if _SPEAKING.search(model.id) or any(getattr(prices, name) for name in _MEDIA):
            return Unpriced("by_media")
        if prices.requests_kcount is not None:
            return Unpriced("by_request")
        steps = _steps(prices)
        if steps is None:
            return Unpriced("not_by_token")
        return Listing(self.source, model.id, steps, has_hours=_has_hours(model))

    def search(self, words: Sequence[str], at: datetime) -> Iterator[ListedModel]:
        """Models with a price whose provider and name hold all these words, in small letters."""
        for provider in self._providers:
            for model in provider.models:
                text = f"{provider.id} {model.id} {model.name or ''}".lower()
                if all(word in text for word in words):
                    found = self.find(Named(provider.id, model.id.lower()), at, None)
                    if isinstance(found, Listing):
                        yield ListedModel(provider.id, model.id, found)


def base_table() -> BaseTable:
    """The base table, loaded when it is first asked for and once in a process."""
    with _LOADING:
        return _loaded()


@cache
def _loaded() -> BaseTable:
    return BaseTable()


def _is_meant(asked: str, model: "ModelInfo") -> bool:
    """Whether the table can have meant this name; many of its rules take whatever begins alike.

    A fine-tuned model has a price of its own, never that of what it was made from. What `…-latest`
    stands for moves on, unless the name itself says which version it belongs to.
    """
    listed = model.id
    if asked.startswith(_FINE_TUNED) and not listed.startswith(_FINE_TUNED):
        return False
    region = _REGION.match(asked)
    if region and not (listed.startswith("regional.") and region[1] != "us-gov"):
        return False
    if _MOVING in asked and _MOVING not in listed:
        return asked.startswith(listed) and any(letter.isdigit() for letter in listed)
    if not asked.startswith(listed) or _is_named(asked, model.match):
        return True
    return listed.startswith(_FINE_TUNED) or bool(_VERSION.fullmatch(asked[len(listed) :]))


def _is_named(asked: str, clause: Any) -> bool:
    if getattr(clause, "equals", "").lower() == asked:
        return True
    return any(_is_named(asked, part) for part in getattr(clause, "or_", ()))


def _context(
    provider: "Provider", model: "ModelInfo", at: datetime, tier: str
) -> dict[str, str] | None:
    """How the table tells this service tier apart; nothing where it does not know its price."""
    context = {"processing": "batch"} if tier == "batch" else {"service_tier": tier}
    is_sold_here = any(one is model for one in provider.models)
    is_known = any(
        variant.when == context and (variant.constraint is None or variant.constraint.active(at))
        for variant in model.price_variants or ()
    )
    return context if is_sold_here and is_known else None


def _has_hours(model: "ModelInfo") -> bool:
    return isinstance(model.prices, list) and any(
        hasattr(one.constraint, "start_time") for one in model.prices
    )


def _steps(prices: "ModelPrice") -> tuple[tuple[int, Rates], ...] | None:
    """The price as steps of tokens read, the highest first; nothing where tokens cost nothing."""
    told: dict[str, Any] = {
        "input": prices.input_mtok,
        "output": prices.output_mtok,
        "cached": prices.cache_read_mtok,
        "cache_write": prices.cache_write_mtok,
        "reasoning": prices.output_reasoning_mtok,
    }
    if told["input"] is None:
        return None
    starts = {tier.start for price in told.values() for tier in getattr(price, "tiers", ())}
    return tuple(
        (start, Rates.model_validate({name: _above(price, start) for name, price in told.items()}))
        for start in sorted({-1, *starts}, reverse=True)
    )


def _above(price: Any, start: int) -> float | None:
    """What a price is for calls that read more than so many tokens."""
    if price is None:
        return None
    reached = [tier.price for tier in getattr(price, "tiers", ()) if tier.start <= start]
    return float(reached[-1] if reached else getattr(price, "base", price))


def _changes(providers: "list[Provider]", *, until: date) -> Iterator[date]:
    yield date.min
    for provider in providers:
        for model in provider.models:
            dated = [*(model.prices if isinstance(model.prices, list) else ())]
            for one in (*dated, *(model.price_variants or ())):
                day = getattr(one.constraint, "start_date", None)
                if day is not None and day <= until:
                    yield day
