"""Connections to endpoints, one pool for each event loop."""

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from lineside.core import Unavailable

if TYPE_CHECKING:
    import aiohttp

_CLOSE_SECONDS = 5.0


class LoopSessions:
    """Gives each event loop a client session of its own.

    An opened model lives longer than one loop: a run asks it from a worker thread, the server from
    its own. A session is bound to the loop it was made in.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}
        self._is_closed = False

    async def session(self) -> "aiohttp.ClientSession":
        """The session of the running loop, made when it is first asked for.

        Raises:
            Unavailable: The model was closed.
        """
        import aiohttp

        loop = asyncio.get_running_loop()
        with self._lock:
            if self._is_closed:
                raise Unavailable("model_closed", "The model was closed and answers no more calls")
            session = self._sessions.get(loop)
            if session is None:
                session = self._sessions[loop] = aiohttp.ClientSession(
                    # As many as callers wait for: who lets them in has limits, this has none.
                    connector=aiohttp.TCPConnector(limit=0),
                    # One caller's answer must leave nothing that goes along with another's call.
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
            dead = [other for other in self._sessions if other.is_closed()]
            left = [self._sessions.pop(other) for other in dead]
        for old in left:
            await old.close()
        return session

    async def close(self) -> None:
        """Close every session, each in its own loop where that still runs."""
        with self._lock:
            self._is_closed = True
            sessions, self._sessions = self._sessions, {}
        here = asyncio.get_running_loop()
        for loop, session in sessions.items():
            if loop is here or loop.is_closed():
                await session.close()
            elif loop.is_running():
                elsewhere = asyncio.run_coroutine_threadsafe(session.close(), loop)
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.wrap_future(elsewhere), _CLOSE_SECONDS)
            else:
                # A loop at rest must run once more: its sockets cannot be closed from outside.
                with suppress(RuntimeError):
                    await asyncio.to_thread(loop.run_until_complete, session.close())
