"""What a call of a use case can take and took, for the budgets it counts for."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from lineside.core import Invalid, LinesideError, now
from lineside.gateway import CalledFor, ModelReply, budgets, called_for, calls
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


def payer_said(scope: Scope) -> dict[str, str]:
    """Whose call it was, as its trace says it: the API key by name and id, and the key's team."""
    key, name = (scope.actor.id, scope.actor.name) if scope.actor.kind == "key" else (None, None)
    said = {"lineside.key": name, "lineside.key_id": key, "lineside.team": scope.team}
    return {field: value for field, value in said.items() if value}


@dataclass(frozen=True)
class Metered:
    """One call of a release that counts for budgets: asked only once the most it takes is reserved.

    Attributes:
        payload: The input as guards let it pass.
        route: Where a route decides which model is asked.
        user: Whom the call is for, in the caller's own terms.
        traceparent: The step of its trace that the model is asked for.
        reads_bytes: Of sources that the model gets beside the input, at most.
    """

    folder: UseCaseFolder
    payload: Any
    knobs: Mapping[str, Any]
    route: calls.ModelRoute | None = None
    user: str | None = None
    traceparent: str | None = None
    reads_bytes: int = 0

    async def answer(
        self,
        meter: budgets.Meter,
        payer: budgets.Payer,
        ask: Callable[[], Awaitable[ModelReply]],
        headers: dict[str, str] | None,
    ) -> ModelReply:
        """Reserve, ask, settle what it took, whatever guards then say of the answer.

        Args:
            headers: Takes in what is left of each limit.

        Raises:
            BudgetExceeded: A limit leaves no room.
        """
        folder, table = self.folder, partial(meter.price_tables.of, payer.workspace)
        hold = await meter.reserve(
            payer,
            lambda: bound_of(
                folder,
                self.payload,
                self.knobs,
                table(),
                now(),
                route=self.route,
                reads_bytes=self.reads_bytes,
            ),
        )
        if headers is not None:
            headers.update(hold.headers)
        used: budgets.Used | None = None
        told = called_for.set(
            CalledFor(payer.workspace, payer.session, self.user, self.traceparent)
        )
        try:
            reply = await ask()
            used = used_by(reply, folder, table(), now()) if hold.parts else budgets.NOTHING
            return reply
        except LinesideError as error:
            used = None if error.is_paid or error.code in _ANSWERED else budgets.NOTHING
            raise
        finally:
            called_for.reset(told)
            await meter.settle(hold, used, waits=False)


def bound_of(
    folder: UseCaseFolder,
    payload: Any,
    knobs: Mapping[str, Any],
    table: prices.PriceTable,
    at: datetime,
    *,
    route: calls.ModelRoute | None = None,
    reads_bytes: int = 0,
) -> budgets.Bound:
    """The most that a release's model can take for an input; nothing where it runs here.

    Args:
        route: Where a route decides which model is asked: the dearest of its models counts.
        reads_bytes: Of sources that the model gets beside the input, at most.
    """
    setup = folder.model_setup()
    provider, _, model = setup.spec.partition(":")
    if provider in _LOCAL:
        return budgets.FREE
    options = setup.options
    tokens_out = options.get("max_completion_tokens") or options.get("max_tokens")
    if provider == calls.LOCAL:  # no answer is longer than what its context holds
        tokens_out = tokens_out or options.get("context_tokens") or calls.CONTEXT_TOKENS
    said = orjson.dumps([payload, knobs, setup.input_schema, setup.output_schema])
    once = len(said) + reads_bytes + len((setup.prompt or "").encode()) + _FRAME_TOKENS
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
    targets, asks = [(provider, model)], 1
    if route is not None:
        targets, asks = [_halves(name) for name in route.names], route.asks_max
    found = _dearest(options, targets, table, at, tokens_in)
    is_known = isinstance(found, budgets.Dearest)
    return budgets.Bound(
        tokens_in=tokens_in * asks,
        tokens_out=tokens_out * _ASKED_TIMES * asks,
        tokens_out_min=tokens_out * _ASKED_TIMES * asks,
        choices=asks,
        asks=asks,
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
            by = reply.provider or provider
            priced = table.price(prices.Usage(by, name, at, tokens_in, tokens_out))
            if isinstance(priced, prices.Priced):
                usd = priced.usd
                break
    return budgets.Used(
        None if tokens_in is None or tokens_out is None else tokens_in + tokens_out,
        None if usd is None else budgets.nano_usd(usd),
        reply.lost,
    )


def _dearest(
    options: Mapping[str, Any],
    targets: Sequence[tuple[str, str]],
    table: prices.PriceTable,
    at: datetime,
    tokens_in: int,
) -> Any:
    per_in, per_out = options.get("usd_per_million_in"), options.get("usd_per_million_out")
    if per_in is not None and per_out is not None:
        return budgets.Dearest(per_in * _NANO_PER_MILLION, per_out * _NANO_PER_MILLION, 0)
    return budgets.dearest(targets, table, at, tokens_in=tokens_in)


def _halves(name: str) -> tuple[str, str]:
    provider, _, model = name.partition("/")
    return provider, model
