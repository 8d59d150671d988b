"""What a call of a use case can take and took, for the budgets it counts for."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from lineside.apps.guarded import GuardedAnswer
from lineside.core import Invalid, LinesideError, now
from lineside.gateway import ModelReply, budgets, calls
from lineside.traces import prices
from lineside.trust import Scope
from lineside.usecases import UseCaseFolder

_ANSWERED = ("output_misfit", "reply_too_large")
"""Codes of failures after a model has answered, so that somebody has to pay for it."""

_ASKED_TIMES = 2  # an answer in the wrong form is asked for once more
_FRAME_TOKENS = 2_000
_LOCAL = ("embedded", "scripted")
_NANO_PER_MILLION = 1_000


def payer_of(
    scope: Scope, *, use_case: str | None = None, session: str | None = None
) -> budgets.Payer:
    """Whom a call counts for; a person, the owner too, counts as one without a key."""
    key = scope.actor.id if scope.actor.kind == "key" else budgets.OWNER
    return budgets.Payer(scope.workspace, key, scope.team, use_case, session)


@dataclass(frozen=True)
class Metered:
    """One call of a release that counts for budgets: asked only once the most it takes is reserved.

    Attributes:
        guarded: Knows what the model said where a guard then held it back.
    """

    folder: UseCaseFolder
    payload: Any
    knobs: Mapping[str, Any]
    guarded: GuardedAnswer

    async def answer(
        self,
        meter: budgets.Meter,
        payer: budgets.Payer,
        ask: Callable[[], Awaitable[ModelReply]],
        headers: dict[str, str] | None,
    ) -> ModelReply:
        """Reserve, ask, settle what it took; an answer that is held back is paid for as well.

        Args:
            headers: Takes in what is left of each limit.

        Raises:
            BudgetExceeded: A limit leaves no room.
        """
        folder, table = self.folder, partial(meter.price_tables.of, payer.workspace)
        hold = await meter.reserve(
            payer, lambda: bound_of(folder, self.payload, self.knobs, table(), now())
        )
        if headers is not None:
            headers.update(hold.headers)
        used: budgets.Used | None = None
        try:
            return await ask()
        except LinesideError as error:
            used = None if error.is_paid or error.code in _ANSWERED else budgets.NOTHING
            raise
        finally:
            if hold.parts and self.guarded.reply is not None:
                used = used_by(self.guarded.reply, folder, table(), now())
            await meter.settle(hold, used, waits=False)


def bound_of(
    folder: UseCaseFolder,
    payload: Any,
    knobs: Mapping[str, Any],
    table: prices.PriceTable,
    at: datetime,
) -> budgets.Bound:
    """The most that a release's model can take for an input; nothing where it runs here."""
    setup = folder.model_setup()
    provider, _, model = setup.spec.partition(":")
    if provider in _LOCAL:
        return budgets.FREE
    options = setup.options
    tokens_out = options.get("max_completion_tokens") or options.get("max_tokens")
    if provider == calls.LOCAL:  # no answer is longer than what its context holds
        tokens_out = tokens_out or options.get("context_tokens") or calls.CONTEXT_TOKENS
    said = orjson.dumps([payload, knobs, setup.input_schema, setup.output_schema])
    once = len(said) + len((setup.prompt or "").encode()) + _FRAME_TOKENS
    endless = None
    if not tokens_out:
        endless = Invalid(
            "tokens_unbounded",
            f"`{folder.manifest.name}` was not asked: a limit of tokens or money holds for this "
            "call, and its release names no longest answer",
            hint="Write `max_tokens` into `app.options` of its manifest and release it anew.",
        )
    tokens_out = int(tokens_out or 0)
    # Asked once more, the model reads its first answer, too.
    tokens_in = once * _ASKED_TIMES + tokens_out
    found = _dearest(options, provider, model, table, at, tokens_in)
    is_known = isinstance(found, budgets.Dearest)
    return budgets.Bound(
        tokens_in=tokens_in,
        tokens_out=tokens_out * _ASKED_TIMES,
        tokens_out_min=tokens_out * _ASKED_TIMES,
        dearest=found if is_known else None,
        unpriced=None if is_known else found,
        endless=endless,
    )


def used_by(
    reply: ModelReply, folder: UseCaseFolder, table: prices.PriceTable, at: datetime
) -> budgets.Used:
    """What an answer took; what its provider did not count stays unknown."""
    provider, _, model = folder.manifest.app.model.partition(":")
    if provider in _LOCAL:
        return budgets.NOTHING
    tokens_in, tokens_out = reply.tokens_in, reply.tokens_out
    usd = reply.cost_usd
    if usd is None:
        for name in (reply.model, model):
            priced = table.price(prices.Usage(provider, name, at, tokens_in, tokens_out))
            if isinstance(priced, prices.Priced):
                usd = priced.usd
                break
    return budgets.Used(
        None if tokens_in is None or tokens_out is None else tokens_in + tokens_out,
        None if usd is None else budgets.nano_usd(usd),
    )


def _dearest(
    options: Mapping[str, Any],
    provider: str,
    model: str,
    table: prices.PriceTable,
    at: datetime,
    tokens_in: int,
) -> Any:
    per_in, per_out = options.get("usd_per_million_in"), options.get("usd_per_million_out")
    if per_in is not None and per_out is not None:
        return budgets.Dearest(per_in * _NANO_PER_MILLION, per_out * _NANO_PER_MILLION, 0)
    return budgets.dearest([(provider, model)], table, at, tokens_in=tokens_in)
