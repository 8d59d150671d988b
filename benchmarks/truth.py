"""Claim: what a verdict rests on is right: each interval and test is that of an independent
implementation, 95 % covers 95 times in 100, looking early is wrong in 5 % at most, a planned run
has the power it was planned for, and labels that others published give what they published.

    .venv/bin/python benchmarks/truth.py [--json] [--runs 4000] [--skip-published]

One line a check: what is expected, and what was found. The independent implementations are those of
the development environment; published labels are looked for as `published.py` says. The tests hold
the same and more against bounds, with fewer runs.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from time import perf_counter

from truths.check import Check, Checks
from truths.elsewhere import (
    agreement_elsewhere,
    corrections_elsewhere,
    intervals_elsewhere,
    tests_elsewhere,
)
from truths.labels import pyrit, xstest
from truths.simulated import coverage, looking, plans, slices


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--runs", type=int, default=4_000, help="simulated runs a check")
    parser.add_argument("--skip-published", action="store_true", help="do without the labels")
    options = parser.parse_args()
    parts: list[tuple[str, Callable[[], Checks]]] = [
        ("Intervals", intervals_elsewhere),
        ("Tests", tests_elsewhere),
        ("Agreement", agreement_elsewhere),
        ("Corrections", corrections_elsewhere),
        ("Coverage", lambda: coverage(options.runs)),
        ("Looking early", lambda: looking(options.runs)),
        ("Plans", lambda: plans(options.runs)),
        ("Slices", lambda: slices(options.runs)),
    ]
    if not options.skip_published:
        parts += [("XSTest", xstest), ("PyRIT", pyrit)]
    checks: list[Check] = []
    for title, part in parts:
        began = perf_counter()
        print(f"\n{title}")
        for check in part():
            checks.append(check)
            sign = "ok    " if check.holds else "MISSED"
            told = f"expected {check.expected}, found {check.found}"
            print(f"  {sign} {check.name} ({check.source}): {told}", flush=True)
        print(f"  {title}: {perf_counter() - began:.1f} s", file=sys.stderr)
    missed = [check.name for check in checks if not check.holds]
    print(f"\n{len(checks) - len(missed)} of {len(checks)} hold")
    if options.json:
        claim = (__doc__ or "").partition("\n\n")[0]
        print(
            json.dumps(
                {"claim": claim, "checks": [asdict(check) for check in checks]}, default=bool
            )
        )


if __name__ == "__main__":
    main()
