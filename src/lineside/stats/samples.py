"""What may be computed with: finite numbers, known clusters, a confidence between 0 and 1."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from lineside.core import Invalid
from lineside.stats.arrays import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Numbers: TypeAlias = "NDArray[np.float64]"
Codes: TypeAlias = "NDArray[np.int64]"


def read_values(values: Iterable[float], *, name: str = "values") -> Numbers:
    """Return the scores as one row of finite numbers, or say which one is not.

    Raises:
        Invalid: `no_values`, `not_a_number` (text, nested lists) or `not_finite` (NaN, infinity and
            None, because a score that is missing must be left out and counted as failed).
    """
    try:
        row = np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=float)
    except (TypeError, ValueError) as error:
        raise Invalid("not_a_number", f"The {name} are not all numbers: {error}") from None
    if row.ndim != 1:
        raise Invalid("not_a_number", f"The {name} must be one row of numbers: {row.ndim} axes")
    if row.size == 0:
        raise Invalid("no_values", f"There are no {name} to compute with")
    if not np.isfinite(row).all():
        at = int(np.flatnonzero(~np.isfinite(row))[0])
        raise Invalid(
            "not_finite",
            f"The {name} hold a number that is not finite: `{row[at]}` at position {at}",
            hint="Leave out cases without a score and pass their count as `failed`",
        )
    return row


def read_clusters(clusters: Sequence[Hashable] | None, cases: int) -> Codes | None:
    """Return a number per case that is equal within a cluster, or None where there are none."""
    if clusters is None:
        return None
    if len(clusters) != cases:
        raise Invalid(
            "lengths_differ", f"There are {cases} values but {len(clusters)} cluster keys"
        )
    codes: dict[Hashable, int] = {}
    for at, key in enumerate(clusters):
        if key is None:
            raise Invalid("cluster_missing", f"Case {at} has no cluster key")
        codes.setdefault(key, len(codes))
    return np.fromiter((codes[key] for key in clusters), dtype=np.int64, count=cases)


def check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise Invalid(
            "bad_confidence", f"Confidence must lie strictly between 0 and 1: `{confidence}`"
        )


def is_binary(row: Numbers) -> bool:
    return bool(((row == 0) | (row == 1)).all())
