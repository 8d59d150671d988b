"""The table of this room: use cases, with the manifest they were last registered with if any."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lineside.store import Document, Moment, metadata

use_cases = sa.Table(
    "use_cases",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("manifest", Document),
    sa.Column("folder", sa.Text),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.UniqueConstraint("workspace", "name"),
)


def find_use_case(connection: sa.Connection, workspace: str, name: str) -> dict[str, Any] | None:
    query = sa.select(use_cases).where(use_cases.c.workspace == workspace, use_cases.c.name == name)
    row = connection.execute(query).one_or_none()
    return dict(row._mapping) if row else None


def all_use_cases(connection: sa.Connection, workspace: str) -> list[dict[str, Any]]:
    query = sa.select(use_cases).where(use_cases.c.workspace == workspace)
    return [dict(row._mapping) for row in connection.execute(query.order_by(use_cases.c.name))]


def use_case_names(connection: sa.Connection, workspace: str) -> list[str]:
    query = sa.select(use_cases.c.name).where(use_cases.c.workspace == workspace)
    return list(connection.execute(query.order_by(use_cases.c.name)).scalars())


def insert_use_case(
    connection: sa.Connection, workspace: str, *, new_id: str, name: str, at: datetime
) -> bool:
    """Keep a name without a manifest; gives whether it was not there before."""
    values = {"id": new_id, "workspace": workspace, "name": name}
    done = connection.execute(
        _insert(connection)
        .values(**values, manifest=None, folder=None, created_at=at, updated_at=at)
        .on_conflict_do_nothing(index_elements=["workspace", "name"])
        .returning(use_cases.c.id)
    )
    return done.first() is not None


def delete_watched(connection: sa.Connection, workspace: str, name: str) -> bool:
    """Forget a name without a manifest; gives whether there was one."""
    chosen = use_cases.c.workspace == workspace, use_cases.c.name == name
    is_watched = use_cases.c.manifest.is_(sa.null())
    return connection.execute(use_cases.delete().where(*chosen, is_watched)).rowcount > 0


def upsert_use_case(
    connection: sa.Connection,
    workspace: str,
    *,
    new_id: str,
    name: str,
    manifest: dict[str, Any],
    folder: str | None,
    at: datetime,
) -> None:
    """Keep the manifest under its name; an id and a moment of creation once given stay."""
    changed = {"manifest": manifest, "folder": folder, "updated_at": at}
    connection.execute(
        _insert(connection)
        .values(id=new_id, workspace=workspace, name=name, created_at=at, **changed)
        .on_conflict_do_update(index_elements=["workspace", "name"], set_=changed)
    )


def _insert(connection: sa.Connection) -> sqlite.Insert | postgresql.Insert:
    is_sqlite = connection.dialect.name == "sqlite"
    return sqlite.insert(use_cases) if is_sqlite else postgresql.insert(use_cases)
