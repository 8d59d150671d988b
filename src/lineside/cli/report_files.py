"""Options that write a verdict into files: JUnit XML, one HTML page, a comment in Markdown."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lineside.evals import Comparison, GateOutcome, Run
    from lineside.trust import Scope

_FORMS = {"junit": ".xml", "html": ".html", "markdown": ".md"}


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name the files."""
    for option in (
        _file_option("--markdown", "a comment for a pull request"),
        _file_option("--html", "a page that needs nothing beside itself"),
        _file_option("--junit", "each rule as a test, in JUnit XML,"),
    ):
        command = option(command)
    return command


def take_reports(given: dict[str, Any]) -> dict[str, Path]:
    """The files among a command's options, by their form; takes them out."""
    named = {form: given.pop(option) for option, form in _FORMS.items()}
    return {form: file for form, file in named.items() if file is not None}


def write_reports(
    scope: "Scope",
    run: "Run",
    gate: "GateOutcome",
    files: dict[str, Path],
    *,
    comparison: "Comparison | None" = None,
) -> None:
    """Write a run and what its gate says into each of the files."""
    from lineside.evals import reports

    if not files:
        return
    report = reports.report_of(scope, run, gate, comparison=comparison)
    for form, file in files.items():
        reports.write_report(report, file, form=form)


def _file_option(name: str, written: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    kind = click.Path(path_type=Path, dir_okay=False)
    return click.option(name, type=kind, metavar="FILE", help=f"Write {written} into a file.")
