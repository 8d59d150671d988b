"""How the demo shows its stations: a number, a tick, what was measured, and a plain sentence."""

import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from lineside.cli.output import console_on
from lineside.core import LinesideError, clock

if TYPE_CHECKING:
    from rich.status import Status

_WIDTH_MAX = 100


@dataclass
class Station:
    """One station of the tour, filled in while it is at work.

    Attributes:
        sentence: What happened, with its figures, as people read it.
        figures: The same for programs.
    """

    number: int
    title: str
    ok: bool = False
    seconds: float = 0.0
    sentence: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    def tell(self, sentence: str, **figures: Any) -> None:
        self.sentence = sentence
        self.figures.update(figures)


class Tour:
    """Shows stations one after the other on stdout; the one at work spins on stderr.

    Args:
        is_silent: Show nothing, because the figures go out as JSON at the end.
    """

    def __init__(self, *, is_silent: bool) -> None:
        self.stations: list[Station] = []
        self._is_silent = is_silent
        self._is_terminal = sys.stderr.isatty()
        self._width = min(console_on(sys.stdout).width, _WIDTH_MAX)
        self._status: Status | None = None
        self._started = 0.0

    @contextmanager
    def station(self, title: str) -> Iterator[Station]:
        """Measure one station and show it when it is done, or why it failed."""
        station = self.begin(title)
        try:
            yield station
        except BaseException as error:
            is_clear = isinstance(error, LinesideError)
            station.sentence = str(error) if is_clear else f"{type(error).__name__}: {error}"
            self.end(ok=False)
            raise
        self.end()

    def begin(self, title: str) -> Station:
        """Go to the next station."""
        station = Station(len(self.stations) + 1, title)
        self.stations.append(station)
        self._started = time.monotonic()
        if self._is_terminal and not self._is_silent:
            self._status = console_on(sys.stderr).status(f"{station.number:>2}  {title} …")
            self._status.start()
        return station

    def detail(self, text: str) -> None:
        """Say how far the present station is."""
        if self._status is not None:
            station = self.stations[-1]
            self._status.update(f"{station.number:>2}  {station.title} … {text}")

    def end(self, *, ok: bool = True) -> None:
        """Leave the present station and show what came of it."""
        station = self.stations[-1]
        station.ok = ok
        station.seconds = time.monotonic() - self._started
        if self._status is not None:
            self._status.stop()
            self._status = None
        if self._is_silent:
            return
        took = clock.spell_duration(timedelta(seconds=station.seconds))
        head = f"{station.number:>2} {'✓' if ok else '✗'} {station.title}"
        click.secho(f"{head:<{self._width - 10}}{took:>10}", bold=True)
        for line in textwrap.wrap(
            station.sentence, self._width - 5, break_long_words=False, break_on_hyphens=False
        ):
            click.echo(f"     {line}")
        sys.stdout.flush()

    @property
    def ok(self) -> bool:
        """Whether every station so far worked."""
        return all(station.ok for station in self.stations)
