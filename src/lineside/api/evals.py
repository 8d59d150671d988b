"""`/api/runs`: what was judged, and how it compares."""

from typing import Literal

from fastapi import APIRouter

from lineside.api.caller import Caller
from lineside.evals import Comparison, Result, Run, compare, get_run, list_runs, results_of

router = APIRouter(tags=["evals"])


@router.get("/runs")
def runs(scope: Caller, use_case: str | None = None) -> list[Run]:
    """Runs, newest first."""
    return list_runs(scope, use_case=use_case)


@router.get("/runs/{run_id}")
def run(scope: Caller, run_id: str) -> Run:
    """One run: how many cases, how many failed and why."""
    return get_run(scope, run_id)


@router.get("/runs/{run_id}/results")
def results(
    scope: Caller,
    run_id: str,
    only: Literal["all", "wrong", "failed"] = "all",
    limit: int = 100,
    after: str | None = None,
) -> list[Result]:
    """What became of each case, failures first; at most 1,000 at once, the rest by `after`."""
    return results_of(scope, run_id, only=only, limit=max(0, min(limit, 1000)), after=after)


@router.get("/compare")
def comparison(scope: Caller, baseline: str, candidate: str, score: str = "accuracy") -> Comparison:
    """Candidate minus baseline over the cases of both runs, with its interval."""
    return compare(scope, baseline, candidate, score=score)
