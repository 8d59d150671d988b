"""Asking a second target while the first keeps silent; the first piece of either wins."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from lineside.core import LinesideError

Begun = TypeVar("Begun")


async def hedged(
    begin: Callable[[], Coroutine[Any, Any, Begun]],
    begin_hedge: Callable[[], Coroutine[Any, Any, Begun] | None],
    *,
    after_s: float,
    is_final: Callable[[LinesideError], bool],
    drop: Callable[[Begun], Awaitable[None]],
) -> Begun:
    """Begin, and once more where nothing has begun after some seconds; at most two run at once.

    What does not win is cancelled and has ended when this returns, and so have both where the
    caller leaves.

    Args:
        begin_hedge: Gives nothing where nothing is left to ask.
        is_final: Whether a failure ends the call, so that the other is not waited for.
        drop: Ends what began and came second.

    Raises:
        LinesideError: Both failed; of the one that failed last. Or one did, in a way that is final.
    """
    racing = [asyncio.ensure_future(begin())]
    winner: asyncio.Task[Begun] | None = None
    try:
        await asyncio.wait(racing, timeout=after_s)
        hedge = None if racing[0].done() else begin_hedge()
        if hedge is not None:
            racing.append(asyncio.ensure_future(hedge))
        winner = await _first_of(racing, is_final)
        return winner.result()
    finally:
        await _end([one for one in racing if one is not winner], drop)


async def _first_of(
    racing: list["asyncio.Task[Begun]"], is_final: Callable[[LinesideError], bool]
) -> "asyncio.Task[Begun]":
    """The first that began; else the one whose failure is to be told."""
    seen: list[asyncio.Task[Begun]] = []
    while len(seen) < len(racing):
        waited = [one for one in racing if one not in seen]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        done = [one for one in waited if one.done()]
        seen += done
        for one in done:
            if one.exception() is None:
                return one
        for one in done:
            error = one.exception()
            if not isinstance(error, LinesideError) or is_final(error):
                return one
    return seen[-1]


async def _end(
    others: list["asyncio.Task[Begun]"], drop: Callable[[Begun], Awaitable[None]]
) -> None:
    for one in others:
        one.cancel()
    if others:
        await asyncio.wait(others)
    for one in others:
        # A failure of what nobody waits for any more is heard, and told to nobody.
        if not one.cancelled() and one.exception() is None:
            await drop(one.result())
