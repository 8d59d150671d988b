"""How far raters agree beyond chance: two by Cohen's kappa, any number by Krippendorff's alpha."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.intervals import Interval, mean_interval, wilson
from lineside.stats.ratings import UNRATED, Rating, Ratings, numbers_of, read_ratings
from lineside.stats.resampling import Statistic, Tally, tally_ends
from lineside.stats.samples import Codes, Numbers, check_confidence, read_clusters

KappaWeights = Literal["none", "linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval"]

DRAWS = 1_000
CATEGORIES_MAX: dict[Level, int | None] = {"nominal": 200, "ordinal": 50, "interval": None}


@dataclass(frozen=True)
class RaterAgreement:
    """How far raters agree beyond chance: 1 is always, 0 is as often as by guessing.

    Args:
        n: Independent units behind it: clusters where there are clusters, else items.
        method: `kappa`, `kappa_linear`, `kappa_quadratic`, `alpha_nominal`, `alpha_ordinal` or
            `alpha_interval`.
        disagreement: What was seen of it, as a part of what chance would give.
        raters: Raters with at least one rating that could be compared.
        items: Items with at least two ratings; only these count.
        left_out: Items with fewer.
    """

    value: float
    low: float
    high: float
    confidence: float
    n: int
    method: str
    raters: int
    items: int
    left_out: int

    @property
    def disagreement(self) -> float:
        return 1 - self.value


def raw_agreement(
    first: Iterable[Rating],
    second: Iterable[Rating],
    *,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
) -> Interval:
    """Say on which share of the items two raters gave the same label; see `mean_interval`.

    It flatters where one label is frequent; `cohen_kappa` takes chance out.

    Raises:
        Invalid: `no_overlap`, and what `read_ratings` raises.
    """
    ratings = read_ratings([first, second], categories_max=None)
    kept = _rated_twice(ratings)
    pair = ratings.codes[kept]
    return mean_interval(
        pair[:, 0] == pair[:, 1],
        confidence=confidence,
        clusters=_kept(clusters, kept, ratings),
    )


def cohen_kappa(
    first: Iterable[Rating],
    second: Iterable[Rating],
    *,
    weights: KappaWeights = "none",
    order: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> RaterAgreement:
    """Say how far two raters agree beyond chance on the items that both rated.

    Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological
    Measurement 20 (1960), and weighted, Psychological Bulletin 70 (1968). The interval is a BCa
    bootstrap over items, or over clusters. Where the raters never differed, which resampling would
    take for certain, the low end is what kappa would be if they differed as often as Wilson's
    interval for "never" allows.

    Args:
        weights: How much a near miss counts: `none` all as misses; `linear` by the distance in
            places, `quadratic` by its square, for labels that have an order.
        order: The labels from lowest to highest; without it, numbers in their order.

    Raises:
        Invalid: `no_overlap` without an item that both rated, `one_class` where both gave one label
            throughout (chance explains everything), `not_a_number`, `bad_weights`, and what
            `read_ratings` raises.
    """
    check_confidence(confidence)
    if weights not in {"none", "linear", "quadratic"}:
        raise Invalid("bad_weights", f"Weights are none, linear or quadratic: `{weights}`")
    ratings = read_ratings([first, second], order=order)
    if weights != "none" and order is None:
        numbers_of(ratings.categories)
    kept = _rated_twice(ratings)
    codes = read_clusters(_kept(clusters, kept, ratings), kept.size)
    size = len(ratings.categories)
    pair = ratings.codes[kept]
    cells = pair[:, 0] * size + pair[:, 1]
    used, cell_of = np.unique(cells, return_inverse=True)
    if size == 1 or (used.size == 1 and used[0] // size == used[0] % size):
        raise _one_class(ratings.categories[int(used[0]) % size])
    rows = np.zeros((kept.size, used.size))
    rows[np.arange(kept.size), cell_of] = 1
    return _measured(
        Tally.of(rows, codes),
        _kappa_of(used // size, used % size, size, weights),
        method="kappa" if weights == "none" else f"kappa_{weights}",
        shape=(ratings, kept),
        options=(confidence, draws, seed),
    )


def krippendorff_alpha(
    raters: Sequence[Iterable[Rating]],
    *,
    level: Level = "nominal",
    order: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> RaterAgreement:
    """Say how far any number of raters agree beyond chance, whoever rated which item.

    Krippendorff, "Content Analysis" (2004), chapter 11; "Computing Krippendorff's
    alpha-reliability" (2011). Items with fewer than two ratings are left out. The interval is a BCa
    bootstrap over items (Zapf et al., BMC Medical Research Methodology 16, 2016, find that it
    covers where Krippendorff's own does not), or over clusters. Where the raters never differed,
    the low end is as in `cohen_kappa`.

    Args:
        raters: One row of ratings per rater, all of the same items, None where not rated.
        level: What a difference weighs: `nominal` all the same, `ordinal` by ranks between,
            `interval` by the square of the difference.
        order: The labels from lowest to highest, for `ordinal`; without it, numbers.

    Raises:
        Invalid: `no_overlap`, `one_class`, `not_a_number`, `bad_level`, and what `read_ratings`
            raises.
    """
    check_confidence(confidence)
    if level not in CATEGORIES_MAX:
        raise Invalid("bad_level", f"A level is one of {', '.join(CATEGORIES_MAX)}: `{level}`")
    ratings = read_ratings(raters, order=order, categories_max=CATEGORIES_MAX[level])
    if level == "interval" or (level == "ordinal" and order is None):
        numbers_of(ratings.categories)
    kept = _rated_twice(ratings)
    table = ratings.codes[kept]
    seen = np.unique(table[table != UNRATED])
    if seen.size == 1:
        raise _one_class(ratings.categories[int(seen[0])])
    codes = read_clusters(_kept(clusters, kept, ratings), kept.size)
    if level == "interval":
        rows, statistic = _interval_rows(table, numbers_of(ratings.categories)), _interval_alpha
    elif level == "ordinal":
        rows, statistic = _ordinal_rows(table, len(ratings.categories)), _ordinal_alpha
    else:
        rows, statistic = _nominal_rows(table, len(ratings.categories)), _nominal_alpha
    return _measured(
        Tally.of(rows, codes),
        statistic,
        method=f"alpha_{level}",
        shape=(ratings, kept),
        options=(confidence, draws, seed),
    )


def _measured(
    tally: Tally,
    statistic: Statistic,
    *,
    method: str,
    shape: tuple[Ratings, Codes],
    options: tuple[float, int, int],
) -> RaterAgreement:
    ratings, kept = shape
    confidence, draws, seed = options
    value = float(statistic(tally.total[None, :])[0])
    if value == 1:
        low, high = _never_differed(ratings.codes[kept], tally.units, confidence), 1.0
    elif tally.units < 2:
        low, high = -1.0, 1.0
    else:
        low, high = tally_ends(tally, statistic, confidence=confidence, draws=draws, seed=seed)
        if low == high:
            # A rater with one label only gives 0 in every draw, which shows nothing of the error.
            low, high = -1.0, 1.0
    table = ratings.codes[kept]
    return RaterAgreement(
        value=value,
        low=low,
        high=high,
        confidence=confidence,
        n=tally.units,
        method=method,
        raters=int((table != UNRATED).any(axis=0).sum()),
        items=kept.size,
        left_out=ratings.codes.shape[0] - kept.size,
    )


def _never_differed(table: Codes, units: int, confidence: float) -> float:
    """Return the low end where none differed: as many may as Wilson's interval allows.

    Each of them is taken to differ as far as two ratings do that differ by chance.
    """
    share = np.bincount(table[table != UNRATED]) / (table != UNRATED).sum()
    may_differ = 1 - wilson(units, units, confidence=confidence).low
    return max(-1.0, 1 - may_differ / float(1 - (share**2).sum()))


def _kappa_of(first: Codes, second: Codes, size: int, weights: KappaWeights) -> Statistic:
    """Return kappa as a function of how many items fell on each pair of labels."""
    places = np.arange(size, dtype=float)
    apart = np.abs(places[:, None] - places[None, :])
    weight = {"none": (apart > 0).astype(float), "linear": apart, "quadratic": apart**2}[weights]

    def kappa(totals: Numbers) -> Numbers:
        rows, columns = np.zeros((2, totals.shape[0], size))
        for cell in range(first.size):
            rows[:, first[cell]] += totals[:, cell]
            columns[:, second[cell]] += totals[:, cell]
        seen = totals @ weight[first, second] * totals.sum(axis=1)
        by_chance = ((rows @ weight) * columns).sum(axis=1)
        return _one_minus(seen, by_chance)

    return kappa


def _nominal_rows(table: Codes, size: int) -> Numbers:
    """Return per item its count of each label, then the pairs that differ."""
    counts, rated = _counts(table, size)
    differ = (rated**2 - (counts**2).sum(axis=1)) / (rated - 1)
    return np.column_stack([counts, differ])


def _nominal_alpha(totals: Numbers) -> Numbers:
    counts, differ = totals[:, :-1], totals[:, -1]
    rated = counts.sum(axis=1)
    return _one_minus((rated - 1) * differ, rated**2 - (counts**2).sum(axis=1))


def _interval_rows(table: Codes, numbers: Numbers) -> Numbers:
    """Return per item: ratings, their sum, the sum of squares, and the squared differences."""
    # Rounding would swallow small differences of large numbers.
    centred = np.append(numbers - numbers.mean(), 0.0)[table]
    rated = (table != UNRATED).sum(axis=1).astype(float)
    total, squares = centred.sum(axis=1), (centred**2).sum(axis=1)
    spread = ((centred - (total / rated)[:, None]) ** 2 * (table != UNRATED)).sum(axis=1)
    return np.column_stack([rated, total, squares, 2 * rated * spread / (rated - 1)])


def _interval_alpha(totals: Numbers) -> Numbers:
    rated, total, squares, differ = totals.T
    return _one_minus((rated - 1) * differ, 2 * (rated * squares - total**2))


def _ordinal_rows(table: Codes, size: int) -> Numbers:
    """Return per item its part of the coincidences of each pair of labels."""
    counts, rated = _counts(table, size)
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs[:, np.arange(size), np.arange(size)] -= counts
    return (pairs / (rated - 1)[:, None, None]).reshape(table.shape[0], size * size)


def _ordinal_alpha(totals: Numbers) -> Numbers:
    size = round(totals.shape[1] ** 0.5)
    pairs = totals.reshape(-1, size, size)
    counts = pairs.sum(axis=2)
    # The ranks between two labels, half of their own included, are a distance of middle ranks.
    ranks = counts.cumsum(axis=1) - counts / 2
    rated = counts.sum(axis=1)
    mean = (counts * ranks).sum(axis=1) / np.maximum(rated, 1)
    ranks -= mean[:, None]
    own = (counts * ranks**2).sum(axis=1)
    shared = (ranks * (pairs @ ranks[:, :, None])[:, :, 0]).sum(axis=1)
    return _one_minus((rated - 1) * 2 * (own - shared), 2 * rated * own)


def _one_minus(seen: Numbers, by_chance: Numbers) -> Numbers:
    is_defined = by_chance > 0
    return np.where(is_defined, 1 - seen / np.where(is_defined, by_chance, 1), np.nan)


def _counts(table: Codes, size: int) -> tuple[Numbers, Numbers]:
    items = table.shape[0]
    cells = (table + np.arange(items)[:, None] * size)[table != UNRATED]
    counts = np.bincount(cells, minlength=items * size).reshape(items, size).astype(float)
    return counts, counts.sum(axis=1)


def _rated_twice(ratings: Ratings) -> Codes:
    kept = np.flatnonzero((ratings.codes != UNRATED).sum(axis=1) >= 2)
    if kept.size == 0:
        raise Invalid(
            "no_overlap",
            f"No item of {ratings.codes.shape[0]} was rated by two raters",
            hint="Agreement is measured on items that several raters rate",
        )
    return kept


def _kept(
    clusters: Sequence[Hashable] | None, kept: Codes, ratings: Ratings
) -> Sequence[Hashable] | None:
    if clusters is None:
        return None
    items = ratings.codes.shape[0]
    if len(clusters) != items:
        raise Invalid("lengths_differ", f"There are {items} items but {len(clusters)} cluster keys")
    return [clusters[at] for at in kept]


def _one_class(label: Hashable) -> Invalid:
    return Invalid(
        "one_class",
        f"All ratings are {label!r}: agreement beyond chance is not defined",
        hint="Have items of other classes rated too",
    )
