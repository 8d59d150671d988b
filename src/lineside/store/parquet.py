"""Rows of Parquet files, read and written a few at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineside.core import Invalid

if TYPE_CHECKING:
    import duckdb

MAGIC = b"PAR1"
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
        rows = f"SELECT {chosen} FROM read_parquet(?)"  # noqa: S608 # columns are quoted
        result = connection.execute(rows, [str(path)])
        names = [row[0] for row in described]
        done = 0
        while some := result.fetchmany(_ROWS_AT_ONCE):
            for row in some:
                done += 1
                yield dict(zip(names, row, strict=True)), done / total


def _column(name: str, kind: str) -> str:
    """What is no plain value goes through text, which needs no package for time zones."""
    quoted = _quoted(name)
    if kind in _PLAIN:
        return quoted
    is_nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))
    return f"{f'to_json({quoted})' if is_nested else quoted}::VARCHAR AS {quoted}"


def write(json_lines: Path, kinds: Mapping[str, str], out: Path) -> None:
    """Turn JSON lines into a Parquet file, some rows at a time.

    Args:
        kinds: Column to its type in DuckDB, in the order of the file.
    """
    import duckdb

    settings = _SETTINGS | {"temp_directory": str(out.parent)}
    struct = ", ".join(f"{_quoted(name)}: '{kind}'" for name, kind in kinds.items())
    with duckdb.connect(config=settings) as connection:
        connection.execute(
            f"COPY (SELECT * FROM read_json(?, format = 'newline_delimited', "  # noqa: S608 # quoted
            f"columns = {{{struct}}}, maximum_object_size = 67108864)) "
            f"TO {_text(str(out))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000)",
            [str(json_lines)],
        )


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


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
