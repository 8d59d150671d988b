"""`/api/traces` and `/api/feedback`: what happened, and what people say of it."""

from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from lineside.api.caller import Caller
from lineside.apps import list_releases
from lineside.core import NotFound, Record
from lineside.traces import (
    Feedback,
    Span,
    get_trace,
    give_feedback,
    list_feedback,
    search,
    tables,
)
from lineside.trust import Scope

router = APIRouter(tags=["traces"])

_ARROW = "application/vnd.apache.arrow.stream"


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
    return list_feedback(scope, use_case=use_case, limit=max(0, min(limit, 500)))


@router.get("/traces")
def traces(
    scope: Caller,
    q: str = "",
    use_case: str | None = None,
    release: str | None = None,
    arm: str | None = None,
    service: str | None = None,
    status: str | None = None,
    model: str | None = None,
    session: str | None = None,
    user: str | None = None,
    latency_ms_min: float | None = None,
    tag: str | None = None,
    score: str | None = None,
    text: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> search.Page:
    """The newest traces, newest first; at most 500. Go on with `before` = `older` of the page.

    `q` is a query line such as `latency_ms > 2000 and model = gpt-4o`; the other fields narrow it
    further. `use_case` may be `unclaimed`, `since` is 90m, 24h, 7d or a date, and `score` such as
    `grounded < 0.5` or `tone = rude`.
    """
    filters = search.read_filters(
        q,
        use_case=use_case,
        release=release,
        arm=arm,
        service=service,
        status=status,
        model=model,
        session=session,
        user=user,
        latency_ms_min=None if latency_ms_min is None else str(latency_ms_min),
        tag=tag,
        score=score,
        text=text,
        since=since,
        until=until,
    )
    return search.list_traces(scope, _named(scope, filters), limit=limit, before=before)


@router.get(
    "/traces.arrow",
    response_class=StreamingResponse,
    responses={200: {"content": {_ARROW: {}}}},
)
def traces_arrow(
    scope: Caller,
    q: str = "",
    level: tables.TableLevel = "span",
    columns: str | None = None,
    use_case: str | None = None,
    since: str | None = None,
    limit: int = 10_000,
) -> StreamingResponse:
    """The newest traces that meet `q` as an Arrow IPC stream: a row per step, or per trace.

    `columns` names the wanted ones with commas between; `limit` counts rows, at most 1,000,000.
    """
    filters = _named(scope, search.read_filters(q, use_case=use_case, since=since))
    wanted = columns.split(",") if columns else None
    reader = tables.read_table(scope, filters, level=level, columns=wanted, limit=limit)
    return StreamingResponse(tables.ipc_stream(reader), media_type=_ARROW)


@router.get("/traces/stats")
def trace_stats(
    scope: Caller, q: str = "", by: str = "use_case", use_case: str | None = None
) -> list[search.TraceFigures]:
    """Count, errors, latency, tokens and cost of the traces that meet `q`.

    `by` is use_case, release, model, service, arm, name, user, session, key, team or
    `attribute.NAME`.
    """
    filters = search.read_filters(q, use_case=use_case)
    return search.figures(scope, _named(scope, filters), by=by)


@router.get("/traces/{trace_id}")
def trace(scope: Caller, trace_id: str, whole: bool = True) -> list[Span]:
    """All steps of one trace in the order they began.

    With `whole=false`, a value of more than 32 KiB stays a reference: `{"$blob": digest, …}`.
    """
    spans = get_trace(scope, trace_id, whole=whole)
    if not spans:
        raise NotFound("unknown_trace", f"No trace has the id `{trace_id[:64]}`")
    return spans


def _named(scope: Scope, filters: search.Filters) -> search.Filters:
    """Let a release be asked for by its label, where the caller may see releases."""
    scope.require("read", filters.use_case)
    releases = list_releases(scope, filters.use_case)
    return filters.named({release.id: release.label for release in releases})
