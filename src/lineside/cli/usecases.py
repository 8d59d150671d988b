"""`lineside init`, `check` and `usecases`: where AI helps."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lineside.cli.commands import Commands, Spoken, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say
from lineside.cli.place import MANIFEST, scope_here, scope_on_line
from lineside.cli.verdicts import SIGNS
from lineside.core import Invalid, Settings

if TYPE_CHECKING:
    from lineside.usecases import UseCaseFolder

_TEMPLATES = ("predict-classify", "predict-extract", "answer", "agent")
_TEXTS = {
    "statement": "What is the problem, in one sentence?",
    "who": "Who has it, and how many are they?",
    "today": "What does it cost today (time, errors, money)?",
    "measure": "Which business measure must move (one_word)?",
    "owner": "Which team or person answers for it?",
}
_TASKS = {
    "classify": "sort things into known classes",
    "extract": "read fields out of texts",
    "answer": "answer questions from sources",
    "act": "act by itself, with tools",
}
_FACTS = {
    "rule_would_do": "Would a handful of written rules solve it?",
    "form_would_do": "Would asking people in a form solve it?",
    "needs_chat": "Do people need several turns to get what they want?",
    "in_batch": "Are many items worked through at once, with nobody waiting?",
    "mistakes_are_costly": "Does a wrong answer that nobody checks do real harm?",
}


@click.command(
    cls=Spoken,
    examples=(
        "lineside init my-case",
        "lineside init my-case --template predict-classify --yes",
    ),
)
@click.argument("folder", metavar="NAME", type=click.Path(path_type=Path))
@click.option("--template", type=click.Choice(_TEMPLATES), help="Else the answers choose it.")
@click.option("--problem", "statement", help="What the problem is, in one sentence.")
@click.option("--who", help="Who has it, and how many they are.")
@click.option("--today", help="What it costs today: time, errors, money.")
@click.option("--measure", help="The business measure that must move.")
@click.option("--owner", help="The team or person who answers for it.")
@click.option("--task", type=click.Choice(tuple(_TASKS)), help="What the app has to do.")
@click.option("--rule-would-do/--no-rule-would-do", default=None, help="A few rules solve it.")
@click.option("--form-would-do/--no-form-would-do", default=None, help="A form solves it.")
@click.option("--chat/--no-chat", "needs_chat", default=None, help="It takes several turns.")
@click.option("--batch/--no-batch", "in_batch", default=None, help="Many at once, nobody waits.")
@click.option(
    "--mistakes-are-costly/--no-mistakes-are-costly", default=None, help="Errors do real harm."
)
@click.option("--yes", is_flag=True, help="Ask nothing; what was not given stays open.")
@json_option
def init(folder: Path, template: str | None, yes: bool, as_json: bool, **given: Any) -> None:
    """Begin a use case: ask whether AI fits, give advice, write a folder to edit.

    Asks what was not given, when there is somebody at a terminal to ask.
    """
    from lineside.usecases import FitAnswers, init_folder

    if _is_terminal() and not yes and not as_json:
        given = _asked(given, has_template=template is not None)
    answers = FitAnswers(**{name: value for name, value in given.items() if value is not None})
    written = init_folder(folder, answers=answers, template=template)
    advice = answers.advice()
    steps = [f"lineside {word} {folder}" for word in ("check", "test", "release")]
    if as_json:
        print_json(
            {
                "folder": folder,
                "files": written,
                "answers": answers,
                "advice": advice,
                "next": steps,
            }
        )
        return
    say(f"✓ Wrote {len(written)} files into {folder}/; begin with {folder}/{MANIFEST}")
    if advice:
        say("\nWhat your answers say:", style="bold")
    for sentence in advice:
        say(f"• {sentence}")
    say("\nNext:", style="bold")
    for step in steps:
        click.echo(f"  {step}")


@click.command(cls=Spoken, examples=("lineside check", "lineside check my-case --json"))
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@json_option
def check(folder: Path, as_json: bool) -> int:
    """Find every mistake in a use case folder: manifest, files, model and test cases.

    Calls no model and changes nothing. Says too what is declared but not enforced yet.
    """
    from lineside.usecases import check_folder, read_folder

    problems = check_folder(folder)
    said = [
        {
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "code": problem.code,
            "text": f"read {problem.read}, expected {problem.expected}",
            "hint": problem.hint,
        }
        for problem in problems
    ]
    found = None if problems else read_folder(folder)
    cases, taught = 0, None
    if found is not None:
        cases, misfit, taught = _cases(found)
        said += [misfit] if misfit else []
    open_points = found.manifest.declared_not_enforced() if found else []
    if as_json:
        print_json(
            {
                "folder": folder,
                "ok": not said,
                "problems": said,
                "notes": [taught] if taught else [],
                "declared_not_enforced": open_points,
            }
        )
    elif said:
        _print_problems(folder, said)
    elif found is not None:
        _print_all_well(found, cases)
        if taught:
            note(taught)
    if not as_json and open_points:
        say("\nDeclared, not enforced yet:")
        for point in open_points:
            say(f"• {point}")
    if not as_json and not said:
        note(f"\nnext: lineside test {folder}")
    if any(problem.code == "not_a_folder" for problem in problems):
        return 2
    return 1 if said else 0


@click.group(cls=Commands, examples=("lineside usecases ls",))
def usecases() -> None:
    """The use cases of this installation."""


@usecases.command("ls", examples=("lineside usecases ls", "lineside usecases ls --json"))
@json_option
def list_all(as_json: bool) -> None:
    """List use cases with what is live and the last word of the gate."""
    from lineside.apps import current_rollout, list_releases
    from lineside.usecases import list_use_cases

    with scope_here() as scope:
        rows = [
            (case, current_rollout(scope, case.name), list_releases(scope, case.name, limit=1))
            for case in list_use_cases(scope)
        ]
    if as_json:
        print_json(
            [
                {"use_case": case, "rollout": rollout, "newest_release": next(iter(newest), None)}
                for case, rollout, newest in rows
            ]
        )
        return
    if not rows:
        note("No use cases yet. Begin one: `lineside init my-case`, or see one: `lineside demo`")
        return
    print_table(
        ("use case", "kind", "live", "newest", "gate", "when"),
        [
            (
                case.name,
                case.manifest.app.kind if case.manifest else "only watched",
                ", ".join(f"{arm.label} {arm.percent:g} %" for arm in rollout.arms)
                if rollout
                else "–",
                newest[0].label if newest else "–",
                SIGNS[newest[0].gate.verdict.decision] if newest else "–",
                local_time(newest[0].created_at) if newest else "–",
            )
            for case, rollout, newest in rows
        ],
    )


@usecases.command(
    "rm",
    examples=("lineside usecases rm chekout-help", "lineside usecases rm chekout-help --to-shelf"),
)
@click.argument("name", metavar="NAME")
@click.option("--to-shelf", is_flag=True, help="Move its traces back to the unclaimed shelf.")
@json_option
def remove(name: str, to_shelf: bool, as_json: bool) -> None:
    """Forget a use case that is only watched, such as one whose name was mistyped.

    Rules that give services to it go along. One that has traces is left as it is unless they are to
    go back to the unclaimed shelf. The ledger keeps who did it.
    """
    from lineside.usecases import watching

    with scope_on_line() as scope:
        done = watching.unwatch(scope, name, moves_traces=to_shelf)
    if as_json:
        print_json(done)
        return
    moved = f"traces moved to the shelf: {done.traces_moved:,}"
    say(f"✓ `{done.use_case}` is watched no longer; {moved}")
    if done.services:
        note(f"No longer claimed: {', '.join(done.services)}")


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _asked(given: dict[str, Any], *, has_template: bool) -> dict[str, Any]:
    """Ask on stderr what was not given; an empty answer leaves a question open."""
    answers = dict(given)
    note("Some questions first. Press Enter to leave one open.\n")
    for name, question in _TEXTS.items():
        if answers[name] is None:
            text = click.prompt(
                question, default="", show_default=False, prompt_suffix=" ", err=True
            )
            answers[name] = text.strip() or None
    if answers["task"] is None and not has_template:
        note("\nWhat does the app have to do?")
        for number, (task, meaning) in enumerate(_TASKS.items(), start=1):
            note(f"  {number}  {meaning} ({task})")
        number = click.prompt("Number", type=click.IntRange(1, len(_TASKS)), default=1, err=True)
        answers["task"] = tuple(_TASKS)[number - 1]
        note("")
    for name, question in _FACTS.items():
        if answers[name] is None:
            answers[name] = _yes_no(question)
    return answers


def _yes_no(question: str) -> bool | None:
    text = click.prompt(
        f"{question} [y/n]",
        default="",
        show_default=False,
        prompt_suffix=" ",
        err=True,
        type=click.Choice(("y", "n", "yes", "no", ""), case_sensitive=False),
        show_choices=False,
    )
    return None if text == "" else text.startswith("y")


def _cases(folder: "UseCaseFolder") -> tuple[int, dict[str, Any] | None, str | None]:
    """How many test cases there are, or what is wrong with their file; and if they were taught."""
    from lineside.evals import datasets, read_dataset

    tests = folder.manifest.tests
    if tests is None or folder.path is None:
        return 0, None, None
    try:
        dataset = read_dataset(
            tests.dataset,
            folder.path / tests.dataset,
            input_schema=folder.input_schema,
            output_schema=folder.output_schema,
            bytes_max=Settings.from_environment().dataset_bytes_max,
        )
    except Invalid as error:
        problem = {
            "file": tests.dataset,
            "line": None,
            "column": None,
            "code": error.code,
            "text": error.message,
            "hint": error.hint,
        }
        return 0, problem, None
    return len(dataset), None, datasets.taught_cases(folder, lambda: dataset)


def _print_problems(folder: Path, problems: list[dict[str, Any]]) -> None:
    for problem in problems:
        inside = problem["code"] != "not_a_folder"
        place = [str(folder / problem["file"] if inside else problem["file"])]
        place += [str(part) for part in (problem["line"], problem["column"]) if part is not None]
        say(f"{':'.join(place)}: {problem['text']}")
        if problem["hint"]:
            say(f"  hint: {problem['hint']}")
    count = len(problems)
    note(f"{count} problem{'s' if count > 1 else ''} in `{folder}`")


def _print_all_well(found: "UseCaseFolder", cases: int) -> None:
    manifest = found.manifest
    rules = len(manifest.tests.gate) if manifest.tests else 0
    say(f"✓ {manifest.name}: nothing wrong")
    say(
        f"  {manifest.app.kind} with {manifest.app.model}; {cases:,} test cases, {rules} gate rules"
    )
