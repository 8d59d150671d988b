"""`lineside prices`: what models cost, and who says so."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Commands, Decorated, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say
from lineside.cli.place import scope_here

if TYPE_CHECKING:
    from lineside.traces import prices as pricing

_LISTED_MAX = 40
_LISTED = ("input", "cached", "written", "output")
_COLUMNS = (*_LISTED, "reasoning")
_UNIT = "In US dollars per million tokens; cached and written: read from and put into the cache"
_DAY = click.DateTime(formats=("%Y-%m-%d",))


def _dollars(name: str, meaning: str) -> Callable[[Decorated], Decorated]:
    return click.option(name, type=click.FloatRange(min=0), metavar="USD", help=meaning)


provider_option = click.option(
    "--provider", metavar="NAME", help="Only calls to this provider, such as `openai`."
)


@click.group(
    cls=Commands,
    examples=(
        "lineside prices ls gpt-4o",
        "lineside prices set my-model --input 0.5 --output 1.5",
        "lineside prices show claude-sonnet-4-5 --at 2026-01-31",
    ),
)
def prices() -> None:
    """What models cost: prices of your own, and a base table that comes with lineside.

    An own price wins over the base table. A cost that nobody knows is unknown, never 0.
    """


@prices.command("ls", examples=("lineside prices ls", "lineside prices ls openai gpt-5"))
@click.argument("words", nargs=-1, metavar="[MODEL]...")
@json_option
def list_all(words: tuple[str, ...], as_json: bool) -> None:
    """List own prices; with part of a MODEL's name, also those of the base table."""
    from lineside.traces import prices as pricing

    with scope_here() as scope:
        found = pricing.find_prices(scope, " ".join(words), limit=_LISTED_MAX)
    if as_json:
        print_json(found)
        return
    if found.own:
        print_table(
            ("own prices", "provider", *_LISTED, "from", "id"),
            [
                (
                    one.model,
                    one.provider or "any",
                    *_shown(one.rates)[: len(_LISTED)],
                    f"{one.valid_from}" + (f" to {one.valid_to}" if one.valid_to else ""),
                    one.id,
                )
                for one in found.own
            ],
            numbers=_LISTED,
            whole=("provider", "id", "from"),
        )
    if found.own and found.listed:
        click.echo()
    if found.listed:
        print_table(
            ("base table", "provider", *_LISTED),
            [
                (_named(one, step), one.provider, *_shown(step.rates)[: len(_LISTED)])
                for one in found.listed
                for step in one.steps
            ],
            numbers=_LISTED,
            whole=("base table",),
        )
    if found.own or found.listed:
        note(_UNIT)
    elif words:
        note(f"No price has `{' '.join(words)}` in its name")
    else:
        note("No own prices yet: `lineside prices set MODEL --input USD --output USD`")
    if found.has_more:
        note(f"The base table has more than these {_LISTED_MAX}; name the model more closely")
    base = found.base
    note(
        f"Base table: {base.source}, {base.models:,} models of {base.providers} providers, "
        f"newest change {base.newest_change}"
        + ("" if words else "; `lineside prices ls gpt-4o` looks into it")
    )


@prices.command(
    "set",
    examples=(
        "lineside prices set my-model --input 0.5 --output 1.5",
        "lineside prices set 'gpt-4o*' --provider openai --input 2 --output 8 --from 2026-01-01",
    ),
)
@click.argument("model")
@_dollars("--input", "For a million tokens read.")
@_dollars("--output", "For a million tokens written; left out where it writes none.")
@_dollars("--cached", "For a million tokens read from the provider's cache; as --input else.")
@_dollars("--cache-write", "For a million tokens written into that cache; as --input else.")
@_dollars("--reasoning", "For a million tokens spent on thinking; as --output else.")
@_dollars("--request", "For each request, on top.")
@provider_option
@click.option("--from", "valid_from", type=_DAY, help="First day, in UTC; today unless given.")
@click.option("--to", "valid_to", type=_DAY, help="Last day, in UTC.")
@json_option
def set_one(
    model: str,
    input: float | None,  # noqa: A002 # the name of its option
    output: float | None,
    cached: float | None,
    cache_write: float | None,
    reasoning: float | None,
    request: float | None,
    provider: str | None,
    valid_from: datetime | None,
    valid_to: datetime | None,
    as_json: bool,
) -> None:
    """Say what a MODEL costs, in US dollars; `*` in its name stands for any letters."""
    from lineside.traces import prices as pricing

    rates = pricing.Rates(
        input=input,
        output=output,
        cached=cached,
        cache_write=cache_write,
        reasoning=reasoning,
        request_usd=request or 0.0,
    )
    with scope_here() as scope:
        own = pricing.set_price(
            scope,
            model,
            rates=rates,
            provider=provider,
            valid_from=valid_from.date() if valid_from else None,
            valid_to=valid_to.date() if valid_to else None,
        )
    if as_json:
        print_json(own)
        return
    seller = f" at {own.provider}" if own.provider else ""
    say(f"`{own.model}`{seller} costs this from {own.valid_from} on ({own.id})")
    note("Costs already written down stay; `lineside traces remap --all` works them out anew")


@prices.command(examples=("lineside prices remove price_01k3abcdefghjkmnpqrstvwxyz",))
@click.argument("price_id", metavar="ID")
@json_option
def remove(price_id: str, as_json: bool) -> None:
    """Take an own price back; the other prices count again."""
    from lineside.traces import prices as pricing

    with scope_here() as scope:
        own = pricing.remove_price(scope, price_id)
    if as_json:
        print_json(own)
        return
    say(f"Removed the own price of `{own.model}` from {own.valid_from}")


@prices.command(
    examples=("lineside prices show gpt-4o", "lineside prices show gpt-4o --at 2026-01-31 --json")
)
@click.argument("model")
@provider_option
@click.option("--at", type=_DAY, help="The price on this day, at its start in UTC; else now.")
@json_option
def show(model: str, provider: str | None, at: datetime | None, as_json: bool) -> int:
    """Show the one price that counts for a call to MODEL, or why nobody knows it."""
    from lineside.traces import prices as pricing

    with scope_here() as scope:
        moment = at.replace(tzinfo=UTC) if at else None
        found = pricing.quote(scope, model, provider=provider, at=moment)
    if as_json:
        print_json(found)
    elif found.reason:
        say(f"Unknown: {found.why}")
        note("hint: " + _way_out(found))
    else:
        print_table(
            ("tokens read", *_COLUMNS, "a request"),
            [
                (
                    f"above {step.above_tokens_in:,}" if step.above_tokens_in else "any",
                    *_shown(step.rates),
                    f"{step.rates.request_usd:g}",
                )
                for step in found.steps
            ],
            numbers=(*_COLUMNS, "a request"),
        )
        note(f"{_UNIT}, at {local_time(found.at)}; listed as `{found.listed_as}`: {found.source}")
    return 1 if found.reason else 0


def _way_out(found: "pricing.Quote") -> str:
    if found.reason == "ambiguous_provider":
        return "Name the provider, as in `--provider groq`."
    return f"Set it yourself: `lineside prices set {found.model} --input USD --output USD`."


def _named(one: "pricing.Quote", step: "pricing.PriceStep") -> str:
    above = f" (above {step.above_tokens_in:,} read)" if step.above_tokens_in else ""
    return one.model + above


def _shown(rates: "pricing.Rates") -> list[str]:
    """The figures of a price; one that is not said is the one that stands for it."""
    told = (
        rates.input,
        rates.input if rates.cached is None else rates.cached,
        rates.input if rates.cache_write is None else rates.cache_write,
        rates.output,
        rates.output if rates.reasoning is None else rates.reasoning,
    )
    return ["–" if dollars is None else f"{dollars:g}" for dollars in told]
