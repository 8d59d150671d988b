"""`lineside judges`: hold LLM judges against people, and license those that agree with them."""

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lineside.cli.commands import Commands, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say
from lineside.cli.place import scope_here
from lineside.core import Invalid, did_you_mean

if TYPE_CHECKING:
    from lineside.evals import licences

_REFUSED = 1
_SIGNS = {"granted": "✓ granted", "refused": "✗ refused", "expired": "✗ expired"}
_LISTED = 100

run_option = click.option("--run", "run_id", metavar="RUN", help="Else the newest with that judge.")
use_case_option = click.option("--use-case", metavar="NAME", help="Only runs of this one.")


@click.group(
    cls=Commands,
    examples=(
        "lineside judges sample manner > labels.csv",
        "lineside judges licence manner --labels labels.csv",
        "lineside judges ls",
    ),
)
def judges() -> None:
    """LLM judges: hold them against people, and license those that agree.

    A gate that leans on a judge without a licence never ships: it says `judge not licensed`.
    """


@judges.command(
    examples=(
        "lineside judges sample manner > labels.csv",
        "lineside judges sample manner --count 100 --run run_01k3… > labels.csv",
    )
)
@click.argument("name")
@click.option("--count", default=60, show_default=True, help="How many answers; 1,000 at most.")
@run_option
@use_case_option
@json_option
def sample(name: str, count: int, run_id: str | None, use_case: str | None, as_json: bool) -> None:
    """Write answers that the judge NAME saw, for people to label: a CSV with an empty `label`.

    They are drawn at random and do not show the verdict.
    """
    from lineside.evals import licences

    with scope_here() as scope:
        drawn = licences.answers_to_label(
            scope, name, count=count, run_id=run_id, use_case=use_case
        )
    if as_json:
        print_json(drawn)
        return
    rows = [answer.model_dump() for answer in drawn.answers]
    writer = csv.DictWriter(sys.stdout, list(licences.AnswerToLabel.model_fields))
    writer.writeheader()
    writer.writerows(rows)
    words = " or ".join(drawn.levels) or "yes or no, or a number from 0 to 1"
    note(f"{len(rows)} answers of {drawn.run_id}; label each with {words}")


@judges.command(
    examples=(
        "lineside judges licence manner --labels labels.csv",
        "lineside judges licence manner --labels labels.csv --people ann --people bob --days 30",
        "lineside judges licence refused --labels said.csv --model gpt-4 --verdict gpt4 --yes no",
    )
)
@click.argument("name")
@click.option(
    "--labels",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    help="CSV, or JSONL: `case` and `label` of each answer.",
)
@run_option
@use_case_option
@click.option("--people", multiple=True, metavar="COLUMN", help="One for each person; `label`.")
@click.option("--case", default="case", metavar="COLUMN", help="Ids of the cases; `case`.")
@click.option("--yes", multiple=True, metavar="WORD", help="Labels that count as a yes.")
@click.option(
    "--passes-at", default=1.0, show_default=True, help="Score from which an answer is a yes."
)
@click.option("--bar", multiple=True, metavar="NAME=NUMBER", help="As in `kappa=0.7`.")
@click.option("--days", default=90, show_default=True, help="How long a licence holds.")
@click.option("--model", help="The file holds verdicts of this model, recorded elsewhere.")
@click.option("--prompt", type=click.Path(path_type=Path), help="What it was told, as a file.")
@click.option("--family", help="Name of the data in the file; else the name of the file.")
@click.option("--verdict", default="verdict", metavar="COLUMN", help="What it said; `verdict`.")
@click.option("--again", metavar="COLUMN", help="What it said when asked again.")
@click.option("--text", metavar="COLUMN", help="The answers, to see whether length sways it.")
@click.option("--cluster", metavar="COLUMN", help="Which rows belong together.")
@click.option("--slice", "slices", multiple=True, metavar="COLUMN", help="Where to seek gaps.")
@json_option
def licence(name: str, path: Path, as_json: bool, **options: Any) -> int:
    """Hold the judge NAME against people, and license it where it clears the bar.

    Labels are levels of the judge, or yes and no. With --model the judge is none of ours: its
    verdicts stand in the file beside the labels, and rows without a label are corrected for.
    """
    from lineside.evals import licences

    recorded = None
    if options["model"]:
        prompt = options["prompt"].read_text("utf-8") if options["prompt"] else ""
        family = options["family"] or path.stem
        recorded = licences.RecordedJudge(model=options["model"], prompt=prompt, family=family)
    columns = licences.LabelColumns(
        case=options["case"],
        people=options["people"] or ("label",),
        verdict=options["verdict"],
        again=options["again"],
        text=options["text"],
        cluster=options["cluster"],
        slices=options["slices"],
    )
    with scope_here() as scope:
        given = licences.licence_judge(
            scope,
            name,
            licences.read_label_rows(path),
            columns=columns,
            yes=options["yes"],
            passes_at=options["passes_at"],
            bar=_bar(options["bar"]),
            days=options["days"],
            run_id=options["run_id"],
            use_case=options["use_case"],
            recorded=recorded,
        )
    if as_json:
        print_json(licences.LicenceReport.of(given))
    else:
        _say_licence(given)
    return 0 if given.is_granted else _REFUSED


@judges.command("ls", examples=("lineside judges ls", "lineside judges ls --json"))
@json_option
def list_all(as_json: bool) -> None:
    """List licences, granted and refused, the newest first."""
    from lineside.evals import licences

    with scope_here() as scope:
        found = licences.list_licences(scope, limit=_LISTED)
    if as_json:
        print_json([licences.LicenceReport.of(one) for one in found])
        return
    if not found:
        note("No judge was held against people yet: `lineside judges sample NAME > labels.csv`")
        return
    print_table(
        ("judge", "standing", "use case", "dataset", "labels", "kappa", "until", "id"),
        [
            (
                one.judge,
                _SIGNS[one.standing],
                one.use_case or "–",
                one.family,
                one.measured.counted,
                f"{one.measured.kappa.value:.2f}",
                f"{one.expires_at:%Y-%m-%d}" if one.is_granted else "–",
                one.id,
            )
            for one in found
        ],
        numbers=("labels", "kappa"),
        whole=("id", "until"),
    )


@judges.command(examples=("lineside judges show manner", "lineside judges show lic_01k3…"))
@click.argument("name", metavar="NAME|ID")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a licence by its ID, or the newest of the judge NAME: what it showed, and the bar."""
    from lineside.evals import licences

    with scope_here() as scope:
        found = licences.get_licence(scope, name)
    if as_json:
        print_json(licences.LicenceReport.of(found))
        return
    _say_licence(found)


def _bar(given: tuple[str, ...]) -> "licences.Bar":
    from pydantic import ValidationError

    from lineside.evals import licences

    asked: dict[str, str] = {}
    for item in given:
        name, _, number = item.partition("=")
        if name not in licences.Bar.model_fields:
            known = list(licences.Bar.model_fields)
            near = did_you_mean(name, known)
            raise Invalid(
                "bad_bar",
                f"The bar asks nothing of `{name[:40]}`; it asks of: {', '.join(known)}",
                hint=f"Did you mean `{near}`?" if near else "Write it as in `--bar kappa=0.7`.",
            )
        asked[name] = number
    try:
        return licences.Bar.model_validate(asked)
    except ValidationError as error:
        [first, *_] = error.errors()
        raise Invalid(
            "bad_bar",
            f"`--bar {first['loc'][0]}={first['input']}`: {first['msg']}",
            hint="All but `labels` are numbers from 0 to 1.",
        ) from None


def _say_licence(one: "licences.Licence") -> None:
    place = f"{one.use_case} on {one.family}" if one.use_case else one.family
    until = f", until {one.expires_at:%Y-%m-%d}" if one.is_granted else ""
    say(f"{_SIGNS[one.standing]}: `{one.judge}` for {place}{until} ({one.id})", style="bold")
    if one.corrected is not None:
        say(one.corrected.sentence)
    if one.measured.attempts_note:
        say(one.measured.attempts_note.capitalize())
    click.echo()
    print_table(
        ("judge against people", "found (95 % interval)", "the bar", ""),
        [
            (check.name, check.found, check.asked, "✗" if check.fails else "✓")
            for check in one.checks
        ],
    )
    found = one.measured
    click.echo()
    print_table(
        ("", "people: yes", "people: no"),
        [
            ("judge: yes", f"{found.true_yes:,}", f"{found.false_yes:,}"),
            ("judge: no", f"{found.false_no:,}", f"{found.true_no:,}"),
        ],
        numbers=("people: yes", "people: no"),
    )
    if found.note:
        note(found.note)
    if found.people_alpha is not None:
        alpha = found.people_alpha
        note(
            f"{found.people} people agree with each other: alpha {alpha.value:.2f} "
            f"({alpha.low:.2f} to {alpha.high:.2f})"
        )
    if found.undecided:
        note(f"People were of two minds on {found.undecided:,} answers; they are left out")
    when = f"{one.decided_by} {local_time(one.decided_at)}"
    note(f"Judged by {', '.join(one.models)}; decided by {when}")
