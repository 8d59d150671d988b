"""`lineside verdicts pairwise`: which of two runs' answers a judge prefers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.evals_run import money, read_limits, read_scorers, spending_options
from lineside.cli.output import note, print_json, say
from lineside.cli.place import scope_on_line
from lineside.cli.progress import Stations
from lineside.cli.run_named import run_named
from lineside.cli.verdict_commands import goal_options, margin_typed, say_flips, signed
from lineside.cli.verdicts import EXIT_CODES, interval

if TYPE_CHECKING:
    from lineside.evals import forecast
    from lineside.evals import pairwise as pairs


@click.command(
    cls=Spoken,
    examples=(
        "lineside verdicts pairwise run_01k3… run_01k4… --scorers judges.yaml",
        "lineside verdicts pairwise run_01k3… latest --judge better --max-cost 2",
        "lineside verdicts pairwise run_01k3… latest --judge better --dry-run",
    ),
)
@click.argument("baseline", metavar="BASELINE")
@click.argument("candidate", metavar="CANDIDATE")
@click.option("--judge", metavar="NAME", help="Which `judge_pairwise`, where there are several.")
@click.option(
    "--scorers",
    "scorers_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A YAML list with the judge, as under `tests.scorers`; else one of the runs has it.",
)
@goal_options
@click.option("--fresh", is_flag=True, help="Ask again what was asked before.")
@spending_options
@json_option
def pairwise(
    baseline: str,
    candidate: str,
    judge: str | None,
    scorers_file: Path | None,
    goal: Literal["not_worse", "better"],
    margin: str,
    fresh: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Have an LLM judge compare the answers of two runs, case by case, in both orders.

    Each run is an id, or `latest`. A judge without a licence informs, and never ships or holds. A
    verdict that turns with the order of the answers is a tie. Exit code 0 is ship, 1 hold, 3 not
    enough data.
    """
    from lineside.evals import pairwise as pairs
    from lineside.evals import running

    limits, allowed = read_limits(given), margin_typed(margin)
    declared, files = read_scorers((), scorers_file)
    with scope_on_line() as scope:
        asked = pairs.pairs_to_ask(
            scope,
            run_named(scope, baseline).id,
            run_named(scope, candidate).id,
            judge=judge,
            scorers=declared,
            scorer_files=files,
        )
        if dry_run:
            foreseen = pairs.forecast_pairwise(scope, asked, limits=limits, fresh=fresh)
            _print_forecast(foreseen, as_json=as_json)
            return 0
        run = pairs.start_pairwise(scope, asked, limits=limits, fresh=fresh)
        with Stations() as stations:
            run = running.wait_for(scope, run, progress=lambda run: stations("Compare", run))
        found = pairs.judge_preference(scope, run, goal=goal, margin=allowed)
    if as_json:
        print_json(found)
    else:
        _print_preference(found)
    return EXIT_CODES[found.verdict.decision]


def _print_preference(found: "pairs.Preference") -> None:
    say(found.verdict.sentence, style="bold")
    if found.difference is not None:
        value, ends = found.difference, (found.difference.low, found.difference.high)
        say(
            f"By the judge's word: won less lost {signed(value.value, 'points')} "
            f"(95 % interval {interval(*ends, 'points')})"
        )
    say_flips(found, found.judge)
    if found.unanswered:
        say(f"Without a verdict: {found.unanswered:,} of {found.pairs:,} pairs")
    if found.judged is not None:
        say(f"The judge: {found.judged.calls:,} calls, {money(found.judged.cost_usd)}")
    for text in found.notes:
        note(text)
    note(f"What it said of each pair: lineside evals show {found.run_id} --only all")


def _print_forecast(found: "forecast.Forecast", *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    judges = found.judges
    calls, cost = (judges.calls, judges.cost_usd) if judges is not None else (0, 0.0)
    say(f"{found.answers:,} pairs, {calls:,} calls of the judge, {money(cost)}", style="bold")
    for name in judges.unknown if judges is not None else ():
        note(f"Nobody knows yet what a call of `{name}` costs")
    for name in found.exceeds:
        note(f"It would stop early: `{name}` is too small for all of it")
