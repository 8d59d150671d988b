"""`/api/traces/chart`, `/arrivals` and `/views`: traces over time, as they come, and by name."""

from fastapi import APIRouter
from pydantic import Field

from lineside.api.caller import Caller
from lineside.apps import list_releases
from lineside.core import Record
from lineside.traces import saved, search
from lineside.trust import Scope

router = APIRouter(tags=["traces"])


class ViewToSave(Record):
    """A view as it is sent: `asked` is field to value, `q` among them the query line."""

    name: str
    asked: dict[str, str] = Field(default_factory=dict)
    columns: tuple[str, ...] = ()
    is_shared: bool = False


@router.get("/traces/chart")
def trace_chart(
    scope: Caller, q: str = "", by: str | None = None, use_case: str | None = None
) -> search.Chart | None:
    """Figures over time of the traces that meet `q`, in at most 61 buckets.

    `by` splits them, by a field or an attribute such as `attribute.customer.tier`.
    """
    return search.chart(scope, _read(scope, q, use_case), by=by)


@router.get("/traces/score-stats")
def trace_score_stats(
    scope: Caller, score: str, q: str = "", by: str = "use_case", use_case: str | None = None
) -> list[search.scored.ScoredTraces]:
    """How a score fares over the traces that meet `q`, and how many of them carry it.

    `by` as in `/traces/stats`. Each trace counts once: with the mean of its scores of that name,
    and with the label that it was given last.
    """
    return search.scored.score_stats(scope, _read(scope, q, use_case), score=score, by=by)


@router.get("/traces/score-chart")
def trace_score_chart(
    scope: Caller, score: str, q: str = "", by: str | None = None, use_case: str | None = None
) -> search.scored.ScoreChart | None:
    """The same over time, in the buckets and by the names of `/traces/chart`."""
    filters = _read(scope, q, use_case)
    over = search.chart(scope, filters, by=by)
    if over is None:
        return None
    return search.scored.score_chart(scope, filters, score=score, over=over)


@router.get("/traces/arrivals")
def trace_arrivals(
    scope: Caller,
    q: str = "",
    after: str | None = None,
    limit: int = 100,
    use_case: str | None = None,
) -> search.Arrivals:
    """Traces that arrived after a cursor and meet `q`; go on with `after` = `cursor`.

    Without `after` it says where to begin. One trace may come again: tell it by its id.
    """
    return search.arrivals(scope, _read(scope, q, use_case), after=after, limit=limit)


@router.get("/traces/views")
def trace_views(scope: Caller) -> list[saved.SavedView]:
    """Your own views and those of everybody, by name."""
    return saved.list_views(scope)


@router.post("/traces/views", status_code=201)
def trace_view_save(scope: Caller, view: ViewToSave) -> saved.SavedView:
    """Keep what was asked under a name; a view of that name is replaced."""
    return saved.save_view(
        scope, view.name, view.asked, columns=view.columns, is_shared=view.is_shared
    )


@router.delete("/traces/views/{view_id}", status_code=204)
def trace_view_remove(scope: Caller, view_id: str) -> None:
    """Forget a view, given by its id or name; traces stay as they are."""
    saved.remove_view(scope, view_id)


def _read(scope: Scope, q: str, use_case: str | None) -> search.Filters:
    """A query line, in which a release may be asked for by its label; `unclaimed` is of none."""
    filters = search.read_filters(q, use_case=use_case)
    scope.require("read", filters.use_case)
    releases = list_releases(scope, filters.use_case)
    return filters.named({release.id: release.label for release in releases})
