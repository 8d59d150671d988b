"""A limit of time ends what is awaited, and mistakes nobody else's cancelling for its own."""

import asyncio

import pytest

from lineside.gateway.within import within


async def test_what_takes_longer_is_ended() -> None:
    ended = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(TimeoutError), within(0.01):
        await hang()

    assert ended.is_set()
    await asyncio.sleep(0)  # nothing of it is left to end what comes next


async def test_what_is_in_time_goes_on() -> None:
    with within(0.05):
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)


async def test_a_failure_in_time_is_its_own() -> None:
    with pytest.raises(KeyError), within(60):
        raise KeyError


async def test_a_task_that_is_cancelled_is_not_late() -> None:
    async def work() -> None:
        with within(60):
            await asyncio.sleep(60)

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_outer_of_two_limits_is_told_apart_from_the_inner() -> None:
    with pytest.raises(TimeoutError), within(0.01), within(60):
        await asyncio.sleep(60)
