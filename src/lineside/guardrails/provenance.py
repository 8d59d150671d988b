"""Says that an answer was made by a machine: to people in words, to programs in a form."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import orjson

from lineside.core import Record
from lineside.guardrails.guard import Caught, Passage

NOTE = "Written with AI."
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


class Provenance(Record):
    """Where an answer comes from, for programs.

    Attributes:
        source_type: IPTC's word for what a trained model made, which C2PA uses as well.
        model: Name of the model that answered.
        release: Id of the release that served.
        trace_id: By which the operator finds the call again.
        content_sha256: Of the answer as canonical JSON, or as its text, in UTF-8.
    """

    is_ai_generated: bool = True
    source_type: str = _SOURCE_TYPE
    model: str | None = None
    release: str | None = None
    trace_id: str | None = None
    content_sha256: str


def provenance_of(
    content: Any,
    *,
    model: str | None = None,
    release: str | None = None,
    trace_id: str | None = None,
) -> Provenance:
    """The mark of one answer, text or JSON; it changes with the content."""
    as_bytes = (
        content.encode(errors="surrogatepass")
        if isinstance(content, str)
        else orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    )
    digest = sha256(as_bytes).hexdigest()
    return Provenance(model=model, release=release, trace_id=trace_id, content_sha256=digest)


def provenance(*, note: str = NOTE) -> Callable[[Passage], Caught | None]:
    """Adds a visible note at the end of a text, once; a typed answer has its mark beside it."""

    def check(passage: Passage) -> Caught | None:
        if passage.value is not None:
            return None
        text = passage.text.rstrip()
        if text.endswith(note):
            return None
        return Caught("it was marked as written by AI", replacement=f"{text}\n\n{note}")

    return check
