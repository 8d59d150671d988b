"""`lineside datasets`: the kept versions of test cases, and files of other tools."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Commands, Late, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say, short
from lineside.cli.place import scope_here
from lineside.core import Conflict

if TYPE_CHECKING:
    from lineside.evals import datasets as _datasets

_LISTED_MAX = 20

_CASES = {
    name: Late("Commands", f"lineside.cli.datasets_cases:{verb}", told)
    for name, verb, told in (
        ("keep", "keep", "Keep a file's cases as a version"),
        ("add-traces", "add_traces", "Make cases of traces, each once"),
        ("duplicates", "duplicates", "Find cases that ask the same, and leaks"),
        ("split", "split", "Divide cases into splits"),
        ("hold-out", "hold_out", "Keep a split for the last exam"),
        ("unlock", "unlock", "Open a held-out split, with a reason"),
    )
}


@click.group(
    cls=Commands,
    late=_CASES,
    examples=("lineside datasets ls", "lineside datasets show my-case/cases"),
)
def datasets() -> None:
    """Test cases: every version that a test was run over."""


@datasets.command("ls", examples=("lineside datasets ls", "lineside datasets ls --limit 5"))
@click.option("--use-case", help="Only datasets of this one.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000))
@json_option
def list_all(use_case: str | None, limit: int, as_json: bool) -> None:
    """List kept versions, newest first."""
    from lineside.evals import datasets as kept

    with scope_here() as scope:
        versions = kept.list_datasets(scope, use_case=use_case, limit=limit)
    if as_json:
        print_json(versions)
        return
    if not versions:
        note("No datasets yet. A test keeps its cases: `lineside test my-case`")
        return
    print_table(
        ("dataset", "cases", "kept"),
        [
            (
                f"{row.use_case}/{row.name}@{row.version}",
                f"{row.cases:,}",
                local_time(row.created_at),
            )
            for row in versions
        ],
        numbers=("cases",),
        whole=("dataset",),
    )


@datasets.command(examples=("lineside datasets show my-case/cases@2 --limit 5",))
@click.argument("dataset", metavar="DATASET")
@click.option("--limit", default=_LISTED_MAX, show_default=True, type=click.IntRange(1, 10_000))
@json_option
def show(dataset: str, limit: int, as_json: bool) -> None:
    """Show the first cases of a version; DATASET is `use-case/name`, with `@version` or newest."""
    from itertools import islice

    from lineside.evals import datasets as kept

    with scope_here() as scope:
        version = kept.find_dataset(scope, dataset)
        dataset_cases = kept.kept_cases(scope, version)
    cases = list(islice(dataset_cases, limit))
    if as_json:
        print_json({"dataset": version, "cases": cases})
        return
    say(f"{version.use_case}/{version.name}@{version.version}: {version.cases:,} cases")
    _tell_makeup(kept.makeup_of(dataset_cases))
    _tell_hidden(version, len(dataset_cases))
    print_table(
        ("case", "input", "expected"),
        [(case.id, short(case.input), short(case.expected)) for case in cases],
    )


@datasets.command(examples=("lineside datasets export my-case/cases@1 > cases.jsonl",))
@click.argument("dataset", metavar="DATASET")
@json_option
def export(dataset: str, as_json: bool) -> None:
    """Write a version's cases as JSON lines, which a use case can be tested with again.

    With --json it is one document, with what the version is called and where it is from.
    """
    from lineside.evals import datasets as kept

    with scope_here() as scope:
        version = kept.find_dataset(scope, dataset)
        cases = kept.kept_cases(scope, version)
    if as_json:
        print_json({"dataset": version, "cases": list(cases)})
        return
    click.echo(cases.content, nl=False)
    _tell_hidden(version, len(cases))


@datasets.command(examples=("lineside datasets diff my-case/cases@1 my-case/cases@2",))
@click.argument("first", metavar="DATASET")
@click.argument("second", metavar="DATASET")
@json_option
def diff(first: str, second: str, as_json: bool) -> None:
    """Show which cases were added, removed and changed, and in which fields."""
    from lineside.evals import datasets as kept

    with scope_here() as scope:
        found = kept.diff_datasets(
            scope, kept.find_dataset(scope, first), kept.find_dataset(scope, second)
        )
    if as_json:
        print_json(found)
        return
    say(
        f"{len(found.added):,} added, {len(found.removed):,} removed, "
        f"{len(found.changed):,} changed, {found.same:,} the same"
    )
    if found.renamed:
        say(f"{len(found.renamed):,} have another id only")
    for sign, ids in (("+", found.added), ("-", found.removed)):
        for case_id in ids[:_LISTED_MAX]:
            say(f"{sign} {case_id}")
    for change in found.changed[:_LISTED_MAX]:
        say(f"≠ {change.id}")
        for path, (before, after) in change.fields.items():
            say(f"    {path}: {short(before)} → {short(after)}")
    if max(len(found.added), len(found.removed), len(found.changed)) > _LISTED_MAX:
        note(f"At most {_LISTED_MAX} of each are listed; --json has all")


def _tell_makeup(makeup: "_datasets.DatasetMakeup") -> None:
    """Say what a person divides cases by, where there is any of it."""
    counted = {"split": makeup.splits} if set(makeup.splits) - {""} else {}
    for name, values in (counted | makeup.slices).items():
        words = (f"{value or 'none'} {count:,}" for value, count in values.items())
        say(f"  {name}: {', '.join(words)}")
    for name in makeup.one_label:
        note(f"Every case expects the same `{name}`: it cannot tell good answers from lucky ones")


def _tell_hidden(version: "_datasets.DatasetVersion", seen: int) -> None:
    if hidden := version.cases - seen:
        note(f"{hidden:,} held-out cases are not shown; `lineside datasets unlock` opens them")


@datasets.command(
    "import",
    examples=(
        "lineside datasets import samples.jsonl cases.jsonl",
        "lineside datasets import faq.parquet cases.jsonl --input question --expected answer",
    ),
)
@click.argument("place", metavar="FILE", type=click.Path(path_type=Path, exists=True))
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--as", "form", metavar="FORM", help="Whose form it is; else told by its content.")
@click.option("--input", "inputs", multiple=True, metavar="FIELD", help="A field of the input.")
@click.option("--expected", multiple=True, metavar="FIELD", help="A field of what is expected.")
@click.option("--slice", "slices", multiple=True, metavar="FIELD", help="A field to group by.")
@click.option("--id", "id_field", metavar="FIELD", help="The field with the case's id.")
@click.option("--split", "split_field", metavar="FIELD", help="The field with train or test.")
@json_option
def import_file(
    place: Path,
    target: Path,
    form: str | None,
    inputs: tuple[str, ...],
    expected: tuple[str, ...],
    slices: tuple[str, ...],
    id_field: str | None,
    split_field: str | None,
    as_json: bool,
) -> None:
    """Turn cases of another tool into a JSONL file for `tests.dataset`, and say what was left out.

    FILE is JSON, JSON lines, YAML, CSV, Parquet or Arrow of promptfoo, Inspect, OpenAI evals,
    DeepEval, Langfuse, MLflow or lineside; a folder of Hugging Face `datasets`; or a table whose
    fields you name. TARGET must not exist yet.
    """
    from lineside.core import Settings
    from lineside.evals import datasets as kept

    named = {part: name for part, name in (("id", id_field), ("split", split_field)) if name}
    found = kept.importing.import_cases(
        place,
        form=form,
        columns=kept.forms.TableColumns(inputs, expected, slices, named) if inputs else None,
        bytes_max=Settings.from_environment().dataset_bytes_max,
    )
    try:
        with target.open("xb") as output:
            output.write(found.dataset.content)
    except FileExistsError:
        raise Conflict(
            "file_exists",
            f"`{target}` is there already, and nothing was written",
            hint="Name another file to write the cases to, or remove that one first.",
        ) from None
    report = {
        "form": found.form,
        "read": found.read,
        "kept": len(found.dataset),
        "left_out": found.left_out,
        "unread": found.unread,
    }
    if as_json:
        print_json(report)
        return
    say(f"{found.form}: {found.read:,} read, {len(found.dataset):,} kept in `{target}`")
    for reason, count in found.left_out.items():
        say(f"  {count:,} left out: {reason}")
    for key, count in found.unread.items():
        say(f"  `{key}` of {count:,} was not taken: cases have no place for it")
