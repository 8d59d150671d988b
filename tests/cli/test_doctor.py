import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lineside.cli import doctor
from lineside.store import Store


def found(ended) -> dict[str, dict[str, str]]:
    return {one["place"]: one for one in ended.data["found"]}


def test_a_fresh_machine_is_in_order_and_nothing_is_made(
    lineside, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        # A lineside at work on the usual port would be found, as it should be.
        monkeypatch.setenv("LINESIDE_PORT", str(free.getsockname()[1]))
    examined = lineside("doctor")

    assert examined.code == 0
    assert "Everything is in order" in examined.out
    assert "✓ lake" in examined.out
    assert not (place / "home").exists()


def test_a_state_folder_in_use_is_examined_whole(lineside) -> None:
    lineside("keys", "create", "website", "--right", "run")

    examined = lineside("doctor", "--json")

    assert examined.code == 0
    assert {
        "version",
        "state folder",
        "disk",
        "database",
        "lake",
        "inbox",
        "clock",
        "model keys",
    } <= (found(examined).keys())
    assert all(one["state"] == "ok" for one in found(examined).values() if one["place"] != "port")


def test_a_folder_that_cannot_be_written_fails_with_what_to_do(
    lineside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINESIDE_HOME", "/sys/lineside")

    examined = lineside("doctor")

    assert examined.code == 1
    assert "✗ state folder" in examined.out
    assert "→ Set LINESIDE_HOME" in examined.out


def test_a_port_in_use_is_a_warning_that_names_the_process(
    lineside, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("LINESIDE_PORT", str(other.getsockname()[1]))
        examined = lineside("doctor", "--json")

    port = found(examined)["port"]
    assert port["state"] == "warn"
    assert "--port" in port["do"]


def test_a_clock_before_the_newest_record_fails(lineside, monkeypatch: pytest.MonkeyPatch) -> None:
    lineside("keys", "create", "website", "--right", "run")
    monkeypatch.setattr(doctor, "now", lambda: datetime(2001, 1, 1, tzinfo=UTC))

    examined = lineside("doctor", "--json")

    assert examined.code == 1
    assert found(examined)["clock"]["state"] == "fail"


def test_a_full_disk_fails(lineside, monkeypatch: pytest.MonkeyPatch) -> None:
    lineside("keys", "ls")
    monkeypatch.setattr("lineside.store.free_bytes", lambda _home: 1_000_000)

    examined = lineside("doctor", "--json")

    assert examined.code == 1
    assert found(examined)["disk"]["do"]


def test_a_database_that_does_not_answer_is_told_and_the_rest_goes_on(
    lineside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINESIDE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")

    examined = lineside("doctor", "--json")

    assert examined.code == 1
    assert found(examined)["database"]["state"] == "fail"
    assert "LINESIDE_DATABASE_URL" in found(examined)["database"]["do"]
    assert "port" in found(examined)


def test_an_older_database_is_told_and_left_alone(
    lineside, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lineside("keys", "ls")
    monkeypatch.setattr("lineside.store.newest", lambda: "9999_future")

    examined = lineside("doctor", "--json")

    assert "older shape" in found(examined)["database"]["found"]


def test_a_newer_database_fails(lineside, monkeypatch: pytest.MonkeyPatch) -> None:
    lineside("keys", "ls")
    monkeypatch.setattr("lineside.store.newest", lambda: "0000_past")

    examined = lineside("doctor", "--json")

    assert examined.code == 1
    assert "newer lineside" in found(examined)["database"]["do"]


def test_a_model_key_that_is_not_set_is_named_and_never_shown(
    lineside, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lineside("test", good)
    manifest = Path(good) / "usecase.yaml"
    text = manifest.read_text().replace(
        "model: scripted:answers.jsonl",
        "model: openai:gpt-small\n  options: {api_key_env: POST_ROOM_KEY, "
        "base_url: 'http://127.0.0.1:1/v1'}",
    )
    manifest.write_text(text)
    monkeypatch.setenv("POST_ROOM_KEY", "sk-very-secret")
    lineside("test", good)

    assert "sk-very-secret" not in lineside("doctor").out
    monkeypatch.delenv("POST_ROOM_KEY")
    keys = found(lineside("doctor", "--json"))["model keys"]
    assert (keys["state"], "POST_ROOM_KEY" in keys["found"]) == ("warn", True)


def test_rows_that_wait_without_a_server_are_no_alarm(lineside, place: Path) -> None:
    lineside("keys", "ls")
    from lineside.core import Settings

    store = Store(Settings(home=place / "home"))
    store.inbox.put("default", "spans", [{"trace_id": "a"}])
    store.close()

    inbox = found(lineside("doctor", "--json"))["inbox"]
    assert inbox["state"] == "ok"
    assert "1 row waiting" in inbox["found"]
