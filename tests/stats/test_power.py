"""Sample sizes against statsmodels, exact enumeration and published tables."""

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.power import TTestPower, normal_sample_size_one_tail
from statsmodels.stats.proportion import proportion_confint

from lineside.core import Invalid
from lineside.stats import (
    cases_needed_for_difference,
    cases_needed_for_rate,
    judge_non_inferiority,
    judge_threshold,
    mean_interval,
    paired_difference,
)
from lineside.stats.intervals import pivot_of
from lineside.stats.paired import paired_pivot
from lineside.stats.power import cases_to_settle


@pytest.mark.parametrize(("rate", "threshold"), [(0.86, 0.85), (0.5, 0.51), (0.019, 0.02)])
def test_a_close_rate_needs_what_the_normal_formula_of_statsmodels_says(
    rate: float, threshold: float
) -> None:
    expected = normal_sample_size_one_tail(
        abs(rate - threshold),
        0.8,
        0.025,
        std_null=(threshold * (1 - threshold)) ** 0.5,
        std_alternative=(rate * (1 - rate)) ** 0.5,
    )

    needed = cases_needed_for_rate(rate, threshold, cases_max=200_000)

    assert needed == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("rate", "threshold"), [(0.95, 0.85), (0.9, 0.85), (0.6, 0.7), (1.0, 0.98)]
)
def test_the_cases_needed_clear_the_threshold_with_the_power_promised(
    rate: float, threshold: float
) -> None:
    def chance(n: int) -> float:
        counts = np.arange(n + 1)
        low, high = proportion_confint(counts, n, method="wilson")
        settled = low >= threshold if rate > threshold else high <= threshold
        return float(scipy.stats.binom.pmf(counts[settled], n, rate).sum())

    needed = cases_needed_for_rate(rate, threshold)

    assert needed is not None
    assert all(chance(n) >= 0.8 for n in range(needed, needed + 60))
    assert chance(needed - 1) < 0.8


def test_a_rate_on_its_threshold_is_never_settled() -> None:
    assert cases_needed_for_rate(0.85, 0.85) is None


def test_no_number_is_named_that_nobody_can_afford() -> None:
    assert cases_needed_for_rate(0.851, 0.85) is None
    assert cases_needed_for_rate(0.9, 0.85, cases_max=100) is None
    assert cases_needed_for_difference(1, 0.001) is None


@pytest.mark.parametrize(
    ("sd", "margin", "true_difference", "power"),
    [(0.4, 0.05, 0, 0.8), (0.3, 0.02, 0.01, 0.9), (1, 1, 0, 0.8), (0.2, 0.4, 0, 0.8)],
)
def test_a_difference_needs_what_the_t_test_power_of_statsmodels_says(
    sd: float, margin: float, true_difference: float, power: float
) -> None:
    expected = TTestPower().solve_power(
        (margin + true_difference) / sd, alpha=0.025, power=power, alternative="larger"
    )

    needed = cases_needed_for_difference(sd, margin, true_difference=true_difference, power=power)

    assert needed == int(np.ceil(expected))


@pytest.mark.parametrize(
    # R's `power.t.test(delta = effect, power = power, type = "paired")`, rounded up.
    ("effect", "power", "cases"),
    [(0.2, 0.8, 199), (0.5, 0.8, 34), (0.8, 0.8, 15), (0.5, 0.9, 44)],
)
def test_a_difference_needs_what_the_tables_say(effect: float, power: float, cases: int) -> None:
    assert cases_needed_for_difference(1, effect, power=power) == cases


def test_a_candidate_worse_than_the_margin_never_gets_there() -> None:
    assert cases_needed_for_difference(0.3, 0.01, true_difference=-0.01) is None


def test_runs_that_never_differ_need_two_cases() -> None:
    assert cases_needed_for_difference(0, 0.01) == 2


def test_further_cases_for_a_mean_agree_with_the_plan_made_beforehand() -> None:
    scores = np.random.default_rng(1).normal(0.5, 0.3, 60)
    pivot = pivot_of(mean_interval(scores, method="t"))
    limit = pivot.value - 0.03

    more = cases_to_settle(pivot, limit, cases=60, confidence=0.95)

    planned = cases_needed_for_difference(float(scores.std(ddof=1)), 0.03)
    assert more is not None
    assert more + 60 == pytest.approx(planned, rel=0.01)


@pytest.mark.parametrize("pilot", [4, 10, 30])
def test_a_small_pilot_does_not_ask_for_more_because_it_is_small(pilot: int) -> None:
    """Further cases bring further degrees of freedom: the t of 4 cases is not that of 400."""
    wave = np.resize([-1.0, 1.0], pilot)
    scores = 0.5 + 0.3 * wave / wave.std(ddof=1)
    pivot = pivot_of(mean_interval(scores, method="t"))

    more = cases_to_settle(pivot, 0.5 - 0.05, cases=pilot, confidence=0.95)

    assert more is not None
    assert more + pilot == pytest.approx(cases_needed_for_difference(0.3, 0.05), rel=0.02)


def test_two_conversations_are_too_few_but_not_hopeless() -> None:
    related = [at % 2 for at in range(40)]
    difference = paired_difference([0] * 3 + [1] * 37, [1, 1, 0] + [1] * 37, clusters=related)

    by_difference = judge_non_inferiority(difference, 0.02, rule="r")
    by_rate = judge_threshold([1] * 39 + [0], 0.5, rule="r", clusters=related)

    for found in (by_difference, by_rate):
        assert found.decision == "more"
        assert found.cases_needed is not None
        assert found.cases_needed > 30


def test_runs_that_agree_on_every_case_still_say_how_many_more() -> None:
    pivot = paired_pivot(paired_difference([1] * 100, [1] * 100))

    more = cases_to_settle(pivot, -0.01, cases=100, confidence=0.95)

    # Without a disagreement Tango's end is z² / (n + z²); z carries the quantile of 80 % power.
    square = (1.959964 + 0.841621) ** 2
    assert more == pytest.approx(square * 0.99 / 0.01 - 100, abs=2)


@pytest.mark.parametrize(
    "call",
    [
        lambda: cases_needed_for_rate(1.2, 0.5),
        lambda: cases_needed_for_rate(0.5, 1.0),
        lambda: cases_needed_for_rate(0.5, 0.6, power=0.2),
        lambda: cases_needed_for_difference(0.3, 0),
        lambda: cases_needed_for_difference(-1, 0.1),
        lambda: cases_needed_for_difference(0.3, 0.1, confidence=0),
    ],
)
def test_impossible_plans_are_refused(call) -> None:
    with pytest.raises(Invalid):
        call()
