"""Whether a case is solved in one of several attempts, or in every one of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.intervals import Interval, mean_interval
from lineside.stats.samples import Numbers, read_values


def pass_at_k(
    successes: Iterable[int],
    attempts: Iterable[int],
    k: int,
    *,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Interval:
    """Say on which share of the cases at least one of k attempts would succeed.

    The unbiased estimator of Chen et al., "Evaluating large language models trained on code"
    (2021), per case; the interval is `mean_interval` over cases, because attempts at one case are
    not independent. Attempts beyond k make it sharper.

    Args:
        successes: Attempts that succeeded, per case.
        attempts: All attempts, per case, each at least k.

    Raises:
        Invalid: `bad_count`, `too_few_attempts`, `lengths_differ`, and what `mean_interval` raises.
    """
    return _over_cases(
        successes,
        attempts,
        k,
        lambda won, tried: 1 - _none_of(won, tried, k),
        confidence=confidence,
        clusters=clusters,
        seed=seed,
    )


def pass_hat_k(
    successes: Iterable[int],
    attempts: Iterable[int],
    k: int,
    *,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Interval:
    """Say on which share of the cases all of k attempts would succeed, written pass^k.

    Yao et al., "τ-bench" (2024): what a customer sees who asks k times. Estimated per case without
    bias, by the share of the sets of k attempts in which all succeeded; else as `pass_at_k`.

    Raises:
        Invalid: as `pass_at_k`.
    """
    return _over_cases(
        successes,
        attempts,
        k,
        lambda won, tried: _none_of(tried - won, tried, k),
        confidence=confidence,
        clusters=clusters,
        seed=seed,
    )


def _over_cases(
    successes: Iterable[int],
    attempts: Iterable[int],
    k: int,
    chance: Callable[[Numbers, Numbers], Numbers],
    *,
    confidence: float,
    clusters: Sequence[Hashable] | None,
    seed: int,
) -> Interval:
    won, tried = read_values(successes, name="successes"), read_values(attempts, name="attempts")
    if won.size != tried.size:
        raise Invalid(
            "lengths_differ",
            f"Successes and attempts must be of the same cases: {won.size} and {tried.size}",
        )
    whole = (won == np.floor(won)).all() and (tried == np.floor(tried)).all()
    if k < 1 or not whole or (won < 0).any() or (won > tried).any():
        raise Invalid(
            "bad_count", f"Successes must be counts from 0 to the attempts, and k at least 1: {k}"
        )
    if (tried < k).any():
        at = int(np.flatnonzero(tried < k)[0])
        raise Invalid(
            "too_few_attempts",
            f"Case {at} was attempted {int(tried[at])} times, fewer than k: {k}",
            hint=f"Repeat each case at least {k} times, or ask for a smaller k",
        )
    share = mean_interval(chance(won, tried), confidence=confidence, clusters=clusters, seed=seed)
    return replace(share, low=max(0.0, share.low), high=min(1.0, share.high))


def _none_of(marked: Numbers, tried: Numbers, k: int) -> Numbers:
    """Return the chance that k attempts, drawn without putting back, hold none of the marked."""
    chance = np.ones(tried.size)
    for drawn in range(k):
        chance *= np.maximum(0.0, tried - marked - drawn) / (tried - drawn)
    return chance
