"""`lineside traces tail`: traces as they arrive."""

import sys
import time
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import note
from lineside.cli.place import scope_on_line
from lineside.cli.traces import query_option, read_query, trace_line
from lineside.core import Unavailable

if TYPE_CHECKING:
    from lineside.traces import search
    from lineside.trust import Scope

EVERY_SECONDS = 1.0
_WAIT_SECONDS_MAX = 10.0
_FIRST = 10
_AT_ONCE_MAX = 500
_SEEN_MAX = 10_000


@click.command(
    "tail",
    cls=Spoken,
    examples=("lineside traces tail 'status = error'", "lineside traces tail --seconds 60 --json"),
)
@click.argument("line", metavar="[QUERY]", default="")
@query_option
@click.option(
    "--seconds", type=click.FloatRange(min=0), help="Stop after so long; else with Ctrl-C."
)
@json_option
def tail(line: str, query: str, seconds: float | None, as_json: bool) -> None:
    """Show traces as they arrive, whenever they began; with --json one line of JSON each.

    The newest 10 come first. A trace is shown once, when its first steps arrive.
    """
    from lineside.traces import search

    both = " and ".join(part for part in (line.strip(), query.strip()) if part)
    seen: dict[str, None] = {}
    with scope_on_line() as scope:
        filters = read_query(scope, both)
        begin = search.arrivals(scope, filters, limit=_AT_ONCE_MAX)
        cursor = begin.cursor
        # What is on its way has arrived, and comes again once it is in the lake.
        seen |= dict.fromkeys(row.trace_id for row in begin.traces)
        note("Waiting for traces" + ("; stop with Ctrl-C" if seconds is None else ""))
        newest = search.list_traces(scope, filters, limit=_AT_ONCE_MAX).traces
        seen |= dict.fromkeys(row.trace_id for row in reversed(newest))
        for row in reversed(newest[:_FIRST]):
            _show(row, as_json=as_json)
        end = None if seconds is None else time.monotonic() + seconds
        wait = EVERY_SECONDS
        while end is None or time.monotonic() < end:
            left = wait if end is None else min(wait, end - time.monotonic())
            time.sleep(max(0.0, left))
            found = _look(scope, filters, cursor)
            # The cursor stays where it was, so that nothing is missed once the lake is back.
            wait = EVERY_SECONDS if found else min(wait * 2, _WAIT_SECONDS_MAX)
            if found is None:
                continue
            cursor = found.cursor
            for row in found.traces:
                if row.trace_id not in seen:
                    _show(row, as_json=as_json)
                seen[row.trace_id] = None
            if found.is_behind:
                note("More arrives than is shown; a narrower query shows all of it")
            for old in list(seen)[:-_SEEN_MAX]:
                del seen[old]


def _look(scope: "Scope", filters: "search.Filters", cursor: str) -> "search.Arrivals | None":
    from lineside.traces import search

    try:
        return search.arrivals(scope, filters, after=cursor, limit=_AT_ONCE_MAX)
    except Unavailable as error:
        note(f"{error.message}; trying again")
        return None


def _show(row: "search.TraceRow", *, as_json: bool) -> None:
    click.echo(row.model_dump_json() if as_json else trace_line(row))
    sys.stdout.flush()
