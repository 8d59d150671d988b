"""Two groups of calls: exact limits against tables, coverage by simulation, callers as units."""

import numpy as np
import pytest
import scipy.stats

from lineside.stats import unpaired
from lineside.stats.unpaired import ClusterSums, ExactRatePivot, RateDifferencePivot


def sums(values: np.ndarray, callers: np.ndarray | None = None) -> ClusterSums:
    owners = np.arange(values.size) if callers is None else callers
    totals, counts = np.bincount(owners, weights=values), np.bincount(owners)
    return ClusterSums(
        units=totals.size,
        count=values.size,
        total=float(totals.sum()),
        squares=float((totals**2).sum()),
        cross=float((totals * counts).sum()),
        counts=float((counts**2).sum()),
    )


@pytest.mark.parametrize(("yes", "n"), [(0, 30), (1, 50), (7, 100), (50, 50)])
def test_exact_limits_are_those_of_scipy(yes: int, n: int) -> None:
    pivot = ExactRatePivot(yes / n, n)
    theirs = scipy.stats.binomtest(yes, n).proportion_ci(0.95, method="exact")
    above = scipy.stats.binomtest(yes, n, 0.03, alternative="greater").pvalue
    below = scipy.stats.binomtest(yes, n, 0.03, alternative="less").pvalue

    assert (pivot.low(0.025), pivot.high(0.025)) == pytest.approx(tuple(theirs))
    assert (pivot.p_above(0.03), pivot.p_below(0.03)) == pytest.approx((above, below))


def test_an_end_and_its_p_value_never_contradict_each_other() -> None:
    pivot = RateDifferencePivot(ExactRatePivot(0.1, 60), ExactRatePivot(0.01, 1000))

    for tail in (0.001, 0.025, 0.2):
        assert pivot.p_above(pivot.low(tail)) == pytest.approx(tail, rel=1e-6)
        assert pivot.p_below(pivot.high(tail)) == pytest.approx(tail, rel=1e-6)


@pytest.mark.parametrize(
    ("one", "other", "n", "m"), [(0.02, 0.02, 60, 1000), (0.03, 0.01, 100, 100), (0, 0, 40, 400)]
)
def test_no_end_of_a_difference_of_rates_misses_more_often_than_said(
    one: float, other: float, n: int, m: int
) -> None:
    rng = np.random.default_rng(3)
    ones, others = rng.binomial(n, one, 1500), rng.binomial(m, other, 1500)
    pivots = [
        RateDifferencePivot(ExactRatePivot(a / n, n), ExactRatePivot(b / m, m))
        for a, b in zip(ones, others, strict=True)
    ]
    too_high = np.mean([pivot.low(0.025) > one - other for pivot in pivots])
    too_low = np.mean([pivot.high(0.025) < one - other for pivot in pivots])

    assert too_high <= 0.035  # 2.5 %, and what 1,500 draws leave open
    assert too_low <= 0.035


def test_a_caller_who_fails_again_and_again_counts_less_than_as_many_callers() -> None:
    failed = np.repeat([1.0, 0.0], [40, 160])
    alone = unpaired.exact_rate(sums(failed))
    of_few = unpaired.exact_rate(sums(failed, np.repeat(np.arange(10), 20)))

    assert (alone.value, alone.n) == (0.2, pytest.approx(200, abs=1.5))
    assert of_few.value == 0.2
    assert of_few.n < 12
    all_alike = unpaired.exact_rate(sums(np.zeros(200), np.repeat(np.arange(10), 20)))
    assert (all_alike.value, all_alike.n) == (0, 10)


def test_changes_are_those_of_a_t_test_on_logarithms() -> None:
    rng = np.random.default_rng(5)
    new, old = rng.lognormal(5.2, 0.8, 80), rng.lognormal(5.0, 0.8, 500)
    change = unpaired.change_of_logs(sums(np.log(new)), sums(np.log(old)))
    theirs = scipy.stats.ttest_ind(np.log(new), np.log(old), equal_var=False)
    ends = theirs.confidence_interval(0.95)

    assert change.value == pytest.approx(np.exp(np.log(new).mean() - np.log(old).mean()) - 1)
    assert change.low(0.025) == pytest.approx(np.exp(ends.low) - 1, rel=0.01)
    assert change.high(0.025) == pytest.approx(np.exp(ends.high) - 1, rel=0.01)
    means = unpaired.change_of_means(sums(new), sums(old))
    assert means is not None
    assert means.value == pytest.approx(new.mean() / old.mean() - 1)
    assert unpaired.change_of_means(sums(new), sums(np.zeros(50))) is None


def test_what_was_seen_of_one_caller_alone_bounds_nothing() -> None:
    lone = sums(np.array([5.0]))

    assert unpaired.mean_pivot(lone).high(0.025) == float("inf")
    assert unpaired.mean_difference(lone, sums(np.arange(50.0))).p_above(0) == 0.5
