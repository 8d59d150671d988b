import base64
import hashlib
import json
import random
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lineside.core import Denied, Settings
from lineside.store import open_store
from lineside.trust import (
    Scope,
    export_ledger,
    ledger_entries,
    ledger_head,
    local_scope,
    merkle,
    record,
    verify_export,
    verify_ledger,
)
from lineside.trust.checkpoint import public_key_of, sign_checkpoint, verifier_key
from lineside.trust.signing import key_file, make_signing_key

KINDS = ["release.created", "release.refused", "deploy", "rollback"]


@pytest.fixture
def decided(scope: Scope) -> Scope:
    """A ledger of four decisions."""
    for number, kind in enumerate(KINDS):
        with scope.store.records.write() as connection:
            record(connection, scope, kind, f"rel_{number}", {"zähler": number, "share": 0.25})
    return scope


@pytest.fixture
def change(decided: Scope) -> Callable[..., None]:
    """Changes the ledger's tables as somebody with the database's password could."""

    def run(sql: str, **values: object) -> None:
        statement = sa.text(sql)
        with decided.store.records.write() as connection:
            connection.execute(statement, {n: values[n] for n in values if f":{n}" in sql})

    return run


def exported(scope: Scope) -> bytes:
    return "".join(export_ledger(scope)).encode()


def lines_of(data: bytes) -> list[bytes]:
    """Lines as a file opened in binary mode gives them: only a line feed ends one."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def test_an_export_holds_and_says_how_far(decided: Scope) -> None:
    data = exported(decided)

    verification = verify_export(lines_of(data))

    assert (verification.ok, verification.size, verification.fault) == (True, 4, None)
    root = merkle.root(bytes.fromhex(entry.leaf_hash) for entry in ledger_entries(decided))
    assert verification.root == root.hex()
    assert verification.sentence == f"4 entries hold, root {root.hex()[:16]}…"
    assert json.loads(lines_of(data)[-1])["checkpoint"] == ledger_head(decided)


def test_text_lines_with_or_without_their_end_verify_alike(decided: Scope) -> None:
    text = exported(decided).decode()

    assert verify_export(text.split("\n")[:-1]).ok
    assert verify_export(iter(text.splitlines(keepends=True))).ok


def test_the_ledger_of_a_fresh_workspace_is_empty_and_holds(scope: Scope) -> None:
    verification = verify_export(export_ledger(scope))

    assert (verification.ok, verification.size) == (True, 0)
    assert verify_ledger(scope) == verification
    assert ledger_head(scope).startswith("lineside.local/default\n0\n")


def test_an_outsider_verifies_an_export_with_a_few_lines_of_their_own(decided: Scope) -> None:
    header, *rest = exported(decided).decode().splitlines()
    coded_key = json.loads(header)["verifier_key"].split("+", 2)[2]
    public_key = Ed25519PublicKey.from_public_bytes(base64.b64decode(coded_key)[1:])

    def tree(leaves: list[bytes]) -> bytes:
        if len(leaves) < 2:
            return leaves[0] if leaves else hashlib.sha256().digest()
        half = 1 << (len(leaves) - 1).bit_length() - 1
        return hashlib.sha256(b"\1" + tree(leaves[:half]) + tree(leaves[half:])).digest()

    leaves: list[bytes] = []
    for line in rest:
        if not line.startswith('{"checkpoint":'):
            leaves.append(hashlib.sha256(b"\0" + line.encode()).digest())
            continue
        body, signature_line = json.loads(line)["checkpoint"].split("\n\n")
        public_key.verify(base64.b64decode(signature_line.split(" ")[2])[4:], f"{body}\n".encode())
        assert body.split("\n")[1:] == [str(len(leaves)), base64.b64encode(tree(leaves)).decode()]
    assert len(leaves) == 4


def test_every_changed_byte_is_found_and_its_place_named(decided: Scope) -> None:
    data = exported(decided)
    lines = lines_of(data)
    dice = random.Random(6962)  # noqa: S311 # no secret; the same bytes in every run
    for number, line in enumerate(lines, start=1):
        for at in range(len(line) if number < len(lines) else len(line) - 1):
            for other in {line[at] ^ 1 << dice.randrange(8), dice.randrange(256), 10} - {line[at]}:
                bad = line[:at] + bytes([other]) + line[at + 1 :]
                changed = b"".join([*lines[: number - 1], bad, *lines[number:]])
                fault = verify_export(lines_of(changed)).fault
                assert fault is not None, (number, at, other)
                assert fault.line == number, (number, at, other, fault)
                if number > 1 and number % 2:
                    assert (fault.part, fault.index) == ("entry", (number - 3) // 2)
                else:
                    assert fault.part == ("header" if number == 1 else "checkpoint")


def test_a_changed_entry_is_named_with_its_kind_in_one_sentence(decided: Scope) -> None:
    changed = exported(decided).replace(b'"subject":"rel_2"', b'"subject":"rel_9"')

    verification = verify_export(lines_of(changed))

    assert (verification.ok, verification.size) == (False, 2)
    assert verification.sentence.startswith(
        "Entry 2 (`deploy`), line 7: its bytes are not those that were signed"
    )


@pytest.mark.parametrize("keep", range(10))
def test_an_export_cut_off_at_any_line_is_found(decided: Scope, keep: int) -> None:
    lines = lines_of(exported(decided))
    assert len(lines) == 10

    assert not verify_export(lines[:keep]).ok


def test_a_removed_doubled_or_swapped_entry_is_found(decided: Scope) -> None:
    lines = lines_of(exported(decided))
    removed = lines[:4] + lines[6:]
    doubled = lines[:6] + lines[4:]
    swapped = [*lines[:2], lines[4], lines[5], lines[2], lines[3], *lines[6:]]

    for wrong, index in ((removed, 1), (doubled, 2), (swapped, 0)):
        fault = verify_export(wrong).fault
        assert fault is not None
        assert (fault.part, fault.index) == ("entry", index)
        assert "its index reads" in fault.what
    assert not verify_export([*lines, b"\n"]).ok


def test_a_checkpoint_kept_elsewhere_shows_that_the_end_is_missing(decided: Scope) -> None:
    kept = ledger_head(decided)
    lines = lines_of(exported(decided))
    header = lines[0].replace(b'"entries":4', b'"entries":3')
    cut = [header, *lines[1:-2]]

    assert verify_export(cut).ok
    verification = verify_export(cut, expected_checkpoint=kept)
    assert verification.sentence == (
        "The checkpoint kept elsewhere: it signs 4 entries, there are 3: the newest are missing"
    )


def test_an_earlier_checkpoint_agrees_with_what_came_later(decided: Scope) -> None:
    kept = ledger_head(decided)
    with decided.store.records.write() as connection:
        record(connection, decided, "deploy", "rel_5", {})

    assert verify_export(export_ledger(decided), expected_checkpoint=kept).ok
    assert verify_ledger(decided, expected_checkpoint=kept).ok


def test_history_rewritten_and_signed_again_is_found_by_a_kept_checkpoint(decided: Scope) -> None:
    private_key = make_signing_key(decided.store.home)
    root = merkle.root([merkle.leaf_hash(b"another first entry")])
    kept = sign_checkpoint(private_key, "lineside.local/default", size=1, root=root)

    verification = verify_export(export_ledger(decided), expected_checkpoint=kept)

    assert verification.fault is not None
    assert verification.fault.part == "expected_checkpoint"
    assert "history was rewritten" in verification.sentence


def test_a_ledger_by_another_key_is_found_by_the_known_key_or_a_kept_checkpoint(
    decided: Scope,
) -> None:
    other_store = open_store(Settings(home=decided.store.home.parent / "forger"))
    forged = list(export_ledger(local_scope(other_store)))
    other_store.close()
    origin = "lineside.local/default"
    known = verifier_key(origin, public_key_of(make_signing_key(decided.store.home)))

    assert verify_export(forged).ok
    assert verify_export(export_ledger(decided), known_key=known).ok
    assert not verify_export(forged, expected_checkpoint=ledger_head(decided)).ok
    wrong_key = verify_export(forged, known_key=known).fault
    assert wrong_key is not None
    assert "not the one you know" in wrong_key.what


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[" * 5000,
        b"[" * 300 + b"]" * 300,
        b'"\\ud800"\n',
        b"\xff\xfe\n",
        b"null\nnull\n",
        b"PK\x03\x04",
    ],
)
def test_a_file_that_is_no_export_is_called_that(content: bytes) -> None:
    verification = verify_export(lines_of(content))

    assert verification.fault is not None
    assert (verification.fault.part, verification.fault.line) == ("header", 1)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE ledger_entries SET kind = 'x' WHERE position = 1", "Entry 1 (`release.refused`)"),
        ("UPDATE ledger_entries SET payload = :bytes WHERE position = 2", "Entry 2"),
        ("DELETE FROM ledger_entries WHERE position = 1", "Entry 1 (`deploy`): its index reads 2"),
        ("DELETE FROM ledger_entries WHERE position = 3", "Entry 3: it is missing"),
        (
            "INSERT INTO ledger_entries VALUES ('default', 4, 'deploy', 'rel_9', :bytes, :bytes)",
            "Entry 4 (`deploy`): no head was ever signed for it",
        ),
        ("DELETE FROM ledger_heads WHERE size = 2", "A checkpoint: it is not one signed head"),
        (
            "UPDATE ledger_heads SET frontier = :bytes WHERE size = 4",
            "the newest head keeps another",
        ),
    ],
)
def test_what_was_changed_in_the_database_is_named(
    decided: Scope, change: Callable[..., None], sql: str, said: str
) -> None:
    assert verify_ledger(decided).ok

    change(sql, bytes=bytes(32))

    verification = verify_ledger(decided)
    assert not verification.ok
    assert said in verification.sentence


def test_a_public_key_changed_in_the_database_is_found_by_the_private_one(
    decided: Scope, change: Callable[..., None]
) -> None:
    other_store = open_store(Settings(home=decided.store.home.parent / "forger"))
    local_scope(other_store)
    key = verifier_key("lineside.local/default", public_key_of(make_signing_key(other_store.home)))
    other_store.close()
    change("UPDATE workspaces SET verifier_key = :key", key=key)

    assert "not the one you know" in verify_ledger(decided).sentence
    key_file(decided.store.home).unlink()
    assert "no signature by the ledger's key" in verify_ledger(decided).sentence


def test_only_who_may_read_gets_the_ledger(decided: Scope) -> None:
    blind = Scope(decided.store, decided.workspace, decided.actor, frozenset({"run"}))

    for ask in (export_ledger, verify_ledger, ledger_head, ledger_entries):
        with pytest.raises(Denied, match="lacks the right `read`"):
            ask(blind)  # type: ignore[operator] # each takes a scope
