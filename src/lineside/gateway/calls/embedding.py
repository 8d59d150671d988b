"""Vectors of texts, from a provider or from the word vectors that come with lineside."""

import asyncio

from lineside.core import Invalid
from lineside.gateway.calls.gateway import Gateway
from lineside.gateway.canonical.answer import TokenCounts
from lineside.gateway.canonical.embedding import EmbeddingAnswer, EmbeddingRequest
from lineside.gateway.wires import embeddings

EMBEDDED = "embedded/words"
"""The vectors that need no provider."""


async def embed(gateway: Gateway, request: EmbeddingRequest) -> EmbeddingAnswer:
    """Turn texts into vectors.

    Raises:
        Invalid: The provider has no vectors, or not of that length.
    """
    if request.model == EMBEDDED:
        return await asyncio.to_thread(_embedded, request)
    target = gateway.target(gateway.route(request.model).names[0])
    upstream = gateway.at_address(target.provider)
    if upstream is None or upstream.endpoint.wire not in ("chat", "responses"):
        raise Invalid(
            "no_vectors",
            f"`{target.provider}` gives no vectors by this door",
            hint=f"Ask a provider that speaks OpenAI's wire, or `{EMBEDDED}`.",
        )
    body = embeddings.write_request(request.model_copy(update={"model": target.model}))
    return embeddings.read_answer(await upstream.post("/embeddings", body, model=target.model))


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
