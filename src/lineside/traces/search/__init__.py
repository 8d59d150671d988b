"""Finding traces: lists, figures and charts of them, and the steps of all that was found."""

from lineside.traces.filters import UNCLAIMED, Filters, parse_query, read_filters
from lineside.traces.row import Page, TraceFigures, TraceRow
from lineside.traces.search import scored as scored
from lineside.traces.search.counted import WORDS_TRACES_MAX
from lineside.traces.search.figures import GROUPS, OTHERS, Chart, chart, figures
from lineside.traces.search.given import tags_sent
from lineside.traces.search.listing import (
    PAGE_TRACES_MAX,
    list_traces,
    parts_of_trace,
    spans_of,
    whole_id,
)
from lineside.traces.search.tail import Arrivals, arrivals
from lineside.traces.tree import Step, length_ms, tree_of

__all__ = [
    "GROUPS",
    "OTHERS",
    "PAGE_TRACES_MAX",
    "UNCLAIMED",
    "WORDS_TRACES_MAX",
    "Arrivals",
    "Chart",
    "Filters",
    "Page",
    "Step",
    "TraceFigures",
    "TraceRow",
    "arrivals",
    "chart",
    "figures",
    "length_ms",
    "list_traces",
    "parse_query",
    "parts_of_trace",
    "read_filters",
    "spans_of",
    "tags_sent",
    "tree_of",
    "whole_id",
]
