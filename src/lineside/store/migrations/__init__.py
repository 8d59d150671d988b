"""Brings the records database to the newest shape, at start, once, whoever starts first."""

from pathlib import Path

import sqlalchemy as sa

from lineside.core import Conflict
from lineside.store.records import Records

VERSIONS = Path(__file__).parent / "versions"


def newest() -> str:
    """Name of the newest shape: the file name of the last revision."""
    return max(path.stem for path in VERSIONS.glob("[0-9]*.py"))


def current(records: Records) -> str | None:
    """Name of the shape the database has, or nothing for an empty one."""
    with records.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        version = sa.table("alembic_version", sa.column("version_num"))
        return connection.execute(sa.select(version.c.version_num)).scalar()


def migrate(records: Records) -> None:
    """Bring the database to the newest shape; costs one query when it is there already.

    Raises:
        Conflict: The database was written by a newer lineside.
    """
    before = current(records)
    if before == newest():
        return
    known = {path.stem for path in VERSIONS.glob("[0-9]*.py")}
    if before is not None and before not in known:
        raise Conflict(
            "database_is_newer",
            f"The database has shape `{before}`, this lineside knows up to `{newest()}`",
            hint="Install the newer lineside again, or point LINESIDE_HOME at another folder.",
        )
    # Alembic takes a third of a second to import; nobody should pay that at every start.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    with records.write() as connection:
        if not records.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(7710)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
