"""What people put on a trace: a tag to find it by, a note, or a link to where it is dealt with."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

from lineside.core import Denied, Invalid, NotFound, Record, new_id, now
from lineside.traces import privacy
from lineside.traces.arrivals import trace_key
from lineside.traces.marks import queries
from lineside.traces.parts import may_see, own_words
from lineside.traces.reading import open_reading
from lineside.trust import Scope

MarkKind = Literal["tag", "note", "link"]

MARKS_PER_TRACE_MAX = 200
LIST_MARKS_MAX = 500
TAG_CHARACTERS_MAX = 60
NOTE_CHARACTERS_MAX = 5_000
TITLE_CHARACTERS_MAX = 200
ADDRESS_CHARACTERS_MAX = 2_000
_TRACES_AT_ONCE = 200
_TOLD_BY = ("kind", "text", "address", "made_by", "made_at")
_UNCLAIMED_MAX = 5_000
_TAG = re.compile(r"[a-z0-9][a-z0-9 ._:/-]*")


class TraceMark(Record):
    """One thing a person put on a trace.

    Attributes:
        text: The tag, the words of the note, or what the link is called.
        address: Of a link; nothing for the others.
    """

    id: str
    trace_id: str
    use_case: str | None
    kind: MarkKind
    text: str
    address: str | None = None
    made_by: str
    made_at: datetime


def is_tag(text: str) -> bool:
    """Whether a text can be a tag: at most 60 letters, digits, blanks and . _ : / - of ASCII."""
    clean = _clean_tag(text)
    return len(clean) <= TAG_CHARACTERS_MAX and _TAG.fullmatch(clean) is not None


def tag_trace(scope: Scope, trace_id: str, tag: str) -> TraceMark:
    """Put a tag on a trace, in small letters; one it has already is given back as it is.

    Raises:
        NotFound: No such trace in this workspace.
        Invalid: The tag cannot be one, or the trace has 200 marks.
        Denied: The right `feedback` is missing.
    """
    return _put(scope, trace_id, "tag", _tag(tag))


def bring_marks(scope: Scope, brought: Sequence[TraceMark]) -> list[tuple[TraceMark, str]]:
    """Put marks on traces that were made elsewhere, with who made them and when; each once.

    Returns:
        Those that could not be put, each with why in words.
    """
    refused: list[tuple[TraceMark, str]] = []
    wanted: dict[str, list[TraceMark]] = {}
    heads = use_cases_of(scope, {one.trace_id for one in brought})
    for one in sorted(brought, key=lambda one: one.made_at):
        if one.kind == "tag" and not is_tag(one.text):
            refused.append((one, "it cannot be a tag"))
            continue
        try:
            use_case = use_case_among(heads, one.trace_id)
            scope.require("feedback", use_case=use_case)
            own = {"id": new_id("mark"), "use_case": use_case} | _checked(scope, one)
            wanted.setdefault(one.trace_id, []).append(one.model_copy(update=own))
        except (NotFound, Invalid, Denied) as error:
            refused.append((one, error.message))
    ids = sorted(wanted)
    for start in range(0, len(ids), _TRACES_AT_ONCE):
        some = ids[start : start + _TRACES_AT_ONCE]
        with scope.store.records.write() as connection:
            there = _there(connection, scope, some)
            fresh: list[dict[str, Any]] = []
            for mark in (mark for trace_id in some for mark in wanted[trace_id]):
                if _same(there[mark.trace_id], mark) is not None:
                    continue
                try:
                    _check_room(there[mark.trace_id])
                except Invalid as error:
                    refused.append((mark, error.message))
                    continue
                there[mark.trace_id].append(mark.model_dump())
                fresh.append(mark.model_dump())
            queries.insert_marks(connection, scope.workspace, fresh)
    return refused


def _checked(scope: Scope, mark: TraceMark) -> dict[str, Any]:
    """Text and address of a mark as they may be kept."""
    if mark.kind == "tag":
        return {"text": _tag(mark.text), "address": None}
    if mark.kind == "note":
        return {"text": _note(scope, mark.text), "address": None}
    title = "" if mark.text == mark.address else mark.text
    text, address = _link(scope, mark.address or "", title)
    return {"text": text, "address": address}


def note_on_trace(scope: Scope, trace_id: str, text: str) -> TraceMark:
    """Write a note on a trace; it is kept without what the workspace's rules of masking name.

    Raises:
        NotFound: No such trace in this workspace.
        Invalid: It is empty, longer than 5,000 characters or could not be masked, or the trace has
            200 marks.
        Denied: The right `feedback` is missing.
    """
    return _put(scope, trace_id, "note", _note(scope, text))


def link_trace(scope: Scope, trace_id: str, address: str, *, title: str = "") -> TraceMark:
    """Link a trace to a page elsewhere, such as the ticket in which it is dealt with.

    The title is kept without what the workspace's rules of masking name.

    Raises:
        NotFound: No such trace in this workspace.
        Invalid: It is no address of the web, something is too long, the title could not be masked,
            or the trace has 200 marks.
        Denied: The right `feedback` is missing.
    """
    text, address = _link(scope, address, title)
    return _put(scope, trace_id, "link", text, address=address)


def remove_mark(scope: Scope, trace_id: str, mark_id: str) -> TraceMark:
    """Take a mark off its trace.

    Raises:
        NotFound: The trace has no such mark.
        Denied: The right `feedback` is missing.
    """
    scope.require("feedback", use_case=_asked_use_case(scope, trace_id))
    with scope.store.records.write() as connection:
        rows = queries.marks_of_traces(connection, scope.workspace, [trace_id])
        mark = next((one for one in _own(scope, rows) if one.id == mark_id), None)
        if mark is None:
            raise NotFound(
                "unknown_mark",
                f"The trace `{trace_id[:40]}` has no mark `{mark_id[:60]}`",
                hint="`lineside traces marks` lists them with their ids.",
            )
        queries.delete_mark(connection, scope.workspace, mark.id)
    return mark


def marks_on(scope: Scope, trace_id: str) -> list[TraceMark]:
    """What people put on a trace, in the order they did.

    Raises:
        Denied: The right `read` is missing, here or on the trace's use case.
    """
    scope.require("read", use_case=_asked_use_case(scope, trace_id))
    with scope.store.records.read() as connection:
        rows = queries.marks_of_traces(connection, scope.workspace, [trace_id])
    return _own(scope, rows)


def marks_of(scope: Scope, trace_ids: Sequence[str]) -> list[TraceMark]:
    """What people put on these traces, in the order they did, as far as the actor may see it."""
    with scope.store.records.read() as connection:
        rows = queries.marks_of_traces(connection, scope.workspace, trace_ids)
    return own_words(scope, [TraceMark.model_validate(row) for row in rows])


def list_marks(
    scope: Scope,
    *,
    kind: MarkKind | None = None,
    tag: str | None = None,
    use_case: str | None = None,
    limit: int = 50,
) -> list[TraceMark]:
    """What people put on traces lately, newest first.

    Args:
        tag: Only this tag, so that the traces that have it are found.
        use_case: Only those on its traces, also of before they were claimed: of these, the newest
            5,000 are looked through.
        limit: At most 500.

    Raises:
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    scope.require("read", use_case=use_case)
    text = _clean_tag(tag) if tag is not None else None
    kind = "tag" if text is not None else kind
    limit = max(1, min(limit, LIST_MARKS_MAX))
    find = partial(queries.newest_marks, workspace=scope.workspace, kind=kind, text=text)
    with scope.store.records.read() as connection:
        rows = find(connection, use_case=use_case, limit=limit)
        if use_case is not None:
            rows += find(connection, use_case="", limit=_UNCLAIMED_MAX)
    found = [one for one in _own(scope, rows) if use_case in (None, one.use_case)]
    return sorted(found, key=lambda one: one.id, reverse=True)[:limit]


def _own(scope: Scope, rows: Sequence[dict[str, Any]]) -> list[TraceMark]:
    """Marks within the actor's limit.

    What was put on a trace before a use case had it is of the one that has it now, unless several
    have a part in it: nobody can tell then who may know of it.
    """
    ids = sorted({row["trace_id"] for row in rows if row["use_case"] is None})
    owners: dict[str, set[str | None]] = {}
    for head in _parts(scope, ids):
        owners.setdefault(head["trace_id"], set()).add(head["use_case"])
    only = {trace_id: one for trace_id, (one, *others) in owners.items() if not others}
    found = [
        TraceMark.model_validate(row | {"use_case": row["use_case"] or only.get(row["trace_id"])})
        for row in rows
    ]
    return [mark for mark in found if may_see(scope, mark.use_case)]


def _put(
    scope: Scope, trace_id: str, kind: MarkKind, text: str, *, address: str | None = None
) -> TraceMark:
    use_case = _use_case_of(scope, trace_id)
    scope.require("feedback", use_case=use_case)
    mark = _mark(scope, trace_id, use_case, kind, text, address=address)
    with scope.store.records.write() as connection:
        there = _there(connection, scope, [trace_id])[trace_id]
        if same := _same(there, mark):
            return TraceMark.model_validate(same)
        _check_room(there)
        queries.insert_marks(connection, scope.workspace, [mark.model_dump()])
    return mark


def _mark(
    scope: Scope,
    trace_id: str,
    use_case: str | None,
    kind: MarkKind,
    text: str,
    *,
    address: str | None = None,
) -> TraceMark:
    return TraceMark(
        id=new_id("mark"),
        trace_id=trace_id,
        use_case=use_case,
        kind=kind,
        text=text,
        address=address,
        made_by=scope.actor.name,
        made_at=now(),
    )


def _there(
    connection: Any, scope: Scope, trace_ids: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Marks of these traces, to which nobody else adds any until this transaction ends."""
    for trace_id in trace_ids:
        queries.lock_marks(connection, scope.workspace, trace_id)
    there: dict[str, list[dict[str, Any]]] = {trace_id: [] for trace_id in trace_ids}
    for row in queries.marks_of_traces(connection, scope.workspace, trace_ids):
        there[row["trace_id"]].append(row)
    return there


def _same(there: Sequence[dict[str, Any]], mark: TraceMark) -> dict[str, Any] | None:
    """The mark that is there already: a tag of this text, or what was made at the same moment."""
    names = ("kind", "text") if mark.kind == "tag" else _TOLD_BY
    said = {name: getattr(mark, name) for name in names}
    return next((row for row in there if all(row[name] == said[name] for name in names)), None)


def _check_room(there: Sequence[dict[str, Any]]) -> None:
    if len(there) >= MARKS_PER_TRACE_MAX:
        raise Invalid(
            "too_many_marks",
            f"The trace has {len(there)} marks, the limit is {MARKS_PER_TRACE_MAX}",
            hint="Take old ones off first.",
        )


def use_cases_of(scope: Scope, trace_ids: Collection[str]) -> dict[str, str | None]:
    """The use case of each of these traces that is here.

    Where several have a part in it, one within the actor's limit, else that of the first root.
    """
    rows = _parts(scope, trace_ids)
    rows.sort(key=lambda row: may_see(scope, row["use_case"]))
    return {row["trace_id"]: row["use_case"] for row in rows}


def _parts(scope: Scope, trace_ids: Collection[str]) -> list[dict[str, Any]]:
    if not trace_ids:
        return []
    keys = [trace_key(trace_id) for trace_id in trace_ids]
    with open_reading(scope) as reading:
        return reading.rows(queries.TRACE_HEADS, [scope.workspace, keys])


def use_case_among(heads: Mapping[str, str | None], trace_id: str) -> str | None:
    if trace_id not in heads:
        raise NotFound(
            "unknown_trace",
            f"No trace has the id `{trace_id[:64]}`",
            hint="`lineside traces ls` lists them.",
        )
    return heads[trace_id]


def _use_case_of(scope: Scope, trace_id: str) -> str | None:
    return use_case_among(use_cases_of(scope, [trace_id]), trace_id)


def _asked_use_case(scope: Scope, trace_id: str) -> str | None:
    """Looked up only for actors who are limited to some; the trace may be gone for the others."""
    return None if scope.use_cases is None else _use_case_of(scope, trace_id)


def _tag(tag: str) -> str:
    clean = _clean_tag(tag)
    if not is_tag(tag):
        raise Invalid(
            "bad_tag",
            f"`{tag[:80]}` cannot be a tag",
            hint=f"Use at most {TAG_CHARACTERS_MAX} letters, digits, blanks and . _ : / - "
            "beginning with a letter or a digit.",
        )
    return clean


def _note(scope: Scope, text: str) -> str:
    clean = text.strip()
    if not 0 < len(clean) <= NOTE_CHARACTERS_MAX:
        raise Invalid(
            "bad_note",
            f"The note has {len(clean):,} characters, expected 1 to {NOTE_CHARACTERS_MAX:,}",
        )
    masked: str = privacy.masked_words(scope.store, scope.workspace, note=clean)["note"]
    return masked


def _link(scope: Scope, address: str, title: str) -> tuple[str, str]:
    """What a link is called, and where it leads."""
    clean, title = address.strip(), " ".join(title.split())
    if len(clean) > ADDRESS_CHARACTERS_MAX or not _is_web_address(clean):
        raise Invalid(
            "bad_link",
            f"`{clean[:80]}` is no address of a page",
            hint="Give one such as `https://tickets.example/SHOP-17`, "
            f"of at most {ADDRESS_CHARACTERS_MAX:,} characters.",
        )
    if len(title) > TITLE_CHARACTERS_MAX:
        raise Invalid(
            "bad_title",
            f"The title has {len(title):,} characters, the limit is {TITLE_CHARACTERS_MAX}",
        )
    masked = privacy.masked_words(scope.store, scope.workspace, title=title or None)["title"]
    return masked or clean, clean


def _clean_tag(text: str) -> str:
    return " ".join(text.lower().split())


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", text)
