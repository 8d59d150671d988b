"""`lineside verdicts explain` and `override`: a gate line by line, and a word against it."""

from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import note, print_json, say
from lineside.cli.place import scope_here, use_case_named
from lineside.cli.verdicts import SIGNS

if TYPE_CHECKING:
    from lineside.apps import Release
    from lineside.evals import verdicts as judged

_CASES_SHOWN = 5


@click.command(
    cls=Spoken, examples=("lineside verdicts explain my-case", "lineside verdicts explain . v3")
)
@click.argument("name_or_folder", required=False)
@click.argument("reference", metavar="[RELEASE]", required=False)
@json_option
def explain(name_or_folder: str | None, reference: str | None, as_json: bool) -> None:
    """Take a gate apart: each rule, how it was judged, and the cases that speak against it.

    RELEASE is a number (`v2`), an id or the start of a digest; else the newest, released or
    refused.
    """
    from lineside.apps import get_release, list_releases
    from lineside.core import NotFound
    from lineside.evals import verdicts as judged

    name = use_case_named(name_or_folder)
    with scope_here() as scope:
        if reference is None:
            newest = list_releases(scope, name, limit=1)
            if not newest:
                hint = f"Make one: `lineside release {name}`."
                raise NotFound("no_releases", f"`{name}` has no release yet", hint=hint)
            release = newest[0]
        else:
            release = get_release(scope, reference, use_case=name)
        lines = judged.explain_gate(scope, release.gate)
    if as_json:
        print_json({"release": release, "lines": lines})
        return
    say(f"{name} {release.label}: {release.gate.verdict.sentence}", style="bold")
    _say_override(release)
    for line in lines:
        _say_line(line)


@click.command(
    cls=Spoken,
    examples=("lineside verdicts override my-case a1b2c3 --reason 'Fewer cases than …'",),
)
@click.argument("name_or_folder")
@click.argument("reference", metavar="RELEASE")
@click.option("--reason", required=True, help="Why, for whoever reads the ledger later.")
@json_option
def override(name_or_folder: str, reference: str, reason: str, as_json: bool) -> None:
    """Release what a gate refused, under your own name and with a reason.

    Both go into the ledger, with every rule that was not met. RELEASE is an id or the start of a
    digest.
    """
    from lineside.apps import overrides

    name = use_case_named(name_or_folder)
    with scope_here() as scope:
        release = overrides.override_gate(scope, name, reference, reason=reason)
    if as_json:
        print_json(release)
        return
    say(f"✓ {name} {release.label} is released against its gate", style="bold")
    _say_override(release)
    note(f"next: lineside deploy {name} {release.label}")


def _say_override(release: "Release") -> None:
    if release.override is not None:
        say(f"Overruled by {release.override.by}: {release.override.reason}")


def _say_line(line: "judged.GateLine") -> None:
    decides = ", decides" if line.is_deciding else ""
    say(f"\n{SIGNS[line.decision]}  {line.rule}{decides}", style="bold")
    say(f"  {line.sentence}")
    counted = f"{line.cases:,} cases"
    if line.units != line.cases:
        counted += f" in {line.units:,} independent groups"
    if line.failed:
        counted += f", {line.failed:,} without a score"
    say(f"  {line.how}; {counted}; p {line.p_pass:.3g} for a pass, {line.p_fail:.3g} for a fail")
    if line.against:
        ids = ", ".join(one.case_id for one in line.against[:_CASES_SHOWN])
        more = line.against_total - _CASES_SHOWN
        say(f"  against it: {ids}" + (f" and {more:,} more" if more > 0 else ""))
