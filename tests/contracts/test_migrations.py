from importlib import import_module

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from lineside.store import Store, metadata


def test_the_migrations_make_exactly_the_tables_the_rooms_declare(store: Store) -> None:
    for room in ("trust", "traces", "usecases", "evals", "apps"):
        import_module(f"lineside.{room}")

    with store.records.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)

    assert differences == []
