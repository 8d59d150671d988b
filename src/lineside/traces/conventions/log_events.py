"""Log records that tell what a model was asked and answered, as events of the span they name.

Some instrumentations write a call's messages not on its span but as log records beside it, which
arrive on their own and at their own time.
"""

from typing import Any

from lineside.traces.conventions.gen_ai import DETAILS_EVENT
from lineside.traces.conventions.received import RawLog, RawSpan
from lineside.traces.conventions.values import first_text

_FAMILY = "gen_ai."
_SCORES = "gen_ai.evaluation."


def events_of(record: RawLog) -> dict[str, Any] | None:
    """What the record says of its span, as an event of `RawSpan.events`.

    Nothing for a record that names no span, for one that is no event of a model's call, and for a
    score, which is not part of what happened.
    """
    name = record.event_name or first_text(record.attributes, "event.name") or ""
    if not record.trace_id or not record.span_id:
        return None
    if not name.startswith(_FAMILY) or name.startswith(_SCORES):
        return None
    attributes = {key: value for key, value in record.attributes.items() if key != "event.name"}
    if name == DETAILS_EVENT and isinstance(record.body, dict):
        # Earlier versions wrote into the body what now stands in attributes.
        attributes = {**record.body, **attributes}
    elif record.body is not None:
        attributes["body"] = record.body
    return {"name": name, "time_ns": record.time_ns, "attributes": attributes}


def joined(span: RawSpan, events: list[dict[str, Any]]) -> RawSpan:
    """The span with events that came beside it, in the order in which they happened.

    One that it already has is not repeated, so that a record may arrive twice.
    """
    new: list[dict[str, Any]] = []
    for event in events:
        if event not in span.events and event not in new:
            new.append(event)
    if not new:
        return span

    def happened(event: dict[str, Any]) -> int:
        when = event.get("time_ns")
        return when if isinstance(when, int) else 0

    return span._replace(events=sorted([*span.events, *new], key=happened))
