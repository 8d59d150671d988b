"""`lineside traces erase` and `remap`: what is kept, taken out for good or read anew."""

import time
from datetime import datetime
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import note, print_json, say
from lineside.cli.place import scope_on_line
from lineside.core import Unavailable

if TYPE_CHECKING:
    from lineside.traces import rewriting

_TELL_SECONDS = 5.0


@click.command(
    "erase",
    cls=Spoken,
    examples=(
        "lineside traces erase --user ada@example.com --dry-run",
        "lineside traces erase --session s-1042 --yes",
    ),
)
@click.option("--user", metavar="ID", help="Every trace this user took part in, and their knobs.")
@click.option("--session", metavar="ID", help="Every trace of this session.")
@click.option("--trace", metavar="TRACE", help="This trace.")
@click.option("--dry-run", is_flag=True, help="Only say what would be erased.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase(
    user: str | None,
    session: str | None,
    trace: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase traces for good: from inbox, lake, files, index of words, and feedback on them.

    Answers that are kept to be given again go with the traces they came from. Of a user it also
    erases where they left their knobs. There is no way back. The ledger keeps that it was done, by
    whom and how much, not the name.
    """
    from lineside.traces import rewriting

    with scope_on_line() as scope:
        looked = rewriting.erase(scope, user=user, session=session, trace=trace, only_look=True)
        if dry_run or looked.is_nothing:
            erased = looked
        else:
            if not yes and not as_json:
                click.confirm(f"Erase {_in_words(looked)} for good?", abort=True, err=True)
            erased = rewriting.erase(scope, user=user, session=session, trace=trace)
    if as_json:
        print_json(erased)
    elif erased.is_done:
        say(f"{_in_words(erased)} are gone")
    else:
        say(f"{_in_words(erased)} would be erased")


def _in_words(erased: "rewriting.Erased") -> str:
    said = [f"{erased.traces:,} traces with {erased.steps:,} steps"]
    beside = {"feedback": erased.feedback} | erased.beside
    said += [f"{count:,} {what}" for what, count in beside.items() if count]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


@click.command(
    "remap",
    cls=Spoken,
    examples=("lineside traces remap", "lineside traces remap --since 2026-11-01 --all"),
)
@click.option("--use-case", metavar="NAME", help="Only traces of this use case.")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), help="Only steps from this day on, UTC."
)
@click.option(
    "--all", "everything", is_flag=True, help="Also what today's mapping has read already."
)
@json_option
def remap(use_case: str | None, since: datetime | None, everything: bool, as_json: bool) -> None:
    """Read history anew: map what was received with today's mapping, and roll it up again.

    For after an upgrade that reads more out of the same spans. What is killed half way is simply
    run again. Which use case a step belongs to stays.
    """
    from datetime import UTC

    from lineside.traces import rewriting

    told = time.monotonic()

    def tell(done: "rewriting.Remapped") -> None:
        nonlocal told
        if time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            note(f"{done.traces:,} traces, {done.steps:,} steps so far")

    with scope_on_line() as scope:
        done = rewriting.remap(
            scope,
            use_case=use_case,
            since=since.replace(tzinfo=UTC) if since else None,
            everything=everything,
            progress=tell,
        )
    if as_json:
        print_json(done)
    elif done.traces or done.traces_left:
        say(f"{done.traces:,} traces read anew, {done.changed:,} of {done.steps:,} steps changed")
    else:
        say("Today's mapping has read everything already")
    if done.traces_left:
        ids = ", ".join(done.left) + (", …" if done.traces_left > len(done.left) else "")
        raise Unavailable(
            "traces_left",
            f"{done.traces_left:,} traces take more memory than the lake may, and stay as they "
            f"were: {ids}",
            hint="Set LINESIDE_LAKE_MEMORY_MB higher and run it again.",
        )
