"""API keys: how programs act, each with its own rights, and how to take them back."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from lineside.core import Actor, Conflict, Denied, Invalid, NotFound, Record, new_id, now
from lineside.store import Store
from lineside.trust.ledger import record
from lineside.trust.queries import (
    Connection,
    find_key,
    find_keys,
    insert_key,
    mark_key_revoked,
    mark_key_used,
    select_keys,
)
from lineside.trust.scope import Scope, checked_rights

_SECRET_BYTES = 32
_NAME_CHARACTERS_MAX = 100
_USE_NOTED_EVERY = timedelta(minutes=1)
_NO_HASH = bytes(hashlib.sha256().digest_size)


class ApiKey(Record):
    """What is known of an API key; its secret is shown once, when it is made, and never kept.

    Attributes:
        id: Public; the middle part of the secret.
        name: What the key is for, as people read it.
        rights: What a program with this key may.
        use_cases: The only use cases it may touch, or nothing where there is no such limit.
        models: The only plain models it may call, as patterns with `*`, or nothing likewise.
        team: Whom its calls count for beside itself, if anybody.
        created_by: Name of the actor who made it.
        expires_at: From when it no longer works, if ever.
        revoked_at: When it was taken back, if it was.
        last_used_at: When it was last used, within a minute.
    """

    id: str
    name: str
    rights: tuple[str, ...]
    use_cases: tuple[str, ...] | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    models: tuple[str, ...] | None = None
    team: str | None = None

    @property
    def is_usable(self) -> bool:
        """Whether a program can act with it now."""
        return _is_usable(vars(self))


def create_key(
    scope: Scope,
    name: str,
    *,
    rights: Iterable[str],
    use_cases: Iterable[str] | None = None,
    models: Iterable[str] | None = None,
    team: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its secret, which nobody can read again.

    Args:
        rights: What it may; never more than its maker.
        use_cases: The only use cases it may touch; nothing means all.
        models: The only plain models it may call, as patterns such as `openai/*`; without
            `use_cases` it may then call no use case.
        team: Name under which its calls are counted together with those of other keys.
        expires_at: An aware moment in the future, or nothing for a key that stays.

    Raises:
        Denied: The actor may not make keys, or gives a right, a model or a team it lacks.
        Invalid: A right is unknown, a name is empty, or the moment has passed.
    """
    scope.require("keys")
    granted = checked_rights(frozenset(rights))
    for right in sorted(granted):
        scope.require(right)
    limit = None if use_cases is None else sorted(set(use_cases))
    patterns = None if models is None else sorted(set(models))
    team = scope.team if team is None else team
    _check(name, limit, expires_at)
    _check_reach(scope, patterns, team)
    key_id = new_id("key")
    random_part = secrets.token_urlsafe(_SECRET_BYTES)
    values = {
        "id": key_id,
        "name": name,
        "rights": sorted(granted),
        "use_cases": limit,
        "models": patterns,
        "team": team,
        "created_at": now(),
        "created_by": scope.actor.name,
        "expires_at": expires_at,
        "revoked_at": None,
        "last_used_at": None,
    }
    details = {
        "name": name,
        "rights": values["rights"],
        "use_cases": limit,
        "models": patterns,
        "team": team,
        "expires_at": expires_at,
    }
    with scope.store.records.write() as connection:
        insert_key(
            connection,
            {**values, "workspace": scope.workspace, "secret_hash": _hash(random_part)},
        )
        record(connection, scope, "key.created", key_id, details)
    return _api_key(values), f"lsk_{key_id.removeprefix('key_')}_{random_part}"


def list_keys(scope: Scope) -> list[ApiKey]:
    """Every key of the workspace, revoked ones too, in the order they were made."""
    scope.require("keys")
    with scope.store.records.read() as connection:
        return [_api_key(row) for row in select_keys(connection, scope.workspace)]


def key_name(connection: Connection, key_id: str) -> str:
    """What people call a key; its id where none has it, as with what stands for those without."""
    row = find_key(connection, key_id)
    return key_id if row is None else str(row["name"])


def revoke_key(scope: Scope, key_id: str) -> ApiKey:
    """Take a key back; from the next request on it opens nothing.

    Raises:
        NotFound: The workspace has no such key.
        Conflict: It was revoked before.
    """
    scope.require("keys")
    with scope.store.records.write() as connection:
        revoked = mark_key_revoked(connection, scope.workspace, key_id, at=now())
        row = find_key(connection, key_id)
        if row is None or row["workspace"] != scope.workspace:
            raise NotFound(
                "no_key",
                f"There is no API key `{key_id[:80]}`",
                hint="Run `lineside keys ls` to see them all.",
            )
        if not revoked:
            raise Conflict("key_already_revoked", f"The API key `{row['name']}` was revoked before")
        record(connection, scope, "key.revoked", key_id, {"name": row["name"]})
    return _api_key(row)


def give_up_key(scope: Scope, *, why: str) -> None:
    """Let a program or person give up the key they act by; nobody else need allow it.

    Raises:
        Denied: They do not act by a key.
        Conflict: It was revoked before.
    """
    if scope.actor.kind != "key":
        raise Denied(
            "no_key", f"`{scope.actor.name}` acts without a key, so there is none to give up"
        )
    with scope.store.records.write() as connection:
        if not mark_key_revoked(connection, scope.workspace, scope.actor.id, at=now()):
            raise Conflict(
                "key_already_revoked", f"The API key `{scope.actor.name}` was revoked before"
            )
        details = {"name": scope.actor.name, "why": why}
        record(connection, scope, "key.revoked", scope.actor.id, details)


def when_revoked(scope: Scope, key_ids: Iterable[str]) -> dict[str, datetime]:
    """Of these keys of the workspace, those that were revoked, with the moment."""
    asked = set(key_ids)
    with scope.store.records.read() as connection:
        rows = select_keys(connection, scope.workspace)
    return {
        row["id"]: row["revoked_at"] for row in rows if row["id"] in asked and row["revoked_at"]
    }


def scope_for_key(
    store: Store, secret: str, *, soon: Callable[[Callable[[], None]], object] | None = None
) -> Scope:
    """Let a program act by the secret of its key.

    Args:
        soon: Takes the noting of when the key was used, at most once a minute, to be done by
            somebody who may wait for the database; else it is done before this returns.

    Raises:
        Denied: The key is malformed, unknown, expired or revoked; which of them is not said.
    """
    public_part, random_part = _parts(secret)
    key_id = f"key_{public_part}"
    known = store.records.recall(key_id, partial(_known, store, key_id))
    expected = _NO_HASH if known is None else bytes(known.row["secret_hash"])
    # The comparison happens also for an unknown id, in the same time.
    fits = hmac.compare_digest(_hash(random_part), expected)
    if known is None or not fits or not _is_usable(known.row):
        raise Denied(
            "bad_key",
            "The API key does not open this workspace",
            hint="Check that it was copied whole (it begins with `lsk_`), or make a new one: "
            "`lineside keys create`. A model client on this machine may send `local` instead.",
        )
    note = partial(_note_use, store, known.row)
    if soon is None:
        note()
    elif _is_to_note(known.row):
        soon(note)
    return known.scope


class _Known(NamedTuple):
    """A key as it is kept, and what it opens where it is good."""

    row: Mapping[str, Any]
    scope: Scope


def _known(store: Store, key_id: str, connection: Any) -> _Known | None:
    row = find_key(connection, key_id)
    return None if row is None else _Known(row, _scope_of(store, row))


def scope_of_key(store: Store, key_id: str) -> Scope:
    """Let work go on that a program began with its key and that outlives its request.

    Raises:
        Denied: The key was revoked or has expired since.
    """
    with store.records.read() as connection:
        row = find_key(connection, key_id)
    if row is None or not _is_usable(row):
        raise key_gone()
    return _scope_of(store, row)


def key_gone() -> Denied:
    """What is said of work whose key opens nothing any more."""
    return Denied(
        "key_gone",
        "The API key that began this was revoked or has expired, so it does not go on",
        hint="Have somebody with a key that works go on with it.",
    )


def usable_keys(store: Store, key_ids: Collection[str]) -> set[str]:
    """Which of these keys still open something."""
    with store.records.read() as connection:
        return {row["id"] for row in find_keys(connection, key_ids) if _is_usable(row)}


def _scope_of(store: Store, row: Mapping[str, Any]) -> Scope:
    limit = row["use_cases"]
    return Scope(
        store,
        row["workspace"],
        Actor(kind="key", id=row["id"], name=row["name"]),
        frozenset(row["rights"]),
        None if limit is None else frozenset(limit),
        None if row["models"] is None else tuple(row["models"]),
        row["team"],
    )


def _is_usable(row: Mapping[str, Any]) -> bool:
    expires_at = row["expires_at"]
    return row["revoked_at"] is None and (expires_at is None or expires_at > now())


def _note_use(store: Store, row: Mapping[str, Any]) -> None:
    if not _is_to_note(row):
        return
    moment = now()
    with store.records.write() as connection:
        mark_key_used(connection, row["id"], at=moment, unless_since=moment - _USE_NOTED_EVERY)


def _is_to_note(row: Mapping[str, Any]) -> bool:
    noted = row["last_used_at"]
    return noted is None or now() - noted >= _USE_NOTED_EVERY


def _parts(secret: str) -> tuple[str, str]:
    """Public and random part; a malformed secret gives parts that no key has."""
    head, _, rest = secret.partition("_")
    public_part, _, random_part = rest.partition("_")
    if head != "lsk" or not public_part.isalnum() or not secret.isascii() or len(secret) > 200:
        return "", ""
    return public_part, random_part


def _hash(random_part: str) -> bytes:
    # A slow, salted hash makes guessing costly where people choose the secret. This one is 256 bits
    # of the system's randomness: nobody can try even a sliver of them, so that one SHA-256 protects
    # it as well, and a served call does not wait for a slow one.
    return hashlib.sha256(random_part.encode()).digest()


def _check(name: str, use_cases: list[str] | None, expires_at: datetime | None) -> None:
    if not _is_name(name):
        raise Invalid(
            "bad_key_name",
            f"Not a name for a key: `{name[:120]}`",
            hint=f"Say what it is for, in 1 to {_NAME_CHARACTERS_MAX} printable characters.",
        )
    if use_cases is not None and not use_cases:
        raise Invalid(
            "no_use_cases",
            "The key is limited to no use case, so nothing would be allowed",
            hint="Name at least one, or leave the limit out.",
        )
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= now()):
        raise Invalid(
            "bad_expiry",
            f"The key would expire at {expires_at.isoformat()}",
            hint="Give a moment in the future, with its time zone.",
        )


def _check_reach(scope: Scope, models: list[str] | None, team: str | None) -> None:
    if models is not None and (not models or not all(map(_is_name, models))):
        raise Invalid(
            "bad_key_models",
            "The key is limited to no model, or to one without a name",
            hint="Name at least one, such as `openai/gpt-4o*`, or leave the limit out.",
        )
    if team is not None and not _is_name(team):
        raise Invalid(
            "bad_key_team",
            f"Not a name for a team: `{team[:120]}`",
            hint=f"Write 1 to {_NAME_CHARACTERS_MAX} printable characters, or leave it out.",
        )
    is_wider = scope.models is not None and not set(models or ("*",)) <= set(scope.models)
    if is_wider or (scope.team is not None and team != scope.team):
        raise Denied(
            "key_too_wide",
            f"API key `{scope.actor.name}` may make no key that reaches farther than itself",
            hint=f"It may call: {', '.join(scope.models or ('any model',))}; "
            f"its team: {scope.team or 'none'}.",
        )


def _is_name(text: str) -> bool:
    return bool(text.strip()) and len(text) <= _NAME_CHARACTERS_MAX and text.isprintable()


def _api_key(row: Mapping[str, Any]) -> ApiKey:
    return ApiKey(**{name: row[name] for name in ApiKey.model_fields})
