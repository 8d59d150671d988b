"""Vectors of texts, from a provider or from the word vectors that come with lineside."""

import asyncio
from functools import partial

from lineside.core import Invalid
from lineside.gateway.calls.by_route import ask_by_route
from lineside.gateway.calls.gateway import Gateway, ModelCall
from lineside.gateway.calls.route import ModelTarget
from lineside.gateway.canonical.answer import TokenCounts
from lineside.gateway.canonical.embedding import EmbeddingAnswer, EmbeddingRequest
from lineside.gateway.wires import embeddings

EMBEDDED = "embedded/words"
"""The vectors that need no provider."""


async def embed(gateway: Gateway, call: ModelCall, request: EmbeddingRequest) -> EmbeddingAnswer:
    """Turn texts into vectors, by the route that the call names.

    Raises:
        Invalid: No provider of the route has vectors, or not of that length.
        LinesideError: Of the last provider that was asked.
    """
    if request.model == EMBEDDED:
        return await asyncio.to_thread(_embedded, request)

    async def ask(target: ModelTarget) -> EmbeddingAnswer:
        upstream = gateway.at_address(target.provider)
        if upstream is None or not _has_vectors(gateway, target):
            raise Invalid(
                "no_vectors",
                f"`{target.provider}` gives no vectors by this door",
                hint=f"Ask a provider that speaks OpenAI's wire, or `{EMBEDDED}`.",
            )
        body = embeddings.write_request(request.model_copy(update={"model": target.model}))
        reply = await upstream.post(
            "/embeddings", body, model=target.model, traceparent=call.traceparent
        )
        return embeddings.read_answer(reply)

    return await ask_by_route(gateway, call, ask, can=partial(_has_vectors, gateway))


def _has_vectors(gateway: Gateway, target: ModelTarget) -> bool:
    upstream = gateway.at_address(target.provider)
    return upstream is not None and upstream.endpoint.wire in ("chat", "responses")


def _embedded(request: EmbeddingRequest) -> EmbeddingAnswer:
    from lineside.gateway.reading import clean, word_vectors

    words = word_vectors()
    if request.dimensions not in (None, words.dimensions):
        raise Invalid(
            "no_vectors",
            f"`{EMBEDDED}` has vectors of {words.dimensions} numbers, not {request.dimensions}",
            hint="Leave `dimensions` out.",
        )
    vectors = tuple(tuple(words.mean(clean(text)).tolist()) for text in request.texts)
    read = sum(len(text.split()) for text in request.texts)
    return EmbeddingAnswer(model=EMBEDDED, vectors=vectors, tokens=TokenCounts(tokens_in=read))
