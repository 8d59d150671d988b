"""What every benchmark ends in: its claim, its figures with their goals, and the peers beside it.

A goal that is missed is a result, not an error: every benchmark exits 0 once it has measured.
"""

import argparse
import json
import os
import signal
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_SIGNS = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b}


@dataclass(frozen=True)
class Figure:
    """One measured number; without a goal it only informs.

    Attributes:
        goal: Sign and bound, such as `("<=", 8)`.
        note: How it was measured, where the name does not say it.
    """

    value: float
    unit: str
    goal: tuple[str, float] | None = None
    note: str = ""

    @property
    def holds(self) -> bool | None:
        return None if self.goal is None else _SIGNS[self.goal[0]](self.value, self.goal[1])

    @property
    def goal_text(self) -> str | None:
        return None if self.goal is None else f"{self.goal[0]} {self.goal[1]:g}"


@dataclass
class Report:
    """Gathers figures and prints them: a table for people, one line of JSON for machines."""

    claim: str
    figures: dict[str, Figure] = field(default_factory=dict)
    peers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        load = os.getloadavg()[0]
        self.add("load_average_before", load, "", note="of other work on this machine")

    def add(
        self, name: str, value: float, unit: str, *, goal: str | None = None, note: str = ""
    ) -> None:
        """Keep a figure; the goal is written as in `"<= 8"`."""
        sign, _, bound = (goal or "").partition(" ")
        self.figures[name] = Figure(value, unit, (sign, float(bound)) if goal else None, note)
        said = {True: "holds", False: "MISSED", None: ""}[self.figures[name].holds]
        progress(f"  {name}: {_number(value)} {unit} {said}".rstrip())

    def add_peer(self, name: str, figures: dict[str, float], *, note: str) -> None:
        """Keep what a peer did in this same run, under the names of our own figures."""
        self.peers[name] = {"figures": figures, "note": note}
        progress(f"  {name}: " + ", ".join(f"{key} {_number(v)}" for key, v in figures.items()))

    def close(self, *, as_json: bool) -> None:
        """Print everything; with `as_json` the last line is JSON."""
        print(f"\nClaim: {self.claim}\n")
        rows = [
            (
                name,
                f"{_number(figure.value)} {figure.unit}".rstrip(),
                figure.goal_text or "–",
                {True: "holds", False: "MISSED", None: ""}[figure.holds],
                figure.note,
            )
            for name, figure in self.figures.items()
        ]
        _print_rows([("figure", "measured", "goal", "", "note"), *rows])
        for name, peer in self.peers.items():
            print(f"\nBeside us: {name}. {peer['note']}")
            _print_rows([(key, self._beside(key, value)) for key, value in peer["figures"].items()])
        if as_json:
            print(json.dumps(self._document()))

    def _beside(self, name: str, value: float) -> str:
        text = _number(value)
        ours = self.figures.get(name)
        if ours is None or not ours.value:
            return text
        return f"{text} {ours.unit} = {value / ours.value:.2f} x ours"

    def _document(self) -> dict[str, Any]:
        figures = {
            name: {
                "value": figure.value,
                "unit": figure.unit,
                "goal": figure.goal_text,
                "holds": figure.holds,
            }
            for name, figure in self.figures.items()
        }
        return {"claim": self.claim, "figures": figures, "peers": self.peers}


def options(description: str | None, *more: Callable[[argparse.ArgumentParser], Any]) -> Any:
    """Read the options every benchmark has, and those that `more` adds."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument(
        "--peers",
        action="store_true",
        help="install the peers into temporary environments and measure them in the same run",
    )
    for add in more:
        add(parser)
    # Asked to stop, a benchmark still stops the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return parser.parse_args()


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def progress(text: str) -> None:
    """Say on stderr what goes on; stdout is for results."""
    print(text, file=sys.stderr, flush=True)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"


def _print_rows(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(map(str.ljust, row, widths)).rstrip())
