"""Who does something: a person, a key that a program holds, or lineside itself."""

from typing import Literal

from lineside.core.record import Record


class Actor(Record):
    """The one who acts, as it is written into the ledger.

    Attributes:
        kind: `person` at a terminal or page, `key` for a program, `system` for lineside itself.
        id: Member id, key id, or a fixed word for `system`.
        name: As people read it.
    """

    kind: Literal["person", "key", "system"]
    id: str
    name: str


SYSTEM = Actor(kind="system", id="lineside", name="lineside")
