"""pass@k and pass^k against counting every choice of k attempts."""

from itertools import combinations

import numpy as np
import pytest

from lineside.core import Invalid
from lineside.stats import wilson
from lineside.stats.attempts import pass_at_k, pass_hat_k


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_every_choice_of_k_attempts_counts_the_same(k: int) -> None:
    counts = [(0, 5), (1, 5), (2, 6), (4, 7), (5, 5)]
    some, every = [], []
    for won, tried in counts:
        choices = list(combinations([1] * won + [0] * (tried - won), k))
        some.append(np.mean([any(choice) for choice in choices]))
        every.append(np.mean([all(choice) for choice in choices]))
    won, tried = zip(*counts, strict=True)

    assert pass_at_k(won, tried, k).value == pytest.approx(np.mean(some))
    assert pass_hat_k(won, tried, k).value == pytest.approx(np.mean(every))


def test_with_as_many_attempts_as_k_it_is_a_rate() -> None:
    won = [3] * 12 + [1] * 6 + [0] * 2

    some, every = pass_at_k(won, [3] * 20, 3), pass_hat_k(won, [3] * 20, 3)

    assert (some.low, some.high) == (wilson(18, 20).low, wilson(18, 20).high)
    assert (every.low, every.high) == (wilson(12, 20).low, wilson(12, 20).high)


def test_related_cases_count_for_less_and_shares_stay_shares() -> None:
    rng = np.random.default_rng(1)
    keys = np.repeat(np.arange(12), 6)
    won = rng.binomial(5, rng.beta(1, 1, 12)[keys])

    alone = pass_at_k(won, [5] * 72, 2)
    related = pass_at_k(won, [5] * 72, 2, clusters=keys.tolist())
    few = pass_hat_k([0, 1, 2], [4] * 3, 2)

    assert related.high - related.low > 1.3 * (alone.high - alone.low)
    assert 0 <= few.low < few.high <= 1


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng, hits = np.random.default_rng(2), 0
    # For a chance p that is spread evenly, the mean of p² is a third.
    for _ in range(300):
        won = rng.binomial(4, rng.random(150))
        measured = pass_hat_k(won, [4] * 150, 2)
        hits += measured.low <= 1 / 3 <= measured.high

    assert hits / 300 == pytest.approx(0.95, abs=0.038)  # three deviations of chance


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: pass_at_k([1], [2], 3), "too_few_attempts"),
        (lambda: pass_at_k([3], [2], 1), "bad_count"),
        (lambda: pass_at_k([1], [2], 0), "bad_count"),
        (lambda: pass_at_k([0.5], [2], 1), "bad_count"),
        (lambda: pass_hat_k([1, 1], [2], 1), "lengths_differ"),
        (lambda: pass_hat_k([], [], 1), "no_values"),
    ],
)
def test_impossible_counts_are_refused(call, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        call()

    assert caught.value.code == code
