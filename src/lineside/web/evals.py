"""`/runs`: what was judged, and what went wrong."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.apps import list_releases, naming
from lineside.core import Invalid
from lineside.evals import (
    GateOutcome,
    Result,
    Run,
    get_run,
    licences,
    list_runs,
    reports,
    results_of,
    running,
    summarise,
)
from lineside.stats import Finding
from lineside.trust import Scope
from lineside.usecases import list_use_cases, parse_rule
from lineside.web.kept import Kept
from lineside.web.render import page

_RUNS_SHOWN = 100
_CASES_SHOWN = 20
_WRONG_COUNTED = 1000
_CONFUSIONS_SHOWN = 8
_WORD_CHARACTERS_MAX = 60
_REFRESH_SECONDS = 2
_ONLY = ("all", "wrong", "failed")


def runs(request: Request) -> Response:
    """Runs, newest first."""
    scope: Scope = request.app.state.local
    use_case = request.query_params.get("use_case") or None
    found = list_runs(scope, use_case=use_case, limit=_RUNS_SHOWN)
    called = naming.name_subjects(scope, use_case, found)
    return page(
        request,
        "runs.html",
        takes=("use_case",),
        runs=found,
        subjects=subjects_of(scope, use_case),
        called=called,
        use_case=use_case,
        use_cases=use_cases_of(scope),
    )


def run(request: Request) -> Response:
    """One run: failures first, the slices, and what was taken for what."""
    scope: Scope = request.app.state.local
    found = get_run(scope, request.path_params["run_id"])
    only, in_slice = _asked(request)
    results = results_of(
        scope,
        found.id,
        only=only,  # type: ignore[arg-type] # one of _ONLY
        in_slice=in_slice,
        limit=_CASES_SHOWN + 1,
        after=request.query_params.get("after") or None,
    )
    others = list_runs(scope, use_case=found.use_case, limit=20)
    return page(
        request,
        "run.html",
        takes=("only", "slice", "after"),
        run=found,
        subjects=subjects_of(scope, found.use_case),
        use_cases=use_cases_of(scope),
        results=results[:_CASES_SHOWN],
        has_more=len(results) > _CASES_SHOWN,
        only=only,
        in_slice=in_slice,
        refresh_seconds=_REFRESH_SECONDS if found.status == "running" else None,
        others=others,
        called=naming.name_subjects(scope, found.use_case, [found, *others]),
        judges=licences.standings_of(scope, found) if found.status == "done" else {},
        **_verdict(scope, found, request.app.state.kept),
        **_summary(scope, found, request.app.state.kept),
    )


def main_finding(gate: GateOutcome) -> Finding | None:
    """What a gate found of the score it asks for first: the one number a person remembers."""
    for finding in gate.verdict.findings:
        rule = parse_rule(finding.rule)
        if rule.kind == "threshold" and rule.comparator == ">=" and finding.value is not None:
            return finding
    return None


def _asked(request: Request) -> tuple[str, tuple[str, str] | None]:
    """Which results are asked for: a standing, and a slice written as `channel=mail`."""
    only = request.query_params.get("only") or "all"
    if only not in _ONLY:
        raise Invalid("bad_filter", f"`only` is `{only[:40]}`, expected {', '.join(_ONLY)}")
    name, _, value = request.query_params.get("slice", "").partition("=")
    return only, (name, value) if name else None


def use_cases_of(scope: Scope) -> list[str]:
    """Those that have a page; functions are judged under names that have none."""
    return [known.name for known in list_use_cases(scope)]


def subjects_of(scope: Scope, use_case: str | None) -> dict[str, Any]:
    """The release or refusal behind a digest; what was only tested has none."""
    subjects: dict[str, Any] = {}
    for release in reversed(list_releases(scope, use_case)):
        if subjects.get(release.digest) is None or release.number:
            subjects[release.digest] = release
    return subjects


def _verdict(scope: Scope, found: Run, kept: Kept) -> dict[str, Any]:
    """What the run's own rules say, first of all on the page."""
    if found.status == "running":
        return {"gate": None, "finding": None, "checks": []}
    key = ("verdict", found.id, licences.licensing(scope))
    gate = kept.get(key, lambda: running.own_verdict(scope, found))
    return {
        "gate": gate,
        "finding": main_finding(gate) if gate else None,
        "checks": reports.rule_pictures(gate.verdict.findings) if gate else [],
    }


def _summary(scope: Scope, found: Run, kept: Kept) -> dict[str, Any]:
    """Scores and slices as plots, once there is something to sum up."""
    if found.status == "done":
        return kept.get(("summary", found.id), lambda: _summed_up(scope, found))
    return _summed_up(scope, found)


def _summed_up(scope: Scope, found: Run) -> dict[str, Any]:
    empty: dict[str, Any] = {"summary": None, "score_plot": "", "slice_plots": [], "confusions": []}
    if found.status == "running" or found.cases_done == 0:
        return empty
    summary = summarise(scope, found)
    return {
        "summary": summary,
        "score_plot": reports.score_plot(summary),
        "slice_plots": reports.slice_plots(summary),
        "confusions": confusions(results_of(scope, found.id, only="wrong", limit=_WRONG_COUNTED))
        if not found.compares
        else [],
    }


def confusions(wrong: Sequence[Result]) -> list[dict[str, Any]]:
    """What was taken for what, most frequent first: for fields whose values are words."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for result in wrong:
        for name, expected in result.expected.items():
            got = (result.output or {}).get(name)
            if not isinstance(expected, str) or not isinstance(got, str) or got == expected:
                continue
            if len(expected) <= _WORD_CHARACTERS_MAX:
                counts[name, expected, got] += 1
    return [
        {"field": field, "expected": expected, "got": got, "cases": cases}
        for (field, expected, got), cases in counts.most_common(_CONFUSIONS_SHOWN)
        if cases > 1
    ]


ROUTES = [
    Route("/runs", runs),
    Route("/runs/{run_id}", run),
]
