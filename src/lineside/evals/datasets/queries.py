"""What is held out, in SQL; and rows of Parquet files, read where they lie."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lineside.evals.queries import PAIR_MARK, runs
from lineside.store import Document, Moment, metadata

Row = Mapping[str, Any]

held_out = sa.Table(
    "held_out",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("use_case", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("split", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("cases", sa.Integer, nullable=False),
    sa.Column("held_by", sa.Text, nullable=False),
    sa.Column("held_at", Moment, nullable=False),
    sa.Column("open_until", Moment),
    sa.Column("opened_by", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("use_cases", Document),
)

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


def held_out_rows(
    connection: sa.Connection, *, workspace: str, use_case: str | None = None
) -> list[Row]:
    query = sa.select(held_out).where(held_out.c.workspace == workspace)
    if use_case is not None:
        query = query.where(held_out.c.use_case == use_case)
    ordered = query.order_by(held_out.c.use_case, held_out.c.name, held_out.c.split)
    return [row._asdict() for row in connection.execute(ordered)]


def judged_on(
    connection: sa.Connection, *, workspace: str, mark: str, until: str
) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Id, subject and plan of runs that got answers to cases of a part, up to one run."""
    query = sa.select(runs.c.id, runs.c.subject, runs.c.plan).where(
        runs.c.workspace == workspace,
        runs.c.id <= until,
        runs.c.cases_done > runs.c.cases_failed,
        ~runs.c.subject.startswith(PAIR_MARK),
        sa.type_coerce(runs.c.plan, sa.Text).contains(mark),
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def put_held_out(connection: sa.Connection, row: Row) -> None:
    """Add a part that is held out, or say anew how it stands."""
    key = [column.name for column in held_out.primary_key]
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    query = dialect.insert(held_out).values(dict(row))
    changed = {name: value for name, value in row.items() if name not in key}
    connection.execute(query.on_conflict_do_update(index_elements=key, set_=changed))
