"""Plans of cases and repetitions: simulated runs reach what was promised."""

import numpy as np
import pytest

from lineside.core import Invalid
from lineside.stats import cases_needed_for_difference
from lineside.stats.planning import Spread, nested_spread, plan_comparison

RUNS = 3_000


def runs(rng, spread: Spread, cases: int, repetitions: int, difference: float) -> np.ndarray:
    """Mean differences per case of many runs, one run per row."""
    case = rng.normal(difference, spread.between, (RUNS, cases))
    return case + rng.normal(0, spread.within / repetitions**0.5, (RUNS, cases))


@pytest.mark.parametrize(("power", "difference"), [(0.8, 0.0), (0.9, 0.03)])
def test_a_planned_run_has_the_power_promised(power: float, difference: float) -> None:
    rng, spread = np.random.default_rng(1), Spread(0.2, 0.4)

    plans = plan_comparison(spread, 0.05, true_difference=difference, power=power)

    for plan in (plans[0], plans[3], plans[-1]):
        change = runs(rng, spread, plan.cases, plan.repetitions, difference)
        error = change.std(axis=1, ddof=1) / plan.cases**0.5
        settled = change.mean(axis=1) - 1.98 * error > -0.05
        assert settled.mean() == pytest.approx(power, abs=0.03)


def test_repetitions_save_cases_and_cost_answers() -> None:
    plans = plan_comparison(Spread(0.2, 0.4), 0.05, repetitions_max=4)

    assert [plan.repetitions for plan in plans] == [1, 2, 3, 4]
    cases = [plan.cases for plan in plans]
    assert cases == sorted(cases, reverse=True)
    assert [plan.answers for plan in plans] == [
        2 * at * count for at, count in zip((1, 2, 3, 4), cases, strict=True)
    ]
    assert plans[0].cases == cases_needed_for_difference(0.2**0.5, 0.05)


def test_related_cases_need_more_of_them() -> None:
    words = {"repetitions_max": 1, "cases_per_cluster": 5}

    (alone,) = plan_comparison(Spread(0.3, 0), 0.05, **words)
    (related,) = plan_comparison(Spread(0.3, 0), 0.05, **words, cluster_correlation=0.25)

    assert related.cases == 2 * alone.cases


def test_no_plan_is_listed_that_nobody_can_afford() -> None:
    assert plan_comparison(Spread(0.3, 0.3), 0.001, cases_max=1_000) == ()
    few = plan_comparison(Spread(0.1, 0.9), 0.05, cases_max=1_000)
    assert few[0].repetitions == 3


def test_a_pilot_tells_both_spreads_apart() -> None:
    rng = np.random.default_rng(2)
    estimates = []
    for _ in range(400):
        baseline = rng.normal(0.5, 0.2, (40, 3))
        candidate = rng.normal(0.5, 0.3, (40, 1)) + rng.normal(0, 0.4, (40, 2))
        spread = nested_spread(baseline.tolist(), candidate.tolist())
        estimates.append((spread.between**2, spread.within**2))

    assert np.mean(estimates, axis=0) == pytest.approx([0.09, 0.04 + 0.16], rel=0.06)


def test_a_pilot_that_varies_by_repetition_alone_has_nothing_between() -> None:
    spread = nested_spread([[0, 1], [1, 0]] * 5, [[1, 0], [0, 1]] * 5)

    assert spread.between == 0
    assert spread.within == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: nested_spread([[1]], [[1], [0]]), "lengths_differ"),
        (lambda: nested_spread([[1, 0]], [[1, 1]]), "too_few_cases"),
        (lambda: nested_spread([[1], [0]], [[1], [1]]), "one_repetition"),
        (lambda: nested_spread([[1, 0], []], [[1, 0], [1, 1]]), "no_values"),
        (lambda: Spread(-1, 0), "bad_spread"),
        (lambda: plan_comparison(Spread(1, 1), 0), "bad_margin"),
        (lambda: plan_comparison(Spread(1, 1), 1, repetitions_max=0), "bad_count"),
        (lambda: plan_comparison(Spread(1, 1), 1, cluster_correlation=2), "bad_correlation"),
    ],
)
def test_impossible_plans_are_refused(call, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        call()

    assert caught.value.code == code
