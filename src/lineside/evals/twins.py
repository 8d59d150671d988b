"""Cases that ask the very same: many of them tell no more than one, so they count as related."""

from collections import Counter
from collections.abc import Mapping

import orjson

from lineside.evals.dataset import Case, Dataset
from lineside.evals.datasets.grouping import Groups

SAME_INPUT = "same input as "
"""How the cluster begins of cases that ask the same and that nobody called related."""


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
        times = Counter(_asked(case) for case in dataset)
        shared = {asked for asked, count in times.items() if asked and count > 1}
        groups, first, twins = Groups[tuple[str, str]](), dict[int, Case](), list[Case]()
        for case in dataset if shared else ():
            if (asked := _asked(case)) in shared:
                groups.join(_key(first.setdefault(asked, case)), _key(case))
                twins.append(case)
        names, clusters, cases = dict[tuple[str, str], str](), dict[str, str](), dict[str, str]()
        for case in twins:
            if case.cluster is not None:
                names.setdefault(groups.head(_key(case)), case.cluster)
        for case in twins:
            name = names.setdefault(groups.head(_key(case)), SAME_INPUT + case.id)
            if case.cluster is None:
                cases[case.id] = name
            else:
                clusters[case.cluster] = name
        return cls(clusters, cases)

    def cluster_of(self, case: Case) -> str | None:
        """The cluster that a case counts to; nothing where it stands for itself."""
        if case.cluster is None:
            return self._cases.get(case.id)
        return self._clusters.get(case.cluster, case.cluster)


def _asked(case: Case) -> int:
    """What a case asks, as a number; 0 where it asks nothing."""
    return hash(orjson.dumps(case.input, option=orjson.OPT_SORT_KEYS)) if case.input else 0


def _key(case: Case) -> tuple[str, str]:
    return ("case", case.id) if case.cluster is None else ("cluster", case.cluster)
