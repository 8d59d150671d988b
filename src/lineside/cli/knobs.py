"""`lineside knobs`: what may be turned, where it stands, and what there is evidence for."""

import asyncio

import click

from lineside.cli.commands import Commands, json_option
from lineside.cli.output import note, print_json, print_table, say
from lineside.cli.place import scope_on_line
from lineside.cli.progress import Stations
from lineside.cli.verdicts import EXIT_CODES


@click.group(
    cls=Commands,
    examples=("lineside knobs ls my-case", "lineside knobs prove my-case autonomy=act"),
)
def knobs() -> None:
    """Knobs: where they stand, and which values were tested.

    `lineside deploy --knob` turns one for everybody; users turn their own in the app.
    """


@knobs.command("ls", examples=("lineside knobs ls my-case", "lineside knobs ls my-case --user u1"))
@click.argument("use_case")
@click.option("--user", metavar="NAME", help="As they stand for this user.")
@json_option
def list_knobs(use_case: str, user: str | None, as_json: bool) -> None:
    """Show the knobs of what is live in USE_CASE."""
    from lineside.apps import Serving, knobs_now
    from lineside.trust import Scope

    async def look(scope: Scope) -> knobs_now.KnobsNow:
        serving = Serving(scope.store)
        try:
            return await serving.knobs.now(scope, use_case, user=user)
        finally:
            await serving.close()

    with scope_on_line() as scope:
        found = asyncio.run(look(scope))
    if as_json:
        print_json(found)
        return
    rows = [
        [one.knob.name, one.value, one.turned_by, one.knob.who, ", ".join(map(str, one.offered))]
        for one in found.knobs
    ]
    print_table(["knob", "stands at", "turned by", "whose", "offered"], rows)


@knobs.command(
    examples=(
        "lineside knobs prove my-case autonomy=act",
        "lineside knobs prove my-case strictness=0.8 --release v2",
    )
)
@click.argument("use_case")
@click.argument("setting", metavar="KNOB=VALUE")
@click.option("--release", "reference", metavar="RELEASE", help="Else what is live.")
@json_option
def prove(use_case: str, setting: str, reference: str | None, as_json: bool) -> int:
    """Judge a release with a knob at another value; if its gate says ship, users are offered it.

    Exit code 0 is ship, 1 hold, 3 not enough data.
    """
    from lineside.apps import proving

    name, _, text = setting.partition("=")
    with scope_on_line() as scope, Stations() as stations:
        proof = proving.prove_knob(
            scope, use_case, name, text, reference=reference, progress=stations
        )
    if as_json:
        print_json(proof)
        return EXIT_CODES[proof.decision]
    is_good = proof.decision == "ship"
    said = "is offered" if is_good else "is not offered"
    say(f"{'✓' if is_good else '✗'} {use_case}: {name} = {proof.value} {said}", style="bold")
    say(f"  {proof.sentence}")
    note(f"next: lineside evals show {proof.run_id}")
    return EXIT_CODES[proof.decision]
