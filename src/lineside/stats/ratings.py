"""What people and judges said of the same items, as numbers per category."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import isnan

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.samples import Codes

Rating = Hashable
"""A category, or None where the rater did not rate the item."""

UNRATED = -1
CATEGORIES_MAX = 200


@dataclass(frozen=True)
class Ratings:
    """Ratings as category numbers, one row per item and one column per rater.

    Args:
        codes: Position in `categories`, -1 where an item was not rated.
        categories: In the order given or, without one, in sorted order.
    """

    codes: Codes
    categories: tuple[Hashable, ...]


def read_ratings(
    raters: Sequence[Iterable[Rating]],
    *,
    order: Sequence[Hashable] | None = None,
    categories_max: int | None = CATEGORIES_MAX,
) -> Ratings:
    """Return the ratings of at least two raters of the same items as category numbers.

    Raises:
        Invalid: `one_rater`, `lengths_differ`, `no_values`, `not_finite` (NaN is a broken score;
            pass None for an item that was not rated), `not_a_label`, `unknown_label` for one that
            is not in `order`, `too_many_labels`.
    """
    columns = [list(rater) for rater in raters]
    if len(columns) < 2:
        raise Invalid("one_rater", f"Agreement needs at least two raters: {len(columns)}")
    items = len(columns[0])
    if any(len(column) != items for column in columns):
        lengths = ", ".join(str(len(column)) for column in columns)
        raise Invalid("lengths_differ", f"The raters must rate the same items: {lengths} ratings")
    if items == 0:
        raise Invalid("no_values", "There are no items to compare raters on")
    codes: dict[Hashable, int] = (
        {} if order is None else {name: at for at, name in enumerate(order)}
    )
    known = len(codes) if order is not None else None
    table = np.empty((items, len(columns)), dtype=np.int64)
    for at, column in enumerate(columns):
        table[:, at] = _codes_of(column, codes)
    if known is not None and len(codes) > known:
        strange = list(codes)[known]
        raise Invalid(
            "unknown_label",
            f"A rating is not among the labels in order: {strange!r}",
            hint=f"The order holds: {', '.join(map(repr, order or ()))}",
        )
    if categories_max is not None and len(codes) > categories_max:
        raise Invalid(
            "too_many_labels",
            f"There are {len(codes)} different ratings, at most {categories_max} are compared",
            hint="Compare numbers at level `interval`, or round them",
        )
    if order is not None:
        return Ratings(table, tuple(codes))
    return _sorted(table, tuple(codes))


def numbers_of(categories: Sequence[Hashable]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return categories as numbers, or say that they are none.

    Raises:
        Invalid: `not_a_number`.
    """
    if not all(isinstance(name, int | float | np.number | np.bool_) for name in categories):
        raise Invalid(
            "not_a_number",
            f"Ratings must be numbers here: {', '.join(map(repr, list(categories)[:3]))}",
            hint="Pass `order`, the labels from lowest to highest, or take level `nominal`",
        )
    row = np.array([float(name) for name in categories])  # type: ignore[arg-type] # they are numbers
    if not np.isfinite(row).all():
        raise Invalid("not_finite", "The ratings hold a number that is not finite")
    return row


def _codes_of(column: list[Rating], codes: dict[Hashable, int]) -> list[int]:
    row = []
    for at, rating in enumerate(column):
        if rating is None:
            row.append(UNRATED)
            continue
        if isinstance(rating, float | np.floating) and isnan(rating):
            raise Invalid(
                "not_finite",
                f"A rating is not a number: position {at}",
                hint="Pass None for an item that a rater did not rate",
            )
        try:
            row.append(codes.setdefault(rating, len(codes)))
        except TypeError:
            raise Invalid(
                "not_a_label", f"A rating must be a label or a number: {rating!r}"
            ) from None
    return row


def _sorted(table: Codes, categories: tuple[Hashable, ...]) -> Ratings:
    try:
        places = sorted(range(len(categories)), key=categories.__getitem__)  # type: ignore[arg-type] # or TypeError
    except TypeError:
        return Ratings(table, categories)
    rank = np.empty(len(categories) + 1, dtype=np.int64)
    rank[places] = np.arange(len(categories))
    rank[UNRATED] = UNRATED
    return Ratings(rank[table], tuple(categories[at] for at in places))
