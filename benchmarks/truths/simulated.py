"""Coverage, looking early and planned power, by simulation."""

from collections.abc import Callable
from math import sqrt

import numpy as np
import scipy.stats
from truths.check import Check, Checks, between, rated

from lineside.evals.verdicts.slices import p_unlike_rest
from lineside.stats import (
    judge_non_inferiority,
    judge_threshold,
    mean_interval,
    paired_difference,
    wilson,
)
from lineside.stats.agreement import cohen_kappa, krippendorff_alpha
from lineside.stats.attempts import pass_hat_k
from lineside.stats.corrected import rogan_gladen, rogan_gladen_difference
from lineside.stats.multiplicity import benjamini_yekutieli
from lineside.stats.pivots import PairedRatePivot
from lineside.stats.planning import Spread, plan_comparison
from lineside.stats.prediction_powered import prediction_powered_mean
from lineside.stats.ratios import ratio_interval
from lineside.stats.sequential import crossing_chances, sequential_looks

LOOKS = tuple(at / 10 for at in range(1, 11))


Draw = Callable[[np.random.Generator, int], bool]
"""One run with a seed of its own: whether the interval holds the truth."""


def a_rate(rng: np.random.Generator, _seed: int) -> bool:
    # A share of one case in 120 is not to be had: over many rates that evens out.
    rate = rng.uniform(0.05, 0.95)
    return _holds(wilson(rng.binomial(120, rate), 120), rate)


def a_small_mean(rng: np.random.Generator, _seed: int) -> bool:
    return _holds(mean_interval(rng.normal(0.4, 1, 12)), 0.4)


def a_skewed_mean(rng: np.random.Generator, seed: int) -> bool:
    return _holds(mean_interval(rng.gamma(2, 1, 200), seed=seed), 2.0)


def a_clustered_mean(rng: np.random.Generator, _seed: int) -> bool:
    keys = np.repeat(np.arange(24), [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 20] * 2)
    scores = rng.normal(size=24)[keys] + rng.normal(size=keys.size)
    return _holds(mean_interval(scores, clusters=keys.tolist()), 0.0)


def a_clustered_rate(rng: np.random.Generator, _seed: int) -> bool:
    keys = np.repeat(np.arange(60), 5)
    wins = rng.random(300) < rng.beta(8, 2, 60)[keys]
    return _holds(mean_interval(wins, clusters=keys.tolist()), 0.8)


def paired_rates(rng: np.random.Generator, _seed: int) -> bool:
    win, lose = rng.uniform(0.03, 0.15), rng.uniform(0.03, 0.15)
    wins, losses, _ = rng.multinomial(200, [win, lose, 1 - win - lose])
    pivot = PairedRatePivot(wins, losses, 200)
    return bool(pivot.low(0.025) <= win - lose <= pivot.high(0.025))


def paired_scores(rng: np.random.Generator, seed: int) -> bool:
    before = rng.beta(4, 2, 150)
    after = np.clip(before + rng.normal(0.02, 0.1, 150), -1, 2)
    return _holds(paired_difference(before, after, seed=seed), 0.02)


def cost_per_success(rng: np.random.Generator, _seed: int) -> bool:
    return _holds(ratio_interval(rng.gamma(4, 0.5, 80), rng.random(80) < 0.6), 2 / 0.6)


def all_tries_right(rng: np.random.Generator, _seed: int) -> bool:
    # For a chance p that is spread evenly, the mean of p² is a third.
    return _holds(pass_hat_k(rng.binomial(4, rng.random(150)), [4] * 150, 2), 1 / 3)


def a_prediction_powered_rate(rng: np.random.Generator, _seed: int) -> bool:
    judge, people = _judged(rng, 1_150, 0.86, 0.95, 0.8)
    found = prediction_powered_mean(judge[150:], judge=judge[:150], people=people[:150])
    return _holds(found, 0.86)


def a_rate_by_another_sample(rng: np.random.Generator, _seed: int) -> bool:
    (judged, _), (judge, people) = (
        _judged(rng, 800, 0.3, 0.9, 0.85),
        _judged(rng, 200, 0.5, 0.9, 0.85),
    )
    return _holds(rogan_gladen(judged, judge=judge, people=people), 0.3)


def a_corrected_difference(rng: np.random.Generator, _seed: int) -> bool:
    before = (rng.random(600) < 0.5).astype(int)
    after = np.where(rng.random(600) < 0.5, rng.random(600) < 0.8, before).astype(int)
    judge, people = _judged(rng, 200, 0.5, 0.9, 0.8)
    said = [_said(rng, row, 0.9, 0.8) for row in (before, after)]
    return _holds(rogan_gladen_difference(*said, judge=judge, people=people), 0.15)


DRAWS: dict[str, Draw] = {
    "a rate, Wilson": a_rate,
    "a mean of 12, t": a_small_mean,
    "a skewed mean of 200, BCa": a_skewed_mean,
    "a mean of 24 unequal clusters": a_clustered_mean,
    "a rate of 60 clusters": a_clustered_rate,
    "a difference of paired rates, Tango": paired_rates,
    "a difference of paired scores": paired_scores,
    "cost per success, Fieller": cost_per_success,
    "pass^2 of four tries": all_tries_right,
    "a prediction-powered rate": a_prediction_powered_rate,
    "a rate corrected by another sample": a_rate_by_another_sample,
    "a corrected difference": a_corrected_difference,
}


def coverage(runs: int) -> Checks:
    for at, (name, draw) in enumerate(DRAWS.items()):
        rng = np.random.default_rng([7, at])
        hits = np.mean([draw(rng, seed) for seed in range(runs)])
        yield between(f"coverage of {name}", f"{runs:,} runs", 0.94, 0.96, float(hits))
    for name, estimate in (("kappa", _kappa), ("alpha", _alpha)):
        rng = np.random.default_rng(8)
        truth, some = estimate(rated(rng, 80_000), 2, 0).value, max(1, runs // 2)
        hits = [_holds(estimate(rated(rng, 200), 1_000, seed), truth) for seed in range(some)]
        yield between(f"coverage of {name}", f"{some:,} runs", 0.94, 0.96, float(np.mean(hits)))


def _kappa(table: np.ndarray, draws: int, seed: int):  # what the room calls it
    return cohen_kappa(*table[:2].tolist(), weights="quadratic", draws=draws, seed=seed)


def _alpha(table: np.ndarray, draws: int, seed: int):  # what the room calls it
    return krippendorff_alpha(table.tolist(), draws=draws, seed=seed)


def _holds(found, truth: float) -> bool:  # whatever has two ends
    return bool(found.low <= truth <= found.high)


def _said(rng: np.random.Generator, truth: np.ndarray, yes: float, no: float) -> np.ndarray:
    """What a judge says that is right so often where people say yes, and where they say no."""
    right = rng.random(truth.size) < np.where(truth == 1, yes, no)
    return np.where(right, truth, 1 - truth)


def _judged(
    rng: np.random.Generator, cases: int, rate: float, yes: float, no: float
) -> tuple[np.ndarray, np.ndarray]:
    people = (rng.random(cases) < rate).astype(int)
    return _said(rng, people, yes, no), people


def looking(runs: int) -> Checks:
    rng, many = np.random.default_rng(1), 50 * runs
    bounds = np.array([look.bound for look in sequential_looks(LOOKS)])
    steps = rng.normal(size=(many, len(LOOKS))) * sqrt(0.1)
    walk, times = np.cumsum(steps, axis=1), np.array(LOOKS)
    false = (np.abs(walk / np.sqrt(times)) >= bounds).any(axis=1).mean()
    yield _at_most("ten looks, false alarms", f"{many:,} runs", 0.05, float(false), many)
    alone = scipy.stats.norm.isf(0.025) + scipy.stats.norm.isf(0.2)
    found = (walk / np.sqrt(times) + alone * np.sqrt(times) >= bounds).any(axis=1).mean()
    name = "ten looks, power of a test with 80 %"
    yield between(name, f"{many:,} runs", 0.77, 0.83, float(found))

    # Of 400 cases a share cannot be anything: over several thresholds that evens out.
    stopped = [
        _first_decisions(rng, rate=one, threshold=one, cases=400, runs=many // 4)
        for one in (0.65, 0.75, 0.85, 0.9)
    ]
    settled = float(np.mean(np.concatenate(stopped) != 0))
    name = "gates of 400 cases on their threshold, settled by a look"
    yield _at_most(name, f"{many:,} runs", 0.05, settled, many)
    alone = np.mean([_wrong_at_the_end(one, cases=400) for one in (0.65, 0.75, 0.85, 0.9)])
    name = "the same gates without a look, settled by all cases"
    yield Check(name, "exactly", "informs only", f"{100 * alone:.2f} %", True)
    early = _first_decisions(rng, rate=0.8557, threshold=0.8, cases=400, runs=many)
    whole = _power_at_the_end(rate=0.8557, threshold=0.8, cases=400)
    shipped = float(np.mean(early == 1))
    name = "one on 80 %, better by 5.6 points: shipped"
    yield between(name, "the test of all cases", whole - 0.03, whole + 0.03, shipped)

    # A run that goes on whatever a look says is judged at its end as if nobody had looked. Who
    # takes a look's ship or hold for the verdict all the same has this chance to be wrong.
    above, below = crossing_chances(LOOKS, [*bounds[:-1], scipy.stats.norm.isf(0.025)])
    both = sum(above) + sum(below)
    name = "a look believed, else the usual test at the end"
    yield Check(name, "by integration", "informs only", f"{100 * both:.2f} %", True)


def slices(runs: int) -> Checks:
    """Runs of 12 slices with 24 cases each, in which no slice is unlike the rest."""
    rng, many = np.random.default_rng(3), max(100, runs // 4)
    for share in (0.05, 0.5, 0.8):
        found = _called_unlike(lambda share=share: rng.random(288) < share, many)
        name = f"slices that all fail in {100 * share:g} %, one called unlike the rest"
        yield _at_most(name, f"{many:,} runs", 0.05, found, many)
    found = _called_unlike(lambda: rng.choice([-1, 0, 1], 288, p=[0.03, 0.94, 0.03]), many)
    name = "slices in which 6 % of the cases flip, one called unlike the rest"
    yield _at_most(name, f"{many:,} runs", 0.05, found, many)
    talks = np.arange(288) // 6
    found = _called_unlike(lambda: rng.random(48)[talks] < 0.2, many, talks)
    name = "slices of whole conversations, one called unlike the rest"
    yield _at_most(name, f"{many:,} runs", 0.05, found, many)


def _called_unlike(
    draw: Callable[[], np.ndarray], runs: int, clusters: np.ndarray | None = None
) -> float:
    """How often one slice at least is called surely unlike the rest."""
    members = np.arange(288).reshape(12, 24)
    lowest = [
        min(benjamini_yekutieli([p_unlike_rest(scores, places, clusters) for places in members]))
        for scores in (draw().astype(float) for _ in range(runs))
    ]
    return float(np.mean(np.array(lowest) < 0.05))


def _at_most(name: str, source: str, most: float, found: float, runs: int) -> Check:
    slack = 2 * sqrt(most * (1 - most) / runs)  # what chance leaves open
    expected = f"at most {100 * most:g} % (± {100 * slack:.1g})"
    return Check(name, source, expected, f"{100 * found:.2f} %", found <= most + slack)


def _first_decisions(
    rng: np.random.Generator, *, rate: float, threshold: float, cases: int, runs: int
) -> np.ndarray:
    """What the first look that settles a gate says of each run: 1 ships, -1 holds, 0 none does."""
    right, said = np.zeros(runs, dtype=int), np.zeros(runs, dtype=int)
    for at, look in enumerate(sequential_looks(LOOKS), start=1):
        seen = cases * at // len(LOOKS)
        right += rng.binomial(seen - cases * (at - 1) // len(LOOKS), rate, runs)
        ends = [wilson(count, seen, confidence=look.confidence) for count in range(seen + 1)]
        decided = np.array([(one.low >= threshold) * 1 - (one.high < threshold) for one in ends])
        said = np.where(said == 0, decided[right], said)
    return said


def _wrong_at_the_end(threshold: float, *, cases: int) -> float:
    """How often one look at all cases settles a gate that stands on its threshold."""
    chances = scipy.stats.binom.pmf(np.arange(cases + 1), cases, threshold)
    ends = [wilson(count, cases) for count in range(cases + 1)]
    settled = [one.low >= threshold or one.high < threshold for one in ends]
    return float(chances[settled].sum())


def _power_at_the_end(*, rate: float, threshold: float, cases: int) -> float:
    chances = scipy.stats.binom.pmf(np.arange(cases + 1), cases, rate)
    rules = {"threshold": threshold, "rule": "accuracy"}
    ships = [
        judge_threshold(wilson(count, cases), **rules).decision == "ship"
        for count in range(cases + 1)
    ]
    return float(chances[ships].sum())


def plans(runs: int) -> Checks:
    rng = np.random.default_rng(4)
    for power, difference in ((0.8, 0.0), (0.9, 0.03)):
        spread = Spread(0.2, 0.4)
        for plan in plan_comparison(spread, 0.05, true_difference=difference, power=power)[:3:2]:
            noise = sqrt(spread.between**2 + spread.within**2 / plan.repetitions)
            change = rng.normal(difference, noise, (runs, plan.cases))
            error = change.std(axis=1, ddof=1) / sqrt(plan.cases)
            least = scipy.stats.t.isf(0.025, plan.cases - 1)
            passed = change.mean(axis=1) - least * error > -0.05
            name = f"scores: {plan.cases} cases × {plan.repetitions} for {100 * power:g} % power"
            found = float(passed.mean())
            yield between(name, f"{runs:,} runs", power - 0.03, power + 0.03, found)
    for discordant, margin in ((0.2, 0.05), (0.06, 0.03), (0.1, 0.1)):
        (plan,) = plan_comparison(
            Spread(sqrt(discordant), 0), margin, repetitions_max=1, are_rates=True
        )
        shares = [discordant / 2, discordant / 2, 1 - discordant]
        passed = [
            _ships(*one, plan.cases, margin) for one in _tables(rng, plan.cases, shares, runs)
        ]
        name = f"rates: {plan.cases} cases for 80 % power, margin {100 * margin:g} points"
        yield between(name, f"{runs:,} runs", 0.77, 0.83, float(np.mean(passed)))


def _tables(
    rng: np.random.Generator, cases: int, shares: list[float], runs: int
) -> list[tuple[int, int]]:
    return [(int(won), int(lost)) for won, lost, _ in rng.multinomial(cases, shares, runs)]


def _ships(won: int, lost: int, cases: int, margin: float) -> bool:
    before = [0] * won + [1] * lost + [1] * (cases - won - lost)
    after = [1] * won + [0] * lost + [1] * (cases - won - lost)
    found = paired_difference(before, after)
    return judge_non_inferiority(found, margin, rule="r").decision == "ship"
