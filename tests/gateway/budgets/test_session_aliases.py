"""Limits of sessions know each by an alias, before and after the update that brought it."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.budgets.conftest import Door, House
from lineside.apps import open_line
from lineside.core import Settings, Unavailable, now
from lineside.gateway import budgets
from lineside.store import Store
from lineside.traces import Span, record_spans, rewriting
from lineside.traces.span import new_span_id, new_trace_id
from lineside.trust import Scope, webhooks

ANNA, BERT = "chat of anna@example.com", "chat of bert@example.com"
ALIAS = re.compile(r"\[masked:session:[0-9a-f]{16}\]")
TABLES = ("caps", "cap_counters", "cap_holds", "webhook_messages")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = open_line(settings)
    yield opened
    opened.close()


@pytest.fixture
def limited(scope: Scope) -> Scope:
    webhooks.add_webhook(scope, "https://hooks.example.com/x", ["budget"])
    budgets.set_cap(scope, "session", "*", measure="requests", amount=2, every="ever")
    return scope


def kept(store: Store) -> str:
    """All that stands in the tables of limits, and in what webhooks are told."""
    with store.records.read() as connection:
        rows = [
            [list(map(str, row)) for row in connection.execute(sa.text(f"SELECT * FROM {table}"))]  # noqa: S608
            for table in TABLES
        ]
    return json.dumps(rows)


def as_before(store: Store, sessions: dict[str, str]) -> None:
    """Make the records what they were before sessions had aliases.

    Args:
        sessions: Id by alias.
    """
    with store.records.write() as connection:
        for alias, session in sessions.items():
            for table in ("cap_counters", "cap_holds", "caps"):
                put = f"UPDATE {table} SET subject = :session WHERE subject = :alias"  # noqa: S608
                connection.execute(sa.text(put), {"session": session, "alias": alias})
            told = connection.execute(
                sa.text("SELECT webhook_id, id, payload, once FROM webhook_messages")
            ).all()
            for webhook_id, message_id, payload, once in told:
                text = payload if isinstance(payload, str) else json.dumps(payload)
                connection.execute(
                    sa.text(
                        "UPDATE webhook_messages SET payload = :payload, once = :once "
                        "WHERE webhook_id = :webhook AND id = :id"
                    ),
                    {
                        "payload": text.replace(alias, session),
                        "once": once and once.replace(alias, session),
                        "webhook": webhook_id,
                        "id": message_id,
                    },
                )
        connection.execute(sa.text("ALTER TABLE caps DROP COLUMN is_aliased"))
        connection.execute(
            sa.text("UPDATE alembic_version SET version_num = '0033_stored_responses'")
        )


@asynccontextmanager
async def updated(store: Store, house: House) -> AsyncIterator[Door]:
    """A door of a process that starts with the records as they are."""
    opened = open_line(store.settings)
    door = Door(opened, house)
    yield door
    await door.meter.close()
    opened.close()


async def test_no_table_of_limits_and_no_webhook_holds_the_id_of_a_session(
    limited: Scope, door: Door
) -> None:
    for _ in range(2):
        await door.answer(session=ANNA)
    with pytest.raises(budgets.BudgetExceeded):
        await door.answer(session=ANNA)
    await door.answer(session=BERT)
    await door.meter.close()

    assert "example.com" not in kept(limited.store).replace("hooks.example.com", "")
    subjects = {use.subject: use.spent for use in budgets.cap_uses(limited)}
    assert sorted(subjects.values()) == [1, 2]
    assert all(ALIAS.fullmatch(subject) for subject in subjects)
    told_of = [one for one in webhooks.list_deliveries(limited) if one.type != "budget.set"]
    assert len(told_of) == 3
    for told in told_of:
        assert ALIAS.fullmatch(told.payload["data"]["whose"])
        assert told.payload["data"]["whose"] in told.payload["data"]["sentence"]


async def test_a_limit_of_one_session_holds_for_it_alone(scope: Scope, door: Door) -> None:
    cap = budgets.set_cap(scope, "session", ANNA, measure="requests", amount=1, every="ever")
    again = budgets.set_cap(scope, "session", ANNA, measure="requests", amount=0, every="ever")

    await door.answer(session=BERT)
    with pytest.raises(budgets.BudgetExceeded):
        await door.answer(session=ANNA)
    assert cap.id == again.id
    assert "example.com" not in kept(scope.store)


async def test_a_session_at_its_limit_stays_there_over_the_update(
    limited: Scope, door: Door, house: House
) -> None:
    store = limited.store
    budgets.set_cap(limited, "session", BERT, measure="requests", amount=1, every="ever")
    for _ in range(2):
        await door.answer(session=ANNA)
    with pytest.raises(budgets.BudgetExceeded):
        await door.answer(session=ANNA)
    await door.answer(session=BERT)
    await door.meter.close()
    before = kept(store)
    (of_anna,) = {
        told.payload["data"]["whose"]
        for told in webhooks.list_deliveries(limited)
        if told.type == "budget.refused"
    }
    aliases = {use.subject for use in budgets.cap_uses(limited)}
    (of_bert,) = aliases - {of_anna}
    as_before(store, {of_anna: ANNA, of_bert: BERT})
    assert ANNA in kept(store)

    async with updated(store, house) as later:
        with pytest.raises(budgets.BudgetExceeded):
            await later.answer(session=ANNA)
        with pytest.raises(budgets.BudgetExceeded):
            await later.answer(session=BERT)
        await later.answer(session="another")

    assert ANNA not in kept(store)
    assert BERT not in kept(store)
    told = [one.payload["data"]["sentence"] for one in webhooks.list_deliveries(limited)]
    assert len([said for said in told if of_anna in said]) == before.count(f"session {of_anna} (")


async def test_without_the_key_no_limited_session_is_answered_and_others_are(
    limited: Scope, door: Door, house: House
) -> None:
    store = limited.store
    await door.answer(session=ANNA)
    await door.meter.close()
    (use,) = budgets.cap_uses(limited)
    as_before(store, {use.subject: ANNA})
    key = Path(store.home) / "keys" / "ledger.ed25519"
    hidden = key.rename(key.with_name("elsewhere"))

    async with updated(store, house) as later:
        with pytest.raises(Unavailable, match="limits of sessions") as refused:
            await later.answer(session=ANNA)
        await later.answer()
    assert "ledger.ed25519" in (refused.value.hint or "")
    hidden.rename(key)

    async with updated(store, house) as later:
        await later.answer(session=ANNA)
        with pytest.raises(budgets.BudgetExceeded):
            await later.answer(session=ANNA)


async def test_what_was_counted_for_a_session_goes_with_its_user(
    limited: Scope, door: Door
) -> None:
    for session, user in ((ANNA, "anna"), (BERT, "bert")):
        for _ in range(2):
            await door.answer(session=session)
        step = Span(
            trace_id=new_trace_id(),
            span_id=new_span_id(),
            name="ask",
            kind="app",
            started_at=now(),
            duration_ms=1.0,
            user_id=user,
            session_id=session,
        )
        record_spans(limited, [step]).result()
    await door.meter.close()
    messages = len(webhooks.list_deliveries(limited))
    what = "counters and messages of session limits"

    looked = rewriting.erase(limited, user="anna", only_look=True)
    erased = rewriting.erase(limited, user="anna")

    assert looked.beside[what] == erased.beside[what] == 3
    assert len(webhooks.list_deliveries(limited)) == messages - 2
    (left,) = budgets.cap_uses(limited)
    assert left.spent == 2
    assert rewriting.erase(limited, session=BERT).beside[what] == 3
    assert "[masked:session:" not in kept(limited.store)
    await door.answer(session=BERT)
    await door.meter.close()
