"""Taking in log records: events of model calls and scores are kept, ordinary lines refused."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from lineside.traces import queries
from lineside.traces.compression import unpack
from lineside.traces.conventions.log_events import events_of
from lineside.traces.conventions.received import RawLog
from lineside.traces.conventions.values import first_text
from lineside.traces.logs.reading import parsed_message, read_json, read_protobuf
from lineside.traces.otlp import Checked, Refusal, refused
from lineside.traces.receive import (
    JSON,
    PROTOBUF,
    Receipt,
    Route,
    Signal,
    check_items,
    receive_signal,
    use_case_of,
)
from lineside.traces.scores.record import EVENT, stated
from lineside.trust import Scope

FORM = "otlp_logs"
"""Form of an envelope that holds a body of log records as it was sent."""

_READERS = {PROTOBUF: read_protobuf, JSON: read_json}
_SESSIONS = ("session.id", "gen_ai.conversation.id")


def receive_logs(
    scope: Scope,
    body: bytes,
    *,
    media_type: str,
    encoding: str,
    bytes_max: int,
    use_cases: Collection[str],
) -> Receipt:
    """Keep what the log records of one OTLP message tell of model calls.

    Kept are `gen_ai.*` events that name their span, whether that has arrived or not, and scores.
    Every other record is refused and counted, because lineside is no place for logs at large.

    Raises:
        As `receive_otlp`.
    """
    return receive_signal(
        scope,
        body,
        Signal(FORM, queries.SPANS.name, "logs", "log records", _check, parsed_message),
        media_type=media_type,
        encoding=encoding,
        bytes_max=bytes_max,
        use_cases=use_cases,
    )


def logs_in(body: bytes, about: dict[str, Any]) -> Iterator[tuple[RawLog, str | None]]:
    """The records of a body that were taken, each with the use case that it itself is of.

    Args:
        about: What was put beside the body.
    """
    unpacked = unpack(body, about["encoding"], bytes_max=about["bytes_max"])
    route = Route.of(about)
    for log in _READERS[about["media_type"]](unpacked):
        if isinstance(log, Refusal) or _unwanted(log) is not None:
            continue  # the sender was told
        use_case = use_case_of(log, route)
        if route.allows(use_case):
            # A record that says no time is of the time it came.
            yield log if log.time_ns else replace(log, time_ns=about["received_ns"]), use_case


def score_in(log: RawLog) -> dict[str, Any] | None:
    """What a record states as fields of a score; nothing where it is none, or scores nothing."""
    if name_of(log) != EVENT or why_no_score(log) is not None:
        return None
    return (stated(_stating(log)) or {}) | {"session_id": first_text(log.attributes, *_SESSIONS)}


def why_no_score(log: RawLog) -> str | None:
    """What a score lacks to be one; nothing where it lacks nothing."""
    said = _stating(log)
    if first_text(said, "gen_ai.evaluation.name") is None:
        return "it is a score without a name"
    if stated(said) is None:
        return "it is a score without a finite value and without a label"
    of = (*_SESSIONS, "gen_ai.response.id")
    if log.trace_id is None and first_text(said, *of) is None:
        return "it is a score that names no trace, session or `gen_ai.response.id`"
    return None


def _stating(log: RawLog) -> dict[str, Any]:
    body = log.body if isinstance(log.body, dict) else {}
    return {**body, **log.attributes}


def name_of(log: RawLog) -> str:
    return log.event_name or first_text(log.attributes, "event.name") or ""


def _check(body: bytes, media_type: str, route: Route) -> Checked:
    return check_items(_READERS[media_type](body), route, _refusal)


def _refusal(log: RawLog, reason: str | None) -> Refusal | None:
    reason = _unwanted(log) or reason
    name = name_of(log) or log.severity or "log"
    return refused(reason, name, log.span_id or "") if reason else None


def _unwanted(log: RawLog) -> str | None:
    """Why a record is not kept; nothing where it is."""
    name = name_of(log)
    if name == EVENT:
        return why_no_score(log)
    if not name.startswith("gen_ai."):
        return "it is no event of a model's call: no `gen_ai.*` event name"
    return "it names no span that it tells of" if events_of(log) is None else None
