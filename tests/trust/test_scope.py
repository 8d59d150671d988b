import dataclasses

import pytest

from lineside.core import Conflict, Denied, Invalid, Settings
from lineside.store import Store, open_store
from lineside.trust import Scope, ledger_entries, local_scope, members
from lineside.trust.scope import RIGHTS


def test_the_person_at_a_fresh_machine_owns_the_default_workspace(settings: Settings) -> None:
    store = open_store(dataclasses.replace(settings, user="Ana"))

    scope = local_scope(store)
    again = local_scope(store)

    assert (scope.workspace, scope.actor.name, scope.actor.kind) == ("default", "Ana", "person")
    assert scope.rights == frozenset(RIGHTS)
    assert again == scope
    assert [member.name for member in members.list_members(scope)] == ["Ana"]
    store.close()


def test_a_missing_right_is_denied_with_who_and_which(scope: Scope) -> None:
    reader = dataclasses.replace(scope, rights=frozenset({"read"}))

    reader.require("read")
    with pytest.raises(
        Denied, match=rf"Member `{scope.actor.name}` lacks the right `deploy`"
    ) as no:
        reader.require("deploy", "triage")
    assert no.value.code == "missing_right"


def test_a_scope_of_one_use_case_reaches_no_other_and_not_the_whole(scope: Scope) -> None:
    limited = dataclasses.replace(scope, use_cases=frozenset({"triage"}))

    limited.require("run", "triage")
    with pytest.raises(Denied, match="may not `run` on use case `refunds`"):
        limited.require("run", "refunds")
    with pytest.raises(Denied, match="may not `read` on the whole workspace"):
        limited.require("read")


def test_an_added_member_is_in_the_ledger_and_acts_with_their_own_rights(
    scope: Scope, settings: Settings
) -> None:
    ben = members.add_member(scope, "Ben", rights=["read", "test"])

    store = open_store(dataclasses.replace(settings, user="Ben"))
    as_ben = local_scope(store)
    assert (as_ben.actor.id, as_ben.rights) == (ben.id, frozenset({"read", "test"}))
    assert not ben.is_owner
    assert [(e.kind, e.subject) for e in ledger_entries(scope)] == [("member.added", ben.id)]
    store.close()


def test_nobody_adds_a_member_with_rights_of_which_they_have_none(scope: Scope) -> None:
    keeper = dataclasses.replace(scope, rights=frozenset({"keys", "read"}))

    with pytest.raises(Denied, match="`deploy`"):
        members.add_member(keeper, "Ben", rights=["deploy"])
    assert len(members.list_members(scope)) == 1


def test_a_member_is_added_once(scope: Scope) -> None:
    members.add_member(scope, "Ben", rights=["read"])

    with pytest.raises(Conflict, match="has a member `Ben` already"):
        members.add_member(scope, "Ben", rights=["read"])
    assert len(ledger_entries(scope)) == 1


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
def test_a_name_nobody_could_read_is_refused(scope: Scope, name: str) -> None:
    with pytest.raises(Invalid, match="Not a name for a member"):
        members.add_member(scope, name, rights=["read"])


def test_a_mistyped_right_is_answered_with_the_nearest(scope: Scope) -> None:
    with pytest.raises(Invalid, match="no right `relase`") as refusal:
        members.add_member(scope, "Ben", rights=["relase"])
    assert refusal.value.hint == "Did you mean `release`?"


def test_the_own_workspace_shows_the_key_of_its_ledger(scope: Scope, store: Store) -> None:
    workspace = members.find_own_workspace(scope)

    assert workspace.name == "default"
    assert workspace.verifier_key.startswith("lineside.local/default+")


def test_an_owner_of_an_earlier_version_has_the_rights_that_came_later(scope: Scope) -> None:
    earlier = frozenset(RIGHTS) - {"ingest"}
    members.add_member(scope, "Ben", rights=earlier)
    members.add_member(scope, "Cleo", rights={"read", "run"})

    rights = {member.name: frozenset(member.rights) for member in members.list_members(scope)}

    assert rights["Ben"] == frozenset(RIGHTS)
    assert rights["Cleo"] == {"read", "run"}
