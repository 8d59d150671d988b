"""`lineside evals run`: judge anything that answers over a dataset."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import note, print_json, print_table, say
from lineside.cli.place import scope_on_line
from lineside.cli.progress import Stations
from lineside.cli.report_files import report_options, take_reports, write_reports
from lineside.cli.run_named import run_named
from lineside.cli.verdicts import (
    EXIT_CODES,
    amount,
    interval,
    notes_beside,
    print_findings,
    print_scores,
    print_wrong,
)
from lineside.core import Invalid, clock

if TYPE_CHECKING:
    from lineside.apps import rejudging
    from lineside.evals import GateOutcome, Result, Run, forecast, plan
    from lineside.trust import Scope
    from lineside.usecases import ScorerDeclaration

_SHOWN = 5
_RELEASE = re.compile(r"([a-z0-9][a-z0-9-]{0,59})@(v\d+|latest|live|[0-9a-f]{6,64})")
_ANYTHING: dict[str, Any] = {"type": "object"}


_SPENDING = (
    click.option("--max-cost", type=float, metavar="USD", help="Stop before it costs more."),
    click.option("--max-tokens", type=int, help="Stop before it takes more, in and out."),
    click.option("--max-seconds", type=float, help="Stop asking after so long."),
    click.option("--concurrency", type=int, help="Cases asked at once; falls at each 429."),
)
_REPETITIONS = click.option(
    "--repetitions", type=int, help="Asks of each case; else as declared, or 1."
)
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Only say what it would cost and take.")


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what a run may take."""
    for option in reversed((*_SPENDING, _REPETITIONS, _DRY_RUN)):
        command = option(command)
    return command


def spending_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same where each case is asked once."""
    for option in reversed((*_SPENDING, _DRY_RUN)):
        command = option(command)
    return command


def read_limits(given: dict[str, Any]) -> "plan.RunLimits":
    """The limits among a command's options; takes them out."""
    from lineside.evals import plan

    return plan.RunLimits(
        cost_usd_max=given.pop("max_cost"),
        tokens_max=given.pop("max_tokens"),
        seconds_max=given.pop("max_seconds"),
        concurrency_max=given.pop("concurrency"),
    )


@click.command(
    cls=Spoken,
    examples=(
        "lineside evals run --target python:bot:reply --dataset golden.jsonl",
        "lineside evals run --target http://127.0.0.1:8000/ask --dataset golden.jsonl --dry-run",
        "lineside evals run --target outputs.jsonl --dataset golden.jsonl --scorer contains:topic",
        "lineside evals run --target my-case@live --dataset new-cases.jsonl",
    ),
)
@click.option(
    "--target",
    required=True,
    help="`python:module:function`, an http address, `traces`, a JSONL file of outputs, or a "
    "release, as `my-case@v1`, `@latest` or `@live`.",
)
@click.option(
    "--dataset",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSONL or CSV.",
)
@click.option("--use-case", help="Where the run is kept; else the dataset's name.")
@click.option(
    "--scorer",
    "scorers",
    multiple=True,
    help="Kind and field, as `contains:topic`; repeatable; else the right fields are compared.",
)
@click.option(
    "--scorers",
    "scorers_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="More scorers, judges too: a YAML list as under `tests.scorers`.",
)
@click.option("--baseline", metavar="RUN", help="What rules compare with: a run, or `latest`.")
@click.option("--rule", "rules", multiple=True, help="Gate rule, as `accuracy >= 0.8`; repeatable.")
@click.option("--early-stop", is_flag=True, help="End as soon as the rules are settled.")
@click.option("--version", default="", help="Of the function or endpoint: its answers are reused.")
@click.option("--fresh", is_flag=True, help="Ask again what earlier runs have answers to.")
@limit_options
@report_options
@json_option
def run(
    target: str,
    dataset: Path,
    use_case: str | None,
    scorers: tuple[str, ...],
    scorers_file: Path | None,
    baseline: str | None,
    rules: tuple[str, ...],
    early_stop: bool,
    version: str,
    fresh: bool,
    repetitions: int | None,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Judge a release, a function, an endpoint, traces or a file of outputs over a dataset.

    A run that was killed or reached a limit goes on from there with the same command. Exit code 0
    is done, or with rules: 0 ship, 1 hold, 3 not enough data.
    """
    from lineside.evals import forecast as forecasts
    from lineside.evals import judge_gate, results_of, running, summarise, targets
    from lineside.evals import plan as plans
    from lineside.usecases import parse_rule

    limits, reports = read_limits(given), take_reports(given)
    if not rules:
        _refuse({"--early-stop": early_stop, "--baseline": baseline, "A report": reports})
    parsed = [parse_rule(text) for text in rules]
    declared, files = read_scorers(scorers, scorers_file)
    with scope_on_line() as scope:
        before = run_named(scope, baseline) if baseline else None
        running.require_baseline(parsed, before)
        release = _release(scope, target)
        cases = _read(dataset, scope.store.settings.dataset_bytes_max)
        named = {"version": version, "dataset": cases, "repetitions": repetitions}
        plan = plans.RunPlan(
            target=plans.RunTarget()
            if release is not None
            else targets.read_target(scope.store, target, folder=Path.cwd(), **named),
            limits=limits,
            rules=[rule.text for rule in parsed],
            baseline_run_id=before.id if before else None,
            stops_early=early_stop,
        )
        wanted = {
            "use_case": use_case or (release.release.use_case if release else dataset.stem),
            "subject": release.release.digest if release else targets.subject_of(plan.target),
            "dataset": cases,
            "plan": plan,
            "repetitions": repetitions or (release or plan.target).repetitions,
            "fresh": fresh,
        }
        if release is not None and not declared:
            declared, files = list(release.folder.scorers), dict(release.folder.files)
        if dry_run:
            found = forecasts.forecast_run(scope, **wanted, scorers=declared, scorer_files=files)
            print_forecast(found, as_json=as_json)
            return 0
        with Stations() as stations:
            judged = running.judge(
                scope,
                **wanted,
                scorers=declared,
                scorer_files=files,
                progress=lambda run: stations("Judge", run),
            )
        summary = summarise(scope, judged)
        gate = None
        if rules:
            gate = judge_gate(scope, judged, parsed, baseline_run=before)
            write_reports(scope, judged, gate, reports)
        wrong = results_of(scope, judged.id, only="wrong", limit=_SHOWN)
    if as_json:
        print_json({"run": judged, "summary": summary, "gate": gate, "wrong": wrong})
    else:
        _print_judged(judged, summary, gate, wrong)
    ended = "ship" if judged.status == "done" else "more"
    return EXIT_CODES[gate.verdict.decision if gate is not None else ended]


def _print_judged(
    judged: "Run", summary: Any, gate: "GateOutcome | None", wrong: "Sequence[Result]"
) -> None:
    if gate is not None:
        say(gate.verdict.sentence, style="bold")
    print_spent(judged)
    if gate is not None and len(gate.verdict.findings) > 1:
        print_findings(gate.verdict.findings)
    print_scores(summary)
    print_attempts(summary)
    print_wrong(judged, wrong, title="Some wrong answers")
    for line in notes_beside(judged, gate):
        note(line)
    note(f"All cases: lineside evals show {judged.id}")


def print_forecast(found: "forecast.Forecast", *, as_json: bool) -> None:
    """What a run would take, for a person or a program."""
    if as_json:
        print_json(found)
        return
    say(
        f"{found.answers - found.recalled:,} answers to ask, "
        f"{money(found.cost_usd)}, {_duration(found.seconds)}",
        style="bold",
    )
    say(
        f"{found.cases:,} cases × {found.repetitions}, {found.recalled:,} answers known already, "
        f"{found.concurrency} asked at once; {_tokens(found.tokens)}"
    )
    if found.judges is not None:
        judges = found.judges
        say(f"Judges on top: {judges.calls:,} calls, {money(judges.cost_usd)}")
        for name in judges.unknown:
            note(f"`{name}` is not in it: nobody knows yet what a call of this judge costs")
    say(f"A share of right answers would be known to ± {found.half_width * 100:.1f} points")
    note(f"Based on {found.based_on}")
    for name in found.exceeds:
        note(f"It would stop early: `{name}` is too small for all of it")


def print_spent(run: "Run") -> None:
    """How far a run came, and what it took."""
    spent = run.spent
    parts = [f"{run.cases_done:,} of {run.cases_total:,} answers judged"]
    if spent.recalled:
        parts.append(f"{spent.recalled:,} known from earlier runs")
    judges = spent.judges
    whose = "app " if judges.calls else ""
    parts.append(whose + money(None if spent.cost_unknown else spent.cost_usd))
    parts.append(_tokens(spent.tokens or None))
    if judges.calls:
        cost = money(None if judges.cost_unknown else judges.cost_usd)
        parts.append(f"judges {cost}; {_tokens(judges.tokens or None)}")
        parts.append(f"together {money(spent.total_usd)}")
    if spent.rate_limited:
        parts.append(f"{spent.rate_limited:,} times told to ask less (429)")
    if run.is_settled and run.looks:
        parts.append(f"settled at look {len(run.looks)}")
    say("; ".join(parts))


def print_attempts(summary: Any) -> None:
    """How often repeated cases are solved in one of k tries, and in all of them."""
    if not summary.attempts:
        return
    say("\nTries", style="bold")
    rows = [
        (
            found.k,
            amount(found.some.value, "%"),
            interval(found.some.low, found.some.high, "%"),
            amount(found.all.value, "%"),
            interval(found.all.low, found.all.high, "%"),
        )
        for found in summary.attempts
    ]
    columns = ("k", "pass@k", "95 % interval", "pass^k", "95 % interval ")
    print_table(columns, rows, numbers=("k", "pass@k", "pass^k"))


def _refuse(given: dict[str, Any]) -> None:
    """Options that mean nothing without a rule."""
    for option, value in given.items():
        if value:
            raise Invalid("no_rules", f"{option} needs at least one --rule to decide by")


def _release(scope: "Scope", target: str) -> "rejudging.ReleaseFolder | None":
    """The release that is meant by `use-case@v1`; nothing where it is another target."""
    from lineside.apps import rejudging

    meant = _RELEASE.fullmatch(target)
    if meant is None:
        return None
    name, reference = meant.groups()
    return rejudging.release_to_judge(scope, name, None if reference == "live" else reference)


def _read(path: Path, bytes_max: int) -> Any:
    from lineside.evals import read_dataset

    return read_dataset(
        path.name, path, input_schema=_ANYTHING, output_schema=_ANYTHING, bytes_max=bytes_max
    )


def read_scorers(
    typed: tuple[str, ...], file: Path | None
) -> "tuple[list[ScorerDeclaration], dict[str, bytes]]":
    """What was typed and what the file holds, with the files that its scorers read."""
    from lineside.usecases import ScorerDeclaration
    from lineside.usecases import scorers as declared

    found, files = declared.read_scorers(file) if file is not None else ([], {})
    pairs = [text.partition(":") for text in typed]
    short = [
        ScorerDeclaration(kind, kind, declared.arguments_of(kind, field or None) or {})
        for kind, _, field in pairs
    ]
    return [*short, *found], files


def money(cost_usd: float | None) -> str:
    """An amount that may be unknown."""
    return "cost unknown" if cost_usd is None else f"{cost_usd:,.4g} USD"


def _duration(seconds: float | None) -> str:
    return "time unknown" if seconds is None else clock.spell_duration(timedelta(seconds=seconds))


def _tokens(tokens: int | None) -> str:
    return "tokens unknown" if tokens is None else f"{tokens:,} tokens"
