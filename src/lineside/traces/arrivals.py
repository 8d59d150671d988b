"""Which spans arrived before: senders repeat what they are not sure of, and it must not count."""

from collections.abc import Collection, Container, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from lineside.store import intake
from lineside.traces import queries

_STRETCHES_MAX = 32
_LEVELS_MAX = 100
_DAY = timedelta(days=1)
_FIRST_DAY, _LAST_DAY = date(1, 1, 2), date(9999, 12, 30)


SpanKey = tuple[str, str, str | None, str]
"""Workspace, trace id, use case and span id: ids are no secret, and anybody may repeat them."""


class Arrived(NamedTuple):
    """What of a batch is in the lake already.

    Attributes:
        parts: Workspace, trace id and use case of parts of traces that some step was kept of.
        spans: Keys of steps that were kept.
        moments: Between which the steps of those traces began.
    """

    parts: set[tuple[str, str, str | None]]
    spans: set[SpanKey]
    moments: list[datetime]

    def has(self, key: SpanKey, *, beside: Container[SpanKey]) -> bool:
        """Whether a step was kept before: also as one of no use case, where it has one by now.

        Nobody who is limited to some use cases can send a step of none.

        Args:
            beside: Keys of what comes together with it.
        """
        unclaimed = (*key[:2], None, key[3])
        return key in self.spans or (
            key != unclaimed and (unclaimed in self.spans or unclaimed in beside)
        )


def arrived(rows: Collection[dict[str, Any]], ask: intake.Ask) -> Arrived:
    """What the lake has of these rows' traces and of the rows themselves.

    The lake is asked for the days the spans began and the days beside them: a span that comes again
    begins when it began. First which of the traces it knows, which for most is none.
    """
    found = Arrived(set(), set(), [])
    for start, end, of_days in _stretches(rows):
        keys = sorted({trace_key(row["trace_id"]) for row in of_days})
        known = ask(queries.KNOWN_TRACES, [start, end, keys])
        if not known:
            continue
        found.parts.update((row["workspace"], row["trace_id"], row["use_case"]) for row in known)
        trace_ids = sorted({row["trace_id"] for row in known})
        first, last = min(row["first_at"] for row in known), max(row["last_at"] for row in known)
        found.moments.extend((first, last))
        span_ids = sorted({row["span_id"] for row in of_days})
        for row in ask(queries.KNOWN_SPANS, [first, last, trace_ids, span_ids]):
            found.spans.add(span_key(row))
    return found


def span_key(row: dict[str, Any]) -> SpanKey:
    """By what one step is told from another."""
    return row["workspace"], row["trace_id"], row["use_case"], row["span_id"]


def steps_above(
    rows: Sequence[dict[str, Any]], before: Arrived, ask: intake.Ask
) -> list[dict[str, Any]]:
    """Steps in the lake above some, of traces in which a use case has a part there.

    Up to the first that names a use case, and at most 100 of them one above the other.
    """
    claimed = {part[:2] for part in before.parts if part[2] is not None}
    lost = [row for row in rows if (row["workspace"], row["trace_id"]) in claimed]
    found: list[dict[str, Any]] = []
    asked_for: set[tuple[str, str, str]] = set()
    for _ in range(_LEVELS_MAX):
        wanted = {
            (row["workspace"], row["trace_id"], row["parent_span_id"])
            for row in lost
            if row["use_case"] is None and row["parent_span_id"] is not None
        } - asked_for
        if not wanted:
            break
        asked_for |= wanted
        trace_ids = sorted({trace_id for _, trace_id, _ in wanted})
        span_ids = sorted({span_id for *_, span_id in wanted})
        bounds = [min(before.moments), max(before.moments)]
        above = ask(queries.KNOWN_SPANS, [*bounds, trace_ids, span_ids])
        lost = [row for row in above if (*span_key(row)[:2], row["span_id"]) in wanted]
        found += lost
    return found


def trace_key(trace_id: str) -> int:
    """A number of 60 bits out of a trace id, by which a trace is found quicker than by its id.

    Ids of 64 bits, as Zipkin and others have them, come with zeros before: those say nothing.
    """
    try:
        return int(trace_id[:15], 16) or int(trace_id[-15:], 16)
    except ValueError:
        return -1


def _stretches(
    rows: Collection[dict[str, Any]],
) -> Iterator[tuple[date, date, list[dict[str, Any]]]]:
    """The rows by stretches of days, each with a day before and after it."""
    by_day: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_day.setdefault(row["started_at"][:10], []).append(row)
    stretches: list[tuple[date, date, list[dict[str, Any]]]] = []
    for day in sorted(by_day):
        start = date.fromisoformat(day)
        if stretches and (start - stretches[-1][1] <= 2 * _DAY or len(stretches) == _STRETCHES_MAX):
            first, _, before = stretches.pop()
            stretches.append((first, start, before + by_day[day]))
        else:
            stretches.append((start, start, by_day[day]))
    for first, last, of_days in stretches:
        yield max(first, _FIRST_DAY) - _DAY, min(last, _LAST_DAY) + 2 * _DAY, of_days
