"""How what waits in the inbox becomes rows of the lake: one intake for each name in the inbox."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from lineside.store.queries import ROWS, Envelope
from lineside.store.text_index import Indexed

__all__ = ["Ask", "Envelope", "Intake", "LakeTable", "PlainIntake", "Prepared", "Rows"]

Rows = dict[str, list[bytes]]
"""Lake table to JSON arrays of row objects."""


class Prepared(NamedTuple):
    """What a batch of envelopes comes to.

    Attributes:
        rows: For the lake.
        texts: To be found by their words.
    """

    rows: Rows
    texts: Sequence[Indexed] = ()


Ask = Callable[..., list[dict[str, Any]]]
"""Runs a query with its parameters over the lake as it is, without what waits."""


@dataclass(frozen=True, eq=False)
class LakeTable:
    """A table of the lake, as a room declares it.

    Attributes:
        columns: Column names with DuckDB types.
        sorted_by: Columns that compaction sorts by, the most telling first.
        found_by: Columns whose least and greatest value is kept in the catalogue for each file, so
            that files are left unread; of all columns where none is named. Every query looks
            through all that is kept there.
        is_derived: Whether it holds only what is worked out from other tables up to some state of
            the lake. It is emptied before files are written anew, which gives rows another state.
    """

    name: str
    columns: dict[str, str]
    sorted_by: tuple[str, ...] = ()
    found_by: tuple[str, ...] = ()
    is_derived: bool = False


class Intake(Protocol):
    """Makes rows of envelopes; a room that keeps more than plain rows has one of its own."""

    @property
    def name(self) -> str:
        """The name in the inbox that it reads."""

    @property
    def tables(self) -> Sequence[LakeTable]:
        """Every table it has rows for."""

    def read_ahead(self, envelopes: Sequence[Envelope]) -> None:
        """Do what can be done of `prepare` before those that came earlier are in the lake."""

    def prepare(self, envelopes: Sequence[Envelope], *, ask: Ask, keeps: bool) -> Prepared:
        """Rows of these envelopes, in their order, without those that the lake already has.

        Must not fail on what one envelope holds: what cannot be read was refused at the door.

        Args:
            ask: Asks the lake.
            keeps: Whether the rows are about to be written; else somebody only looks at them.
        """


@dataclass(frozen=True)
class PlainIntake:
    """The intake of a table whose envelopes hold its rows and nothing else."""

    table: LakeTable

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def tables(self) -> Sequence[LakeTable]:
        return (self.table,)

    def read_ahead(self, envelopes: Sequence[Envelope]) -> None:
        """There is nothing to do."""

    def prepare(
        self,
        envelopes: Sequence[Envelope],
        *,
        ask: Ask,  # noqa: ARG002 # every accepted row is one of its own
        keeps: bool,  # noqa: ARG002 # the same either way
    ) -> Prepared:
        return Prepared({self.table.name: [one.payload for one in envelopes if one.form == ROWS]})
