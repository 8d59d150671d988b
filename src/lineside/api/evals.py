"""`/api/runs`: what was judged, and how it compares."""

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from lineside.api.caller import Caller
from lineside.apps import rejudging
from lineside.core import Record
from lineside.evals import Comparison, Result, Run, compare, get_run, list_runs, plan, results_of

router = APIRouter(tags=["evals"])


class RunWish(Record):
    """What is to be judged, and what it may take.

    Attributes:
        release: A number (`v2`), the start of a digest, or `latest`; else the live one.
        dataset: A kept one, as `use-case/name` or `use-case/name@2`; else the cases the release
            was released by.
        repetitions: Asks of each case; else as the manifest of the release says.
        fresh: Judge again, even what was judged before.
    """

    release: str | None = None
    dataset: str | None = None
    repetitions: int | None = Field(None, ge=1, le=100)
    limits: plan.RunLimits = plan.RunLimits()
    fresh: bool = False


@router.post("/usecases/{name}/runs", status_code=202)
def start(scope: Caller, name: str, wish: RunWish) -> Run:
    """Have a release judged by its own scorers; ask for the run until its `status` is not running.

    The same wish gives the same run, unless `fresh`.
    """
    return rejudging.start_judging(
        scope,
        name,
        reference=wish.release,
        dataset=wish.dataset,
        repetitions=wish.repetitions,
        limits=wish.limits,
        fresh=wish.fresh,
    )


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
