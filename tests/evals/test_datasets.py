from collections.abc import Callable

import pytest

from evals.conftest import rows
from lineside.core import Invalid, NotFound
from lineside.evals import datasets, keep_dataset
from lineside.evals.dataset import Dataset
from lineside.trust import Scope

Read = Callable[..., Dataset]


def test_a_diff_names_added_removed_and_changed_cases(scope: Scope, read: Read) -> None:
    first = keep_dataset(scope, "triage", read(rows(3)))
    changed = rows(4)[1:]
    changed[0]["expected"] = {"topic": "lost_card"}
    second = keep_dataset(scope, "triage", read(changed))

    found = datasets.diff_datasets(scope, first, second)

    assert (found.added, found.removed, found.same) == (["c4"], ["c1"], 1)
    assert [(each.id, each.fields) for each in found.changed] == [
        ("c2", {"expected.topic": ("refund", "lost_card")})
    ]


def test_a_version_is_found_by_name_and_the_newest_without_a_number(
    scope: Scope, read: Read
) -> None:
    first = keep_dataset(scope, "triage", read(rows(1)))
    second = keep_dataset(scope, "triage", read(rows(2)))

    assert datasets.find_dataset(scope, "triage/golden@1") == first
    assert datasets.find_dataset(scope, "triage/golden") == second
    assert datasets.find_dataset(scope, first.id) == first
    with pytest.raises(NotFound, match="no dataset `triage/golden@9`"):
        datasets.find_dataset(scope, "triage/golden@9")
    with pytest.raises(Invalid, match="expected a number"):
        datasets.find_dataset(scope, "triage/golden@new")
