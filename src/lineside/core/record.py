"""What every record of lineside is: frozen, strict about its fields, the same at every door."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A fact that does not change once made; a new fact is a new record."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
