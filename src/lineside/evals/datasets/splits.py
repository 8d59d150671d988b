"""Divides the cases of a dataset into parts, and counts what they are made of."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256

from lineside.core import Invalid, Record
from lineside.evals.dataset import Case, DatasetVersion, dataset_of, keep_dataset, load_dataset
from lineside.evals.datasets.duplicates import asked_words
from lineside.evals.datasets.grouping import Groups
from lineside.trust import Scope

_SLICES_SHOWN = 50
_VALUES_SHOWN = 50
_PARTS = ("sourced", "conversations", "with_tool_calls", "with_documents")


class DatasetMakeup(Record):
    """What the cases of a dataset are made of.

    Attributes:
        splits: Split to its number of cases; an empty name is of those without a split.
        slices: Name of a slice to its values, each with its number of cases; 50 of each at most.
        labels: Field that every case expects a word of, to how often each word is expected, most
            frequent first; fields of more than 50 words are left out.
        sourced: Cases that say where they were taken from.
        conversations: Cases of several turns; `with_tool_calls` and `with_documents` those that
            expect tools to be called, and documents to be found.
    """

    cases: int
    splits: dict[str, int]
    slices: dict[str, dict[str, int]]
    labels: dict[str, dict[str, int]]
    sourced: int
    conversations: int
    with_tool_calls: int
    with_documents: int

    @property
    def one_label(self) -> list[str]:
        """Fields of which every case expects the same word: they tell good from bad badly."""
        return [name for name, words in self.labels.items() if len(words) == 1 and self.cases > 1]


def makeup_of(cases: Iterable[Case]) -> DatasetMakeup:
    """Count what the cases are made of."""
    splits: Counter[str] = Counter()
    slices: dict[str, Counter[str]] = defaultdict(Counter)
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    parts: Counter[str] = Counter()
    for case in cases:
        splits[case.split or ""] += 1
        for name, value in case.slices.items():
            slices[name][value] += 1
        for name, value in case.expected.items():
            if isinstance(value, str) and len(labels[name]) <= _VALUES_SHOWN:
                labels[name][value] += 1
        messages = case.input.get("messages")
        parts["sourced"] += case.source is not None
        parts["conversations"] += isinstance(messages, list) and len(messages) > 1
        parts["with_tool_calls"] += bool(case.expected.get("tool_calls"))
        parts["with_documents"] += bool(case.expected.get("documents"))
    total = splits.total()
    return DatasetMakeup(
        cases=total,
        splits=dict(sorted(splits.items())),
        slices={
            name: dict(values.most_common(_VALUES_SHOWN))
            for name, values in sorted(slices.items())[:_SLICES_SHOWN]
        },
        labels={
            name: dict(words.most_common())
            for name, words in sorted(labels.items())
            if len(words) <= _VALUES_SHOWN and words.total() == total
        },
        **{name: parts[name] for name in _PARTS},
    )


def split_dataset(
    scope: Scope, version: DatasetVersion, shares: Mapping[str, float]
) -> DatasetVersion:
    """Divide the cases by chance into splits, and keep that as a new version.

    Cases of one cluster, and cases that ask the same words, stay together, so that what is tested
    was not seen before. A case gets the same split whenever it is divided by the same shares, also
    when other cases were added; so sizes come out near the shares rather than exactly.

    Args:
        shares: Split to its share, of any sum, such as `{"train": 80, "test": 20}`.

    Raises:
        Invalid: Fewer than two splits, a share that is not above 0, or a split left empty.
    """
    if len(shares) < 2 or not all(0 < share < float("inf") for share in shares.values()):
        raise Invalid(
            "bad_shares",
            f"The shares are {dict(shares)}, expected two splits or more with a share above 0",
            hint="Such as `--share train=80 --share test=20`.",
        )
    cases = list(load_dataset(scope, version.digest, name=version.name))
    divided = list(_divided(cases, shares))
    counts = Counter(case.split for case in divided)
    if empty := [name for name in shares if not counts[name]]:
        raise Invalid(
            "empty_split",
            f"No case of {len(cases):,} came into `{empty[0]}`",
            hint="Give it a larger share, or add cases.",
        )
    return keep_dataset(scope, version.use_case, dataset_of(version.name, divided))


def _divided(cases: list[Case], shares: Mapping[str, float]) -> Iterator[Case]:
    total = sum(shares.values())
    groups: Groups[tuple[str, str]] = Groups()
    for case in cases:
        groups.join(_alone(case), ("words", asked_words(case.input)))
    for case in cases:
        key = "".join(groups.head(_alone(case)))
        place = int.from_bytes(sha256(key.encode()).digest()[:8]) / 2**64 * total
        yield replace(case, split=_split_at(place, shares))


def _alone(case: Case) -> tuple[str, str]:
    """What a case is divided by when no other asks the same."""
    return ("cluster", case.cluster) if case.cluster else ("words", asked_words(case.input))


def _split_at(place: float, shares: Mapping[str, float]) -> str:
    for name, share in shares.items():
        place -= share
        if place < 0:
            return name
    return name
