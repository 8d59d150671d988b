"""Answers live calls: picks the release, applies the knobs, asks the model, keeps the trace."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext, suppress
from datetime import datetime
from typing import Any

from lineside.apps.app import SERVABLE_KINDS, App, open_app
from lineside.apps.candidate import get_candidate
from lineside.apps.knobs import settings_of, turn_knobs
from lineside.apps.knobs_now import KnobsNow, knobs_now
from lineside.apps.release import load_release
from lineside.apps.rollout import Arm, Rollout, choose_arm, load_rollouts
from lineside.apps.turning import Live, Turned, keep_turn, load_live, load_turned, user_digest
from lineside.core import Denied, LinesideError, NotFound, Record, Unavailable, did_you_mean, now
from lineside.gateway import ModelReply
from lineside.store import Store
from lineside.traces import Span, new_span_id, new_trace_id, record_spans
from lineside.trust import Scope
from lineside.usecases import list_use_cases

_ROLLOUT_SECONDS = 0.25
_OPEN_APPS_MAX = 32
_TURNED_MAX = 10_000
_WATCH_SECONDS = 600


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


class Serving:
    """Keeps the apps that are live open, and answers calls to them. One per process.

    A deploy or rollback made anywhere, by page, terminal or another process, counts here within a
    quarter of a second.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._apps: dict[str, asyncio.Future[App]] = {}
        self._lives: dict[tuple[str, str], tuple[float, Live]] = {}
        self._turned: dict[tuple[str, str, str, str | None], tuple[Live, Turned]] = {}

    async def call(
        self,
        scope: Scope,
        use_case: str,
        call: Call,
        *,
        trace_id: str | None = None,
        parent_span_id: str | None = None,
    ) -> CallAnswer:
        """Answer one call and keep its trace; the trace is durable before this returns.

        Args:
            trace_id: Trace of the caller that the call belongs to, below `parent_span_id`.

        Raises:
            NotFound: No such use case, or nothing of it is live.
            Invalid: Input or knobs do not fit.
            Denied: The caller may not, turned an operator's knob, or the answer was held back.
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
        try:
            knobs = app.folder.manifest.knobs
            user = turn_knobs(knobs, call.knobs, who="user")
            if call.user is not None and any(knob.who == "user" for knob in knobs):
                left = await self._knobs_now(scope, rollout, arm, call.user)
                user = left.users | user
            settings = settings_of(knobs, rollout.knobs, user)
            asked = time.perf_counter()
            reply = await app.answer(call.input, knobs=settings)
        except LinesideError as error:
            elapsed_ms = (time.perf_counter() - clock) * 1000
            await trace.keep(duration_ms=elapsed_ms, error=f"{error.code}: {error.message}")
            raise
        finished = time.perf_counter()
        reason = hand_off_reason(reply.confidence, settings)
        await trace.keep(
            duration_ms=(finished - clock) * 1000,
            model_ms=(finished - asked) * 1000,
            reply=reply,
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
        )

    async def knobs_now(self, scope: Scope, use_case: str, *, user: str | None = None) -> KnobsNow:
        """What the knobs stand at in the release that would answer this user now."""
        scope.require("run", use_case=use_case)
        rollout = await self._rollout(scope, use_case)
        return await self._knobs_now(scope, rollout, choose_arm(rollout, user), user)

    async def turn_knob(
        self, scope: Scope, use_case: str, name: str, value: Any, *, user: str
    ) -> KnobsNow:
        """Leave a user's knob at a value, for every call that names the user; see `keep_turn`."""
        key = (scope.workspace, use_case)
        self._lives.pop(key, None)  # what was proved a moment ago counts
        before = await self.knobs_now(scope, use_case, user=user)
        await asyncio.to_thread(keep_turn, scope, before, name, value, user=user)
        self._lives.pop(key, None)
        return await self.knobs_now(scope, use_case, user=user)

    async def knob_changes(
        self, scope: Scope, use_case: str, *, digest: str | None, since: str | None
    ) -> AsyncIterator[str | None]:
        """Yield the new marker whenever a user's knobs change, and nothing four times a second.

        Ends after ten minutes, so that a key that was revoked does not watch for ever.

        Args:
            digest: `KnobsNow.user_digest`, so that no name of a user stands in an address.
            since: The marker that the watcher knows; a change it missed is told at once.
        """
        scope.require("run", use_case=use_case)
        known: Live | None = None
        ends_at = time.monotonic() + _WATCH_SECONDS
        while time.monotonic() < ends_at:
            # A watcher outlives a database that is away for a moment; the first look says so.
            with suppress(Unavailable) if known else nullcontext():
                live = await self._live(scope, use_case)
                if live != known:
                    turned = await self._turned_by(scope, live, live.rollout.live, digest)
                    known, marker = live, _marker(live, turned)
                    if since is not None and marker != since:
                        yield marker
                    since = marker
            yield None
            await asyncio.sleep(_ROLLOUT_SECONDS)

    async def input_fields(self, scope: Scope, use_case: str) -> list[str]:
        """Names of the fields that the live release takes."""
        scope.require("run", use_case=use_case)
        rollout = await self._rollout(scope, use_case)
        app = await self._app(scope, rollout.arms[0].release_id)
        return list(app.folder.input_schema.get("properties", {}))

    async def warm(self, scope: Scope) -> bool:
        """Open what is live, so that the first caller need not wait; say whether anything is."""
        for use_case in await asyncio.to_thread(list_use_cases, scope):
            for rollout in await asyncio.to_thread(load_rollouts, scope, use_case.name, limit=1):
                for arm in rollout.arms:
                    await self._app(scope, arm.release_id)
        return bool(self._apps)

    async def close(self) -> None:
        """Close every open app."""
        apps, self._apps = self._apps, {}
        for opened in apps.values():
            await (await opened).close()

    async def _rollout(self, scope: Scope, use_case: str) -> Rollout:
        return (await self._live(scope, use_case)).rollout

    async def _live(self, scope: Scope, use_case: str) -> Live:
        key = (scope.workspace, use_case)
        kept = self._lives.get(key)
        if kept is not None and time.monotonic() - kept[0] < _ROLLOUT_SECONDS:
            return kept[1]
        found = await asyncio.to_thread(load_live, scope, use_case)
        if found is None:
            raise await asyncio.to_thread(_nothing_live, scope, use_case)
        self._lives[key] = (time.monotonic(), found)
        return found

    async def _knobs_now(
        self, scope: Scope, rollout: Rollout, arm: Arm, user: str | None
    ) -> KnobsNow:
        live = await self._live(scope, rollout.use_case)
        app = await self._app(scope, arm.release_id)
        digest = user_digest(scope.workspace, rollout.use_case, user) if user else None
        turned = await self._turned_by(scope, live, arm, digest)
        return knobs_now(
            rollout,
            arm,
            app.folder.manifest.knobs,
            turned=turned.values,
            proved=turned.proved,
            marker=_marker(live, turned),
            user_digest=digest,
        )

    async def _turned_by(self, scope: Scope, live: Live, arm: Arm, digest: str | None) -> Turned:
        """What a user turned; asked of the database only after somebody turned anything."""
        if not live.turns and not live.proofs:
            return Turned({}, [], 0)
        use_case = live.rollout.use_case
        key = (scope.workspace, use_case, arm.release_id, digest)
        kept = self._turned.get(key)
        if kept is not None and kept[0] == live:
            return kept[1]
        found = await asyncio.to_thread(load_turned, scope, use_case, arm.release_id, digest)
        if len(self._turned) >= _TURNED_MAX:
            self._turned.clear()
        self._turned[key] = (live, found)
        return found

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
    """The spans of one call: the app as a whole, and the model inside it."""

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
        reply: ModelReply | None = None,
        error: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        root = Span(
            **self._common,
            span_id=new_span_id(),
            parent_span_id=self._parent_span_id,
            name=self._common["use_case"],
            kind="app",
            status="error" if error else "ok",
            error=error,
            duration_ms=duration_ms,
            input=self._input,
            output=reply.output if reply else None,
            cost_usd=reply.cost_usd if reply else None,
            attributes=(attributes or {}) | ({"confidence": reply.confidence} if reply else {}),
        )
        spans = [root]
        if reply is not None:
            spans.append(
                Span(
                    **self._common,
                    span_id=new_span_id(),
                    parent_span_id=root.span_id,
                    name=reply.model,
                    kind="model",
                    duration_ms=model_ms,
                    model=reply.model,
                    tokens_in=reply.tokens_in,
                    tokens_out=reply.tokens_out,
                    cost_usd=reply.cost_usd,
                    attributes={"attempts": reply.attempts},
                )
            )
        await asyncio.wrap_future(record_spans(self._scope, spans))


def _marker(live: Live, turned: Turned) -> str:
    return f"{live.rollout.id}.{live.proofs}.{turned.last}"


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
