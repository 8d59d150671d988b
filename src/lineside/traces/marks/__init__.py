"""Tags, notes and links that people put on traces."""

from lineside.traces.marks.marks import (
    MarkKind,
    TraceMark,
    is_tag,
    link_trace,
    list_marks,
    marks_on,
    note_on_trace,
    remove_mark,
    tag_trace,
    tag_traces,
)

__all__ = [
    "MarkKind",
    "TraceMark",
    "is_tag",
    "link_trace",
    "list_marks",
    "marks_on",
    "note_on_trace",
    "remove_mark",
    "tag_trace",
    "tag_traces",
]
