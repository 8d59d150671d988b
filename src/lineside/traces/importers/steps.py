"""What every reader needs of a step: ids as OpenTelemetry has them, times in nanoseconds."""

import math
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

from lineside.traces.conventions.received import RawSpan
from lineside.traces.otlp import NotASpan

TRACE_DIGITS, SPAN_DIGITS = 32, 16
SOURCE_ATTRIBUTE = "lineside.source"
"""Names the format a step came from; below it, `.trace_id` and `.span_id` keep other ids."""

_NOTHING = (None, "", "None", "null")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# From the year 2001 on, seconds have ten digits, milliseconds thirteen, and so on.
_UNITS = ((10**17, 1), (10**14, 10**3), (10**11, 10**6), (0, 10**9))
_SHORT_OFFSET = re.compile(r"[+-]\d\d$")


def imported(
    source: str,
    *,
    trace_id: Any,
    span_id: Any,
    name: Any,
    start: Any,
    end: Any,
    attributes: dict[str, Any],
    parent_id: Any = None,
    status: str = "UNSET",
    status_message: Any = None,
    events: list[dict[str, Any]] | None = None,
    resource: dict[str, Any] | None = None,
) -> RawSpan:
    """A step of an export as the span that could have been received for it.

    Ids of another kind become hexadecimal ones by a digest, so that the same file gives the same
    ids; the original is kept. A step without an end stays without one.

    Raises:
        NotASpan: It has no trace id, no id of its own or no start.
    """
    for value, field in ((trace_id, "trace id"), (span_id, "id")):
        if value in _NOTHING:
            raise NotASpan(f"it has no {field}")
    start_ns = moment_ns(start)
    if start_ns is None:
        raise NotASpan("it has no start time that can be read")
    ids = {"trace_id": hex_id(trace_id, TRACE_DIGITS), "span_id": hex_id(span_id, SPAN_DIGITS)}
    originals = {
        f"{SOURCE_ATTRIBUTE}.{field}": str(value)
        for field, value in (("trace_id", trace_id), ("span_id", span_id))
        if ids[field] != str(value)
    }
    said = {key: value for key, value in attributes.items() if value is not None}
    return RawSpan(
        trace_id=ids["trace_id"],
        span_id=ids["span_id"],
        parent_span_id=None if parent_id in _NOTHING else hex_id(parent_id, SPAN_DIGITS),
        name=str(name) if name not in _NOTHING else "step",
        start_ns=start_ns,
        end_ns=moment_ns(end) or 0,
        status_code=status,
        status_message="" if status_message in _NOTHING else str(status_message),
        attributes=said | {SOURCE_ATTRIBUTE: source} | originals,
        events=events or [],
        resource=resource or {},
    )


def hex_id(value: Any, digits: int) -> str:
    """The id itself where it is one of OpenTelemetry's, or a UUID as long; else a digest of it."""
    plain = str(value).strip().lower().replace("-", "")
    if (
        len(plain) == digits
        and plain.strip("0")
        and all(sign in "0123456789abcdef" for sign in plain)
    ):
        return plain
    return sha256(str(value).encode("utf-8", "replace")).hexdigest()[:digits]


def moment_ns(value: Any) -> int | None:
    """Nanoseconds since 1970 of a time as text, or as a number of seconds or any part of one."""
    if isinstance(value, str):
        text = value.strip()
        try:
            value = float(text) if "." in text else int(text)
        except ValueError:
            return _of_text(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or value < 0:
        return None
    factor = next(factor for least, factor in _UNITS if value >= least)
    return int(value) * factor + (round(value % 1 * factor) if isinstance(value, float) else 0)


def _of_text(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(
            _SHORT_OFFSET.sub(r"\g<0>:00", text) if ":" in text else text
        )
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    passed = moment - _EPOCH
    return ((passed.days * 86_400 + passed.seconds) * 10**6 + passed.microseconds) * 1000


def json_of(value: Any) -> Any:
    """What a text holds where it is JSON of any kind; else the value itself."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def without_nothing(value: Any) -> Any:
    """The same without members that say nothing, which tables have for every row."""
    if isinstance(value, dict):
        cleaned = {key: without_nothing(item) for key, item in value.items()}
        return {key: item for key, item in cleaned.items() if item is not None}
    if isinstance(value, list):
        return [without_nothing(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def flattened(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Names joined by dots, as attributes are; lists stay whole."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            found |= flattened(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def listed(value: Any) -> list[Any]:
    """A list, also where it was written as JSON; an empty one otherwise."""
    value = json_of(value)
    return value if isinstance(value, list) else []


def events_of(value: Any) -> list[dict[str, Any]]:
    """Events of a span, whatever their time is called."""
    found = []
    for event in listed(value):
        if not isinstance(event, dict):
            continue
        rest = dict(event)
        name = rest.pop("name", "")
        times = [rest.pop(key, None) for key in ("time_unix_nano", "timestamp", "time")]
        attributes = json_of(rest.pop("attributes", None))
        when = next((time for time in times if time is not None), None)
        found.append(
            {
                "name": name,
                "time_ns": moment_ns(when) or 0,
                "attributes": (attributes if isinstance(attributes, dict) else {}) | rest,
            }
        )
    return found
