import json
from pathlib import Path

import pytest


def test_a_key_shows_its_secret_once(lineside) -> None:
    made = lineside("keys", "create", "website", "--right", "run", "--expires", "90d", "--json")
    secret = made.data["secret"]

    assert made.code == 0
    assert secret.startswith("lsk_")
    listed = lineside("keys", "ls", "--json")
    assert [key["name"] for key in listed.data] == ["website"]
    assert secret not in listed.out + lineside("ledger", "ls", "--json").out


def test_a_secret_alone_goes_to_stdout(lineside) -> None:
    made = lineside("keys", "create", "website", "--right", "run", "--right", "feedback")

    assert made.out.startswith("lsk_")
    assert made.out.count("\n") == 1
    assert "feedback, run" in made.err


def test_a_revoked_key_is_shown_as_such(lineside) -> None:
    key = lineside("keys", "create", "website", "--right", "run", "--json").data["key"]

    assert lineside("keys", "revoke", key["id"]).code == 0
    assert "revoked" in lineside("keys", "ls").out
    again = lineside("keys", "revoke", key["id"])
    assert again.code == 1


def test_the_ledger_names_who_did_what(lineside) -> None:
    lineside("keys", "create", "website", "--right", "run")

    table = lineside("ledger", "ls")
    assert "key.created" in table.out
    assert "ann" in table.out
    entries = lineside("ledger", "ls", "--json", "--kind", "key.created").data
    assert [entry["details"]["name"] for entry in entries] == ["website"]


def test_a_head_can_be_kept_elsewhere_and_checked_later(lineside, place: Path) -> None:
    lineside("keys", "create", "website", "--right", "run")
    kept = place / "head.txt"
    kept.write_text(lineside("ledger", "head").out)
    lineside("keys", "create", "shop", "--right", "run")

    verified = lineside("ledger", "verify", "--head", str(kept), "--json")
    assert verified.code == 0
    assert verified.data["size"] == 2
    assert lineside("ledger", "head", "--json").data["size"] == 2


def test_a_proof_names_its_path(lineside) -> None:
    for name in ("website", "shop"):
        lineside("keys", "create", name, "--right", "run")

    proof = lineside("ledger", "proof", "0", "--json").data
    assert (proof["index"], proof["size"], len(proof["path"])) == (0, 2, 1)
    assert proof["path"][0] in lineside("ledger", "proof", "0").out


def test_an_export_is_verified_without_any_state_folder(
    lineside, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lineside("keys", "create", "website", "--right", "run")
    assert lineside("ledger", "export", "ledger.jsonl").code == 0
    monkeypatch.setenv("LINESIDE_HOME", "/sys/lineside")

    verified = lineside("ledger", "verify", "ledger.jsonl")

    assert verified.code == 0
    assert "1 entry holds" in verified.out
    assert "Signed by lineside.local/default+" in verified.out


def test_one_changed_byte_is_found_and_its_entry_named(lineside, place: Path) -> None:
    for name in ("website", "shop", "robot"):
        lineside("keys", "create", name, "--right", "run")
    file = place / "ledger.jsonl"
    lineside("ledger", "export", str(file))
    data = bytearray(file.read_bytes())
    at = data.index(b"shop")
    data[at] ^= 1
    file.write_bytes(data)

    verified = lineside("ledger", "verify", str(file))

    assert verified.code == 1
    assert "Entry 1 (`key.created`)" in verified.out
    found = lineside("ledger", "verify", str(file), "--json")
    assert found.code == 1
    assert found.data["fault"]["index"] == 1


def test_an_export_to_stdout_is_the_ledger_and_nothing_else(lineside) -> None:
    lineside("keys", "create", "website", "--right", "run")

    exported = lineside("ledger", "export", "-")

    assert exported.err == ""
    assert all(json.loads(line) for line in exported.out.splitlines())
    assert lineside("ledger", "export", "-", "--json").code == 2


def test_empty_lists_say_what_to_do_and_are_empty_as_data(lineside) -> None:
    for noun in ("keys", "ledger", "evals", "usecases"):
        listed = lineside(noun, "ls")
        assert (listed.code, listed.out) == (0, "")
        assert listed.err
        assert lineside(noun, "ls", "--json").data == []
