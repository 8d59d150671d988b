"""`lineside traces metrics`: what programs measured of their model calls themselves."""

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import print_json, print_table, say
from lineside.cli.place import scope_on_line
from lineside.cli.traces import days_option, use_case_option

_FIGURES = ("mean", "p50", "p95", "p99")


@click.command(
    "metrics",
    cls=Spoken,
    examples=("lineside traces metrics", "lineside traces metrics --days 30 --json"),
)
@use_case_option
@days_option
@json_option
def measured(use_case: str | None, days: float, as_json: bool) -> None:
    """Show the histograms that programs sent of their model calls, in the programs' own units."""
    from lineside.traces import metrics

    with scope_on_line() as scope:
        found = metrics.client_histograms(scope, use_case=use_case, hours=days * 24)
    if as_json:
        print_json(found)
    elif not found:
        say(f"No program sent a measurement of its own in the last {days:g} days")
    else:
        print_table(
            ("measured", "service", "of", "count", *_FIGURES, "unit"),
            [
                (
                    one.name.removeprefix("gen_ai.client."),
                    one.service or "not named",
                    " ".join(filter(None, (one.operation, one.model, one.token_type))),
                    f"{one.count:,}",
                    *(_number(getattr(one, field)) for field in _FIGURES),
                    one.unit,
                )
                for one in found
            ],
            numbers=("count", *_FIGURES),
        )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}"
