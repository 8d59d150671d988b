"""`lineside webhooks`: who is told of what is decided, and what came of telling them."""

import asyncio
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Commands, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say
from lineside.cli.place import scope_here

if TYPE_CHECKING:
    from lineside.trust import webhooks as hooking

_FAILED = 1


@click.group(
    cls=Commands,
    examples=(
        "lineside webhooks add https://hooks.example.com/lineside --on verdict,rollout,budget",
        "lineside webhooks test hook_01k3abcdefghjkmnpqrstvwxyz",
        "lineside webhooks deliveries",
    ),
)
def webhooks() -> None:
    """Tell other programs of what is decided: verdicts, rollouts, budgets, alerts.

    Messages are signed as Standard Webhooks has it, lie ready from the moment of what they tell of,
    and are sent again for days until they are taken. The running server sends them.
    """


@webhooks.command(
    examples=(
        "lineside webhooks add https://hooks.example.com/lineside --on verdict,rollout",
        "lineside webhooks add https://hooks.example.com/x --on release.refused --use-case triage",
    )
)
@click.argument("url")
@click.option(
    "--on",
    "events",
    required=True,
    metavar="EVENTS",
    help="By commas: verdict, rollout, budget, alert, a kind such as `release.refused`, or `*`.",
)
@click.option("--use-case", metavar="NAME", help="Only of this use case.")
@json_option
def add(url: str, events: str, use_case: str | None, as_json: bool) -> None:
    """Have an address told of events; its secret is shown once."""
    from lineside.trust import webhooks as hooking

    wanted = [word.strip() for word in events.split(",") if word.strip()]
    with scope_here() as scope:
        added, secret = hooking.add_webhook(scope, url, wanted, use_case=use_case)
    if as_json:
        print_json({"webhook": added, "secret": secret})
        return
    say(f"{added.id} is told of {', '.join(added.events)}")
    say(f"Its secret, shown only now: {secret}")
    note(f"See whether it gets through: `lineside webhooks test {added.id}`")


@webhooks.command("ls", examples=("lineside webhooks ls", "lineside webhooks ls --json"))
@json_option
def list_all(as_json: bool) -> None:
    """List webhooks, with how each stands."""
    from lineside.trust import webhooks as hooking

    with scope_here() as scope:
        found = hooking.list_webhooks(scope)
    if as_json:
        print_json(found)
    elif found:
        print_table(
            ("webhook", "address", "told of", "use case", "state"),
            [
                (one.id, one.url, ", ".join(one.events), one.use_case or "all", _state(one))
                for one in found
            ],
            whole=("webhook",),
        )
    else:
        note("No webhooks yet: `lineside webhooks add https://… --on verdict,rollout`")


@webhooks.command(examples=("lineside webhooks rm hook_01k3abcdefghjkmnpqrstvwxyz",))
@click.argument("webhook_id", metavar="ID")
@json_option
def rm(webhook_id: str, as_json: bool) -> None:
    """Tell it nothing more; what it was not told yet is dropped."""
    from lineside.trust import webhooks as hooking

    with scope_here() as scope:
        removed = hooking.remove_webhook(scope, webhook_id)
    if as_json:
        print_json(removed)
    else:
        say(f"Removed {removed.id}, which led to {removed.url}")


@webhooks.command(examples=("lineside webhooks enable hook_01k3abcdefghjkmnpqrstvwxyz",))
@click.argument("webhook_id", metavar="ID")
@json_option
def enable(webhook_id: str, as_json: bool) -> None:
    """Tell one again that was given up after days of failures."""
    from lineside.trust import webhooks as hooking

    with scope_here() as scope:
        enabled = hooking.enable_webhook(scope, webhook_id)
    if as_json:
        print_json(enabled)
    else:
        say(f"{enabled.id} is told again; what waited for it goes out now")


@webhooks.command(examples=("lineside webhooks test hook_01k3abcdefghjkmnpqrstvwxyz",))
@click.argument("webhook_id", metavar="ID")
@json_option
def test(webhook_id: str, as_json: bool) -> int:
    """Send a test message now, and say what came of it."""
    from lineside.trust import webhooks as hooking

    with scope_here() as scope:
        sent = asyncio.run(hooking.send_test(scope, webhook_id))
    if as_json:
        print_json(sent)
    else:
        say(f"{sent.status}: {sent.said}")
    return 0 if sent.status == "delivered" else _FAILED


@webhooks.command(
    examples=(
        "lineside webhooks deliveries",
        "lineside webhooks deliveries --status failed",
    )
)
@click.option("--webhook", "webhook_id", metavar="ID", help="Only to this one.")
@click.option("--status", type=click.Choice(("waiting", "delivered", "failed")))
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@json_option
def deliveries(webhook_id: str | None, status: str | None, limit: int, as_json: bool) -> None:
    """List the last messages and what came of each."""
    from lineside.trust import webhooks as hooking

    with scope_here() as scope:
        found = hooking.list_deliveries(scope, webhook_id=webhook_id, status=status, limit=limit)
    if as_json:
        print_json(found)
    elif found:
        _print(found)
    else:
        note("No messages so far")


@webhooks.command(examples=("lineside webhooks redeliver msg_01k3abcdefghjkmnpqrstvwxyz",))
@click.argument("message_id", metavar="MESSAGE")
@click.option("--webhook", "webhook_id", metavar="ID", help="Only to this one.")
@json_option
def redeliver(message_id: str, webhook_id: str | None, as_json: bool) -> None:
    """Have a message sent again, under its old id."""
    from lineside.trust import webhooks as hooking

    with scope_here() as scope:
        found = hooking.redeliver(scope, message_id, webhook_id=webhook_id)
    if as_json:
        print_json(found)
    else:
        _print(found)
        note("The running server sends it now")


def _print(found: "list[hooking.Delivery]") -> None:
    print_table(
        ("message", "when", "event", "state", "tries", "the last said"),
        [
            (
                *(one.id, local_time(one.created_at), one.type, one.status),
                *(one.attempts, one.said or "–"),
            )
            for one in found
        ],
        numbers=("tries",),
        whole=("message", "state"),
    )


def _state(one: "hooking.Webhook") -> str:
    if one.disabled_at is not None:
        return f"disabled: {one.disabled_why}"
    return f"failing since {local_time(one.failing_since)}" if one.failing_since else "on"
