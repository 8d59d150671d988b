"""Answers live calls: picks the release, applies the knobs, asks the model, keeps the trace."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from lineside.apps.app import SERVABLE_KINDS, App, open_app
from lineside.apps.candidate import get_candidate
from lineside.apps.guarded import GuardedAnswer
from lineside.apps.knobs import settings_of, turn_knobs
from lineside.apps.metered import Metered, payer_of
from lineside.apps.release import load_release
from lineside.apps.rollout import Arm, Rollout, choose_arm, load_rollouts
from lineside.core import Denied, LinesideError, NotFound, Record, did_you_mean, now
from lineside.gateway import ReplyStep, budgets
from lineside.guardrails import GuardChain, GuardDecision, Provenance, probes
from lineside.store import Store
from lineside.traces import Span, new_span_id, new_trace_id, record_spans
from lineside.trust import Scope
from lineside.usecases import list_use_cases

_ROLLOUT_SECONDS = 0.25
_OPEN_APPS_MAX = 32


class Call(Record):
    """One live call.

    Attributes:
        input: As the app's input schema asks.
        knobs: Settings of this call; only knobs that are the user's.
        session: Ties calls of one conversation or visit together; keeps the caller in one arm.
        user: Who is served, in the caller's own terms; used for the arm when there is no session.
    """

    input: Any
    knobs: dict[str, Any] = {}  # noqa: RUF012 # pydantic copies it
    session: str | None = None
    user: str | None = None


class CallAnswer(Record):
    """What the caller gets.

    Attributes:
        output: Fits the app's output schema.
        confidence: Calibrated probability that the output is right, or nothing.
        hand_off: The answer is a suggestion for a person to decide on, not to act upon.
        hand_off_reason: Why, in a sentence.
        knobs: Every knob with the value that counted.
        trace_id: Names this call for feedback and for finding it again.
        release: What answered, such as `v2`, with its id and its arm.
        latency_ms: Inside lineside, in milliseconds; `model_ms` of it the model took.
        tokens_in: Read by the model, nothing where it does not count; `tokens_out` written.
        guards: What each guard said on the way, in order.
        provenance: Says to programs that AI made the answer, where the manifest asks for it.
    """

    output: dict[str, Any]
    confidence: float | None
    hand_off: bool
    hand_off_reason: str | None
    knobs: dict[str, Any]
    trace_id: str
    release: str
    release_id: str
    arm: str
    latency_ms: float
    model_ms: float = 0
    tokens_in: int | None = None
    tokens_out: int | None = None
    guards: list[GuardDecision] = []  # noqa: RUF012 # pydantic copies it
    provenance: Provenance | None = None


class Serving:
    """Keeps the apps that are live open, and answers calls to them. One per process.

    A deploy or rollback made anywhere, by page, terminal or another process, counts here within a
    quarter of a second.

    Attributes:
        meter: Counts every call against its budgets; the calls of plain models, too.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.meter = budgets.Meter(store)
        self._apps: dict[str, asyncio.Future[App]] = {}
        self._rollouts: dict[tuple[str, str], tuple[float, Rollout]] = {}

    async def call(
        self,
        scope: Scope,
        use_case: str,
        call: Call,
        *,
        trace_id: str | None = None,
        parent_span_id: str | None = None,
        limits: dict[str, str] | None = None,
    ) -> CallAnswer:
        """Answer one call and keep its trace; the trace is durable before this returns.

        Args:
            trace_id: Trace of the caller that the call belongs to, below `parent_span_id`.
            limits: Takes in what is left of the caller's budgets, as headers.

        Raises:
            NotFound: No such use case, or nothing of it is live.
            Invalid: Input or knobs do not fit.
            Denied: The caller may not, turned an operator's knob, or the answer was held back.
            BudgetExceeded: A limit leaves no room for the call.
            Unavailable: The model does not answer now.
        """
        scope.require("run", use_case=use_case)
        started, clock = now(), time.perf_counter()
        rollout = await self._rollout(scope, use_case)
        arm = choose_arm(rollout, call.session or call.user)
        app = await self._app(scope, arm.release_id)
        trace = _Trace(
            scope, use_case, arm, call, started, trace_id or new_trace_id(), parent_span_id
        )
        guarded = app.guarded.begin()
        try:
            knobs = app.folder.manifest.knobs
            user = turn_knobs(knobs, call.knobs, who="user")
            settings = settings_of(knobs, rollout.knobs, user)
            asked = time.perf_counter()
            ask = partial(app.answer, call.input, knobs=settings, guarded=guarded)
            if probes.probed_point(call.input) is None:
                app.check_input(call.input)
                payer = payer_of(scope, use_case=use_case, session=call.session)
                asked_for = Metered(app.folder, call.input, settings, guarded)
                reply = await asked_for.answer(self.meter, payer, ask, limits)
            else:
                reply = await ask()
        except LinesideError as error:
            if not probes.is_probe(error):
                elapsed_ms = (time.perf_counter() - clock) * 1000
                said = f"{error.code}: {error.message}"
                await trace.keep(duration_ms=elapsed_ms, error=said, guarded=guarded)
            raise
        finished = time.perf_counter()
        reason = guarded.call.escalation or hand_off_reason(reply.confidence, settings)
        await trace.keep(
            duration_ms=(finished - clock) * 1000,
            model_ms=(finished - asked) * 1000,
            guarded=guarded,
            attributes={"knobs": settings, "hand_off": reason is not None},
        )
        return CallAnswer(
            output=reply.output,
            confidence=reply.confidence,
            hand_off=reason is not None,
            hand_off_reason=reason,
            knobs=settings,
            trace_id=trace.id,
            release=arm.label,
            release_id=arm.release_id,
            arm=arm.name,
            latency_ms=round((time.perf_counter() - clock) * 1000, 3),
            model_ms=round((finished - asked) * 1000, 3),
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            guards=[one for one in guarded.decisions if one.guard != probes.PROBE],
            provenance=app.guarded.provenance(guarded, release=arm.release_id, trace_id=trace.id),
        )

    async def input_fields(self, scope: Scope, use_case: str) -> list[str]:
        """Names of the fields that the live release takes."""
        scope.require("run", use_case=use_case)
        rollout = await self._rollout(scope, use_case)
        app = await self._app(scope, rollout.arms[0].release_id)
        return list(app.folder.input_schema.get("properties", {}))

    async def guards(self, scope: Scope, use_case: str) -> GuardChain:
        """The guards of the live release."""
        scope.require("run", use_case=use_case)
        rollout = await self._rollout(scope, use_case)
        return (await self._app(scope, rollout.arms[0].release_id)).chain

    async def warm(self, scope: Scope) -> bool:
        """Open what is live, so that the first caller need not wait; say whether anything is."""
        for use_case in await asyncio.to_thread(list_use_cases, scope):
            for rollout in await asyncio.to_thread(load_rollouts, scope, use_case.name, limit=1):
                for arm in rollout.arms:
                    await self._app(scope, arm.release_id)
        return bool(self._apps)

    async def close(self) -> None:
        """Close every open app, and count what is not counted yet."""
        await self.meter.close()
        apps, self._apps = self._apps, {}
        for opened in apps.values():
            await (await opened).close()

    async def _rollout(self, scope: Scope, use_case: str) -> Rollout:
        key = (scope.workspace, use_case)
        kept = self._rollouts.get(key)
        if kept is not None and time.monotonic() - kept[0] < _ROLLOUT_SECONDS:
            return kept[1]
        found = await asyncio.to_thread(load_rollouts, scope, use_case, limit=1)
        if not found:
            raise await asyncio.to_thread(_nothing_live, scope, use_case)
        self._rollouts[key] = (time.monotonic(), found[0])
        return found[0]

    async def _app(self, scope: Scope, release_id: str) -> App:
        opened = self._apps.get(release_id)
        if opened is None:
            opened = asyncio.ensure_future(asyncio.to_thread(self._open, scope, release_id))
            self._apps[release_id] = opened
            await self._close_oldest()
        try:
            return await asyncio.shield(opened)
        except Exception:
            self._apps.pop(release_id, None)
            raise

    def _open(self, scope: Scope, release_id: str) -> App:
        release = load_release(scope, release_id)
        if release.kind not in SERVABLE_KINDS:
            raise Denied("kind_cannot_serve", f"Apps of kind `{release.kind}` cannot be served yet")
        return open_app(self._store, get_candidate(self._store, scope.workspace, release.digest))

    async def _close_oldest(self) -> None:
        if len(self._apps) > _OPEN_APPS_MAX:
            oldest = next(iter(self._apps))
            app = await self._apps.pop(oldest)
            await app.close()


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


class _Trace:
    """The spans of one call: the app as a whole, and in it what was looked up, and the model."""

    def __init__(
        self,
        scope: Scope,
        use_case: str,
        arm: Arm,
        call: Call,
        started: datetime,
        trace_id: str,
        parent_span_id: str | None,
    ) -> None:
        self.id = trace_id
        self._parent_span_id = parent_span_id
        self._scope = scope
        self._started = started
        self._input = call.input
        self._common: dict[str, Any] = {
            "trace_id": self.id,
            "use_case": use_case,
            "release": arm.release_id,
            "arm": arm.name,
            "session_id": call.session,
            "user_id": call.user,
            "started_at": started,
        }

    async def keep(
        self,
        *,
        duration_ms: float,
        model_ms: float = 0,
        guarded: GuardedAnswer,
        error: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        # What a guard held back has no reply here, and so no steps that would show it.
        reply = None if error else guarded.reply
        root = Span(
            **self._common,
            span_id=new_span_id(),
            parent_span_id=self._parent_span_id,
            name=self._common["use_case"],
            kind="app",
            status="error" if error else "ok",
            error=error,
            duration_ms=duration_ms,
            input=self._kept_input(guarded),
            output=reply.output if reply else None,
            cost_usd=reply.cost_usd if reply else None,
            attributes=(attributes or {}) | ({"confidence": reply.confidence} if reply else {}),
        )
        steps = reply.steps if reply else ()
        spans = [
            root,
            *self._guard_spans(root.span_id, guarded),
            *self._step_spans(root.span_id, steps),
        ]
        if reply is not None and reply.attempts:
            before_ms = sum(step.duration_ms for step in steps)
            spans.append(
                Span(
                    **self._at(before_ms),
                    span_id=new_span_id(),
                    parent_span_id=root.span_id,
                    name=reply.model,
                    kind="model",
                    duration_ms=model_ms - before_ms,
                    model=reply.model,
                    tokens_in=reply.tokens_in,
                    tokens_out=reply.tokens_out,
                    cost_usd=reply.cost_usd,
                    attributes={"attempts": reply.attempts},
                )
            )
        await asyncio.wrap_future(record_spans(self._scope, spans))

    def _step_spans(self, parent_span_id: str, steps: Sequence[ReplyStep]) -> list[Span]:
        spans, before_ms = list[Span](), 0.0
        for step in steps:
            spans.append(
                Span(
                    **self._at(before_ms),
                    span_id=new_span_id(),
                    parent_span_id=parent_span_id,
                    name=step.name,
                    kind=step.kind,
                    duration_ms=step.duration_ms,
                    input=step.input,
                    output=step.output,
                    attributes=dict(step.attributes),
                )
            )
            before_ms += step.duration_ms
        return spans

    def _at(self, after_ms: float) -> dict[str, Any]:
        return self._common | {"started_at": self._started + timedelta(milliseconds=after_ms)}

    def _kept_input(self, guarded: GuardedAnswer) -> Any:
        """The input as guards let it pass: what they mask or hide is not kept in the clear."""
        if guarded.call.is_hidden:
            return None
        return self._input if guarded.seen is None else guarded.seen

    def _guard_spans(self, parent_span_id: str, guarded: GuardedAnswer) -> list[Span]:
        return [
            Span(
                **self._common,
                span_id=new_span_id(),
                parent_span_id=parent_span_id,
                name=one.guard,
                kind="guard",
                status="ok" if one.is_enforced else "error",
                error=None if one.is_enforced else f"not_enforced: {one.error}",
                duration_ms=one.duration_ms,
                attributes=one.model_dump(exclude={"guard", "duration_ms", "error"}),
            )
            for one in guarded.decisions
            if one.guard != probes.PROBE
        ]


def _nothing_live(scope: Scope, use_case: str) -> NotFound:
    may_read = "read" in scope.rights and scope.use_cases is None
    names = [known.name for known in list_use_cases(scope)] if may_read else []
    if use_case in names:
        return NotFound(
            "nothing_live",
            f"Nothing of `{use_case}` is live",
            hint=f"Deploy a release first: `lineside deploy {use_case}`.",
        )
    near = did_you_mean(use_case, names)
    return NotFound(
        "unknown_use_case",
        f"There is no use case `{use_case[:80]}`",
        hint=f"Did you mean `{near}`?" if near else f"Known: {', '.join(names[:10]) or 'none'}.",
    )
