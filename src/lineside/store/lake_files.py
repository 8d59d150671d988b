"""Opens DuckDB on the lake's catalogue and files, wherever they lie; nothing is downloaded."""

import os
import sqlite3
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from lineside.core import Unavailable
from lineside.store import bounds, queries
from lineside.store.lean import leave_pandas_out
from lineside.store.wal import write_ahead

if TYPE_CHECKING:
    import duckdb

_CATALOGUE_EXTENSIONS = {"sqlite": "sqlite_scanner", "postgres": "postgres_scanner"}


@dataclass(frozen=True)
class LakePlace:
    """Where the lake lies.

    Attributes:
        catalogue: `sqlite:` and a path, or `postgres:` and an address.
        files: A folder, or `s3://bucket/prefix`.
        s3_endpoint: Host and port of a store that speaks S3, when it is not Amazon's; `http://`
            before it switches TLS off.
        memory_mb: What DuckDB may take in one process, in MiB.
        cores: How many it may keep busy.
    """

    catalogue: str
    files: str
    s3_endpoint: str = ""
    s3_region: str = ""
    memory_mb: int = 256
    cores: int = 2

    @property
    def is_in_bucket(self) -> bool:
        return self.files.startswith("s3://")


def connect(place: LakePlace) -> "duckdb.DuckDBPyConnection":
    """DuckDB with the lake attached as `lake`; its own error when the catalogue does not answer."""
    import duckdb

    leave_pandas_out()
    database = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # They come from hash-pinned wheels, as all our code does; to check DuckDB's signature
            # of each again takes 0.25 s of CPU whenever a process opens the lake.
            "allow_unsigned_extensions": True,
            "memory_limit": f"{place.memory_mb}MB",
            "threads": place.cores,
            # What does not fit into memory while files are merged goes here meanwhile. DuckDB
            # removes the folder when it closes, so nobody may share it.
            "temp_directory": str(Path(tempfile.gettempdir()) / f"lineside-lake-{token_hex(8)}"),
            "preserve_insertion_order": False,
        }
    )
    kind, _, path = place.catalogue.partition(":")
    for name in ("ducklake", _CATALOGUE_EXTENSIONS[kind]):
        database.execute(f"LOAD '{_extension(name)}'")
    if kind == "sqlite":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # In WAL a reader never waits for the flusher; the mode stays with the file.
        with sqlite3.connect(path) as connection:
            write_ahead(connection)
        connection.close()
    if place.is_in_bucket:
        _open_bucket(database, place)
    else:
        Path(place.files).mkdir(parents=True, exist_ok=True)
    try:
        _attach(database, place)
        bounds.mend(database)
    except BaseException:
        database.close()
        raise
    return database


def _attach(database: "duckdb.DuckDBPyConnection", place: LakePlace) -> None:
    """Attach the lake, also one whose state folder was moved, copied or restored elsewhere."""
    import duckdb

    attach = f"ATTACH 'ducklake:{_quoted(place.catalogue)}' AS lake (DATA_PATH"
    files = f"'{_quoted(place.files)}'"
    try:
        database.execute(f"{attach} {files})")
        return
    except duckdb.Error as error:
        if place.is_in_bucket or "does not match existing data path" not in str(error):
            raise
    database.execute(f"{attach} {files}, OVERRIDE_DATA_PATH true)")
    found = database.execute(queries.LAKE_ANY_FILE).fetchone()
    if found and not Path(place.files, found[1]).exists():
        raise Unavailable(
            "lake_files_elsewhere",
            f"The lake's files are not in `{place.files}`: `{found[1]}` is missing; the catalogue "
            f"was last used with `{found[0]}`.",
            hint="Move or restore the files together with the catalogue, or set LINESIDE_LAKE to "
            "the folder they are in.",
        )
    # For those who read the lake without us.
    database.execute(queries.LAKE_MOVED, [f"{place.files.rstrip('/')}/"])


def _open_bucket(database: "duckdb.DuckDBPyConnection", place: LakePlace) -> None:
    database.execute(f"LOAD '{_extension('httpfs')}'")
    endpoint = place.s3_endpoint
    values = {
        "TYPE": "s3",
        "KEY_ID": os.environ.get("AWS_ACCESS_KEY_ID", ""),
        "SECRET": os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
        "SESSION_TOKEN": os.environ.get("AWS_SESSION_TOKEN", ""),
        "REGION": place.s3_region or os.environ.get("AWS_REGION", "us-east-1"),
        "ENDPOINT": endpoint.partition("://")[2] or endpoint,
        "URL_STYLE": "path" if endpoint else "",
        "USE_SSL": "false" if endpoint.startswith("http://") else "",
    }
    listed = ", ".join(f"{name} '{_quoted(value)}'" for name, value in values.items() if value)
    database.execute(f"CREATE SECRET ({listed})")


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _extension(name: str) -> Path:
    """The extension's file inside its wheel; DuckDB is never asked to download one."""
    package = import_module(f"duckdb_extension_{name}")
    folder = Path(package.__file__ or "").parent
    return next(folder.rglob("*.duckdb_extension"))
