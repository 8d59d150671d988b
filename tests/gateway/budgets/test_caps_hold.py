"""No call gets past a cap: not two hundred at once, not over replicas, not the end of a stream."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.budgets.conftest import Door, House
from lineside.core import Invalid, Unavailable
from lineside.gateway import budgets, canonical
from lineside.gateway.budgets import meter, reserving
from lineside.gateway.wires.chat_answer import write_finish
from lineside.store import Store
from lineside.trust import Scope

CALL_USD = 25e-6
"""What the house's answer to a call comes to: 5 tokens read, 10 written."""


def replica(store: Store, what: str) -> "subprocess.Popen[str]":
    here = Path(__file__).parent
    settings = store.settings
    paths = [str(here.parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, here / "replica.py", settings.home, settings.database_url, what],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdout=subprocess.PIPE,
        text=True,
    )


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_two_hundred_calls_at_once_overrun_a_cap_by_nothing(
    scope: Scope, door: Door, house: House
) -> None:
    house.seconds = 0.05
    budgets.set_cap(scope, "key", "owner", measure="usd", amount=0.05, every="ever")
    asked = [door.answer(tokens_out_max=10) for _ in range(200)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)

    refused = [one for one in outcomes if isinstance(one, budgets.BudgetExceeded)]
    answered = [one for one in outcomes if not isinstance(one, BaseException)]
    assert len(refused) + len(answered) == 200
    assert 0 < len(answered) == len(house.asked) < 200
    (use,) = budgets.cap_uses(scope)
    assert use.spent == pytest.approx(len(answered) * CALL_USD)
    assert use.reserved == 0


@pytest.mark.parametrize("measure", ["requests", "tokens", "usd"])
async def test_one_after_the_other_calls_end_at_the_cap_and_not_beyond(
    scope: Scope, door: Door, house: House, measure: budgets.Measure
) -> None:
    amount = {"requests": 20, "tokens": 2_000, "usd": 0.002}[measure]
    budgets.set_cap(scope, "workspace", "", measure=measure, amount=amount, every="ever")

    async def call_on() -> None:
        for _ in range(200):
            await door.answer(tokens_out_max=100)

    with pytest.raises(budgets.BudgetExceeded, match="has no room for this call"):
        await call_on()

    (use,) = budgets.cap_uses(scope)
    assert len(house.asked) > 10
    assert 0.4 * amount < use.spent <= amount
    assert use.reserved == 0


async def test_three_replicas_share_one_cap(scope: Scope, store: Store) -> None:
    budgets.set_cap(scope, "workspace", "", measure="requests", amount=50, every="ever")
    budgets.set_cap(scope, "key", "owner", measure="usd", amount=0.02, every="ever")
    replicas = [replica(store, "40") for _ in range(3)]
    answered = [int((await asyncio.to_thread(one.communicate))[0]) for one in replicas]

    requests, money = sorted(budgets.cap_uses(scope), key=lambda use: use.cap.about == "key")
    assert requests.spent == sum(answered) <= 50
    assert 0 < money.spent == pytest.approx(sum(answered) * CALL_USD)
    assert money.spent <= 0.02
    assert (requests.reserved, money.reserved) == (0, 0)


async def test_what_a_killed_replica_held_comes_back(
    scope: Scope, store: Store, door: Door
) -> None:
    budgets.set_cap(scope, "workspace", "", measure="requests", amount=1, every="ever")
    killed = replica(store, "hold")
    assert killed.stdout is not None
    await asyncio.to_thread(killed.stdout.readline)
    killed.kill()
    killed.wait()
    with pytest.raises(budgets.BudgetExceeded, match="1 request held by calls under way") as held:
        await door.answer()
    assert held.value.headers["retry-after"] == "2"

    await until(lambda: not budgets.cap_uses(scope)[0].reserved)
    await door.answer()
    assert (budgets.cap_uses(scope)[0].spent, budgets.cap_uses(scope)[0].reserved) == (1, 0)


async def test_a_long_call_keeps_what_it_holds(
    scope: Scope, door: Door, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reserving, "LEASE_S", 0.6)
    monkeypatch.setattr(meter, "_AGAIN_S", 0.1)
    budgets.set_cap(scope, "workspace", "", measure="requests", amount=1, every="ever")
    house.seconds = 1.5
    long = asyncio.ensure_future(door.answer())
    await asyncio.sleep(1.2)

    with pytest.raises(budgets.BudgetExceeded):
        await door.answer()
    assert (await long).choices[0].turn.text.startswith("word")


async def test_a_stream_is_cut_at_the_cap_with_a_proper_end(
    scope: Scope, door: Door, house: House
) -> None:
    budgets.set_cap(scope, "key", "owner", measure="tokens", amount=1_400, every="ever")
    house.tokens_out, house.heeds = 5_000, False
    kinds = []
    assembly = canonical.Assembly()
    async for event in door.events(is_stream=True):
        kinds.append(event.kind)
        assembly.add(event)
    answer = assembly.answer()

    (limit,) = [request.tokens_out_max for request in house.asked]
    assert limit is not None
    assert limit < 400
    assert kinds.count("part_grew") == limit
    assert kinds[-4:] == ["part_ended", "choice_ended", "tokens_counted", "answer_ended"]
    assert answer.choices[0].finish_reason == "length"
    assert write_finish(answer.choices[0], is_own=True) == "length"
    assert house.left == 1
    (use,) = budgets.cap_uses(scope)
    assert use.spent == 1_400


@pytest.mark.parametrize("asks", [1, 2])
async def test_of_pieces_that_came_at_once_those_are_given_that_are_paid_for(
    scope: Scope, door: Door, house: House, asks: int
) -> None:
    door.route.asks_max = asks
    budgets.set_cap(scope, "key", "owner", measure="tokens", amount=1_400 * asks, every="ever")
    house.tokens_out, house.heeds, house.at_once = 5_000, False, 64
    answer = await door.answer(is_stream=True)

    (limit,) = [request.tokens_out_max for request in house.asked]
    assert limit is not None
    assert limit % 64
    assert answer.choices[0].turn.text.split() == ["word"] * limit
    assert answer.choices[0].finish_reason == "length"
    assert answer.tokens == canonical.TokenCounts(tokens_out=limit + 1)


async def test_a_caller_who_leaves_is_counted_with_all_that_was_held(
    scope: Scope, door: Door, house: House
) -> None:
    budgets.set_cap(scope, "key", "owner", measure="usd", amount=1, every="day")
    house.tokens_out = 50
    events = door.events(is_stream=True, tokens_out_max=50)
    for _ in range(5):
        await anext(events)
    held = budgets.cap_uses(scope)[0].reserved
    await events.aclose()

    (use,) = budgets.cap_uses(scope)
    assert (use.spent, use.reserved) == (held, 0)


async def test_a_model_without_a_price_is_refused_where_money_is_limited(
    scope: Scope, door: Door, house: House
) -> None:
    from lineside.traces import prices

    (own,) = prices.list_prices(scope)
    prices.remove_price(scope, own.id)
    budgets.set_cap(scope, "session", "*", measure="usd", amount=1, every="ever")

    assert await door.answer(tokens_out_max=10)  # without a session, that limit is not on it
    with pytest.raises(Invalid, match="what the model costs is unknown"):
        await door.answer(session="s1", tokens_out_max=10)
    assert len(house.asked) == 1


async def test_what_nobody_can_count_ahead_is_refused_under_a_limit_of_tokens(
    scope: Scope, door: Door, house: House
) -> None:
    budgets.set_cap(scope, "key", "owner", measure="tokens", amount=1_000_000, every="ever")
    search = canonical.request.ToolOffer(name="web_search", hosted={"type": "web_search"})
    with pytest.raises(Invalid, match="the tool `web_search` runs at the provider"):
        await door.answer(tools=(search,))
    assert house.asked == []


async def test_each_session_and_each_team_counts_by_itself(scope: Scope, door: Door) -> None:
    for about, amount in (("session", 2), ("team", 3)):
        budgets.set_cap(scope, about, "*", measure="requests", amount=amount, every="ever")
    for session in ("s1", "s1", "s2"):
        await door.answer(session=session, team="blue", key="key_1")
    with pytest.raises(budgets.BudgetExceeded, match="3 requests in all for this team"):
        await door.answer(session="s3", team="blue", key="key_2")
    with pytest.raises(budgets.BudgetExceeded, match="2 requests in all for this session"):
        await door.answer(session="s1", team="red", key="key_1")

    uses = [(use.cap.about, use.spent) for use in budgets.cap_uses(scope)]
    assert sorted(uses) == [("session", 1), ("session", 2), ("team", 3)]


async def test_a_refused_or_failed_call_costs_no_tokens(
    scope: Scope, door: Door, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(call: object) -> object:
        raise Unavailable("model_down", "The house is closed")
        yield call

    budgets.set_cap(scope, "key", "owner", measure="usd", amount=1, every="hour")
    budgets.set_cap(scope, "key", "owner", measure="requests", amount=9, every="hour")
    monkeypatch.setattr(house, "answer", fail)
    closed = Door(scope.store, house)
    with pytest.raises(Unavailable):
        await closed.answer()
    await closed.meter.close()

    spent = {use.cap.measure: (use.spent, use.reserved) for use in budgets.cap_uses(scope)}
    assert spent == {"usd": (0, 0), "requests": (1, 0)}


@pytest.mark.parametrize("settings", ["postgres"], indirect=True)
async def test_while_the_database_is_away_nothing_is_asked_and_what_ran_is_counted_later(
    scope: Scope, door: Door, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "_AGAIN_S", 0.1)
    budgets.set_cap(scope, "key", "owner", measure="usd", amount=1, every="ever")
    house.seconds = 0.3
    running = asyncio.ensure_future(door.answer(tokens_out_max=10))
    await until(lambda: bool(house.asked))
    records = scope.store.records
    there = records.engine
    nobody = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    records.engine = sa.create_engine(nobody, connect_args={"connect_timeout": 1})

    with pytest.raises(Unavailable, match="no model asked, because its limits cannot be read"):
        await door.answer(tokens_out_max=10)
    assert (await running).choices[0].finish_reason == "stop"
    records.engine = there
    await until(lambda: bool(budgets.cap_uses(scope)[0].spent))
    (use,) = budgets.cap_uses(scope)
    assert use.spent == pytest.approx(CALL_USD)
    assert use.reserved == 0
    assert len(house.asked) == 1
