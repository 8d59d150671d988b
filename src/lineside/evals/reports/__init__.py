"""What a test found, written down for those who were not there: HTML, Markdown, JUnit, JSON."""

from lineside.evals.reports.files import write_report
from lineside.evals.reports.html import as_fragment, as_html
from lineside.evals.reports.junit import as_junit
from lineside.evals.reports.markdown import as_markdown, text_plot
from lineside.evals.reports.pictures import (
    difference_plot,
    difference_plots,
    rule_pictures,
    score_plot,
    slice_plots,
)
from lineside.evals.reports.report import Report, report_of

__all__ = [
    "Report",
    "as_fragment",
    "as_html",
    "as_junit",
    "as_markdown",
    "difference_plot",
    "difference_plots",
    "report_of",
    "rule_pictures",
    "score_plot",
    "slice_plots",
    "text_plot",
    "write_report",
]
