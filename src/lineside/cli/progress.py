"""Long work, as it goes on: a bar for people at a terminal, a line a station for a log."""

import sys
import time
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from lineside.cli.output import console_on
from lineside.core import clock

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from lineside.evals import Run

_LOG_SECONDS = 10.0
_DECISIONS = {"ship": "ship", "hold": "hold", "more": "not enough data"}


class Gauge:
    """Tells on stderr how far one piece of work is: a bar at a terminal, lines for a log."""

    def __init__(self, name: str) -> None:
        self._stations = Stations()
        self._name = name

    def tell(self, detail: str, done: int | None = None, total: int | None = None) -> None:
        """Say how far it is; called as often as one likes."""
        self._stations(self._name)
        self._stations.tell(detail, done, total)

    def __enter__(self) -> Self:
        self._stations(self._name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stations.end(is_good=error is None)


class Stations:
    """Tells on stderr which station the work is at and, while cases are judged, how far.

    Called as `lineside.apps` calls back: with the station's name, and the run while it is judged.
    """

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._station: str | None = None
        self._detail = ""
        self._started = 0.0
        self._logged = 0.0
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, station: str, run: "Run | None" = None) -> None:
        if station != self._station:
            self._finish("✓")
            self._begin(station)
        if run is not None:
            self._count(run)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(is_good=error is None)
        if kind is KeyboardInterrupt:
            click.echo("What was judged is kept; the same command goes on from there", err=True)

    def end(self, *, is_good: bool) -> None:
        """End the station that the work is at."""
        self._finish("✓" if is_good else "✗")

    def tell(self, detail: str, done: int | None = None, total: int | None = None) -> None:
        """Say how far the work at this station is."""
        self._detail = detail
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, detail=detail)
        elif time.monotonic() - self._logged > _LOG_SECONDS:
            self._logged = time.monotonic()
            click.echo(f"… {self._station}: {detail}", err=True)

    def _begin(self, station: str) -> None:
        self._station, self._detail = station, ""
        self._started = self._logged = time.monotonic()
        if not self._is_terminal:
            return
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[detail]}", markup=False),
            console=console_on(sys.stderr),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(station, total=None, detail="")

    def _count(self, run: "Run") -> None:
        failed = f", {run.cases_failed:,} failed" if run.cases_failed else ""
        detail = f"{run.cases_done:,} of {run.cases_total:,} cases{failed}{_so_far(run)}"
        self.tell(detail, run.cases_done, run.cases_total)

    def _finish(self, sign: str) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None
        if self._station is None:
            return
        seconds = timedelta(seconds=time.monotonic() - self._started)
        detail = f": {self._detail}" if self._detail else ""
        click.echo(f"{sign} {self._station}{detail} ({clock.spell_duration(seconds)})", err=True)
        self._station = None


def _so_far(run: "Run") -> str:
    """The running verdict where there are looks, else the share of right answers; and any crowd."""
    spent, words = run.spent, ""
    if run.looks and (run.status == "running" or run.plan.stops_early):
        look = run.looks[-1]
        words = (
            f"; {_DECISIONS[look.decision]} so far (look {len(run.looks)}, {look.cases:,} cases)"
        )
    elif spent.right + spent.wrong:
        share = 100 * spent.right / (spent.right + spent.wrong)
        is_last = run.cases_done == run.cases_total
        word = "won" if run.compares else "right"
        known = spent.right + spent.wrong
        some = f" of {known:,} scored" if known + run.cases_failed < run.cases_done else ""
        words = f", {share:.0f} % {word}{some}" + ("" if is_last else " so far")
    if cost_usd := spent.cost_usd + spent.judges.cost_usd:
        words += f", {cost_usd:.3g} USD"
    if spent.rate_limited:
        words += f", {spent.concurrency} at once after {spent.rate_limited:,} × 429"
    return words
