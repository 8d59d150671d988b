"""Saved views, on both databases."""

from dataclasses import replace

import pytest

from lineside.core import Actor, Denied, Invalid, NotFound
from lineside.traces import saved
from lineside.trust import Scope


@pytest.fixture
def colleague(scope: Scope) -> Scope:
    return replace(
        scope,
        actor=Actor(kind="person", id="mem_other", name="bob"),
        rights=frozenset({"read"}),
    )


def test_a_view_is_ones_own_unless_it_is_shared(scope: Scope, colleague: Scope) -> None:
    saved.save_view(scope, "Mine", {"q": "errors > 0"})
    saved.save_view(scope, "  Slow   ones ", {"latency_ms_min": "2000"}, is_shared=True)

    assert [view.name for view in saved.list_views(scope)] == ["Mine", "Slow ones"]
    assert [view.name for view in saved.list_views(colleague)] == ["Slow ones"]
    with pytest.raises(NotFound, match="No view is called `Mine`"):
        saved.remove_view(colleague, "Mine")


def test_only_who_may_changes_what_everybody_sees(scope: Scope, colleague: Scope) -> None:
    saved.save_view(scope, "Slow", {"q": "latency_ms > 2000"}, is_shared=True)

    with pytest.raises(Denied, match="lacks the right `views`"):
        saved.save_view(colleague, "Slow", {}, is_shared=True)
    with pytest.raises(Denied):
        saved.remove_view(colleague, "Slow")
    saved.save_view(colleague, "Slow", {"q": "latency_ms > 9000"})
    assert saved.find_view(colleague, "Slow").asked == {"q": "latency_ms > 9000"}
    assert saved.find_view(scope, "Slow").asked == {"q": "latency_ms > 2000"}


def test_saving_under_a_name_again_replaces_it(scope: Scope) -> None:
    saved.save_view(scope, "Failed", {"status": "error"}, columns=("what", "user"))
    saved.save_view(scope, "Failed", {"status": "error", "since": "24h", "user": " "})

    (view,) = saved.list_views(scope)
    assert view.asked == {"status": "error", "since": "24h"}
    assert view.columns == ()
    assert view.filters.since is not None
    assert saved.remove_view(scope, view.id).name == "Failed"
    assert saved.list_views(scope) == []


@pytest.mark.parametrize(
    ("name", "asked"),
    [("", {}), ("x" * 61, {}), ("a", {"q": "modl = 1"}), ("a", {"colour": "red"})],
)
def test_what_could_not_be_opened_is_not_saved(
    scope: Scope, name: str, asked: dict[str, str]
) -> None:
    with pytest.raises(Invalid):
        saved.save_view(scope, name, asked)

    assert saved.list_views(scope) == []
