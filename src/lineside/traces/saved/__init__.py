"""Saved views: what was asked of the list of traces, under a name of its own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lineside.core import Invalid, NotFound, Record, did_you_mean, new_id, now
from lineside.traces.filters import Filters, read_filters
from lineside.traces.saved import queries
from lineside.trust import Scope

__all__ = [
    "FIELDS",
    "SavedView",
    "find_view",
    "list_views",
    "remove_view",
    "save_view",
]

FIELDS = (
    "q",
    "use_case",
    "status",
    "release",
    "arm",
    "model",
    "service",
    "session",
    "user",
    "latency_ms_min",
    "tag",
    "score",
    "text",
    "since",
    "until",
)
"""What a view may hold: the query line `q`, and what narrows it further."""

VIEWS_MAX = 200
NAME_CHARACTERS_MAX = 60
_COLUMNS_MAX = 30
_VALUE_CHARACTERS_MAX = 2_000


class SavedView(Record):
    """A question to the list of traces with a name.

    Attributes:
        is_shared: Whether everybody in the workspace sees it, or only who saved it.
        asked: Field to value, as the form of the list has them; `q` is the query line.
        columns: What the list shows, in order; nothing means what it shows by itself.
    """

    id: str
    name: str
    is_shared: bool
    asked: dict[str, str]
    columns: tuple[str, ...]
    saved_by: str
    saved_at: datetime

    @property
    def filters(self) -> Filters:
        """What it lets through; `since 24h` counts from now, whenever it was saved."""
        fields = {name: value for name, value in self.asked.items() if name != "q"}
        return read_filters(self.asked.get("q", ""), **fields)


def list_views(scope: Scope) -> list[SavedView]:
    """One's own views and those of everybody, by name."""
    scope.require("read")
    with scope.store.records.read() as connection:
        rows = queries.select_views(connection, scope.workspace, _owner(scope))
    return [_view(row) for row in rows]


def find_view(scope: Scope, name: str) -> SavedView:
    """The view of that name or id; one's own goes before that of everybody.

    Raises:
        NotFound: There is none.
    """
    views = list_views(scope)
    for view in sorted(views, key=lambda view: view.is_shared):
        if name in (view.name, view.id):
            return view
    near = did_you_mean(name, [view.name for view in views])
    raise NotFound(
        "no_view",
        f"No view is called `{name[:NAME_CHARACTERS_MAX]}`",
        hint=f"Did you mean `{near}`?" if near else "`lineside traces views` lists them.",
    )


def save_view(
    scope: Scope,
    name: str,
    asked: Mapping[str, str],
    *,
    columns: Sequence[str] = (),
    is_shared: bool = False,
) -> SavedView:
    """Keep what was asked under a name; one of that name, of the same people, is replaced.

    Raises:
        Invalid: The name is none, what was asked cannot be read, or there are too many views.
        Denied: The right `read` is missing, or `views` for one that everybody sees.
    """
    scope.require("views" if is_shared else "read")
    view = SavedView(
        id=new_id("view"),
        name=" ".join(name.split()),
        is_shared=is_shared,
        asked={field: value for field, value in asked.items() if value.strip()},
        columns=tuple(columns),
        saved_by=scope.actor.name,
        saved_at=now(),
    )
    _check(view)
    owner = "" if is_shared else _owner(scope)
    with scope.store.records.write() as connection:
        queries.lock_views(connection, scope.workspace)
        there = queries.select_views(connection, scope.workspace, owner)
        there = [row for row in there if row["owner"] == owner]
        before = next((row for row in there if row["name"] == view.name), None)
        if before is not None:
            queries.delete_view(connection, scope.workspace, before["id"])
        elif len(there) >= VIEWS_MAX:
            raise Invalid(
                "too_many_views",
                f"There are {len(there)} views, the limit is {VIEWS_MAX}",
                hint="Remove those that nobody opens any more.",
            )
        values = view.model_dump(exclude={"is_shared"}) | {"owner": owner}
        queries.insert_view(connection, scope.workspace, values)
    return view


def remove_view(scope: Scope, name: str) -> SavedView:
    """Forget a view, given by its name or id; traces stay as they are.

    Raises:
        NotFound: There is none.
        Denied: It is everybody's, and the right `views` is missing.
    """
    view = find_view(scope, name)
    scope.require("views" if view.is_shared else "read")
    with scope.store.records.write() as connection:
        queries.delete_view(connection, scope.workspace, view.id)
    return view


def _owner(scope: Scope) -> str:
    return f"{scope.actor.kind}:{scope.actor.id}"


def _view(row: dict[str, Any]) -> SavedView:
    fields = {name: value for name, value in row.items() if name != "owner"}
    return SavedView.model_validate(fields | {"is_shared": row["owner"] == ""})


def _check(view: SavedView) -> None:
    if not view.name or len(view.name) > NAME_CHARACTERS_MAX or not view.name.isprintable():
        raise Invalid(
            "bad_view_name",
            f"Not the name of a view: `{view.name[:NAME_CHARACTERS_MAX]}`",
            hint=f"Give it 1 to {NAME_CHARACTERS_MAX} characters, such as `Slow refunds`.",
        )
    for field, value in view.asked.items():
        if field not in FIELDS:
            raise Invalid(
                "bad_view",
                f"A view cannot hold `{field[:60]}`",
                hint=f"It may hold: {', '.join(FIELDS)}.",
            )
        if len(value) > _VALUE_CHARACTERS_MAX:
            raise Invalid(
                "bad_view",
                f"`{field}` has {len(value):,} characters, the limit is {_VALUE_CHARACTERS_MAX:,}",
            )
    if len(view.columns) > _COLUMNS_MAX or any(len(name) > 60 for name in view.columns):
        raise Invalid("bad_view", f"A view shows at most {_COLUMNS_MAX} columns by their names")
    # What cannot be read is refused now, and not whenever it is opened.
    _ = view.filters
