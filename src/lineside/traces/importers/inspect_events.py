"""One sample of an Inspect log as a tree of steps.

Inspect writes what happened as a list of events: some open and close a stretch of work, some are
work themselves (a model, a tool, a command in the sandbox), and the others tell of it; those stand
as events on the step they fell into.
"""

import re
from collections.abc import Callable
from typing import Any

from lineside.traces.conventions.received import RawSpan
from lineside.traces.conventions.values import as_dict, first
from lineside.traces.importers.inspect_messages import asked_of, told
from lineside.traces.importers.steps import TRACE_DIGITS, hex_id, imported, listed, moment_ns
from lineside.traces.otlp import NotASpan, Read

_DEPTH_MAX = 32
_ATTACHMENT = re.compile(r"attachment://([0-9a-f]+)")
_STRETCHES = {"agent": "agent", "scorer": "scorer", "tool": "tool"}
# Somebody may correct a score months later; that is no part of what was run.
_AFTERWARDS = {"score_edit"}
_KEYS = ("timestamp", "event", "span_id", "uuid", "working_start", "pending")


class SampleTree:
    """Turns the events of one sample into spans, each under the stretch of work it fell into.

    Attributes:
        trace_id: Of all its spans, as they are kept.
        ended_ns: When the sample ended, once its spans were read.
    """

    def __init__(self, evaluation: dict[str, Any], sample: dict[str, Any]) -> None:
        self._evaluation = evaluation
        self._sample = sample
        self._attachments = as_dict(sample.get("attachments"))
        pools = as_dict(sample.get("events_data"))
        self._messages = listed(sample.get("message_pool")) or listed(pools.get("messages"))
        whole = first(evaluation, "eval_id", "run_id", "created")
        self._id = f"{whole}/{sample.get('id')}/{sample.get('epoch')}"
        self.trace_id = hex_id(sample.get("uuid") or self._id, TRACE_DIGITS)
        self.ended_ns = 0
        self._steps: dict[str, dict[str, Any]] = {}
        self._open_steps: list[str] = []
        self._unclaimed: dict[tuple[str, str], list[str]] = {}
        self._count = 0

    def spans(self) -> Read:
        """The sample itself first, then its steps in the order they began.

        Raises:
            NotASpan: No event says when the sample was run.
        """
        events = [event for event in listed(self._sample.get("events")) if isinstance(event, dict)]
        ran = [event for event in events if event.get("event") not in _AFTERWARDS]
        times = [moment for event in ran for moment in _moments(event)]
        if not times:
            started = first(self._sample, "started_at") or self._evaluation.get("created")
            times = [moment for moment in [moment_ns(started)] if moment is not None]
        if not times:
            raise NotASpan("the sample says nowhere when it was run")
        self.ended_ns = max(times)
        self._steps["sample"] = self._root(min(times), self.ended_ns)
        self._walk(events, "sample", 0)
        for key, step in self._steps.items():
            yield self._span(key, step)

    def _root(self, start: int, end: int) -> dict[str, Any]:
        sample, evaluation = self._sample, self._evaluation
        output = as_dict(sample.get("output"))
        choices = listed(output.get("choices"))
        answer = as_dict(as_dict(choices[0]).get("message")).get("content") if choices else None
        error = as_dict(sample.get("error"))
        return {
            "name": evaluation.get("task") or "sample",
            "start": start,
            "end": end,
            "error": error.get("message"),
            "events": [],
            "attributes": {
                "lineside.kind": "workflow",
                **asked_of(self.whole(sample.get("input"))),
                "lineside.output": self.whole(output.get("completion") or answer),
                "inspect.task": evaluation.get("task"),
                "inspect.run_id": evaluation.get("run_id"),
                "inspect.eval_id": evaluation.get("eval_id"),
                "inspect.model": evaluation.get("model"),
                "inspect.created": evaluation.get("created"),
                "inspect.sample_id": sample.get("id"),
                "inspect.epoch": sample.get("epoch"),
                "inspect.target": sample.get("target") or None,
                "inspect.metadata": sample.get("metadata") or None,
                "inspect.limit": sample.get("limit"),
                "scores": self.whole(sample.get("scores")) or None,
            },
        }

    def _walk(self, events: list[Any], parent: str, depth: int) -> None:
        for event in events:
            if not isinstance(event, dict):
                continue
            above = event.get("span_id")
            if above not in self._steps:
                above = self._open_steps[-1] if self._open_steps else parent
            read = _READERS.get(str(event.get("event")))
            if read is None:
                self._told(event, above)
                continue
            key = read(self, event, above)
            if key is not None and depth < _DEPTH_MAX:
                self._walk(listed(event.get("events")), key, depth + 1)

    def _begin(self, event: dict[str, Any], above: str) -> None:
        kind, name = str(event.get("type")), str(event.get("name"))
        parent = event.get("parent_id")
        key = str(event.get("id"))
        parent = parent if parent in self._steps else "sample" if above == key else above
        self._add(key, parent, event, name, {"lineside.kind": _STRETCHES.get(kind, "step")})
        self._steps[key]["attributes"]["inspect.span_type"] = kind
        if kind == "tool":
            self._unclaimed.setdefault((parent, name), []).append(key)

    def _end(self, event: dict[str, Any], _above: str) -> None:
        step = self._steps.get(str(event.get("id")))
        if step is not None:
            step["end"] = max(step["end"], moment_ns(event.get("timestamp")) or 0)

    def _old_step(self, event: dict[str, Any], above: str) -> None:
        """How logs of before 2025 mark a stretch of work."""
        if event.get("action") == "begin":
            key = self._new_key()
            kind = _STRETCHES.get(str(event.get("type")), "step")
            self._add(key, above, event, event.get("name"), {"lineside.kind": kind})
            self._open_steps.append(key)
        elif self._open_steps:
            step = self._steps[self._open_steps.pop()]
            step["end"] = max(step["end"], moment_ns(event.get("timestamp")) or 0)

    def _model(self, event: dict[str, Any], above: str) -> str:
        output = as_dict(event.get("output"))
        asked = str(event.get("model") or "")
        provider, _, model = asked.partition("/") if "/" in asked else (None, "", asked)
        said = listed(event.get("input")) or [
            message for pair in listed(event.get("input_refs")) for message in self._pooled(pair)
        ]
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model or None,
            "gen_ai.response.model": output.get("model"),
            "gen_ai.input.messages": told(self.whole(said)) or None,
            "gen_ai.output.messages": self.whole(output.get("choices")) or None,
            "inspect.model": asked or None,
            "inspect.cache": event.get("cache"),
            "inspect.role": event.get("role"),
            "inspect.config": event.get("config") or None,
        }
        # An answer out of Inspect's own cache was paid for when it was first given.
        if event.get("cache") != "read":
            attributes |= _usage(as_dict(output.get("usage")))
        key = self._new_key()
        self._add(key, above, event, f"chat {model}", attributes, seconds=output.get("time"))
        return key

    def _tool(self, event: dict[str, Any], above: str) -> str:
        name = str(event.get("function") or "tool")
        waiting = self._unclaimed.get((above, name))
        inside = as_dict(self._steps.get(above)).get("attributes", {})
        if waiting:
            key = waiting.pop(0)
        elif inside.get("inspect.span_type") == "tool" and "gen_ai.tool.name" not in inside:
            key = above
        else:
            key = self._new_key()
        attributes = {
            "lineside.kind": "tool",
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": event.get("id"),
            "gen_ai.tool.call.arguments": self.whole(event.get("arguments")),
            "gen_ai.tool.call.result": self.whole(event.get("result")),
        }
        known = self._steps.get(key)
        if known is None:
            self._add(key, above, event, name, attributes)
        else:
            known["attributes"] |= attributes
            known["end"] = max(known["end"], _end_ns(event))
            known["error"] = _error(event)
        return key

    def _sandbox(self, event: dict[str, Any], above: str) -> str:
        said = self.whole(first(event, "cmd", "file"))
        attributes = {"lineside.input": said, "lineside.output": self.whole(event.get("output"))}
        attributes |= {"inspect.sandbox.input": self.whole(event.get("input"))}
        attributes |= {"inspect.sandbox.result": event.get("result")}
        key = self._new_key()
        self._add(key, above, event, f"sandbox {event.get('action')}", attributes)
        return key

    def _subtask(self, event: dict[str, Any], above: str) -> str:
        attributes = {
            "lineside.input": self.whole(event.get("input")),
            "lineside.output": self.whole(event.get("result")),
        }
        key = self._new_key()
        self._add(key, above, event, event.get("name") or "subtask", attributes)
        return key

    def _score(self, event: dict[str, Any], above: str) -> str:
        attributes = {
            "lineside.kind": "scorer",
            "lineside.input": self.whole(event.get("target")) or None,
            "lineside.output": self.whole(event.get("score")),
        }
        key = self._new_key()
        self._add(key, above, event, "score", attributes)
        return key

    def _told(self, event: dict[str, Any], above: str) -> None:
        said = {key: value for key, value in event.items() if key not in _KEYS}
        self._steps[above]["events"].append(
            {
                "name": f"inspect.{event.get('event')}",
                "time_ns": moment_ns(event.get("timestamp")) or 0,
                "attributes": said,
            }
        )

    def _add(
        self,
        key: str,
        parent: str,
        event: dict[str, Any],
        name: Any,
        attributes: dict[str, Any],
        *,
        seconds: Any = None,
    ) -> None:
        start = moment_ns(event.get("timestamp"))
        self._steps.setdefault(
            key,
            {
                "name": name,
                "parent": parent,
                "start": start,
                "end": _end_ns(event, seconds),
                "error": _error(event),
                "attributes": attributes,
                "events": [],
            },
        )

    def _new_key(self) -> str:
        self._count += 1
        return f"event {self._count}"

    def _span(self, key: str, step: dict[str, Any]) -> RawSpan:
        parent = step.get("parent")
        return imported(
            "inspect",
            trace_id=self._sample.get("uuid") or self._id,
            span_id=hex_id(f"{self._id}/{key}", 16),
            parent_id=hex_id(f"{self._id}/{parent}", 16) if parent else None,
            name=step["name"],
            start=step["start"],
            end=step["end"],
            status="ERROR" if step["error"] else "UNSET",
            status_message=step["error"],
            attributes=step["attributes"],
            events=step["events"],
            resource={"service.name": self._evaluation.get("task") or "inspect"},
        )

    def _pooled(self, pair: Any) -> list[Any]:
        begin, end = pair if isinstance(pair, list) and len(pair) == 2 else (0, 0)
        return self._messages[begin:end]

    def whole(self, value: Any, depth: int = 0) -> Any:
        """The same with what Inspect has set aside put back in its place."""
        if isinstance(value, str) and "attachment://" in value:
            return _ATTACHMENT.sub(self._attached, value)
        if depth < _DEPTH_MAX and isinstance(value, dict):
            return {key: self.whole(item, depth + 1) for key, item in value.items()}
        if depth < _DEPTH_MAX and isinstance(value, list):
            return [self.whole(item, depth + 1) for item in value]
        return value

    def _attached(self, found: "re.Match[str]") -> str:
        return str(self._attachments.get(found[1], found[0]))


_READERS: dict[str, Callable[[SampleTree, dict[str, Any], str], str | None]] = {
    "span_begin": SampleTree._begin,
    "span_end": SampleTree._end,
    "step": SampleTree._old_step,
    "model": SampleTree._model,
    "tool": SampleTree._tool,
    "sandbox": SampleTree._sandbox,
    "subtask": SampleTree._subtask,
    "score": SampleTree._score,
}


def _usage(usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "gen_ai.usage.input_tokens": usage.get("input_tokens"),
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        "gen_ai.usage.total_tokens": usage.get("total_tokens"),
        "gen_ai.usage.cache_read.input_tokens": usage.get("input_tokens_cache_read"),
        "gen_ai.usage.cache_creation.input_tokens": usage.get("input_tokens_cache_write"),
        "gen_ai.usage.reasoning.output_tokens": usage.get("reasoning_tokens"),
        "gen_ai.usage.cost": usage.get("total_cost"),
    }


def _moments(event: dict[str, Any]) -> list[int]:
    found = (moment_ns(event.get(name)) for name in ("timestamp", "completed"))
    return [moment for moment in found if moment is not None]


def _end_ns(event: dict[str, Any], seconds: Any = None) -> int:
    """When it ended, as far as the event says; its start where it says nothing."""
    completed = moment_ns(event.get("completed"))
    if completed is not None:
        return completed
    start = moment_ns(event.get("timestamp")) or 0
    took = event.get("working_time", seconds)
    return start + (round(took * 1e9) if isinstance(took, int | float) and took > 0 else 0)


def _error(event: dict[str, Any]) -> str | None:
    error = event.get("error")
    if isinstance(error, dict):
        return (
            ": ".join(str(error[key]) for key in ("type", "message") if error.get(key)) or "error"
        )
    return str(error) if error else None
