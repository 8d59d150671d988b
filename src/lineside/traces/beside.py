"""What comes beside spans and is kept beside them: events sent as log records, and scores."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from lineside.store import intake, text_index
from lineside.traces.arrivals import trace_key
from lineside.traces.conventions.log_events import events_of
from lineside.traces.conventions.received import RawLog, storable
from lineside.traces.conventions.values import first_text
from lineside.traces.logs.previews import told_by
from lineside.traces.logs.receiving import FORM as LOGS
from lineside.traces.logs.receiving import logs_in, score_in
from lineside.traces.mapping import moment_of
from lineside.traces.parts import words_name
from lineside.traces.receive import says_use_case
from lineside.traces.rollup import words_in
from lineside.traces.scores.record import TraceScore, score_row
from lineside.traces.scores.recording import FORM as SCORES

BESIDE = frozenset({LOGS, SCORES})
"""Forms of the envelopes that hold something else than spans."""

Row = dict[str, Any]


@dataclass
class Beside:
    """Rows of scores and of events, and the words in the events."""

    scores: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    texts: list[text_index.Indexed] = field(default_factory=list)


def read_beside(envelopes: list[intake.Envelope]) -> Beside:
    """What some envelopes hold; what arrives twice is told apart by whoever reads it."""
    found = Beside()
    for envelope in envelopes:
        if envelope.form == SCORES:
            found.scores.extend(orjson.loads(envelope.payload))
        else:
            _read_logs(envelope, found)
    return found


def _read_logs(envelope: intake.Envelope, found: Beside) -> None:
    by_part: dict[str, list[Row]] = {}
    for log, use_case in logs_in(envelope.payload, envelope.about):
        fields = score_in(log)
        if fields is not None:
            # A service may serve several use cases: of which one its trace is, the trace knows
            # best, unless the sender's key says it.
            is_said = envelope.about["limit"] is not None or says_use_case(log)
            use_case = use_case if is_said or log.trace_id is None else None
            found.scores.append(score_row(envelope.workspace, _score(log, use_case, fields)))
        elif (row := _event_row(envelope, log, use_case)) is not None:
            found.events.append(row)
            by_part.setdefault(words_name(row["trace_id"], use_case), []).append(row)
    for name, rows in by_part.items():
        moment = datetime.fromisoformat(min(row["happened_at"] for row in rows))
        words = words_in(row["event"] for row in rows)
        found.texts.append(text_index.Indexed(envelope.workspace, name, moment, words))


def _event_row(envelope: intake.Envelope, log: RawLog, use_case: str | None) -> Row | None:
    event = events_of(log)
    if event is None:
        return None
    moment = moment_of(log.time_ns).replace(tzinfo=None)
    event = storable(event)
    return {
        "workspace": envelope.workspace,
        "use_case": use_case,
        "is_limited": envelope.about["limit"] is not None,
        "service": first_text(log.resource, "service.name"),
        "trace_id": log.trace_id,
        "trace_key": trace_key(log.trace_id or ""),
        "span_id": log.span_id,
        "happened_at": moment.isoformat(timespec="microseconds"),
        "name": event["name"],
        "event": orjson.dumps(event).decode(),
        **told_by(event),
    }


def _score(log: RawLog, use_case: str | None, fields: Row) -> TraceScore:
    return TraceScore(
        **fields,
        trace_id=log.trace_id,
        span_id=log.span_id if log.trace_id else None,
        use_case=use_case,
        release=first_text({**log.resource, **log.attributes}, "lineside.release"),
        by=first_text(log.resource, "service.name"),
        at=moment_of(log.time_ns),
    )
