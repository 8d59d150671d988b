"""`lineside demo`: the example, down the whole line, in about half a minute."""

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.example import Deployed, must, release_and_deploy
from lineside.cli.output import note, print_json, say
from lineside.cli.place import scope_here
from lineside.cli.ports import free_port
from lineside.cli.tour import Tour
from lineside.cli.traffic import Load, OwnServer, give_thumb, send_requests
from lineside.cli.up import own_port
from lineside.cli.verdicts import amount, interval
from lineside.core import Settings

if TYPE_CHECKING:
    from lineside.apps import Release

_REQUESTS = 300
_CLIENTS = 4


@click.command(
    cls=Spoken,
    examples=("lineside demo", "lineside demo --check", "lineside demo --port 7711"),
)
@click.option(
    "--check", is_flag=True, help="In a temporary folder; stops by itself; exit 0 if all worked."
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the server.")
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), help="State folder.")
@click.option("--keep", is_flag=True, help="With --check: leave the temporary folder.")
@json_option
def demo(check: bool, port: int | None, home: Path | None, keep: bool, as_json: bool) -> int:
    """Take the example use case down the whole line, then serve it until Ctrl-C.

    Reads, trains, tests, releases, refuses a worse version, deploys, serves, sends 300 real
    requests, takes feedback and verifies the ledger. Takes about half a minute.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tour = Tour(is_silent=as_json)
    with _settings(check=check, port=port, home=home, keep=keep) as settings:
        server: OwnServer | None = None
        pages: dict[str, str] = {}
        started = time.monotonic()
        try:
            try:
                deployed = release_and_deploy(tour, settings)
                server = _start_server(tour, settings)
                _serve_and_verify(tour, settings, server, deployed)
                pages = _pages(settings, deployed.release)
            except Exception as error:
                if not check:
                    raise
                note(f"error: station {len(tour.stations)} failed: {error}")
            seconds = time.monotonic() - started
            ok = tour.ok and bool(pages)
            if as_json:
                print_json(
                    {"ok": ok, "seconds": seconds, "stations": tour.stations, "pages": pages}
                )
            else:
                _say_end(tour, settings, {} if check else pages, ok=ok, seconds=seconds)
            if check or server is None:
                return 0 if ok else 1
            return _stay(server)
        finally:
            if server is not None:
                server.stop()


@contextmanager
def _settings(
    *, check: bool, port: int | None, home: Path | None, keep: bool
) -> Iterator[Settings]:
    """Settings of this demo; a check has a folder and a port to itself."""
    settings = Settings.from_environment()
    settings = replace(settings, home=home or settings.home, port=port or settings.port)
    if not check:
        # Better now than after the model is trained.
        own_port(settings).close()
        yield settings
        return
    settings = replace(settings, port=free_port(settings.host, settings.port))
    if home is not None:
        yield settings
        return
    folder = Path(tempfile.mkdtemp(prefix="lineside-demo-"))
    try:
        yield replace(settings, home=folder / "state", database_url="", lake="")
    finally:
        if keep:
            note(f"Kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _start_server(tour: Tour, settings: Settings) -> OwnServer:
    server: OwnServer | None = None
    try:
        with tour.station("Start the server") as station:
            server = OwnServer(settings)
            seconds = server.wait_until_ready()
            server.wait_until_warm()
            station.tell(
                f"{server.address} answers its first page after {seconds:.1f} s (pid {server.pid})",
                seconds=seconds,
                pid=server.pid,
            )
    except BaseException:
        if server is not None:
            server.stop()
        raise
    return server


def _serve_and_verify(
    tour: Tour, settings: Settings, server: OwnServer, deployed: Deployed
) -> None:
    from lineside.trust import verify_ledger

    name = deployed.release.use_case
    with tour.station(f"Send {_REQUESTS} real requests") as station:
        load = send_requests(
            server.address, name, deployed.cases, requests=_REQUESTS, clients=_CLIENTS
        )
        must(load.errors == 0, f"{load.errors} of {_REQUESTS} requests were not answered")
        _tell_load(station.tell, load)
    with tour.station("Give feedback on one answer") as station:
        one = next((one for one in load.served if not one.is_right), load.served[0])
        thumb = "up" if one.is_right else "down"
        opinion: dict[str, Any] = {"trace_id": one.answer["trace_id"], "thumb": thumb}
        if not one.is_right:
            opinion["correction"] = one.answer["expected"]
        kept = give_thumb(server.address, opinion)
        said = "a thumb up" if one.is_right else "a thumb down with the right answer"
        station.tell(
            f"{said.capitalize()}, tied to trace {kept['trace_id'][:12]}… of {name} "
            f"{deployed.release.label}",
            feedback=kept["id"],
        )
    with tour.station("Verify the ledger") as station:
        with scope_here(settings) as scope:
            outcome = verify_ledger(scope)
        must(outcome.ok, outcome.sentence)
        station.tell(
            f"{outcome.sentence}: release, refusal and deploy are in it, signed, for anybody to "
            "check",
            entries=outcome.size,
            root=outcome.root,
        )


def _tell_load(tell: Any, load: Load) -> None:
    from lineside.stats import wilson

    count = len(load.served)
    rate = wilson(load.right, count)
    per_second = count / load.seconds
    p50, p99 = load.latency_ms(0.5), load.latency_ms(0.99)
    handed_off = load.handed_off / count
    tell(
        f"{amount(rate.value, '%')} right (95 % interval {interval(rate.low, rate.high, '%')}), "
        f"{amount(handed_off, '%')} handed to a person; {per_second:,.0f} requests/s with "
        f"{_CLIENTS} clients, half within {p50:.1f} ms, 99 % within {p99:.1f} ms",
        requests=count,
        accuracy=rate.value,
        accuracy_low=rate.low,
        accuracy_high=rate.high,
        hand_off_share=handed_off,
        requests_per_second=per_second,
        latency_ms_p50=p50,
        latency_ms_p99=p99,
    )


def _pages(settings: Settings, release: "Release") -> dict[str, str]:
    address = settings.address
    return {
        "portfolio": f"{address}/",
        "use case": f"{address}/usecases/{release.use_case}",
        "try it": f"{address}/usecases/{release.use_case}/try",
        "run": f"{address}/runs/{release.run_id}",
        "release": f"{address}/releases/{release.id}",
        "ledger": f"{address}/ledger",
        "API": f"{address}/api/docs",
    }


def _say_end(
    tour: Tour, settings: Settings, pages: dict[str, str], *, ok: bool, seconds: float
) -> None:
    say()
    if not ok:
        failed = [f"{one.number} ({one.title})" for one in tour.stations if not one.ok]
        names = ", ".join(failed) or "some were not reached"
        say(f"✗ Not every station worked: {names}", style="bold")
        return
    say(f"All {len(tour.stations)} stations worked, in {seconds:.0f} s", style="bold")
    if not pages:
        return
    say("\nSee it:", style="bold")
    for name, address in pages.items():
        click.echo(f"  {name:<10} {address}")
    note(f"\nState: {settings.home}")


def _stay(server: OwnServer) -> int:
    note("The server runs until you press Ctrl-C")
    try:
        code = server.wait()
    except KeyboardInterrupt:
        note("\nStopping the server …")
        return 0
    note(f"error: The server ended by itself with exit code {code}\nhint: See `{server.log}`")
    return 1
