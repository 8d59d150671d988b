"""Runs a stand-in for a provider in a thread of its own, on a port of this machine."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from aiohttp import web


@contextmanager
def running(app: web.Application) -> Iterator[str]:
    """Give its address, for as long as it runs."""
    begun: list[Any] = []
    started = threading.Event()

    async def serve() -> None:
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ended = asyncio.Event()
        begun.extend(
            (f"http://127.0.0.1:{runner.addresses[0][1]}", asyncio.get_running_loop(), ended)
        )
        started.set()
        await ended.wait()
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(10)
    address, loop, ended = begun
    yield address
    loop.call_soon_threadsafe(ended.set)
    thread.join(10)


def trace_of(server: str, trace_id: str) -> list[dict[str, Any]]:
    """The steps of a trace, also where the lake is only just being made."""
    for _ in range(100):
        answer = httpx.get(f"{server}/api/traces/{trace_id}", timeout=30)
        if answer.status_code == 200:
            return list(answer.json())
        time.sleep(0.05)
    raise AssertionError(answer.text)
