"""What the next comparison takes, before it is run: cases, repetitions, money and time."""

from __future__ import annotations

from math import sqrt

from lineside.core import Invalid, Record
from lineside.evals.compare import Pairing, pair
from lineside.evals.judged import read_judged, read_repeated
from lineside.evals.measures import measure
from lineside.evals.run import get_run
from lineside.evals.verdicts.price import CasePace, pace_of
from lineside.stats import intervals, np, planning
from lineside.trust import Scope

_REPETITIONS_MAX = 5


class ComparisonPlan(Record):
    """One way to reach the promised power.

    Attributes:
        cases: Cases of the dataset, in all.
        repetitions: How often each is asked, of either candidate.
        answers: Answers in all, of both candidates together.
        cost_usd: None where a run does not know what its answers cost.
        seconds: At the pace of both runs, one after the other.
        is_cheapest: Whether no other plan takes fewer answers.
    """

    cases: int
    repetitions: int
    answers: int
    cost_usd: float | None
    seconds: float | None
    is_cheapest: bool


def plan_runs(
    scope: Scope,
    baseline_run_id: str,
    candidate_run_id: str,
    *,
    score: str | None = None,
    margin: float = 0.02,
    true_difference: float = 0.0,
    power: float = 0.8,
) -> list[ComparisonPlan]:
    """Say what it takes to show that a candidate is not worse by the margin, from two pilot runs.

    The pilots tell how differences vary from case to case, and, where both repeated their cases,
    from repetition to repetition; only then are plans with other repetitions listed. Related cases
    are counted as such.

    Args:
        margin: In units of the score; for grades a share of the cases, as a verdict judges them.
        true_difference: How much better the candidate is presumed to be, in the same units.
        power: The chance to show it, if that is so.

    Raises:
        Invalid: `too_few_cases` when the pilots share fewer than two scored cases.
    """
    before, after = get_run(scope, baseline_run_id), get_run(scope, candidate_run_id)
    baseline = read_judged(scope.store, before, beside=after)
    candidate = read_judged(scope.store, after, beside=before)
    name = score or after.main_score or "latency_ms"
    sign = 1 if candidate.trait(name).higher_is_better else -1
    baseline.trait(name)
    pairing = pair(baseline, candidate, name)
    measured = measure(baseline, candidate, name)
    if measured is None or measured.difference.n < 2:
        shared = 0 if measured is None else measured.difference.n
        raise Invalid(
            "too_few_cases",
            f"Of independent cases with a score the pilots share {shared}, at least 2 are needed",
            hint="Run both over the same few cases of several conversations or documents first.",
        )
    difference, are_rates = measured.difference, measured.kind in ("binary", "ordinal")
    repeats = min(before.repetitions, after.repetitions)
    spread = planning.Spread(_spread(pairing, is_by_sign=measured.kind == "ordinal"), 0.0)
    if repeats > 1:
        rows = [read_repeated(scope.store, run, name) for run in (before, after)]
        spread = planning.nested_spread(
            [rows[0][one] for one in pairing.ids], [rows[1][one] for one in pairing.ids]
        )
        seen = {value for run in rows for one in pairing.ids for value in run[one]}
        are_rates = seen <= {0.0, 1.0}
    per_cluster = difference.cases / difference.n
    plans = planning.plan_comparison(
        spread,
        margin,
        true_difference=sign * true_difference,
        power=power,
        repetitions_max=_REPETITIONS_MAX if repeats > 1 else 1,
        cases_per_cluster=per_cluster,
        cluster_correlation=_correlation(difference.design_effect, per_cluster),
        are_rates=are_rates,
        differing=None if pairing.bounds == intervals.AMOUNT else _differing(pairing),
    )
    paces = [
        _of_answer(pace_of(judged), judged.run.repetitions) for judged in (baseline, candidate)
    ]
    return _priced(plans, paces)


def _spread(pairing: Pairing, *, is_by_sign: bool) -> float:
    changes = pairing.after.values - pairing.before
    # A grade is judged by how many got better and how many got worse, not by how far.
    changes = np.sign(changes) if is_by_sign else changes
    # Where no case differed, one that does is the least that can be presumed.
    return float(changes.std(ddof=1)) or 1 / sqrt(len(changes))


def _differing(pairing: Pairing) -> float:
    changed = int((pairing.after.values != pairing.before).sum())
    return max(1, changed) / len(pairing.ids)


def _correlation(design_effect: float, per_cluster: float) -> float:
    """How alike cases of one conversation are, from what it cost the pilots."""
    if per_cluster <= 1:
        return 0.0
    return min(1.0, max(0.0, (design_effect - 1) / (per_cluster - 1)))


def _of_answer(pace: CasePace, repetitions: int) -> CasePace:
    cost, seconds = (None if part is None else part / repetitions for part in pace)
    return CasePace(cost, seconds)


def _priced(plans: tuple[planning.Plan, ...], paces: list[CasePace]) -> list[ComparisonPlan]:
    costs = [pace.cost_usd for pace in paces if pace.cost_usd is not None]
    times = [pace.seconds for pace in paces if pace.seconds is not None]
    least = min((plan.answers for plan in plans), default=0)
    found = []
    for plan in plans:
        of_each = plan.answers / 2
        found.append(
            ComparisonPlan(
                cases=plan.cases,
                repetitions=plan.repetitions,
                answers=plan.answers,
                cost_usd=of_each * sum(costs) if len(costs) == 2 else None,
                seconds=of_each * sum(times) if len(times) == 2 else None,
                is_cheapest=plan.answers == least,
            )
        )
    return found
