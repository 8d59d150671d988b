"""`/runs` and `/compare`: what was judged, what went wrong, and what changed."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.apps import list_releases
from lineside.core import Invalid
from lineside.evals import (
    Comparison,
    GateOutcome,
    Result,
    Run,
    compare,
    get_run,
    licences,
    list_runs,
    results_of,
    summarise,
)
from lineside.stats import Finding, Interval, PairedDifference
from lineside.trust import Scope
from lineside.usecases import list_use_cases, parse_rule
from lineside.web.kept import Kept
from lineside.web.plots import IntervalRow, difference_plot, interval_rows
from lineside.web.render import page

_RUNS_SHOWN = 100
_CASES_SHOWN = 20
_FLIPS_SHOWN = 25
_WRONG_COUNTED = 1000
_CONFUSIONS_SHOWN = 8
_WORD_CHARACTERS_MAX = 60
_REFRESH_SECONDS = 2
_ONLY = ("all", "wrong", "failed")


def runs(request: Request) -> Response:
    """Runs, newest first."""
    scope: Scope = request.app.state.local
    use_case = request.query_params.get("use_case") or None
    return page(
        request,
        "runs.html",
        runs=list_runs(scope, use_case=use_case, limit=_RUNS_SHOWN),
        subjects=_subjects(scope, use_case),
        use_case=use_case,
        use_cases=[known.name for known in list_use_cases(scope)],
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
    return page(
        request,
        "run.html",
        run=found,
        subjects=_subjects(scope, found.use_case),
        results=results[:_CASES_SHOWN],
        has_more=len(results) > _CASES_SHOWN,
        only=only,
        in_slice=in_slice,
        refresh_seconds=_REFRESH_SECONDS if found.status == "running" else None,
        others=list_runs(scope, use_case=found.use_case, limit=20),
        judges=licences.standings_of(scope, found) if found.status == "done" else {},
        **_summary(scope, found, request.app.state.kept),
    )


def comparison(request: Request) -> Response:
    """Two runs side by side: the difference with its interval, and the cases that flipped."""
    scope: Scope = request.app.state.local
    asked = [request.query_params.get(name, "") for name in ("baseline", "candidate")]
    if not all(asked):
        raise Invalid(
            "two_runs_needed",
            "Two runs are compared: `baseline` and `candidate`",
            hint="Open a run and choose the one to hold it against.",
        )
    baseline, candidate = (get_run(scope, run_id) for run_id in asked)
    score = request.query_params.get("score") or candidate.main_score
    found = _compared(scope, baseline, candidate, score, request.app.state.kept)
    return page(
        request,
        "compare.html",
        comparison=found,
        baseline=baseline,
        candidate=candidate,
        subjects=_subjects(scope, candidate.use_case),
        plot=_difference_rows(found),
        slice_plots=_slice_differences(found),
        worsened=_flips(scope, found, found.worsened),
        improved=_flips(scope, found, found.improved),
    )


def main_finding(gate: GateOutcome) -> Finding | None:
    """What a gate found of the score it asks for first: the one number a person remembers."""
    for finding in gate.verdict.findings:
        rule = parse_rule(finding.rule)
        if rule.kind == "threshold" and rule.comparator == ">=" and finding.value is not None:
            return finding
    return None


def rule_checks(gate: GateOutcome) -> list[dict[str, Any]]:
    """Each rule of a gate with what it found, as words and as a plot on its own axis."""
    return [{"finding": found, "plot": _rule_plot(found)} for found in gate.verdict.findings]


def _rule_plot(finding: Finding) -> Any:
    if finding.value is None:
        return ""
    note = f"n {finding.n:,}"
    row = IntervalRow(
        finding.label, finding.value, finding.low, finding.high, note, finding.decision
    )
    kind = parse_rule(finding.rule).kind
    # Between two shares lie points, not percent.
    unit = "points" if kind != "threshold" and finding.unit == "%" else finding.unit
    if kind == "non_inferiority":
        return difference_plot(finding.label, [row], unit=unit, accepted=finding.threshold)
    label = "at least" if finding.direction == ">=" else "at most"
    return interval_rows(
        finding.label,
        [row],
        unit=unit,
        threshold=finding.threshold,
        threshold_label=label,
    )


def _asked(request: Request) -> tuple[str, tuple[str, str] | None]:
    """Which results are asked for: a standing, and a slice written as `channel=mail`."""
    only = request.query_params.get("only") or "all"
    if only not in _ONLY:
        raise Invalid("bad_filter", f"`only` is `{only[:40]}`, expected {', '.join(_ONLY)}")
    name, _, value = request.query_params.get("slice", "").partition("=")
    return only, (name, value) if name else None


def _subjects(scope: Scope, use_case: str | None) -> dict[str, Any]:
    """The release or refusal behind a digest; what was only tested has none."""
    subjects: dict[str, Any] = {}
    for release in reversed(list_releases(scope, use_case)):
        if subjects.get(release.digest) is None or release.number:
            subjects[release.digest] = release
    return subjects


def _compared(
    scope: Scope, baseline: Run, candidate: Run, score: str | None, kept: Kept
) -> Comparison:
    if "running" in (baseline.status, candidate.status):
        return compare(scope, baseline.id, candidate.id, score=score)
    key = ("compare", baseline.id, candidate.id, score or "")
    return kept.get(key, lambda: compare(scope, baseline.id, candidate.id, score=score))


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
    main = summary.scores.get(summary.main_score or "")
    unit = main.unit if main else ""
    shares = [
        _interval_row(score.label, score.interval)
        for score in summary.scores.values()
        if score.unit == unit and score.interval is not None
    ]
    return {
        "summary": summary,
        "score_plot": interval_rows("Scores", shares, unit=unit) if shares else "",
        "slice_plots": [
            (name, interval_rows(f"{main.label if main else ''} by {name}", rows, unit=unit))
            for name, values in summary.slices.items()
            for rows in [[_interval_row(value, found) for value, found in values.items()]]
        ],
        "confusions": confusions(results_of(scope, found.id, only="wrong", limit=_WRONG_COUNTED)),
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


def _interval_row(label: str, interval: Interval) -> IntervalRow:
    cases = interval.cases_scored
    return IntervalRow(label, interval.value, interval.low, interval.high, f"n {cases:,}")


def _difference_row(label: str, found: PairedDifference, *, is_good_up: bool) -> IntervalRow:
    is_clear = found.low > 0 or found.high < 0
    is_better = (found.value > 0) == is_good_up
    tone: Any = "plain" if not is_clear else "ship" if is_better else "hold"
    return IntervalRow(label, found.value, found.low, found.high, f"n {found.cases:,}", tone)


def _difference_rows(found: Comparison) -> Any:
    row = _difference_row(found.score, found.difference, is_good_up=found.higher_is_better)
    unit = "points" if found.unit == "%" else found.unit
    return difference_plot(f"{found.score}: candidate minus baseline", [row], unit=unit)


def _slice_differences(found: Comparison) -> list[tuple[str, Any]]:
    unit = "points" if found.unit == "%" else found.unit
    plots = []
    for name, values in found.slices.items():
        rows = [
            _difference_row(value, difference, is_good_up=found.higher_is_better)
            for value, difference in values.items()
        ]
        plots.append((name, difference_plot(f"Difference by {name}", rows, unit=unit)))
    return plots


def _flips(scope: Scope, found: Comparison, case_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The same case in both runs, as far as they are shown."""
    shown = case_ids[:_FLIPS_SHOWN]
    if not shown:
        return []
    sides = []
    for run_id in (found.baseline_run_id, found.candidate_run_id):
        results = results_of(scope, run_id, case_ids=shown)
        sides.append({result.case_id: result for result in results})
    return [
        {"before": sides[0][case_id], "after": sides[1][case_id]}
        for case_id in shown
        if case_id in sides[0] and case_id in sides[1]
    ]


ROUTES = [
    Route("/runs", runs),
    Route("/runs/{run_id}", run),
    Route("/compare", comparison),
]
