import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from lineside.core import Conflict, Denied, Invalid, NotFound
from lineside.store import Store
from lineside.trust import (
    Scope,
    create_key,
    export_ledger,
    ledger_entries,
    list_keys,
    revoke_key,
    scope_for_key,
)
from lineside.trust import keys as keys_page


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The present moment of this room, to be set by the test."""
    moment = [datetime(2030, 1, 1, tzinfo=UTC)]
    monkeypatch.setattr(keys_page, "now", lambda: moment[0])
    return moment


def test_a_program_acts_by_its_key_with_the_rights_of_the_key(scope: Scope, store: Store) -> None:
    key, secret = create_key(scope, "ci", rights=["run", "test"], use_cases=["triage"])

    acting = scope_for_key(store, secret)

    assert (acting.actor.kind, acting.actor.id, acting.actor.name) == ("key", key.id, "ci")
    assert acting.rights == frozenset({"run", "test"})
    acting.require("run", "triage")
    with pytest.raises(Denied, match="API key `ci` may not `run` on use case `refunds`"):
        acting.require("run", "refunds")


def test_the_secret_reads_as_documented(scope: Scope) -> None:
    key, secret = create_key(scope, "ci", rights=["run"])

    scheme, public_part, random_part = secret.split("_", 2)
    assert (scheme, f"key_{public_part}") == ("lsk", key.id)
    assert (len(public_part), len(random_part)) == (26, 43)


def test_a_secret_stands_nowhere_in_state_or_ledger(scope: Scope, store: Store) -> None:
    _, secret = create_key(scope, "ci", rights=["run"])
    scope_for_key(store, secret)
    random_part = secret.split("_", 2)[2]

    with store.records.read() as connection:
        rows = [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM api_keys")]
    assert len(rows) == 1
    assert random_part not in repr(rows)
    assert random_part not in "".join(export_ledger(scope))
    for file in store.home.rglob("*"):
        if file.is_file():
            assert random_part.encode() not in file.read_bytes(), file.name


def test_making_and_revoking_a_key_are_ledger_entries(scope: Scope) -> None:
    key, _ = create_key(scope, "ci", rights=["run"])
    revoke_key(scope, key.id)

    made, revoked = ledger_entries(scope, subject=key.id)
    assert (made.kind, revoked.kind) == ("key.created", "key.revoked")
    assert made.actor == scope.actor
    assert made.details["rights"] == ["run"]


def test_a_revoked_key_opens_nothing_and_is_revoked_once(scope: Scope, store: Store) -> None:
    key, secret = create_key(scope, "ci", rights=["run"])

    assert revoke_key(scope, key.id).revoked_at is not None
    with pytest.raises(Denied):
        scope_for_key(store, secret)
    with pytest.raises(Conflict, match="`ci` was revoked before"):
        revoke_key(scope, key.id)
    assert len(ledger_entries(scope, kind="key.revoked")) == 1


def test_an_expired_key_opens_nothing(scope: Scope, store: Store, clock: list[datetime]) -> None:
    key, secret = create_key(scope, "ci", rights=["run"], expires_at=clock[0] + timedelta(hours=1))
    clock[0] += timedelta(minutes=59)
    assert scope_for_key(store, secret).actor.id == key.id

    clock[0] += timedelta(minutes=1)
    with pytest.raises(Denied):
        scope_for_key(store, secret)


def test_a_refusal_never_says_which_part_was_wrong(scope: Scope, store: Store) -> None:
    revoked, revoked_secret = create_key(scope, "old", rights=["run"])
    revoke_key(scope, revoked.id)
    _, secret = create_key(scope, "ci", rights=["run"])
    scheme, public_part, random_part = secret.split("_", 2)
    wrong = [
        "",
        "lsk",
        "lsk__",
        "lsk_\N{SNOWMAN}_x",
        "x" * 100_000,
        secret + "A",
        secret[:-1],
        f"{scheme}_{public_part}_{random_part[::-1]}",
        f"{scheme}_{public_part[::-1]}_{random_part}",
        f"sk_{public_part}_{random_part}",
        revoked_secret,
    ]

    said = set()
    for attempt in wrong:
        with pytest.raises(Denied) as refusal:
            scope_for_key(store, attempt)
        said.add((refusal.value.code, refusal.value.message, refusal.value.hint))
    assert len(said) == 1
    assert next(iter(said))[0] == "bad_key"


def test_use_of_a_key_is_noted_once_a_minute(
    scope: Scope, store: Store, clock: list[datetime]
) -> None:
    _, secret = create_key(scope, "ci", rights=["run"])
    start = clock[0]
    noted = []
    for seconds in (0, 30, 30, 30):
        clock[0] += timedelta(seconds=seconds)
        scope_for_key(store, secret)
        last = list_keys(scope)[0].last_used_at
        assert last is not None
        noted.append((last - start).seconds)

    assert noted == [0, 0, 60, 60]


def test_a_key_never_gets_a_right_its_maker_lacks(scope: Scope) -> None:
    keeper = dataclasses.replace(scope, rights=frozenset({"keys", "run"}))

    with pytest.raises(Denied, match="`deploy`"):
        create_key(keeper, "ci", rights=["run", "deploy"])
    assert list_keys(scope) == []


def test_without_the_right_no_key_is_made_seen_or_revoked(scope: Scope) -> None:
    key, _ = create_key(scope, "ci", rights=["run"])
    reader = dataclasses.replace(scope, rights=frozenset({"read"}))

    with pytest.raises(Denied):
        create_key(reader, "mine", rights=["read"])
    with pytest.raises(Denied):
        list_keys(reader)
    with pytest.raises(Denied):
        revoke_key(reader, key.id)


def test_a_key_of_another_workspace_is_not_found(scope: Scope) -> None:
    key, _ = create_key(scope, "ci", rights=["run"])
    elsewhere = dataclasses.replace(scope, workspace="other")

    with pytest.raises(NotFound, match=key.id):
        revoke_key(elsewhere, key.id)
    assert list_keys(elsewhere) == []
    assert list_keys(scope)[0].revoked_at is None


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("", {"rights": ["run"]}, "Not a name for a key"),
        ("ci", {"rights": []}, "No right was given"),
        ("ci", {"rights": ["fly"]}, "There is no right `fly`"),
        ("ci", {"rights": ["run"], "use_cases": []}, "limited to no use case"),
        ("ci", {"rights": ["run"], "expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "2020-01-01"),
        ("ci", {"rights": ["run"], "expires_at": datetime(2090, 1, 1)}, "2090-01-01"),  # noqa: DTZ001 # the point
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_and_makes_no_key(
    scope: Scope, name: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        create_key(scope, name, **options)  # type: ignore[arg-type] # wrong on purpose
    assert list_keys(scope) == []
    assert ledger_entries(scope) == []
