"""`lineside flush`: move what was received into the lake, now or as long as somebody wants it."""

import gc
import os
import select
import sys
import time
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import note, print_json_line, say
from lineside.cli.place import scope_here
from lineside.core import LinesideError

if TYPE_CHECKING:
    from lineside.store import Store

_UPKEEP_SECONDS = 60.0
_REST_TIMES = 7
_REST_SECONDS_MAX = 10.0
_REST_ROWS_MAX = 1_000


@click.command(cls=Spoken, examples=("lineside flush", "lineside flush --json"))
@click.option("--follow", is_flag=True, help="Go on until standard input ends.")
@json_option
def flush(follow: bool, as_json: bool) -> None:
    """Move what was received into the lake.

    A running server does this by itself, with `--follow` in a process of its own. What waits is
    safe and visible before that, too.
    """
    from lineside.gateway import cache, stored
    from lineside.traces import open_traces

    # What a batch leaves lives as long as the batch; to look for rings in it is for nothing.
    gc.disable()
    with scope_here() as scope:
        scope.store.lake.take_one_core()
        open_traces(scope.store)
        cache.keep_in_order(scope.store)
        stored.keep_in_order(scope.store)
        if follow:
            _follow(scope.store, as_json=as_json)
            return
        moved = scope.store.flusher.flush()
        kept = scope.store.upkeep.run()
    if as_json:
        print_json_line({"moved": moved, "merged_files": kept.merged})
    else:
        say(f"{moved:,} rows moved into the lake")
        if kept.merged:
            note(f"{kept.merged:,} small files were merged")


def _follow(store: "Store", *, as_json: bool) -> None:
    upkeep_at, rest_until, wait_seconds = time.monotonic() + _UPKEEP_SECONDS, 0.0, 0.0
    while not _is_over(wait_seconds):
        moved, error, wait_seconds = 0, None, store.settings.flush_seconds
        try:
            if time.monotonic() < rest_until and store.inbox.count() < _REST_ROWS_MAX:
                continue
            begun = time.process_time()
            moved = store.flusher.flush()
            rest_until = time.monotonic() + _rest_seconds(time.process_time() - begun, moved)
            if time.monotonic() > upkeep_at:
                upkeep_at = time.monotonic() + _UPKEEP_SECONDS  # also where it fails
                gc.collect()
                store.upkeep.run()
            if moved and store.inbox.count() >= _REST_ROWS_MAX:
                wait_seconds = 0.0
        except LinesideError as failed:
            error = failed.message
        if as_json:
            print_json_line({"moved": moved, "error": error})
        elif moved or error:
            say(error or f"{moved:,} rows moved into the lake")


def _rest_seconds(cpu_seconds: float, moved: int) -> float:
    """How long to let little come together: to move one row costs half of what a thousand cost."""
    if moved == 0 or moved >= _REST_ROWS_MAX:
        return 0.0
    return min(_REST_SECONDS_MAX, _REST_TIMES * cpu_seconds)


def _is_over(seconds: float) -> bool:
    """Wait a while; true once whoever started this has closed its input, or died."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable) and not os.read(sys.stdin.fileno(), 4096)
