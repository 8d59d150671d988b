"""Finds cases that ask the same or nearly, and those that leak from one split to another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from lineside.core import Invalid, Record
from lineside.evals.dataset import Case, DatasetVersion, load_dataset
from lineside.evals.datasets.grouping import Groups
from lineside.stats import np
from lineside.trust import Scope

if TYPE_CHECKING:
    import numpy.typing as npt

AT_LEAST = 0.8
CASES_MAX = 100_000

Numbers: TypeAlias = "npt.NDArray[np.uint64]"

_PIECE = 5
# Odd numbers without a pattern: a piece's number has its letters in all of its digits.
_WEIGHTS = [0x9E3779B97F4A7C15 >> shift | 1 for shift in range(_PIECE)]
_MIXER = 0xD6E8FEB86659FD93
_SKETCH_NUMBERS = 64
_FOUR_ROWS_FROM = 0.7
_CHARACTERS_MAX = 20_000
_PARTNERS_MAX = 50
_GROUP_SHOWN_MAX = 50


class DuplicateGroup(Record):
    """Cases whose inputs are the same, or nearly.

    Attributes:
        case_ids: In the order of the dataset; at most 50 of `cases`.
        splits: The splits they stand in.
        similarity: Share of five-letter pieces that two inputs have in common, of the pair of the
            group that is least alike among those compared; 1 means the same words.
        is_leak: Whether they stand in more than one split, so that what is tested was seen before.
        is_contradiction: Whether the same words are expected to lead to different answers.
    """

    case_ids: list[str]
    cases: int
    splits: list[str]
    similarity: float
    is_leak: bool
    is_contradiction: bool


class Duplicates(Record):
    """What is there more than once in a dataset, leaks first, then the most alike."""

    cases: int
    at_least: float
    groups: list[DuplicateGroup]

    @property
    def leaks(self) -> int:
        """Groups that stand in more than one split."""
        return sum(group.is_leak for group in self.groups)


def find_duplicates(
    scope: Scope, version: DatasetVersion, *, at_least: float = AT_LEAST
) -> Duplicates:
    """Say which cases of a version ask the same, or nearly; by their ids alone.

    Cases that are held out are looked at too, or else no leak into them would ever be seen.

    Raises:
        Denied: The actor may not read the use case.
        Invalid: As for `duplicates_among`.
    """
    scope.require("read", version.use_case)
    cases = list(load_dataset(scope, version.digest, name=version.name))
    return duplicates_among(cases, at_least=at_least)


def duplicates_among(cases: Sequence[Case], *, at_least: float = AT_LEAST) -> Duplicates:
    """Say which cases ask the same, or nearly.

    Texts are compared in small letters with single blanks, by the share of their pieces of five
    letters. MinHash names the pairs worth comparing, so that a rare pair near the limit may be
    missed; what is found was compared in full (up to 20,000 letters).

    Raises:
        Invalid: There are more than 100,000 cases, or the limit is not between 0.5 and 1.
    """
    if len(cases) > CASES_MAX:
        raise Invalid(
            "too_many_cases",
            f"{len(cases):,} cases are too many to look for duplicates in: {CASES_MAX:,} at most",
            hint="Export the dataset, keep a part of its lines as a dataset, and look in that.",
        )
    if not 0.5 <= at_least <= 1:
        raise Invalid("bad_similarity", f"`at_least` is {at_least:g}, expected 0.5 to 1")
    of_text: dict[str, list[int]] = defaultdict(list)
    for at, case in enumerate(cases):
        of_text[asked_words(case.input)].append(at)
    groups = [
        _group(cases, [of_text[text] for text in texts], similarity)
        for texts, similarity in _alike(list(of_text), at_least)
        if len(texts) > 1 or len(of_text[texts[0]]) > 1
    ]
    groups.sort(key=lambda group: (not group.is_leak, -group.similarity, group.case_ids[0]))
    return Duplicates(cases=len(cases), at_least=at_least, groups=groups)


def asked_words(asked: Any) -> str:
    """All words of an input in small letters: two cases with the same ones ask the same."""
    return re.sub(r"\s+", " ", " ".join(_words(asked))).strip().casefold()


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        # Every conversation says who speaks; it would make all of them look alike.
        yield from (word for key in sorted(value) if key != "role" for word in _words(value[key]))
    elif isinstance(value, list):
        yield from (word for one in value for word in _words(one))
    elif value is not None:
        yield str(value)


def _alike(texts: list[str], at_least: float) -> Iterator[tuple[list[str], float]]:
    """Groups of texts that are alike, directly or by others in between; some have one text."""
    groups: Groups[int] = Groups()
    lowest: dict[int, float] = {}
    for left, right, similarity in _pairs(texts, at_least) if at_least < 1 else ():
        heads = groups.head(left), groups.head(right)
        groups.join(left, right)
        lowest[groups.head(left)] = min(similarity, *(lowest.get(head, 1.0) for head in heads))
    members: dict[int, list[str]] = defaultdict(list)
    for at, text in enumerate(texts):
        members[groups.head(at)].append(text)
    for at, found in members.items():
        yield found, lowest.get(at, 1.0)


def _pairs(texts: list[str], at_least: float) -> Iterator[tuple[int, int, float]]:
    """Pairs that are alike: those that share a band of their sketches, compared in full.

    Of pairs 0.8 alike, four rows in a band miss about 2 in 10,000; of pairs 0.5 alike, two rows
    miss about 1 in 10,000.
    """
    rows = 4 if at_least >= _FOUR_ROWS_FROM else 2
    random = np.random.default_rng(0)
    factors = random.integers(1, 2**63, _SKETCH_NUMBERS, dtype=np.uint64) * 2 + 1
    shelves: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for at, text in enumerate(texts):
        pieces = _pieces(text)
        sketch = (pieces[:, None] * factors).min(axis=0)
        bands = [
            shelves[band, sketch[band * rows : (band + 1) * rows].tobytes()]
            for band in range(_SKETCH_NUMBERS // rows)
        ]
        for other in sorted({other for band in bands for other in band[:_PARTNERS_MAX]}):
            similarity = _share_in_common(pieces, _pieces(texts[other]))
            if similarity >= at_least:
                yield other, at, similarity
        for band in bands:
            band.append(at)


def _pieces(text: str) -> Numbers:
    """A number for each different piece of the text."""
    letters = text[:_CHARACTERS_MAX].ljust(_PIECE)
    codes = np.frombuffer(letters.encode("utf-32-le", "surrogatepass"), np.uint32)
    windows = np.lib.stride_tricks.sliding_window_view(codes.astype(np.uint64), _PIECE)
    found: Numbers = np.unique(
        (windows * np.array(_WEIGHTS, np.uint64)).sum(axis=1, dtype=np.uint64) * np.uint64(_MIXER)
    )
    return found


def _share_in_common(one: Numbers, other: Numbers) -> float:
    common = np.intersect1d(one, other, assume_unique=True).size
    return common / (one.size + other.size - common)


def _group(cases: Sequence[Case], same_words: list[list[int]], similarity: float) -> DuplicateGroup:
    found = [cases[at] for at in sorted(at for places in same_words for at in places)]
    splits = sorted({case.split for case in found if case.split})
    return DuplicateGroup(
        case_ids=[case.id for case in found[:_GROUP_SHOWN_MAX]],
        cases=len(found),
        splits=splits,
        similarity=round(similarity, 3),
        is_leak=len(splits) > 1,
        is_contradiction=any(
            cases[place].expected != cases[places[0]].expected
            for places in same_words
            for place in places
        ),
    )
