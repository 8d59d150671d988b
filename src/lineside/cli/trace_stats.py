"""`lineside traces stats`: what many traces come to, or how one score fares over them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import note, print_json, print_table, say
from lineside.cli.place import scope_on_line
from lineside.cli.traces import count_said, labels_of, money_said, query_option, read_query

if TYPE_CHECKING:
    from lineside.traces import search

_FIGURES = ("errors", "p50 ms", "p95 ms", "p99 ms", "tokens in", "out", "cost", "cost known")
_SCORED = ("traces", "scored", "of all", "mean", "labels")


@click.command(
    "stats",
    cls=Spoken,
    examples=(
        "lineside traces stats",
        "lineside traces stats --by model -q 'since 7d'",
        "lineside traces stats --by team -q 'since 30d'",
        "lineside traces stats --by attribute.customer.tier",
        "lineside traces stats --by release --score grounded",
    ),
)
@click.option(
    "--by",
    metavar="FIELD",
    default="use_case",
    show_default=True,
    help="use_case, release, model, service, arm, name, user, session, key, team or "
    "attribute.NAME. By model, single model steps are counted; else whole traces.",
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

    counted: Sequence[search.TraceFigures] | Sequence[search.scored.ScoredTraces]
    headings: tuple[str, ...]
    with scope_on_line() as scope:
        filters = read_query(scope, query)
        labels = labels_of(scope) if by == "release" else {}
        if score is None:
            counted = figures = search.figures(scope, filters, by=by)
            headings = ("steps" if by == "model" else "traces", *_FIGURES)
            cells = [_figures_told(one) for one in figures[:limit]]
            first_tokens = [] if by != "model" else _first_tokens(figures[:limit])
        else:
            first_tokens = []
            counted = scored = search.scored.score_stats(scope, filters, score=score, by=by)
            headings = _SCORED
            cells = [_scored_told(one) for one in scored[:limit]]
    found = counted[:limit]
    if as_json:
        print_json(found)
        return
    if not found:
        note("No trace meets this")
        return
    names = [labels.get(one.name or "", one.name or _nothing(by)) for one in found]
    print_table(
        (by.replace("_", " "), *headings),
        [(name, *told) for name, told in zip(names, cells, strict=True)],
        numbers=tuple(one for one in headings if one != "labels"),
    )
    for line in first_tokens:
        say(line)
    if len(counted) > limit:
        note(f"{len(counted) - limit:,} more; raise --limit to see them")
    if any(one.field == "text" for one in filters.conditions):
        most = f"{search.WORDS_TRACES_MAX:,}"
        note(f"Where more than {most} traces hold the words, the newest {most} are looked at")


def _figures_told(one: "search.TraceFigures") -> tuple[str, ...]:
    return (
        f"{one.count:,}",
        f"{one.errors / one.count:.1%}",
        *(f"{ms:,.0f}" for ms in (one.latency_ms_p50, one.latency_ms_p95, one.latency_ms_p99)),
        count_said(one.tokens_in),
        count_said(one.tokens_out),
        money_said(one.cost_usd),
        f"{one.cost_known:.0%}",
    )


def _first_tokens(figures: Sequence["search.TraceFigures"]) -> list[str]:
    """How long models took to begin, in words; only streamed calls can tell."""
    return [
        f"Time to first token of {one.name or '–'}: {one.first_chunk_ms_p50:,.0f} ms p50, "
        f"reported by {one.first_chunk_known:.0%} of its steps"
        for one in figures
        if one.first_chunk_ms_p50 is not None
    ]


def _scored_told(one: "search.scored.ScoredTraces") -> tuple[str, ...]:
    return (
        f"{one.traces:,}",
        f"{one.scored:,}",
        f"{one.scored / one.traces:.1%}",
        "–" if one.mean is None else f"{one.mean:.4g}",
        ", ".join(f"{label} {count:,}" for label, count in one.labels.items()),
    )


def _nothing(by: str) -> str:
    return "unclaimed" if by == "use_case" else "–"
