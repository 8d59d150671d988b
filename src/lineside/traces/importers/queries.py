"""Rows of Parquet files, a few at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineside.core import Invalid

if TYPE_CHECKING:
    import duckdb

PARQUET = b"PAR1"
"""What such a file begins with."""

_ROWS_AT_ONCE = 200
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "memory_limit": "512MB",
    "threads": 1,
}
_DESCRIBE = "DESCRIBE SELECT * FROM read_parquet(?)"
_PLAIN = {"VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "FLOAT", "BOOLEAN", "SMALLINT", "TINYINT"}


def columns_of(path: Path) -> list[str]:
    """Names of the columns, in their order.

    Raises:
        Invalid: The file is damaged.
    """
    with _database(path) as connection:
        return [row[0] for row in connection.execute(_DESCRIBE, [str(path)]).fetchall()]


def rows_of(path: Path) -> Iterator[tuple[dict[str, Any], float]]:
    """Rows with how much of the table lies behind, 0 to 1; lists and structures as JSON texts.

    Raises:
        Invalid: The file is damaged.
    """
    with _database(path) as connection:
        described = connection.execute(_DESCRIBE, [str(path)]).fetchall()
        chosen = ", ".join(_column(row[0], str(row[1])) for row in described)
        count = "SELECT count(*) FROM read_parquet(?)"
        total = (connection.execute(count, [str(path)]).fetchone() or (0,))[0]
        result = connection.execute(f"SELECT {chosen} FROM read_parquet(?)", [str(path)])
        names = [row[0] for row in described]
        done = 0
        while rows := result.fetchmany(_ROWS_AT_ONCE):
            for row in rows:
                done += 1
                yield dict(zip(names, row, strict=True)), done / total


def _column(name: str, kind: str) -> str:
    """What is no plain value goes through text, which needs no package for time zones."""
    quoted = '"' + name.replace('"', '""') + '"'
    if kind in _PLAIN:
        return quoted
    is_nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))
    return f"{f'to_json({quoted})' if is_nested else quoted}::VARCHAR AS {quoted}"


@contextmanager
def _database(path: Path) -> Iterator["duckdb.DuckDBPyConnection"]:
    import duckdb

    connection = duckdb.connect(config=_SETTINGS)
    try:
        # Times are told in UTC, whatever the clock on the wall says.
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    except duckdb.Error as error:
        raise Invalid(
            "unreadable_parquet",
            f"`{path.name}` cannot be read as Parquet: {str(error).splitlines()[0]}",
            hint="Export it again; what was taken before stays.",
        ) from error
    finally:
        connection.close()
