"""`/api/verdict` and its like: what runs say when they are held against each other."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from lineside.api.caller import Caller
from lineside.apps import Release, get_release, overrides
from lineside.core import Invalid, Record
from lineside.evals import Run, pairwise, verdicts
from lineside.evals import plan as plans

router = APIRouter(tags=["verdicts"])


class Reason(Record):
    """Why a gate is overruled."""

    reason: str


class PairwiseWish(Record):
    """Which two runs a judge is to compare, and what it may take.

    Attributes:
        judge: Name of a `judge_pairwise` that one of the runs has; may be left out where there is
            one only.
        fresh: Ask again what was asked before.
    """

    baseline: str
    candidate: str
    judge: str | None = None
    limits: plans.RunLimits = plans.RunLimits()
    fresh: bool = False


@router.get("/verdict")
def verdict(
    scope: Caller,
    baseline: str,
    candidate: str,
    score: str | None = None,
    goal: Literal["not_worse", "better"] = "not_worse",
    margin: float = 0.02,
    guard: Annotated[list[str] | None, Query()] = None,
) -> verdicts.RunVerdict:
    """Whether one run may replace another: ship, hold, or how many more cases it takes.

    `guard` names a measure that must not get worse either, such as `latency_ms:0.1`; it may be
    given several times.
    """
    guards = dict(_guard(text) for text in guard or [])
    return verdicts.judge_pair(
        scope, baseline, candidate, score=score, goal=goal, margin=margin, guards=guards
    )


@router.get("/verdict/plan")
def plan(
    scope: Caller,
    baseline: str,
    candidate: str,
    score: str | None = None,
    margin: float = 0.02,
    gain: float = 0.0,
    power: float = 0.8,
) -> list[verdicts.ComparisonPlan]:
    """What the next comparison takes: cases, repetitions, money and time, from two pilot runs."""
    return verdicts.plan_runs(
        scope,
        baseline,
        candidate,
        score=score,
        margin=margin,
        true_difference=gain,
        power=power,
    )


@router.post("/verdict/pairwise", status_code=202)
def start_pairwise(scope: Caller, wish: PairwiseWish) -> Run:
    """Have a judge compare two runs' answers; ask for the run until its `status` is not running."""
    asked = pairwise.pairs_to_ask(scope, wish.baseline, wish.candidate, judge=wish.judge)
    return pairwise.start_pairwise(scope, asked, limits=wish.limits, fresh=wish.fresh)


@router.get("/verdict/pairwise")
def preference(
    scope: Caller,
    baseline: str,
    candidate: str,
    judge: str | None = None,
    goal: Literal["not_worse", "better"] = "not_worse",
    margin: float = 0.02,
) -> pairwise.Preference:
    """Which of two runs' answers a judge prefers, by the newest run in which it compared them."""
    return pairwise.find_preference(
        scope, baseline, candidate, judge=judge, goal=goal, margin=margin
    )


@router.get("/usecases/{name}/leaderboard")
def leaderboard(
    scope: Caller,
    name: str,
    dataset: str | None = None,
    score: str | None = None,
    by: Literal["subject", "model"] = "subject",
) -> verdicts.Board:
    """Candidates or models over one dataset, with intervals that hold at once and ties as ties."""
    return verdicts.rank_runs(scope, name, dataset=dataset, score=score, by=by)


@router.get("/usecases/{name}/history")
def history(
    scope: Caller,
    name: str,
    dataset: str | None = None,
    score: str | None = None,
    limit: int = verdicts.RUNS_MAX,
) -> list[verdicts.HistoryPoint]:
    """The runs of a use case, newest first, each against the one before it."""
    return verdicts.run_history(scope, name, dataset=dataset, score=score, limit=limit)


@router.get("/runs/{run_id}/themes")
def themes(scope: Caller, run_id: str) -> verdicts.ErrorAnalysis:
    """What went wrong in a run, in themes with quotes, and the slices in which more does."""
    return verdicts.analyse_errors(scope, run_id)


@router.get("/usecases/{name}/releases/{reference}/gate")
def gate(scope: Caller, name: str, reference: str) -> list[verdicts.GateLine]:
    """The gate of a release or refusal line by line, each with its evidence."""
    return verdicts.explain_gate(scope, get_release(scope, reference, use_case=name).gate)


@router.post("/usecases/{name}/releases/{reference}/override")
def override(scope: Caller, name: str, reference: str, reason: Reason) -> Release:
    """Release what a gate refused. People only: a key is refused, whatever its rights."""
    return overrides.override_gate(scope, name, reference, reason=reason.reason)


def _guard(text: str) -> tuple[str, float]:
    name, _, allowed = text.rpartition(":")
    try:
        return name, float(allowed)
    except ValueError:
        raise Invalid(
            "bad_guard",
            f"`guard` is `{text[:80]}`, expected a name and a margin",
            hint="Such as `guard=latency_ms:0.1`.",
        ) from None
