"""The step that stands closest to the models: nothing is asked that is not reserved."""

from contextlib import aclosing
from functools import partial
from typing import NamedTuple

from lineside.core import now
from lineside.gateway.budgets.bound import FREE, Bound, bound_of_vectors, bound_of_words
from lineside.gateway.budgets.cap import nano_usd
from lineside.gateway.budgets.meter import Meter
from lineside.gateway.budgets.reserving import NOTHING, Hold, Payer, Used
from lineside.gateway.calls.embedding import EMBEDDED
from lineside.gateway.calls.gateway import CallStep, Events, Gateway, ModelCall, Proceed
from lineside.gateway.canonical.answer import TokenCounts
from lineside.gateway.canonical.events import (
    AnswerEnded,
    AnswerEvent,
    AnswerStarted,
    ChoiceEnded,
    PartEnded,
    PartGrew,
    PartStarted,
    TokensCounted,
)
from lineside.traces import prices


def metering(meter: Meter, gateway: Gateway) -> CallStep:
    """Reserve before a plain model is asked, cut its stream at the cap, settle what it took.

    Calls of use cases pass: their releases are metered where they are served, whichever the door.
    """

    def step(call: ModelCall, proceed: Proceed) -> Events:
        return metered(call, proceed) if call.use_case is None else proceed(call)

    async def metered(call: ModelCall, proceed: Proceed) -> Events:
        payer = Payer(call.workspace, call.key, call.team, session=call.session)
        hold = await meter.reserve(payer, partial(_bound, meter, gateway, call))
        call.served.limits.update(hold.headers)
        watch = _Watch(call, hold)
        try:
            async with aclosing(proceed(_shortened(call, hold))) as events:
                async for event in events:
                    meter.check(hold)
                    watch.see(event)
                    if watch.is_over:
                        for paid in watch.within(event):
                            yield paid
                        break
                    if isinstance(event, AnswerEnded):
                        # Settled first: the caller's next call finds the room this one left.
                        await meter.settle(hold, watch.used(meter), waits=False)
                    yield event
            if watch.is_over:
                await meter.settle(hold, None)
                for event in watch.ending():
                    yield event
        finally:
            in_vain = NOTHING._replace(lost=call.served.lost)
            await meter.settle(hold, None if watch.has_begun else in_vain)

    return step


def _bound(meter: Meter, gateway: Gateway, call: ModelCall) -> Bound:
    if call.wants == "count" or call.request.model == EMBEDDED:
        return FREE
    route = gateway.route(call.request.model)
    targets = [(one.provider, one.model) for one in map(gateway.target, route.names)]
    table = meter.price_tables.of(call.workspace)
    if call.wants == "vectors":
        return bound_of_vectors(call.request, targets, table, now())
    return bound_of_words(call.request, targets, table, now(), asks=route.asks_max)


def _shortened(call: ModelCall, hold: Hold) -> ModelCall:
    """The call with the longest answer that is paid for; the provider itself stops there."""
    request = call.request
    if hold.tokens_out is None or call.wants != "words":
        return call
    limit = hold.tokens_out // hold.asks // max(1, request.choices_wanted or 1)
    if request.tokens_out_max is not None:
        # More may be held than was asked for: on another wire thoughts come on top.
        limit = min(limit, request.tokens_out_max)
    return call.asking(request.model_copy(update={"tokens_out_max": limit}))


class _Open(NamedTuple):
    choice: int
    at: int


class _Watch:
    """What came of an answer so far, and whether it goes beyond what is paid for.

    Each piece of a stream stands for at least one token. A provider that heeds the limit it was
    given never gets here; one that does not is cut off.
    """

    def __init__(self, call: ModelCall, hold: Hold) -> None:
        self._call, self._hold = call, hold
        self._tokens: TokenCounts | None = None
        self._model = ""
        self._pieces = 0
        self._open: list[_Open] = []
        self._choices: dict[int, bool] = {}
        self.has_begun = False
        self.is_over = False

    def see(self, event: AnswerEvent) -> None:
        self.has_begun = True
        match event:
            case AnswerStarted():
                self._model = event.model
            case PartStarted():
                self._open.append(_Open(event.choice, event.at))
                self._choices.setdefault(event.choice, False)
            case PartGrew() if event.text:
                self._pieces += sum(map(bool, event.sizes)) or 1
            case PartEnded():
                self._open = [one for one in self._open if one != (event.choice, event.at)]
            case ChoiceEnded():
                self._choices[event.choice] = True
            case TokensCounted():
                self._tokens = event.tokens
            case _:
                pass
        limit = self._hold.tokens_out
        if limit is not None and self._call.request.is_stream and self._call.wants == "words":
            counted = (self._tokens and self._tokens.tokens_out) or 0
            has_more = not self._choices or not all(self._choices.values())
            self.is_over = has_more and max(counted, self._pieces) > limit // self._hold.asks

    def within(self, event: AnswerEvent) -> list[AnswerEvent]:
        """What is paid for of pieces that came at once, of which the last went beyond."""
        if not isinstance(event, PartGrew) or not event.sizes or self._hold.tokens_out is None:
            return []
        sizes = [size for size in event.sizes if size]
        limit = self._hold.tokens_out // self._hold.asks
        paid = max(0, len(sizes) + limit - self._pieces)
        self._pieces -= len(sizes) - paid - 1
        text = event.text[: sum(sizes[:paid])]
        return [event.model_copy(update={"text": text, "sizes": ()})] if text else []

    def ending(self) -> list[AnswerEvent]:
        """A proper end of an answer that was cut: every part and choice is closed as too long."""
        ended: list[AnswerEvent] = [PartEnded(choice=one.choice, at=one.at) for one in self._open]
        ended += [
            ChoiceEnded(choice=choice, finish_reason="length")
            for choice, is_ended in (self._choices or {0: False}).items()
            if not is_ended
        ]
        if self._tokens is None:
            ended.append(TokensCounted(tokens=TokenCounts(tokens_out=self._pieces)))
        return [*ended, AnswerEnded()]

    def used(self, meter: Meter) -> Used:
        """What a whole answer took, by the provider's own count."""
        if self._call.wants == "count" or self._call.request.model == EMBEDDED:
            return NOTHING
        counts = self._tokens or TokenCounts()
        tokens_out = 0 if self._call.wants == "vectors" else counts.tokens_out
        if counts.tokens_in is None or tokens_out is None:
            return Used()
        usd = self._usd(meter, counts) if self._hold.counts_money else None
        nano = None if usd is None else nano_usd(usd)
        return Used(counts.tokens_in + tokens_out, nano, self._call.served.lost)

    def _usd(self, meter: Meter, counts: TokenCounts) -> float | None:
        """By the model that answered, else by the one that was asked."""
        served, table = self._call.served, meter.price_tables.of(self._call.workspace)
        provider, _, model = self._call.request.model.partition("/")
        tier = self._call.request.extras.get("service_tier")
        for name in (self._model, served.model or model):
            usage = prices.Usage(
                served.provider or provider,
                name,
                now(),
                counts.tokens_in,
                counts.tokens_out,
                counts.tokens_cached_in,
                counts.tokens_cache_written_in,
                counts.tokens_reasoning_out,
                str(tier) if tier else None,
            )
            priced = table.price(usage)
            if isinstance(priced, prices.Priced):
                return priced.usd
        return None
