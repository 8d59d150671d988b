"""Tags, notes and links that people put on traces."""

from lineside.traces.marks.marks import (
    MarkKind,
    TraceMark,
    link_trace,
    list_marks,
    marks_on,
    note_on_trace,
    remove_mark,
    tag_trace,
)

__all__ = [
    "MarkKind",
    "TraceMark",
    "link_trace",
    "list_marks",
    "marks_on",
    "note_on_trace",
    "remove_mark",
    "tag_trace",
]
