"""`lineside traces sessions`, `session` and `users`: traces that belong together."""

from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say, short
from lineside.cli.place import scope_on_line

if TYPE_CHECKING:
    from lineside.traces import sessions as people

_DAYS = 30.0

days_option = click.option(
    "--days",
    default=_DAYS,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="How far back to look.",
)
limit_option = click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="At most so many."
)
use_case_option = click.option("--use-case", metavar="NAME", help="Only traces of this use case.")
_before_option = click.option(
    "--before", metavar="CURSOR", help="Go on where a page ended: its `older`."
)


@click.command(
    "sessions",
    cls=Spoken,
    examples=("lineside traces sessions", "lineside traces sessions --user u-17 --json"),
)
@use_case_option
@click.option("--user", metavar="ID", help="Only sessions of this user.")
@days_option
@limit_option
@_before_option
@json_option
def session_list(
    use_case: str | None,
    user: str | None,
    days: float,
    limit: int,
    before: str | None,
    as_json: bool,
) -> None:
    """List sessions, those that something happened in last first."""
    from lineside.traces import sessions

    with scope_on_line() as scope:
        found = sessions.list_sessions(
            scope, use_case=use_case, user=user, days=days, limit=limit, before=before
        )
    if as_json:
        print_json(found)
        return
    if not found.sessions:
        say(f"No trace of the last {days:g} days names a session")
        return
    rows = [(one.id, one.user_id or "–", *_figures(one.totals)) for one in found.sessions]
    _table("Session", "User", rows)
    _say_more(found.older)


@click.command(
    "session",
    cls=Spoken,
    examples=("lineside traces session chat-17", "lineside traces session chat-17 --json"),
)
@click.argument("session_id", metavar="SESSION")
@use_case_option
@limit_option
@click.option("--after", metavar="CURSOR", help="Go on where a page ended: its `later`.")
@json_option
def session(
    session_id: str, use_case: str | None, limit: int, after: str | None, as_json: bool
) -> None:
    """Show a session: what was asked and answered, from its first trace on."""
    from lineside.traces import sessions

    with scope_on_line() as scope:
        found = sessions.get_session(scope, session_id, use_case=use_case, limit=limit, after=after)
    if as_json:
        print_json(found)
        return
    _table(
        "Session",
        "User",
        [(session_id, found.session.user_id or "–", *_figures(found.session.totals))],
    )
    for row in found.traces:
        say()
        say(f"{local_time(row.started_at)}  {row.trace_id[:12]}  {row.name}", style="bold")
        say(f"  → {short(row.input, characters=200) if row.input else 'nothing kept'}")
        answer = "failed" if row.status == "error" and not row.output else row.output
        say(f"  ← {short(answer, characters=200) if answer else 'nothing kept'}")
    if found.later:
        note(f"There are later ones: --after '{found.later}'")


@click.command(
    "users",
    cls=Spoken,
    examples=("lineside traces users", "lineside traces users --days 7 --json"),
)
@use_case_option
@days_option
@limit_option
@_before_option
@json_option
def user_list(
    use_case: str | None, days: float, limit: int, before: str | None, as_json: bool
) -> None:
    """List users that traces name, those seen last first."""
    from lineside.traces import sessions

    with scope_on_line() as scope:
        found = sessions.list_users(scope, use_case=use_case, days=days, limit=limit, before=before)
    if as_json:
        print_json(found)
        return
    if not found.users:
        say(f"No trace of the last {days:g} days names a user")
        return
    rows = [(one.id, f"{one.sessions:,}", *_figures(one.totals)) for one in found.users]
    _table("User", "Sessions", rows)
    _say_more(found.older)


def _table(first: str, second: str, rows: list[tuple[str, ...]]) -> None:
    columns = (first, second, "Traces", "Errors", "Tokens", "Cost", "First", "Last")
    numbers = ("Sessions", "Traces", "Errors", "Tokens", "Cost")
    print_table(columns, rows, numbers=numbers, whole=(first,))


def _figures(totals: "people.TraceTotals") -> tuple[str, ...]:
    return (
        f"{totals.traces:,}",
        f"{totals.errors:,}",
        _tokens(totals),
        _cost(totals),
        local_time(totals.first_at),
        local_time(totals.last_at),
    )


def _tokens(totals: "people.TraceTotals") -> str:
    if totals.tokens_in is None and totals.tokens_out is None:
        return "unknown"
    total = (totals.tokens_in or 0) + (totals.tokens_out or 0)
    return f"{total:,}" if totals.tokens_known == 1 else f"at least {total:,}"


def _cost(totals: "people.TraceTotals") -> str:
    if totals.cost_usd is None:
        return "unknown"
    cost = f"${totals.cost_usd:,.4f}"
    return cost if totals.cost_known == 1 else f"{cost} ({totals.cost_known:.0%} known)"


def _say_more(older: str | None) -> None:
    if older:
        note(f"There are older ones: --before '{older}'")
