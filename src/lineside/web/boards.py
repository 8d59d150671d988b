"""`/leaderboard`, `/history` and `/runs/{run_id}/themes`: what many runs say, and one lacks."""

from collections.abc import Sequence
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.apps import naming
from lineside.evals import get_run, licences, list_runs, verdicts
from lineside.stats import plots
from lineside.trust import Scope
from lineside.web.evals import subjects_of, use_cases_of
from lineside.web.frontier import FrontierPoint, frontier_plot
from lineside.web.render import page

_SLICES_SHOWN = 12


def leaderboard(request: Request) -> Response:
    """Candidates over one dataset, with ties shown as ties, and quality against cost."""
    scope: Scope = request.app.state.local
    typed = request.query_params
    names = use_cases_of(scope)
    use_case = typed.get("use_case") or (names[0] if names else "")
    by: Literal["subject", "model"] = "model" if typed.get("by") == "model" else "subject"
    runs = list_runs(scope, use_case=use_case)
    asked = (typed.get("dataset") or None, typed.get("score") or None)
    # Runs that are done do not change, so that the newest ones and the question say it all.
    licensed = licences.licensing(scope)
    key = (
        "board",
        use_case,
        by,
        repr(asked),
        licensed,
        *(run.id for run in runs if run.status == "done"),
    )
    board = request.app.state.kept.get(
        key,
        lambda: verdicts.rank_runs(scope, use_case, dataset=asked[0], score=asked[1], by=by),
    )
    judged = [get_run(scope, entry.run_id) for entry in board.entries]
    names_of = naming.name_subjects(scope, use_case, judged)
    labels = [
        entry.model or "unknown model" if by == "model" else names_of[entry.subject]
        for entry in board.entries
    ]
    named = {entry.run_id: label for entry, label in zip(board.entries, labels, strict=True)}
    return page(
        request,
        "leaderboard.html",
        takes=("use_case", "dataset", "score", "by"),
        board=board,
        undecided=board.undecided(named),
        asked_anew=board.asked_anew(named),
        rows=list(zip(board.entries, labels, strict=True)),
        named=named,
        by=by,
        use_case=use_case,
        use_cases=names,
        scores=sorted({item.name for run in runs for item in run.scorers}),
        plot=plots.interval_rows(
            f"{board.score} by candidate", _rows(board, labels), unit=board.unit
        ),
        frontier=frontier_plot("Quality against cost", _points(board, labels), unit=board.unit),
    )


def history(request: Request) -> Response:
    """The runs of a use case in their order, and which of them surely changed something."""
    scope: Scope = request.app.state.local
    names = use_cases_of(scope)
    use_case = request.query_params.get("use_case") or (names[0] if names else "")
    score, dataset = (request.query_params.get(name) or None for name in ("score", "dataset"))
    runs = [run for run in list_runs(scope, use_case=use_case) if run.status == "done"]
    licensed = licences.licensing(scope)
    key = ("history", use_case, score or "", dataset or "", licensed, *(run.id for run in runs))
    points = request.app.state.kept.get(
        key, lambda: verdicts.run_history(scope, use_case, dataset=dataset, score=score)
    )
    subjects = subjects_of(scope, use_case)
    return page(
        request,
        "history.html",
        takes=("use_case", "dataset", "score"),
        points=points,
        subjects=subjects,
        use_case=use_case,
        use_cases=names,
        score=points[0].score if points else score,
        dataset=points[0].run.dataset_name if points else dataset,
        datasets=sorted({run.dataset_name for run in runs}),
        scores=sorted({item.name for run in runs for item in run.scorers}),
        called=naming.name_subjects(scope, use_case, [point.run for point in points]),
        plot=_series(points, subjects),
        has_refused=any(_is_refused(point, subjects) for point in points),
    )


def themes(request: Request) -> Response:
    """What goes wrong in one run, in themes with quotes, and where more of it goes wrong."""
    scope: Scope = request.app.state.local
    run = get_run(scope, request.path_params["run_id"])
    if run.status == "running":
        found = verdicts.analyse_errors(scope, run.id)
    else:
        found = request.app.state.kept.get(
            ("themes", run.id), lambda: verdicts.analyse_errors(scope, run.id)
        )
    return page(
        request,
        "themes.html",
        run=run,
        found=found,
        subjects=subjects_of(scope, run.use_case),
        called=naming.name_subjects(scope, run.use_case, [run]),
        slices=found.slices[:_SLICES_SHOWN],
    )


def _rows(board: verdicts.Board, labels: Sequence[str]) -> list[plots.IntervalRow]:
    return [
        plots.IntervalRow(label, entry.mean, entry.together_low, entry.together_high, _rank(entry))
        for entry, label in zip(board.entries, labels, strict=True)
    ]


def _points(board: verdicts.Board, labels: Sequence[str]) -> list[FrontierPoint]:
    return [
        FrontierPoint(
            label, label, entry.cost_usd, entry.mean, entry.low, entry.high, entry.is_on_frontier
        )
        for entry, label in zip(board.entries, labels, strict=True)
        if entry.cost_usd is not None
    ]


def _rank(entry: verdicts.BoardEntry) -> str:
    if entry.rank_best == entry.rank_worst:
        return f"rank {entry.rank_best}"
    return f"rank {entry.rank_best} to {entry.rank_worst}"


def _series(points: Sequence[verdicts.HistoryPoint], subjects: dict[str, Any]) -> Any:
    if not points:
        return ""
    rows = []
    for point in reversed(points):
        release = subjects.get(point.run.subject)
        day = point.run.started_at.astimezone().strftime("%-d %b %H:%M")
        rows.append(
            plots.SeriesPoint(
                release.label if release else day,
                point.value,
                point.low,
                point.high,
                is_hollow=_is_refused(point, subjects),
                note=point.standing,
            )
        )
    return plots.series_with_intervals(f"{points[0].score} over runs", rows, unit=points[0].unit)


def _is_refused(point: verdicts.HistoryPoint, subjects: dict[str, Any]) -> bool:
    release = subjects.get(point.run.subject)
    return release is not None and release.status == "refused"


ROUTES = [
    Route("/leaderboard", leaderboard),
    Route("/history", history),
    Route("/runs/{run_id}/themes", themes),
]
