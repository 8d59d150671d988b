"""ATIF, the Agent Trajectory Interchange Format: one trace for each trajectory."""

from collections.abc import Iterator
from typing import Any

from lineside.traces.conventions.values import as_dict, first
from lineside.traces.importers.files import ExportFile, each
from lineside.traces.importers.said import Found
from lineside.traces.importers.steps import hex_id, imported, listed, moment_ns
from lineside.traces.otlp import NotASpan, Read

_ROLES = {"agent": "assistant", "system": "system", "user": "user"}
_STEP_NS = 1_000_000
_NESTED_MAX = 8


def recognises(entry: dict[str, Any]) -> bool:
    return any(True for _ in _trajectories(entry, 0))


def read_atif(file: ExportFile) -> Found:
    """Steps of trajectories: the agent, each answer of its model, each tool it called.

    A trajectory without times is placed where its file was last written, its steps a millisecond
    apart, so that their order shows.
    """
    return file.read(lambda entry: _spans(entry, file.modified_ns))


def _trajectories(entry: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Trajectories in a document: itself, one under a name, a parent with its children."""
    if not isinstance(entry, dict) or depth > _NESTED_MAX:
        return
    if str(entry.get("schema_version", "")).startswith("ATIF") and "steps" in entry:
        yield entry
        for below in listed(entry.get("subagent_trajectories")):
            yield from _trajectories(below, depth + 1)
        return
    for name in ("trajectory", "parent", "child"):
        yield from _trajectories(entry.get(name), depth + 1)


def _spans(entry: dict[str, Any], modified_ns: int) -> Read:
    found = list(_trajectories(entry, 0))
    if not found:
        raise NotASpan("it is no trajectory: it names no `schema_version` of ATIF")
    for trajectory in found:
        yield from each(_steps(trajectory, modified_ns), lambda step: imported("atif", **step))


def _steps(trajectory: dict[str, Any], modified_ns: int) -> Iterator[dict[str, Any]]:
    steps = [step for step in listed(trajectory.get("steps")) if isinstance(step, dict)]
    agent = as_dict(trajectory.get("agent"))
    whole = first(trajectory, "trajectory_id", "session_id")
    if whole is None:
        raise NotASpan("the trajectory has neither `trajectory_id` nor `session_id`")
    root = hex_id(f"{whole}/agent", 16)
    starts = _starts(steps, modified_ns)
    ends = [*starts[1:], starts[-1] + _STEP_NS] if starts else [modified_ns]
    common = {"trace_id": f"atif/{whole}", "resource": {"service.name": agent.get("name")}}
    history: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    for step, start, end in zip(steps, starts, ends, strict=True):
        said = _message(step)
        is_copy = step.get("is_copied_context") is True
        if step.get("source") == "agent" and not is_copy:
            key = f"{whole}/{step.get('step_id')}"
            place = {"parent_id": root, "start": start, "end": end, **common}
            spans.append(
                _model(step, agent, list(history), said) | place | {"span_id": f"{key}/model"}
            )
            spans += [place | tool for tool in _tools(step, key)]
        history += [said, *_results(step)]
    asked = next((one for one in history if one["role"] == "user"), {})
    answers = [one for one in history if one["role"] == "assistant" and one["content"]]
    yield common | {
        "span_id": root,
        "name": agent.get("name") or "agent",
        "start": starts[0] if starts else modified_ns,
        "end": ends[-1],
        "attributes": {
            "lineside.kind": "agent",
            "gen_ai.agent.name": agent.get("name"),
            "session.id": trajectory.get("session_id"),
            "lineside.input": asked.get("content"),
            "lineside.output": answers[-1]["content"] if answers else None,
            "atif.agent": agent or None,
            "atif.final_metrics": trajectory.get("final_metrics"),
            "atif.schema_version": trajectory.get("schema_version"),
            "atif.notes": trajectory.get("notes"),
            "atif.extra": trajectory.get("extra"),
            "atif.times": None if any(step.get("timestamp") for step in steps) else "of the file",
        },
    }
    yield from spans


def _starts(steps: list[dict[str, Any]], modified_ns: int) -> list[int]:
    """When each step began; one without a time follows the step before it."""
    starts: list[int] = []
    known = (moment_ns(step.get("timestamp")) for step in steps)
    last = next((moment for moment in known if moment is not None), modified_ns) - _STEP_NS
    for step in steps:
        last = max(moment_ns(step.get("timestamp")) or 0, last + _STEP_NS)
        starts.append(last)
    return starts


def _message(step: dict[str, Any]) -> dict[str, Any]:
    calls = [
        {
            "id": call.get("tool_call_id"),
            "name": call.get("function_name"),
            "arguments": call.get("arguments"),
        }
        for call in listed(step.get("tool_calls"))
        if isinstance(call, dict)
    ]
    message: dict[str, Any] = {
        "role": _ROLES.get(str(step.get("source")), "user"),
        "content": step.get("message") or "",
    }
    if step.get("reasoning_content"):
        message["reasoning_content"] = step["reasoning_content"]
    return message | ({"tool_calls": calls} if calls else {})


def _results(step: dict[str, Any]) -> list[dict[str, Any]]:
    """What the tools, or the world, answered to a step."""
    found = listed(as_dict(step.get("observation")).get("results"))
    return [
        {"role": "tool", "tool_call_id": one["source_call_id"], "content": one.get("content") or ""}
        if one.get("source_call_id")
        else {"role": "user", "content": one.get("content") or ""}
        for one in found
        if isinstance(one, dict)
    ]


def _model(
    step: dict[str, Any], agent: dict[str, Any], told: list[dict[str, Any]], said: dict[str, Any]
) -> dict[str, Any]:
    metrics = as_dict(step.get("metrics"))
    model = first(step, "model_name") or agent.get("model_name")
    provider, _, name = str(model or "").rpartition("/")
    return {
        "name": f"chat {name}".strip(),
        "attributes": {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider or None,
            "gen_ai.request.model": name or None,
            "gen_ai.input.messages": told or None,
            "gen_ai.output.messages": [said],
            "gen_ai.usage.input_tokens": metrics.get("prompt_tokens"),
            "gen_ai.usage.output_tokens": metrics.get("completion_tokens"),
            "gen_ai.usage.cache_read.input_tokens": metrics.get("cached_tokens"),
            "gen_ai.usage.cost": metrics.get("cost_usd"),
            "atif.step_id": step.get("step_id"),
            "atif.extra": step.get("extra"),
        },
    }


def _tools(step: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    results = [
        one
        for one in listed(as_dict(step.get("observation")).get("results"))
        if isinstance(one, dict)
    ]
    for number, call in enumerate(listed(step.get("tool_calls"))):
        call = as_dict(call)
        called = call.get("tool_call_id")
        answers = [one for one in results if called and one.get("source_call_id") == called]
        yield {
            "span_id": f"{key}/tool/{number}",
            "name": call.get("function_name"),
            "attributes": {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": call.get("function_name"),
                "gen_ai.tool.call.id": called,
                "gen_ai.tool.call.arguments": call.get("arguments"),
                "gen_ai.tool.call.result": answers[0].get("content") if answers else None,
                "atif.subagents": answers[0].get("subagent_trajectory_ref") if answers else None,
            },
        }
