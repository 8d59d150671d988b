"""`/api/scores`: what programs, people and judges say of steps, traces and sessions."""

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from lineside.api.caller import Caller
from lineside.core import Record, now
from lineside.traces import metrics, scores

router = APIRouter(tags=["traces"])


class GivenScore(Record):
    """A score as it is sent; it is about a trace, a step of it, or a whole session.

    A step may be named by its `span_id` alone. What is not here yet is waited for.
    One with an `identifier` takes the place of an earlier one of the same name, sender and
    identifier. With a `response_id` alone it is about the step whose provider called its answer so.
    """

    name: str
    value: float | None = None
    label: str | None = None
    explanation: str | None = None
    source: Literal["api", "person", "judge", "code"] = "api"
    trace_id: str | None = None
    span_id: str | None = None
    session_id: str | None = None
    response_id: str | None = None
    identifier: str | None = None
    metadata: dict[str, Any] | None = None
    use_case: str | None = None
    at: datetime = Field(default_factory=now)


@router.post("/scores", status_code=201)
def score(scope: Caller, given: GivenScore) -> scores.TraceScore:
    """Score a trace, a step or a session; the same score with the same `at` counts once."""
    kept = scores.TraceScore(**given.model_dump(), by=scope.actor.name)
    scores.record_scores(scope, [kept]).result()
    return kept


@router.get("/scores")
def score_list(
    scope: Caller,
    trace_id: str | None = None,
    session_id: str | None = None,
    use_case: str | None = None,
    name: str | None = None,
    limit: int = 100,
) -> list[scores.TraceScore]:
    """What was scored, newest first; at most 1,000."""
    return scores.list_scores(
        scope,
        trace_id=trace_id,
        session_id=session_id,
        use_case=use_case,
        name=name,
        limit=limit,
    )


@router.get("/scores/waiting")
def waiting(
    scope: Caller, use_case: str | None = None, limit: int = 100
) -> list[scores.TraceScore]:
    """Scores of the last 31 days whose step or trace is not here, newest first; at most 1,000."""
    return scores.list_waiting(scope, use_case=use_case, limit=limit)


@router.get("/scores/stats")
def score_stats(
    scope: Caller,
    use_case: str | None = None,
    by: scores.ScoreGroup = "release",
    name: str | None = None,
    hours: float = 720,
) -> list[scores.ScoreFigures]:
    """Count, mean and labels of every score of the last hours, by what they have in common."""
    return scores.score_figures(scope, use_case=use_case, by=by, name=name, hours=hours)


@router.get("/client-losses")
def losses(
    scope: Caller, use_case: str | None = None, hours: float = 168
) -> list[metrics.ClientLosses]:
    """Spans that programs say they dropped before sending, by service and reason."""
    return metrics.client_losses(scope, use_case=use_case, hours=hours)


@router.get("/client-metrics")
def measured(
    scope: Caller, use_case: str | None = None, hours: float = 168
) -> list[metrics.ClientHistogram]:
    """What programs measured of their model calls themselves, with percentiles, in its unit."""
    return metrics.client_histograms(scope, use_case=use_case, hours=hours)
