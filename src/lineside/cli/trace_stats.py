"""`lineside traces stats`: what many traces come to, or how one score fares over them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import note, print_json, print_table
from lineside.cli.place import scope_on_line
from lineside.cli.traces import count_said, labels_of, money_said, query_option, read_query

if TYPE_CHECKING:
    from lineside.traces import search


@click.command(
    "stats",
    cls=Spoken,
    examples=(
        "lineside traces stats",
        "lineside traces stats --by model -q 'since 7d'",
        "lineside traces stats --by attribute.customer.tier",
        "lineside traces stats --by release --score grounded",
    ),
)
@click.option(
    "--by",
    metavar="FIELD",
    default="use_case",
    show_default=True,
    help="use_case, release, model, service, arm, name, user, session or attribute.NAME. By model, "
    "single model steps are counted; else whole traces.",
)
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="Names shown."
)
@click.option(
    "--score", metavar="NAME", help="How this score fares instead, and how many traces carry it."
)
@query_option
@json_option
def stats(by: str, limit: int, score: str | None, query: str, as_json: bool) -> None:
    """Count traces, errors, latency, tokens and cost, with what share of the cost is known.

    With --score, each trace counts once: with the mean of its scores of that name, and with the
    label that it was given last.
    """
    from lineside.traces import search

    counted: Sequence[search.TraceFigures | search.scored.ScoredTraces]
    with scope_on_line() as scope:
        filters = read_query(scope, query)
        if score is None:
            counted = search.figures(scope, filters, by=by)
        else:
            counted = search.scored.score_stats(scope, filters, score=score, by=by)
        labels = labels_of(scope) if by == "release" else {}
    found = counted[:limit]
    if as_json:
        print_json(found)
        return
    if not found:
        note("No trace meets this")
        return
    names = [labels.get(one.name or "", one.name or _nothing(by)) for one in found]
    if score is None:
        _print_figures(by, names, [one for one in found if isinstance(one, search.TraceFigures)])
    else:
        scored = search.scored.ScoredTraces
        _print_scored(by, names, [one for one in found if isinstance(one, scored)])
    if len(counted) > limit:
        note(f"{len(counted) - limit:,} more; raise --limit to see them")


def _print_figures(by: str, names: Sequence[str], found: Sequence["search.TraceFigures"]) -> None:
    unit = "steps" if by == "model" else "traces"
    figures = ("errors", "p50 ms", "p95 ms", "p99 ms", "tokens in", "out", "cost", "cost known")
    print_table(
        (by.replace("_", " "), unit, *figures),
        [
            (
                name,
                f"{one.count:,}",
                f"{one.errors / one.count:.1%}",
                *(f"{ms:,.0f}" for ms in (one.latency_ms_p50, one.latency_ms_p95)),
                f"{one.latency_ms_p99:,.0f}",
                count_said(one.tokens_in),
                count_said(one.tokens_out),
                money_said(one.cost_usd),
                f"{one.cost_known:.0%}",
            )
            for name, one in zip(names, found, strict=True)
        ],
        numbers=(unit, *figures),
    )


def _print_scored(
    by: str, names: Sequence[str], found: Sequence["search.scored.ScoredTraces"]
) -> None:
    numbers = ("traces", "scored", "of all", "mean")
    print_table(
        (by.replace("_", " "), *numbers, "labels"),
        [
            (
                name,
                f"{one.traces:,}",
                f"{one.scored:,}",
                f"{one.scored / one.traces:.1%}",
                "–" if one.mean is None else f"{one.mean:.4g}",
                ", ".join(f"{label} {count:,}" for label, count in one.labels.items()),
            )
            for name, one in zip(names, found, strict=True)
        ],
        numbers=numbers,
    )


def _nothing(by: str) -> str:
    return "unclaimed" if by == "use_case" else "–"
