"""Bounds against published tables, and looking early against simulation."""

import numpy as np
import pytest
import scipy.stats

from lineside.core import Invalid
from lineside.stats import judge_threshold, mean_interval, paired_difference
from lineside.stats.sequential import (
    crossing_chances,
    information_factor,
    look_at,
    sequential_looks,
)

RUNS = 40_000


def even(looks: int) -> list[float]:
    return [at / looks for at in range(1, looks + 1)]


def walks(rng: np.random.Generator, fractions: list[float], drift: float = 0.0) -> np.ndarray:
    """Standardised estimates of many runs, one column per look."""
    times = np.array(fractions)
    steps = np.sqrt(np.diff(times, prepend=0.0))
    walk = np.cumsum(rng.normal(size=(RUNS, times.size)) * steps, axis=1)
    return walk / np.sqrt(times) + drift * np.sqrt(times)


@pytest.mark.parametrize(
    # Spending 5 % on two sides at even looks, as R's ldbounds and gsDesign print it.
    ("spending", "bounds"),
    [
        ("obrien_fleming", [2.9626, 1.9686]),
        ("obrien_fleming", [3.710303, 2.511427, 1.993048]),
        ("obrien_fleming", [4.3326, 2.9631, 2.3590, 2.0141]),
        ("obrien_fleming", [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
        ("pocock", [2.1570, 2.2010]),
        ("pocock", [2.4380, 2.4268, 2.4101, 2.3966, 2.3859]),
    ],
)
def test_bounds_are_those_of_the_tables(spending, bounds: list[float]) -> None:
    looks = sequential_looks(even(len(bounds)), spending=spending)

    assert [look.bound for look in looks] == pytest.approx(bounds, abs=1.5e-4)
    assert looks[-1].alpha_spent == pytest.approx(0.05)


@pytest.mark.parametrize(
    # Jennison and Turnbull (2000), tables 2.1 and 2.3, alpha 0.05.
    ("looks", "pocock", "obrien_fleming"),
    [(2, 2.178, 1.977), (3, 2.289, 2.004), (4, 2.361, 2.024), (5, 2.413, 2.040)],
)
def test_the_classical_constants_are_wrong_in_five_percent(
    looks: int, pocock: float, obrien_fleming: float
) -> None:
    for bounds in ([pocock] * looks, [obrien_fleming / time**0.5 for time in even(looks)]):
        above, below = crossing_chances(even(looks), bounds)

        assert sum(above) + sum(below) == pytest.approx(0.05, abs=1e-4)
        assert above == pytest.approx(below)


def test_crossing_chances_agree_with_the_default_design_of_gsdesign() -> None:
    """Three looks, power 0.9, a lower bound that is not binding; 1.0702 times the fixed cases."""
    drift = 1.0702**0.5 * (scipy.stats.norm.isf(0.025) + scipy.stats.norm.isf(0.1))
    upper, lower = [3.0106843, 2.5464966, 1.9992261], [-0.2387178, 0.9403609, 1.9992261]

    alpha, _ = crossing_chances(even(3), upper, [-9] * 3)
    power, beta = crossing_chances(even(3), upper, lower, drift=drift)

    assert alpha == pytest.approx([0.0013, 0.0049, 0.0188], abs=6e-5)
    assert beta == pytest.approx([0.0148, 0.0289, 0.0563], abs=2e-4)
    assert sum(power) == pytest.approx(0.9, abs=1e-3)


def test_looks_that_nobody_planned_are_wrong_in_five_percent() -> None:
    rng = np.random.default_rng(1)
    for spending in ("obrien_fleming", "pocock"):
        fractions = [*np.sort(rng.uniform(0.05, 0.95, 7)), 1.0]
        bounds = [look.bound for look in sequential_looks(fractions, spending=spending)]

        stopped = (np.abs(walks(rng, fractions)) >= bounds).any(axis=1).mean()

        assert stopped == pytest.approx(0.05, abs=0.0035)


def test_a_bound_does_not_depend_on_looks_to_come() -> None:
    full = sequential_looks([0.2, 0.45, 0.8, 1.0])

    assert sequential_looks([0.2, 0.45]) == full[:2]


def test_looking_costs_less_than_three_points_of_power() -> None:
    alone = scipy.stats.norm.isf(0.025) + scipy.stats.norm.isf(0.2)
    rng = np.random.default_rng(2)
    fractions = even(8)
    bounds = [look.bound for look in sequential_looks(fractions)]

    paths = walks(rng, fractions, alone) >= bounds

    found = paths.any(axis=1)
    assert found.mean() == pytest.approx(0.8, abs=0.03)
    seen = np.where(found, paths.argmax(axis=1), 7)
    assert np.array(fractions)[seen].mean() < 0.8  # and saves a fifth of the cases


def test_the_cases_that_looking_costs_buy_the_power_back() -> None:
    alone = scipy.stats.norm.isf(0.025) + scipy.stats.norm.isf(0.2)
    factor = information_factor(even(5), spending="pocock")

    bounds = [look.bound for look in sequential_looks(even(5), spending="pocock")]
    above, _ = crossing_chances(even(5), bounds, drift=alone * factor**0.5)

    assert factor == pytest.approx(1.2286, abs=0.02)
    assert sum(above) == pytest.approx(0.8, abs=1e-3)
    assert information_factor([1.0]) == pytest.approx(1, abs=1e-6)


def test_stopping_for_futility_spends_the_power_it_may() -> None:
    alone = scipy.stats.norm.isf(0.025) + scipy.stats.norm.isf(0.2)
    words = {"spending": "obrien_fleming", "futility": "obrien_fleming"}
    fractions = [0.3, 0.6, 1.0]
    looks = sequential_looks(fractions, **words)
    drift = alone * information_factor(fractions) ** 0.5
    rng = np.random.default_rng(3)

    lower = np.array([look.futility for look in looks], dtype=float)
    upper = np.array([look.bound for look in looks])
    useless, useful = walks(rng, fractions), walks(rng, fractions, drift)

    stopped = ((useless <= lower) & (np.arange(3) < 2)).any(axis=1)
    assert stopped.mean() > 0.6
    lost = (useful <= lower)[:, :2].any(axis=1) & ~(useful >= upper)[:, :1].any(axis=1)
    assert lost.mean() < 0.12
    # It is not binding: whoever goes on all the same is still wrong in at most 2.5 %.
    assert (useless >= upper).any(axis=1).mean() < 0.0275


def test_what_is_left_is_spent_at_the_last_look() -> None:
    (early,) = sequential_looks([0.6], is_last=True)
    over = sequential_looks([0.5, 1.2])

    assert early.bound == pytest.approx(1.959964, abs=1e-5)
    assert over[-1].alpha_spent == pytest.approx(0.05)


def test_a_look_settles_only_what_even_the_wider_interval_settles() -> None:
    values = [1] * 170 + [0] * 10

    early = look_at(mean_interval(values), 0.9, ">=", [0.3])
    late = look_at(mean_interval(values), 0.9, ">=", [0.3, 1.0])
    surely = look_at(mean_interval(values), 0.75, ">=", [0.3])
    worse = look_at(mean_interval(values), 0.75, "<=", [0.3])

    assert (early.decision, early.may_stop, late.decision) == ("more", False, "ship")
    assert (surely.decision, worse.decision, late.is_over) == ("ship", "hold", True)
    assert early.low < late.low < mean_interval(values).low + 1e-3
    assert (early.z, surely.z) == (pytest.approx(2.01, abs=0.3), pytest.approx(6, abs=0.5))


def test_a_rule_at_the_confidence_of_a_look_says_the_same() -> None:
    values = [1] * 170 + [0] * 10
    look = sequential_looks([0.4])[-1]

    finding = judge_threshold(values, 0.9, ">=", rule="accuracy", confidence=look.confidence)
    outcome = look_at(mean_interval(values), 0.9, ">=", [0.4])

    assert (outcome.low, outcome.high) == pytest.approx((finding.low, finding.high))
    assert outcome.decision == finding.decision


def test_a_candidate_that_will_hardly_clear_the_limit_is_called_futile() -> None:
    rng = np.random.default_rng(4)
    baseline = (rng.random(300) < 0.9).astype(int)
    candidate = np.where(rng.random(300) < 0.1, 0, baseline)

    outcome = look_at(
        paired_difference(baseline, candidate),
        -0.08,
        ">=",
        [0.6],
        futility="obrien_fleming",
    )

    assert (outcome.decision, outcome.is_futile, outcome.may_stop) == ("more", True, True)
    assert outcome.z < outcome.look.futility


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: sequential_looks([]), "bad_fractions"),
        (lambda: sequential_looks([0.5, 0.5]), "bad_fractions"),
        (lambda: sequential_looks([float("nan")]), "bad_fractions"),
        (lambda: sequential_looks(even(51)), "bad_fractions"),
        (lambda: sequential_looks([1], spending="linear"), "bad_spending"),
        (lambda: sequential_looks([1], confidence=0), "bad_confidence"),
        (lambda: sequential_looks([1], futility="pocock", power=0.2), "bad_power"),
        (lambda: information_factor([0.5]), "bad_fractions"),
        (lambda: crossing_chances([0.5, 1], [2]), "lengths_differ"),
        (lambda: look_at(mean_interval([0.5]), 0.5, ">=", [1]), "not_finite"),
        (lambda: look_at(mean_interval([1, 0]), 0.5, ">", [1]), "bad_direction"),
    ],
)
def test_looks_that_make_no_sense_are_refused(call, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        call()

    assert caught.value.code == code
