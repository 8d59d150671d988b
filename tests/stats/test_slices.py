"""Slice gaps: the textbook pair, and simulations with the extremes picked by luck."""

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from lineside.core import Invalid
from lineside.stats import slice_gap
from lineside.stats.slices import gap_pivot


def yes(count: int, of: int) -> list[int]:
    return [1] * count + [0] * (of - count)


def test_the_high_end_of_two_slices_is_newcombes_interval() -> None:
    gap = slice_gap(yes(56, 70) + yes(48, 80), ["mail"] * 70 + ["chat"] * 80)

    _, high = confint_proportions_2indep(56, 70, 48, 80, method="newcomb", compare="diff")
    assert gap.value == pytest.approx(0.2)
    assert gap.high == pytest.approx(high)
    # Newcombe 1998 (independent proportions), table II, example (a), method 10: 0.0524 to 0.3339.
    assert gap.high == pytest.approx(0.3339, abs=5e-5)
    assert 0.02 < gap.low < 0.0524
    assert (gap.best, gap.worst) == ("mail", "chat")


def test_a_slice_too_small_is_named_and_not_judged() -> None:
    gap = slice_gap(yes(18, 20) + yes(12, 20) + [0] * 9, ["a"] * 20 + ["b"] * 20 + ["c"] * 9)

    assert set(gap.slices) == {"a", "b"}
    assert gap.left_out == {"c": 9}
    assert gap.worst == "b"


def test_one_slice_alone_has_no_gap() -> None:
    gap = slice_gap([*yes(18, 20), 0], ["a"] * 20 + ["b"])

    assert (gap.value, gap.low, gap.high, gap.best) == (None, None, None, None)


def test_the_low_end_never_claims_a_gap_below_zero() -> None:
    assert slice_gap(yes(9, 10) * 2, ["a"] * 10 + ["b"] * 10).low == 0


def test_the_interval_and_the_p_values_agree() -> None:
    rng = np.random.default_rng(9)
    slices = rng.integers(0, 3, 900)
    gap = slice_gap(rng.random(900) < np.array([0.95, 0.8, 0.9])[slices], slices)
    pivot = gap_pivot(gap)

    assert pivot.p_above(gap.low) == pytest.approx(0.025, rel=1e-6)
    assert pivot.p_below(gap.high) == pytest.approx(0.025, rel=1e-6)


@pytest.mark.parametrize(
    "rates", [[0.9] * 6, [0.9, 0.9, 0.9, 0.8], [0.95, 0.85], [0.95, 0.95, 0.8, 0.8, 0.8]]
)
def test_the_interval_covers_although_the_extremes_were_picked(rates: list[float]) -> None:
    rng = np.random.default_rng(21)
    slices = np.repeat(np.arange(len(rates)), 80)
    truth, covered, too_low, too_high, rounds = max(rates) - min(rates), 0, 0, 0, 250
    for _ in range(rounds):
        gap = slice_gap(rng.random(slices.size) < np.array(rates)[slices], slices.tolist())
        covered += gap.low <= truth <= gap.high
        too_low += gap.high < truth
        too_high += gap.low > truth

    assert covered / rounds >= 0.93
    assert too_low / rounds <= 0.05
    assert too_high / rounds <= 0.05


def test_slices_of_scores_cover_too() -> None:
    rng = np.random.default_rng(22)
    means = np.array([0.5, 0.6, 0.55])
    slices = np.repeat(np.arange(3), 25)
    rounds = 200
    covered = 0
    for _ in range(rounds):
        gap = slice_gap(rng.normal(means[slices], 0.2), slices.tolist())
        covered += gap.low <= 0.1 <= gap.high

    assert covered / rounds >= 0.93


@pytest.mark.parametrize(
    ("values", "slices", "options", "code"),
    [
        ([1, 0], ["a"], {}, "lengths_differ"),
        ([], [], {}, "no_values"),
        ([1, 0], ["a", "b"], {"min_cases": 1}, "bad_count"),
    ],
)
def test_wrong_slices_are_refused(values, slices, options, code) -> None:
    with pytest.raises(Invalid) as caught:
        slice_gap(values, slices, **options)

    assert caught.value.code == code
