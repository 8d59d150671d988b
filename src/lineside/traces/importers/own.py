"""What `lineside traces export` writes: a step a line, and what was said of traces after them."""

from typing import Any, TypeVar

from pydantic import ValidationError

from lineside.core import Record
from lineside.traces.feedback import Feedback
from lineside.traces.importers.files import ExportFile
from lineside.traces.importers.said import Found
from lineside.traces.marks import TraceMark
from lineside.traces.otlp import NotASpan
from lineside.traces.scores.record import TraceScore
from lineside.traces.span import Span

_SAID: dict[str, type[TraceScore] | type[TraceMark] | type[Feedback]] = {
    "score": TraceScore,
    "mark": TraceMark,
    "feedback": Feedback,
}
Kept = TypeVar("Kept", bound=Record)

_STEP = {"trace_id", "span_id", "started_at", "duration_ms", "mapping"}


def recognises(entry: dict[str, Any]) -> bool:
    return entry.keys() >= _STEP or (len(entry) == 1 and entry.keys() <= _SAID.keys())


def read_own(file: ExportFile) -> Found:
    """Steps, scores, marks and feedback, each as it was."""
    return file.read(_records)


def _records(entry: dict[str, Any]) -> Found:
    name = next(iter(entry)) if len(entry) == 1 else ""
    if name in _SAID:
        yield record_of(_SAID[name], entry[name])
    else:
        yield record_of(Span, entry)


def record_of(kind: type[Kept], value: Any) -> Kept:
    """A record as it was exported.

    Raises:
        NotASpan: It is none; says which of its fields is wrong.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "it"
        raise NotASpan(f"it is no {kind.__name__}: {field}: {first['msg']}") from None
