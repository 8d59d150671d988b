"""Where a call stands in a trace, as the header `traceparent` says it."""

import re
from dataclasses import dataclass, field
from typing import Any

from lineside.traces import new_span_id, new_trace_id

# Version `ff` is none, and in a later one than `00` more may follow.
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})"
    r"-[0-9a-f]{2}(?P<more>-.*)?"
)


@dataclass
class CallPlace:
    """A call's own step, below the caller's or at the head of a trace of its own.

    Attributes:
        is_kept: The step was written down, so that nobody else who took part does it again.
    """

    trace_id: str = field(default_factory=new_trace_id)
    parent_span_id: str | None = None
    span_id: str = field(default_factory=new_span_id)
    is_kept: bool = False

    @classmethod
    def read(cls, header: str | None) -> "CallPlace":
        """Read a `traceparent`; one that is missing or no such header begins a trace."""
        match = _TRACEPARENT.fullmatch(header or "")
        if match is None or (match["version"] == "00" and match["more"]):
            return cls()
        if not (match["trace"].strip("0") and match["parent"].strip("0")):
            return cls()  # as W3C has it, ids of zeros alone are none
        return cls(match["trace"], match["parent"])

    def keep(self) -> dict[str, Any]:
        """The fields of its span, for whoever writes it down now."""
        self.is_kept = True
        parent = self.parent_span_id
        return {"trace_id": self.trace_id, "span_id": self.span_id, "parent_span_id": parent}

    @property
    def header(self) -> str:
        """The call's own step, for what hangs below it."""
        return f"00-{self.trace_id}-{self.span_id}-01"
