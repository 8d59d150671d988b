"""What happened: spans, and what people say of the answers.

Each of these has a front door of its own, as `from lineside.traces import prices`: what calls cost,
questions kept under a name, sessions and users, what no use case has claimed, what people mark,
the keeping of spans from an event loop (`record`), and arm against arm.
"""

from lineside.traces import arms as arms
from lineside.traces import marks as marks
from lineside.traces import prices as prices
from lineside.traces import quality as quality
from lineside.traces import receive, search, views
from lineside.traces import record as record
from lineside.traces import saved as saved
from lineside.traces import sessions as sessions
from lineside.traces import unclaimed as unclaimed
from lineside.traces.feedback import Feedback, give_feedback, list_feedback
from lineside.traces.opening import open_traces
from lineside.traces.record import (
    get_trace,
    latest_calls,
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
