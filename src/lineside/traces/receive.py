"""Taking in the traces of other programs: what is kept, for which use case, and what is not."""

from collections import Counter
from collections.abc import Collection
from concurrent.futures import Future
from typing import NamedTuple

from lineside.core import Invalid
from lineside.traces.compression import unpack
from lineside.traces.conventions.received import RawSpan
from lineside.traces.mapping import map_span
from lineside.traces.otlp import Refusal, read_protobuf
from lineside.traces.otlp_json import read_json
from lineside.traces.record import record_spans
from lineside.traces.span import Span
from lineside.trust import Scope

USE_CASE_ATTRIBUTE = "lineside.usecase"
"""Attribute of a span or its resource that names the use case it belongs to."""

PROTOBUF, JSON = "application/x-protobuf", "application/json"
MEDIA_TYPES = {PROTOBUF: PROTOBUF, "application/protobuf": PROTOBUF, JSON: JSON}
"""Media types that are read, and the one each is answered in."""

_READERS = {PROTOBUF: read_protobuf, JSON: read_json}
_REASONS_MAX = 10


class Receipt(NamedTuple):
    """What became of the spans of one message.

    Attributes:
        kept: Spans that were taken.
        refused: Spans that were not; `why` counts and names them, for the sender to read.
        durable: Done once a killed process can no longer lose what was taken.
    """

    kept: int
    refused: int
    why: str
    durable: "Future[None]"


def receive_otlp(
    scope: Scope,
    body: bytes,
    *,
    media_type: str,
    encoding: str,
    bytes_max: int,
    use_cases: Collection[str],
) -> Receipt:
    """Keep the spans of one OTLP message; one bad span does not keep its neighbours out.

    A span sent twice is kept twice and read once, so that a sender may repeat what it is not sure
    of. Which use case a span belongs to: the one its key is limited to, else the one it names, else
    the one called like its service; a span of none of them is kept as unclaimed.

    Args:
        media_type: A key of `MEDIA_TYPES`.
        encoding: How the body is compressed, as in the header Content-Encoding.
        bytes_max: Limit of the body, unpacked.
        use_cases: Names of the workspace's use cases.

    Raises:
        Denied: The actor lacks the right `ingest`.
        Invalid: The body as a whole cannot be read.
        Unavailable: The body is too large, or too much waits for the lake already.
    """
    scope.require("ingest", use_case=min(scope.use_cases) if scope.use_cases else None)
    if media_type not in MEDIA_TYPES:
        raise Invalid(
            "unknown_media_type",
            f"Content-Type is `{media_type[:80]}`",
            hint=f"Send `{PROTOBUF}` or `{JSON}`.",
        )
    read = _READERS[MEDIA_TYPES[media_type]]
    spans: list[Span] = []
    refusals: list[Refusal] = []
    for raw in read(unpack(body, encoding, bytes_max=bytes_max)):
        taken = raw if isinstance(raw, Refusal) else _take(scope, raw, use_cases)
        if isinstance(taken, Refusal):
            refusals.append(taken)
        else:
            spans.append(taken)
    if spans:
        durable = record_spans(scope, spans)
    else:
        durable = Future()
        durable.set_result(None)
    why = _in_words(refusals, len(spans) + len(refusals)) if refusals else ""
    return Receipt(len(spans), len(refusals), why, durable)


def _take(scope: Scope, raw: RawSpan, use_cases: Collection[str]) -> Span | Refusal:
    label = f"`{raw.name[:80]}` ({raw.span_id})"
    use_case = _use_case(scope, raw, use_cases)
    if scope.use_cases is not None and use_case not in scope.use_cases:
        said = f"use case `{use_case[:80]}`" if use_case else "no use case is named"
        return Refusal(f"{said}: the key is limited to {', '.join(sorted(scope.use_cases))}", label)
    try:
        span = map_span(raw)
    except Exception as error:  # noqa: BLE001 # one span must not cost its sender all the others
        return Refusal(f"it could not be read ({type(error).__name__})", label)
    return span.model_copy(update={"use_case": use_case})


def _use_case(scope: Scope, raw: RawSpan, use_cases: Collection[str]) -> str | None:
    named = raw.attributes.get(USE_CASE_ATTRIBUTE) or raw.resource.get(USE_CASE_ATTRIBUTE)
    limit = scope.use_cases
    if limit is not None:
        if named:
            return str(named)
        if len(limit) == 1:
            return next(iter(limit))
    service = raw.resource.get("service.name")
    return next((str(name) for name in (named, service) if name and name in use_cases), None)


def _in_words(refusals: list[Refusal], total: int) -> str:
    """Every reason with how often it was met and one span to look at."""
    counts = Counter(refusal.reason for refusal in refusals)
    example = {refusal.reason: refusal.span for refusal in reversed(refusals)}
    told = counts.most_common(_REASONS_MAX)
    said = [f"{count:,} because {reason}, such as {example[reason]}" for reason, count in told]
    if rest := len(refusals) - sum(count for _, count in told):
        said.append(f"{rest:,} for other reasons")
    return f"{len(refusals):,} of {total:,} spans were refused: {'; '.join(said)}"
