"""`/api/traces` and `/api/feedback`: what happened, and what people say of it."""

from typing import Any, Literal

from fastapi import APIRouter

from lineside.api.caller import Caller
from lineside.core import NotFound, Record
from lineside.traces import Feedback, Span, get_trace, give_feedback, latest_calls, list_feedback

router = APIRouter(tags=["traces"])


class Opinion(Record):
    """Feedback as it is sent: a thumb, a correction, a comment, or several of them."""

    trace_id: str
    thumb: Literal["up", "down"] | None = None
    correction: dict[str, Any] | None = None
    comment: str | None = None


@router.post("/feedback", status_code=201)
def feedback(scope: Caller, opinion: Opinion) -> Feedback:
    """Say what you think of an answer; `trace_id` came with it."""
    return give_feedback(
        scope,
        opinion.trace_id,
        thumb=opinion.thumb,
        correction=opinion.correction,
        comment=opinion.comment,
    )


@router.get("/feedback")
def feedback_list(scope: Caller, use_case: str | None = None, limit: int = 50) -> list[Feedback]:
    """What was said lately, newest first; at most 500."""
    return list_feedback(scope, use_case=use_case, limit=min(limit, 500))


@router.get("/traces")
def calls(scope: Caller, use_case: str | None = None, limit: int = 50) -> list[Span]:
    """The newest served calls, newest first; at most 500."""
    return latest_calls(scope, use_case=use_case, limit=min(limit, 500))


@router.get("/traces/{trace_id}")
def trace(scope: Caller, trace_id: str) -> list[Span]:
    """All steps of one trace in the order they began."""
    spans = get_trace(scope, trace_id)
    if not spans:
        raise NotFound("unknown_trace", f"No trace has the id `{trace_id[:64]}`")
    return spans
