"""`lineside doctor`: is everything here in order, and if not, what to do."""

import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click

import lineside
from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import print_json, say
from lineside.cli.place import running_server, server_here
from lineside.cli.ports import holder_of, take_port
from lineside.core import Conflict, LinesideError, Settings, clock, now

if TYPE_CHECKING:
    from lineside.store import Store
    from lineside.trust import Scope

_FREE_BYTES_LOW = 1_000_000_000
_FREE_BYTES_LEAST = 100_000_000
_WAITING_ROWS_MANY = 50_000
_HEALTH_SECONDS = 2.0
_CLOCK_LEEWAY = timedelta(minutes=2)
_SIGNS = {"ok": "✓", "warn": "!", "fail": "✗"}


class Examined(NamedTuple):
    """What was found at one place, and what to do about it."""

    place: str
    state: Literal["ok", "warn", "fail"]
    found: str
    do: str | None = None


@click.command(cls=Spoken, examples=("lineside doctor", "lineside doctor --json"))
@json_option
def doctor(as_json: bool) -> int:
    """Check versions, state folder, database, lake, inbox, clock, ports and keys; say what to do.

    Changes nothing. Exit code 1 when something fails; a warning is none.
    """
    found = []
    for one in _examine(Settings.from_environment()):
        found.append(one)
        if not as_json:
            say(f"{_SIGNS[one.state]} {one.place:<13} {one.found}")
            if one.do:
                say(f"  {'':<13} → {one.do}")
    fails = sum(one.state == "fail" for one in found)
    warns = sum(one.state == "warn" for one in found)
    if as_json:
        print_json({"ok": not fails, "found": found})
    elif fails or warns:
        say(f"\n{fails} failed, {warns} to look at")
    else:
        say("\nEverything is in order")
    return 1 if fails else 0


def _examine(settings: Settings) -> Iterator[Examined]:
    yield _versions()
    folder = _state_folder(settings)
    yield folder
    has_state = folder.state != "fail" and settings.home.is_dir()
    if has_state:
        yield _space(settings.home)
    if has_state or not settings.is_embedded:
        yield from _guarded("database", lambda: _stored(settings))
    else:
        yield from _guarded("database", _trial)
        yield _clock(None)
    yield from _guarded("port", lambda: _port(settings, has_state=has_state))
    yield from _guarded("gRPC port", lambda: _grpc_port(settings, has_state=has_state))


def _guarded(place: str, examine: Callable[[], Iterator[Examined]]) -> Iterator[Examined]:
    """Turn what stops an examination into what it found."""
    try:
        yield from examine()
    except LinesideError as error:
        yield Examined(place, "fail", error.message, error.hint)
    except Exception as error:  # noqa: BLE001 # whatever is broken is what was looked for
        yield Examined(
            place, "fail", f"{type(error).__name__}: {error}", "Set it right, then run this again."
        )


def _versions() -> Examined:
    python = f"Python {platform.python_version()}, {platform.system()}"
    return Examined("version", "ok", f"lineside {lineside.__version__} on {python}")


def _state_folder(settings: Settings) -> Examined:
    home = settings.home.absolute()
    if not home.exists():
        above = next((folder for folder in home.parents if folder.exists()), home)
        if not os.access(above, os.W_OK | os.X_OK) or not _can_write(above):
            return Examined(
                "state folder",
                "fail",
                f"{home} is not there and cannot be made",
                "Set LINESIDE_HOME to a folder you may write.",
            )
        return Examined(
            "state folder", "ok", f"{home} is not there yet; the first command makes it"
        )
    if not home.is_dir():
        do = "Set LINESIDE_HOME to a folder, or move that file away."
        return Examined("state folder", "fail", f"{home} is a file", do)
    if not _can_write(home):
        do = "Give yourself the right to write there, or set LINESIDE_HOME to another folder."
        return Examined("state folder", "fail", f"{home} cannot be written", do)
    return Examined("state folder", "ok", f"{home} can be written")


def _can_write(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _space(home: Path) -> Examined:
    from lineside.store import free_bytes

    free = free_bytes(home)
    found = f"{free / 1e9:,.1f} GB free"
    if free >= _FREE_BYTES_LOW:
        return Examined("disk", "ok", found)
    do = "Free some: when the disk is full, calls are refused; what was accepted is kept."
    return Examined("disk", "fail" if free < _FREE_BYTES_LEAST else "warn", found, do)


def _stored(settings: Settings) -> Iterator[Examined]:
    from lineside.store import Store

    store = Store(settings)
    try:
        shape = _shape(store)
        yield shape
        if shape.state != "ok":
            return
        scope = _own_scope(store)
        newest: list[datetime] = []
        yield from _guarded("lake", lambda: _lake(scope, newest))
        if "s3://" in (settings.lake + settings.blobs):
            yield from _guarded("bucket", lambda: _bucket(store))
        yield from _guarded("inbox", lambda: _inbox(store))
        yield _clock(max(newest, default=None))
        yield from _guarded("model keys", lambda: _model_keys(scope))
    finally:
        store.close()


def _trial() -> Iterator[Examined]:
    """Before there is a state folder: do database and lake work on this machine at all."""
    from lineside.store import open_store
    from lineside.traces import latest_calls

    with tempfile.TemporaryDirectory(prefix="lineside-doctor-") as folder:
        store = open_store(Settings(home=Path(folder)))
        try:
            yield Examined("database", "ok", "SQLite works (tried in a temporary folder)")
            latest_calls(_own_scope(store), limit=1)
            yield Examined("lake", "ok", "opens with its extensions (tried there too)")
        finally:
            store.close()


def _own_scope(store: "Store") -> "Scope":
    """Act as lineside itself, not as the person here: looking must not make anybody a member."""
    from lineside.core import SYSTEM
    from lineside.traces import open_traces
    from lineside.trust import Scope, members

    open_traces(store)
    return Scope(store, members.DEFAULT, SYSTEM, frozenset({"read"}))


def _shape(store: "Store") -> Examined:
    from lineside.store import current, newest

    kind = "SQLite" if store.settings.is_embedded else "PostgreSQL"
    has, wanted = current(store.records), newest()
    if has == wanted:
        return Examined("database", "ok", f"{kind} answers, its shape is {has}")
    if has is not None and has > wanted:
        return Examined(
            "database",
            "fail",
            f"{kind} has the shape {has}, this lineside knows up to {wanted}",
            "Install the newer lineside again, or set LINESIDE_HOME to another folder.",
        )
    found = f"{kind} is empty" if has is None else f"{kind} has the older shape {has}"
    do = f"Nothing: the next command brings it to {wanted}."
    return Examined("database", "warn", found, do)


def _lake(scope: "Scope", newest: list[datetime]) -> Iterator[Examined]:
    from lineside.traces import latest_calls
    from lineside.trust import ledger_entries

    newest += [entry.at for entry in ledger_entries(scope, limit=1, newest_first=True)]
    calls = latest_calls(scope, limit=1)
    newest += [call.started_at for call in calls]
    last = f"the last call came {clock.ago(calls[0].started_at)}" if calls else "no calls yet"
    yield Examined("lake", "ok", f"opens with its extensions; {last}")


def _bucket(store: "Store") -> Iterator[Examined]:
    """Look for something that nobody has kept: a bucket that refuses says so to that as well."""
    from lineside.store import digest_of

    store.blobs.__contains__(digest_of(b""))
    yield Examined("bucket", "ok", "answers and lets us look")


def _inbox(store: "Store") -> Iterator[Examined]:
    waiting = store.inbox.count()
    rows = f"{waiting:,} row{'' if waiting == 1 else 's'} waiting for the lake"
    server = running_server(store)
    if server is None:
        state: Literal["ok", "warn"] = "warn" if waiting > _WAITING_ROWS_MANY else "ok"
        do = "They are kept and seen; `lineside up` moves them." if waiting else None
        yield Examined("inbox", state, f"{rows}; no server runs here", do)
        return
    trouble = _trouble(server)
    if trouble is None:
        yield Examined("inbox", "ok", f"{rows}; the server at {server} moves them")
        return
    do = "Nothing accepted is lost. Look at disk and lake above, then restart the server."
    yield Examined("inbox", "fail", f"{rows}; the server at {server} says: {trouble}", do)


def _trouble(server: str) -> str | None:
    """What a running server says is wrong with it, or nothing."""
    said = _said(server)
    return None if said.get("status") == "ok" else str(said.get("lake") or said)


def _said(server: str) -> dict[str, Any]:
    """What a running server says of itself; that it does not answer, where it does not."""
    from http.client import HTTPConnection, HTTPException
    from urllib.parse import urlsplit

    address = urlsplit(server)
    try:
        connection = HTTPConnection(address.hostname or "", address.port, timeout=_HEALTH_SECONDS)
        connection.request("GET", "/healthz")
        said = json.loads(connection.getresponse().read())
        connection.close()
    except (OSError, HTTPException, ValueError) as error:
        return {"lake": f"no answer ({error})"}
    return said if isinstance(said, dict) else {"lake": str(said)}


def _clock(newest: datetime | None) -> Examined:
    present = now()
    found = f"{present:%Y-%m-%d %H:%M:%S} UTC"
    do = "Set the system's clock; ids and the ledger are in the order of time."
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    if present < installed - _CLOCK_LEEWAY:
        return Examined("clock", "fail", f"{found} is before lineside came here", do)
    if newest is not None and newest > present + _CLOCK_LEEWAY:
        late = clock.spell_duration(newest - present)
        return Examined("clock", "fail", f"{found} is {late} before the newest record", do)
    return Examined("clock", "ok", found)


def _model_keys(scope: "Scope") -> Iterator[Examined]:
    """Names of the keys that registered use cases need; their values are nobody's business."""
    from lineside.usecases import list_use_cases

    needed: dict[str, list[str]] = {}
    for case in list_use_cases(scope):
        name = case.manifest.app.options.get("api_key_env") if case.manifest else None
        if isinstance(name, str):
            needed.setdefault(name, []).append(case.name)
    missing = {name: users for name, users in needed.items() if not os.environ.get(name)}
    for name, users in missing.items():
        do = f"Set {name} in the environment of the server and of `lineside test`."
        yield Examined("model keys", "warn", f"{name} is not set; needed by {', '.join(users)}", do)
    if not missing:
        found = f"{', '.join(needed)} set" if needed else "none needed"
        yield Examined("model keys", "ok", found)


def _port(settings: Settings, *, has_state: bool) -> Iterator[Examined]:
    address = settings.address
    try:
        take_port(settings.host, settings.port).close()
    except Conflict as error:
        server = server_here(settings) if has_state else None
        if server == address:
            yield Examined("port", "ok", f"our server is at {address}")
        else:
            yield Examined("port", "warn", error.message, error.hint)
        return
    yield Examined("port", "ok", f"{settings.port} is free")


def _grpc_port(settings: Settings, *, has_state: bool) -> Iterator[Examined]:
    place, port = "gRPC port", settings.otlp_grpc_port
    server = server_here(settings) if has_state else None
    state = (_said(server).get("otlp_grpc") or {}) if server else {}
    if state.get("error"):
        do = "Set LINESIDE_OTLP_GRPC_PORT to a free port and restart the server, or send over HTTP."
        holder = holder_of(port) if port else None
        found = f"{state['error']} (by {holder})" if holder else str(state["error"])
        yield Examined(place, "warn", found, do)
    elif state.get("address"):
        yield Examined(place, "ok", f"our server takes OTLP over gRPC at {state['address']}")
    elif not port:
        yield Examined(place, "ok", "switched off")
    elif server:
        yield Examined(place, "ok", f"the server at {server} takes no OTLP over gRPC")
    else:
        try:
            take_port(settings.host, port).close()
        except Conflict as error:
            do = "Set LINESIDE_OTLP_GRPC_PORT to a free port, or to 0; or send over HTTP."
            yield Examined(place, "warn", error.message, do)
            return
        yield Examined(place, "ok", f"{port} is free")
