"""Answers live calls: picks the release, applies the knobs, asks the model, keeps the trace."""

import time
from collections.abc import Mapping
from typing import Any

from lineside.apps.call import Call, CallAnswer
from lineside.apps.knob_board import KnobBoard
from lineside.apps.knobs import settings_of, turn_knobs
from lineside.apps.open_releases import OpenReleases
from lineside.apps.rollout import choose_arm
from lineside.apps.served_trace import ServedTrace
from lineside.core import LinesideError, now
from lineside.store import Store
from lineside.traces import new_trace_id
from lineside.trust import Scope


class Serving:
    """Answers calls to what is live. One per process.

    A deploy or rollback made anywhere, by page, terminal or another process, counts here within a
    quarter of a second.

    Attributes:
        knobs: Where the knobs of users stand, and how they turn them.
    """

    def __init__(self, store: Store) -> None:
        self._releases = OpenReleases(store)
        self.knobs = KnobBoard(self._releases)

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
        live = await self._releases.live(scope, use_case)
        arm = choose_arm(live.rollout, call.session or call.user)
        app = await self._releases.app(scope, arm.release_id)
        trace = ServedTrace(
            scope, use_case, arm, call, started, trace_id or new_trace_id(), parent_span_id
        )
        try:
            knobs = app.folder.manifest.knobs
            user = turn_knobs(knobs, call.knobs, who="user")
            if call.user:
                user = await self.knobs.left_by(scope, live, arm, call.user) | user
            settings = settings_of(knobs, live.rollout.knobs, user)
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

    async def input_fields(self, scope: Scope, use_case: str) -> list[str]:
        """Names of the fields that the live release takes."""
        scope.require("run", use_case=use_case)
        live = await self._releases.live(scope, use_case)
        app = await self._releases.app(scope, live.rollout.arms[0].release_id)
        return list(app.folder.input_schema.get("properties", {}))

    async def warm(self, scope: Scope) -> bool:
        """Open what is live, so that the first caller need not wait; say whether anything is."""
        return await self._releases.warm(scope)

    async def close(self) -> None:
        """Close every open app."""
        await self._releases.close()


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
