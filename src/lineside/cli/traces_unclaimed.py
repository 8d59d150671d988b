"""`lineside traces unclaimed`, `claim` and `quality`: what has no use case, or tells too little."""

from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say, short
from lineside.cli.place import scope_on_line
from lineside.cli.traces import days_option, use_case_option

if TYPE_CHECKING:
    from lineside.traces import quality as qualities
    from lineside.traces import refusals


@click.command("unclaimed", cls=Spoken, examples=("lineside traces unclaimed",))
@json_option
def unclaimed_list(as_json: bool) -> None:
    """List services whose traces no use case has, and the rules that were set for others."""
    from lineside.traces import unclaimed

    with scope_on_line() as scope:
        services, routes = unclaimed.list_unclaimed(scope), unclaimed.list_routes(scope)
    if as_json:
        print_json({"services": services, "routes": routes})
        return
    if services:
        columns = ("Service", "Traces", "Errors", "Since", "Newest", "Sample")
        rows = [
            (
                one.service,
                f"{one.traces:,}",
                f"{one.errors:,}",
                local_time(one.first_at),
                local_time(one.last_at),
                f"{one.sample_id[:12]} {short(one.sample_input or one.sample_name, characters=60)}",
            )
            for one in services
        ]
        print_table(columns, rows, numbers=("Traces", "Errors"), whole=("Service",))
        note("Give one to a use case: `lineside traces claim SERVICE --use-case NAME`")
        note("Or to one that begins with this: `lineside traces claim SERVICE --new NAME`")
    else:
        say("Every trace has a use case")
    if routes:
        say()
        rules = [(one.service, one.use_case, one.set_by, local_time(one.set_at)) for one in routes]
        print_table(("Claimed service", "Use case", "By", "When"), rules)


@click.command(
    "claim",
    cls=Spoken,
    examples=(
        "lineside traces claim checkout-bot --use-case support-triage",
        "lineside traces claim checkout-bot --new checkout-help",
        "lineside traces claim '(no service)' --use-case support-triage",
        "lineside traces claim checkout-bot --remove",
    ),
)
@click.argument("service", metavar="SERVICE")
@click.option("--use-case", metavar="NAME", help="The use case that takes its traces.")
@click.option("--new", metavar="NAME", help="The same, of a use case that is only watched.")
@click.option("--remove", is_flag=True, help="Let its traces to come be unclaimed again.")
@json_option
def claim(service: str, use_case: str | None, new: str | None, remove: bool, as_json: bool) -> None:
    """Give the traces of a service to a use case: those to come, and those that no one has.

    `(no service)` stands for what names no service, `lineside.usecase=NAME` for what names a use
    case that there is none of. Spans that name a use case themselves go where they say; so do those
    of a key that is limited to one. The ledger keeps who claimed what. A new use case is only
    watched until a folder of its name is tested: it has traces, charts and retention, and neither
    dataset nor release.
    """
    from lineside.traces import unclaimed
    from lineside.usecases import watching

    if sum((use_case is not None, new is not None, remove)) != 1:
        raise click.UsageError("Give one of --use-case NAME, --new NAME and --remove")
    name = new or use_case
    with scope_on_line() as scope:
        if name is None:
            route = unclaimed.remove_route(scope, service)
            said = f"✓ Traces of `{service}` to come are unclaimed again"
            shown: object = route
        else:
            made = watching.claim_service(scope, service, use_case=name, is_new=new is not None)
            said = f"✓ Traces of `{service}` belong to {name}; moved: {made.traces_moved:,}"
            shown = made
    if as_json:
        print_json(shown)
    else:
        say(said)


@click.command(
    "quality",
    cls=Spoken,
    examples=(
        "lineside traces quality",
        "lineside traces quality --days 30 --json",
        "lineside traces quality --refused",
    ),
)
@use_case_option
@days_option
@click.option("--refused", is_flag=True, help="Show what was sent and not taken, by reason.")
@json_option
def quality(use_case: str | None, days: float, refused: bool, as_json: bool) -> None:
    """Show what share of spans states its tokens, cost, user and the like, by use case.

    With `--refused`, what senders were told was not taken, by use case, key and reason.
    """
    from lineside.traces import quality as qualities
    from lineside.traces import refusals

    with scope_on_line() as scope:
        turned = refusals.list_refusals(scope, use_case=use_case, days=days)
        found = [] if refused else qualities.telemetry_quality(scope, use_case=use_case, days=days)
    if as_json:
        print_json(turned if refused else found)
    elif refused:
        _print_refused(turned, days)
    else:
        _print_quality(found, days)
        if turned:
            told = sum(one.count for one in turned)
            note(f"Not taken: {told:,}; why: `lineside traces quality --refused`")


def _print_refused(found: "list[refusals.RefusalCount]", days: float) -> None:
    if not found:
        say(f"Nothing was refused in the last {days:g} days")
        return
    rows = [
        (
            f"{one.count:,}",
            one.unit,
            one.door,
            str(one.status),
            one.use_case or "not known",
            one.sender or "no key",
            local_time(one.last_at),
            one.reason,
        )
        for one in found
    ]
    columns = ("Count", "Of", "Door", "Answer", "Use case", "Key", "Last", "Why")
    print_table(columns, rows, numbers=("Count", "Answer"), whole=("Use case", "Why"))
    note(
        "Requests were turned away whole. Of messages answered with 200 the rest was taken. What "
        "was answered with 503 the sender was asked to send again, and is not lost if it does."
    )


def _waiting(one: "qualities.TelemetryQuality") -> str:
    strays = f" ({one.scores_stray:,} stray)" if one.scores_stray else ""
    return f"{one.scores_waiting:,}{strays}"


def _print_quality(found: "list[qualities.TelemetryQuality]", days: float) -> None:
    if not found:
        say(f"There are no traces of the last {days:g} days")
        return
    shares = ("Tokens", "Cost", "1st chunk", "User", "Session", "Release", "Root", "Parent")
    rows = [
        (
            one.use_case or "unclaimed",
            f"{one.spans:,}",
            _share(one.tokens_known),
            _share(one.cost_known),
            _share(one.first_chunk_known),
            _share(one.user_known),
            _share(one.session_known),
            _share(one.release_known),
            _share(one.root_found),
            _share(one.parent_found),
            "not reported" if one.spans_dropped is None else f"{one.spans_dropped:,}",
            _waiting(one),
            f"{one.clocks_off:,}",
        )
        for one in found
    ]
    columns = ("Use case", "Spans", *shares, "Dropped", "Waiting", "Clock off")
    print_table(columns, rows, numbers=(*columns[1:],), whole=("Use case",))
    note(
        "Tokens, cost and first chunk: of the model steps. User, session, release and root: of the "
        "traces. Parent: of the steps that have one. Dropped: by clients that report it. Waiting: "
        "scores of what is not here; stray: for more than a day. Clock off: spans dated more than "
        "10 minutes after they came here, or more than 30 days before."
    )


def _share(share: float | None) -> str:
    """Cut and not rounded: what is not quite all never reads as all."""
    return "–" if share is None else f"{int(share * 100)} %"
