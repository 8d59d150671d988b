"""What a person asks of the traces: a form and a query line, and the address that holds both."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request

from lineside.apps import list_releases
from lineside.core import Invalid, clock
from lineside.traces import saved, search
from lineside.trust import Scope
from lineside.usecases import list_use_cases

SINCE = {"1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}
COLUMNS = {
    "use_case": "Use case",
    "what": "What",
    "release": "Release",
    "arm": "Arm",
    "model": "Model",
    "service": "Service",
    "session": "Session",
    "user": "User",
    "steps": "Steps",
    "tokens": "Tokens",
    "cost": "Cost",
    "latency": "Latency",
    "outcome": "Outcome",
}
"""What the list can show beside when a trace began."""

COLUMNS_FIRST = ("use_case", "what", "steps", "tokens", "cost", "latency", "outcome")
MORE = {
    "release": "Release",
    "arm": "Arm",
    "model": "Model",
    "service": "Service",
    "session": "Session",
    "user": "User",
    "key": "API key",
    "team": "Team",
    "latency_ms_min": "Latency from, in ms",
    "tag": "Tag",
    "score": "Score",
    "from": "From (UTC)",
    "to": "To (UTC)",
}
"""Fields that the form folds away."""

_ALL = ("q", "use_case", "status", "since", "text", *MORE)
TAKES = (*_ALL, "col")
"""What an address may ask by the form."""

_AGO = re.compile(r"\d{1,6}[mhdw]")


class TraceForm(NamedTuple):
    """What was asked, and what it means.

    Attributes:
        asked: Field to what was typed, the empty ones too.
        columns: What the list shows, in order.
        labels: What people call each release, by its id.
        filters: Nothing where what was asked cannot be read; `refused` then says why.
    """

    asked: dict[str, str]
    columns: tuple[str, ...]
    labels: dict[str, str]
    use_cases: list[str]
    views: list[saved.SavedView]
    filters: search.Filters | None
    refused: Invalid | None

    @property
    def is_filtered(self) -> bool:
        return any(self.asked.values())

    def chips(self, path: str) -> list[tuple[str, str, str]]:
        """What is asked in fields that the form folds away, and where it is asked no more."""
        return [
            (
                word,
                self.labels.get(self.asked[name], self.asked[name]),
                self.address(path, {name: ""}),
            )
            for name, word in MORE.items()
            if self.asked[name]
        ]

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What the address holds."""
        pairs = [(name, value) for name, value in self.asked.items() if value]
        if self.columns != COLUMNS_FIRST:
            pairs += [("col", name) for name in self.columns]
        return pairs

    @property
    def view(self) -> saved.SavedView | None:
        """The saved view that asks just this."""
        mine = (as_view(self.asked), self.columns)
        return next(
            (one for one in self.views if (one.asked, one.columns or COLUMNS_FIRST) == mine), None
        )

    def address(self, path: str = "/traces", changes: Mapping[str, str] | None = None) -> str:
        """Where the same is asked with some fields changed; an empty one is left out."""
        changes = changes or {}
        pairs = [(name, value) for name, value in self.kept if name not in changes]
        pairs += [(name, value) for name, value in changes.items() if value]
        return f"{path}?{urlencode(pairs)}" if pairs else path


def view_address(view: saved.SavedView, path: str = "/traces") -> str:
    """Where a saved view is shown."""
    fields = dict(view.asked)
    since, until = fields.pop("since", ""), fields.pop("until", "")
    if since:
        fields["since" if _AGO.fullmatch(since) else "from"] = since
    if until:
        fields["to"] = until
    pairs = [*fields.items(), *(("col", name) for name in view.columns)]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def read_trace_form(request: Request) -> TraceForm:
    """Read the form from the address; whatever was typed, there is a form to show again."""
    scope: Scope = request.app.state.local
    asked = {name: request.query_params.get(name, "").strip() for name in _ALL}
    labels = {release.id: release.label for release in list_releases(scope)}
    filters, refused = None, None
    try:
        fields = {name: value for name, value in as_view(asked).items() if name != "q"}
        filters = search.read_filters(asked["q"], **fields).named(labels)
    except Invalid as error:
        refused = error
    return TraceForm(
        asked=asked,
        columns=chosen_columns(request.query_params.getlist("col")),
        labels=labels,
        use_cases=[known.name for known in list_use_cases(scope)],
        views=saved.list_views(scope),
        filters=filters,
        refused=refused,
    )


def as_view(asked: Mapping[str, str]) -> dict[str, str]:
    """The fields of the form as a saved view has them: from when on, in one of two ways."""
    fields = {name: value for name, value in asked.items() if value and name in _ALL}
    begin, end = fields.pop("from", ""), fields.pop("to", "")
    if begin:
        fields["since"] = begin
    if end:
        fields["until"] = end
    return fields


def chosen_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Of the names, those that are columns, in the order in which the list has them."""
    return tuple(name for name in COLUMNS if name in names) or COLUMNS_FIRST


def moment_typed(moment: datetime) -> str:
    """A moment as the form's fields for a date and a time hold it, in UTC."""
    plain = clock.in_utc(moment).replace(tzinfo=None)
    return plain.isoformat(timespec="milliseconds").removesuffix(".000")


def form_values(form: TraceForm, *, action: str, beside: Sequence[str] = ()) -> dict[str, Any]:
    """What the templates of the list, the charts and the live page need.

    Args:
        beside: What the address of the page may ask beside the form's fields.
    """
    return {
        "form": form,
        "action": action,
        "takes": (*TAKES, *beside),
        "extra": (),
        "views": [(view, view_address(view, action)) for view in form.views],
        "asked": form.asked,
        "labels": form.labels,
        "refused": form.refused,
        "since": SINCE,
        "all_columns": COLUMNS,
        "usual_columns": COLUMNS_FIRST,
    }
