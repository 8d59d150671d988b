"""Answers of a release that are given again, where its manifest asks for it.

They are looked for within the guards, which judge an answer that is given again like any other, and
before the budgets, which it does not touch. A release is never given the answer of another one.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import orjson

from lineside.apps.rollout import Arm, Rollout
from lineside.core import LinesideError
from lineside.gateway import ModelReply, cache
from lineside.store import Store
from lineside.usecases import UseCaseFolder, manifest

WhenPassed = list[Callable[[], Awaitable[None]]]
Told = dict[str, object]
"""What is said of it in headers and trace: `hit`, `semantic` or `miss`, how old, how near."""

SPLIT = "off: the rollout is split"
"""Said of a call whose answer is not given again, so that releases are compared fairly."""


class CacheWish(NamedTuple):
    """What a caller says of answers that were given before.

    Attributes:
        seconds: For how long the answer may be kept, where the manifest allows as much; 0 asks
            anew and keeps nothing.
        similarity_min: How near another question must be, beyond what the manifest asks for.
    """

    seconds: int | None = None
    similarity_min: float = 0.0


@dataclass(frozen=True)
class KeptAnswers:
    """The kept answers of one release, in one arm, with the knobs standing so.

    Attributes:
        trace_id: Of the call: an answer that is kept goes with its trace.
        when_passed: Takes in what is to be done once guards have let the answer pass.
    """

    store: Store
    workspace: str
    arm: Arm
    knobs: Mapping[str, Any]
    trace_id: str
    terms: manifest.AnswerCache
    text_field: str | None
    when_passed: WhenPassed

    async def answer(
        self, payload: Mapping[str, Any], ask: Callable[[], Awaitable[ModelReply]], told: Told
    ) -> ModelReply:
        """Give the answer to this input again, or ask and keep what comes where guards let it pass.

        Args:
            payload: As the guards let it pass.
            told: Takes in what is to be said of it.
        """
        digest, question, kept = await asyncio.to_thread(self._find, payload)
        reply = _read(kept) if kept else None
        told |= cache.said_of(kept if reply else None)
        if reply is not None:
            return reply
        reply = await ask()
        keep = partial(
            cache.keep_answer,
            self.store,
            self.workspace,
            digest,
            _written(reply),
            said=reply.output,
            question=question,
            trace_id=self.trace_id,
            seconds=self.terms.seconds,
        )
        self.when_passed.append(partial(asyncio.to_thread, keep))
        return reply

    def _find(
        self, payload: Mapping[str, Any]
    ) -> tuple[str, cache.Question | None, cache.CachedAnswer | None]:
        """What is asked, and the answer kept for it; where looking fails, the model is asked."""
        mine = [self.arm.release_id, self.arm.name, dict(self.knobs)]
        digest, question = _digest([*mine, dict(payload)]), None
        seconds = self.terms.seconds
        try:
            kept = cache.find_same(self.store, self.workspace, digest, seconds=seconds)
            field = self.text_field or ""
            words = payload.get(field)
            if kept is None and isinstance(words, str):
                question = cache.question_beside(words, [*mine, {**payload, field: ""}])
            if question is not None:
                kept = cache.find_alike(
                    self.store,
                    self.workspace,
                    question,
                    similarity_min=self.terms.similarity_min,
                    seconds=seconds,
                )
        except LinesideError:
            return digest, question, None
        return digest, question, kept


def kept_answers(
    store: Store,
    workspace: str,
    folder: UseCaseFolder,
    *,
    rollout: Rollout,
    arm: Arm,
    knobs: Mapping[str, Any],
    trace_id: str,
    wish: CacheWish,
    told: Told,
    when_passed: WhenPassed,
) -> KeptAnswers | None:
    """What an answer may be given again from, or nothing where it may not be.

    While releases share the calls, or one gets copies, each call asks its model: an answer that is
    given again costs nothing and takes no time, so that the release whose answers are kept would
    look better than it is.
    """
    terms = folder.manifest.cache
    if terms is None or wish.seconds == 0:
        return None
    if len(rollout.arms) > 1 or rollout.shadow is not None:
        told[cache.CACHED] = SPLIT
        return None
    least = max(terms.similarity_min, wish.similarity_min)
    seconds = min(terms.seconds, wish.seconds or terms.seconds)
    is_semantic = terms.semantic and least < 1
    return KeptAnswers(
        store=store,
        workspace=workspace,
        arm=arm,
        knobs=knobs,
        trace_id=trace_id,
        terms=terms.model_copy(update={"seconds": seconds, "similarity_min": least}),
        text_field=manifest.text_field(folder.input_schema) if is_semantic else None,
        when_passed=when_passed,
    )


def _written(reply: ModelReply) -> bytes:
    kept = {
        "output": reply.output,
        "model": reply.model,
        "provider": reply.provider,
        "confidence": reply.confidence,
    }
    return orjson.dumps(kept)


def _read(kept: cache.CachedAnswer) -> ModelReply | None:
    try:
        found = orjson.loads(kept.body)
        return ModelReply(**found, tokens_in=0, tokens_out=0, cost_usd=0.0, attempts=0)
    except (orjson.JSONDecodeError, TypeError):
        return None  # written by another version


def _digest(asked: object) -> str:
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
