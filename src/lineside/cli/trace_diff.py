"""`lineside traces diff`: two traces side by side in a terminal."""

from typing import TYPE_CHECKING, Any

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import note, print_json, print_table, say
from lineside.cli.place import scope_on_line

if TYPE_CHECKING:
    from lineside.traces import views

_SIGNS = {"same": "=", "changed": "≠", "added": "+", "removed": "-"}


@click.command(
    cls=Spoken,
    examples=(
        "lineside traces diff 4bf92f3577b3 a3ce929d0e0e",
        "lineside traces diff 4bf92f3577b3 a3ce929d0e0e --changes",
    ),
)
@click.argument("first", metavar="TRACE_ID")
@click.argument("second", metavar="TRACE_ID")
@click.option("--changes", is_flag=True, help="Only the steps that differ.")
@json_option
def diff(first: str, second: str, changes: bool, as_json: bool) -> None:
    """Show two traces step by step: what was added, removed or changed, and what it cost.

    Each TRACE_ID may be the first digits of an id. Steps are alike by kind, name and order.
    """
    from lineside.traces import search, views

    with scope_on_line() as scope:
        ids = [search.whole_id(scope, text) for text in (first, second)]
        found = views.diff_traces(scope, *ids)
    pairs = [
        (at, pair) for at, pair in enumerate(found.pairs) if not changes or pair.standing != "same"
    ]
    if as_json:
        print_json(_document(ids, found, pairs))
        return
    _print_figures(found)
    _print_pairs(pairs)
    for at, pair in pairs:
        for part in found.parts.get(at, ()):
            step = pair.right or pair.left
            say(f"\n{step.span.name if step else ''}, {part.part.replace('_', ' ')}:", style="bold")
            say("".join(_marked(piece) for piece in part.pieces))
    if any(found.parts.values()):
        note("[-only in the first-] {+only in the second+}")


def _print_figures(found: "views.TraceDiff") -> None:
    rows: list[tuple[str, Any, Any]] = [("duration ms", *found.duration_ms)]
    rows += [
        (name.replace("_", " "), getattr(found.paid[0], name), getattr(found.paid[1], name))
        for name in ("tokens_in", "tokens_out", "cost_usd")
    ]
    print_table(
        ("", "first", "second", "difference"),
        [
            (name, _figure(one), _figure(other), _difference(one, other))
            for name, one, other in rows
        ],
        numbers=("first", "second", "difference"),
    )
    counts = [f"{found.number_of(standing)} {standing}" for standing in _SIGNS]
    say("\n" + ", ".join(counts))


def _print_pairs(pairs: "list[tuple[int, views.StepPair]]") -> None:
    rows = []
    for _, pair in pairs:
        step = pair.right or pair.left
        if step is None:
            raise AssertionError("a pair has at least one side")
        ms = (pair.left and pair.left.span.duration_ms, pair.right and pair.right.span.duration_ms)
        name = "  " * min(pair.depth, 20) + step.span.name
        rows.append(
            (_SIGNS[pair.standing], name, step.span.kind, *map(_figure, ms), _difference(*ms))
        )
    if rows:
        numbers = ("first ms", "second ms", "difference")
        print_table(("", "step", "kind", *numbers), rows, numbers=numbers)


def _document(
    ids: list[str], found: "views.TraceDiff", pairs: "list[tuple[int, views.StepPair]]"
) -> dict[str, Any]:
    return {
        "first": {"trace_id": ids[0], "duration_ms": found.duration_ms[0]}
        | found.paid[0]._asdict(),
        "second": {"trace_id": ids[1], "duration_ms": found.duration_ms[1]}
        | found.paid[1]._asdict(),
        "counts": {standing: found.number_of(standing) for standing in _SIGNS},
        "pairs": [
            {
                "standing": pair.standing,
                "depth": pair.depth,
                "first": pair.left.span._asdict() if pair.left else None,
                "second": pair.right.span._asdict() if pair.right else None,
                "duration_ms": pair.duration_ms,
                "tokens": pair.tokens,
                "cost_usd": pair.cost_usd,
                "parts": [
                    {"part": part.part, "pieces": [piece._asdict() for piece in part.pieces]}
                    for part in found.parts.get(at, ())
                ],
            }
            for at, pair in pairs
        ],
    }


def _marked(piece: "views.TextPiece") -> str:
    if piece.standing == "same":
        return piece.text
    return f"{{+{piece.text}+}}" if piece.standing == "added" else f"[-{piece.text}-]"


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return (
        f"{value:,}"
        if isinstance(value, int)
        else f"{value:,.4g}"
        if value < 1
        else f"{value:,.1f}"
    )


def _difference(one: float | None, other: float | None) -> str:
    if one is None or other is None:
        return "–"
    return f"{other - one:+,}" if isinstance(other - one, int) else f"{other - one:+,.4g}"
