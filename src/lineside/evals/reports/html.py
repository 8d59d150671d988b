"""A verdict as one HTML file, or as the part of it that a notebook shows.

The file asks for nothing outside of itself, so it can be attached, mailed and kept.
"""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lineside.evals.reports import pictures
from lineside.evals.reports.report import DECISIONS, Report, answered, decided, in_words
from lineside.stats import axes

_PAYLOAD_CHARACTERS_MAX = 600
_FLIPS_SHOWN = 12


def as_html(report: Report) -> str:
    """A page of its own: verdict, rules, slices, what changed, and the cases to look at."""
    return _rendered("page.html", report)


def as_fragment(report: Report) -> str:
    """Verdict and rules, to stand in a page of somebody else, such as a notebook."""
    return _rendered("fragment.html", report)


def _rendered(template: str, report: Report) -> str:
    found = report.comparison
    return (
        _environment()
        .get_template(template)
        .render(
            report=report,
            run=report.run,
            verdict=report.gate.verdict,
            rules=pictures.rule_pictures(report.gate.verdict.findings),
            slice_plots=pictures.slice_plots(report.summary),
            difference=pictures.difference_plot(found) if found else None,
            difference_plots=pictures.difference_plots(found) if found else [],
        )
    )


def _said(text: str) -> Markup:
    """A sentence with its `names` set as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    pieces = [
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
        for at, part in enumerate(parts)
    ]
    return Markup("").join(pieces)


def _shortened(text: str) -> str:
    is_long = len(text) > _PAYLOAD_CHARACTERS_MAX
    return text[: _PAYLOAD_CHARACTERS_MAX - 1] + "…" if is_long else text


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lineside.evals.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"decisions": DECISIONS, "flips_shown": _FLIPS_SHOWN}
    environment.filters |= {
        "count": lambda value: f"{value:,}",
        "decided": decided,
        "answered": lambda result: _shortened(answered(result)),
        "in_words": lambda value: _shortened(in_words(value)),
        "said": _said,
        "shown": axes.show,
        "spanning": axes.show_span,
    }
    return environment
