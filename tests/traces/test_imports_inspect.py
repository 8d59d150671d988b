"""Logs of Inspect, whole evals and single trajectories, become traces."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from lineside.traces import imports
from lineside.trust import Scope
from traces.imported import Write, by_name


@pytest.fixture
def scope(apart: Scope) -> Scope:
    return apart


def inspect_log() -> dict[str, Any]:
    usage = {"input_tokens": 40, "output_tokens": 8, "total_tokens": 48}
    call = {"id": "c1", "function": "search", "arguments": {"q": "parcel"}, "type": "function"}
    answer = {"role": "assistant", "content": "It is coming", "tool_calls": [call]}
    solver, tool = {"span_id": "solver-1"}, {"span_id": "tool-1"}
    events = [
        {"event": "span_begin", "id": "solver-1", "type": "solver", "name": "generate", **at(0)},
        {
            "event": "model",
            "model": "openai/gpt-4o",
            "input": [{"role": "user", "content": "attachment://ab12"}],
            "output": {
                "model": "gpt-4o",
                "choices": [{"message": answer, "stop_reason": "tool_calls"}],
                "usage": usage,
            },
            "completed": at(2)["timestamp"],
            **solver,
            **at(1),
        },
        {
            "event": "span_begin",
            "id": "tool-1",
            "type": "tool",
            "name": "search",
            "parent_id": "solver-1",
            **at(3),
            **tool,
        },
        {
            "event": "tool",
            "id": "c1",
            "function": "search",
            "arguments": {"q": "parcel"},
            "result": "found",
            "completed": at(4)["timestamp"],
            **solver,
            **at(3),
        },
        {"event": "info", "data": "looked", **tool, **at(4)},
        {"event": "span_end", "id": "solver-1", **solver, **at(5)},
    ]
    sample = {
        "id": "s/1",
        "epoch": 1,
        "input": "Where is my parcel?",
        "target": "coming",
        "output": {"completion": "It is coming"},
        "scores": {"match": {"value": "C"}},
        "events": events,
        "attachments": {"ab12": "Where is my parcel?"},
    }
    return {
        "version": 2,
        "status": "success",
        "eval": {"eval_id": "e1", "run_id": "r1", "task": "parcels", "model": "openai/gpt-4o"},
        "samples": [sample],
    }


def at(seconds: int) -> dict[str, str]:
    return {"timestamp": f"2025-05-12T20:27:{seconds:02}-04:00"}


def packed_by_zstd(path: Path, texts: dict[str, str]) -> None:
    """An archive as Inspect writes it today, in a way of packing that `zipfile` cannot write."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, text in texts.items():
            archive.writestr(name, zstandard.compress(text.encode()))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset : at + offset + 2] = (93).to_bytes(2, "little")
            at = data.find(mark, at + 1)
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["log.json", "log.eval", "zstd.eval"])
def test_a_sample_of_inspect_is_a_trace_of_solvers_models_and_tools(
    scope: Scope, write: Write, tmp_path: Path, name: str
) -> None:
    log = inspect_log()
    path = write(name, log)
    texts = {
        "samples/s_1_epoch_1.json": json.dumps(log["samples"][0]),
        "samples/s_2_epoch_1.json": "{cut",
        "header.json": json.dumps(log | {"samples": []}),
    }
    if name == "zstd.eval":
        packed_by_zstd(path, texts)
    elif name == "log.eval":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, text in texts.items():
                archive.writestr(entry, text)

    receipt = imports.import_file(scope, path)

    named = by_name(scope)
    root, solver, model, tool = (
        named[name] for name in ("parcels", "generate", "chat gpt-4o", "search")
    )
    assert (receipt.format, receipt.kept) == ("inspect", 4)
    assert receipt.refused == (0 if name == "log.json" else 1)
    assert [span.parent_span_id for span in (root, solver, model, tool)] == [
        None,
        root.span_id,
        solver.span_id,
        solver.span_id,
    ]
    assert (root.input, root.output) == ("Where is my parcel?", "It is coming")
    assert root.raw is not None
    assert root.raw["attributes"]["scores"] == {"match": {"value": "C"}}
    assert (model.provider, model.model, model.tokens_in, model.tokens_out) == (
        "openai",
        "gpt-4o",
        40,
        8,
    )
    assert (model.input, model.output) == ("Where is my parcel?", "It is coming")
    assert (model.duration_ms, solver.duration_ms) == (1000.0, 5000.0)
    assert (tool.kind, tool.input, tool.output) == ("tool", {"q": "parcel"}, "found")
    assert tool.raw is not None
    assert [event["name"] for event in tool.raw["events"]] == ["inspect.info"]


def test_a_log_without_samples_is_refused_rather_than_taken_for_empty(
    scope: Scope, write: Write
) -> None:
    receipt = imports.import_file(scope, write("log.json", inspect_log() | {"samples": []}))

    assert (receipt.kept, receipt.refused) == (0, 1)
    assert receipt.why[0].reason == "the log holds no samples (its status is `success`)"


def test_a_trajectory_without_times_is_placed_where_its_file_was_written(
    scope: Scope, write: Write
) -> None:
    call = {"tool_call_id": "c1", "function_name": "ls", "arguments": {"path": "."}}
    trajectory = {
        "schema_version": "ATIF-v1.6",
        "session_id": "t1",
        "agent": {"name": "helper", "model_name": "openai/gpt-4o"},
        "steps": [
            {"step_id": 1, "source": "user", "message": "List the files"},
            {
                "step_id": 2,
                "source": "agent",
                "message": "Looking",
                "tool_calls": [call],
                "observation": {"results": [{"source_call_id": "c1", "content": "a.txt"}]},
                "metrics": {"prompt_tokens": 20, "completion_tokens": 4, "cost_usd": 0.1},
            },
        ],
    }
    path = write("t.json", trajectory)

    imports.import_file(scope, path)
    imports.import_file(scope, path)

    named = by_name(scope)
    assert named.keys() == {"helper", "chat gpt-4o", "ls"}
    model, tool = named["chat gpt-4o"], named["ls"]
    assert (model.provider, model.tokens_in, model.cost_usd) == ("openai", 20, 0.1)
    assert (model.input, tool.input, tool.output) == ("List the files", {"path": "."}, "a.txt")
    age_seconds = named["helper"].started_at.timestamp() - path.stat().st_mtime
    assert abs(age_seconds) < 1
