"""Whether users fell into the arms of an experiment in the shares that were stated."""

from collections.abc import Sequence

from lineside.core import Invalid

MISMATCH_P = 0.001
"""Below it a mismatch is taken to be real; it is looked for many times, so it must be rare."""


def sample_ratio_p(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return how likely counts at least as far from the shares would be by luck alone.

    Pearson's chi-square test of goodness of fit. A tiny value means that something loses or adds
    users of one arm, so that the arms are not alike and no comparison of them holds (Fabijan and
    others, "Diagnosing sample ratio mismatch in online controlled experiments", KDD 2019).

    Args:
        counts: Users of each arm.
        shares: The share of users each arm should have got, in the same order; they are scaled to
            add up to 1.

    Returns:
        1 where there are no users yet.

    Raises:
        Invalid: `lengths_differ`; `bad_share` for one that is not above 0; `bad_count` for fewer
            than two arms or a count below 0.
    """
    from scipy.special import chdtrc

    if len(counts) != len(shares):
        raise Invalid("lengths_differ", f"There are {len(counts)} counts, {len(shares)} shares")
    if len(counts) < 2 or min(counts) < 0:
        raise Invalid("bad_count", f"Expected counts of two arms or more: {list(counts)}")
    if min(shares) <= 0:
        raise Invalid("bad_share", f"Every arm's share must be above 0: {list(shares)}")
    total, whole = sum(counts), sum(shares)
    if total == 0:
        return 1.0
    expected = [total * share / whole for share in shares]
    away = sum((seen - due) ** 2 / due for seen, due in zip(counts, expected, strict=True))
    return float(chdtrc(len(counts) - 1, away))
