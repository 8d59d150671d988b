"""SQLite's log that is written ahead, in which readers do not wait for a writer."""

import sqlite3
import time

_ATTEMPTS_MAX = 100
_WAIT_SECONDS = 0.05


def write_ahead(connection: sqlite3.Connection) -> None:
    """Use that log from now on; the file keeps it so.

    Two processes that make a file at the same moment both ask for it. SQLite tells one of them that
    the file is locked, at once and whatever timeout was set, so that it has to ask again.
    """
    for attempt in range(_ATTEMPTS_MAX):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if attempt == _ATTEMPTS_MAX - 1:
                raise
            time.sleep(_WAIT_SECONDS)
        else:
            return
