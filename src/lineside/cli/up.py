"""`lineside up`: the server, in the foreground."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import note, print_json
from lineside.cli.ports import take_port
from lineside.core import Conflict, Settings

if TYPE_CHECKING:
    import uvicorn

_SERVER = "lineside.server"
_STOP_SECONDS = 10
_SETTLED_SECONDS = 10.0  # by then what serving needs has been imported
_NEW_OBJECTS = 20_000


@click.command(cls=Spoken, examples=("lineside up", "lineside up --port 7711"))
@click.option("--host", metavar="ADDRESS", help="Loopback address to listen on  [LINESIDE_HOST]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on  [LINESIDE_PORT]")
@json_option
def up(host: str | None, port: int | None, as_json: bool) -> None:
    """Run the server: pages at /, API at /api, until Ctrl-C.

    It listens on this machine alone and needs no login. One server runs on a state folder.
    """
    if host is not None:
        os.environ["LINESIDE_HOST"] = host
    if port is not None:
        os.environ["LINESIDE_PORT"] = str(port)
    settings = Settings.from_environment()
    # Named and not imported: doors do not know the composition root, only where it stands.
    import_module(_SERVER).refuse_open_address(settings.host)
    listener = own_port(settings)
    try:
        server = _loaded(settings)
    except BaseException:
        listener.close()
        raise

    def announce() -> None:
        address = settings.address
        if as_json:
            print_json({"address": address, "pid": os.getpid(), "home": settings.home.absolute()})
        else:
            click.echo(f"lineside is at {address} (stop it with Ctrl-C)")
        sys.stdout.flush()

    _serve(server, listener, announce)
    note("Stopped; what was accepted is kept")


def own_port(settings: Settings) -> socket.socket:
    """The port, or the better reason why not: a server of ours on this very folder."""
    try:
        return take_port(settings.host, settings.port)
    except Conflict:
        from lineside.store import open_store

        store = open_store(settings)
        try:
            store.claim_server("").release()
        finally:
            store.close()
        raise


def _loaded(settings: Settings) -> "uvicorn.Server":
    """The server with its app built, so that what goes wrong in building is ours to tell."""
    import uvicorn

    config = uvicorn.Config(
        f"{_SERVER}:build",
        factory=True,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    config.load()
    return uvicorn.Server(config)


def _spare_what_stays() -> None:
    """Look no more for rings in what was imported: each search held up every call under way."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 10, 50)


def _serve(server: "uvicorn.Server", listener: socket.socket, announce: Callable[[], None]) -> None:
    started = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await started(sockets)
        if server.started:
            announce()
            asyncio.get_running_loop().call_later(_SETTLED_SECONDS, _spare_what_stays)

    server.startup = startup  # type: ignore[method-assign] # uvicorn has no hook for "ready"
    # uvicorn stops gracefully and then raises the signal again; to us it has had its effect.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: None)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
