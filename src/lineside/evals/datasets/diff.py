"""What changed between two versions of a dataset, case by case."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from lineside.core import Record
from lineside.evals.dataset import Case, DatasetVersion, canonical
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
        renamed: Id in the first to id in the second, of cases that only have another id; they are
            neither added nor removed.
        same: Number of cases that are equal in both.
    """

    first: DatasetVersion
    second: DatasetVersion
    added: list[str]
    removed: list[str]
    changed: list[CaseChange]
    renamed: dict[str, str]
    same: int


def diff_datasets(scope: Scope, first: DatasetVersion, second: DatasetVersion) -> DatasetDiff:
    """Say which cases were added, removed and changed, and in which fields.

    Cases are the same case when they have the same id, or else the same content. Order does not
    count.
    """
    before = {case.id: case for case in kept_cases(scope, first)}
    added: list[Case] = []
    changed, same = [], 0
    for case in kept_cases(scope, second):
        old = before.pop(case.id, None)
        if old is None:
            added.append(case)
        elif fields := _changed_fields(old, case):
            changed.append(CaseChange(id=case.id, fields=fields))
        else:
            same += 1
    renamed = _renamed(before, added)
    new_names = set(renamed.values())
    return DatasetDiff(
        first=first,
        second=second,
        added=[case.id for case in added if case.id not in new_names],
        removed=[case_id for case_id in before if case_id not in renamed],
        changed=changed,
        renamed=renamed,
        same=same,
    )


def _renamed(removed: Mapping[str, Case], added: Iterable[Case]) -> dict[str, str]:
    ids: dict[bytes, list[str]] = {}
    for case in removed.values():
        ids.setdefault(canonical(replace(case, id="")), []).append(case.id)
    found = {}
    for case in added:
        if same := ids.get(canonical(replace(case, id=""))):
            found[same.pop(0)] = case.id
    return found


def _changed_fields(old: Case, new: Case) -> dict[str, tuple[Any, Any]]:
    left, right = _flat(old), _flat(new)
    return {
        path: (left.get(path), right.get(path))
        for path in [*left, *(path for path in right if path not in left)]
        if path not in left or path not in right or _spelled(left[path]) != _spelled(right[path])
    }


def _spelled(value: Any) -> bytes:
    # In Python 1, 1.0 and true are equal; for whoever expects one of them they are not.
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _flat(case: Case) -> dict[str, Any]:
    parts = {"input": case.input, "expected": case.expected, "slices": case.slices}
    fields = {
        f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()
    }
    alone = {"source": case.source, "cluster": case.cluster, "split": case.split}
    return fields | {name: value for name, value in alone.items() if value is not None}
