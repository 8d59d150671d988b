"""Workspaces, and the people in them."""

import getpass
import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from lineside.core import Actor, Conflict, Invalid, Record, new_id, now
from lineside.store import Store
from lineside.trust.ledger import begin_ledger, record
from lineside.trust.queries import (
    find_member,
    find_workspace,
    insert_head,
    insert_if_absent,
    members,
    select_members,
    workspaces,
)
from lineside.trust.scope import RIGHTS, Scope, checked_rights

DEFAULT = "default"
"""Name of the one workspace that is there by itself."""

_FIRST_RIGHTS = frozenset({"read", "run", "test", "release", "deploy", "keys", "feedback"})
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_MEMBER_NAME_CHARACTERS_MAX = 100


class Workspace(Record):
    """A house of its own: use cases, members, keys and one ledger.

    Attributes:
        name: Short, for addresses: small letters, digits and hyphens.
        verifier_key: Public key of its ledger; give it to whoever is to verify.
        created_at: When it was made, in UTC.
    """

    name: str
    verifier_key: str
    created_at: datetime


class Member(Record):
    """A person in a workspace.

    Attributes:
        id: Stable id, as the ledger names them.
        name: As people read it, once per workspace.
        rights: What they may; an owner has every right.
        created_at: When they joined, in UTC.
    """

    id: str
    name: str
    rights: tuple[str, ...]
    created_at: datetime

    @property
    def is_owner(self) -> bool:
        return set(self.rights) == set(RIGHTS)


def local_scope(store: Store) -> Scope:
    """The person at this machine, in the default workspace.

    Whoever can write the state folder could change all of it anyway, so that the first person seen
    under a name becomes an owner. The name is `LINESIDE_USER`, else the login name.
    """
    name = store.settings.user or _login_name()
    with store.records.read() as connection:
        row = find_member(connection, DEFAULT, name)
    if row is None:
        _make_workspace(store, DEFAULT)
        with store.records.write() as connection:
            insert_if_absent(connection, members, _member_row(DEFAULT, name, frozenset(RIGHTS)))
            row = find_member(connection, DEFAULT, name)
    if row is None:
        raise AssertionError(f"member {name!r} was not kept")
    actor = Actor(kind="person", id=row["id"], name=name)
    return Scope(store, DEFAULT, actor, _rights(row))


def find_own_workspace(scope: Scope) -> Workspace:
    """The workspace the scope is at work in."""
    with scope.store.records.read() as connection:
        row = find_workspace(connection, scope.workspace)
    if row is None:
        raise AssertionError(f"workspace {scope.workspace!r} is gone under its scope")
    return Workspace(
        name=row["workspace"], verifier_key=row["verifier_key"], created_at=row["created_at"]
    )


def list_members(scope: Scope) -> list[Member]:
    """The people in the workspace, in the order they joined."""
    scope.require("read")
    with scope.store.records.read() as connection:
        rows = select_members(connection, scope.workspace)
    return [
        Member(
            id=row["id"],
            name=row["name"],
            rights=tuple(sorted(_rights(row))),
            created_at=row["created_at"],
        )
        for row in rows
    ]


def add_member(scope: Scope, name: str, *, rights: Iterable[str]) -> Member:
    """Let a person in, with no more rights than the one who adds them has.

    Raises:
        Denied: A right is given that the actor lacks.
        Conflict: Somebody has this name already.
    """
    scope.require("keys")
    if not name.strip() or len(name) > _MEMBER_NAME_CHARACTERS_MAX or not name.isprintable():
        raise Invalid(
            "bad_member_name",
            f"Not a name for a member: `{name[:120]}`",
            hint=f"Give 1 to {_MEMBER_NAME_CHARACTERS_MAX} printable characters.",
        )
    granted = checked_rights(frozenset(rights))
    for right in sorted(granted):
        scope.require(right)
    values = _member_row(scope.workspace, name, granted)
    with scope.store.records.write() as connection:
        if not insert_if_absent(connection, members, values):
            raise Conflict(
                "member_exists",
                f"The workspace has a member `{name}` already",
                hint="Choose another name.",
            )
        details = {"name": name, "rights": values["rights"]}
        record(connection, scope, "member.added", values["id"], details)
    return Member(
        id=values["id"], name=name, rights=tuple(values["rights"]), created_at=values["created_at"]
    )


def _make_workspace(store: Store, name: str) -> None:
    """Make a workspace and begin its ledger, unless it is there."""
    if not _NAME.fullmatch(name):
        raise AssertionError(f"not a workspace name: {name!r}")
    with store.records.read() as connection:
        if find_workspace(connection, name) is not None:
            return
    key, head = begin_ledger(store.home, name)
    values = {"workspace": name, "verifier_key": key, "created_at": now()}
    with store.records.write() as connection:
        if insert_if_absent(connection, workspaces, values):
            insert_head(connection, name, head)


def _rights(row: Mapping[str, Any]) -> frozenset[str]:
    """The rights of a member; whoever owned all there were owns those that came later too."""
    kept = frozenset(row["rights"])
    return frozenset(RIGHTS) if kept >= _FIRST_RIGHTS else kept


def _member_row(workspace: str, name: str, rights: frozenset[str]) -> dict[str, Any]:
    return {
        "id": new_id("mem"),
        "workspace": workspace,
        "name": name,
        "rights": sorted(rights),
        "created_at": now(),
    }


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no login name.
        return f"uid-{os.getuid()}"
