"""`lineside budgets`: what calls may take, and how far it is used."""

from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Commands, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say
from lineside.cli.place import scope_here
from lineside.core import Invalid

if TYPE_CHECKING:
    from lineside.gateway import budgets as budgeting

_EVERY = ("minute", "hour", "day", "month", "ever")


@click.group(
    cls=Commands,
    examples=(
        "lineside budgets set --key website --usd 5 --every day",
        "lineside budgets set --session '*' --requests 100 --every hour",
        "lineside budgets ls",
    ),
)
def budgets() -> None:
    """What calls of models may take: limits of requests, tokens and money.

    The most a call can come to is reserved before it is made. No key is above a limit.
    """


@budgets.command(
    "set",
    examples=(
        "lineside budgets set --all --usd 100 --every month",
        "lineside budgets set --key website --requests 60 --tokens 100000 --every minute",
        "lineside budgets set --team support --usd 20 --every day",
    ),
)
@click.option("--all", "is_all", is_flag=True, help="Every call of the workspace.")
@click.option("--key", metavar="NAME", help="An API key; `owner`: calls without one; `*`: each.")
@click.option("--team", metavar="NAME", help="All keys of a team; `*`: each team.")
@click.option("--use-case", metavar="NAME", help="Calls of a use case; `*`: each use case.")
@click.option("--session", metavar="ID", help="A conversation, kept by its alias; `*`: each.")
@click.option("--requests", type=click.IntRange(min=0), help="Calls, those that fail too.")
@click.option("--tokens", type=click.IntRange(min=0), help="Tokens read and written.")
@click.option("--usd", type=click.FloatRange(min=0), help="US dollars, by `lineside prices`.")
@click.option(
    "--every", type=click.Choice(_EVERY), required=True, help="When it counts anew, in UTC."
)
@json_option
def set_one(
    is_all: bool,
    key: str | None,
    team: str | None,
    use_case: str | None,
    session: str | None,
    requests: int | None,
    tokens: int | None,
    usd: float | None,
    every: "budgeting.Every",
    as_json: bool,
) -> None:
    """Limit what somebody may take in a period; a limit that is there already is replaced."""
    from lineside.gateway import budgets as budgeting

    about, subject = _whom(is_all=is_all, key=key, team=team, use_case=use_case, session=session)
    amounts: list[tuple[budgeting.Measure, float]] = []
    amounts += [("requests", requests)] if requests is not None else []
    amounts += [("tokens", tokens)] if tokens is not None else []
    amounts += [("usd", usd)] if usd is not None else []
    if not amounts:
        raise Invalid(
            "no_amount",
            "No limit was given",
            hint="Give at least one of --requests, --tokens and --usd.",
        )
    with scope_here() as scope:
        made = [
            budgeting.set_cap(scope, about, subject, measure=measure, amount=amount, every=every)
            for measure, amount in amounts
        ]
    if as_json:
        print_json(made)
        return
    for cap in made:
        period = "in all" if cap.every == "ever" else f"every {cap.every}"
        who = budgeting.label(cap, subject)
        say(f"Limit for {who}: {cap.said(cap.units)} {period} ({cap.id})")
    note("It counts from the next call on; what was spent in the period stays spent")


@budgets.command("ls", examples=("lineside budgets ls", "lineside budgets ls --json"))
@json_option
def list_all(as_json: bool) -> None:
    """List limits, with what is spent and reserved of each now."""
    from lineside.gateway import budgets as budgeting

    with scope_here() as scope:
        found = budgeting.cap_uses(scope)
    if as_json:
        print_json(found)
    elif found:
        _print(found)
    else:
        note("No limits yet: `lineside budgets set --all --usd 100 --every month`")


@budgets.command(examples=("lineside budgets show cap_01k3abcdefghjkmnpqrstvwxyz",))
@click.argument("cap_id", metavar="ID")
@json_option
def show(cap_id: str, as_json: bool) -> None:
    """Show one limit, with all it counts for: who spent and who holds how much of it."""
    from lineside.gateway import budgets as budgeting

    with scope_here() as scope:
        found = budgeting.cap_uses(scope, cap_id=cap_id)
    if as_json:
        print_json(found)
        return
    _print(found)
    first = found[0]
    renews = (
        f"counts anew {local_time(first.renews_at)}" if first.renews_at else "never counts anew"
    )
    note(f"Set by {first.cap.set_by}, {local_time(first.cap.set_at)}; {renews}")


@budgets.command(examples=("lineside budgets remove cap_01k3abcdefghjkmnpqrstvwxyz",))
@click.argument("cap_id", metavar="ID")
@json_option
def remove(cap_id: str, as_json: bool) -> None:
    """Take a limit back, and forget what was counted for it."""
    from lineside.gateway import budgets as budgeting

    with scope_here() as scope:
        cap = budgeting.remove_cap(scope, cap_id)
    if as_json:
        print_json(cap)
        return
    say(f"Removed the limit of {cap.said(cap.units)} for {budgeting.label(cap, cap.subject)}")


def _whom(**named: str | bool | None) -> "tuple[budgeting.About, str]":
    given = {name: value for name, value in named.items() if value}
    if len(given) != 1:
        raise Invalid(
            "whom_unclear",
            "A limit is for one of --all, --key, --team, --use-case and --session",
            hint="Name exactly one; to limit two, set two limits.",
        )
    ((name, value),) = given.items()
    if name == "is_all":
        return "workspace", ""
    return name, str(value)  # type: ignore[return-value] # the options are named as subjects are


def _print(found: "list[budgeting.CapUse]") -> None:
    from lineside.gateway import budgets as budgeting

    print_table(
        ("limit for", "spent", "reserved", "of", "every", "id"),
        [
            (
                budgeting.label(use.cap, use.subject),
                *(use.cap.said(units) for units in (use.spent_units, use.reserved_units)),
                use.cap.said(use.cap.units),
                use.cap.every,
                use.cap.id,
            )
            for use in found
        ],
        numbers=("spent", "reserved", "of"),
        whole=("id",),
    )
