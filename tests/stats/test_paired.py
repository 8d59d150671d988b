"""Paired comparisons against published tables, statsmodels, scipy and simulations."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar

from lineside.core import Invalid
from lineside.stats import paired_difference


def runs(both: int, wins: int, losses: int, neither: int) -> tuple[list[int], list[int]]:
    """Return baseline and candidate of a paired two-by-two table."""
    baseline = [1] * both + [0] * wins + [1] * losses + [0] * neither
    candidate = [1] * both + [1] * wins + [0] * losses + [0] * neither
    return baseline, candidate


@pytest.mark.parametrize(
    ("table", "confidence", "low", "high", "digits"),
    [
        # Airway hyper-responsiveness (Bentur 2009), in Fagerland, Lydersen and Laake 2014.
        ((1, 1, 7, 12), 0.95, -0.517, -0.026, 3),
        # Complete response (Cavo 2012), in the same authors' book of 2017, chapter 8.
        ((59, 6, 16, 80), 0.95, -0.1240, -0.0054, 4),
        # `scoreci.mp(25, 28, 618, 0.90)` of the R package PropCIs.
        ((565, 28, 25, 0), 0.90, -0.0148, 0.0247, 4),
    ],
)
def test_tango_gives_the_published_intervals(
    table: tuple[int, int, int, int], confidence: float, low: float, high: float, digits: int
) -> None:
    difference = paired_difference(*runs(*table), confidence=confidence)

    assert (round(difference.low, digits), round(difference.high, digits)) == (low, high)


@pytest.mark.parametrize("table", [(1, 1, 7, 12), (59, 6, 16, 80), (9, 5, 5, 1), (3, 0, 4, 0)])
def test_the_p_value_is_mcnemars_exact_one(table: tuple[int, int, int, int]) -> None:
    both, wins, losses, neither = table

    difference = paired_difference(*runs(*table))

    oracle = mcnemar([[both, losses], [wins, neither]], exact=True)
    assert difference.p_value == pytest.approx(oracle.pvalue)
    assert (difference.wins, difference.losses, difference.ties) == (wins, losses, both + neither)


def test_equal_runs_do_not_differ_but_the_interval_keeps_a_width() -> None:
    difference = paired_difference([1, 0, 1, 1] * 25, [1, 0, 1, 1] * 25)

    assert (difference.value, difference.p_value) == (0, 1)
    assert difference.low == pytest.approx(-0.037, abs=1e-3)
    assert difference.high == pytest.approx(-difference.low)


def test_few_scores_get_the_paired_t_test_of_scipy() -> None:
    rng = np.random.default_rng(2)
    baseline = rng.normal(size=20)
    candidate = baseline + rng.normal(0.3, 0.5, size=20)

    difference = paired_difference(baseline, candidate)

    oracle = scipy.stats.ttest_rel(candidate, baseline)
    expected = oracle.confidence_interval()
    assert (difference.low, difference.high) == pytest.approx((expected.low, expected.high))
    assert difference.p_value == pytest.approx(oracle.pvalue)
    assert difference.candidate_mean - difference.baseline_mean == pytest.approx(difference.value)


def test_many_scores_get_the_paired_bootstrap_of_scipy() -> None:
    rng = np.random.default_rng(4)
    baseline = rng.lognormal(size=150)
    candidate = baseline + rng.lognormal(-1, 1, size=150) - 0.5

    difference = paired_difference(baseline, candidate)

    expected = scipy.stats.bootstrap(
        (candidate - baseline,), np.mean, n_resamples=20_000, method="BCa", batch=5_000, rng=1
    ).confidence_interval
    width = expected.high - expected.low
    assert difference.method == "bootstrap"
    assert difference.low == pytest.approx(expected.low, abs=0.05 * width)
    assert difference.high == pytest.approx(expected.high, abs=0.05 * width)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=80)
    | st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=25)
)
def test_swapping_the_runs_flips_the_sign(pairs: list[tuple[float, float]]) -> None:
    baseline, candidate = zip(*pairs, strict=True)

    there = paired_difference(baseline, candidate)
    back = paired_difference(candidate, baseline)

    assert there.value == pytest.approx(-back.value)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)
    assert there.p_value == pytest.approx(back.p_value)
    assert there.low <= there.value + 1e-9
    assert there.value <= there.high + 1e-9


def test_turns_of_one_conversation_count_as_related() -> None:
    keys = np.repeat(np.arange(30), 8)
    baseline = np.ones(240)
    candidate = np.where(keys % 5 == 0, 0, 1)

    clustered = paired_difference(baseline, candidate, clusters=keys.tolist())
    alone = paired_difference(baseline, candidate)

    assert clustered.value == alone.value == -0.2
    assert (clustered.n, clustered.cases, clustered.method) == (30, 240, "tango_clustered")
    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)
    assert clustered.p_value > alone.p_value


def test_clustered_scores_get_the_cluster_robust_t() -> None:
    rng = np.random.default_rng(6)
    keys = np.repeat(np.arange(10), 4)
    baseline = rng.normal(size=40)
    candidate = baseline + rng.normal(size=10)[keys]

    difference = paired_difference(baseline, candidate, clusters=keys.tolist())

    means = (candidate - baseline).reshape(10, 4).mean(axis=1)
    assert difference.p_value == pytest.approx(scipy.stats.ttest_1samp(means, 0).pvalue)


def test_tango_covers_as_often_as_it_says() -> None:
    """Exact coverage over all tables of 60 cases with 8 % wins and 12 % losses."""
    n, win, lose = 60, 0.08, 0.12
    covered = 0.0
    for wins in range(25):
        for losses in range(25):
            chance = scipy.stats.multinomial.pmf(
                [wins, losses, n - wins - losses], n, [win, lose, 1 - win - lose]
            )
            if chance > 1e-5:
                difference = paired_difference(*runs(0, wins, losses, n - wins - losses))
                covered += chance * (difference.low <= win - lose <= difference.high)

    assert covered == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("baseline", "candidate", "method", "code"),
    [
        ([1, 0], [1], "auto", "lengths_differ"),
        ([], [], "auto", "no_values"),
        ([0.5], [1], "binary", "not_binary"),
        ([0.5], [float("nan")], "auto", "not_finite"),
    ],
)
def test_runs_that_cannot_be_paired_are_refused(baseline, candidate, method, code) -> None:
    with pytest.raises(Invalid) as caught:
        paired_difference(baseline, candidate, method=method)

    assert caught.value.code == code
