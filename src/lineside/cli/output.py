"""What people and programs get to see: sentences, tables, JSON, and progress beside them."""

import dataclasses
import os
import sys
import textwrap
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

import click

from lineside.core import now

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_UNKNOWN = 160
"""Columns for a file or a pipe, which has no width of its own."""


def print_json(value: Any) -> None:
    """Print one JSON document, the only thing a command with `--json` writes to stdout."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    click.echo(orjson.dumps(value, default=_plain, option=options).decode())


def print_json_line(value: Any) -> None:
    """Print a JSON document on one line at once, for a program that reads on while we go on."""
    import orjson

    click.echo(orjson.dumps(value, default=_plain).decode())
    sys.stdout.flush()


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Collection[str] = (),
    whole: Collection[str] = (),
) -> None:
    """Print rows under their headings.

    Args:
        numbers: Columns that stand to the right.
        whole: Columns that are never broken, such as ids that people copy.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in numbers else "left",
            overflow="fold",
            no_wrap=column in whole,
        )
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    console = console_on(sys.stdout)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def say(text: str = "", *, style: str = "") -> None:
    """Print a sentence to stdout, broken between words at the terminal's width."""
    _print(sys.stdout, text, style)


def note(text: str) -> None:
    """Print what is not data (progress, hints) to stderr."""
    _print(sys.stderr, text, "")


def console_on(stream: TextIO) -> "Console":
    """A console that takes text as it is: no markup, no guessing at colours."""
    from rich.console import Console

    has_width = stream.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(
        file=stream,
        width=None if has_width else _WIDTH_UNKNOWN,
        markup=False,
        highlight=False,
        emoji=False,
    )


def local_time(moment: datetime | None) -> str:
    """A moment as the clock on the wall says it, or a dash."""
    if moment is None:
        return "–"
    local = moment.astimezone()
    is_today = local.date() == now().astimezone().date()
    return local.strftime("today %H:%M" if is_today else "%Y-%m-%d %H:%M")


def short(value: Any, *, characters: int = 100) -> str:
    """A payload in one line: a lone field by its value, several with their names."""
    if isinstance(value, dict):
        parts = [f"{name}: {short(item)}" for name, item in value.items()]
        text = short(next(iter(value.values()))) if len(value) == 1 else ", ".join(parts)
    elif isinstance(value, float):
        text = f"{value:.3g}"
    else:
        text = " ".join(str(value).split())
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _print(stream: TextIO, text: str, style: str) -> None:
    from rich.text import Text

    console = console_on(stream)
    if stream.isatty():
        text = "\n".join(_wrapped(line, console.width) for line in text.split("\n"))
    console.print(Text(text, style=style), soft_wrap=True)


def _wrapped(line: str, width: int) -> str:
    """A line broken between words, its further lines under the first word; addresses stay whole."""
    start = len(line) - len(line.lstrip(" •→✓✗!"))
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(value: Any) -> Any:
    """What a record looks like in JSON; orjson asks only about what it does not know."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "_asdict"):
        return value._asdict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)
