"""`lineside traces views`: questions to the list of traces, under names of their own."""

from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Commands, json_option
from lineside.cli.output import local_time, note, print_json, print_table
from lineside.cli.place import scope_on_line

if TYPE_CHECKING:
    from lineside.traces import saved


@click.group(
    "views",
    cls=Commands,
    invoke_without_command=True,
    examples=(
        "lineside traces views",
        "lineside traces views save 'Slow refunds' -q 'latency_ms > 2000 and text ~ \"refund\"'",
        "lineside traces ls --view 'Slow refunds'",
    ),
)
@json_option
@click.pass_context
def views(context: click.Context, as_json: bool) -> None:
    """Saved views: your own and those of everybody, as the pages show them."""
    if context.invoked_subcommand is not None:
        return
    from lineside.traces import saved

    with scope_on_line() as scope:
        found = saved.list_views(scope)
    if as_json:
        print_json(found)
        return
    if not found:
        note("No view is saved; `lineside traces views save NAME -q QUERY` saves one")
        return
    print_table(
        ("view", "for", "asks", "saved by", "when"),
        [
            (
                view.name,
                "everybody" if view.is_shared else "you",
                _asked(view),
                view.saved_by,
                local_time(view.saved_at),
            )
            for view in found
        ],
        whole=("view",),
    )


@views.command(examples=("lineside traces views save Failed -q 'status = error' --shared",))
@click.argument("name")
@click.option("--query", "-q", default="", metavar="QUERY", help="What it asks.")
@click.option("--shared", "is_shared", is_flag=True, help="For everybody in the workspace.")
@json_option
def save(name: str, query: str, is_shared: bool, as_json: bool) -> None:
    """Keep a query under a name; a view of that name is replaced."""
    from lineside.traces import saved

    with scope_on_line() as scope:
        view = saved.save_view(scope, name, {"q": query}, is_shared=is_shared)
    if as_json:
        print_json(view)
    else:
        note(f"Saved the view `{view.name}`")


@views.command("rm", examples=("lineside traces views rm Failed",))
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Forget a view, given by its name or id; traces stay as they are."""
    from lineside.traces import saved

    with scope_on_line() as scope:
        view = saved.remove_view(scope, name)
    if as_json:
        print_json(view)
    else:
        note(f"Removed the view `{view.name}`")


def _asked(view: "saved.SavedView") -> str:
    fields = [f"{name}: {value}" for name, value in view.asked.items() if name != "q"]
    return "; ".join([*([view.asked["q"]] if view.asked.get("q") else []), *fields])
