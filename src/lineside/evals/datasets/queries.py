"""Rows of Parquet files, read where they lie."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ROWS_AT_ONCE = 10_000


def parquet_rows(file: Path) -> Iterator[dict[str, Any]]:
    """Yield every row of a file by column name.

    Raises:
        ValueError: It is no Parquet file.
    """
    import duckdb  # it takes a while, and few files are Parquet

    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        try:
            found = connection.execute("SELECT * FROM read_parquet(?)", [[str(file)]])
            names = [column[0] for column in found.description or ()]
            while rows := found.fetchmany(_ROWS_AT_ONCE):
                yield from (dict(zip(names, row, strict=True)) for row in rows)
        except duckdb.Error as error:
            raise ValueError(str(error)) from error
