"""Whole experiments played many times: looking early, at several arms, must not find what is not
there, and must find what is.

The same with error rates and callers who fail again and again is in `benchmarks/rollouts.py`.
"""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from lineside.apps.staged.effects import outcome_of, weigh_arms
from lineside.apps.staged.experiment import LOOKS, Experiment, ExperimentArm
from lineside.core import Invalid, now
from lineside.stats import sample_ratio
from lineside.stats.unpaired import ClusterSums

RUNS, USERS = 300, 1_000


def sums(rng: np.random.Generator, effect: float, users: int) -> np.ndarray:
    """Users with one to five calls each that resemble each other: what `ClusterSums` adds up."""
    counts = rng.integers(1, 6, users)
    own = rng.normal(effect, 0.6, users)
    totals = own * counts + rng.normal(0, 0.5, users) * np.sqrt(counts)
    parts = [users, counts.sum(), totals.sum(), (totals**2).sum(), (totals * counts).sum()]
    return np.array([*parts, (counts**2).sum()], dtype=float)


def play(rng: np.random.Generator, effects: tuple[float, ...]) -> Experiment:
    """One experiment, looked at whenever a look counts; the first arm has no effect."""
    names = "ABCD"[: len(effects) + 1]
    arms = tuple(
        ExperimentArm(name=one, release_id=one, label=one, share=1 / len(names)) for one in names
    )
    held = Experiment(
        arms=arms, metric="latency", direction="<=", smallest=0.1, users=USERS * len(names)
    )
    seen = {name: np.zeros(6) for name in names}
    for before, part in zip((0.0, *LOOKS), LOOKS, strict=False):
        for name, effect in zip(names, (0.0, *effects), strict=True):
            seen[name] += sums(rng, effect, round((part - before) * USERS))
        found = {
            name: {"latency": ClusterSums(int(row[0]), int(row[1]), *map(float, row[2:]))}
            for name, row in seen.items()
        }
        held = weigh_arms(held, found, at=now(), is_over=False)
        if held.is_final:
            break
    return held


@pytest.mark.parametrize("others", [1, 3])
def test_arms_that_are_alike_are_seldom_told_apart(others: int) -> None:
    rng = np.random.default_rng(2)
    ended = [play(rng, (0.0,) * others) for _ in range(RUNS)]
    wrong = sum(any(one.standing in ("better", "worse") for one in e.effects) for e in ended)

    assert wrong <= 0.05 * RUNS


def test_a_difference_that_matters_is_found_and_the_right_arm_named() -> None:
    rng = np.random.default_rng(7)
    ended = Counter(
        outcome_of(play(rng, (-0.15, 0.0)), calls=1, users=1).winner for _ in range(100)
    )

    assert ended["B"] >= 90
    assert ended["C"] == 0


def test_an_arm_that_is_worth_it_is_seldom_called_not_worth_it() -> None:
    rng = np.random.default_rng(7)
    just = float(np.log(0.9))  # lower by the smallest difference that matters
    ended = Counter(play(rng, (just,)).effects[0].standing for _ in range(RUNS))

    assert ended["no_better"] <= 0.025 * RUNS + 3


@pytest.mark.parametrize(
    ("counts", "shares"),
    [((5_210, 4_790), (0.5, 0.5)), ((410, 300, 290), (0.4, 0.3, 0.3)), ((3, 0), (0.5, 0.5))],
)
def test_the_sample_ratio_is_that_of_scipy(counts, shares) -> None:
    expected = np.array(shares) * sum(counts)

    found = sample_ratio.sample_ratio_p(counts, shares)

    assert found == pytest.approx(chisquare(counts, expected).pvalue, rel=1e-9)


def test_a_sample_ratio_of_nobody_and_of_nonsense() -> None:
    assert sample_ratio.sample_ratio_p((0, 0), (0.5, 0.5)) == 1
    for counts, shares in [((1,), (1,)), ((1, 2), (1,)), ((1, 2), (0, 1)), ((-1, 2), (1, 1))]:
        with pytest.raises(Invalid):
            sample_ratio.sample_ratio_p(counts, shares)
