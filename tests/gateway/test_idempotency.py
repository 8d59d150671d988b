"""Keys under which a call counts once: who holds one, for how long, and what is given again."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from lineside.core import Conflict, Invalid, now
from lineside.gateway import idempotency
from lineside.gateway.idempotency import claims, queries
from lineside.store import Store
from lineside.traces import replies

DAY = 24 * 3600
REPLY = replies.Reply(status=200, headers=(("x-a", "1"), ("x-b", "2")), body=b"Gr\xc3\xbc\xc3\x9f")


def call(key: str = "k-1", *, caller: str = "owner", workspace: str = "default", asked: Any = 1):
    return idempotency.keyed_call(key, workspace, caller, asked)


async def claimed(store: Store, keyed: idempotency.KeyedCall, seconds: int = DAY):
    begun = await idempotency.begin(store, keyed, seconds=seconds)
    assert isinstance(begun, idempotency.IdempotencyClaim)
    return begun


def test_an_answer_is_given_again_to_the_same_caller_alone(store: Store) -> None:
    async def scene() -> None:
        claim = await claimed(store, call())
        await claim.keep(REPLY, trace_id="t" * 32)

        assert await idempotency.begin(store, call(), seconds=DAY) == REPLY
        assert await idempotency.begin(store, call('"k-1"'), seconds=DAY) == REPLY
        await claimed(store, call(caller="key_other"))
        await claimed(store, call(workspace="other"))
        await claimed(store, call("k-2"))

    asyncio.run(scene())


def test_of_many_who_come_at_once_one_makes_the_call(store: Store) -> None:
    async def scene() -> list[Any]:
        begun = [idempotency.begin(store, call(), seconds=DAY) for _ in range(20)]
        return await asyncio.gather(*begun, return_exceptions=True)

    came = asyncio.run(scene())

    assert sum(isinstance(one, idempotency.IdempotencyClaim) for one in came) == 1
    assert [one.code for one in came if isinstance(one, Conflict)] == [
        "idempotency_key_in_use"
    ] * 19


def test_another_request_under_the_same_key_is_refused_running_or_done(store: Store) -> None:
    async def scene() -> None:
        claim = await claimed(store, call(asked={"a": 1, "b": 2}))
        with pytest.raises(Invalid, match="another request"):
            await idempotency.begin(store, call(asked={"a": 1}), seconds=DAY)
        await claim.keep(REPLY, trace_id="t" * 32)
        with pytest.raises(Invalid, match="another request"):
            await idempotency.begin(store, call(asked={"a": 1}), seconds=DAY)
        assert await idempotency.begin(store, call(asked={"b": 2, "a": 1}), seconds=DAY) == REPLY

    asyncio.run(scene())


def test_what_a_dead_process_claimed_comes_back_and_its_late_answer_counts_for_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        monkeypatch.setattr(claims, "LEASE_S", 0.0)
        dead = await claimed(store, call())
        monkeypatch.undo()
        heir = await claimed(store, call())
        await dead.keep(REPLY, trace_id="t" * 32)
        await dead.free()
        with pytest.raises(Conflict, match="under way"):
            await idempotency.begin(store, call(), seconds=DAY)
        await heir.keep(REPLY, trace_id="t" * 32)
        assert await idempotency.begin(store, call(), seconds=DAY) == REPLY

    asyncio.run(scene())


def test_a_claim_is_held_for_as_long_as_the_call_takes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        monkeypatch.setattr(claims, "LEASE_S", 0.0)
        claim = await claimed(store, call())
        holding = asyncio.create_task(claim.hold())
        await asyncio.sleep(0)
        monkeypatch.undo()  # what is renewed from here on lasts as long as it should
        for _ in range(500):
            await asyncio.sleep(0.02)
            with store.records.read() as connection:
                (row,) = connection.execute(queries.keys.select()).all()
            if row.claimed_until > now():
                break
        holding.cancel()
        with pytest.raises(Conflict, match="under way"):
            await idempotency.begin(store, call(), seconds=DAY)

    asyncio.run(scene())


def test_what_failed_is_asked_anew_and_what_is_over_too(store: Store) -> None:
    async def scene() -> None:
        claim = await claimed(store, call())
        await claim.free()
        again = await claimed(store, call(), seconds=1)
        again._kept_for = -again._kept_for  # its second is over
        await again.keep(REPLY, trace_id="t" * 32)
        await claimed(store, call(asked="another"))
        assert replies.forget_replies(store) == 1
        assert replies.forget_replies(store) == 0

    asyncio.run(scene())


def test_answers_whose_time_is_over_go_however_many_they_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineside.traces.replies.replies._FORGOTTEN_MAX", 2)
    with store.records.write() as connection:
        for number in range(6):
            replies.keep_reply(
                connection,
                "default" if number % 2 else "other",
                REPLY,
                reply_id=f"r-{number}",
                trace_id="t" * 32,
                expires_at=now() + timedelta(days=1 if number == 5 else -1),
            )

    assert replies.forget_replies(store) == 5
    with store.records.read() as connection:
        assert replies.find_reply(connection, "default", "r-5") == REPLY


def test_an_answer_that_is_not_kept_is_not_asked_for_again_in_silence(store: Store) -> None:
    async def scene() -> None:
        claim = await claimed(store, call())
        await claim.keep(None, trace_id="t" * 32)
        with pytest.raises(Conflict, match="longer than 4 MiB"):
            await idempotency.begin(store, call(), seconds=DAY)

    asyncio.run(scene())


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "clé", "a\tb"])
def test_what_can_be_no_key_is_refused(key: str) -> None:
    with pytest.raises(Invalid, match="Idempotency-Key has"):
        call(key)
