"""Spans as an import left them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lineside.traces import Span, search
from lineside.trust import Scope

Write = Callable[[str, Any], Path]


def all_spans(scope: Scope) -> list[Span]:
    return [span for spans in search.spans_of(scope, search.parse_query("")) for span in spans]


def by_name(scope: Scope) -> dict[str, Span]:
    return {span.name: span for span in all_spans(scope)}
