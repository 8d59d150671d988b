from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lineside.core import Denied, NotFound
from lineside.store import Store
from lineside.trust import Scope, local_scope
from lineside.usecases import get_use_case, list_use_cases, read_folder, register

Make = Callable[..., Path]


@pytest.fixture
def scope(store: Store) -> Scope:
    """The owner at this machine, in a fresh workspace."""
    return local_scope(store)


def test_a_registered_use_case_keeps_its_id_when_the_manifest_changes(
    scope: Scope, make: Make
) -> None:
    first = register(scope, read_folder(make()))
    same = register(scope, read_folder(make()))
    changed = register(scope, read_folder(make(("6 people", "7 people"))))

    assert same == first
    assert (changed.id, changed.created_at) == (first.id, first.created_at)
    assert changed.updated_at > first.updated_at
    assert get_use_case(scope, "desk") == changed
    assert changed.manifest.problem.who == "7 people"
    assert [known.name for known in list_use_cases(scope)] == ["desk"]


def test_an_unknown_use_case_names_the_nearest(scope: Scope, make: Make) -> None:
    register(scope, read_folder(make()))

    with pytest.raises(NotFound) as caught:
        get_use_case(scope, "deks")

    assert caught.value.hint == "Did you mean `desk`?"


def test_a_limited_actor_sees_only_what_it_may(scope: Scope, make: Make) -> None:
    register(scope, read_folder(make()))
    register(scope, read_folder(make(("name: desk", "name: other"))))
    limited = replace(scope, rights=frozenset({"read"}), use_cases=frozenset({"other"}))

    assert [known.name for known in list_use_cases(limited)] == ["other"]
    with pytest.raises(Denied):
        get_use_case(limited, "desk")
    with pytest.raises(Denied):
        register(limited, read_folder(make(("name: desk", "name: other"))))
