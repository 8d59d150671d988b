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
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import note, print_json, say
from lineside.cli.place import scope_here, scope_on_line, server_address
from lineside.cli.ports import free_port
from lineside.cli.tour import Tour
from lineside.cli.traffic import Load, OwnServer, give_thumb, send_requests
from lineside.cli.up import own_port
from lineside.cli.verdicts import amount, interval
from lineside.core import Conflict, NotFound, Settings

if TYPE_CHECKING:
    from lineside.apps import Release
    from lineside.evals import Run
    from lineside.trust import Scope
    from lineside.usecases import UseCaseFolder

EXAMPLE = "support-triage"
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
                deployed = _release_and_deploy(tour, settings)
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


class _Deployed(NamedTuple):
    release: "Release"
    cases: list[tuple[dict[str, Any], dict[str, Any]]]


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


def example_folder() -> Path:
    """Where the example lies: in the installed package, or in the repository around it.

    Raises:
        NotFound: It lies in neither.
    """
    package = Path(__file__).parents[1]
    places = [package / "examples" / EXAMPLE, package.parents[1] / "examples" / EXAMPLE]
    for place in places:
        if (place / "usecase.yaml").is_file():
            return place
    raise NotFound(
        "no_example",
        f"The example `{EXAMPLE}` is not here; looked in: {', '.join(map(str, places))}",
        hint="Install lineside from its wheel, or run this from a clone of the repository.",
    )


def _release_and_deploy(tour: Tour, settings: Settings) -> _Deployed:
    from lineside.apps import deploy
    from lineside.usecases import register

    place = example_folder()
    found, cases = _read(tour, place, settings)
    with scope_on_line(settings) as scope:
        _refuse_second_server(scope)
        release = _judge_and_release(tour, scope, found)
        _try_worse(tour, scope, place)
        # The worse folder was tested under the same name; what people see is the good one again.
        register(scope, found)
        with tour.station(f"Deploy {release.label}") as station:
            rollout = deploy(scope, release.use_case, release.id)
            station.tell(
                f"Every caller of `{release.use_case}` gets {rollout.live.label} from now on; "
                f"`lineside rollback {release.use_case}` is the way back",
                release=release.label,
                percent=rollout.live.percent,
            )
    return _Deployed(release, cases)


def _read(
    tour: Tour, place: Path, settings: Settings
) -> tuple["UseCaseFolder", list[tuple[dict[str, Any], dict[str, Any]]]]:
    from lineside.evals import read_dataset
    from lineside.usecases import read_folder

    with tour.station("Read the manifest") as station:
        found = read_folder(place)
        tests = found.manifest.tests
        if tests is None:
            raise NotFound("no_tests", f"The example in `{place}` declares no tests")
        dataset = read_dataset(
            tests.dataset,
            place / tests.dataset,
            input_schema=found.input_schema,
            output_schema=found.output_schema,
            bytes_max=settings.dataset_bytes_max,
        )
        cases = [(case.input, case.expected) for case in dataset]
        station.tell(
            f"`{found.name}`: {found.manifest.problem.statement} "
            f"{len(cases)} test cases, {len(tests.gate)} rules it must pass",
            cases=len(cases),
            rules=len(tests.gate),
        )
    return found, cases


def _judge_and_release(tour: Tour, scope: "Scope", found: "UseCaseFolder") -> "Release":
    from lineside.apps import judge_folder, release_folder

    follow = _Follow(tour, found)
    tested = judge_folder(scope, found, progress=follow)
    verdict = tested.gate.verdict
    measured = "; ".join(
        f"`{one.rule}` measured {amount(one.value, one.unit)} "
        f"({interval(one.low, one.high, one.unit)})"
        for one in verdict.findings[:1]
        if one.value is not None and one.sentence not in verdict.sentence
    )
    follow.close(f"{verdict.sentence}. {measured}" if measured else verdict.sentence)
    tour.stations[-1].figures["decision"] = verdict.decision
    with tour.station("Release it") as station:
        release, is_new = release_folder(scope, found)
        _must(release.status == "released", f"It was refused: {release.gate.verdict.sentence}")
        how = "a new release" if is_new else "the same release as before, nothing changed"
        station.tell(
            f"{release.use_case} {release.label}: {how}. Its address is its content: "
            f"{release.digest[:23]}…",
            release=release.label,
            digest=release.digest,
            is_new=is_new,
        )
    return release


class _Follow:
    """Turns what the line reports while it judges into stations of the tour."""

    def __init__(self, tour: Tour, found: "UseCaseFolder") -> None:
        self._tour = tour
        self._found = found
        self._run: Run | None = None
        tour.begin("Train the model")

    def __call__(self, station: str, run: "Run | None" = None) -> None:
        tour = self._tour
        if run is not None and self._run is None:
            manifest = self._found.manifest
            tour.stations[-1].tell(
                f"`{manifest.app.model}`, on this machine, without any outside service",
                model=manifest.app.model,
            )
            tour.end()
            tour.begin("Judge the test cases")
        if run is not None:
            self._run = self._run or run
            if run.id == self._run.id:
                self._run = run
            tour.detail(f"{run.cases_done:,} of {run.cases_total:,}")
        if station == "Ask the gate" and self._run is not None:
            self._tell_run(self._run)
            tour.end()
            tour.begin("Ask the gate for a verdict")

    def close(self, sentence: str) -> None:
        self._tour.stations[-1].tell(sentence)
        self._tour.end()

    def _tell_run(self, run: "Run") -> None:
        reused = "; judged before, so nothing was asked again" if run.is_reused else ""
        self._tour.stations[-1].tell(
            f"{run.cases_done:,} of {run.cases_total:,} cases answered by the model, "
            f"{run.cases_failed:,} failed{reused}",
            cases=run.cases_total,
            failed=run.cases_failed,
            is_reused=run.is_reused,
        )


def _try_worse(tour: Tour, scope: "Scope", place: Path) -> None:
    """Lay the worse files over a copy of the folder; its refusal is what this station is for."""
    from lineside.apps import release_folder
    from lineside.usecases import read_folder

    with (
        tour.station("Try to release a worse version") as station,
        tempfile.TemporaryDirectory(prefix="lineside-worse-") as folder,
    ):
        copy = Path(folder) / EXAMPLE
        shutil.copytree(place, copy, ignore=shutil.ignore_patterns("worse"))
        shutil.copytree(place / "worse", copy, dirs_exist_ok=True)
        refused, is_new = release_folder(scope, read_folder(copy))
        verdict = refused.gate.verdict
        _must(refused.status == "refused", f"It was let through: {verdict.sentence}")
        again = "" if is_new else " (as before)"
        station.tell(
            f"Refused{again}, as it must be. {verdict.sentence}", decision=verdict.decision
        )


def _start_server(tour: Tour, settings: Settings) -> OwnServer:
    server: OwnServer | None = None
    try:
        with tour.station("Start the server") as station:
            server = OwnServer(settings)
            seconds = server.wait_until_ready()
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
    tour: Tour, settings: Settings, server: OwnServer, deployed: _Deployed
) -> None:
    from lineside.trust import verify_ledger

    name = deployed.release.use_case
    with tour.station(f"Send {_REQUESTS} real requests") as station:
        load = send_requests(
            server.address, name, deployed.cases, requests=_REQUESTS, clients=_CLIENTS
        )
        _must(load.errors == 0, f"{load.errors} of {_REQUESTS} requests were not answered")
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
        _must(outcome.ok, outcome.sentence)
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


def _refuse_second_server(scope: "Scope") -> None:
    """Say now, not after the work, that the demo could not start its server."""
    scope.store.claim_server("").release()


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Conflict("demo_station_failed", otherwise, hint="Run `lineside doctor`.")


def _pages(settings: Settings, release: "Release") -> dict[str, str]:
    address = server_address(settings)
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
