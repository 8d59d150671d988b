"""Plans of cases and repetitions: simulated runs reach what was promised."""

import numpy as np
import pytest

from lineside.core import Invalid
from lineside.stats import (
    cases_needed_for_difference,
    judge_non_inferiority,
    paired_difference,
)
from lineside.stats.pivots import PairedRatePivot
from lineside.stats.planning import Spread, nested_spread, plan_comparison
from lineside.stats.power import cases_needed_for_paired_rates

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

    assert related.cases == pytest.approx(2 * alone.cases, rel=0.03)


def ships(change: np.ndarray, margin: float, clusters: list[int] | None = None) -> bool:
    """Whether the gate's own test lets a candidate pass whose cases changed so."""
    is_rate = set(change.tolist()) <= {-1.0, 0.0, 1.0}
    before, after = ((change < 0) * 1.0, (change > 0) * 1.0) if is_rate else (0 * change, change)
    method = "binary" if is_rate else "t"
    found = paired_difference(before, after, clusters=clusters, method=method)
    return judge_non_inferiority(found, margin, rule="r").decision == "ship"


@pytest.mark.parametrize(
    ("discordant", "margin", "difference"),
    [(0.2, 0.05, 0.0), (0.06, 0.03, 0.0), (0.1, 0.03, 0.02), (0.1, 0.1, 0.0)],
)
def test_a_planned_comparison_of_rates_has_the_power_promised(
    discordant: float, margin: float, difference: float
) -> None:
    rng = np.random.default_rng(4)
    spread = Spread((discordant - difference**2) ** 0.5, 0)

    (plan,) = plan_comparison(
        spread, margin, true_difference=difference, repetitions_max=1, are_rates=True
    )

    shares = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    tables = rng.multinomial(plan.cases, shares, RUNS)[:, :2].tolist()
    passed = [
        PairedRatePivot(won, lost, plan.cases).p_above(-margin) <= 0.025 for won, lost in tables
    ]
    assert np.mean(passed) == pytest.approx(0.815, abs=0.03)


def test_hardly_any_difference_takes_more_cases_than_the_t_test_says() -> None:
    """With 128 cases, as the t test has it, only 63 of 100 such runs pass."""
    assert cases_needed_for_difference(0.2, 0.05) == 128
    assert cases_needed_for_paired_rates(0.04, 0.05) == 190


@pytest.mark.parametrize(("size", "margin", "are_rates"), [(5, 0.15, False), (5, 0.3, True)])
def test_few_clusters_have_the_power_promised(size: int, margin: float, are_rates: bool) -> None:
    rng, alike, runs = np.random.default_rng(5), 0.3, 600
    spread = Spread(0.3**0.5 if are_rates else 0.3, 0)
    (plan,) = plan_comparison(
        spread,
        margin,
        repetitions_max=1,
        cases_per_cluster=size,
        cluster_correlation=alike,
        are_rates=are_rates,
    )
    count = -(-plan.cases // size)
    clusters = np.repeat(np.arange(count), size).tolist()

    def change() -> np.ndarray:
        if not are_rates:
            shared = np.repeat(rng.normal(0, 0.3 * alike**0.5, count), size)
            return shared + rng.normal(0, 0.3 * (1 - alike) ** 0.5, shared.size)
        drawn = rng.choice([1.0, -1.0, 0.0], (count, 1 + size), p=[0.15, 0.15, 0.7])
        is_shared = rng.random((count, size)) < alike**0.5
        return np.where(is_shared, drawn[:, :1], drawn[:, 1:]).ravel()

    passed = [ships(change(), margin, clusters) for _ in range(runs)]

    assert count < 40
    assert np.mean(passed) == pytest.approx(0.81, abs=0.05)


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
        (lambda: plan_comparison(Spread(1, 1), 2, are_rates=True), "bad_margin"),
        (lambda: plan_comparison(Spread(1, 1), 1, repetitions_max=0), "bad_count"),
        (lambda: plan_comparison(Spread(1, 1), 1, cluster_correlation=2), "bad_correlation"),
    ],
)
def test_impossible_plans_are_refused(call, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        call()

    assert caught.value.code == code
