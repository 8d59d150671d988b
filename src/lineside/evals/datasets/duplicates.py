"""Finds cases that ask the same or nearly, and those that leak from one split to another."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

from datasketch import MinHash, MinHashLSH

from lineside.core import Invalid, Record
from lineside.evals.dataset import Case
from lineside.evals.datasets.grouping import Groups

AT_LEAST = 0.8
CASES_MAX = 100_000

_PIECE = 5
_PERMUTATIONS = 64
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


def find_duplicates(cases: Sequence[Case], *, at_least: float = AT_LEAST) -> Duplicates:
    """Say which cases ask the same, or nearly.

    Texts are compared in small letters with single blanks, by the share of their pieces of five
    letters. MinHash names the pairs worth comparing, so that some pairs near the limit may be
    missed; what is found was compared in full (up to 20,000 letters).

    Raises:
        Invalid: There are more than 100,000 cases, or the limit is not between 0.5 and 1.
    """
    if len(cases) > CASES_MAX:
        raise Invalid(
            "too_many_cases",
            f"{len(cases):,} cases are too many to look for duplicates in: {CASES_MAX:,} at most",
        )
    if not 0.5 <= at_least <= 1:
        raise Invalid("bad_similarity", f"`at_least` is {at_least:g}, expected 0.5 to 1")
    of_text: dict[str, list[int]] = defaultdict(list)
    for at, case in enumerate(cases):
        of_text[asked_words(case)].append(at)
    groups = [
        _group(cases, [of_text[text] for text in texts], similarity)
        for texts, similarity in _alike(list(of_text), at_least)
        if len(texts) > 1 or len(of_text[texts[0]]) > 1
    ]
    groups.sort(key=lambda group: (not group.is_leak, -group.similarity, group.case_ids[0]))
    return Duplicates(cases=len(cases), at_least=at_least, groups=groups)


def asked_words(case: Case) -> str:
    """All words of a case's input in small letters: two cases with the same ones ask the same."""
    return re.sub(r"\s+", " ", " ".join(_words(case.input))).strip().casefold()


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
    index = MinHashLSH(threshold=at_least, num_perm=_PERMUTATIONS)
    sketches = MinHash(_PERMUTATIONS, hashfunc=int, scheme="affine32")
    for at, text in enumerate(texts):
        pieces = _pieces(text)
        sketch = sketches.copy()
        sketch.update_batch(list(pieces))
        for other in sorted(index.query(sketch))[:_PARTNERS_MAX]:
            others = _pieces(texts[other])
            similarity = len(pieces & others) / len(pieces | others)
            if similarity >= at_least:
                yield other, at, similarity
        index.insert(at, sketch)


def _pieces(text: str) -> set[int]:
    content = text[:_CHARACTERS_MAX]
    count = max(1, len(content) - _PIECE + 1)
    return {crc32(content[at : at + _PIECE].encode()) for at in range(count)}


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
