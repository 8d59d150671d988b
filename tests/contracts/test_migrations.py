from importlib import import_module
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from lineside.store import Store, metadata


def test_the_migrations_make_exactly_the_tables_the_rooms_declare(store: Store) -> None:
    for room in (
        "trust",
        "traces",
        "gateway.cache",
        "gateway.idempotency",
        "usecases",
        "evals",
        "apps",
        "apps.batches",
    ):
        import_module(f"lineside.{room}")

    with store.records.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_object": _is_declared}
        )
        differences = compare_metadata(context, metadata)

    assert differences == []


def _is_declared(entity: Any, name: str | None, kind: str, *_: Any) -> bool:
    """All but the index of words, a table in PostgreSQL alone, of types only it has."""
    table = name if kind == "table" else getattr(getattr(entity, "table", None), "name", None)
    return table != "indexed_words"
