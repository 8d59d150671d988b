"""`lineside reviews`: have people judge answers, see how far they agree, take their labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lineside.cli.commands import Commands, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say, short
from lineside.cli.place import scope_here, scope_on_line, served_at
from lineside.cli.run_named import run_named
from lineside.core import Invalid

if TYPE_CHECKING:
    from lineside.evals import reviews as _room

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(
    cls=Commands,
    examples=(
        'lineside reviews open tone --run latest --ask "Is it polite?" --choices yes,no',
        "lineside reviews show tone",
        "lineside reviews export tone > labels.csv",
    ),
)
def reviews() -> None:
    """People judge answers, several on each, blind to releases and to each other."""


@reviews.command(
    "open",
    examples=(
        'lineside reviews open tone --run latest --ask "Is it polite?" --choices yes,no',
        'lineside reviews open pairs --run run_01k3… --against run_01k4… --ask "Best?" --pairwise',
        'lineside reviews open live --traces "use_case = support" --questions asked.yaml',
    ),
)
@click.argument("name")
@click.option("--run", "run_id", metavar="RUN", help="Judge answers of this run, or of `latest`.")
@click.option("--against", metavar="RUN", help="A second run over the same cases.")
@click.option("--traces", metavar="LINE", help="Judge answers of the traces that this finds.")
@click.option("--ask", metavar="TEXT", help="The question, in a rater's words.")
@click.option("--label", default="label", show_default=True, help="What its answers are called.")
@click.option("--choices", metavar="A,B", help="It is answered by one of these.")
@click.option("--scale", metavar="1-5", help="It is answered by a number.")
@click.option("--pairwise", is_flag=True, help="It is answered by the better of two answers.")
@click.option("--mark", is_flag=True, help="It is answered by marking passages.")
@click.option("--questions", "file", type=_FILE, help="YAML or JSON with a list of questions.")
@click.option("--items", default=50, show_default=True, type=click.IntRange(1, 5000))
@click.option("--raters", default=2, show_default=True, type=click.IntRange(1, 20))
@click.option("--minutes", type=float, help="All raters' time together; then nobody is asked.")
@click.option("--judge", metavar="SCORE", help="The judge's score that people are held against.")
@click.option(
    "--pick",
    type=click.Choice(["random", "judge", "verdict"]),
    default="random",
    show_default=True,
    help="More of those where the judge may be wrong, or where two runs differ.",
)
@click.option("--known", type=_FILE, help="JSONL of items whose right answer is known, to plant.")
@click.option("--show-expected", is_flag=True, help="Show raters what was expected.")
@json_option
def open_one(**given: Any) -> None:
    """Draw answers and let raters begin.

    NAME is what you call the review. Raters see the input and the answer, never the release.
    """
    from lineside.evals import reviews as room

    questions = room.read_questions(_questions(given))
    with scope_on_line() as scope:
        run_id = given["run_id"]
        if run_id == "latest":
            run_id = run_named(scope, run_id).id
        wish = room.ReviewWish.model_validate(
            {
                "name": given["name"],
                "questions": questions,
                "source": {"run": run_id, "against": given["against"], "traces": given["traces"]},
                "items": given["items"],
                "picked_by": given["pick"],
                "judge": given["judge"],
                "raters_per_item": given["raters"],
                "minutes_max": given["minutes"],
                "known": _known(given["known"]),
                "shows_expected": given["show_expected"],
            }
        )
        review = room.open_review(scope, wish)
    if given["as_json"]:
        print_json(review)
        return
    say(f"✓ Review `{review.name}` is open: {review.items} items, {given['raters']} raters on each")
    if wish.items + len(wish.known) > review.items:
        drawn = review.items - len(wish.known)
        note(f"There are {drawn:,} answers only, fewer than the {wish.items:,} asked for")
    note(f"Let people rate with `lineside reviews invite {review.name} NAME`, or rate yourself at")
    note(f"{served_at()}/reviews/{review.id}/rate while `lineside up` runs")


@reviews.command(examples=("lineside reviews invite tone ben",))
@click.argument("name")
@click.argument("rater")
@json_option
def invite(name: str, rater: str, as_json: bool) -> None:
    """Make a personal link for a rater.

    Their browser then opens nothing but reviews, until they leave. The link is shown this once.
    """
    from lineside.evals import reviews as room

    with scope_here() as scope:
        made = room.inviting.invite(scope, name, rater)
    if as_json:
        print_json(made)
        return
    say(f"{served_at()}{made.path}")
    note(f"Give it to {made.rater} alone; it works while `lineside up` runs")


@reviews.command("ls", examples=("lineside reviews ls", "lineside reviews ls --open"))
@click.option("--use-case", help="Only reviews of this one.")
@click.option("--open", "only_open", is_flag=True, help="Only those that can be answered.")
@json_option
def list_all(use_case: str | None, only_open: bool, as_json: bool) -> None:
    """List reviews, newest first."""
    from lineside.evals import reviews as room

    with scope_here() as scope:
        found = room.list_reviews(scope, use_case=use_case, is_open=True if only_open else None)
    if as_json:
        print_json(found)
        return
    if not found:
        note('No reviews yet. Open one: `lineside reviews open NAME --run latest --ask "…"`')
        return
    print_table(
        ("name", "use case", "items", "raters", "opened", "by", "state"),
        [
            (
                review.name,
                review.use_case,
                review.items,
                review.raters_per_item,
                local_time(review.created_at),
                review.created_by,
                "closed" if review.closed_at else "open",
            )
            for review in found
        ],
        numbers=("items", "raters"),
    )


@reviews.command(examples=("lineside reviews show tone", "lineside reviews show tone --json"))
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show how far raters agree, what they did, and what is left."""
    from lineside.evals import reviews as room

    with scope_here() as scope:
        state = room.review_state(scope, name)
    if as_json:
        print_json(state)
        return
    _print_state(state)


@reviews.command(examples=("lineside reviews differing tone",))
@click.argument("name")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@json_option
def differing(name: str, limit: int, as_json: bool) -> None:
    """List items on which raters, or raters and the judge, differ."""
    from lineside.evals import reviews as room

    with scope_here() as scope:
        found = room.settling.disagreements(scope, name, limit=limit)
    if as_json:
        print_json(found)
        return
    if not found:
        say("Nothing is left to be settled")
        return
    print_table(
        ("item", "case", "answer", "said", "judge"),
        [
            (
                one.item,
                one.case_id,
                short(room.text_of(one.shown["output"]), characters=60),
                "; ".join(f"{who}: {_said(said)}" for who, said in one.said.items()),
                "" if one.judge is None else one.judge.label or f"{one.judge.value:g}",
            )
            for one in found
        ],
        numbers=("item",),
    )


@reviews.command(examples=('lineside reviews settle tone 12 label=no --why "Sarcasm"',))
@click.argument("name")
@click.argument("item", type=int)
@click.argument("labels", metavar="LABEL=VALUE…", nargs=-1, required=True)
@click.option("--why", default="", help="For whoever reads the ledger.")
@json_option
def settle(name: str, item: int, labels: tuple[str, ...], why: str, as_json: bool) -> None:
    """Say the last word on an item; what raters said stays beside it."""
    from lineside.evals import reviews as room

    said = dict(label.partition("=")[::2] for label in labels)
    with scope_here() as scope:
        kept = room.settling.settle(scope, name, item, said, why=why)
    if as_json:
        print_json(kept)
        return
    say(f"✓ Item {item} is settled: {_said(kept)}")


@reviews.command(examples=("lineside reviews close tone",))
@click.argument("name")
@json_option
def close(name: str, as_json: bool) -> None:
    """Let nobody answer any more; what was said stays."""
    from lineside.evals import reviews as room

    with scope_here() as scope:
        closed = room.close_review(scope, name)
    if as_json:
        print_json(closed)
        return
    say(f"✓ Review `{closed.name}` is closed")


@reviews.command(
    examples=(
        "lineside reviews export tone > labels.csv",
        "lineside reviews export tone --as cases > cases.jsonl",
    )
)
@click.argument("name")
@click.option("--question", help="Whose labels; the first by itself.")
@click.option(
    "--as",
    "form",
    type=click.Choice(["labels", "by-rater", "cases"]),
    default="labels",
    show_default=True,
    help="A line per case, per case and rater, or cases for a dataset.",
)
@json_option
def export(name: str, question: str | None, form: str, as_json: bool) -> None:
    """Print what was said as a file: labels for a judge's licence, or cases."""
    from lineside.evals import reviews as room

    with scope_here() as scope:
        if as_json:
            print_json(room.labels.review_labels(scope, name, question=question))
            return
        if form == "cases":
            text = room.labels.cases_file(scope, name)
        elif form == "by-rater":
            text = room.labels.labels_by_rater_file(scope, name, question=question)
        else:
            text = room.labels.labels_file(scope, name, question=question)
    click.echo(text, nl=False)


@reviews.command("import", examples=("lineside reviews import tone labels.csv",))
@click.argument("name")
@click.argument("file", type=_FILE)
@click.option("--question", help="Which one the labels answer; the first by itself.")
@json_option
def import_file(name: str, file: Path, question: str | None, as_json: bool) -> None:
    """Take labels given elsewhere: CSV with the columns `case`, `rater` and `label`."""
    import csv

    from lineside.evals import reviews as room

    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid("labels_format", f"`{file.name}` is no CSV in UTF-8: {error}") from None
    with scope_here() as scope:
        found = room.importing.import_labels(scope, name, rows, question=question)
    if as_json:
        print_json(found)
        return
    say(f"✓ Imported {found.labels:,} labels of {len(found.raters)} raters")


def _questions(given: dict[str, Any]) -> list[Any]:
    """What is asked: the questions of a file, or the one that the options make."""
    if given["file"]:
        return _listed(given["file"])
    asked: dict[str, Any] = {"name": given["label"], "ask": given["ask"] or ""}
    if given["choices"]:
        words = [word.strip() for word in given["choices"].split(",") if word.strip()]
        return [asked | {"kind": "choice", "options": words}]
    if given["scale"]:
        low, _, high = given["scale"].partition("-")
        return [asked | {"kind": "scale", "low": low, "high": high}]
    if given["pairwise"]:
        return [asked | {"kind": "pairwise"}]
    if given["mark"]:
        return [asked | {"kind": "spans"}]
    raise Invalid(
        "nothing_asked",
        "It is not said how raters answer",
        hint="Give --choices, --scale, --pairwise or --mark, or a file with --questions.",
    )


def _listed(path: Path) -> list[Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Invalid("bad_questions", f"`{path.name}` cannot be read: {error}") from None
    if not isinstance(found, list):
        raise Invalid("bad_questions", f"`{path.name}` holds no list of questions")
    return found


def _known(path: Path | None) -> list[Any]:
    import orjson

    rows: list[Any] = []
    for number, line in enumerate(path.read_bytes().splitlines() if path else [], start=1):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise Invalid("bad_known", f"Line {number} of the known items: {error}") from None
        missing = {"input", "output", "said"} - set(row) if isinstance(row, dict) else {"said"}
        if missing:
            raise Invalid(
                "bad_known",
                f"Line {number} of the known items lacks `{min(missing)}`",
                hint='One is {"input": …, "output": …, "said": {"label": "yes"}}.',
            )
        rows.append({"case_id": f"known-{number}"} | row)
    return rows


def _print_state(state: "_room.ReviewState") -> None:
    say(state.sentence, style="bold")
    say(
        f"{state.items_done:,} of {state.items:,} items done, {state.answers:,} answers; "
        f"{state.time_spent} spent, about {state.time_left} left; "
        f"{state.disputed:,} to settle"
    )
    for warning in state.warnings:
        say(f"! {warning}")
    say()
    print_table(
        ("question", "alpha", "95 % interval", "items"),
        [
            (one.question.name, "–", one.sentence, "")
            if one.alpha is None
            else (
                one.question.name,
                f"{one.alpha.value:.2f}",
                f"{one.alpha.low:.2f} to {one.alpha.high:.2f}",
                one.alpha.items,
            )
            for one in state.questions
        ],
        numbers=("alpha", "items"),
    )
    if state.raters:
        say()
        print_table(
            ("rater", "answered", "passed", "time", "known right", "last"),
            [
                (
                    rater.name,
                    rater.answered,
                    rater.passed,
                    rater.time,
                    f"{rater.known_right} of {rater.known}" if rater.known else "–",
                    f"left {local_time(rater.left_at)}"
                    if rater.left_at
                    else local_time(rater.last_at),
                )
                for rater in state.raters
            ],
            numbers=("answered", "passed", "time"),
        )


def _said(said: dict[str, Any] | None) -> str:
    if said is None:
        return "passed"
    return ", ".join(str(value) for value in said.values())
