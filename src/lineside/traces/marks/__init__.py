"""Tags, notes and links that people put on traces."""

from lineside.traces.marks.marks import (
    MarkKind,
    TraceMark,
    bring_marks,
    is_tag,
    link_trace,
    list_marks,
    marks_of,
    marks_on,
    note_on_trace,
    remove_mark,
    tag_trace,
    use_case_among,
    use_cases_of,
)

__all__ = [
    "MarkKind",
    "TraceMark",
    "bring_marks",
    "is_tag",
    "link_trace",
    "list_marks",
    "marks_of",
    "marks_on",
    "note_on_trace",
    "remove_mark",
    "tag_trace",
    "use_case_among",
    "use_cases_of",
]
