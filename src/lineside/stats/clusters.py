"""Cases that come in groups, such as turns of one conversation, tell less than their number."""

from __future__ import annotations

from dataclasses import dataclass

from lineside.stats.arrays import np
from lineside.stats.samples import Codes, Numbers

FEW_DIFFER = 10
"""From so many cases on that are unlike the most, their spread can be seen."""


@dataclass(frozen=True)
class ClusteredError:
    """How far a mean over clustered cases may be off.

    Args:
        variance: Squared standard error of the mean.
        df: Degrees of freedom for Student's t.
        count: Number of clusters.
        cases: Number of cases.
        kish: Clusters of equal size that would tell as much if all cases in a cluster were alike.
    """

    variance: float
    df: float
    count: int
    cases: int
    kish: float

    def design_effect(self, simple: float, *, differ: int) -> tuple[float, float | None]:
        """Return the design effect against the simple variance, and the df to judge with.

        It is never taken below 1: clusters that look more alike than chance do so by chance. Where
        hardly anything varied, or one cluster is all there is, cases of a cluster count as one:
        from a few stray cases nobody sees whether a cluster that was not drawn would be bad
        throughout.

        Args:
            differ: Cases that are unlike the most.
        """
        alike = self.cases / self.kish
        if simple <= 0 or self.count < 2:
            return alike, None
        seen = max(1.0, self.variance / simple)
        return (alike, None) if differ < FEW_DIFFER and seen < alike else (seen, self.df)


def clustered_error(row: Numbers, codes: Codes) -> ClusteredError:
    """Return the cluster-robust error of a mean: CR2 with few-cluster degrees of freedom.

    The bias-reduced sandwich of Bell and McCaffrey, "Bias reduction in standard errors for linear
    regression with multi-stage samples", Survey Methodology 28 (2002), in its closed form for a
    mean; with clusters of equal size it equals the common CR1. Satterthwaite's degrees of freedom
    are taken under independent cases and under clusters of equal cases (Imbens and Kolesár, Review
    of Economics and Statistics 98, 2016, discuss the choice), and the smaller one is used.
    """
    sizes = np.bincount(codes).astype(float)
    n, count = float(row.size), sizes.size
    kish = float(n * n / (sizes**2).sum())
    if count < 2:
        return ClusteredError(float("inf"), 1.0, count, row.size, kish)
    share = sizes / n
    sums = np.bincount(codes, weights=row - row.mean())
    variance = float((sums**2 / (1 - share)).sum() / n**2)

    # Independent cases: the trace of the covariance of the adjusted cluster sums is n.
    outer = sizes * share / (1 - share)
    loose = n**2 / ((sizes**2).sum() + outer.sum() ** 2 - (outer**2).sum())
    # Cases of a cluster all alike: the cluster means are what varies.
    weight = sizes**2 / (1 - share)
    total, first, second = weight.sum(), (weight * share).sum(), (weight * share**2).sum()
    own, shift = float((share**2).sum()), float((share**2).sum()) - 2 * share
    frobenius = (
        total**2 * own**2
        + 2 * total * second
        - 4 * own * total * first
        + 2 * first**2
        + (weight**2 * ((1 + shift) ** 2 - shift**2)).sum()
    )
    tight = (weight * (1 + shift)).sum() ** 2 / frobenius
    return ClusteredError(variance, float(min(loose, tight)), count, row.size, kish)
