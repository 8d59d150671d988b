"""`lineside evals`: what was judged, and how it compares."""

from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Commands, json_option
from lineside.cli.evals_run import print_attempts, print_spent
from lineside.cli.evals_run import run as run_command
from lineside.cli.output import local_time, note, print_json, print_table, say
from lineside.cli.place import scope_here
from lineside.cli.run_named import require_judged, run_named
from lineside.cli.verdicts import amount, interval, print_scores, print_slices, print_wrong

if TYPE_CHECKING:
    from lineside.evals import Comparison, Run

_CHANGED_MAX = 10


@click.group(cls=Commands, examples=("lineside evals ls", "lineside evals show latest"))
def evals() -> None:
    """Runs: one dataset judged once by one candidate."""


evals.add_command(run_command, "run")


@evals.command("ls", examples=("lineside evals ls", "lineside evals ls --use-case my-case"))
@click.option("--use-case", help="Only runs of this one.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@json_option
def list_all(use_case: str | None, limit: int, as_json: bool) -> None:
    """List runs, newest first."""
    from lineside.apps import naming
    from lineside.evals import list_runs

    with scope_here() as scope:
        if use_case is not None:
            require_judged(scope, use_case)
        runs = list_runs(scope, use_case=use_case, limit=limit)
        called = naming.name_subjects(scope, use_case, runs)
    if as_json:
        print_json(runs)
        return
    if not runs:
        note("No runs yet. Make one: `lineside test my-case`")
        return
    print_table(
        ("use case", "candidate", "dataset", "when", "cases", "run"),
        [
            (
                run.use_case,
                called[run.subject],
                run.dataset_name,
                local_time(run.started_at),
                f"{run.cases_done:,} of {run.cases_total:,}"
                + ("" if run.status == "done" else f", {run.status}")
                + (f", {run.cases_failed:,} failed" if run.cases_failed else ""),
                run.id,
            )
            for run in runs
        ],
        numbers=("cases",),
        whole=("run",),
    )


@evals.command(examples=("lineside evals show latest", "lineside evals show latest --only failed"))
@click.argument("run_id", metavar="RUN")
@click.option(
    "--only",
    type=click.Choice(("wrong", "failed", "all")),
    default="wrong",
    show_default=True,
    help="Which cases to list.",
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@json_option
def show(run_id: str, only: str, limit: int, as_json: bool) -> None:
    """Show one run: every score with its interval, the slices, the cases that went wrong.

    RUN is an id, or `latest`.
    """
    from lineside.evals import results_of, running, summarise

    with scope_here() as scope:
        run = run_named(scope, run_id)
        summary = summarise(scope, run)
        gate = running.own_verdict(scope, run)
        results = {
            "wrong": lambda: results_of(scope, run.id, only="wrong", limit=limit),
            "failed": lambda: results_of(scope, run.id, only="failed", limit=limit),
            "all": lambda: results_of(scope, run.id, limit=limit),
        }[only]()
    if as_json:
        print_json({"run": run, "summary": summary, "gate": gate, "results": results})
        return
    _say_head(run)
    if run.status == "running":
        note("Where its process was killed, the command that started it goes on from there")
    if gate is not None:
        say(gate.verdict.sentence, style="bold")
    print_spent(run)
    print_scores(summary)
    print_attempts(summary)
    print_slices(summary)
    print_wrong(run, results, title=f"Cases ({only})")


@evals.command(examples=("lineside evals compare run_01k3… run_01k4… --score accuracy",))
@click.argument("baseline", metavar="BASELINE")
@click.argument("candidate", metavar="CANDIDATE")
@click.option("--score", help="Which score; else the candidate's main one.")
@json_option
def compare(baseline: str, candidate: str, score: str | None, as_json: bool) -> None:
    """Say how much better one run is than another over the same cases, and how sure we are."""
    from lineside.evals import compare as compare_runs

    with scope_here() as scope:
        found = compare_runs(scope, baseline, candidate, score=score)
    if as_json:
        print_json(found)
        return
    say(_sentence(found), style="bold")
    print_table(
        ("slice", "difference", "95 % interval", "cases"),
        [
            (
                f"{name}: {value}",
                _signed(difference.value, found.unit),
                interval(difference.low, difference.high, _points(found.unit)),
                difference.n,
            )
            for name, values in found.slices.items()
            for value, difference in values.items()
        ],
        numbers=("difference", "cases"),
    )
    for word, ids in (("Better", found.improved), ("Worse", found.worsened)):
        more = f" and {len(ids) - _CHANGED_MAX} more" if len(ids) > _CHANGED_MAX else ""
        say(f"{word} in {len(ids)} cases: {', '.join(ids[:_CHANGED_MAX]) or 'none'}{more}")
    if found.judge_note:
        note(f"{found.score}: {found.judge_note}")
    if found.missing_cases:
        note(f"{found.missing_cases:,} cases lack a score in one of the runs, counted both ways")
    if alone := found.unpaired_cases - found.missing_cases:
        note(f"{alone:,} cases have no partner with a score, and do not count")


def _say_head(run: "Run") -> None:
    say(f"{run.use_case}: {run.id}", style="bold")
    say(
        f"{run.status}; {run.cases_done:,} of {run.cases_total:,} cases of `{run.dataset_name}`, "
        f"{run.cases_failed:,} failed; {local_time(run.started_at)}, by {run.created_by}"
    )
    say()


def _sentence(found: "Comparison") -> str:
    difference = found.difference
    ends = interval(difference.low, difference.high, _points(found.unit))
    value = _signed(difference.value, found.unit)
    return f"{found.score}: candidate minus baseline is {value} (95 % interval {ends})"


def _signed(value: float, unit: str) -> str:
    return ("+" if value > 0 else "") + amount(value, _points(unit))


def _points(unit: str) -> str:
    """A difference of shares is in points, not in per cent."""
    return "points" if unit == "%" else unit
