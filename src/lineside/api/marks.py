"""`/api/traces/{id}/marks`: tags, notes and links that people put on a trace."""

from typing import Literal

from fastapi import APIRouter

from lineside.api.caller import Caller
from lineside.core import Record
from lineside.traces import marks

router = APIRouter(tags=["marks"])


class MarkWish(Record):
    """A mark as it is sent: a tag or a note in `text`; a link in `address`, its title in `text`."""

    kind: Literal["tag", "note", "link"]
    text: str = ""
    address: str = ""


@router.get("/traces/{trace_id}/marks")
def marks_on_trace(scope: Caller, trace_id: str) -> list[marks.TraceMark]:
    """Tags, notes and links of one trace, in the order they were put there."""
    return marks.marks_on(scope, trace_id)


@router.post("/traces/{trace_id}/marks", status_code=201)
def put_mark(scope: Caller, trace_id: str, wish: MarkWish) -> marks.TraceMark:
    """Put a tag, a note or a link on a trace; a tag that it has already is given back."""
    if wish.kind == "tag":
        return marks.tag_trace(scope, trace_id, wish.text)
    if wish.kind == "note":
        return marks.note_on_trace(scope, trace_id, wish.text)
    return marks.link_trace(scope, trace_id, wish.address, title=wish.text)


@router.delete("/traces/{trace_id}/marks/{mark_id}")
def remove_mark(scope: Caller, trace_id: str, mark_id: str) -> marks.TraceMark:
    """Take a mark off a trace."""
    return marks.remove_mark(scope, trace_id, mark_id)


@router.get("/marks")
def mark_list(
    scope: Caller,
    kind: marks.MarkKind | None = None,
    tag: str | None = None,
    use_case: str | None = None,
    limit: int = 50,
) -> list[marks.TraceMark]:
    """Marks put on traces lately, newest first, at most 500; with `tag`, those of this tag."""
    return marks.list_marks(scope, kind=kind, tag=tag, use_case=use_case, limit=limit)
