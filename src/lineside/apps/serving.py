"""Answers live calls: picks the release, applies the knobs, asks the model, keeps the trace."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from lineside.apps.app import App, Around
from lineside.apps.call import Call, CallAnswer
from lineside.apps.call_place import CallPlace
from lineside.apps.choosing import choose_arm, is_in_audience, key_of
from lineside.apps.kept_answers import CacheWish, Told, WhenPassed, kept_answers
from lineside.apps.knob_board import KnobBoard
from lineside.apps.knobs import settings_of
from lineside.apps.metered import Metered, payer_of, used_by
from lineside.apps.open_releases import OpenReleases
from lineside.apps.rollout import Arm, Rollout
from lineside.apps.served_trace import ServedTrace
from lineside.apps.shadow import Shadows
from lineside.apps.turning import Live
from lineside.core import LinesideError, now
from lineside.gateway import ModelReply, budgets
from lineside.guardrails import GuardChain, probes
from lineside.store import Store
from lineside.trust import Scope

About = dict[str, Any]
"""Attributes of a trace beside those that every call has."""
_NOTHING: About = {}


class _Way(NamedTuple):
    """One call on its way to a model, and what its caller said of answers given before."""

    scope: Scope
    app: App
    rollout: Rollout
    arm: Arm
    call: Call
    place: CallPlace
    limits: dict[str, str] | None
    wish: CacheWish | None
    when_passed: WhenPassed


class Serving:
    """Answers calls to what is live. One per process.

    A deploy or rollback made anywhere, by page, terminal or another process, counts here within a
    quarter of a second.

    Attributes:
        meter: Counts every call against its budgets; the calls of plain models, too.
        knobs: Where the knobs of users stand, and how they turn them.
        shadows: Copies of calls for a release that answers nobody.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.meter = budgets.Meter(store)
        self._releases = OpenReleases(store)
        self.knobs = KnobBoard(self._releases)
        self.shadows = Shadows(self._copied)

    async def call(
        self,
        scope: Scope,
        use_case: str,
        call: Call,
        *,
        place: CallPlace | None = None,
        limits: dict[str, str] | None = None,
        wish: CacheWish = CacheWish(),  # noqa: B008 # a tuple
    ) -> CallAnswer:
        """Answer one call and keep its trace; the trace is durable before this returns.

        Args:
            place: In the caller's trace; without one the call begins a trace.
            limits: Takes in what is left of the caller's budgets, as headers.
            wish: What the caller says of answers that were given before.

        Raises:
            NotFound: No such use case, or nothing of it is live.
            Invalid: Input or knobs do not fit.
            Denied: The caller may not, turned an operator's knob or one to a value that nobody has
                tested, or the answer was held back.
            BudgetExceeded: A limit leaves no room for the call.
            Unavailable: The model does not answer now.
        """
        scope.require("run", use_case=use_case)
        live = await self._releases.live(scope, use_case)
        key = key_of(live.rollout, session=call.session, user=call.user)
        arm = choose_arm(live.rollout, key, call.attributes)
        is_meant = is_in_audience(live.rollout, call.attributes)
        about: About = {} if is_meant is None else {"audience": is_meant}
        arm, kept = await self.knobs.arm_for(scope, live, arm, call.user, call.knobs)
        about |= {"kept_live": kept} if kept else {}
        answer = await self._answered(
            scope,
            arm,
            call,
            live=live,
            place=place or CallPlace(),
            limits=limits,
            wish=wish,
            about=about,
        )
        if live.rollout.shadow is not None:
            self.shadows.copy(scope, use_case, live.rollout.shadow, call, answer.trace_id)
        return answer

    async def answer_by(
        self, scope: Scope, arm: Arm, call: Call, *, live: Live, place: CallPlace, about: About
    ) -> tuple[CallAnswer | LinesideError, ModelReply | None]:
        """Answer one call of many by an arm that stands fast, and say what the model took for it.

        The same guards, budgets and knobs are on the way as for a live call.

        Args:
            about: Attributes that its trace gets, to be found by.

        Returns:
            The answer or why there is none, and the model's reply with its cost, also where a
            guard then held it back; nothing where no model answered.
        """
        scope.require("run", use_case=live.rollout.use_case)
        app = await self._releases.app(scope, arm.release_id)
        heard: list[ModelReply] = []
        outcome: CallAnswer | LinesideError
        try:
            outcome = await self._answered(
                scope, arm, call, live=live, place=place, about=about, heard=heard.append
            )
        except LinesideError as error:
            outcome = error
        if not heard:
            return outcome, None
        reply = heard[-1]
        if reply.cost_usd is None:
            table = self.meter.price_tables.of(scope.workspace)
            used = used_by(reply, app.folder, table, now())
            cost_usd = None if used.nano_usd is None else used.nano_usd / budgets.nano_usd(1)
            reply = replace(reply, cost_usd=cost_usd)
        return outcome, reply

    async def _answered(
        self,
        scope: Scope,
        arm: Arm,
        call: Call,
        *,
        live: Live,
        place: CallPlace,
        limits: dict[str, str] | None = None,
        wish: CacheWish | None = None,
        about: About = _NOTHING,
        heard: Callable[[ModelReply], None] = lambda _reply: None,
    ) -> CallAnswer:
        """Answer by one arm, metered and guarded, and keep the trace however it ends.

        Args:
            wish: What the caller says of answers given before; without one the model is asked.
        """
        started, clock = now(), time.perf_counter()
        use_case = live.rollout.use_case
        app = await self._releases.app(scope, arm.release_id)
        trace = ServedTrace(scope, use_case, arm, call, started, place, app.chain)
        way = _Way(scope, app, live.rollout, arm, call, place, limits, wish, WhenPassed())
        guarded, told = app.guarded.begin(), Told()
        try:
            knobs = app.folder.manifest.knobs
            user = await self.knobs.of_call(scope, live, arm, knobs, call)
            settings = settings_of(knobs, live.rollout.knobs, user)
            asked = time.perf_counter()
            around = self._between(way, settings, told)
            reply = await app.answer(call.input, knobs=settings, guarded=guarded, around=around)
        except LinesideError as error:
            if not probes.is_probe(error):
                refused = {"refused": error.code} if guarded.is_refusal(error) else {}
                await trace.keep(
                    duration_ms=(time.perf_counter() - clock) * 1000,
                    error=f"{error.code}: {error.message}",
                    guarded=guarded,
                    attributes=told | refused | about,
                )
            raise
        finally:
            if guarded.reply is not None:
                heard(guarded.reply)
        finished = time.perf_counter()
        await asyncio.gather(*(do() for do in way.when_passed))
        reason = guarded.call.escalation or hand_off_reason(reply.confidence, settings)
        await trace.keep(
            duration_ms=(finished - clock) * 1000,
            model_ms=(finished - asked) * 1000,
            guarded=guarded,
            attributes={"knobs": settings, "hand_off": reason is not None, **told, **about},
        )
        return CallAnswer(
            output=reply.output,
            confidence=reply.confidence,
            hand_off=reason is not None,
            hand_off_reason=reason,
            knobs=settings,
            trace_id=place.trace_id,
            release=arm.label,
            release_id=arm.release_id,
            arm=arm.name,
            latency_ms=round((time.perf_counter() - clock) * 1000, 3),
            model_ms=round((finished - asked) * 1000, 3),
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            guards=[one for one in guarded.decisions if one.guard != probes.PROBE],
            provenance=app.guarded.provenance(
                guarded, release=arm.release_id, trace_id=place.trace_id
            ),
            provider=reply.provider,
            why=list(reply.why),
            cache=told,
            kept_live=about.get("kept_live", []),
            seen=trace.kept_input(guarded),
            said=guarded.reply.output if guarded.reply else None,
        )

    def _between(self, way: _Way, settings: Mapping[str, Any], told: Told) -> Around:
        """What stands between the guards and the model: kept answers, and within them budgets."""
        scope, app, call = way.scope, way.app, way.call
        payer = payer_of(scope, use_case=way.rollout.use_case, session=call.session)

        async def around(
            passed: Mapping[str, Any], ask: Callable[[], Awaitable[ModelReply]]
        ) -> ModelReply:
            route = app.route_at(settings)
            metered = Metered(
                app.folder,
                passed,
                settings,
                route,
                call.user,
                traceparent=way.place.header,
                reads_bytes=app.reads_bytes,
            )
            paid = partial(metered.answer, self.meter, payer, ask, way.limits)
            if way.wish is None:
                return await paid()
            kept = kept_answers(
                self.store,
                scope.workspace,
                app.folder,
                rollout=way.rollout,
                arm=way.arm,
                knobs=settings,
                trace_id=way.place.trace_id,
                wish=way.wish,
                told=told,
                when_passed=way.when_passed,
            )
            return await (kept.answer(passed, paid, told) if kept else paid())

        return around

    async def _copied(
        self, scope: Scope, use_case: str, arm: Arm, call: Call, copy_of: str
    ) -> None:
        live = await self._releases.live(scope, use_case)
        about = {"copy_of": copy_of}
        await self._answered(scope, arm, call, live=live, place=CallPlace(), about=about)

    async def input_fields(self, scope: Scope, use_case: str) -> list[str]:
        """Names of the fields that the live release takes."""
        scope.require("run", use_case=use_case)
        app = await self._live_app(scope, use_case)
        return list(app.folder.input_schema.get("properties", {}))

    async def reads_sources(self, scope: Scope, use_case: str) -> bool:
        """Whether the live release answers from sources."""
        scope.require("run", use_case=use_case)
        return (await self._live_app(scope, use_case)).reads_sources

    async def entrance(self, scope: Scope, use_case: str) -> tuple[list[str], GuardChain]:
        """Names of the fields that the live release takes, and its guards."""
        scope.require("run", use_case=use_case)
        app = await self._live_app(scope, use_case)
        return list(app.folder.input_schema.get("properties", {})), app.chain

    async def guards(self, scope: Scope, use_case: str) -> GuardChain:
        """The guards of the live release."""
        scope.require("run", use_case=use_case)
        return (await self._live_app(scope, use_case)).chain

    async def warm(self, scope: Scope) -> bool:
        """Open what is live, so that the first caller need not wait; say whether anything is."""
        return await self._releases.warm(scope)

    async def close(self) -> None:
        """Close every open app, and count what is not counted yet."""
        await self.shadows.close()
        await self.meter.close()
        await self._releases.close()

    async def _live_app(self, scope: Scope, use_case: str) -> App:
        live = await self._releases.live(scope, use_case)
        return await self._releases.app(scope, live.rollout.arms[0].release_id)


def hand_off_reason(confidence: float | None, settings: Mapping[str, Any]) -> str | None:
    """Say why a person should decide, or nothing when the answer may stand.

    The knob `hand_off_below` sets the bar. An answer without a calibrated confidence is below any
    bar above 0: what cannot be measured is not trusted.
    """
    bar = settings.get("hand_off_below")
    if not isinstance(bar, int | float) or bar <= 0:
        return None
    if confidence is None:
        return "the model gives no calibrated confidence"
    if confidence < bar:
        return f"confidence {confidence:.2f} is below the {bar:g} set by `hand_off_below`"
    return None
