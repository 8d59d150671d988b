"""OpenAI embeddings: request and answer."""

import base64
import struct
from collections.abc import Mapping
from typing import Any

from lineside.core import Invalid
from lineside.gateway.canonical.answer import TokenCounts
from lineside.gateway.canonical.embedding import EmbeddingAnswer, EmbeddingRequest
from lineside.gateway.wires.fields import Fields, known, sent

_TEXTS_MAX = 2048


def read_request(raw: Mapping[str, Any]) -> EmbeddingRequest:
    """Read a request.

    Raises:
        Invalid: It is none, or holds tokens in place of texts, which no guard can read.
    """
    fields = Fields(raw, place="body")
    if isinstance(fields.rest.get("input"), str):
        texts = [fields.need("input", str)]
        fields.rest["~input"] = "plain"
    else:
        texts = fields.need("input", list)
    if not all(isinstance(text, str) for text in texts) or not 0 < len(texts) <= _TEXTS_MAX:
        raise Invalid(
            "wire_misfit",
            f"`input` is not a text or a list of 1 to {_TEXTS_MAX} texts",
            hint="Send the texts themselves; lists of token numbers are not taken.",
        )
    return EmbeddingRequest(
        model=fields.need("model", str),
        texts=tuple(texts),
        dimensions=fields.take("dimensions", int),
        user=fields.take("user", str),
        extras=fields.rest,
    )


def write_request(request: EmbeddingRequest) -> dict[str, Any]:
    """Write a request."""
    texts: Any = list(request.texts)
    if len(texts) == 1 and request.extras.get("~input") == "plain":
        texts = texts[0]
    written = {"model": request.model, "input": texts, "dimensions": request.dimensions}
    return known(written | {"user": request.user}) | sent(request.extras, is_own=True)


def read_answer(raw: Mapping[str, Any]) -> EmbeddingAnswer:
    """Read an answer; vectors in base64 are read too.

    Raises:
        Invalid: It is none.
    """
    fields = Fields(raw, place="reply")
    items = [Fields(item, place="data") for item in fields.need("data", list)]
    vectors = [_read_vector(item) for item in items]
    usage = fields.take("usage", dict)
    marks = {"~items": [item.rest for item in items]}
    if usage is None:
        tokens = None
    else:
        tokens = TokenCounts(tokens_in=usage.get("prompt_tokens"), as_sent=usage)
    return EmbeddingAnswer(
        model=fields.take("model", str) or "",
        vectors=tuple(vectors),
        tokens=tokens,
        extras=fields.rest | marks,
    )


def _read_vector(item: Fields) -> tuple[float, ...]:
    if isinstance(item.rest.get("embedding"), str):
        packed = base64.b64decode(item.need("embedding", str))
        return struct.unpack(f"<{len(packed) // 4}f", packed)
    return tuple(item.need("embedding", list))


def write_answer(answer: EmbeddingAnswer, *, as_base64: bool = False) -> dict[str, Any]:
    """Write an answer."""
    plain = [{"object": "embedding", "index": at} for at in range(len(answer.vectors))]
    items = answer.extras.get("~items", plain)
    data = [
        item | {"embedding": _write_vector(vector, as_base64=as_base64)}
        for item, vector in zip(items, answer.vectors, strict=True)
    ]
    tokens = answer.tokens or TokenCounts(tokens_in=0)
    read = tokens.tokens_in or 0
    return {
        "object": "list",
        "data": data,
        "model": answer.model,
        "usage": tokens.as_sent or {"prompt_tokens": read, "total_tokens": read},
    } | sent(answer.extras, is_own=True)


def _write_vector(vector: tuple[float, ...], *, as_base64: bool) -> list[float] | str:
    if not as_base64:
        return list(vector)
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
