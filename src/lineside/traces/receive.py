"""Taking in the traces of other programs: what is kept, for which use case, and what is not."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, TypeVar

from lineside.core import Invalid
from lineside.store import intake
from lineside.traces import privacy, queries
from lineside.traces.compression import unpack
from lineside.traces.conventions.received import RawSpan
from lineside.traces.mapping import fields_of
from lineside.traces.otlp import Checked, Refusal, check_protobuf, parsed_protobuf, read_protobuf
from lineside.traces.otlp_json import read_json
from lineside.traces.refusals import keep_refusals
from lineside.trust import Scope

USE_CASE_ATTRIBUTE = "lineside.usecase"
"""Attribute of a span or its resource that names the use case it belongs to."""

PROTOBUF, JSON = "application/x-protobuf", "application/json"
MEDIA_TYPES = {PROTOBUF: PROTOBUF, "application/protobuf": PROTOBUF, JSON: JSON}
"""Media types that are read, and the one each is answered in."""

OTLP = "otlp"
"""Form of an envelope that holds a body as it was sent."""

_READERS = {PROTOBUF: read_protobuf, JSON: read_json}
_REASONS_MAX = 10
_NAMED_CHARACTERS_MAX = 200


class Route(NamedTuple):
    """What says to which use case a span belongs, kept beside a body until it is read.

    Attributes:
        limit: The only use cases its key may write to; nothing where there is no limit.
        names: Use cases of the workspace that the body may mean.
    """

    limit: tuple[str, ...] | None
    names: tuple[str, ...]

    @classmethod
    def of(cls, about: dict[str, Any]) -> "Route":
        """The route out of what was put beside a body."""
        limit = None if about["limit"] is None else tuple(about["limit"])
        return cls(limit, tuple(about["names"]))

    def allows(self, use_case: str | None) -> bool:
        """Whether the key may write to the use case."""
        return self.limit is None or use_case in self.limit


class Routed(Protocol):
    """Anything received that may say to which use case it belongs."""

    @property
    def attributes(self) -> dict[str, Any]: ...

    @property
    def resource(self) -> dict[str, Any]: ...


Item = TypeVar("Item", bound=Routed)


class Signal(NamedTuple):
    """One of OTLP's kinds of messages.

    Attributes:
        form: Of the envelopes that hold its bodies, under the intake of this name.
        door: Last word of the addresses that take it.
        noun: What one message holds many of.
        check: Which of them will be kept, from an unpacked body and its kind.
        parsed: Reads a body in protobuf into the message it is.
    """

    form: str
    intake: str
    door: str
    noun: str
    check: Callable[[bytes, str, Route], Checked]
    parsed: Callable[[bytes], Any]


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
    return receive_signal(
        scope,
        body,
        Signal(OTLP, queries.SPANS.name, "traces", "spans", _checked, parsed_protobuf),
        media_type=media_type,
        encoding=encoding,
        bytes_max=bytes_max,
        use_cases=use_cases,
    )


def receive_signal(
    scope: Scope,
    body: bytes,
    signal: Signal,
    *,
    media_type: str,
    encoding: str,
    bytes_max: int,
    use_cases: Collection[str],
) -> Receipt:
    """Keep what one OTLP message of any kind holds; see `receive_otlp`."""
    scope.require("ingest", use_case=min(scope.use_cases) if scope.use_cases else None)
    if media_type not in MEDIA_TYPES:
        raise Invalid(
            "unknown_media_type",
            f"Content-Type is `{media_type[:80]}`",
            hint=f"Send `{PROTOBUF}` or `{JSON}`.",
        )
    kind = MEDIA_TYPES[media_type]
    unpacked = unpack(body, encoding, bytes_max=bytes_max)
    masker = privacy.masker_of(scope.store, scope.workspace)
    unmasked: Sequence[Refusal] = ()
    if masker is not None:
        unpacked, unmasked = privacy.masked_body(
            masker, unpacked, parsed=signal.parsed if kind == PROTOBUF else None
        )
        body, encoding, bytes_max = unpacked, "", max(bytes_max, len(unpacked))
    limit = None if scope.use_cases is None else tuple(sorted(scope.use_cases))
    checked = signal.check(unpacked, kind, Route(limit, tuple(use_cases)))
    names = tuple(sorted(checked.names.intersection(use_cases)))
    about = {
        "media_type": kind,
        "encoding": encoding,
        "bytes_max": bytes_max,
        "limit": limit,
        "names": names,
        "received_ns": time.time_ns(),
    }
    if checked.kept:
        envelope = intake.Envelope(
            scope.workspace,
            signal.intake,
            checked.kept,
            body,
            form=signal.form,
            about=about,
        )
        durable = scope.store.inbox.put_soon(envelope)
    else:
        durable = Future()
        durable.set_result(None)
    refusals = [*unmasked, *checked.refusals]
    if refusals:
        counted = keep_refusals(
            scope, refusals, door=signal.door, unit=signal.noun, named=tuple(use_cases)
        )
        durable = _both(durable, counted)
    total = checked.kept + len(refusals)
    why = _in_words(refusals, total, signal.noun) if refusals else ""
    return Receipt(checked.kept, len(refusals), why, durable)


def _both(one: "Future[None]", other: "Future[None]") -> "Future[None]":
    both: Future[None] = Future()

    def end(_: "Future[None]") -> None:
        error = one.exception() or other.exception()
        if not both.set_running_or_notify_cancel():
            return  # the sender has gone
        if error is None:
            both.set_result(None)
        else:
            both.set_exception(error)

    one.add_done_callback(lambda _: other.add_done_callback(end))
    return both


def spans_in(body: bytes, about: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Fields of every span of a body that was received, each with the use case it belongs to.

    Args:
        about: What `receive_otlp` has put beside the body.
    """
    unpacked = unpack(body, about["encoding"], bytes_max=about["bytes_max"])
    route = Route.of(about)
    is_protobuf = about["media_type"] == PROTOBUF
    for raw in _READERS[about["media_type"]](unpacked):
        if isinstance(raw, Refusal):
            continue  # the sender was told
        if route.allows(use_case_of(raw, route)):  # else the same
            yield row_fields(raw, route, is_storable=is_protobuf)


def row_fields(raw: RawSpan, route: Route, *, is_storable: bool = False) -> dict[str, Any]:
    """Fields of one span as the lake keeps it, with the use case it belongs to, or names."""
    use_case = use_case_of(raw, route)
    named = _named(raw) if use_case is None else None
    fields = _mapped(raw, is_storable)
    fields["use_case"] = use_case
    fields["named"] = named and str(named)[:_NAMED_CHARACTERS_MAX]
    return fields


def _mapped(raw: RawSpan, is_storable: bool) -> dict[str, Any]:
    """The span's fields; what no mapping can make sense of is kept as it came."""
    try:
        return fields_of(raw, is_storable=is_storable)
    except Exception as error:  # noqa: BLE001 # it was accepted, so it is kept
        plain = fields_of(
            RawSpan(
                raw.trace_id, raw.span_id, raw.name, raw.start_ns, raw.end_ns, raw.parent_span_id
            )
        )
        plain["attributes"] = {"unmapped": type(error).__name__}
        return plain | {"raw": {"attributes": {"unread": repr(raw.attributes)[:20_000]}}}


def _checked(body: bytes, media_type: str, route: Route) -> Checked:
    """How many spans of a body will be kept, which will not and why, and what they name."""
    is_named = USE_CASE_ATTRIBUTE.encode() in body
    if media_type == PROTOBUF and not is_named and (route.limit is None or len(route.limit) == 1):
        return check_protobuf(body)
    return check_items(_READERS[media_type](body), route, _refusal)


def _refusal(raw: RawSpan, reason: str | None) -> Refusal | None:
    return None if reason is None else Refusal(reason, f"`{raw.name[:80]}` ({raw.span_id})")


def check_items(
    found: Iterable[Item | Refusal],
    route: Route,
    refusal: Callable[[Item, str | None], Refusal | None],
) -> Checked:
    """How many of these will be kept, which will not and why, and what they name.

    Args:
        refusal: Refuses one for the reason it is given, or for one of its own, or not at all.
    """
    checked = Checked()
    for item in found:
        if isinstance(item, Refusal):
            checked.refusals.append(item)
            continue
        use_case = use_case_of(item, route)
        reason = None
        if not route.allows(use_case):
            said = f"use case `{use_case[:80]}`" if use_case else "no use case is named"
            reason = f"{said}: the key is limited to {', '.join(route.limit or ())}"
        refused = refusal(item, reason)
        if refused is not None:
            checked.refusals.append(refused._replace(use_case=use_case))
            continue
        checked.kept += 1
        if use_case is not None:
            checked.names.add(use_case)
    return checked


def use_case_of(raw: Routed, route: Route) -> str | None:
    """The use case that something received belongs to; nothing where no one claims it."""
    named = _named(raw)
    if route.limit is not None:
        if named:
            return str(named)
        if len(route.limit) == 1:
            return route.limit[0]
    for name in (named, raw.resource.get("service.name")):
        if name and name in route.names:
            return str(name)
    return None


def says_use_case(raw: Routed) -> bool:
    """Whether it names a use case itself, and is not only of a service called like one."""
    return bool(_named(raw))


def _named(raw: Routed) -> Any:
    return raw.attributes.get(USE_CASE_ATTRIBUTE) or raw.resource.get(USE_CASE_ATTRIBUTE)


def _in_words(refusals: list[Refusal], total: int, noun: str) -> str:
    """Every reason with how often it was met and one of them to look at."""
    counts = Counter(refusal.reason for refusal in refusals)
    example = {refusal.reason: refusal.span for refusal in reversed(refusals)}
    told = counts.most_common(_REASONS_MAX)
    said = [f"{count:,} because {reason}, such as {example[reason]}" for reason, count in told]
    if rest := len(refusals) - sum(count for _, count in told):
        said.append(f"{rest:,} for other reasons")
    return f"{len(refusals):,} of {total:,} {noun} were refused: {'; '.join(said)}"
