import hashlib
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from lineside.core import Conflict, Invalid, Settings
from lineside.store import Store, open_store
from lineside.trust import Scope, ledger_entries, local_scope, record, verify_ledger
from lineside.trust.ledger import canonical
from lineside.trust.signing import key_file, make_signing_key


def decide(scope: Scope, number: int, *, kind: str = "deploy") -> None:
    with scope.store.records.write() as connection:
        record(connection, scope, kind, f"rel_{number}", {"share": number})


def test_what_was_decided_reads_back_as_it_was_written(scope: Scope) -> None:
    details = {"reasons": ["accuracy 0.71 < 0.85"], "at": datetime(2030, 1, 1, tzinfo=UTC)}
    with scope.store.records.write() as connection:
        written = record(connection, scope, "release.refused", "rel_1", details)

    (read,) = ledger_entries(scope)
    assert read == written
    assert (read.index, read.kind, read.subject, read.actor) == (
        0,
        "release.refused",
        "rel_1",
        scope.actor,
    )
    assert read.details == {
        "reasons": ["accuracy 0.71 < 0.85"],
        "at": "2030-01-01T00:00:00.000000Z",
    }


def test_the_canonical_form_is_that_of_any_json_writer_with_sorted_keys() -> None:
    value = {"b": [1, 0.5, None, True], "a": {"ü": '\u2028\n"\\', "Z": "é\x01"}, "aa": {}}
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert canonical(value) == plain.encode()


def test_a_decision_that_fails_leaves_no_entry(scope: Scope) -> None:
    decide(scope, 0)

    def decide_and_fail() -> None:
        with scope.store.records.write() as connection:
            record(connection, scope, "deploy", "rel_1", {})
            raise RuntimeError("the decision did not come to be")

    with pytest.raises(RuntimeError):
        decide_and_fail()
    decide(scope, 2)

    assert [entry.subject for entry in ledger_entries(scope)] == ["rel_0", "rel_2"]
    assert verify_ledger(scope).ok


def test_two_decisions_in_one_transaction_are_two_entries(scope: Scope) -> None:
    with scope.store.records.write() as connection:
        record(connection, scope, "rollback", "rel_2", {})
        record(connection, scope, "deploy", "rel_1", {})

    assert [entry.index for entry in ledger_entries(scope)] == [0, 1]
    assert verify_ledger(scope).size == 2


def test_entries_are_paged_filtered_and_turned(scope: Scope) -> None:
    for number in range(6):
        decide(scope, number % 3, kind="deploy" if number < 4 else "rollback")

    def indexes(**wish: object) -> list[int]:
        return [entry.index for entry in ledger_entries(scope, **wish)]  # type: ignore[arg-type] # any wish

    assert indexes(limit=2) == [0, 1]
    assert indexes(limit=2, after=1) == [2, 3]
    assert indexes(subject="rel_1") == [1, 4]
    assert indexes(kind="rollback") == [4, 5]
    assert indexes(kind="rollback", subject="rel_0") == []
    assert indexes(limit=2, newest_first=True) == [5, 4]
    assert indexes(limit=2, newest_first=True, after=4) == [3, 2]
    assert indexes(limit=-1) == []


def test_details_that_are_no_json_are_refused(scope: Scope) -> None:
    for details in ({"x": object()}, {"x": {1: 2}}, {"x": "\ud800"}):
        with (
            pytest.raises(Invalid, match="details of `deploy` on `rel_1` are not JSON"),
            scope.store.records.write() as connection,
        ):
            record(connection, scope, "deploy", "rel_1", details)
    assert ledger_entries(scope) == []


def test_an_entry_too_large_for_the_ledger_says_where_to_put_it(scope: Scope) -> None:
    with (
        pytest.raises(Invalid, match="the limit is 65,536") as refusal,
        scope.store.records.write() as connection,
    ):
        record(connection, scope, "deploy", "rel_1", {"text": "x" * 70_000})
    assert "blob" in str(refusal.value.hint)


WRITER = """
import sys
from pathlib import Path
from lineside.core import Settings
from lineside.store import open_store
from lineside.trust import local_scope, record

store = open_store(Settings(home=Path(sys.argv[1]), database_url=sys.argv[2]))
scope = local_scope(store)
for number in range(25):
    with store.records.write() as connection:
        record(connection, scope, "deploy", f"{sys.argv[3]}-{number}", {})
store.close()
"""


def test_threads_and_processes_append_to_one_gapless_ledger(store: Store) -> None:
    settings = store.settings
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, settings.home, settings.database_url, f"process{number}"]
        )
        for number in range(2)
    ]
    scope = local_scope(store)

    def append(name: str) -> None:
        for number in range(25):
            with store.records.write() as connection:
                record(connection, scope, "deploy", f"{name}-{number}", {})

    threads = [threading.Thread(target=append, args=(f"thread{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(60) for process in processes] == [0, 0]

    entries = ledger_entries(scope, limit=1000)
    assert [entry.index for entry in entries] == list(range(150))
    for name in ("process0", "process1", "thread0", "thread3"):
        mine = [entry.subject for entry in entries if entry.subject.startswith(f"{name}-")]
        assert mine == [f"{name}-{number}" for number in range(25)]
    verification = verify_ledger(scope)
    assert (verification.ok, verification.size) == (True, 150)


def test_the_private_key_is_for_its_owner_only_and_stays_the_same(scope: Scope) -> None:
    decide(scope, 0)
    path = key_file(scope.store.home)
    before = path.read_bytes()
    decide(scope, 1)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["ledger.ed25519"]
    assert path.read_bytes() == before


def test_several_who_make_the_key_at_once_get_the_same(tmp_path: Path) -> None:
    start = threading.Barrier(8)
    made: list[bytes] = []

    def make() -> None:
        start.wait()
        made.append(make_signing_key(tmp_path).private_bytes_raw())

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 8
    assert len(set(made)) == 1
    assert [file.name for file in (tmp_path / "keys").iterdir()] == ["ledger.ed25519"]


def test_another_private_key_is_refused_and_nothing_is_decided(scope: Scope) -> None:
    decide(scope, 0)
    other = open_store(Settings(home=scope.store.home.parent / "other"))
    local_scope(other)
    key_file(scope.store.home).write_bytes(key_file(other.home).read_bytes())
    other.close()

    with pytest.raises(Conflict, match="is not the one that signs the ledger") as refusal:
        decide(scope, 1)
    assert refusal.value.code == "ledger_key_differs"
    assert len(ledger_entries(scope)) == 1


@pytest.mark.parametrize(
    ("content", "code"), [(None, "ledger_key_missing"), (b"not a key", "ledger_key_unreadable")]
)
def test_a_lost_or_broken_key_is_never_replaced_in_silence(
    scope: Scope, content: bytes | None, code: str
) -> None:
    path = key_file(scope.store.home)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)

    with pytest.raises(Conflict) as refusal:
        decide(scope, 0)
    assert refusal.value.code == code
    assert path.exists() == (content is not None)


def test_nothing_is_signed_on_top_of_a_head_that_is_not_ours(scope: Scope) -> None:
    decide(scope, 0)
    forged = hashlib.sha256(b"forged").digest()
    with scope.store.records.write() as connection:
        connection.execute(sa.text("UPDATE ledger_heads SET frontier = :it"), {"it": forged})

    with pytest.raises(Conflict, match="does not fit its tree") as refusal:
        decide(scope, 1)
    assert refusal.value.code == "ledger_damaged"
