"""`lineside verdicts board`, `history`, `themes` and `plan`: what many runs say, and the next."""

from typing import TYPE_CHECKING, Literal

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say, short
from lineside.cli.place import scope_here, use_case_named
from lineside.cli.run_named import require_judged, run_named
from lineside.cli.verdict_commands import margin_typed, signed
from lineside.cli.verdicts import amount, interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lineside.evals import verdicts as judged
    from lineside.trust import Scope

_SLICES_SHOWN = 8


@click.command(
    cls=Spoken,
    examples=("lineside verdicts board my-case", "lineside verdicts board my-case --by model"),
)
@click.argument("name_or_folder", required=False)
@click.option("--dataset", help="Name of a dataset; else that of the newest run.")
@click.option("--score", help="Which score; else the newest run's main one.")
@click.option("--by", type=click.Choice(("release", "model")), default="release", show_default=True)
@json_option
def board(
    name_or_folder: str | None,
    dataset: str | None,
    score: str | None,
    by: Literal["release", "model"],
    as_json: bool,
) -> None:
    """Rank releases or models over one dataset; who cannot be told apart is tied."""
    from lineside.evals import verdicts as judged

    name = use_case_named(name_or_folder)
    key: Literal["subject", "model"] = "model" if by == "model" else "subject"
    with scope_here() as scope:
        require_judged(scope, name)
        found = judged.rank_runs(scope, name, dataset=dataset, score=score, by=key)
        labels = _labels(scope, name, [entry.run_id for entry in found.entries])
    if as_json:
        print_json(found)
        return
    if found.problem is not None:
        note(found.problem)
        return
    say(f"{name}: {found.score} over {found.cases:,} cases of `{found.dataset}`", style="bold")

    def label(entry: "judged.BoardEntry") -> str:
        return entry.model or "unknown" if by == "model" else labels[entry.subject]

    named = {entry.run_id: label(entry) for entry in found.entries}
    if undecided := found.undecided(named):
        say(undecided)
    print_table(
        ("rank", by, "mean", "95 % interval", "at once", "failed", "tied with", "cost a case"),
        [
            (
                str(entry.rank_best)
                if entry.rank_best == entry.rank_worst
                else f"{entry.rank_best}-{entry.rank_worst}",
                named[entry.run_id],
                amount(entry.mean, found.unit),
                interval(entry.low, entry.high, found.unit),
                interval(entry.together_low, entry.together_high, found.unit),
                f"{entry.failed:,}",
                ", ".join(named[run_id] for run_id in entry.tied_with) or "nobody",
                amount(entry.cost_usd, "USD") + (" *" if entry.is_on_frontier else ""),
            )
            for entry in found.entries
        ],
        numbers=("mean", "failed", "cost a case"),
    )
    if any(entry.failed for entry in found.entries):
        note("Means are of the cases that were scored; intervals count failed ones both ways")
    if anew := found.asked_anew(named):
        note(anew)
    if found.judge_note:
        note(f"{found.score}: {found.judge_note}")
    if any(entry.is_on_frontier for entry in found.entries):
        note("* nothing else is at least as good for no more money")
    if found.rescored:
        note(
            f"Runs left out, judged by another `{found.score}` than the newest: {found.rescored:,}"
        )
    if found.left_out:
        note(f"{found.left_out:,} cases are left out: nothing is expected, or not all were asked")


@click.command(cls=Spoken, examples=("lineside verdicts history my-case",))
@click.argument("name_or_folder", required=False)
@click.option("--dataset", help="Name of a dataset; else that of the newest run.")
@click.option("--score", help="Which score; else the newest run's main one.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 30))
@json_option
def history(
    name_or_folder: str | None, dataset: str | None, score: str | None, limit: int, as_json: bool
) -> None:
    """List the runs of a use case, each against the one before it."""
    from lineside.evals import verdicts as judged

    name = use_case_named(name_or_folder)
    with scope_here() as scope:
        require_judged(scope, name)
        points = judged.run_history(scope, name, dataset=dataset, score=score, limit=limit)
        labels = _labels(scope, name, [point.run.id for point in points])
    if as_json:
        print_json(points)
        return
    if not points:
        note("No run is done so far. Make one: `lineside test`")
        return
    say(f"{name}: {points[0].score} over `{points[0].run.dataset_name}`", style="bold")
    print_table(
        (
            "run",
            "when",
            "candidate",
            "mean",
            "95 % interval",
            "failed",
            "change",
            "against the run before",
        ),
        [
            (
                point.run.id,
                local_time(point.run.started_at),
                labels[point.run.subject],
                amount(point.value, point.unit),
                interval(point.low, point.high, point.unit),
                f"{point.missing:,}",
                "–" if point.change is None else signed(point.change, point.change_unit),
                "" if point.standing == "first" else point.standing,
            )
            for point in points
        ],
        numbers=("mean", "failed", "change"),
        whole=("run",),
    )
    if any(point.missing for point in points):
        note("Means and changes are of scored cases; all else counts failed ones both ways")
    if points[0].judge_note:
        note(f"{points[0].score}: {points[0].judge_note}")


@click.command(cls=Spoken, examples=("lineside verdicts themes latest",))
@click.argument("run_id", metavar="RUN")
@json_option
def themes(run_id: str, as_json: bool) -> None:
    """Group what went wrong in a run into themes, and find where more of it goes wrong.

    RUN is an id, or `latest`.
    """
    from lineside.evals import verdicts as judged

    with scope_here() as scope:
        found = judged.analyse_errors(scope, run_named(scope, run_id).id)
    if as_json:
        print_json(found)
        return
    say(f"{found.failed:,} of {found.cases:,} answers are wrong or missing", style="bold")
    if found.read < found.cases:
        note(f"Themes are of the first {found.read:,}, failures in front; slices of all answers")
    for theme in found.themes:
        say(f"\n{theme.name}: {theme.how_many}", style="bold")
        for quote in theme.quotes:
            say(
                f"• “{short(quote.input, characters=100)}”: "
                f"expected {short(quote.expected, characters=60)}, "
                f"got {short(quote.answered, characters=60)}"
            )
    clear = [one for one in found.slices if one.is_clear]
    say(f"\n{len(clear):,} of {len(found.slices):,} slices surely fail more or less than the rest")
    print_table(
        ("slice", "fail", "cases", "share", "elsewhere", "unlike the rest"),
        [
            (
                f"{one.slice}: {one.value}",
                f"{one.failed:,}",
                f"{one.cases:,}",
                amount(one.share, "%"),
                amount(one.share_elsewhere, "%"),
                "surely" if one.is_clear else f"p {one.p_adjusted:.2f}",
            )
            for one in found.slices[:_SLICES_SHOWN]
        ],
        numbers=("fail", "cases", "share", "elsewhere"),
    )


@click.command(cls=Spoken, examples=("lineside verdicts plan run_01k3… run_01k4… --margin 1%",))
@click.argument("baseline", metavar="BASELINE")
@click.argument("candidate", metavar="CANDIDATE")
@click.option("--score", help="Which score; else the candidate's main one.")
@click.option("--margin", default="2%", show_default=True, help="Largest loss that is accepted.")
@click.option("--gain", default="0", show_default=True, help="How much better it may be.")
@click.option("--power", default=0.8, show_default=True, type=click.FloatRange(0.5, 0.999))
@json_option
def plan(
    baseline: str,
    candidate: str,
    score: str | None,
    margin: str,
    gain: str,
    power: float,
    as_json: bool,
) -> None:
    """Say what the next comparison takes, from two pilot runs over a few cases.

    Margin and gain are in units of the score: 2% of a share, 0.1 of a grade.
    """
    from lineside.evals import verdicts as judged

    with scope_here() as scope:
        plans = judged.plan_runs(
            scope,
            baseline,
            candidate,
            score=score,
            margin=margin_typed(margin),
            true_difference=margin_typed(gain),
            power=power,
        )
    if as_json:
        print_json(plans)
        return
    if not plans:
        note("No plan of up to 100,000 cases will do: accept a larger margin")
        return
    print_table(
        ("cases", "repetitions", "answers", "cost", "time", ""),
        [
            (
                f"{one.cases:,}",
                str(one.repetitions),
                f"{one.answers:,}",
                amount(one.cost_usd, "USD"),
                amount(one.seconds, "s"),
                "fewest answers" if one.is_cheapest else "",
            )
            for one in plans
        ],
        numbers=("cases", "repetitions", "answers", "cost", "time"),
    )
    note("cases are those of the whole dataset, answers those of both candidates")


def _labels(scope: "Scope", use_case: str, run_ids: "Sequence[str]") -> dict[str, str]:
    """What people call what runs judged, by its digest."""
    from lineside.apps import naming
    from lineside.evals import get_run

    return naming.name_subjects(scope, use_case, [get_run(scope, one) for one in run_ids])
