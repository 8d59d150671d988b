"""The step that answers a question as it was answered before, where that is asked for.

It stands within the guards, which judge a replayed answer like any other, and around the budgets,
which a replay does not touch. What it compares is what the model would be asked: with what guards
masked, so that two callers whose names are masked alike share an answer that holds neither.
"""

import asyncio
import hashlib
from contextlib import aclosing
from datetime import timedelta

import orjson
from pydantic import ValidationError

from lineside.core import LinesideError, now
from lineside.gateway.cache import queries
from lineside.gateway.calls.gateway import CallStep, Events, Gateway, ModelCall, Proceed
from lineside.gateway.canonical.answer import ModelAnswer
from lineside.gateway.canonical.assembly import Assembly, events_of
from lineside.gateway.canonical.events import AnswerEnded
from lineside.gateway.canonical.request import ModelRequest
from lineside.store import Store

CACHED = "cache"
"""Where a call's `hit` or `miss` stands among what is known of how it was served."""

_BYTES_MAX = 1024 * 1024
_ROWS_MAX = 10_000
_WHOLE = {"stop", "tool_calls"}
# How an answer is delivered, and for whom, changes nothing about what is asked.
_NOT_ASKED = {"is_stream", "wants_stream_tokens", "user"}


def caching(store: Store, gateway: Gateway) -> CallStep:
    """Answer a plain model's call from what was kept, and keep what may be given again.

    Calls of use cases pass, and so do vectors and counts.
    """

    def step(call: ModelCall, proceed: Proceed) -> Events:
        seconds = _seconds(call, gateway)
        return cached(call, proceed, seconds) if seconds else proceed(call)

    async def cached(call: ModelCall, proceed: Proceed, seconds: int) -> Events:
        digest = _digest(call.request)
        kept = await asyncio.to_thread(_find, store, call.workspace, digest)
        call.served.attributes[CACHED] = "hit" if kept else "miss"
        if kept is not None:
            for event in events_of(kept):
                yield event
            return
        assembly = Assembly()
        async with aclosing(proceed(call)) as events:
            async for event in events:
                assembly.add(event)
                if isinstance(event, AnswerEnded):
                    answer = assembly.answer()
                    await asyncio.to_thread(_keep, store, call.workspace, digest, answer, seconds)
                yield event

    return step


def _seconds(call: ModelCall, gateway: Gateway) -> int:
    if call.use_case is not None or call.wants != "words":
        return 0
    if call.cache_s is not None:
        return call.cache_s
    return gateway.route(call.request.model).cache_s


def _digest(request: ModelRequest) -> str:
    asked = request.model_dump(mode="json", exclude=_NOT_ASKED)
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _find(store: Store, workspace: str, digest: str) -> ModelAnswer | None:
    try:
        with store.records.read() as connection:
            found = queries.find_answer(connection, workspace, digest, at=now())
        return ModelAnswer.model_validate_json(found[0]) if found else None
    except (LinesideError, ValidationError):
        return None  # the model is asked, as without a cache


def _keep(store: Store, workspace: str, digest: str, answer: ModelAnswer, seconds: int) -> None:
    if not answer.choices or any(one.finish_reason not in _WHOLE for one in answer.choices):
        return
    body = answer.model_dump_json().encode()
    if len(body) > _BYTES_MAX:
        return
    at = now()
    values = {
        "workspace": workspace,
        "digest": digest,
        "answer": body,
        "kept_at": at,
        "expires_at": at + timedelta(seconds=seconds),
    }
    try:
        with store.records.write() as connection:
            queries.keep_answer(connection, values, at=at, rows_max=_ROWS_MAX)
    except LinesideError:
        return  # the caller has the answer all the same
