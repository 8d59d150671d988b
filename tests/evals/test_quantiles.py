from math import inf

import numpy as np
import pytest
from scipy.stats import quantile_test

from lineside.evals.quantiles import cases_for_upper_end, quantile_interval


@pytest.mark.parametrize(("n", "share"), [(50, 0.5), (240, 0.95), (1000, 0.99), (100, 0.9)])
def test_the_ends_are_those_of_scipys_quantile_test(n: int, share: float) -> None:
    values = np.random.default_rng(n).lognormal(6, 1, n)
    ours = quantile_interval(list(values), share)

    # scipy inverts two one-sided tests over the same binomial; its ends are order statistics too.
    theirs = quantile_test(values, p=share).confidence_interval(0.95)
    assert (ours.low, ours.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))


def test_the_interval_covers_the_true_quantile() -> None:
    generator = np.random.default_rng(1)
    truth = float(np.exp(1.6448536))
    hits = 0
    for _ in range(1000):
        interval = quantile_interval(list(generator.lognormal(0, 1, 200)), 0.95)
        hits += interval.low <= truth <= interval.high
    assert 0.94 <= hits / 1000 <= 0.995


def test_too_few_cases_leave_the_upper_end_open() -> None:
    needed = cases_for_upper_end(0.95)
    assert quantile_interval(list(range(needed - 1)), 0.95).high == inf
    assert quantile_interval(list(range(needed)), 0.95).high == needed - 1


def test_missing_values_widen_both_ends() -> None:
    values = list(range(500))
    whole, holed = quantile_interval(values, 0.9), quantile_interval(values, 0.9, missing=20)
    assert holed.low < whole.low < whole.high < holed.high


def test_related_cases_know_less() -> None:
    values = [float(n // 10) for n in range(500)]
    loose = quantile_interval(values, 0.5)
    related = quantile_interval(values, 0.5, clusters=[str(n // 10) for n in range(500)])
    assert related.high - related.low > 2 * (loose.high - loose.low)
    assert related.n == 50
