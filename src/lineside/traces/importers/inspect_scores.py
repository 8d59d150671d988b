"""What Inspect's scorers, and people who corrected them, said of a sample."""

from collections.abc import Iterator
from typing import Any

from lineside.traces.conventions.values import as_dict, first
from lineside.traces.importers.said import Found, score_said, tags_said
from lineside.traces.importers.steps import listed
from lineside.traces.otlp import Refusal
from lineside.traces.scores.record import ScoreSource, TraceScore

_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Correct, partly correct, incorrect and no answer, as Inspect itself counts them."""


def sample_said(
    evaluation: dict[str, Any], sample: dict[str, Any], *, trace_id: str, ended_ns: int
) -> Found:
    """Scores and tags of a sample, whose trace ended at that moment.

    A scorer that gives several values is a score for each: `scorer.value`.
    """
    scores = as_dict(sample.get("scores"))
    if not scores and isinstance(sample.get("score"), dict):
        scores = {"score": sample["score"]}  # as logs of 2024 have it
    ended = first(sample, "completed_at") or ended_ns
    for scorer, score in scores.items():
        if isinstance(score, dict):
            yield from _scores(scorer, score, trace_id, ended)
    yield from tags_said(trace_id, listed(evaluation.get("tags")))


def _scores(
    scorer: str, score: dict[str, Any], trace_id: str, ended: Any
) -> Iterator[TraceScore | Refusal]:
    edits = [as_dict(edit.get("provenance")) for edit in _edits(score)]
    edited = edits[-1] if edits else {}
    source: ScoreSource = "person" if edited else "judge" if _by_model(scorer, score) else "code"
    value = score.get("value")
    parts = value if isinstance(value, dict) else {"": value}
    for part, one in parts.items():
        grade = _GRADES.get(one) if isinstance(one, str) else None
        yield score_said(
            name=f"{scorer}.{part}" if part else scorer,
            value=one if grade is None else grade,
            label=None if grade is None else one,
            why=edited.get("reason") or first(score, "explanation", "answer"),
            source=source,
            by=edited.get("author") or scorer,
            at=edited.get("timestamp") or ended,
            trace_id=trace_id,
        )


def _edits(score: dict[str, Any]) -> list[dict[str, Any]]:
    history = listed(score.get("history"))
    return [one for one in history if isinstance(one, dict) and one.get("provenance")]


def _by_model(scorer: str, score: dict[str, Any]) -> bool:
    """Whether a model graded it: Inspect keeps what that model said with the score."""
    return "model_graded" in scorer or "grading" in as_dict(score.get("metadata"))
