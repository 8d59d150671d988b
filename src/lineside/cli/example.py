"""The example on the line: read, judged, released, a worse version refused, then deployed."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lineside.cli.place import scope_on_line
from lineside.cli.tour import Tour
from lineside.cli.verdicts import amount, interval
from lineside.core import Conflict, NotFound, Settings

if TYPE_CHECKING:
    from lineside.apps import Release
    from lineside.evals import Run
    from lineside.trust import Scope
    from lineside.usecases import UseCaseFolder

EXAMPLE = "support-triage"


class Deployed(NamedTuple):
    """What the demo serves, and the cases it sends."""

    release: "Release"
    cases: list[tuple[dict[str, Any], dict[str, Any]]]


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


def release_and_deploy(tour: Tour, settings: Settings) -> Deployed:
    """Take the example through every station up to its first rollout."""
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
    return Deployed(release, cases)


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
        must(release.status == "released", f"It was refused: {release.gate.verdict.sentence}")
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
        must(refused.status == "refused", f"It was let through: {verdict.sentence}")
        again = "" if is_new else " (as before)"
        station.tell(
            f"Refused{again}, as it must be. {verdict.sentence}", decision=verdict.decision
        )


def _refuse_second_server(scope: "Scope") -> None:
    """Say now, not after the work, that the demo could not start its server."""
    scope.store.claim_server("").release()


def must(holds: bool, otherwise: str) -> None:
    """Fail a station that did not come out as it has to."""
    if not holds:
        raise Conflict("demo_station_failed", otherwise, hint="Run `lineside doctor`.")
