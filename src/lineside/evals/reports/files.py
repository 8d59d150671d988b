"""Reports as files."""

from collections.abc import Callable
from pathlib import Path

import orjson

from lineside.core import Invalid, did_you_mean
from lineside.evals.reports.html import as_html
from lineside.evals.reports.junit import as_junit
from lineside.evals.reports.markdown import as_markdown
from lineside.evals.reports.report import Report


def as_json(report: Report) -> str:
    """Every number of a report, for programs."""
    return orjson.dumps(report.model_dump(mode="json"), option=orjson.OPT_INDENT_2).decode() + "\n"


FORMS: dict[str, Callable[[Report], str]] = {
    ".html": as_html,
    ".md": as_markdown,
    ".xml": lambda report: as_junit([report]),
    ".json": as_json,
}
"""How a file is written, by the end of its name."""


def write_report(report: Report, path: Path, *, form: str | None = None) -> None:
    """Write a report to a file, whose folder is made if need be.

    Args:
        form: `.html`, `.md`, `.xml` (JUnit) or `.json`; by default what the file's name ends with.

    Raises:
        Invalid: `unknown_report_form`, or `report_not_written` with the system's reason.
    """
    suffix = form or path.suffix.lower()
    if suffix not in FORMS:
        near = did_you_mean(suffix, FORMS)
        raise Invalid(
            "unknown_report_form",
            f"`{path.name}` ends with `{suffix}`, expected {', '.join(FORMS)}",
            hint=f"Did you mean `{near}`?" if near else "Give the file one of these ends.",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FORMS[suffix](report), "utf-8")
    except OSError as error:
        raise Invalid(
            "report_not_written",
            f"`{path}` cannot be written: {error.strerror}",
            hint="Name a file in a folder that you may write to.",
        ) from error
