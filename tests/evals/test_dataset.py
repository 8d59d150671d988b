from collections.abc import Callable

import pytest

from evals.conftest import rows
from lineside.core import Denied, NotFound
from lineside.evals import keep_dataset
from lineside.evals.dataset import Dataset, load_dataset
from lineside.trust import Scope

Read = Callable[..., Dataset]


def test_changed_cases_are_a_new_version_and_the_same_ones_are_not(
    scope: Scope, read: Read
) -> None:
    first = keep_dataset(scope, "triage", read(rows(3)))
    second = keep_dataset(scope, "triage", read(rows(4)))
    again = keep_dataset(scope, "triage", read(rows(3)))

    assert (first.version, first.cases, first.name) == (1, 3, "golden")
    assert (second.version, second.cases) == (2, 4)
    assert again == first


def test_a_kept_dataset_can_be_read_again(scope: Scope, read: Read) -> None:
    dataset = read(rows(3, slices={"channel": "mail"}))
    kept = keep_dataset(scope, "triage", dataset)
    assert list(load_dataset(scope, kept.digest)) == list(dataset)


def test_a_dataset_is_not_seen_from_another_workspace(scope: Scope, read: Read) -> None:
    kept = keep_dataset(scope, "triage", read(rows(3)))
    other = Scope(scope.store, "other", scope.actor, scope.rights)
    with pytest.raises(NotFound):
        load_dataset(other, kept.digest)


def test_keeping_a_dataset_takes_the_right_to_test(scope: Scope, read: Read) -> None:
    reader = Scope(scope.store, "main", scope.actor, frozenset({"read"}))
    with pytest.raises(Denied, match="lacks the right `test`"):
        keep_dataset(reader, "triage", read(rows(3)))
