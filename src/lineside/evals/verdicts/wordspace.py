"""Texts as points by the words they share, and groups of them that come out alike every time.

Nothing leaves the machine, nothing is learned from elsewhere, and the same texts give the same
groups. numpy and scipy only: importing a clustering library takes a page seconds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lineside.stats import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUPS_MAX = 8
TEXTS_PER_GROUP = 4
_STABLE = 0.8
_AS_STABLE = 0.02
_DRAWS = 8
_DRAWN_SHARE = 0.8
_DRAWN_FROM_MAX = 1_000
_STARTS = 8
_STEPS_MAX = 50
_DIMENSIONS = 40
_WORDS_MAX = 5_000
_WORD = re.compile(r"\b[^\W\d_]{3,}\b")


class Space(NamedTuple):
    """All texts as points of length 1, and the weight of each word in each."""

    points: NDArray[np.float64]
    weights: Any
    words: list[str]


class TextGroups(NamedTuple):
    """The middle of each group, of length 1, and the group of each point."""

    centres: NDArray[np.float64]
    labels: NDArray[np.int64]


def space_of(texts: Sequence[str]) -> Space | None:
    """Place texts by their words: TF-IDF, then the 40 directions in which they differ the most.

    Nothing where the texts hold too few words that some have and others have not. Words that stand
    in one text only, or in more than half of them, do not count.
    """
    from scipy import sparse
    from scipy.sparse.linalg import svds

    counted = [Counter(_WORD.findall(text.lower())) for text in texts]
    held: Counter[str] = Counter()
    said: Counter[str] = Counter()
    for counts in counted:
        held.update(counts.keys())
        said.update(counts)
    telling = [word for word, times in held.items() if 2 <= times <= len(texts) / 2]
    words = sorted(sorted(telling, key=lambda word: (-said[word], word))[:_WORDS_MAX])
    dimensions = min(_DIMENSIONS, len(words) - 1, len(texts) - 1)
    if dimensions < 2:
        return None
    place = {word: at for at, word in enumerate(words)}
    cells = [
        (row, place[word], times)
        for row, counts in enumerate(counted)
        for word, times in counts.items()
        if word in place
    ]
    rows, columns, counts_of = (np.array(part) for part in zip(*cells, strict=True))
    rare = np.log((1 + len(texts)) / (1 + np.array([held[word] for word in words]))) + 1
    values = (1 + np.log(counts_of)) * rare[columns]
    lengths = np.sqrt(np.bincount(rows, weights=values**2, minlength=len(texts)))
    shape = (len(texts), len(words))
    weights = sparse.csr_matrix((values / lengths[rows], (rows, columns)), shape=shape)
    # A fixed start makes the same texts give the same points.
    left, strengths, _ = svds(weights, k=dimensions, v0=np.ones(min(shape)))
    return Space(_of_length_one(left * strengths), weights, words)


def groups_of(points: NDArray[np.float64]) -> TextGroups | None:
    """The groups that come out alike when part of the points is left out; nothing if none do.

    The stability of Ben-Hur, Elisseeff and Guyon, "A stability based method for discovering
    structure in clustered data", Pacific Symposium on Biocomputing 7 (2002): k-means over eight
    draws of 80 % of the points must put all of them as k-means over all of them does, with a mean
    adjusted Rand index of 0.8 (Hubert and Arabie, 1985). Of the numbers of groups that are as
    stable as the best within 0.02 the largest is taken. How well groups are separated is not
    asked: that prefers two groups, or one for each outlier.
    """
    different = len(np.unique(points.round(6), axis=0))
    most = min(GROUPS_MAX, len(points) // TEXTS_PER_GROUP, different - 1)
    rng = np.random.default_rng(0)
    few = points
    if len(points) > _DRAWN_FROM_MAX:
        few = points[np.sort(rng.choice(len(points), _DRAWN_FROM_MAX, replace=False))]
    found = {count: _stability(few, count, rng) for count in range(2, most + 1)}
    enough = max(_STABLE, max(found.values(), default=0.0) - _AS_STABLE)
    stable = [count for count, alike in found.items() if alike >= enough]
    return _k_means(points, max(stable), rng) if stable else None


def _stability(points: NDArray[np.float64], count: int, rng: np.random.Generator) -> float:
    whole = _k_means(points, count, rng).labels
    alike = []
    for _ in range(_DRAWS):
        drawn = rng.choice(len(points), int(_DRAWN_SHARE * len(points)), replace=False)
        centres = _k_means(points[drawn], count, rng).centres
        alike.append(_rand_index(whole, np.argmax(points @ centres.T, axis=1)))
    return float(np.mean(alike))


def _k_means(points: NDArray[np.float64], count: int, rng: np.random.Generator) -> TextGroups:
    """Spherical k-means (Dhillon and Modha, Machine Learning 42, 2001), the best of eight."""
    tried = [_settled(points, _spread_start(points, count, rng)) for _ in range(_STARTS)]
    return max(tried, key=lambda one: float((points * one.centres[one.labels]).sum()))


def _settled(points: NDArray[np.float64], centres: NDArray[np.float64]) -> TextGroups:
    count = len(centres)
    labels = np.full(len(points), -1)
    for _ in range(_STEPS_MAX):
        near = points @ centres.T
        nearest = near.argmax(axis=1)
        if (nearest == labels).all():
            break
        labels = nearest
        sums = (labels == np.arange(count)[:, None]).astype(float) @ points
        # A group that lost all its points starts anew at the point that lies worst.
        empty = np.flatnonzero(np.bincount(labels, minlength=count) == 0)
        sums[empty] = points[np.argsort(near.max(axis=1))[: empty.size]]
        centres = _of_length_one(sums)
    return TextGroups(centres, labels)


def _spread_start(
    points: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Centres far from each other: k-means++ (Arthur and Vassilvitskii, SODA 2007)."""
    chosen = [int(rng.integers(len(points)))]
    while len(chosen) < count:
        away = np.maximum(0.0, 1 - (points @ points[chosen].T).max(axis=1))
        total = away.sum()
        chance = away / total if total > 0 else None
        chosen.append(int(rng.choice(len(points), p=chance)))
    return points[chosen]


def _rand_index(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """How alike two groupings are, corrected for chance: 1 the same, 0 as by luck."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)
    both, ones, others, pairs = (
        float((part * (part - 1) / 2).sum())
        for part in (table, table.sum(axis=1), table.sum(axis=0), np.array([float(one.size)]))
    )
    by_luck, most = ones * others / pairs, (ones + others) / 2
    return 1.0 if most == by_luck else (both - by_luck) / (most - by_luck)


def _of_length_one(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
    found: NDArray[np.float64] = rows / np.maximum(lengths, 1e-12)
    return found
