"""Who is calling: the person at this machine, or a program with a key."""

import asyncio
from functools import partial
from typing import Annotated

from fastapi import Depends, Request

from lineside.core import Denied
from lineside.store import Store
from lineside.trust import Scope, scope_for_key

_SCHEME = "bearer "
_KEYLESS = "local"


def caller(request: Request) -> Scope:
    """The scope of a call: its key's when it brings one, else the local owner's.

    No key is needed on this machine, because the server listens on loopback only; a key that is
    brought must be good.
    """
    header = request.headers.get("authorization", "")
    if not header:
        scope: Scope = request.app.state.local
        return scope
    if not header.lower().startswith(_SCHEME):
        raise Denied(
            "bad_key",
            "The Authorization header does not start with `Bearer`",
            hint="Send `Authorization: Bearer lsk_…`; make a key with `lineside keys create`.",
        )
    return scope_for_key(request.app.state.local.store, header[len(_SCHEME) :].strip())


async def model_caller(request: Request, local: Scope) -> Scope:
    """The scope of a call by a model door, whose clients send a key in one header or another.

    They will not start without a key; `local` is one that says: none, as on this machine.
    """
    key = key_brought(request)
    return await _scope_of(local.store, key) if key else local


def key_brought(request: Request) -> str:
    """The key that a client of a model door sends, good or not; empty where it says none."""
    key = request.headers.get("x-api-key", "")
    header = request.headers.get("authorization", "")
    if not key and header.lower().startswith(_SCHEME):
        key = header[len(_SCHEME) :].strip()
    return "" if key == _KEYLESS else key


async def _scope_of(store: Store, key: str) -> Scope:
    if store.records.is_sqlite:
        # A read that waits for nobody; the write does not hold up the loop.
        loop = asyncio.get_running_loop()
        return scope_for_key(store, key, soon=partial(loop.run_in_executor, None))
    return await asyncio.to_thread(scope_for_key, store, key)


async def caller_soon(request: Request) -> Scope:
    """The same for the hot path: only a key needs a look into the database, off the loop."""
    if "authorization" not in request.headers:
        return caller(request)
    return await asyncio.to_thread(caller, request)


Caller = Annotated[Scope, Depends(caller)]
