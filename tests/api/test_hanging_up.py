"""Work for a caller goes on as long as the caller is there, and ends when the caller hangs up."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from lineside.api.streaming import given, while_heard

Receive = Callable[[], Awaitable[Message]]


def caller(said: "asyncio.Queue[str]") -> Receive:
    async def receive() -> Message:
        return {"type": await said.get()}

    return receive


async def test_the_work_ends_where_its_caller_hangs_up() -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    ended = asyncio.Event()

    async def work() -> None:
        said.put_nowait("http.request")  # more of a body is no hanging up
        said.put_nowait("http.disconnect")
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(ClientDisconnect):
        await while_heard(caller(said), work())

    assert ended.is_set()
    await asyncio.sleep(0)  # nothing of it is left to end what comes next


async def test_the_work_of_a_caller_who_stays_is_given_and_nobody_listens_on() -> None:
    said: asyncio.Queue[str] = asyncio.Queue()

    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    assert await while_heard(caller(said), work()) == "done"
    said.put_nowait("http.disconnect")
    await asyncio.sleep(0)

    assert said.qsize() == 1
    assert await while_heard(given(b""), work()) == "done"
    await asyncio.sleep(0)  # what listened was told to end, and ends in its next turn
    assert len(asyncio.all_tasks()) == 1


async def test_a_caller_who_is_gone_already_gets_nothing_and_one_who_breaks_off_neither() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def broken() -> Message:
        await asyncio.sleep(0)
        raise ConnectionError

    for receive in (gone, broken):
        with pytest.raises(ClientDisconnect):
            await while_heard(receive, asyncio.sleep(60))


async def test_who_ends_the_call_itself_is_not_taken_for_the_caller() -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.ensure_future(while_heard(caller(said), asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
