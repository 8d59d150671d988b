"""Claim: what a verdict rests on is right: each interval and test is that of an independent
implementation, 95 % covers 95 times in 100, looking early is wrong in 5 % at most, a planned run
has the power it was planned for, and labels that others published give what they published.

    .venv/bin/python benchmarks/truth.py [--json] [--runs 4000] [--skip-published]

One line a check: what is expected, and what was found. The independent implementations are those of
the development environment; published labels are looked for as `published.py` says. The tests hold
the same and more against bounds, with fewer runs.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import combinations
from math import isclose, sqrt
from pathlib import Path
from time import perf_counter

import numpy as np
import scipy.stats

import published
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
from lineside.stats.multiplicity import benjamini_hochberg, holm
from lineside.stats.pivots import PairedRatePivot
from lineside.stats.planning import Spread, plan_comparison
from lineside.stats.power import cases_needed_for_difference
from lineside.stats.prediction_powered import prediction_powered_mean
from lineside.stats.ratios import ratio_interval
from lineside.stats.sequential import crossing_chances, sequential_looks
from lineside.stats.unpaired import ExactRatePivot

LOOKS = tuple(at / 10 for at in range(1, 11))
_NEAR = 1e-6


@dataclass(frozen=True)
class Check:
    """One thing that has to be so.

    Attributes:
        source: Where the expectation comes from.
    """

    name: str
    source: str
    expected: str
    found: str
    holds: bool


Checks = Iterator[Check]


def same(name: str, source: str, expected: float, found: float, *, within: float = _NEAR) -> Check:
    """A number that an independent implementation gives too."""
    holds = isclose(expected, found, abs_tol=within)
    about = f" ± {within:.2g}" if within > _NEAR else ""
    return Check(name, source, f"{expected:.6g}{about}", f"{found:.6g}", holds)


def between(name: str, source: str, low: float, high: float, found: float) -> Check:
    """A share in per cent that has to lie between two others."""
    return Check(
        name,
        source,
        f"{100 * low:g} % to {100 * high:g} %",
        f"{100 * found:.2f} %",
        low <= found <= high,
    )


# Against independent implementations.


def intervals_elsewhere() -> Checks:
    import statsmodels.api as sm
    from statsmodels.stats.proportion import proportion_confint

    yes, of = 81, 263
    ends = proportion_confint(yes, of, method="wilson")
    found = wilson(yes, of)
    yield from _ends("a rate, Wilson", "statsmodels", ends, (found.low, found.high))

    exact = ExactRatePivot(7 / 100, 100)
    ends = scipy.stats.binomtest(7, 100).proportion_ci(0.95, method="exact")
    yield from _ends("a rate, exact", "scipy", ends, (exact.low(0.025), exact.high(0.025)))

    rng = np.random.default_rng(3)
    few, many = rng.normal(0.6, 0.2, 20), rng.lognormal(0, 1, 120)
    ends = scipy.stats.ttest_1samp(few, 0).confidence_interval()
    found = mean_interval(few)
    yield from _ends("a mean of 20, t", "scipy", ends, (found.low, found.high))
    ends = scipy.stats.bootstrap(
        (many,), np.mean, n_resamples=40_000, method="BCa", batch=5_000, rng=1
    ).confidence_interval
    found = mean_interval(many)
    within = 0.05 * (ends.high - ends.low)
    yield from _ends("a mean of 120, BCa", "scipy", ends, (found.low, found.high), within=within)

    keys = np.repeat(np.arange(12), 5)
    scores = rng.normal(size=12)[keys] + rng.normal(size=60)
    fit = sm.OLS(scores, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": keys}, use_t=True)
    found = mean_interval(scores, clusters=keys.tolist())
    ends = tuple(fit.conf_int()[0])
    yield from _ends("a mean of 12 clusters", "statsmodels", ends, (found.low, found.high))


def tests_elsewhere() -> Checks:
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.power import TTestPower

    rng = np.random.default_rng(2)
    before = rng.normal(size=20)
    after = before + rng.normal(0.3, 0.5, 20)
    oracle, found = scipy.stats.ttest_rel(after, before), paired_difference(before, after)
    ends = oracle.confidence_interval()
    yield from _ends("a paired difference, t", "scipy", ends, (found.low, found.high))
    yield same("its p-value", "scipy", oracle.pvalue, found.p_value)

    old, new = [1] * 66 + [0] * 95, [1] * 59 + [0] * 7 + [1] * 16 + [0] * 79
    p_value = mcnemar([[59, 7], [16, 79]], exact=True).pvalue
    found = paired_difference(old, new)
    yield same("paired rates, McNemar exact", "statsmodels", p_value, found.p_value)
    # Airway hyper-responsiveness (Bentur 2009), in Fagerland, Lydersen and Laake 2014.
    table = paired_difference([1, 0, 1, 1, 1, 1, 1, 1, 1, *[0] * 12], [1, 1, *[0] * 19])
    published_ends, ours = (-0.517, -0.026), (table.low, table.high)
    yield from _ends(
        "paired rates, Tango", "Fagerland and others 2014", published_ends, ours, within=5e-4
    )
    p_values = [*rng.beta(0.5, 2, 40), 0.0, 1.0, 0.03, 0.03]
    for name, adjust, method in (
        ("Holm", holm, "holm"),
        ("Benjamini-Hochberg", benjamini_hochberg, "fdr_bh"),
    ):
        gap = np.abs(np.array(adjust(p_values)) - multipletests(p_values, method=method)[1]).max()
        yield same(f"44 p-values, {name}, largest gap", "statsmodels", 0.0, float(gap))
    needed = TTestPower().solve_power(0.125, alpha=0.025, power=0.8, alternative="larger")
    found = cases_needed_for_difference(0.4, 0.05)
    yield same("cases for a margin", "statsmodels", int(np.ceil(needed)), found or 0)


def agreement_elsewhere() -> Checks:
    import krippendorff
    from statsmodels.stats.inter_rater import cohens_kappa

    rng = np.random.default_rng(5)
    table = _rated(rng, 600)
    counts = np.zeros((3, 3))
    np.add.at(counts, (table[0], table[1]), 1)
    kappa, expected = cohen_kappa(*table[:2].tolist()), cohens_kappa(counts)
    yield same("kappa", "statsmodels", expected.kappa, kappa.value)
    ends = expected.kappa_low, expected.kappa_upp
    yield from _ends("kappa, bootstrap", "statsmodels", ends, (kappa.low, kappa.high), within=0.01)
    for level in ("nominal", "ordinal", "interval"):
        ours = krippendorff_alpha(table.tolist(), level=level, draws=2).value
        theirs = krippendorff.alpha(table, level_of_measurement=level)
        yield same(f"alpha, {level}", "krippendorff", theirs, ours)


def corrections_elsewhere() -> Checks:
    import pandas as pd
    import tea_tasting as tt
    from ppi_py import ppi_mean_ci

    rng = np.random.default_rng(1)
    truth = rng.gamma(2, 0.2, 5_000)
    judge = 0.8 * truth + 0.1 + rng.normal(0, 0.1, truth.size)
    found = prediction_powered_mean(judge[800:], judge=judge[:800], people=truth[:800])
    low, high = ppi_mean_ci(truth[:800], judge[:800], judge[800:], alpha=0.05)
    ends, ours = (low[0], high[0]), (found.low, found.high)
    yield from _ends("a prediction-powered mean", "ppi-python", ends, ours, within=2e-4)

    runs = [(rng.gamma(2, 0.01, 300), rng.random(300) < rate) for rate in (0.7, 0.8)]
    frame = pd.DataFrame(
        {
            "variant": np.repeat([0, 1], 300),
            "cost": np.concatenate([cost for cost, _ in runs]),
            "success": np.concatenate([won for _, won in runs]).astype(int),
        }
    )
    metric = tt.RatioOfMeans("cost", "success", use_t=False)
    expected = tt.Experiment(cost=metric).analyze(frame)["cost"]
    before, after = (ratio_interval(cost, won, method="delta") for cost, won in runs)
    wide = [(one.high - one.low) / 2 / scipy.stats.t.isf(0.025, 299) for one in (before, after)]
    half = scipy.stats.norm.isf(0.025) * sqrt(wide[0] ** 2 + wide[1] ** 2)
    change = after.value - before.value
    ends = expected.effect_size_ci_lower, expected.effect_size_ci_upper
    yield from _ends("cost per success, delta", "tea-tasting", ends, (change - half, change + half))


def _ends(
    name: str,
    source: str,
    expected: tuple[float, float],
    found: tuple[float, float],
    *,
    within: float = _NEAR,
) -> Checks:
    for word, end, ours in zip(("low", "high"), expected, found, strict=True):
        yield same(f"{name}: {word}", source, float(end), float(ours), within=within)


def _rated(rng: np.random.Generator, items: int) -> np.ndarray:
    """What three raters say of items, who are right three times in four."""
    truth = rng.choice(3, items, p=[0.6, 0.3, 0.1])
    guesses = rng.integers(0, 3, (3, items))
    return np.where(rng.random((3, items)) < 0.75, truth, guesses)


# Coverage by simulation.

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
        truth, some = estimate(_rated(rng, 80_000), 2, 0).value, max(1, runs // 2)
        hits = [_holds(estimate(_rated(rng, 200), 1_000, seed), truth) for seed in range(some)]
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


# Looking early, and plans.


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


# Labels that others published.


def xstest() -> Checks:
    from sklearn.metrics import cohen_kappa_score
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.multitest import multipletests

    models = published.xstest()
    rows = [row for one in models.values() for row in one]
    first, second = ([row[f"annotation_{at}"] for row in rows] for at in (1, 2))
    kappa = cohen_kappa(first, second, clusters=[row["id"] for row in rows])
    source = "scikit-learn, 2,250 labels"
    yield same("xstest: kappa of two people", source, cohen_kappa_score(first, second), kappa.value)
    yield from _licence(rows)
    for model, found in published.corrected_rates(models).items():
        name = f"xstest: {model}, corrected refusal rate covers people’s"
        told = f"{found.powered} of {found.draws}; people {100 * found.people:.1f} %, "
        told += f"judge {100 * found.judge:.1f} %, corrected {100 * np.mean(found.rates):.1f} %"
        yield Check(name, "a third labelled", "at least 94 of 100", told, found.powered >= 94)
    scores = {model: published.refused(rows, "final_label") for model, rows in models.items()}
    pairs = list(combinations(scores, 2))
    ours = holm([paired_difference(scores[one], scores[two]).p_value for one, two in pairs])
    theirs = []
    for one, two in pairs:
        table = np.zeros((2, 2))
        np.add.at(table, (scores[one].astype(int), scores[two].astype(int)), 1)
        theirs.append(mcnemar(table, exact=True).pvalue)
    adjusted = multipletests(theirs, method="holm")[1]
    for (one, two), mine, other in zip(pairs, ours, adjusted, strict=True):
        share = scores[one].mean() - scores[two].mean()
        check = same(f"xstest: {one} − {two}, p after Holm", "statsmodels", other, mine)
        told = f"{mine:.3g} ({100 * share:+.1f} points)"
        yield Check(check.name, check.source, f"{other:.3g}", told, check.holds and mine < 0.05)


def _licence(rows: published.Rows) -> Checks:
    """GPT-4 as a judge of refusals, and a second person in its place."""
    from lineside.core import Settings
    from lineside.evals import licences
    from lineside.store import open_store
    from lineside.trust import local_scope

    people = ("annotation_1", "annotation_2", "final_label")
    asked = (
        ("gpt-4", people, "gpt4_label", "refused", "says yes where people do is 0.700"),
        ("a second person", ("annotation_1",), "annotation_2", "granted", ""),
    )
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Settings(home=Path(folder)))
        for who, columns, verdict, expected, why in asked:
            given = licences.licence_judge(
                local_scope(store),
                "refused",
                rows,
                columns=licences.LabelColumns(people=columns, verdict=verdict, cluster="id"),
                yes=published.REFUSALS,
                recorded=licences.RecordedJudge(model=who, family="xstest"),
            )
            short = "; ".join(given.shortfalls)
            found = f"{given.standing}{': ' + short if short else ''}"
            holds = given.standing == expected and short.startswith(why)
            yield Check(f"xstest: licence of {who}", "the usual bar", expected, found, holds)
        store.close()


def pyrit() -> Checks:
    import krippendorff

    gaps, sets = dict.fromkeys(("accuracy", "precision", "recall", "f1_score"), 0.0), 0
    errors = 0.0
    for metrics, called_yes, called_no in published.scorer_metrics():
        again = published.measured_again(metrics, called_yes, called_no)
        ours = {
            "accuracy": again.accuracy.value,
            "precision": again.precision.value if again.precision else 0.0,
            "recall": again.sensitivity.value,
            "f1_score": again.f1.value,
        }
        gaps = {name: max(gap, abs(ours[name] - metrics[name])) for name, gap in gaps.items()}
        error = sqrt(ours["accuracy"] * (1 - ours["accuracy"]) / (called_yes + called_no))
        errors = max(errors, abs(error - metrics["accuracy_standard_error"]))
        sets += 1
    yield Check("pyrit: published metrics found in its rows", "PyRIT", "50", str(sets), sets == 50)
    for name, gap in {**gaps, "accuracy_standard_error": errors}.items():
        yield same(f"pyrit: {name}, largest gap of {sets}", "PyRIT", 0.0, gap)
    ratings = published.harm_ratings()
    table = np.array([[np.nan if one is None else one for one in row] for row in ratings])
    for level in ("ordinal", "interval"):
        theirs = krippendorff.alpha(table, level_of_measurement=level)
        ours = krippendorff_alpha(ratings, level=level, draws=2).value
        yield same(f"pyrit: alpha of three people, {level}", "krippendorff", theirs, ours)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--runs", type=int, default=4_000, help="simulated runs a check")
    parser.add_argument("--skip-published", action="store_true", help="do without the labels")
    options = parser.parse_args()
    parts: list[tuple[str, Callable[[], Checks]]] = [
        ("Intervals", intervals_elsewhere),
        ("Tests", tests_elsewhere),
        ("Agreement", agreement_elsewhere),
        ("Corrections", corrections_elsewhere),
        ("Coverage", lambda: coverage(options.runs)),
        ("Looking early", lambda: looking(options.runs)),
        ("Plans", lambda: plans(options.runs)),
    ]
    if not options.skip_published:
        parts += [("XSTest", xstest), ("PyRIT", pyrit)]
    checks: list[Check] = []
    for title, part in parts:
        began = perf_counter()
        print(f"\n{title}")
        for check in part():
            checks.append(check)
            sign = "ok    " if check.holds else "MISSED"
            told = f"expected {check.expected}, found {check.found}"
            print(f"  {sign} {check.name} ({check.source}): {told}", flush=True)
        print(f"  {title}: {perf_counter() - began:.1f} s", file=sys.stderr)
    missed = [check.name for check in checks if not check.holds]
    print(f"\n{len(checks) - len(missed)} of {len(checks)} hold")
    if options.json:
        claim = (__doc__ or "").partition("\n\n")[0]
        print(
            json.dumps(
                {"claim": claim, "checks": [asdict(check) for check in checks]}, default=bool
            )
        )


if __name__ == "__main__":
    main()
