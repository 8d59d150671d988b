"""What every record of lineside is: frozen, strict about its fields, the same at every door."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

_put = object.__setattr__


class Record(BaseModel):
    """A fact that does not change once made; a new fact is a new record."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @classmethod
    def of_known(cls, **fields: Any) -> Self:
        """A record of values that are known to fit; none is looked at, so all must be given.

        For what every call makes several of, out of what was checked when it came.
        """
        assert len(fields) == len(cls.__pydantic_fields__), "give every field"  # noqa: S101 # ours
        return cls._made(fields, set(fields))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic has it, for half of its time."""
        if deep:
            return super().model_copy(update=update, deep=True)
        changes = update or {}
        return self._made({**self.__dict__, **changes}, {*self.__pydantic_fields_set__, *changes})

    @classmethod
    def _made(cls, fields: dict[str, Any], said: set[str]) -> Self:
        made = cls.__new__(cls)
        _put(made, "__dict__", fields)
        _put(made, "__pydantic_fields_set__", said)
        _put(made, "__pydantic_extra__", None)
        _put(made, "__pydantic_private__", None)
        return made
