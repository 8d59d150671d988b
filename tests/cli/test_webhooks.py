"""`lineside webhooks`, as a person types it."""

from collections.abc import Iterator

import pytest

from trust.receiver import Receiver


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("LINESIDE_WEBHOOK_NETWORKS", "127.0.0.0/8")
    opened = Receiver()
    yield opened
    opened.stop()


def test_a_webhook_is_added_tested_looked_at_and_removed(lineside, receiver: Receiver) -> None:
    empty = lineside("webhooks", "ls")
    added = lineside("webhooks", "add", receiver.url, "--on", "verdict, rollout")
    [listed] = lineside("webhooks", "ls", "--json").data
    tested = lineside("webhooks", "test", listed["id"])
    receiver.statuses = [500]
    failed = lineside("webhooks", "test", listed["id"])

    assert "No webhooks yet" in empty.err
    assert "is told of verdict, rollout" in added.out
    assert "shown only now: whsec_" in added.out
    assert "secret" not in listed
    assert (tested.code, tested.out) == (0, "delivered: It answered 204 No Content\n")
    assert (failed.code, failed.out) == (1, "failed: It answered 500 Internal Server Error\n")
    [message] = lineside("webhooks", "deliveries", "--status", "failed", "--json").data
    assert "waiting" in lineside("webhooks", "redeliver", message["id"]).out
    assert message["id"] in lineside("webhooks", "deliveries").out
    assert "failing since" in lineside("webhooks", "ls").out
    assert "is not disabled" in lineside("webhooks", "enable", listed["id"]).err
    assert "Removed" in lineside("webhooks", "rm", listed["id"]).out
    kinds = [entry["kind"] for entry in lineside("ledger", "ls", "--json").data]
    assert kinds == ["webhook.added", "webhook.removed"] or set(kinds) >= {
        "webhook.added",
        "webhook.removed",
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "http://example.com/x", "--on", "verdict"], "is not https"),
        (["add", "https://10.0.0.1/x", "--on", "verdict"], "is not a public address"),
        (["add", "https://example.com/x", "--on", "verdicts"], "Did you mean `verdict`?"),
        (["rm", "hook_1"], "There is no webhook `hook_1`"),
        (["redeliver", "msg_1"], "There is no message `msg_1`"),
    ],
)
def test_what_is_wrong_is_said(lineside, words: list[str], said: str) -> None:
    assert said in lineside("webhooks", *words).err
