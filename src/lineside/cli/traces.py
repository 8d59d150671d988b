"""`lineside traces`: what happened, listed, searched, counted and exported."""

from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from lineside.cli.commands import Commands, Late, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say, short
from lineside.cli.place import scope_on_line
from lineside.cli.trace_diff import diff
from lineside.core import NotFound

if TYPE_CHECKING:
    from lineside.traces import Span, search
    from lineside.trust import Scope

_ID_DIGITS = 12
_EXPORTED = ("traces", "steps", "scores", "marks", "feedback")
_QUERY_HELP = "Only traces that meet this, such as `status = error and latency_ms > 2000`."

query_option = click.option("--query", "-q", default="", metavar="QUERY", help=_QUERY_HELP)
days_option = click.option(
    "--days",
    default=7.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True, max=366),
    help="How far back to look.",
)
use_case_option = click.option("--use-case", metavar="NAME", help="Only this use case.")


_IMPORT = Late(
    "Commands",
    "lineside.cli.traces_import:import_files",
    "Bring along what other products recorded",
)
_PEOPLE = {
    "sessions": Late("Commands", "lineside.cli.traces_sessions:session_list", "List sessions"),
    "session": Late("Commands", "lineside.cli.traces_sessions:session", "Show one session"),
    "users": Late("Commands", "lineside.cli.traces_sessions:user_list", "List users"),
}
_SHELF = {
    "unclaimed": Late(
        "Commands",
        "lineside.cli.traces_unclaimed:unclaimed_list",
        "List services that no use case has",
    ),
    "claim": Late(
        "Commands", "lineside.cli.traces_unclaimed:claim", "Give a service to a use case"
    ),
    "quality": Late(
        "Commands", "lineside.cli.traces_unclaimed:quality", "Show what spans leave out"
    ),
    "metrics": Late("Commands", "lineside.cli.trace_metrics:measured", "Show senders' own figures"),
}
_MARKS = {
    "tag": Late("Commands", "lineside.cli.traces_marks:tag_trace", "Put a tag on a trace"),
    "note": Late("Commands", "lineside.cli.traces_marks:note_on_trace", "Write a note on a trace"),
    "link": Late("Commands", "lineside.cli.traces_marks:link_trace", "Link a trace to a page"),
    "marks": Late("Commands", "lineside.cli.traces_marks:mark_list", "List tags, notes and links"),
}
_SCORE = Late("Commands", "lineside.cli.trace_scores:give_score", "Score a trace, or one step")
_SCORES = Late("Commands", "lineside.cli.trace_scores:list_given", "List scores, or average them")
_STATS = Late("Commands", "lineside.cli.trace_stats:stats", "Count what many traces come to")
_TAIL = Late("Commands", "lineside.cli.trace_tail:tail", "Show traces as they arrive")
_VIEWS = Late("Commands", "lineside.cli.trace_views:views", "Saved views: list, save, remove")


_ERASE = Late("Commands", "lineside.cli.traces_rewriting:erase", "Erase traces for good")
_REMAP = Late("Commands", "lineside.cli.traces_rewriting:remap", "Read history anew")


@click.group(
    cls=Commands,
    late={
        "import": _IMPORT,
        "stats": _STATS,
        "tail": _TAIL,
        "views": _VIEWS,
        "score": _SCORE,
        "scores": _SCORES,
        "erase": _ERASE,
        "remap": _REMAP,
    }
    | _PEOPLE
    | _SHELF
    | _MARKS,
    examples=(
        "lineside traces ls",
        "lineside traces ls -q 'use_case = unclaimed and text ~ \"refund\" and since 24h'",
        "lineside traces stats --by model",
    ),
)
def traces() -> None:
    """Traces: what happened, step by step.

    A query joins conditions by `and`: use_case (or `unclaimed`), release, arm, service, session,
    user, model, name, status, tool, agent, run, trace, tag take = != and ~ (contains); latency_ms,
    tokens_in, tokens_out, cost_usd, steps, errors take = != > >= < <=, and so does score.NAME,
    whose = and != take a label as well; text takes ~; since and until take 90m, 24h, 7d or a date.
    A status is ok, error (of the first step) or step_failed (any of them).
    """


traces.add_command(diff)


@traces.command(
    "ls",
    examples=(
        "lineside traces ls --limit 10",
        "lineside traces ls -q 'model = gpt-4o'",
        "lineside traces ls --view 'Slow refunds'",
    ),
)
@query_option
@click.option("--view", metavar="NAME", help="What a saved view asks, and the query beside.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500))
@click.option("--before", metavar="CURSOR", help="Go on where a page ended: its `older`.")
@json_option
def list_all(query: str, view: str | None, limit: int, before: str | None, as_json: bool) -> None:
    """List traces, newest first; test runs only where the query names a run."""
    from lineside.traces import saved, search

    with scope_on_line() as scope:
        filters = read_query(scope, query)
        if view is not None:
            asked = saved.find_view(scope, view).filters.named(labels_of(scope))
            filters = asked.narrowed(filters)
        page = search.list_traces(scope, filters, limit=limit, before=before)
    if as_json:
        print_json(page)
        return
    if not page.traces and not (query or view or before):
        note("There are no traces yet")
        note("hint: Send OpenTelemetry spans to `/v1/traces` of `lineside up`, or import a file")
        return
    _print_rows(page.traces)
    if page.older:
        note(f"There are older ones: --before '{page.older}'")


@traces.command("search", examples=('lineside traces search "money back"',))
@click.argument("text")
@query_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500))
@click.option("--before", metavar="CURSOR", help="Go on where a page ended: its `older`.")
@json_option
def search_text(text: str, query: str, limit: int, before: str | None, as_json: bool) -> None:
    """Find traces by words of their inputs, outputs and messages, whatever their case.

    Every word must be there; the last may be the beginning of one.
    """
    from lineside.traces import search

    with scope_on_line() as scope:
        filters = search.read_filters(query, text=text).named(labels_of(scope))
        page = search.list_traces(scope, filters, limit=limit, before=before)
    if as_json:
        print_json(page)
        return
    _print_rows(page.traces)
    if page.older:
        note(f"There are older ones: --before '{page.older}'")


@traces.command(
    examples=(
        "lineside traces show 4bf92f3577b3",
        "lineside traces show 4bf92f3577b3 --step 3",
        "lineside traces show 4bf92f3577b3 --as case >> cases.jsonl",
    )
)
@click.argument("trace_id", metavar="TRACE_ID")
@click.option("--step", "number", type=click.IntRange(min=1), help="Show this step whole.")
@click.option(
    "--as",
    "form",
    type=click.Choice(("curl", "case")),
    help="The call to make again, or a line of a dataset; of the first step unless --step. "
    "Where that says not what came in, the line is of the model's call.",
)
@json_option
def show(trace_id: str, number: int | None, form: str | None, as_json: bool) -> None:
    """Show the steps of a trace as a tree, or what one step was told and said.

    TRACE_ID may be the first digits of an id.
    """
    from lineside.traces import get_trace, list_feedback, scores, search, views

    with scope_on_line() as scope:
        steps = search.tree_of(get_trace(scope, whole := search.whole_id(scope, trace_id)))
        said = list_feedback(scope, trace_id=whole) if form == "case" else []
        given = scores.list_scores(scope, trace_id=whole)
    if not steps:
        raise NotFound("unknown_trace", f"No trace has the id `{trace_id[:64]}`")
    if number is not None and number > len(steps):
        hint = f"Leave out --step to see all {len(steps)}."
        raise NotFound("unknown_step", f"The trace has no step {number}", hint=hint)
    if form is not None:
        chosen = views.copied(steps) if form == "case" else steps[0].span
        span = steps[number - 1].span if number else chosen
        click.echo(views.as_case(span, said) if form == "case" else views.as_curl(span))
    elif as_json:
        wanted = steps if number is None else [steps[number - 1]]
        print_json([step.span for step in wanted])
    elif number is None:
        _print_tree(steps)
        for score in given:
            of = " of one step" if score.span_id else ""
            value = " ".join(str(one) for one in (score.value, score.label) if one is not None)
            say(f"Score {score.name}{of}: {value}, by {score.by or score.source}")
    else:
        _print_step(steps[number - 1].span)


@traces.command(
    examples=(
        "lineside traces export - -q 'since 24h' > day.jsonl",
        "lineside traces export all.jsonl --otlp",
    )
)
@click.argument("file", metavar="FILE|-", type=click.File("wb", lazy=True))
@query_option
@click.option("--otlp", is_flag=True, help="OTLP JSON, a trace a line, as collectors read it.")
@json_option
def export(file: IO[bytes], query: str, otlp: bool, as_json: bool) -> None:
    """Write traces, with what was said of them, as JSON Lines that an import reads; `-` is stdout.

    Each step is a line, and each score, tag, note, link and piece of feedback one after them. With
    --otlp, a trace is a line, several where it is long, and what was said of it a log record.
    """
    from lineside.traces import exports, search

    with scope_on_line() as scope:
        written = exports.Export(scope, form="otlp" if otlp else "lineside")
        found = search.spans_of(scope, read_query(scope, query), in_parts=True)
        file.writelines(written.lines(found))
    counts = {name: getattr(written, name) for name in _EXPORTED}
    if as_json and file.name != "-":
        print_json(counts | {"file": file.name})
        return
    always = ("traces", "steps")
    note(", ".join(f"{n:,} {name}" for name, n in counts.items() if n or name in always))


def read_query(scope: "Scope", query: str) -> "search.Filters":
    """What a query line asks, in which a release may be called by its label."""
    from lineside.traces import search

    return search.parse_query(query).named(labels_of(scope))


def labels_of(scope: "Scope") -> dict[str, str]:
    """What people call each release, by its id."""
    from lineside.apps import list_releases

    return {release.id: release.label for release in list_releases(scope)}


def _print_rows(rows: Sequence["search.TraceRow"]) -> None:
    if not rows:
        note("No trace meets this")
        return
    numbers = ("ms", "steps", "errors", "tokens", "cost")
    print_table(
        ("trace", "when", "use case", "name", *numbers, "input"),
        [
            (
                row.trace_id[:_ID_DIGITS],
                local_time(row.started_at),
                row.use_case or "unclaimed",
                short(row.name, characters=24) + ("" if row.status == "ok" else " (error)"),
                f"{row.duration_ms:,.0f}",
                f"{row.steps:,}",
                f"{row.errors:,}" if row.errors else "",
                count_said(_tokens(row.tokens_in, row.tokens_out)),
                money_said(row.cost_usd) + (" +" if 0 < row.cost_known < 1 else ""),
                short(row.input, characters=48) if row.input else "",
            )
            for row in rows
        ],
        numbers=numbers,
        whole=("trace", "when"),
    )


def trace_line(row: "search.TraceRow") -> str:
    """A trace in one line, as it is shown while one waits for more."""
    at = row.started_at.astimezone().strftime("%H:%M:%S")
    state = "ok   " if row.status == "ok" else "error"
    words = short(row.input, characters=60) if row.input else ""
    name = f"{row.use_case or 'unclaimed'}/{row.name}"
    return (
        f"{at}  {row.trace_id[:_ID_DIGITS]}  {state}  {row.duration_ms:>8,.0f} ms  {name}  {words}"
    )


def _print_tree(steps: Sequence["search.Step[Span]"]) -> None:
    first = steps[0].span
    say(f"{first.name}: {first.trace_id}", style="bold")
    words = [first.use_case or "unclaimed", first.service, local_time(first.started_at)]
    say("; ".join(word for word in words if word))
    say()
    numbers = ("ms", "tokens in", "out")
    print_table(
        ("step", "", "kind", *numbers, "model", "error"),
        [
            (
                step.number,
                "  " * min(step.depth, 20) + step.span.name + (" *" if step.is_longest else ""),
                step.span.kind,
                f"{step.span.duration_ms:,.1f}",
                count_said(step.span.tokens_in),
                count_said(step.span.tokens_out),
                step.span.model or "",
                (step.span.error or "error") if step.span.status == "error" else "",
            )
            for step in steps
        ],
        numbers=("step", *numbers),
    )
    note("* the path that the end waited for; --step N shows what a step was told and said")


def _print_step(span: "Span") -> None:
    say(f"{span.name} ({span.kind}), {span.duration_ms:,.1f} ms", style="bold")
    if span.error:
        say(f"error: {span.error}")
    for title, payload in (("Input", span.input), ("Output", span.output)):
        messages = span.messages_in if title == "Input" else span.messages_out
        for message in messages or ():
            say(f"\n{message.role}:", style="bold")
            for part in message.parts:
                say(_part_text(part))
        if payload is not None and not messages:
            say(f"\n{title}:", style="bold")
            say(payload if isinstance(payload, str) else short(payload, characters=10_000))


def _part_text(part: Mapping[str, Any]) -> str:
    """A part of a message as one reads it in a terminal."""
    if part.get("type") in ("text", "reasoning"):
        return str(part.get("content", ""))
    if part.get("type") == "tool_call":
        return f"→ {part.get('name')}({short(part.get('arguments'), characters=2_000)})"
    if part.get("type") == "tool_result":
        return f"← {short(part.get('result'), characters=2_000)}"
    return short(dict(part), characters=500)


def _tokens(tokens_in: int | None, tokens_out: int | None) -> int | None:
    known = [count for count in (tokens_in, tokens_out) if count is not None]
    return sum(known) if known else None


def count_said(value: int | None) -> str:
    """A count as a table shows it."""
    return "–" if value is None else f"{value:,}"


def money_said(cost_usd: float | None) -> str:
    """A cost as a table shows it."""
    return "unknown" if cost_usd is None else f"${cost_usd:,.4f}"
