"""What changed between two versions of a dataset, case by case."""

from typing import Any

from lineside.core import Record
from lineside.evals.dataset import Case, DatasetVersion
from lineside.evals.datasets.kept import kept_cases
from lineside.trust import Scope


class CaseChange(Record):
    """A case of the same id that says something else.

    Attributes:
        fields: Path of a field, such as `expected.topic`, to its value before and after; a missing
            value is none.
    """

    id: str
    fields: dict[str, tuple[Any, Any]]


class DatasetDiff(Record):
    """Two versions side by side.

    Attributes:
        added: Ids only in the second, in its order.
        removed: Ids only in the first, in its order.
        changed: Cases of one id whose content differs, in the order of the second.
        same: Number of cases that are equal in both.
    """

    first: DatasetVersion
    second: DatasetVersion
    added: list[str]
    removed: list[str]
    changed: list[CaseChange]
    same: int


def diff_datasets(scope: Scope, first: DatasetVersion, second: DatasetVersion) -> DatasetDiff:
    """Say which cases were added, removed and changed, and in which fields.

    Cases are the same case when they have the same id. Order does not count.
    """
    before = {case.id: case for case in kept_cases(scope, first)}
    added, changed, same = [], [], 0
    for case in kept_cases(scope, second):
        old = before.pop(case.id, None)
        if old is None:
            added.append(case.id)
        elif fields := _changed_fields(old, case):
            changed.append(CaseChange(id=case.id, fields=fields))
        else:
            same += 1
    return DatasetDiff(
        first=first,
        second=second,
        added=added,
        removed=list(before),
        changed=changed,
        same=same,
    )


def _changed_fields(old: Case, new: Case) -> dict[str, tuple[Any, Any]]:
    left, right = _flat(old), _flat(new)
    return {
        path: (left.get(path), right.get(path))
        for path in [*left, *(path for path in right if path not in left)]
        if path not in left or path not in right or left[path] != right[path]
    }


def _flat(case: Case) -> dict[str, Any]:
    parts = {"input": case.input, "expected": case.expected, "slices": case.slices}
    fields = {
        f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()
    }
    alone = {"source": case.source, "cluster": case.cluster, "split": case.split}
    return fields | {name: value for name, value in alone.items() if value is not None}
