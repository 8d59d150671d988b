"""Requests that are passed on to a provider unread: allowed, counted and traced, never guarded."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from lineside.apps.guards_file import GuardsFile
from lineside.apps.metered import payer_of, payer_said
from lineside.apps.model_calls import ModelCaller
from lineside.apps.people_kept import people_kept
from lineside.core import Denied, Invalid, LinesideError, now
from lineside.gateway import budgets, calls
from lineside.guardrails import GuardChain, probes
from lineside.traces import Span, record
from lineside.trust import Scope

_WHY_UNGUARDED = "passed on unread: `gateway.yaml` switches it on with `pass_through`"
_COSTS = ("batches", "audio", "images")
_ASKS_ITS_MODEL = ("audio", "images")  # what a batch asks stands in its file, whatever it says


class PassedAnswer:
    """An answer on its way back; it is traced and settled when its body has been read."""

    def __init__(
        self,
        passing: "_Passing",
        answer: calls.pass_through.UnreadAnswer,
        meter: budgets.Meter,
        hold: Any,
    ) -> None:
        self._passing, self._answer, self._meter, self._hold = passing, answer, meter, hold
        self.status, self.headers = answer.status, answer.headers
        self.limits: dict[str, str] = hold.headers
        self.provider = passing.provider

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes; the trace is durable before it ends."""
        passing = self._passing
        try:
            async with aclosing(self._answer.body()) as pieces:
                async for piece in pieces:
                    passing.see(piece)
                    yield piece
        except LinesideError as error:
            await passing.keep(self.status, f"{error.code}: {error.message}")
            raise
        except BaseException:
            passing.keep_left(self.status)
            raise
        else:
            await passing.keep(self.status, None)
        finally:
            self._answer.close()
            await self._meter.settle(self._hold, None)


class PassedCalls:
    """Lets through what may go through. One per process.

    Args:
        guards: Those of plain models, none of which sees what passes here.
    """

    def __init__(self, gateway: calls.Gateway, meter: budgets.Meter, guards: GuardsFile) -> None:
        self._gateway, self._meter, self._guards = gateway, meter, guards

    def unguarded(self) -> list[probes.UnguardedPath]:
        """The paths that are passed on unread, each with the provider it goes to."""
        return [
            probes.UnguardedPath(path=f"/v1/{kind}", provider=name, why=_WHY_UNGUARDED)
            for name, upstream in sorted(self._gateway.at_addresses().items())
            for kind in (upstream.endpoint.pass_through or calls.PassThrough(paths=())).paths
        ]

    async def open(
        self, caller: ModelCaller, asked: calls.pass_through.Unread, *, provider: str | None
    ) -> PassedAnswer:
        """Pass a request on.

        Args:
            provider: Its name where the request says one.

        Raises:
            Denied: It is not switched on, or the caller may not.
            BudgetExceeded: A limit leaves no room.
            LinesideError: The provider cannot be reached.
        """
        name, upstream = calls.pass_through.passing_provider(self._gateway, asked.kind, provider)
        terms = upstream.endpoint.pass_through or calls.PassThrough(paths=())
        model = asked.model if asked.kind in _ASKS_ITS_MODEL else None
        _require(caller.scope, f"{name}/{model or '*'}", terms, self._guards)
        payer = payer_of(caller.scope, session=caller.session)
        hold = await self._meter.reserve(payer, lambda: _bound(asked))
        passing = _Passing(caller, asked, name, self._guards.chain())
        try:
            answer = await calls.pass_through.pass_on(
                name, upstream, asked, traceparent=caller.place.header
            )
        except LinesideError as error:
            await self._meter.settle(hold, budgets.NOTHING)
            await passing.keep(None, f"{error.code}: {error.message}")
            raise
        except BaseException:
            await self._meter.settle(hold, None)
            passing.keep_left(None)
            raise
        return PassedAnswer(passing, answer, self._meter, hold)


def _require(scope: Scope, model: str, terms: calls.PassThrough, guards: GuardsFile) -> None:
    """Go on only if nothing demands that a guard looks at what the caller sends."""
    scope.require("unguarded")
    scope.require_model(model)
    why = hint = None
    if scope.team is not None and scope.team not in terms.teams:
        why = f"the team `{scope.team}` may not send what no guard looks at"
        hint = f"Name it below `pass_through`: `teams: [{scope.team}]`, or use another key."
    guards.look()
    if guards.declared and not terms.despite_guards:
        why = "`guards.yaml` names guards for plain models, and none of them would see this"
        hint = "Write `despite_guards: true` below `pass_through` to let it pass all the same."
    if why is not None:
        raise Denied("guards_demanded", f"Not passed on: {why}", hint=hint)


def _bound(asked: calls.pass_through.Unread) -> budgets.Bound:
    if asked.method != "POST" or asked.kind not in _COSTS:
        return budgets.FREE
    endless = Invalid(
        "tokens_unbounded",
        f"`/v1/{asked.kind}` was not passed on: a limit of tokens or money holds for this call, "
        "and what it will take cannot be told ahead",
        hint="Call with a key that only requests are limited for.",
    )
    return budgets.Bound(endless=endless)


class _Passing:
    """What is known of one request on its way: how long, how much, and never what."""

    def __init__(
        self,
        caller: ModelCaller,
        asked: calls.pass_through.Unread,
        provider: str,
        guards: GuardChain,
    ) -> None:
        self.provider, self._guards = provider, guards
        self._caller, self._asked = caller, asked
        self._started_at, self._clock = now(), time.perf_counter()
        self._tail = calls.pass_through.UsageTail()
        self._bytes_out = 0

    def see(self, piece: bytes) -> None:
        self._bytes_out += len(piece)
        self._tail.see(piece)

    async def keep(self, status: int | None, error: str | None) -> None:
        await record.keep_spans(self._caller.scope, [self._span(status, error)])

    def keep_left(self, status: int | None) -> None:
        left = self._span(status, "caller_left: The caller left before the end")
        record.keep_spans(self._caller.scope, [left])

    def _span(self, status: int | None, error: str | None) -> Span:
        asked, caller = self._asked, self._caller
        is_paid = asked.method == "POST" and asked.kind in _COSTS
        usage = self._tail.usage() if is_paid else None
        tokens_in, tokens_out = _tokens(usage or {})
        if error is None and status is not None and status >= 400:
            error = f"status_{status}: The provider answered with status {status}"
        return Span(
            **caller.place.keep(),
            name=f"{asked.method} /v1/{asked.kind}",
            # Of a kind that costs, its cost counts as unknown where nobody can tell it.
            kind="model" if is_paid else "step",
            status="error" if error else "ok",
            error=error,
            started_at=self._started_at,
            duration_ms=(time.perf_counter() - self._clock) * 1000,
            **people_kept(caller.scope, self._guards, session=caller.session, user=caller.user),
            provider=self.provider,
            model=asked.model,
            model_asked=asked.model,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            attributes=payer_said(caller.scope)
            | {
                "pass_through": asked.kind,
                "guards": "none",
                "http_status": status,
                "bytes_out": self._bytes_out,
                "usage": usage if usage is not None else "not stated",
            },
        )


def _tokens(usage: dict[str, Any]) -> tuple[int | None, int | None]:
    """Tokens read and written, where they have the prices of words.

    Sounds and pictures that are read cost other than words do, and prices here know words alone:
    what such a call cost stays unknown, and its figures stand in the trace.
    """
    read = usage.get("input_tokens", usage.get("prompt_tokens"))
    written = usage.get("output_tokens", usage.get("completion_tokens"))
    details = usage.get("input_tokens_details", usage.get("input_token_details"))
    others = details if isinstance(details, dict) else {}
    if any(others.get(name) for name in ("audio_tokens", "image_tokens")):
        return None, None
    is_count = [isinstance(one, int) and one >= 0 for one in (read, written)]
    return (read, written) if all(is_count) else (None, None)
