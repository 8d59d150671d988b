"""The shape of the records: one catalogue of tables that every room adds its own to."""

from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from lineside.core import clock

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def _micros(moment: datetime) -> int:
    delta = moment - _BEGINNING
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


_EARLIEST, _LATEST = _micros(clock.EARLIEST), _micros(clock.LATEST)


class Moment(sa.TypeDecorator[datetime]):
    """An aware moment in UTC, kept as microseconds since 1970 so that both databases agree."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        # What is past the end of the calendar in UTC could be written, and not be read again.
        return min(max(_micros(value), _EARLIEST), _LATEST)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        whole, micros = divmod(value, 1_000_000)
        return datetime.fromtimestamp(whole, UTC).replace(microsecond=micros)


class Document(sa.TypeDecorator[Any]):
    """A JSON value, kept as text so that both databases give back the same bytes."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)


# SQLite gives a column a counter of its own only when its type reads INTEGER.
Counter = sa.BigInteger().with_variant(sa.Integer, "sqlite")
