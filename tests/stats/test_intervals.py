"""Intervals against statsmodels, scipy and simulations."""

import math

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from lineside.core import Invalid
from lineside.stats import mean_interval, wilson


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 10), (10, 10), (1, 29), (81, 263), (2_790, 3_080)]
)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_agrees_with_statsmodels(successes: int, n: int, confidence: float) -> None:
    interval = wilson(successes, n, confidence=confidence)

    low, high = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    assert interval.low == pytest.approx(low, abs=1e-12)
    assert interval.high == pytest.approx(high, abs=1e-12)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_table_of_newcombe_1998(
    successes: int, n: int, low: float, high: float
) -> None:
    interval = wilson(successes, n)

    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


def test_zero_and_one_scores_get_wilson() -> None:
    interval = mean_interval([1, 1, 0, 1, True, False])

    assert interval.method == "wilson"
    assert (interval.low, interval.high) == (wilson(4, 6).low, wilson(4, 6).high)


def test_few_scores_get_student_t_as_scipy_computes_it() -> None:
    scores = [0.2, 0.4, 0.9, 0.55, 0.7]

    interval = mean_interval(scores, confidence=0.9)

    expected = scipy.stats.ttest_1samp(scores, 0).confidence_interval(0.9)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert (interval.method, interval.n, interval.df) == ("t", 5, 4)


def test_many_scores_get_the_bca_bootstrap_as_scipy_computes_it() -> None:
    scores = np.random.default_rng(3).lognormal(0, 1, 120)

    interval = mean_interval(scores)

    expected = scipy.stats.bootstrap(
        (scores,), np.mean, n_resamples=40_000, method="BCa", batch=5_000, rng=1
    ).confidence_interval
    width = expected.high - expected.low
    assert interval.method == "bootstrap"
    assert interval.low == pytest.approx(expected.low, abs=0.04 * width)
    assert interval.high == pytest.approx(expected.high, abs=0.04 * width)


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = np.random.default_rng(3).normal(size=50)

    assert mean_interval(scores, seed=7) == mean_interval(list(scores), seed=7)
    assert mean_interval(scores, seed=7) != mean_interval(scores, seed=8)


def test_clusters_of_equal_size_agree_with_the_robust_regression_of_statsmodels() -> None:
    rng = np.random.default_rng(5)
    keys = np.repeat(np.arange(12), 5)
    scores = rng.normal(size=12)[keys] + rng.normal(size=60)

    interval = mean_interval(scores, clusters=[f"talk-{key}" for key in keys])

    fit = sm.OLS(scores, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": keys}, use_t=True)
    assert (interval.low, interval.high) == pytest.approx(tuple(fit.conf_int()[0]))
    assert (interval.n, interval.cases, interval.method) == (12, 60, "t_clustered")
    assert interval.df == pytest.approx(11)
    assert interval.design_effect > 1.5


def test_each_case_its_own_cluster_is_no_cluster() -> None:
    scores = [0.2, 0.4, 0.9, 0.55, 0.7, 0.1]

    alone = mean_interval(scores, method="t")
    clustered = mean_interval(scores, clusters=range(6))

    assert (clustered.low, clustered.high) == pytest.approx((alone.low, alone.high))


def test_degrees_of_freedom_shrink_when_one_cluster_dominates() -> None:
    """The closed form against the matrices of Bell and McCaffrey."""
    sizes = [30, 5, 3, 3, 2]
    keys = np.repeat(np.arange(5), sizes)
    scores = np.random.default_rng(1).normal(size=keys.size)

    interval = mean_interval(scores, clusters=list(keys))

    n = keys.size
    hat = np.full((n, n), 1 / n)
    member = keys[:, None] == np.arange(5)
    columns = (np.eye(n) - hat) @ member / np.sqrt(1 - np.array(sizes) / n)
    frames = [columns.T @ columns, columns.T @ (member @ member.T) @ columns]
    dfs = [np.trace(frame) ** 2 / np.trace(frame @ frame) for frame in frames]
    assert interval.df == pytest.approx(min(dfs))
    assert interval.df < 2.5


def test_binary_clusters_count_for_less_than_their_cases() -> None:
    keys = np.repeat(np.arange(20), 10)
    alike = (np.arange(20) % 4 > 0)[keys].astype(int)

    clustered, alone = mean_interval(alike, clusters=list(keys)), mean_interval(alike)

    assert clustered.value == alone.value == 0.75
    assert clustered.design_effect == pytest.approx(10 * 20 / 19)
    assert clustered.high - clustered.low > 3 * (alone.high - alone.low)
    assert 0 <= clustered.low <= clustered.high <= 1


def test_all_right_in_clusters_is_as_sure_as_one_case_per_cluster() -> None:
    interval = mean_interval([1] * 200, clusters=list(np.repeat(np.arange(20), 10)))

    assert (interval.low, interval.high) == (pytest.approx(wilson(20, 20).low), 1.0)


def test_one_score_bounds_nothing() -> None:
    interval = mean_interval([0.7])

    assert (interval.value, interval.low, interval.high) == (0.7, -math.inf, math.inf)
    assert interval.method == "unknown"


def test_one_cluster_bounds_nothing() -> None:
    assert mean_interval([0.7, 0.2, 0.4], clusters="aaa").method == "unknown"


def test_equal_scores_are_never_certain() -> None:
    few, many = mean_interval([0.5] * 29), mean_interval([0.5] * 30)

    assert few.low < many.low < 0.5 < many.high < few.high
    assert many.low == pytest.approx(0.5 * (1 - wilson(0, 30).high))
    assert many.method == "bounded"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([], "no_values"),
        ([0.5, math.nan], "not_finite"),
        ([0.5, None], "not_finite"),
        ([math.inf], "not_finite"),
        (["good"], "not_a_number"),
        ([[1, 0]], "not_a_number"),
    ],
)
def test_what_is_not_a_row_of_numbers_is_refused(values: list, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        mean_interval(values)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: mean_interval([1, 0], confidence=1), "bad_confidence"),
        (lambda: mean_interval([1, 0], clusters=["a"]), "lengths_differ"),
        (lambda: mean_interval([1, 0], clusters=["a", None]), "cluster_missing"),
        (lambda: mean_interval([1, 0.5], method="wilson"), "not_binary"),
        (lambda: wilson(0, 0), "no_values"),
        (lambda: wilson(3, 2), "bad_count"),
    ],
)
def test_wrong_arguments_are_refused_by_name(call, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        call()

    assert caught.value.code == code


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_an_interval_holds_its_estimate(values: list[float]) -> None:
    interval = mean_interval(values)

    assert interval.low <= interval.value <= interval.high


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.93])
def test_wilson_covers_as_often_as_it_says_on_average(rate: float) -> None:
    n, hits = 120, 0.0
    for successes in range(n + 1):
        interval = wilson(successes, n)
        if interval.low <= rate <= interval.high:
            hits += scipy.stats.binom.pmf(successes, n, rate)

    assert hits == pytest.approx(0.95, abs=0.02)


def test_the_clustered_interval_covers_where_the_naive_one_does_not() -> None:
    rng = np.random.default_rng(11)
    sizes = np.array([1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 20] * 2)
    keys = np.repeat(np.arange(sizes.size), sizes)
    clustered, naive = 0, 0
    for _ in range(300):
        scores = rng.normal(size=sizes.size)[keys] + rng.normal(size=keys.size)
        robust = mean_interval(scores, clusters=keys.tolist())
        simple = mean_interval(scores, method="t")
        clustered += robust.low <= 0 <= robust.high
        naive += simple.low <= 0 <= simple.high

    assert clustered / 300 > 0.92
    assert naive / 300 < 0.7


def test_the_clustered_rate_covers_near_one() -> None:
    rng = np.random.default_rng(12)
    keys = np.repeat(np.arange(40), 5)
    covered = 0
    for _ in range(400):
        chance = rng.beta(9, 1, 40)  # mean 0.9, cases of a cluster resemble each other
        interval = mean_interval(rng.random(200) < chance[keys], clusters=keys.tolist())
        covered += interval.low <= 0.9 <= interval.high

    assert covered / 400 > 0.92
