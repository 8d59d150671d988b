"""A verdict as Markdown, for the comment under a pull request or merge request.

The plot is text: services that show Markdown take pictures only from an address, and a report has
none.
"""

import re
from collections.abc import Sequence
from math import isfinite

from lineside.evals.reports.pictures import difference_unit, rule_unit
from lineside.evals.reports.report import DECISIONS, Report, answered, decided, in_words
from lineside.stats import Finding, axes, wording
from lineside.usecases import parse_rule

_EMOJI = {"ship": "🟢", "hold": "🔴", "more": "🟡"}
_PLOT_COLUMNS = 44
_LABEL_COLUMNS_MAX = 24
_CELL_CHARACTERS_MAX = 160
_WRONG_SHOWN = 10
_SLICES_SHOWN = 5
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def as_markdown(report: Report) -> str:
    """The verdict, what each rule found, a plot, slices, and cases to look at."""
    decision = report.gate.verdict.decision
    run = report.run
    parts = [
        f"### {_EMOJI[decision]} {DECISIONS[decision]}: {_plain(report.title)}",
        _sentence(report.reason),
    ]
    if report.findings:
        parts += [_rules(report.findings), _plot(report.findings)]
    parts += [_sentence(f"- {note}") for note in report.gate.notes]
    parts.append(_compared(report))
    parts.append(_slices(report))
    parts.append(_wrong(report))
    parts.append(
        f"<sub>{run.judged_in_words} of {_plain(run.dataset_name)}, "
        f"{run.cases_failed:,} without an answer · run `{run.id}` · lineside</sub>"
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def text_plot(findings: Sequence[Finding]) -> str:
    """Each rule as one line of text: estimate ●, interval ━, what was asked for ┆."""
    measured = [finding for finding in findings if finding.value is not None]
    labels = [_label(finding) for finding in measured]
    width = min(_LABEL_COLUMNS_MAX, max(map(len, labels), default=0))
    lines = []
    for label, finding in zip(labels, measured, strict=True):
        value = axes.show(finding.value, rule_unit(finding))
        lines.append(
            f"{label[:width].ljust(width)}  {_drawn(finding)}  {value:>13}  {decided(finding)}"
        )
    return "\n".join(lines)


def _label(finding: Finding) -> str:
    against = " − live" if parse_rule(finding.rule).kind == "non_inferiority" else ""
    return finding.label + against


def _drawn(finding: Finding) -> str:
    ends = [finding.value, finding.low, finding.high, finding.threshold]
    known = [end for end in ends if end is not None and isfinite(end)]
    is_difference = parse_rule(finding.rule).kind == "non_inferiority"
    scale = axes.axis(known, unit=rule_unit(finding), zero=is_difference)

    def column(value: float | None, otherwise: float) -> int:
        place = scale.place(value if value is not None and isfinite(value) else otherwise)
        return round(place / 100 * (_PLOT_COLUMNS - 1))

    low, high = column(finding.low, scale.start), column(finding.high, scale.end)
    signs = ["─"] * _PLOT_COLUMNS
    signs[low : high + 1] = "━" * (high + 1 - low)
    if is_difference:
        signs[column(0.0, scale.start)] = "│"
    signs[column(finding.threshold, scale.start)] = "┆"
    signs[column(finding.value, scale.start)] = "●"
    return "".join(signs)


def _plot(findings: Sequence[Finding]) -> str:
    drawn = text_plot(findings)
    legend = "● estimate  ━ interval  ┆ asked for" + ("  │ no difference" if "│" in drawn else "")
    return f"```text\n{drawn}\n\n{legend}\n```" if drawn else ""


def _rules(findings: Sequence[Finding]) -> str:
    confidence = f"{wording.show_level(findings[0].confidence)} interval"
    rows = [
        (
            f"`{finding.rule.replace('|', ' ')}`",
            "–" if finding.value is None else axes.show(finding.value, rule_unit(finding)),
            _span(finding.low, finding.high, rule_unit(finding)),
            decided(finding),
        )
        for finding in findings
    ]
    return _table(("rule", "estimate", confidence, "decision"), rows, numbers=(1, 2))


def _compared(report: Report) -> str:
    found = report.comparison
    if found is None:
        return ""
    unit = difference_unit(found)
    value = axes.show(found.difference.value, unit, signed=True)
    span = axes.show_span(found.difference.low, found.difference.high, unit, signed=True)
    licence = f" {found.judge_note[0].upper()}{found.judge_note[1:]}." if found.judge_note else ""
    return (
        f"Against the baseline, {_plain(found.score)} differs by **{value}** (interval {span}): "
        f"{len(found.improved):,} cases better, {len(found.worsened):,} worse.{licence}"
    )


def _slices(report: Report) -> str:
    main = report.summary.scores.get(report.summary.main_score or "")
    flat = [
        (f"{name}: {value}", found)
        for name, values in report.summary.slices.items()
        for value, found in values.items()
    ]
    if main is None or not flat:
        return ""
    flat.sort(key=lambda pair: pair[1].value, reverse=not main.higher_is_better)
    rows = [
        (
            _plain(name),
            axes.show(found.value, main.unit),
            _span(found.low, found.high, main.unit),
            f"{found.cases_scored:,}",
        )
        for name, found in flat[:_SLICES_SHOWN]
    ]
    table = _table(("worst slices", main.label, "95 % interval", "cases"), rows, numbers=(1, 2, 3))
    return _folded(f"Slices ({len(flat):,})", table)


def _wrong(report: Report) -> str:
    if not report.wrong:
        return ""
    rows = [
        (
            _plain(result.case_id) + (" ↓" if report.is_worse(result) else ""),
            _plain(in_words(result.input)),
            _plain(in_words(result.expected)),
            f"`{result.error_code}`" if result.output is None else _plain(answered(result)),
        )
        for result in report.wrong[:_WRONG_SHOWN]
    ]
    table = _table(("case", "input", "expected", "answered"), rows)
    legend = "\n\n↓ better in the baseline" if any(map(report.is_worse, report.wrong)) else ""
    return _folded("Cases to look at", table + legend)


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()
) -> str:
    rule = ["--:" if at in numbers else ":--" for at in range(len(columns))]
    lines = [columns, rule, *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _span(low: float | None, high: float | None, unit: str) -> str:
    if low is None or high is None or not (isfinite(low) and isfinite(high)):
        return "–"
    return axes.show_span(low, high, unit)


def _plain(text: str) -> str:
    """Text from outside on one line, so that nothing in it is markup or calls a person by name."""
    line = " ".join(text.split())
    if len(line) > _CELL_CHARACTERS_MAX:
        line = line[: _CELL_CHARACTERS_MAX - 1] + "…"
    return _SPECIAL.sub(r"\\\1", line).replace("@", "@\N{ZERO WIDTH NON-JOINER}")


def _sentence(text: str) -> str:
    """A sentence of ours, whose `names` stay code; what is outside of them is plain."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return _SPECIAL.sub(r"\\\1", text)
    return "`".join(
        part if at % 2 else _SPECIAL.sub(r"\\\1", part) for at, part in enumerate(parts)
    )
