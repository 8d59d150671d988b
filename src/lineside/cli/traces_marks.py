"""`lineside traces tag`, `note`, `link` and `marks`: what people put on traces."""

from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import local_time, print_json, print_table, say
from lineside.cli.place import scope_on_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineside.traces import marks as _marks
    from lineside.trust import Scope

_trace_argument = click.argument("trace_id", metavar="TRACE")


@click.command("tag", cls=Spoken, examples=("lineside traces tag 4bf92f3577b3 wrong-refund",))
@_trace_argument
@click.argument("tag", metavar="TAG")
@json_option
def tag_trace(trace_id: str, tag: str, as_json: bool) -> None:
    """Put a tag on a trace; TRACE may be the first digits of an id."""
    from lineside.traces import marks

    _put(trace_id, lambda scope, whole: marks.tag_trace(scope, whole, tag), as_json)


@click.command(
    "note", cls=Spoken, examples=('lineside traces note 4bf92f3577b3 "Asked twice, see the tool"',)
)
@_trace_argument
@click.argument("text", metavar="TEXT")
@json_option
def note_on_trace(trace_id: str, text: str, as_json: bool) -> None:
    """Write a note on a trace; TRACE may be the first digits of an id."""
    from lineside.traces import marks

    _put(trace_id, lambda scope, whole: marks.note_on_trace(scope, whole, text), as_json)


@click.command(
    "link",
    cls=Spoken,
    examples=("lineside traces link 4bf92f3577b3 https://tickets.example/SHOP-17",),
)
@_trace_argument
@click.argument("address", metavar="ADDRESS")
@click.option("--title", default="", metavar="TEXT", help="What the link is called.")
@json_option
def link_trace(trace_id: str, address: str, title: str, as_json: bool) -> None:
    """Link a trace to a page elsewhere; TRACE may be the first digits of an id."""
    from lineside.traces import marks

    _put(
        trace_id, lambda scope, whole: marks.link_trace(scope, whole, address, title=title), as_json
    )


@click.command(
    "marks",
    cls=Spoken,
    examples=("lineside traces marks 4bf92f3577b3", "lineside traces marks --tag wrong-refund"),
)
@click.argument("trace_id", metavar="[TRACE]", required=False)
@click.option("--tag", metavar="TAG", help="The traces that have this tag.")
@click.option("--remove", "mark_id", metavar="ID", help="Take this mark off TRACE.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@json_option
def mark_list(
    trace_id: str | None, tag: str | None, mark_id: str | None, limit: int, as_json: bool
) -> None:
    """List tags, notes and links: of one trace, or those put on traces lately."""
    from lineside.traces import marks, search

    if trace_id is None and mark_id is not None:
        raise click.UsageError("--remove needs the TRACE that has the mark")
    with scope_on_line() as scope:
        if trace_id is None:
            found = marks.list_marks(scope, tag=tag, limit=limit)
        else:
            whole = search.whole_id(scope, trace_id)
            if mark_id is not None:
                found = [marks.remove_mark(scope, whole, mark_id)]
            else:
                found = marks.marks_on(scope, whole)
    if as_json:
        print_json(found)
    elif mark_id is not None:
        say(f"Taken off: {found[0].kind} “{found[0].text}”")
    elif found:
        _print(found)
    else:
        say("Nothing is marked here")


def _put(trace_id: str, put: "Callable[[Scope, str], _marks.TraceMark]", as_json: bool) -> None:
    from lineside.traces import search

    with scope_on_line() as scope:
        mark = put(scope, search.whole_id(scope, trace_id))
    if as_json:
        print_json(mark)
    else:
        say(f"✓ {mark.kind.capitalize()} on trace {mark.trace_id[:12]}: {mark.text}")


def _print(found: "list[_marks.TraceMark]") -> None:
    columns = ("When", "Trace", "Kind", "Text", "By", "Id")
    rows = [
        (
            local_time(mark.made_at),
            mark.trace_id[:12],
            mark.kind,
            mark.text if mark.address in (None, mark.text) else f"{mark.text} {mark.address}",
            mark.made_by,
            mark.id,
        )
        for mark in found
    ]
    print_table(columns, rows, whole=("Id",))
