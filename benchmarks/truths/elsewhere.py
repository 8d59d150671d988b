"""What our intervals and tests say, and what an independent implementation says."""

from math import sqrt

import numpy as np
import scipy.stats
from truths.check import NEAR, Checks, rated, same

from lineside.stats import (
    mean_interval,
    paired_difference,
    wilson,
)
from lineside.stats.agreement import cohen_kappa, krippendorff_alpha
from lineside.stats.multiplicity import benjamini_hochberg, holm
from lineside.stats.power import cases_needed_for_difference
from lineside.stats.prediction_powered import prediction_powered_mean
from lineside.stats.ratios import ratio_interval
from lineside.stats.unpaired import ExactRatePivot


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
    table = rated(rng, 600)
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
    within: float = NEAR,
) -> Checks:
    for word, end, ours in zip(("low", "high"), expected, found, strict=True):
        yield same(f"{name}: {word}", source, float(end), float(ours), within=within)
