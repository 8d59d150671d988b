"""`lineside privacy`: what is masked before it is kept, and how long traces are kept."""

import click

from lineside.cli.commands import Commands, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say
from lineside.cli.place import scope_here
from lineside.core import Invalid

_KINDS = {"built_in": "comes with lineside", "pattern": "pattern", "field": "field"}


@click.group(
    cls=Commands,
    examples=(
        "lineside privacy mask email",
        "lineside privacy mask badge --pattern 'E[0-9]{6}'",
        "lineside privacy retain support-triage --days 90",
    ),
)
def privacy() -> None:
    """What is masked before it is kept, and how long traces are kept."""


@privacy.command(examples=("lineside privacy rules", "lineside privacy rules --json"))
@json_option
def rules(as_json: bool) -> None:
    """Show what is masked, what could be, and what is not kept for ever."""
    from lineside.traces import privacy as masking
    from lineside.traces import rewriting

    with scope_here() as scope:
        found = masking.list_rules(scope)
        kept = rewriting.list_retentions(scope)
    if as_json:
        print_json({"masked": found, "retained": kept})
        return
    if found:
        print_table(
            ("masked", "by", "what", "set by", "when"),
            [
                (one.name, _KINDS[one.kind], one.pattern, one.set_by, local_time(one.set_at))
                for one in found
            ],
            whole=("masked",),
        )
    else:
        note("Nothing is masked")
    there = {one.pattern for one in found if one.kind == "built_in"}
    unused = [name for name in masking.built_in_patterns() if name not in there]
    if unused:
        note(f"Patterns that come with lineside, for `lineside privacy mask`: {', '.join(unused)}")
    if kept:
        click.echo()
        print_table(
            ("use case", "days kept", "set by", "when"),
            [
                (one.use_case or "unclaimed", one.days, one.set_by, local_time(one.set_at))
                for one in kept
            ],
            numbers=("days kept",),
            whole=("use case",),
        )
    else:
        note("All traces are kept for ever")


@privacy.command(
    examples=(
        "lineside privacy mask email",
        "lineside privacy mask badge --pattern 'E[0-9]{6}'",
        "lineside privacy mask secret --field '*password*'",
    )
)
@click.argument("name")
@click.option("--pattern", metavar="REGEX", help="What to look for in every text, as RE2 reads it.")
@click.option("--field", metavar="GLOB", help="Attributes and keys in JSON by their names.")
@json_option
def mask(name: str, pattern: str | None, field: str | None, as_json: bool) -> None:
    """Have something masked in all that arrives from now on: `[masked:NAME]` is kept of it.

    NAME alone is a pattern that comes with lineside: email, card, iban, phone, ip or api_key.
    """
    from lineside.traces import privacy as masking

    with scope_here() as scope:
        rule = masking.mask(scope, name, pattern=pattern, field=field)
    if as_json:
        print_json(rule)
        return
    say(f"What arrives from now on is kept with {rule.mark} in place of it")
    note("What is kept already stays as it is; a running server follows within a second")


@privacy.command(examples=("lineside privacy unmask badge",))
@click.argument("name")
@json_option
def unmask(name: str, as_json: bool) -> None:
    """Keep something as it comes again; what was masked cannot be brought back."""
    from lineside.traces import privacy as masking

    with scope_here() as scope:
        rule = masking.unmask(scope, name)
    if as_json:
        print_json(rule)
        return
    say(f"`{rule.name}` is masked no longer")


@privacy.command("try", examples=("lineside privacy try 'write to jane@example.com'",))
@click.argument("text")
@json_option
def try_text(text: str, as_json: bool) -> None:
    """Show what would be kept of a TEXT."""
    from lineside.traces import privacy as masking

    with scope_here() as scope:
        kept = masking.try_rules(scope, text)
    if as_json:
        print_json({"kept": kept})
        return
    click.echo(kept)


@privacy.command(
    examples=(
        "lineside privacy retain support-triage --days 90",
        "lineside privacy retain --unclaimed --days 14",
        "lineside privacy retain support-triage --forever",
    )
)
@click.argument("use_case", metavar="[USE_CASE]", required=False)
@click.option("--unclaimed", is_flag=True, help="Traces that no use case has claimed.")
@click.option("--days", type=click.IntRange(1), help="Days after that of a trace's last step.")
@click.option("--forever", is_flag=True, help="Keep them for ever, as at first.")
@json_option
def retain(
    use_case: str | None, unclaimed: bool, days: int | None, forever: bool, as_json: bool
) -> None:
    """Say how long traces of a use case are kept; older ones are deleted for good."""
    from lineside.traces import rewriting

    if (use_case is None) != unclaimed:
        raise Invalid("name_a_use_case", "Name a use case, or give --unclaimed")
    if (days is None) != forever:
        raise Invalid("name_the_days", "Give either --days or --forever")
    with scope_here() as scope:
        rewriting.retain(scope, use_case, days=days)
    if as_json:
        print_json({"use_case": use_case, "days": days})
        return
    whose = f"Traces of `{use_case}`" if use_case else "Unclaimed traces"
    say(f"{whose} are kept " + ("for ever" if days is None else f"for {days:,} days"))
    if days is not None:
        note("Older ones are deleted by a running server, or by `lineside privacy apply`")


@privacy.command(examples=("lineside privacy apply",))
@json_option
def apply(as_json: bool) -> None:
    """Delete what is older than it is to be kept, now; a running server does so by itself."""
    from lineside.gateway import cache, stored
    from lineside.traces import open_traces, rewriting

    with scope_here() as scope:
        open_traces(scope.store)
        cache.keep_in_order(scope.store)
        stored.keep_in_order(scope.store)
        scope.store.flusher.flush()
        expired = rewriting.apply_retention(scope)
    if as_json:
        print_json(expired)
        return
    for one in expired:
        whose = f"`{one.use_case}`" if one.use_case else "no use case"
        more = f", and {one.beside:,} scores and records of no trace" if one.beside else ""
        say(f"{one.traces:,} traces of {whose} with {one.steps:,} steps are gone{more}")
    if not expired:
        say("Nothing is older than it is to be kept")
