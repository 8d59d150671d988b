"""Keys under which answers stream: a stream goes no further than its key."""

import asyncio
from collections import Counter
from contextlib import aclosing, suppress

from lineside.core import LinesideError
from lineside.gateway import calls
from lineside.store import Store
from lineside.trust import Scope, keys

_LOOK_SECONDS = 1.0


class KeysInUse:
    """Looks which keys of open streams were revoked or have expired. One per process.

    All of them are asked for together, once a second while a stream is open; a database that is
    away for a moment ends none.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._streams: Counter[str] = Counter()
        self._gone: frozenset[str] = frozenset()
        self._looking: asyncio.Task[None] | None = None

    def follow(self, scope: Scope, events: calls.Events) -> calls.Events:
        """The events of a stream until its key is gone.

        Raises:
            Denied: It was revoked, or has expired, since the stream began.
        """
        return self._until_gone(scope.actor.id, events) if scope.actor.kind == "key" else events

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def _until_gone(self, key: str, events: calls.Events) -> calls.Events:
        self._streams[key] += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            async with aclosing(events):
                async for event in events:
                    if key in self._gone:
                        raise keys.key_gone()
                    yield event
        finally:
            self._streams[key] -= 1
            if not self._streams[key]:
                del self._streams[key]

    async def _look(self) -> None:
        while self._streams:
            await asyncio.sleep(_LOOK_SECONDS)
            asked = frozenset(self._streams)
            with suppress(LinesideError):
                self._gone = asked - await asyncio.to_thread(keys.usable_keys, self._store, asked)
