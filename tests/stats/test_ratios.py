"""Cost per success against tea-tasting and simulation."""

from math import inf, sqrt

import numpy as np
import pytest
import scipy.stats

from lineside.core import Invalid
from lineside.stats import mean_interval
from lineside.stats.ratios import ratio_difference, ratio_interval


def test_the_delta_method_agrees_with_tea_tasting() -> None:
    import pandas as pd
    import tea_tasting as tt

    rng = np.random.default_rng(1)
    runs = [(rng.gamma(2, 0.01, 300), rng.random(300) < rate) for rate in (0.7, 0.8)]
    frame = pd.DataFrame(
        {
            "variant": np.repeat([0, 1], 300),
            "cost": np.concatenate([cost for cost, _ in runs]),
            "success": np.concatenate([won for _, won in runs]).astype(int),
        }
    )

    before, after = (ratio_interval(cost, won, method="delta") for cost, won in runs)

    metric = tt.RatioOfMeans("cost", "success", use_t=False)
    expected = tt.Experiment(cost=metric).analyze(frame)["cost"]
    assert (before.value, after.value) == pytest.approx((expected.control, expected.treatment))
    errors = [
        (each.high - each.low) / 2 / scipy.stats.t.isf(0.025, 299) for each in (before, after)
    ]
    half = scipy.stats.norm.isf(0.025) * sqrt(errors[0] ** 2 + errors[1] ** 2)
    assert after.value - before.value - half == pytest.approx(expected.effect_size_ci_lower)
    assert after.value - before.value + half == pytest.approx(expected.effect_size_ci_upper)


def test_a_ratio_to_one_is_a_mean() -> None:
    costs = np.random.default_rng(2).gamma(2, 1, 25)
    mean = mean_interval(costs, method="t")

    for method in ("fieller", "delta"):
        ratio = ratio_interval(costs, [1] * 25, method=method)
        assert (ratio.low, ratio.high) == pytest.approx((mean.low, mean.high))


def test_the_ends_of_fieller_are_where_the_t_test_just_rejects() -> None:
    rng = np.random.default_rng(3)
    costs, won = rng.gamma(2, 1, 40), rng.random(40) < 0.6

    ratio = ratio_interval(costs, won)

    for end in (ratio.low, ratio.high):
        assert scipy.stats.ttest_1samp(costs - end * won, 0).pvalue == pytest.approx(0.05)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng, hits, paired = np.random.default_rng(4), 0, 0
    for _ in range(1_500):
        won = rng.random((2, 80)) < 0.6
        cost = rng.gamma(4, 0.5, 80)  # 2 on average, the dearer the harder
        ratio = ratio_interval(cost, won[0])
        hits += ratio.low <= 2 / 0.6 <= ratio.high
        change = ratio_difference((cost, won[0]), (cost * 1.5, won[1]))
        paired += change.low <= 1 / 0.6 <= change.high

    assert hits / 1_500 == pytest.approx(0.95, abs=0.017)  # three deviations of chance
    assert paired / 1_500 == pytest.approx(0.95, abs=0.017)


def test_pairing_takes_out_what_both_releases_share() -> None:
    rng = np.random.default_rng(5)
    cost, won = rng.gamma(2, 1, 200), rng.random(200) < 0.7

    change = ratio_difference((cost, won), (cost * 1.1, won))

    alone = ratio_interval(cost, won)
    assert change.value == pytest.approx(0.1 * alone.value)
    assert change.high - change.low < 0.2 * (alone.high - alone.low)


def test_cases_of_one_conversation_count_as_related() -> None:
    rng = np.random.default_rng(6)
    keys = np.repeat(np.arange(25), 8)
    cost, won = rng.gamma(2, 1, 25)[keys], (rng.random(25) < 0.7)[keys]

    for method in ("fieller", "delta"):
        alone = ratio_interval(cost, won, method=method)
        related = ratio_interval(cost, won, method=method, clusters=keys.tolist())
        assert related.high - related.low > 2 * (alone.high - alone.low)
        assert related.n == 25


def test_a_success_that_may_be_none_bounds_nothing() -> None:
    ratio = ratio_interval([1.0] * 20, [1] + [0] * 19)

    assert (ratio.value, ratio.low, ratio.high) == (20, -inf, inf)


@pytest.mark.parametrize("method", ["fieller", "delta"])
def test_equal_ratios_are_certain_only_when_there_are_many(method) -> None:
    few = ratio_interval([2.0, 4.0, 6.0], [1, 2, 3], method=method)
    many = ratio_interval([2.0, 4.0] * 20, [1, 2] * 20, method=method)

    assert (few.value, few.low, few.high) == (2, -inf, inf)
    assert (many.low, many.high) == (2, 2)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: ratio_interval([1, 2], [0, 0]), "zero_denominator"),
        (lambda: ratio_interval([1], [1]), "too_few_cases"),
        (lambda: ratio_interval([1, 2], [1, 1], clusters="aa"), "too_few_cases"),
        (lambda: ratio_interval([1, 2], [1]), "lengths_differ"),
        (lambda: ratio_interval([1, float("nan")], [1, 1]), "not_finite"),
        (lambda: ratio_difference(([1, 2], [1, 1]), ([1], [1])), "lengths_differ"),
    ],
)
def test_what_is_no_ratio_is_refused(call, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        call()

    assert caught.value.code == code
