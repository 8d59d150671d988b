"""The step that answers a question as it was answered before, where that is asked for.

It stands within the guards, which judge a replayed answer like any other, and around the budgets,
which a replay does not touch. What it compares is what the model would be asked: with what guards
masked, so that two callers whose names are masked alike share an answer that holds neither.
"""

import asyncio
import hashlib
from contextlib import aclosing
from datetime import timedelta
from typing import NamedTuple

import orjson
from pydantic import ValidationError

from lineside.core import LinesideError, now
from lineside.gateway.cache import queries
from lineside.gateway.cache.alike import Question, question_of
from lineside.gateway.cache.finding import CachedAnswer, find_alike, find_same
from lineside.gateway.calls.gateway import CallStep, Events, Gateway, ModelCall, Proceed
from lineside.gateway.canonical.answer import ModelAnswer
from lineside.gateway.canonical.assembly import Assembly, events_of
from lineside.gateway.canonical.events import AnswerEnded
from lineside.gateway.canonical.request import ModelRequest
from lineside.store import Store

CACHED = "cache"
"""Where a call's `hit`, `semantic` or `miss` stands among what is known of how it was served."""
SAID = (CACHED, "cache_similarity", "cache_age_s", "cache_from")
"""What is said of it in the trace: how near, how many seconds old, and from which other trace."""

_BYTES_MAX = 1024 * 1024
_ROWS_MAX = 10_000
_WHOLE = {"stop", "tool_calls"}
# How an answer is delivered, and for whom, changes nothing about what is asked.
_NOT_ASKED = {"is_stream", "wants_stream_tokens", "user"}
_DELIVERY = "~stream_options"


class _Terms(NamedTuple):
    """For how long an answer is kept, and how near a question must be to share it, if at all."""

    seconds: int
    similarity_min: float | None


class _Asked(NamedTuple):
    """What is asked, as it is looked for and kept."""

    digest: str
    question: Question | None


def caching(store: Store, gateway: Gateway) -> CallStep:
    """Answer a plain model's call from what was kept, and keep what may be given again.

    Calls of use cases pass, and so do vectors and counts.
    """

    def step(call: ModelCall, proceed: Proceed) -> Events:
        terms = _terms(call, gateway)
        return cached(call, proceed, terms) if terms.seconds else proceed(call)

    async def cached(call: ModelCall, proceed: Proceed, terms: _Terms) -> Events:
        asked, kept = await asyncio.to_thread(_find, store, call, terms)
        call.served.attributes |= _said_of(kept)
        if kept is not None:
            for event in events_of(kept.answer):
                yield event
            return
        assembly = Assembly()
        async with aclosing(proceed(call)) as events:
            async for event in events:
                assembly.add(event)
                if isinstance(event, AnswerEnded):
                    answer = assembly.answer()
                    await asyncio.to_thread(_keep, store, call, asked, answer, terms.seconds)
                yield event

    return step


def _terms(call: ModelCall, gateway: Gateway) -> _Terms:
    if call.use_case is not None or call.wants != "words":
        return _Terms(0, None)
    route = gateway.route(call.request.model)
    seconds = route.cache_s if call.cache_s is None else call.cache_s
    least = max(route.semantic_similarity_min, call.cache_similarity_min)
    return _Terms(seconds, least if route.semantic_cache and least < 1 else None)


def _said_of(kept: CachedAnswer | None) -> dict[str, object]:
    """What is said of a call in its trace and headers."""
    if kept is None:
        return {CACHED: "miss"}
    said: dict[str, object] = {"cache_age_s": max(0, int((now() - kept.kept_at).total_seconds()))}
    if kept.similarity is None:
        return said | {CACHED: "hit"}
    # Rounded down: what is 1 is the same.
    near = int(kept.similarity * 1000) / 1000
    return said | {CACHED: "semantic", "cache_similarity": near, "cache_from": kept.trace_id}


def _find(store: Store, call: ModelCall, terms: _Terms) -> tuple[_Asked, CachedAnswer | None]:
    """What is asked, and the answer kept for it; where looking fails, the model is asked."""
    request = _without_delivery(call.request)
    asked = _Asked(_digest(request), None)
    try:
        kept = find_same(store, call.workspace, asked.digest, seconds=terms.seconds)
        if kept is None and terms.similarity_min is not None:
            asked = asked._replace(question=question_of(request, _NOT_ASKED))
            if asked.question is not None:
                kept = find_alike(
                    store,
                    call.workspace,
                    asked.question,
                    similarity_min=terms.similarity_min,
                    seconds=terms.seconds,
                )
    except (LinesideError, ValidationError):
        return asked, None
    return asked, kept


def _without_delivery(request: ModelRequest) -> ModelRequest:
    if _DELIVERY not in request.extras:
        return request
    extras = {name: value for name, value in request.extras.items() if name != _DELIVERY}
    return request.model_copy(update={"extras": extras})


def _digest(request: ModelRequest) -> str:
    asked = request.model_dump(mode="json", exclude=_NOT_ASKED)
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _keep(store: Store, call: ModelCall, asked: _Asked, answer: ModelAnswer, seconds: int) -> None:
    if not answer.choices or any(one.finish_reason not in _WHOLE for one in answer.choices):
        return
    body = answer.model_dump_json().encode()
    if len(body) > _BYTES_MAX:
        return
    at = now()
    values = {
        "workspace": call.workspace,
        "digest": asked.digest,
        "answer": body,
        "trace_id": call.trace_id,
        "kept_at": at,
        "expires_at": at + timedelta(seconds=seconds),
    }
    question = asked.question.row() if asked.question else None
    try:
        with store.records.write() as connection:
            queries.keep_answer(connection, values, question, at=at, rows_max=_ROWS_MAX)
    except LinesideError:
        return  # the caller has the answer all the same
