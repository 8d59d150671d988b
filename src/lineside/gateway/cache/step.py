"""The step that answers a question as it was answered before, where that is asked for.

It stands within the guards, which judge a replayed answer like any other, and around the budgets,
which a replay does not touch. What it compares is what the model would be asked: with what guards
masked, so that two callers whose names are masked alike share an answer that holds neither.
"""

import asyncio
import hashlib
from contextlib import aclosing
from functools import partial
from typing import NamedTuple

import orjson
from pydantic import ValidationError

from lineside.core import LinesideError
from lineside.gateway.cache.alike import Question, question_of
from lineside.gateway.cache.finding import CachedAnswer, find_alike, find_same, said_of
from lineside.gateway.cache.keeping import keep_answer
from lineside.gateway.calls.gateway import CallStep, Events, Gateway, ModelCall, Proceed
from lineside.gateway.canonical.answer import ModelAnswer
from lineside.gateway.canonical.assembly import Assembly, events_of
from lineside.gateway.canonical.events import AnswerEnded
from lineside.gateway.canonical.request import ModelRequest
from lineside.store import Store

_WHOLE = {"stop", "tool_calls"}
# How an answer is delivered, and for whom, changes nothing about what is asked.
_NOT_ASKED = {"is_stream", "wants_stream_tokens", "user"}
_DELIVERY = "~stream_options"


class _Terms(NamedTuple):
    """For how long an answer is kept, and how near a question must be to share it, if at all."""

    seconds: int
    similarity_min: float | None


class _Asked(NamedTuple):
    """What is asked, as it is looked for and kept, and the answer there is."""

    digest: str
    question: Question | None = None
    kept: CachedAnswer | None = None
    answer: ModelAnswer | None = None


def caching(store: Store, gateway: Gateway) -> CallStep:
    """Answer a plain model's call from what was kept, and keep what may be given again.

    Calls of use cases pass, which give their own again where they are served, and so do vectors
    and counts.
    """

    def step(call: ModelCall, proceed: Proceed) -> Events:
        terms = _terms(call, gateway)
        return cached(call, proceed, terms) if terms.seconds else proceed(call)

    async def cached(call: ModelCall, proceed: Proceed, terms: _Terms) -> Events:
        asked = await asyncio.to_thread(_find, store, call, terms)
        call.served.attributes |= said_of(asked.kept)
        if asked.answer is not None:
            for event in events_of(asked.answer):
                yield event
            return
        assembly = Assembly()
        async with aclosing(proceed(call)) as events:
            async for event in events:
                assembly.add(event)
                if isinstance(event, AnswerEnded):
                    # What a guard holds back is not kept here either.
                    keep = partial(_keep, store, call, asked, assembly.answer(), terms.seconds)
                    call.served.when_whole.append(partial(asyncio.to_thread, keep))
                yield event

    return step


def _terms(call: ModelCall, gateway: Gateway) -> _Terms:
    if call.use_case is not None or call.wants != "words":
        return _Terms(0, None)
    route = gateway.route(call.request.model)
    seconds = route.cache_s if call.cache_s is None else call.cache_s
    least = max(route.semantic_similarity_min, call.cache_similarity_min)
    return _Terms(seconds, least if route.semantic_cache and least < 1 else None)


def _find(store: Store, call: ModelCall, terms: _Terms) -> _Asked:
    """What is asked, and the answer kept for it; where looking fails, the model is asked."""
    request = _without_delivery(call.request)
    digest, question = _digest(request), None
    try:
        kept = find_same(store, call.workspace, digest, seconds=terms.seconds)
        if kept is None and terms.similarity_min is not None:
            question = question_of(request, _NOT_ASKED)
            if question is not None:
                least = terms.similarity_min
                kept = find_alike(
                    store,
                    call.workspace,
                    question,
                    similarity_min=least,
                    seconds=terms.seconds,
                )
        if kept is None:
            return _Asked(digest, question)
        return _Asked(digest, question, kept, ModelAnswer.model_validate_json(kept.body))
    except (LinesideError, ValidationError):
        return _Asked(digest, question)


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
    keep_answer(
        store,
        call.workspace,
        asked.digest,
        answer.model_dump_json().encode(),
        said=[one.turn.model_dump(mode="json") for one in answer.choices],
        question=asked.question,
        trace_id=call.trace_id,
        seconds=seconds,
    )
