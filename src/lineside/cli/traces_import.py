"""`lineside traces import`: what other products have recorded, brought along."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import console_on, note, print_json, print_table, say, short
from lineside.cli.place import scope_on_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineside.traces import imports

_LOG_SECONDS = 10.0
_SOMETHING_REFUSED = 1


@click.command(
    "import",
    cls=Spoken,
    examples=(
        "lineside traces import observations.jsonl.gz",
        "lineside traces import logs/*.eval --use-case support-triage --json",
    ),
)
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--format",
    "format_name",
    metavar="FORMAT",
    help="lineside, otlp, langfuse, phoenix, mlflow, inspect, atif or deepeval; the content tells "
    "otherwise.",
)
@click.option("--use-case", metavar="NAME", help="The use case that takes every step.")
@json_option
def import_files(
    files: tuple[Path, ...], format_name: str | None, use_case: str | None, as_json: bool
) -> int:
    """Bring along traces that other products, or another lineside, have recorded and exported.

    Reads what `lineside traces export` writes, OTLP JSON, Langfuse, Phoenix, MLflow, Inspect AI,
    ATIF and DeepEval, compressed by gzip or not. Scores, tags, notes, links and feedback come along
    as if they had been given here. The same file may be imported again: nothing is kept twice.
    Whatever is not taken is counted and named, and the exit code is then 1.
    """
    from lineside.traces import imports
    from lineside.usecases import get_use_case, list_use_cases

    with scope_on_line() as scope:
        if use_case is not None:
            use_case = get_use_case(scope, use_case).name
        names = frozenset(one.name for one in list_use_cases(scope))
        # All are looked at before the first is taken, so that a wrong file costs no half import.
        formats = [format_name or imports.detect_format(file) for file in files]
        receipts = []
        for file, name in zip(files, formats, strict=True):
            with _bar(file.name) as progress:
                receipt = imports.import_file(
                    scope,
                    file,
                    format=name,
                    use_case=use_case,
                    use_cases=names,
                    progress=progress,
                )
            receipts.append(receipt)
    if as_json:
        print_json(receipts)
    else:
        _print(receipts)
    return _SOMETHING_REFUSED if any(receipt.refused for receipt in receipts) else 0


def _print(receipts: list["imports.ImportReceipt"]) -> None:
    numbers = (
        *("traces", "steps", "scores", "tags", "notes", "feedback"),
        *("tokens in", "out", "refused"),
    )
    print_table(
        ("file", "format", *numbers, "models"),
        [
            (
                receipt.file,
                receipt.format,
                f"{receipt.traces:,}",
                f"{receipt.kept:,}",
                f"{receipt.scores:,}",
                f"{receipt.tags:,}",
                f"{receipt.notes:,}",
                f"{receipt.feedback:,}",
                f"{receipt.tokens_in:,}",
                f"{receipt.tokens_out:,}",
                f"{receipt.refused:,}",
                short(", ".join(receipt.models), characters=60),
            )
            for receipt in receipts
        ],
        numbers=numbers,
    )
    for receipt in receipts:
        if receipt.waiting:
            verb = "waits" if receipt.waiting == 1 else "wait"
            note(f"{receipt.waiting:,} of {receipt.file} {verb} for a step that is not here yet")
        if receipt.refused:
            say(f"\nNot taken from {receipt.file}: {receipt.refused:,}", style="bold")
        for one in receipt.why:
            such_as = f", such as {one.example}" if one.example else ""
            say(f"  {one.count:,}: {one.reason}{such_as}")


@contextmanager
def _bar(title: str) -> "Iterator[Callable[[imports.ImportProgress], None]]":
    """A bar at a terminal; elsewhere a line every ten seconds."""
    if not sys.stderr.isatty():
        yield _Log(title)
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
    )
    with Progress(*columns, console=console_on(sys.stderr), transient=True) as bar:
        task = bar.add_task(title, total=1.0, detail="")

        def show(progress: "imports.ImportProgress") -> None:
            bar.update(task, completed=progress.share, detail=_detail(progress))

        yield show


class _Log:
    def __init__(self, title: str) -> None:
        self._title = title
        self._told = time.monotonic()

    def __call__(self, progress: "imports.ImportProgress") -> None:
        if time.monotonic() - self._told > _LOG_SECONDS:
            self._told = time.monotonic()
            note(f"… {self._title}: {progress.share:.0%}, {_detail(progress)}")


def _detail(progress: "imports.ImportProgress") -> str:
    refused = f", {progress.refused:,} refused" if progress.refused else ""
    return f"{progress.kept:,} steps{refused}"
