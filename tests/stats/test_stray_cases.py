"""A few stray cases say nothing of a cluster that was not drawn and is bad throughout."""

import numpy as np
import pytest

from lineside.stats import mean_interval, paired_difference

SIMULATIONS = 400


@pytest.mark.parametrize(
    ("clusters", "size", "bad", "stray"),
    [(3, 100, 0.15, 0.003), (10, 20, 0.1, 0.01), (30, 10, 0.05, 0.01)],
)
def test_rare_bad_clusters_do_not_ship_because_single_cases_differ(
    clusters: int, size: int, bad: float, stray: float
) -> None:
    random = np.random.default_rng(3)
    keys = np.repeat(np.arange(clusters), size).tolist()
    truth = (1 - bad) * (1 - stray)
    shipped = covered = not_worse = 0
    for _ in range(SIMULATIONS):
        fine = np.repeat(random.random(clusters) >= bad, size)
        right = ((random.random(clusters * size) >= stray) & fine).astype(float)
        found = mean_interval(right, clusters=keys)
        shipped += found.low >= truth
        covered += found.low <= truth <= found.high
        change = paired_difference(np.ones(clusters * size), right, clusters=keys)
        not_worse += change.low >= truth - 1

    assert shipped / SIMULATIONS <= 0.045  # 2.5 %, and what a simulation of 400 may be off
    assert not_worse / SIMULATIONS <= 0.045
    assert covered / SIMULATIONS >= 0.93


def test_one_wrong_case_makes_nobody_surer_than_none() -> None:
    keys = [number % 3 for number in range(300)]
    right = [1.0] * 300

    none = mean_interval(right, clusters=keys)
    one = mean_interval([0.0, *right[1:]], clusters=keys)

    assert one.low < none.low + 0.01


def test_many_wrong_cases_show_that_clusters_are_alike() -> None:
    keys = [number % 30 for number in range(600)]
    spread = [float(number % 19 != 0) for number in range(600)]

    assert mean_interval(spread, clusters=keys).low > 0.90
