"""`lineside traces score` and `lineside traces scores`: what is said of steps and traces."""

from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import local_time, print_json, print_table, say, short
from lineside.cli.place import scope_on_line

if TYPE_CHECKING:
    from lineside.traces import scores

_ID_DIGITS = 12


@click.command(
    "score",
    cls=Spoken,
    examples=(
        "lineside traces score 4bf92f3577b3 --name grounded --value 0.8",
        "lineside traces score 4bf92f3577b3 --name tone --label rude --why 'No greeting'",
    ),
)
@click.argument("trace_id", metavar="TRACE_ID")
@click.option("--name", required=True, metavar="NAME", help="What is judged.")
@click.option("--value", type=float, metavar="NUMBER", help="Higher is better.")
@click.option("--label", metavar="WORD", help="The score in a word, such as pass.")
@click.option("--why", metavar="TEXT", help="The reason, in a sentence.")
@click.option("--span", "span_id", metavar="SPAN_ID", help="Only this step of the trace.")
@json_option
def give_score(
    trace_id: str,
    name: str,
    value: float | None,
    label: str | None,
    why: str | None,
    span_id: str | None,
    as_json: bool,
) -> None:
    """Score a trace, or one step of it. TRACE_ID may be the first digits of an id."""
    from lineside.traces import scores, search

    with scope_on_line() as scope:
        score = scores.TraceScore(
            name=name,
            value=value,
            label=label,
            explanation=why,
            source="person",
            by=scope.actor.name,
            trace_id=search.whole_id(scope, trace_id),
            span_id=span_id,
        )
        scores.record_scores(scope, [score]).result()
    if as_json:
        print_json(score)
    else:
        say(f"Scored {short(score.trace_id or '', characters=_ID_DIGITS)}: {_said(value, label)}")


@click.command(
    "scores",
    cls=Spoken,
    examples=(
        "lineside traces scores --trace 4bf92f3577b3",
        "lineside traces scores --use-case support-triage --by release",
    ),
)
@click.option("--trace", "trace_id", metavar="TRACE_ID", help="Only of this trace.")
@click.option("--session", "session_id", metavar="ID", help="Only of this session.")
@click.option("--use-case", metavar="NAME", help="Only of this use case.")
@click.option("--name", metavar="NAME", help="Only scores of this name.")
@click.option(
    "--by",
    type=click.Choice(
        ("release", "arm", "service", "use_case", "source", "user", "session", "day")
    ),
    help="Count and average the last 30 days instead of listing.",
)
@click.option(
    "--waiting",
    "only_waiting",
    is_flag=True,
    help="Only those whose step or trace is not here; after a day they are strays.",
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1_000))
@json_option
def list_given(
    trace_id: str | None,
    session_id: str | None,
    use_case: str | None,
    name: str | None,
    by: str | None,
    only_waiting: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List scores, newest first, or say how each fares by release, day or another group."""
    from lineside.core import Invalid
    from lineside.traces import scores, search

    if by is not None and (trace_id or session_id):
        raise Invalid(
            "by_of_one", "`--by` counts many traces", hint="Leave out --trace and --session."
        )
    if only_waiting and (by or trace_id or session_id or name):
        raise Invalid(
            "waiting_of_some",
            "`--waiting` lists all that waits",
            hint="Give it with --use-case and --limit alone.",
        )
    if only_waiting:
        _list_waiting(use_case, limit, as_json=as_json)
        return
    with scope_on_line() as scope:
        if by is not None:
            figures = scores.score_figures(
                scope,
                use_case=use_case,
                by=by,  # type: ignore[arg-type] # click lets only these through
                name=name,
            )
        else:
            found = scores.list_scores(
                scope,
                trace_id=search.whole_id(scope, trace_id) if trace_id else None,
                session_id=session_id,
                use_case=use_case,
                name=name,
                limit=limit,
            )
    if as_json:
        print_json(figures if by is not None else found)
    elif by is not None:
        _print_figures(figures, by)
    else:
        _print_scores(found)


def _print_figures(figures: "list[scores.ScoreFigures]", by: str) -> None:
    numbers = ("count", "mean", "median", "lowest", "highest")
    print_table(
        ("score", by.replace("_", " "), *numbers, "labels"),
        [
            (
                one.name,
                one.group or "not known",
                f"{one.count:,}",
                *(_number(getattr(one, field)) for field in numbers[1:]),
                ", ".join(f"{label} {count:,}" for label, count in one.labels.items()),
            )
            for one in figures
        ],
        numbers=numbers,
    )


def _print_scores(found: "list[scores.TraceScore]") -> None:
    print_table(
        ("when", "trace", "score", "value", "label", "by", "why"),
        [
            (
                local_time(one.at),
                (one.trace_id or one.session_id or "")[:_ID_DIGITS],
                one.name,
                _number(one.value),
                one.label or "",
                one.by or one.source,
                short(one.explanation or "", characters=60),
            )
            for one in found
        ],
        numbers=("value",),
    )


def _said(value: float | None, label: str | None) -> str:
    return ", ".join(filter(None, (_number(value), label)))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _list_waiting(use_case: str | None, limit: int, *, as_json: bool) -> None:
    from lineside.traces import scores

    with scope_on_line() as scope:
        found = scores.list_waiting(scope, use_case=use_case, limit=limit)
    if as_json:
        print_json(found)
        return
    if not found:
        say("No score waits for its step or trace")
        return
    print_table(
        ("given", "waits for", "score", "value", "label", "by", "stray"),
        [
            (
                local_time(one.at),
                _waited_for(one),
                one.name,
                _number(one.value),
                one.label or "",
                one.by or one.source,
                "yes" if scores.is_stray(one) else "",
            )
            for one in found
        ],
        numbers=("value",),
        whole=("waits for",),
    )


def _waited_for(score: "scores.TraceScore") -> str:
    named = ("trace", score.trace_id), ("step", score.span_id), ("answer", score.response_id)
    return next(f"{what} {of}" for what, of in named if of)
