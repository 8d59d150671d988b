"""Cases that ask the very same: many of them tell no more than one, so they count as related."""

from collections.abc import Mapping

import orjson

from lineside.evals.dataset import Case, Dataset
from lineside.evals.datasets.grouping import Groups
from lineside.stats import np

SAME_INPUT = "same input as "
"""How the cluster begins of cases that ask the same and that nobody called related."""

_Key = tuple[str, str]
"""A cluster, or a case that has none."""


class Related:
    """Which cases of a dataset are related: by their cluster, or since they ask the same.

    Args:
        clusters: What clusters count to that hold a case which is asked elsewhere, too.
        cases: The same for such cases that have no cluster, by their id.
    """

    def __init__(self, clusters: Mapping[str, str], cases: Mapping[str, str]) -> None:
        self._clusters = clusters
        self._cases = cases

    @classmethod
    def within(cls, dataset: Dataset) -> "Related":
        """Read a dataset, and once more where cases share their input.

        An empty input asks nothing that could be the same.
        """
        shared = _asked_again(dataset)
        groups, first, twins = Groups[_Key](), dict[int, _Key](), dict[_Key, str]()
        for case in dataset if shared else ():
            if (asked := _asked(case)) in shared:
                groups.join(first.setdefault(asked, _key(case)), _key(case))
                twins.setdefault(_key(case), case.id)
        names, clusters, cases = dict[_Key, str](), dict[str, str](), dict[str, str]()
        for kind, name in twins:
            if kind == "cluster":
                names.setdefault(groups.head((kind, name)), name)
        for (kind, own), case_id in twins.items():
            name = names.setdefault(groups.head((kind, own)), SAME_INPUT + case_id)
            (cases if kind == "case" else clusters)[own] = name
        return cls(clusters, cases)

    def cluster_of(self, case: Case) -> str | None:
        """The cluster that a case counts to; nothing where it stands for itself."""
        if case.cluster is None:
            return self._cases.get(case.id)
        return self._clusters.get(case.cluster, case.cluster)


def _asked_again(dataset: Dataset) -> set[int]:
    """What more than one case asks, found in eight bytes a case."""
    asked = np.fromiter(map(_asked, dataset), dtype=np.int64)
    found, times = np.unique(asked, return_counts=True)
    return set(found[times > 1].tolist()) - {0}


def _asked(case: Case) -> int:
    """What a case asks, as a number; 0 where it asks nothing."""
    return hash(orjson.dumps(case.input, option=orjson.OPT_SORT_KEYS)) if case.input else 0


def _key(case: Case) -> _Key:
    return ("case", case.id) if case.cluster is None else ("cluster", case.cluster)
