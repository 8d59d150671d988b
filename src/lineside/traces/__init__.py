"""What happened: spans, and what people say of the answers.

What calls cost has a page of its own, `from lineside.traces import prices`; so have the questions
that people keep under a name, `from lineside.traces import saved`.
"""

from lineside.traces import prices as prices
from lineside.traces import receive, search, views
from lineside.traces import saved as saved
from lineside.traces.feedback import Feedback, give_feedback, list_feedback
from lineside.traces.record import (
    get_trace,
    latest_calls,
    open_traces,
    record_spans,
    traffic,
)
from lineside.traces.span import Message, Span, new_span_id, new_trace_id

__all__ = [
    "Feedback",
    "Message",
    "Span",
    "get_trace",
    "give_feedback",
    "latest_calls",
    "list_feedback",
    "new_span_id",
    "new_trace_id",
    "open_traces",
    "receive",
    "record_spans",
    "search",
    "traffic",
    "views",
]
