"""`lineside test`, `release`, `deploy` and `rollback`: what we ship."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.evals_run import limit_options, print_attempts, print_forecast, read_limits
from lineside.cli.output import note, print_json, say
from lineside.cli.place import scope_here, scope_on_line, served_at, use_case_named
from lineside.cli.progress import Stations
from lineside.cli.report_files import report_options, take_reports, write_reports
from lineside.cli.unproved import note_unproved
from lineside.cli.verdicts import (
    EXIT_CODES,
    notes_beside,
    print_findings,
    print_slices,
    print_wrong,
)
from lineside.core import Invalid

if TYPE_CHECKING:
    from lineside.apps import Rollout
    from lineside.evals import GateOutcome
    from lineside.trust import Scope

_SHOWN = 5
_EXAMPLES = 50


@click.command(
    cls=Spoken,
    examples=(
        "lineside test",
        "lineside test my-case --fresh",
        "lineside test my-case --junit junit.xml --markdown verdict.md --html verdict.html",
    ),
)
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--fresh", is_flag=True, help="Judge again, even what was judged before.")
@click.option("--early-stop", is_flag=True, help="End as soon as the gate's rules are settled.")
@limit_options
@report_options
@json_option
def test(
    folder: Path,
    fresh: bool,
    early_stop: bool,
    repetitions: int | None,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Judge a use case folder over its test cases and say: ship, hold, or not enough data.

    Fits the model, asks every case, compares with what is live, and applies the gate's rules. Exit
    code 0 is ship, 1 hold, 3 not enough data.
    """
    from lineside.apps import judge_folder, line
    from lineside.evals import results_of, summarise
    from lineside.usecases import read_folder

    found, limits, files = read_folder(folder), read_limits(given), take_reports(given)
    with scope_on_line() as scope:
        if dry_run:
            forecast = line.forecast_folder(
                scope, found, limits=limits, repetitions=repetitions, fresh=fresh
            )
            print_forecast(forecast, as_json=as_json)
            return 0
        with Stations() as stations:
            tested = judge_folder(
                scope,
                found,
                fresh=fresh,
                progress=stations,
                limits=limits,
                repetitions=repetitions,
                stops_early=early_stop,
            )
        wrong = results_of(scope, tested.run.id, only="wrong", limit=_SHOWN)
        summary = summarise(scope, tested.run)
        write_reports(scope, tested.run, tested.gate, files, comparison=tested.comparison)
    verdict = tested.gate.verdict
    if as_json:
        print_json({**tested._asdict(), "summary": summary, "wrong": wrong})
        return EXIT_CODES[verdict.decision]
    say(verdict.sentence, style="bold")
    if tested.run.is_reused:
        note(f"Nothing changed since {tested.run.id}, so it counts; --fresh judges again")
    say()
    print_findings(verdict.findings)
    print_attempts(summary)
    print_slices(summary)
    print_wrong(tested.run, wrong, title="Some wrong answers")
    unscored = [
        f"`{name}`: {one.in_words}"
        for name, one in tested.run.spent.unscored.items()
        if one.in_words not in verdict.sentence
    ]
    _say_what_next(folder, tested.gate, [*notes_beside(tested.run, tested.gate), *unscored])
    return EXIT_CODES[verdict.decision]


@click.command(cls=Spoken, examples=("lineside release", "lineside release my-case --json"))
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@json_option
def release(folder: Path, as_json: bool) -> int:
    """Test a use case folder and release it if its gate says ship.

    The same folder gives the same release. A refusal is written into the ledger, with the reason.
    """
    from lineside.apps import release_folder
    from lineside.usecases import read_folder

    found = read_folder(folder)
    with scope_on_line() as scope, Stations() as stations:
        released, is_new = release_folder(scope, found, progress=stations)
    verdict = released.gate.verdict
    code = EXIT_CODES[verdict.decision] if released.status == "refused" else 0
    if as_json:
        print_json({"release": released, "is_new": is_new})
        return code
    if released.status == "refused":
        again = "" if is_new else ", as before: nothing changed"
        say(f"✗ {released.use_case} {released.label}{again}", style="bold")
    elif is_new:
        say(f"✓ {released.use_case} {released.label} is released", style="bold")
    else:
        label = released.label
        say(f"✓ {released.use_case} {label}: the same release, nothing changed", style="bold")
    say(f"  {verdict.sentence}")
    click.echo(f"  {released.digest}")
    if released.status == "refused":
        note(f"next: lineside test {folder}, which shows what went wrong")
    else:
        note(f"next: lineside deploy {released.use_case} {released.label}")
    return code


@click.command(
    "deploy",
    cls=Spoken,
    examples=(
        "lineside deploy support-triage",
        "lineside deploy support-triage v2 --percent 10",
        "lineside deploy support-triage --knob hand_off_below=0.7",
    ),
)
@click.argument("name_or_folder", required=False)
@click.argument("reference", metavar="[RELEASE]", default="latest")
@click.option("--percent", type=float, default=100, help="Share of callers; the rest stays.")
@click.option("--knob", "knobs", multiple=True, metavar="NAME=VALUE", help="Repeatable.")
@json_option
def deploy_command(
    name_or_folder: str | None,
    reference: str,
    percent: float,
    knobs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Send traffic to a release: all of it, or a canary's share.

    RELEASE is a number (`v2`), an id, the start of a digest, or `latest`. Counts at once, also on
    the running server.
    """
    from lineside.apps import deploy

    name = use_case_named(name_or_folder)
    with scope_here() as scope:
        rollout = deploy(scope, name, reference, percent=percent, knobs=_knobs(knobs))
        curl = _curl(scope, rollout)
    page = f"{served_at()}/usecases/{name}"
    if as_json:
        print_json({"rollout": rollout, "curl": curl, "page": page})
        return
    say(f"✓ {name}: {_shares(rollout)}", style="bold")
    if rollout.knobs:
        say("  " + ", ".join(f"{knob} = {value}" for knob, value in rollout.knobs.items()))
    note_unproved(rollout.unproved)
    say("\nCall it (while `lineside up` runs):")
    click.echo(f"  {curl}")
    say(f"Its page: {page}")


@click.command(cls=Spoken, examples=("lineside rollback support-triage",))
@click.argument("name_or_folder", required=False)
@json_option
def rollback(name_or_folder: str | None, as_json: bool) -> None:
    """End a canary, or return to the release that was live before."""
    from lineside.apps import roll_back

    name = use_case_named(name_or_folder)
    with scope_here() as scope:
        rollout = roll_back(scope, name)
    if as_json:
        print_json(rollout)
        return
    say(f"✓ {name}: back, {_shares(rollout)}", style="bold")


@click.command(
    "shadow",
    cls=Spoken,
    examples=(
        "lineside shadow support-triage v2",
        "lineside shadow support-triage v2 --percent 20",
        "lineside shadow support-triage --off",
    ),
)
@click.argument("name_or_folder", required=False)
@click.argument("reference", metavar="[RELEASE]", default="latest")
@click.option("--percent", type=float, default=100, help="Share of calls that are copied.")
@click.option("--off", is_flag=True, help="Copy no more calls.")
@json_option
def shadow_command(
    name_or_folder: str | None, reference: str, percent: float, off: bool, as_json: bool
) -> None:
    """Copy calls to a release that answers nobody, to see how it would do.

    Its traces have the arm `shadow`. It costs what its model costs. Ends when it is deployed, and
    with a rollback.
    """
    from lineside.apps import rollout as rolling

    name = use_case_named(name_or_folder)
    with scope_here() as scope:
        if off:
            rollout = rolling.end_shadow(scope, name)
        else:
            rollout = rolling.shadow(scope, name, reference, percent=percent)
    if as_json:
        print_json(rollout)
        return
    say(f"✓ {name}: {_shares(rollout)}", style="bold")


def _say_what_next(folder: Path, gate: "GateOutcome", notes: Sequence[str]) -> None:
    for line in notes:
        note(line)
    note(f"All cases: lineside evals show {gate.run_id}")
    decision = gate.verdict.decision
    if decision != "ship" and gate.cases_failed:
        note("next: see above why cases got no answer, put that right, then run this again")
    elif decision == "ship":
        note(f"next: lineside release {folder}")
    elif decision == "hold":
        note("next: look at the wrong answers, change the folder, then run this again")
    elif gate.verdict.cases_needed is not None:
        note("next: add test cases to the dataset, then run this again")


def _shares(rollout: "Rollout") -> str:
    parts = [f"{arm.percent:g} % get {arm.label} ({arm.name})" for arm in rollout.arms]
    if audience := rollout.arms[-1].audience:
        parts.append(f"of those with `{audience}`; all others get {rollout.live.label}")
    if rollout.shadow is not None:
        parts.append(f"{rollout.shadow.label} gets copies of {rollout.shadow.percent:g} % (shadow)")
    return ", ".join(parts)


def _knobs(typed: tuple[str, ...]) -> dict[str, str]:
    knobs = {}
    for text in typed:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Invalid(
                "bad_knob",
                f"Not a knob with its value: `{text[:80]}`",
                hint="Write it as `--knob hand_off_below=0.7`.",
            )
        knobs[name.strip()] = value.strip()
    return knobs


def _curl(scope: "Scope", rollout: "Rollout") -> str:
    """A call to copy: the shortest of the inputs that the release was judged by."""
    import orjson

    from lineside.apps import get_release
    from lineside.evals import results_of

    release = get_release(scope, rollout.arms[-1].release_id)
    inputs = [result.input for result in results_of(scope, release.run_id, limit=_EXAMPLES)]
    body = min((orjson.dumps({"input": one}).decode() for one in inputs), key=len, default="{}")
    quoted = body.replace("'", "'\\''")
    address = f"{served_at()}/api/usecases/{rollout.use_case}/run"
    return f"curl {address} -H 'content-type: application/json' -d '{quoted}'"
