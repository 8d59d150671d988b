"""A span as it came over the wire, and what a family of names can read from it."""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Reading = dict[str, Any]
"""Fields of `Span` as one family states them; what it does not state is absent.

Besides those: `kind_guess` (kind where nobody states one), `value_in` and `value_out` (what went
in and came out of a step that is no conversation), `arguments` and `result` (of a tool),
`documents`, `instructions` (system messages that stand apart), `tokens_total`, `uncached_only`
(true when `tokens_in` leaves out cached ones), `failed` (true when the family says so), and
`completion_start` (when the first piece came).
"""

DEPTH_MAX = 64
_INTEGER_MAX = 2**63
# What was received is never changed, so all may share these.
_NO_NAMES: dict[str, Any] = {}
_NO_ITEMS: list[dict[str, Any]] = []


class RawSpan(NamedTuple):
    """One span as received, whatever names its sender uses.

    Attributes:
        span_kind: OpenTelemetry's: `internal`, `client`, `server`, …
        start_ns: Nanoseconds since 1970, as the sender's clock had it.
        status_code: `UNSET`, `OK` or `ERROR`, in any case of letters.
        events: Each with `name`, `time_ns` and `attributes`.
        scope: `name` and `version` of the library that recorded the span.
    """

    # A tuple, because thousands a second are made and it takes a third of what a dataclass does.

    trace_id: str
    span_id: str
    name: str
    start_ns: int
    end_ns: int
    parent_span_id: str | None = None
    span_kind: str = ""
    status_code: str = "UNSET"
    status_message: str = ""
    attributes: dict[str, Any] = _NO_NAMES
    events: list[dict[str, Any]] = _NO_ITEMS
    links: list[dict[str, Any]] = _NO_ITEMS
    resource: dict[str, Any] = _NO_NAMES
    scope: dict[str, Any] = _NO_NAMES
    schema_url: str = ""


@dataclass(frozen=True, slots=True)
class RawLog:
    """One log record as received.

    Attributes:
        span_id: Of the step in which it was written, with its `trace_id`; nothing outside of one.
        time_ns: Nanoseconds since 1970: when it happened, or else when it was seen.
        event_name: What kind of event it is; empty for an ordinary line of a log.
        severity: In the sender's word, such as `INFO`.
        scope: `name` and `version` of the library that wrote it.
    """

    time_ns: int
    trace_id: str | None = None
    span_id: str | None = None
    event_name: str = ""
    severity: str = ""
    body: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)
    scope: dict[str, Any] = field(default_factory=dict)
    schema_url: str = ""


def storable(value: Any, depth: int = 0) -> Any:
    """The same value, where it can be written as JSON in UTF-8; the nearest that can otherwise."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return value if value.isascii() else _in_utf8(value)
    if isinstance(value, int):
        return value if -_INTEGER_MAX <= value < _INTEGER_MAX else _far(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth >= DEPTH_MAX:
        return "(nested too deeply)"
    if isinstance(value, dict):
        return {
            key if type(key) is str and key.isascii() else _in_utf8(str(key)): (
                item if type(item) is str and item.isascii() else storable(item, depth + 1)
            )
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [storable(item, depth + 1) for item in value]
    return _in_utf8(str(value))


def _in_utf8(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode()
    return value


def _far(value: int) -> str:
    # Python refuses to write out integers of thousands of digits; nobody counts that far.
    return hex(value) if value.bit_length() > 1024 else str(value)
