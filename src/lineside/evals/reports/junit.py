"""Verdicts as JUnit XML, which every CI server reads.

A test is a rule of a gate, not a case: one wrong answer among a thousand is no failed test, and a
rule says how many are too many. A rule that the data cannot decide is an error, a rule that is
missed is a failure.
"""

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from lineside.evals.reports.report import Report
from lineside.stats import Finding

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(reports: Sequence[Report]) -> str:
    """One document with a suite for each report."""
    suites = [_suite(report) for report in reports]
    root = Element("testsuites", {"name": "lineside", **_totals(suites)})
    root.extend(suites)
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(report: Report) -> Element:
    run = report.run
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0.0
    tests = [_test(report, finding) for finding in report.findings]
    if report.gate.verdict.decision != "ship" and not any(map(len, tests)):
        # A run that stopped half way, or a gate without rules, holds up no single rule.
        tests.append(_undecided(report))
    for test in tests:
        test.set("time", f"{seconds / len(tests):.3f}")
    suite = Element(
        "testsuite",
        name=_clean(report.title),
        tests=str(len(tests)),
        failures=str(sum(test.find("failure") is not None for test in tests)),
        errors=str(sum(test.find("error") is not None for test in tests)),
        skipped="0",
        time=f"{seconds:.3f}",
        timestamp=run.started_at.strftime("%Y-%m-%dT%H:%M:%S"),
    )
    properties = SubElement(suite, "properties")
    for name, value in {
        "verdict": report.gate.verdict.decision,
        "run": run.id,
        "baseline": report.gate.baseline_run_id or "",
        "dataset": f"{run.dataset_name} {run.dataset_digest}",
        "cases": str(run.cases_total),
    }.items():
        SubElement(properties, "property", name=name, value=_clean(value))
    suite.extend(tests)
    SubElement(suite, "system-out").text = _clean(_said(report))
    return suite


def _test(report: Report, finding: Finding) -> Element:
    test = Element("testcase", classname=_clean(report.title), name=_clean(finding.rule))
    if finding.decision == "hold":
        told = SubElement(test, "failure", type="hold", message=_clean(finding.sentence))
        told.text = _clean(report.gate.verdict.sentence)
    elif finding.decision == "more":
        told = SubElement(test, "error", type="not_enough_data", message=_clean(finding.sentence))
        told.text = _clean(report.gate.verdict.sentence)
    return test


def _undecided(report: Report) -> Element:
    test = Element("testcase", classname=_clean(report.title), name="verdict")
    sentence = _clean(report.gate.verdict.sentence)
    SubElement(test, "error", type="not_enough_data", message=sentence)
    return test


def _said(report: Report) -> str:
    lines = [report.gate.verdict.sentence, *report.gate.notes]
    lines += [f"{result.standing}: {result.case_id}" for result in report.wrong]
    return "\n".join(lines)


def _totals(suites: Sequence[Element]) -> dict[str, str]:
    counts = {
        name: str(sum(int(suite.get(name, "0")) for suite in suites))
        for name in ("tests", "failures", "errors")  # Jenkins' schema has no `skipped` up here
    }
    seconds = sum(float(suite.get("time", "0")) for suite in suites)
    return counts | {"time": f"{seconds:.3f}"}


def _clean(text: str) -> str:
    """The text without the characters that XML cannot hold."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
