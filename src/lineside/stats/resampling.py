"""The bootstrap of a mean, in bounded memory."""

import numpy as np

from lineside.stats.samples import Codes, Numbers

RESAMPLES = 2_000
CELLS_MAX = 2_000_000


def bootstrap_ends(
    row: Numbers, codes: Codes | None, *, confidence: float, seed: int
) -> tuple[float, float]:
    """Return both ends of the BCa bootstrap interval of a mean.

    Efron, "Better bootstrap confidence intervals", JASA 82 (1987); the acceleration comes from the
    jackknife. With clusters, whole clusters are drawn. 2,000 resamples place an end of a 95 %
    interval within about a twentieth of its half-width. Needs a spread; small samples (below 30
    units) come out too narrow.
    """
    from scipy.special import ndtr, ndtri

    sums, sizes = row, np.ones(row.size)
    if codes is not None:
        sums = np.bincount(codes, weights=row).astype(float)
        sizes = np.bincount(codes).astype(float)
    value = sums.sum() / sizes.sum()
    means = np.sort(_resampled(sums, sizes, seed=seed))

    # Half of the ties count as below, so that coarse scores do not look biased.
    below = (np.searchsorted(means, value) + np.searchsorted(means, value, side="right")) / 2
    bias = float(ndtri(np.clip(below / RESAMPLES, 1 / RESAMPLES, 1 - 1 / RESAMPLES)))
    without = (sums.sum() - sums) / (sizes.sum() - sizes)
    pull = without.mean() - without
    scale = float((pull**2).sum())
    acceleration = float((pull**3).sum()) / (6 * scale**1.5) if scale > 0 else 0.0

    ends = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        z = bias + float(ndtri(tail))
        # A pole lies where acceleration meets an extreme level; beyond it the last mean stands.
        stretch = max(1e-6, 1 - acceleration * z)
        ends.append(float(np.quantile(means, ndtr(bias + z / stretch))))
    return min(ends[0], float(value)), max(ends[1], float(value))


def _resampled(sums: Numbers, sizes: Numbers, *, seed: int) -> Numbers:
    rng = np.random.default_rng(seed)
    units = sums.size
    means = np.empty(RESAMPLES)
    block = max(1, CELLS_MAX // units)
    for start in range(0, RESAMPLES, block):
        stop = min(RESAMPLES, start + block)
        drawn = rng.integers(0, units, (stop - start, units))
        means[start:stop] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return means
