"""`/` and `/usecases/{name}`: the portfolio, and all that is known of one use case."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.apps import (
    Release,
    Rollout,
    current_rollout,
    list_releases,
    live_schemas,
    roll_back,
    rollout_history,
    staged,
)
from lineside.apps import rollout as rolling
from lineside.core import Conflict, NotFound, now
from lineside.evals import list_runs, reports
from lineside.stats import plots
from lineside.traces import latest_calls, list_feedback, traffic, views
from lineside.trust import Scope
from lineside.usecases import UseCase, get_use_case, list_use_cases
from lineside.web.evals import main_finding
from lineside.web.render import page
from lineside.web.watched import unwatch, watched_page, watched_weeks

_RELEASES_SHOWN = 12
_CALLS_SHOWN = 8
_HISTORY_SHOWN = 8


def portfolio(request: Request) -> Response:
    """Every use case with its verdict, its live release and its week."""
    scope: Scope = request.app.state.local
    weeks: dict[str, list[views.Traffic]] = {}
    for arm in traffic(scope):
        weeks.setdefault(arm.use_case, []).append(arm)
    found = list_use_cases(scope)
    watched = [known for known in found if known.manifest is None]
    return page(
        request,
        "portfolio.html",
        cases=[_summary(scope, one, weeks.get(one.name, [])) for one in found if one.manifest],
        watched=watched,
        watched_weeks=watched_weeks(scope) if watched else {},
    )


def use_case(request: Request) -> Response:
    """One use case: problem, verdict, accuracy over releases, who gets what, what people say."""
    scope: Scope = request.app.state.local
    name = request.path_params["name"]
    known = get_use_case(scope, name)
    if known.manifest is None:
        return watched_page(request, known)
    releases = list_releases(scope, name)
    history = rollout_history(scope, name)
    standing = _standing(releases, history[0] if history else None)
    week = traffic(scope, use_case=name)
    return page(
        request,
        "usecase.html",
        known=known,
        manifest=known.manifest,
        releases=releases,
        **standing,
        checks=reports.rule_pictures(standing["shown"].gate.verdict.findings)
        if standing["shown"]
        else [],
        finding=main_finding(standing["shown"].gate) if standing["shown"] else None,
        rollout=history[0] if history else None,
        back=rolling.way_back(history),
        stepwise=_stepwise(scope, name),
        history=history[:_HISTORY_SHOWN],
        shares=_share_plot(history[0]) if history else None,
        series=_accuracy_plot(releases),
        labels={release.id: release.label for release in releases},
        week=week,
        totals=_totals(week),
        calls=latest_calls(scope, use_case=name, limit=_CALLS_SHOWN),
        feedback=list_feedback(scope, use_case=name, limit=_CALLS_SHOWN),
        runs=list_runs(scope, use_case=name, limit=5),
        curl=_curl(scope, name, request.url.netloc) if history else None,
    )


def _stepwise(scope: Scope, name: str) -> staged.StagedView | None:
    """How a release on its way up stands; what has ended is on its own page."""
    found = staged.current(scope, name)
    return staged.view_of(found, at=now()) if found and found.is_open else None


def _summary(scope: Scope, known: UseCase, week: Sequence[views.Traffic]) -> dict[str, Any]:
    releases = list_releases(scope, known.name, limit=_RELEASES_SHOWN)
    rollout = current_rollout(scope, known.name)
    standing = _standing(releases, rollout)
    finding = main_finding(standing["shown"].gate) if standing["shown"] else None
    bar = None
    if finding is not None:
        row = plots.IntervalRow(finding.label, finding.value, finding.low, finding.high)
        bar = plots.interval_bar(finding.label, row, unit=finding.unit, threshold=finding.threshold)
    return {
        "known": known,
        "manifest": known.manifest,
        "live": standing["live"],
        "newest": standing["newest"] if standing["live"] else None,
        "scored": standing["shown"],
        "finding": finding,
        "bar": bar,
        "rollout": rollout,
        "shares": _share_plot(rollout) if rollout else None,
        "totals": _totals(week),
    }


def _standing(releases: Sequence[Release], rollout: Rollout | None) -> dict[str, Any]:
    """What is live with the gate's word on it, and the newest attempt where that is another."""
    live_id = rollout.live.release_id if rollout else None
    live = next((release for release in releases if release.id == live_id), None)
    newest = releases[0] if releases else None
    shown = live or newest
    return {
        "live": live,
        "newest": newest if newest is not live else None,
        "shown": shown,
    }


def _totals(week: Sequence[views.Traffic]) -> dict[str, Any]:
    """Sums over the arms that answer; the cost is of the calls whose cost is known."""
    week = [arm for arm in week if arm.arm != "shadow"]
    calls = sum(arm.calls for arm in week)
    costs = [arm.cost_usd for arm in week if arm.cost_usd is not None]
    return {
        "calls": calls,
        "errors": sum(arm.errors for arm in week),
        "refused": sum(arm.refused for arm in week),
        "error_share": sum(arm.errors for arm in week) / calls if calls else None,
        "hand_off_share": sum(arm.handed_off for arm in week) / calls if calls else None,
        "cost_usd": sum(costs) if costs else None,
        "cost_known": sum(arm.cost_known * arm.calls for arm in week) / calls if calls else 0,
        "latency_ms_p95": max((arm.latency_ms_p95 for arm in week), default=None),
    }


def _share_plot(rollout: Rollout) -> Any:
    shares = [plots.BarShare(arm.label, arm.percent) for arm in rollout.arms]
    return plots.share_bar("Share of callers by release", shares)


def _accuracy_plot(releases: Sequence[Release]) -> Any:
    """The main score of each release and refusal, oldest first."""
    points, threshold, unit, label = [], None, "%", "Accuracy"
    for release in reversed(releases[:_RELEASES_SHOWN]):
        finding = main_finding(release.gate)
        if finding is None or finding.value is None:
            continue
        is_refused = release.status == "refused"
        threshold, unit, label = finding.threshold, finding.unit, finding.label
        points.append(
            plots.SeriesPoint(
                "refused" if is_refused else release.label,
                finding.value,
                finding.low,
                finding.high,
                is_hollow=is_refused,
                note="refused by its gate" if is_refused else "",
            )
        )
    title = f"{label.capitalize()} over releases"
    return plots.series_with_intervals(title, points, unit=unit, threshold=threshold)


def _curl(scope: Scope, name: str, netloc: str) -> str | None:
    """A call to copy, with the fields that the live release takes."""
    try:
        schema = live_schemas(scope, name)["input"]
    except NotFound:
        return None
    fields = {
        field: _sample(part)
        for field, part in schema["properties"].items()
        if field in schema.get("required", ())
    }
    body = orjson.dumps({"input": fields}).decode().replace("'", "'\\''")
    return (
        f"curl http://{netloc}/api/usecases/{name}/run \\\n"
        f"  -H 'content-type: application/json' \\\n  -d '{body}'"
    )


def _sample(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    samples = {"number": 1, "integer": 1, "boolean": True, "array": [], "object": {}}
    return samples.get(schema.get("type", ""), "…")


async def pull_back(request: Request) -> Response:
    """Go back in one step, from what the page showed; a second click goes no further."""
    scope: Scope = request.app.state.local
    name, form = request.path_params["name"], await request.form()
    await asyncio.to_thread(_pull_back, scope, name, str(form.get("rollout", "")))
    return RedirectResponse(f"/usecases/{name}", status_code=303)


def _pull_back(scope: Scope, name: str, shown: str) -> None:
    counting = current_rollout(scope, name)
    if counting is not None and shown != counting.id:
        raise Conflict(
            "rollout_changed",
            f"Who gets which release of `{name}` changed since the page was loaded",
            hint="Look at it again, then decide.",
        )
    roll_back(scope, name)


ROUTES = [
    Route("/", portfolio),
    Route("/usecases/{name}", use_case),
    Route("/usecases/{name}/unwatch", unwatch, methods=["POST"]),
    Route("/usecases/{name}/pull-back", pull_back, methods=["POST"]),
]
