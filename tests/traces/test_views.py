"""One trace as people look at it: tree, path, graph, difference, and what is taken along."""

import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from lineside.core import Invalid, NotFound, Settings, now
from lineside.evals import read_dataset
from lineside.traces import (
    Feedback,
    Message,
    Span,
    new_span_id,
    new_trace_id,
    record_spans,
    views,
)
from lineside.trust import Scope

START = now() - timedelta(minutes=30)


@pytest.fixture
def settings(made_home: Path) -> Settings:
    """One database only: what is asked here, the lake answers, and it is the same beside both."""
    return Settings(home=made_home)


def step(name: str, kind: str = "step", under: Any = None, **values: Any) -> views.Outline:
    """A step after so many milliseconds (`at`), of so many (`ms`)."""
    at, ms = values.pop("at", 0.0), values.pop("ms", 10.0)
    return views.Outline(
        span_id=values.pop("span_id", new_span_id()),
        parent_span_id=getattr(under, "span_id", under),
        name=name,
        kind=kind,
        status=values.pop("status", "ok"),
        error=values.pop("error", None),
        started_at=START + timedelta(milliseconds=at),
        duration_ms=ms,
        **values,
    )


def span(trace_id: str, name: str, under: Span | None = None, **values: Any) -> Span:
    fields = {"span_id": new_span_id(), "started_at": START, "duration_ms": 100.0}
    parent = under.span_id if under else None
    return Span(
        **(fields | {"trace_id": trace_id, "name": name, "parent_span_id": parent} | values)
    )


def said(role: str, *texts: str) -> Message:
    return Message(role=role, parts=[{"type": "text", "content": text} for text in texts])


def edges(graph: views.CallGraph) -> set[tuple[str, str, int, bool]]:
    names = [node.name for node in graph.nodes]
    return {
        (names[edge.source], names[edge.target], edge.calls, edge.is_flow) for edge in graph.edges
    }


def test_an_outline_has_every_step_wherever_it_waits(scope: Scope) -> None:
    trace_id = new_trace_id()
    root = span(trace_id, "answer", kind="agent", input="hi", duration_ms=900.0)
    model = span(trace_id, "chat", root, kind="model", model="m", tokens_in=7, error="x" * 900)
    record_spans(scope, [root]).result()
    scope.store.flusher.flush()
    record_spans(scope, [model, root]).result()

    steps = views.outline_tree(scope, trace_id)
    wholes = views.get_steps(scope, trace_id, [root.span_id, "unknown"])

    assert [(one.span.name, one.depth, one.below) for one in steps] == [
        ("answer", 0, 1),
        ("chat", 1, 0),
    ]
    assert (steps[1].span.model, steps[1].span.tokens_in) == ("m", 7)
    assert len(steps[1].span.error or "") == 300
    assert wholes == {root.span_id: root}
    with pytest.raises(NotFound, match="No trace has the id"):
        views.outline_tree(scope, new_trace_id())


def test_the_critical_path_is_what_the_end_waited_for() -> None:
    root = step("root", "agent", ms=1000)
    first = step("first", "model", root, at=100, ms=300)
    beside = step("beside", "tool", root, at=120, ms=200)
    second = step("second", "tool", root, at=450, ms=500)
    inner = step("inner", under=second, at=500, ms=400)

    steps = views.tree_of([inner, second, beside, first, root])
    waits = {one.span.name: one.path_ms for one in steps}

    assert waits == {"root": 200, "first": 300, "beside": None, "second": 100, "inner": 400}
    assert [wait.longest.span.name for wait in views.longest_waits(steps)][:2] == ["inner", "first"]


def test_the_failure_that_ended_first_comes_first() -> None:
    root = step("root", "agent", ms=1000, status="error")
    tool = step("tool", "tool", root, ms=800, status="error")
    call = step("call", under=tool, at=10, ms=50, status="error")

    steps = views.tree_of([root, tool, call])

    assert [one.span.name for one in views.first_failures(steps)] == ["call", "tool", "root"]
    assert (steps[0].errors_below, steps[0].below) == (2, 2)


def test_parallel_tools_stand_beside_each_other_and_repeats_are_counted() -> None:
    root = step("run", "agent", agent_name="support", ms=1000)
    batch = step("tools", under=root)
    tools = [step("t", "tool", batch, tool_name=name) for name in ("search", "fetch", "search")]
    model = step("chat", "model", root, model="gpt-4o", status="error")

    graph = views.graph_of(views.tree_of([root, batch, *tools, model]))

    assert edges(graph) == {
        ("support", "search", 2, False),
        ("support", "fetch", 1, False),
        ("support", "gpt-4o", 1, False),
    }
    found = {node.name: (node.calls, node.errors) for node in graph.nodes}
    assert found == {"support": (1, 0), "search": (2, 0), "fetch": (1, 0), "gpt-4o": (1, 1)}


def test_an_agent_that_calls_itself_is_one_node_whose_time_counts_once() -> None:
    outer = step("a", "agent", agent_name="planner", ms=1000)
    inner = step("a", "agent", outer, agent_name="planner", ms=400)
    lost = step("late", "tool", new_span_id(), tool_name="audit", ms=5)

    graph = views.graph_of(views.tree_of([outer, inner, lost]))

    assert edges(graph) == {("planner", "planner", 1, False)}
    planner, audit = graph.nodes
    assert (planner.calls, planner.total_ms) == (2, 1000)
    assert (audit.name, audit.lost) == ("audit", 1)


def test_handoffs_and_loops_are_taken_from_what_the_program_says(scope: Scope) -> None:
    trace_id = new_trace_id()
    flow = span(trace_id, "workflow", kind="workflow")
    before: str | None = None
    agents = []
    for at, name in enumerate(("triage", "billing", "triage")):
        hints = {"graph.node.id": name} | ({"graph.node.parent_id": before} if before else {})
        starts = START + timedelta(milliseconds=at)
        fields = {"kind": "agent", "agent_name": name, "started_at": starts}
        agents.append(span(trace_id, name, flow, raw={"attributes": hints}, **fields))
        before = name
    record_spans(scope, [flow, *agents]).result()

    graph = views.call_graph(scope, trace_id, views.outline_tree(scope, trace_id))

    assert edges(graph) == {
        ("workflow", "triage", 1, False),
        ("triage", "billing", 1, True),
        ("billing", "triage", 1, True),
    }


def test_rounds_of_langgraph_follow_on_each_other(scope: Scope) -> None:
    trace_id = new_trace_id()
    graph_span = span(trace_id, "LangGraph", kind="workflow")
    nodes = []
    for turn, name in enumerate(("agent", "tools", "agent"), start=1):
        about = orjson.dumps({"langgraph_node": name, "langgraph_step": turn}).decode()
        starts = START + timedelta(milliseconds=turn)
        node = span(
            trace_id, name, graph_span, started_at=starts, raw={"attributes": {"metadata": about}}
        )
        inner = span(
            trace_id, "chat", node, kind="model", model="m", raw={"attributes": {"metadata": about}}
        )
        nodes += [node, inner] if name == "agent" else [node]
    record_spans(scope, [graph_span, *nodes]).result()

    graph = views.call_graph(scope, trace_id, views.outline_tree(scope, trace_id))

    assert edges(graph) == {
        ("LangGraph", "agent", 1, False),
        ("agent", "tools", 1, True),
        ("tools", "agent", 1, True),
        ("agent", "m", 2, False),
    }


def test_the_rarest_of_very_many_nodes_are_drawn_as_one() -> None:
    root = step("run", "agent", agent_name="a")
    tools = [step("t", "tool", root, tool_name=f"tool {at}") for at in range(99)]

    graph = views.graph_of(views.tree_of([root, *tools]), nodes_max=10)

    assert len(graph.nodes) <= 10
    assert sum(node.calls for node in graph.nodes) == 100
    assert sum(edge.calls for edge in graph.edges) == 99
    assert [node.folded for node in graph.nodes if node.folded] == [92]


def test_two_traces_are_put_side_by_side(scope: Scope) -> None:
    ids = [new_trace_id(), new_trace_id()]
    for at, trace_id in enumerate(ids):
        root = span(trace_id, "answer", kind="agent", duration_ms=100.0 + at)
        text = ("It arrives tomorrow", "It arrives on Monday")[at]
        usual = {"kind": "model", "name": ("chat a", "chat b")[at], "cost_usd": 0.5 + at}
        model = span(trace_id, under=root, messages_out=[said("assistant", text)], **usual)
        only = span(trace_id, ("search", "pay")[at], root, kind=("retriever", "tool")[at])
        same = span(trace_id, "check", root, kind="guard", input="x")
        record_spans(scope, [root, model, only, same]).result()

    found = views.diff_traces(scope, *ids)

    standings = {
        (pair.right or pair.left).span.name: pair.standing  # type: ignore[union-attr] # one is there
        for pair in found.pairs
    }
    assert standings == {
        "answer": "same",
        "chat b": "changed",
        "search": "removed",
        "pay": "added",
        "check": "same",
    }
    ((changed, (part,)),) = found.parts.items()
    assert found.pairs[changed].cost_usd == 1.0
    assert part.part == "messages_out"
    assert [(piece.standing, piece.text) for piece in part.pieces[-2:]] == [
        ("removed", "tomorrow"),
        ("added", "on Monday"),
    ]
    assert found.duration_ms == (100.0, 101.0)


def test_the_same_steps_in_the_same_order_are_alike_even_when_one_is_missing() -> None:
    roots = [step("root", "agent"), step("root", "agent")]
    left = [step("call", "tool", roots[0], at=at) for at in (1, 2, 3)]
    right = [step("call", "tool", roots[1], at=at) for at in (1, 2)]

    trees = [
        views.tree_of([root, *steps]) for root, steps in zip(roots, (left, right), strict=True)
    ]
    pairs = views.align(*trees)

    assert [pair.standing for pair in pairs] == ["same", "same", "same", "removed"]


def test_long_texts_are_compared_line_by_line_within_bounds() -> None:
    long = "".join(f"line {at} of very many words\n" for at in range(700))

    pieces = views.text_diff(long, long.replace("line 300 ", "row 300 "))

    assert [piece.standing for piece in pieces] == ["same", "removed", "added", "same"]
    assert pieces[1].text == "line 300 of very many words\n"


def test_the_trace_before_is_found_by_name_and_by_session(scope: Scope) -> None:
    ids = [new_trace_id() for _ in range(3)]
    for at, (trace_id, session) in enumerate(zip(ids, ("s1", "s2", "s1"), strict=True)):
        starts = START + timedelta(seconds=at)
        record_spans(
            scope, [span(trace_id, 'say "hi"', started_at=starts, session_id=session)]
        ).result()
    (head,) = views.get_outline(scope, ids[2])
    root = views.get_steps(scope, ids[2], [head.span_id])[head.span_id]

    assert views.previous_trace(scope, root, of="name") == ids[1]
    assert views.previous_trace(scope, root, of="session") == ids[0]
    with pytest.raises(Invalid, match="no user to go by"):
        views.previous_trace(scope, root, of="user")


def test_a_model_step_becomes_a_call_that_can_be_made_again() -> None:
    asked = span(
        "t",
        "chat",
        kind="model",
        provider="openai",
        model="gpt-4o",
        messages_in=[
            said("system", "Don't guess"),
            said("user", "Where is it?"),
            Message(
                role="assistant",
                parts=[{"type": "tool_call", "id": "c1", "name": "track", "arguments": {"n": 1}}],
            ),
            Message(
                role="tool", parts=[{"type": "tool_result", "id": "c1", "result": {"at": "x"}}]
            ),
        ],
        raw={
            "attributes": {
                "gen_ai.request.temperature": 0.2,
                "gen_ai.tool.definitions": '[{"name": "track", "parameters": {"type": "object"}}]',
            }
        },
    )

    text = views.as_curl(asked)
    other = views.as_curl(asked.model_copy(update={"provider": "anthropic"}))

    assert '"authorization: Bearer $OPENAI_API_KEY"' in text
    body = orjson.loads(shell_body(text))
    assert body["messages"][0] == {"role": "system", "content": "Don't guess"}
    assert body["messages"][2]["tool_calls"][0]["function"] == {
        "name": "track",
        "arguments": '{"n":1}',
    }
    assert body["messages"][3] == {"role": "tool", "tool_call_id": "c1", "content": '{"at":"x"}'}
    assert (body["temperature"], body["tools"][0]["function"]["name"]) == (0.2, "track")
    body = orjson.loads(shell_body(other))
    assert (body["system"], body["max_tokens"]) == ("Don't guess", 1024)
    assert body["messages"][1]["content"][0]["type"] == "tool_use"
    assert body["tools"][0]["input_schema"] == {"type": "object"}


def test_a_call_of_our_own_app_is_made_here_and_other_steps_are_none() -> None:
    ours = span("t", "triage", kind="app", use_case="triage", input={"message": "it's"})

    text = views.as_curl(ours, server="http://127.0.0.1:1")

    assert text.startswith("curl http://127.0.0.1:1/api/usecases/triage/run")
    assert orjson.loads(shell_body(text)) == {"input": {"message": "it's"}}
    with pytest.raises(Invalid, match=r"Step `wait` \(step\) is no recorded call"):
        views.as_curl(span("t", "wait"))


def test_a_test_case_holds_what_people_corrected_and_can_be_read() -> None:
    trace_id = new_trace_id()
    answered = span(
        trace_id, "triage", input={"message": "hi"}, output={"topic": "card", "confidence": 0.9}
    )
    fixed = Feedback(
        id="fb_1",
        trace_id=trace_id,
        use_case=None,
        release=None,
        thumb="down",
        correction={"topic": "refund"},
        given_by="ann",
        given_at=START,
    )
    wrong = fixed.model_copy(update={"correction": None})

    line = views.as_case(answered, [fixed])

    schema = {"type": "object", "properties": {"message": {"type": "string"}}}
    (case,) = read_dataset(
        "cases.jsonl",
        line.encode() + b"\n",
        input_schema=schema,
        output_schema={"type": "object", "properties": {"topic": {"type": "string"}}},
        bytes_max=10_000,
    )
    assert (case.input, case.expected, case.source) == (
        {"message": "hi"},
        {"topic": "refund"},
        trace_id,
    )
    assert orjson.loads(views.as_case(answered))["expected"] == {"topic": "card"}
    assert "expected" not in orjson.loads(views.as_case(answered, [wrong]))


def shell_body(command: str) -> str:
    """What a shell would hand to curl after `-d`."""
    words = shlex.split(command.replace("\\\n", " "))
    return words[words.index("-d") + 1]
