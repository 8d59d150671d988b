"""What people, judges and programs said of exported traces: scores and tags, as lineside has them.

An exporter cannot send anything again, so what is longer than a score may be is cut; what says
nothing at all is refused by name.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from lineside.traces.conventions.received import RawSpan, storable
from lineside.traces.conventions.values import as_dict
from lineside.traces.feedback import Feedback
from lineside.traces.importers.steps import (
    SPAN_DIGITS,
    TRACE_DIGITS,
    hex_id,
    json_of,
    moment_ns,
)
from lineside.traces.mapping import moment_of
from lineside.traces.marks import TraceMark
from lineside.traces.otlp import Refusal
from lineside.traces.scores.record import (
    EXPLANATION_CHARACTERS_MAX,
    METADATA_BYTES_MAX,
    NAME_CHARACTERS_MAX,
    ScoreSource,
    TraceScore,
)
from lineside.traces.span import Span


class Tagged(NamedTuple):
    """A tag that a trace had where it was exported."""

    trace_id: str
    tag: str


Said = TraceScore | Tagged | TraceMark | Feedback
Found = Iterator[RawSpan | Span | Refusal | Said]
"""What a file holds: steps, what was said of them, and what cannot be taken."""

_WORTH = {"true": 1.0, "yes": 1.0, "pass": 1.0, "false": 0.0, "no": 0.0, "fail": 0.0}


def score_said(
    *,
    name: Any,
    value: Any = None,
    label: Any = None,
    why: Any = None,
    source: ScoreSource,
    by: Any,
    at: Any,
    trace_id: Any = None,
    span_id: Any = None,
    session_id: Any = None,
    identifier: Any = None,
    metadata: Any = None,
) -> TraceScore | Refusal:
    """A score of an export, or why it is none.

    A `span_id` alone says which step is meant; its trace is looked up when the score is kept.

    Args:
        value: A number, or words: `yes` and `no`, `true` and `false`, `pass` and `fail` are 1 and
            0; other words are the label.
        at: When it was given, in any form that `moment_ns` reads.
        identifier: Given, though empty, it may be replaced by a later one; see `TraceScore`.
        metadata: What else was said of it; longer than a score's may be, it is left out.
    """
    called = f"score `{_text(name, 80) or ''}`"
    number, word = worth(value)
    label = _text(label, NAME_CHARACTERS_MAX) or _text(word, NAME_CHARACTERS_MAX)
    moment = moment_ns(at)
    why = _text(why, EXPLANATION_CHARACTERS_MAX)
    if not _text(name, NAME_CHARACTERS_MAX):
        return Refusal("the score has no name", called)
    if not (trace_id or span_id or session_id):
        return Refusal("the score is of no trace, step or session", called)
    if number is None and label is None:
        return Refusal("the score has no number and no label", called)
    if moment is None:
        return Refusal("the score has no time that can be read", called)
    return TraceScore(
        name=_text(name, NAME_CHARACTERS_MAX) or "",
        value=number,
        label=label,
        explanation=why,
        source=source,
        by=_text(by, NAME_CHARACTERS_MAX),
        trace_id=hex_id(trace_id, TRACE_DIGITS) if trace_id else None,
        span_id=hex_id(span_id, SPAN_DIGITS) if span_id else None,
        session_id=_text(session_id, EXPLANATION_CHARACTERS_MAX) if session_id else None,
        identifier=None if identifier is None else _text(identifier, NAME_CHARACTERS_MAX) or "",
        metadata=_short(metadata),
        at=moment_of(moment),
    )


def worth(value: Any) -> tuple[float | None, str | None]:
    """What was given as a number, as a word, or as both."""
    if isinstance(value, bool):
        return float(value), str(value).lower()
    if isinstance(value, int | float):
        return (float(value), None) if _is_finite(value) else (None, None)
    if isinstance(value, str):
        return _WORTH.get(value.strip().lower()), value.strip() or None
    if value in (None, [], {}):
        return None, None
    return None, orjson.dumps(storable(value)).decode()


def tags_said(trace_id: Any, tags: Any) -> Iterator[Tagged]:
    """The tags of a trace, each a text of its own."""
    for tag in tags if isinstance(tags, list) and trace_id else ():
        if isinstance(tag, str) and tag.strip():
            yield Tagged(hex_id(trace_id, TRACE_DIGITS), tag)


def _short(metadata: Any) -> dict[str, Any] | None:
    found = storable(as_dict(json_of(metadata)))
    return found if 2 < len(orjson.dumps(found)) <= METADATA_BYTES_MAX else None


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _text(value: Any, characters: int) -> str | None:
    text = str(storable(value)).strip() if value is not None else ""
    return text[:characters].strip() or None
