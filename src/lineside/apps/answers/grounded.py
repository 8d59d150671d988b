"""Answers that rest on passages: found before, checked after, withheld where none supports."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from lineside.apps.answers.index import Hit, SourceIndex
from lineside.apps.answers.passages import SourcePassage
from lineside.gateway import Model, ModelReply, ReplyStep, quoting
from lineside.guardrails import probes
from lineside.usecases import manifest

NOT_SAID = "The sources do not say."
"""The answer of an app that abstains."""

_WORDS = re.compile(r"\w+")
_FRAME_BYTES = 200

Judge = Callable[[Sequence[str]], Awaitable[list[str]]]


class _Found(NamedTuple):
    """Passages for a question, and how well the best sentence of them supports an answer."""

    hits: list[Hit]
    support: float
    step: ReplyStep


class GroundedModel:
    """A model that is given passages to answer from, and held to what it quotes of them.

    It abstains without asking the model where no passage supports an answer, and after asking where
    the model quotes nothing that stands in a passage word for word (case and punctuation aside).
    """

    def __init__(self, model: Model, index: SourceIndex, retrieval: manifest.Retrieval) -> None:
        self._model = model
        self._index = index
        self._retrieval = retrieval

    async def answer(
        self,
        payload: Mapping[str, Any],
        *,
        knobs: Mapping[str, Any] | None = None,
        judge: Judge | None = None,
    ) -> ModelReply:
        """Answer one question; see `Model.answer`.

        Args:
            judge: Gives texts of passages as guards let them pass to the model.
        """
        probe = probes.passage_word(payload)
        # A search over many passages takes longer than handing it to a thread.
        found = _probed(probe) if probe else await asyncio.to_thread(self._find, payload)
        passages = [hit.passage for hit in found.hits]
        documents = [_document(passage) for passage in passages]
        steps = (found.step,)
        if not found.hits or found.support < self._retrieval.support_min:
            output = _abstained(documents)
            return ModelReply(output, "abstained", cost_usd=0.0, attempts=0, steps=steps)
        if judge is not None:
            passages = await _judged(passages, judge)
            documents = [_document(passage) for passage in passages]
            pairs = zip(found.hits, passages, strict=True)
            shown = [_retrieved(hit._replace(passage=one)) for hit, one in pairs]
            steps = (found.step._replace(output=shown),)
        if probe:
            return ModelReply(_abstained(documents), probes.PROBE, cost_usd=0.0)
        reply = await self._model.answer({**payload, "passages": documents}, knobs=knobs)
        citations = _supported(reply.output["citations"], passages)
        if not citations:
            return replace(reply, output=_abstained(documents), steps=steps)
        output = {
            "answer": reply.output["answer"],
            "answered": True,
            "citations": citations,
            "sources": sorted({citation["source"] for citation in citations}),
            "documents": documents,
        }
        return replace(reply, output=output, steps=steps)

    @property
    def bytes_max(self) -> int:
        """The most that the passages of one question can come to, for budgets."""
        frames = _FRAME_BYTES * self._retrieval.passages
        return frames + self._index.bytes_max(self._retrieval.passages)

    async def close(self) -> None:
        """Give back the model's connections."""
        await self._model.close()

    def _find(self, payload: Mapping[str, Any]) -> _Found:
        clock = time.perf_counter()
        question = "\n".join(value for value in payload.values() if isinstance(value, str))
        hits = self._index.search(question, limit=self._retrieval.passages)
        quotes = quoting.best_quotes(question, [_document(hit.passage) for hit in hits])
        support = quotes[0].support if quotes else 0.0
        step = ReplyStep(
            name="sources",
            kind="retriever",
            duration_ms=(time.perf_counter() - clock) * 1000,
            input=question,
            output=[_retrieved(hit) for hit in hits],
            attributes={
                "support": round(support, 4),
                "support_min": self._retrieval.support_min,
            },
        )
        return _Found(hits, support, step)


def _probed(word: str) -> _Found:
    """A passage with the word of a probe within, as if it had been found."""
    passage = SourcePassage("probe", 1, "", None, f"It is said that {word} stands here.")
    step = ReplyStep("sources", "retriever", 0.0, input=word, output=[], attributes={})
    return _Found([Hit(passage, 1.0, 1.0, 1.0)], 1.0, step)


async def _judged(passages: Sequence[SourcePassage], judge: Judge) -> list[SourcePassage]:
    said = [text for passage in passages for text in (passage.text, passage.heading)]
    passed = await judge(said)
    return [
        passage._replace(text=text, heading=heading)
        for passage, text, heading in zip(passages, passed[::2], passed[1::2], strict=True)
    ]


def _place(passage: SourcePassage) -> dict[str, Any]:
    return {"source": passage.source, "page": passage.page, "heading": passage.heading}


def _document(passage: SourcePassage) -> dict[str, Any]:
    return {"id": passage.id, "text": passage.text, **_place(passage)}


def _retrieved(hit: Hit) -> dict[str, Any]:
    scores = {name: round(getattr(hit, name), 4) for name in ("score", "by_words", "by_meaning")}
    return {**_document(hit.passage), **scores}


def _abstained(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "answer": NOT_SAID,
        "answered": False,
        "citations": [],
        "sources": [],
        "documents": list(documents),
    }


def _supported(
    citations: Iterable[Mapping[str, Any]], found: Sequence[SourcePassage]
) -> list[dict[str, Any]]:
    """The citations whose quote stands in the passage they name, with the place it stands at."""
    passages = {passage.id: passage for passage in found}
    supported = []
    for citation in citations:
        passage = passages.get(citation["document"])
        quote = _spoken(citation["quote"])
        if passage is not None and quote.strip() and quote in _spoken(passage.text):
            supported.append(
                {"document": passage.id, "quote": citation["quote"], **_place(passage)}
            )
    return supported


def _spoken(text: str) -> str:
    return f" {' '.join(_WORDS.findall(text.casefold()))} "
