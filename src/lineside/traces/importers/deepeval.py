"""DeepEval: recorded traces, whose steps are kept in one list for each kind."""

from typing import Any

from lineside.traces.conventions.received import RawSpan
from lineside.traces.importers.files import ExportFile, each
from lineside.traces.importers.said import Found, tags_said
from lineside.traces.importers.steps import imported, listed
from lineside.traces.otlp import NotASpan

_LISTS = ("agentSpans", "llmSpans", "toolSpans", "retrieverSpans", "baseSpans")
_OPERATIONS = {"agent": "invoke_agent", "llm": "chat", "tool": "execute_tool"}
_OWN = ("uuid", "parentUuid", "name", "status", "type", "startTime", "endTime", "input", "output")


def recognises(entry: dict[str, Any]) -> bool:
    inner = entry.get("trace", entry)
    return isinstance(inner, dict) and bool(inner.keys() & set(_LISTS))


def read_deepeval(file: ExportFile) -> Found:
    """Steps of DeepEval's traces; what is said of a whole trace stands on its first step."""
    return file.read(_spans)


def _spans(entry: dict[str, Any]) -> Found:
    trace = entry.get("trace", entry)
    if not isinstance(trace, dict) or not trace.keys() & set(_LISTS):
        raise NotASpan("it is no trace of DeepEval: it has no list of spans")
    rows = [row for name in _LISTS for row in listed(trace.get(name)) if isinstance(row, dict)]
    if not rows:
        raise NotASpan("the trace holds no spans")
    yield from each(rows, lambda row: _span(row, trace))
    yield from tags_said(trace.get("uuid"), listed(trace.get("tags")))


def _span(row: dict[str, Any], trace: dict[str, Any]) -> RawSpan:
    kind = str(row.get("type"))
    attributes: dict[str, Any] = {
        "session.id": trace.get("threadId"),
        "user.id": trace.get("userId"),
        "gen_ai.operation.name": _OPERATIONS.get(kind),
        "lineside.kind": {"retriever": "retriever"}.get(kind),
        "lineside.input": row.get("input"),
        "lineside.output": row.get("output"),
    }
    if kind == "llm":
        attributes |= {
            "gen_ai.request.model": row.get("model"),
            "gen_ai.provider.name": row.get("provider"),
            "gen_ai.input.messages": row.get("input"),
            "gen_ai.output.messages": row.get("output"),
            "gen_ai.usage.input_tokens": row.get("inputTokenCount"),
            "gen_ai.usage.output_tokens": row.get("outputTokenCount"),
        }
    elif kind == "agent":
        attributes["gen_ai.agent.name"] = row.get("name")
    elif kind == "tool":
        attributes |= _tool(row)
    attributes |= {
        f"deepeval.{key}": value for key, value in row.items() if key not in _OWN and value
    }
    if not row.get("parentUuid"):
        attributes |= {
            f"deepeval.trace.{key}": value
            for key, value in trace.items()
            if key not in _LISTS and key not in _OWN and value
        }
    failed = row.get("status") == "ERRORED"
    return imported(
        "deepeval",
        trace_id=trace.get("uuid"),
        span_id=row.get("uuid"),
        parent_id=row.get("parentUuid"),
        name=row.get("name"),
        start=row.get("startTime"),
        end=row.get("endTime"),
        status="ERROR" if failed else "UNSET",
        status_message=row.get("error") if failed else None,
        attributes=attributes,
    )


def _tool(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "gen_ai.tool.name": str(row.get("name") or "").removeprefix("execute_tool ") or None,
        "gen_ai.tool.call.arguments": row.get("input"),
        "gen_ai.tool.call.result": row.get("output"),
    }
