"""One score, and its row in the lake."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from pydantic import Field

from lineside.core import Record, clock, now
from lineside.traces.arrivals import trace_key
from lineside.traces.conventions.values import first_text
from lineside.traces.scores.queries import WAITS

ScoreSource = Literal["otlp", "api", "person", "judge", "code"]
"""Who gave it: an instrumented program, a program that called the API, a person, a model, a scorer
that is code."""

KINDS: dict[str, ScoreSource] = {
    "HUMAN": "person",
    "ANNOTATION": "person",
    "LLM": "judge",
    "LLM_JUDGE": "judge",
    "AI_JUDGE": "judge",
    "EVAL": "judge",
    "CODE": "code",
}
"""Who scored, in the words of Phoenix, MLflow and Langfuse; all others are programs."""

NOTE = "note"
"""Label of what is said in words alone."""

EVENT = "gen_ai.evaluation.result"
"""OpenTelemetry's name for a score, as the event of a span or as a log record."""

NAME_CHARACTERS_MAX = 200
EXPLANATION_CHARACTERS_MAX = 5_000
METADATA_BYTES_MAX = 10_000


class TraceScore(Record):
    """What somebody says of a step, a trace or a session.

    Attributes:
        name: What was judged, such as `faithfulness`.
        value: Higher is better, unless whoever reads it knows otherwise; nothing where only a
            label was given. A score that failed is no score, never zero.
        label: The score in a word, such as `pass`.
        by: Name of the person, key, judge or program that gave it.
        trace_id: What it is about; with a `span_id` only that step, which may be named alone. A
            score of a whole session has the `session_id` alone.
        response_id: What the provider calls the answer it is about, where no step is named: the
            score waits for the step that has it, and is then of that.
        identifier: A later score of the same name and sender on the same thing that has the same
            one takes this one's place; with none, each is one of its own.
        metadata: What else its giver says of it.
        use_case: Of the trace, where the score does not say.
        at: When it was given, in UTC.
    """

    name: str
    value: float | None = None
    label: str | None = None
    explanation: str | None = None
    source: ScoreSource = "api"
    by: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    session_id: str | None = None
    response_id: str | None = None
    identifier: str | None = None
    metadata: dict[str, Any] | None = None
    use_case: str | None = None
    release: str | None = None
    at: datetime = Field(default_factory=now)

    @property
    def identity(self) -> tuple[object, ...]:
        """What a score that arrives twice has in common with itself."""
        of = (self.trace_id, self.span_id, None if self.trace_id else self.session_id)
        return (*of, self.name, self.source, self.by, self.at)


def is_of_step_alone(score: TraceScore) -> bool:
    """Whether it names a step and not its trace: the score waits for that step."""
    return score.trace_id is None and score.span_id is not None


def score_row(workspace: str, score: TraceScore) -> dict[str, Any]:
    """A score as the lake keeps it."""
    moment = clock.in_utc(score.at).replace(tzinfo=None)
    return {
        "workspace": workspace,
        "use_case": score.use_case,
        "release": score.release,
        "session_id": score.session_id,
        "trace_id": score.trace_id,
        "trace_key": WAITS if is_of_step_alone(score) else trace_key(score.trace_id or ""),
        "span_id": score.span_id,
        "response_id": score.response_id,
        "identifier": score.identifier,
        "metadata": None if score.metadata is None else orjson.dumps(score.metadata).decode(),
        "name": score.name,
        "value": score.value,
        "label": score.label,
        "explanation": score.explanation,
        "source": score.source,
        "given_by": score.by,
        "scored_at": moment.isoformat(timespec="microseconds"),
    }


def score_of_row(row: Mapping[str, Any]) -> TraceScore:
    values = {name: row[name] for name in TraceScore.model_fields if name in row}
    more = {"by": row["given_by"], "at": row["scored_at"].replace(tzinfo=UTC)}
    if row.get("metadata") is not None:
        more["metadata"] = orjson.loads(row["metadata"])
    return TraceScore.model_validate(values | more)


def stated(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """What an evaluation event states as fields of `TraceScore`; nothing where it scores nothing.

    What is longer than a score may be is cut: its sender has no way to send it again.
    """
    name = first_text(attributes, "gen_ai.evaluation.name")
    value = _number(attributes.get("gen_ai.evaluation.score.value"))
    label = first_text(attributes, "gen_ai.evaluation.score.label")
    why = first_text(attributes, "gen_ai.evaluation.explanation")
    if name is None or (value is None and label is None):
        return None
    return {
        "name": name[:NAME_CHARACTERS_MAX],
        "value": value,
        "label": label[:NAME_CHARACTERS_MAX] if label else None,
        "explanation": why[:EXPLANATION_CHARACTERS_MAX] if why else None,
        "response_id": first_text(attributes, "gen_ai.response.id"),
        "source": "otlp",
    }


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, str | dict | list):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
