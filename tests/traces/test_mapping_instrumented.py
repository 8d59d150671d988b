"""What the instrumentation packages of today really emit, and what is made of it.

Each app of `instrumented` asks a scripted model the same things; here it says what a person then
sees. `docs/reference/conventions.md` publishes the same, and is held to it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lineside.traces.conventions.log_events import events_of, joined
from lineside.traces.conventions.received import RawLog
from lineside.traces.mapping import RawSpan, map_span
from lineside.traces.span import Message, Span
from traces.instrumented.apps import APPS, PROCESSES, App

# One worker runs them all, so that each app runs once.
pytestmark = pytest.mark.xdist_group("instrumented")

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reference" / "conventions.md"
NOT_INSTALLED = 3
TOLD = [("system", ["Be brief"]), ("user", ["Weather in Paris?"])]
CALLED = ("weather", {"city": "Paris"})
SAID = {"celsius": 18}
ANSWER = "It is mild in Paris"

every = pytest.mark.parametrize("app", APPS, ids=lambda app: app.id)


class Recordings:
    """What the programs emitted, read as the receiver reads it; each is run once, two at a time."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._runs = [pool.submit(_emitted, *process) for process in PROCESSES]

    def spans(self, app: App, case: str) -> list[Span]:
        """In the order in which they began, each with the log records that name it."""
        recorded = self._of(app)["cases"][case]
        assert "broke" not in recorded, recorded["broke"]
        events: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for log in map(_log, recorded["logs"]):
            event = events_of(log)
            if event is not None:
                events.setdefault((log.trace_id or "", log.span_id or ""), []).append(event)
        raws = sorted((RawSpan(**span) for span in recorded["spans"]), key=lambda s: s.start_ns)
        return [map_span(joined(r, events.get((r.trace_id, r.span_id), []))) for r in raws]

    def models(self, app: App, case: str) -> list[Span]:
        return [span for span in self.spans(app, case) if span.kind == "model"]

    def package(self, app: App) -> str:
        return str(self._of(app)["package"])

    def _of(self, app: App) -> dict[str, Any]:
        run: Future[dict[str, Any]] = self._runs[app.process]
        found: dict[str, Any] = run.result()[app.name]
        return found


@pytest.fixture(scope="module")
def recordings() -> Iterator[Recordings]:
    with ThreadPoolExecutor(2) as pool:
        yield Recordings(pool)


def _emitted(switches: dict[str, str], apps: list[str]) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, str(HERE / "instrumented"), *apps],
        env=os.environ | switches,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if ran.returncode == NOT_INSTALLED:
        pytest.skip(f"{apps} cannot be imported here: {ran.stderr.strip()}")
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _log(log: dict[str, Any]) -> RawLog:
    return RawLog(**log)


def lines(messages: list[Message] | None) -> list[tuple[str, list[Any]]]:
    """Who said what: words as they are, a tool call as its id, name and arguments, a result as
    the id it answers and what it says; calls after words, since packages differ in that.
    """
    found: list[tuple[str, list[Any]]] = []
    for one in messages or []:
        said: list[Any] = [p["content"] for p in one.parts if p["type"] == "text"]
        said += [
            (p["id"], p["name"], p["arguments"]) for p in one.parts if p["type"] == "tool_call"
        ]
        said += [(p["id"], p["result"]) for p in one.parts if p["type"] == "tool_result"]
        assert len(said) == len(one.parts)
        found.append((one.role, said))
    return found


@every
def test_a_conversation_with_a_tool_is_read(app: App, recordings: Recordings) -> None:
    first, second = recordings.models(app, "tools")
    call = (app.calls, *CALLED)

    assert {first.provider, second.provider} == {app.provider}
    assert (first.status, first.model, second.model) == ("ok", app.model, app.model)
    assert first.model_asked in (app.asked, None)
    assert first.service in ("helpdesk", None)
    if app.told == "none":
        assert first.messages_in is None
        return
    assert lines(first.messages_in) == TOLD
    ((role, said),) = lines(first.messages_out)
    assert (role, said[-1]) == ("assistant", call)
    assert said[:-1] in ([], ["Let me look"])
    assert first.output == (said[0] if said[:-1] else [{"name": CALLED[0], "arguments": CALLED[1]}])
    *told, (role, asked), result = lines(second.messages_in)
    assert told == TOLD
    assert (role, asked[-1], result) == ("assistant", call, ("tool", [(app.returns, SAID)]))
    assert lines(second.messages_out) == [("assistant", [ANSWER])]
    assert (second.input, second.output) == ("Weather in Paris?", ANSWER)
    stops = tuple(one.finish_reason for one in (*first.messages_out, *second.messages_out))
    assert stops == app.stops


@every
def test_tokens_are_counted_once(app: App, recordings: Recordings) -> None:
    for span in (*recordings.models(app, "tools"), *recordings.models(app, "stream")):
        assert (span.tokens_in, span.tokens_cached_in) == (120, app.cached)
        assert (span.tokens_cache_written_in or None) == app.written
        assert span.attributes == {}
        assert (span.cost_usd is not None) == app.name.startswith("pydantic-ai")
    counted = [span for span in recordings.spans(app, "tools") if span.tokens_in is not None]
    assert {span.kind for span in counted} == {"model"}
    assert {span.tokens_out for span in recordings.models(app, "tools")} == {9}


@every
def test_a_streamed_answer_is_read(app: App, recordings: Recordings) -> None:
    (span,) = recordings.models(app, "stream")

    assert (span.status, span.tokens_out) == ("ok", app.tokens_out)
    if app.told == "all":
        assert lines(span.messages_out) == [("assistant", [ANSWER])]
    if app.told != "none":
        assert lines(span.messages_in) == TOLD
    if app.first_chunk:
        assert 0 < (span.first_chunk_ms or 0) < span.duration_ms
    else:
        assert span.first_chunk_ms is None


@every
@pytest.mark.parametrize(
    ("case", "word", "why"),
    [("fail", "Fail", "500|engine is down"), ("hurry", "Hurry", "429|Too many requests")],
)
def test_a_failed_call_says_why(
    app: App, case: str, word: str, why: str, recordings: Recordings
) -> None:
    (span,) = recordings.models(app, case)

    assert span.status == "error"
    assert all(words in (span.error or "") for words in why.split("|"))
    assert "Traceback" not in (span.error or "")
    assert (span.model_asked or span.model) == (app.asked if app.model_of_failed else None)
    assert (span.messages_out, span.output, span.tokens_in) == (None, None, None)
    if app.told != "none" and app.messages_of_failed:
        assert lines(span.messages_in)[-1] == ("user", [word])


@every
def test_steps_hang_together(app: App, recordings: Recordings) -> None:
    spans = recordings.spans(app, "tools")
    by_id = {span.span_id: span for span in spans}
    tools = [span for span in spans if span.kind == "tool"]
    agents = [span for span in spans if span.kind == "agent"]

    (root,) = [span for span in spans if span.parent_span_id is None]
    assert len({span.trace_id for span in spans}) == 1
    assert all(span.parent_span_id in by_id for span in spans if span is not root)
    assert len(tools) == app.tool_step
    assert (agents != []) == app.agent_step
    for tool in tools:
        assert (tool.name.split()[-1], tool.tool_name) == ("weather", "weather")
        # LangChain's own callback names the only argument's value alone.
        assert tool.input in ({"city": "Paris"}, "Paris")
        assert tool.output == SAID
    if app.agent_step:
        assert "helpdesk" in {agent.agent_name for agent in agents}
    for span in spans:
        if span.kind in ("model", "tool"):
            assert (span.session_id, span.user_id) == (
                "session-7" if app.session else None,
                "ada" if app.user else None,
            )


@pytest.mark.parametrize("app", [app for app in APPS if app.embeds is not None], ids=lambda a: a.id)
def test_an_embedding_is_read(app: App, recordings: Recordings) -> None:
    (span,) = recordings.spans(app, "embed")

    assert (span.kind, span.status, span.provider) == ("embedding", "ok", "openai")
    assert (span.model, span.tokens_in) == ("text-embedding-3-small", 5)
    # Vectors stay where they were received.
    assert (span.input, span.output) == (app.embeds or None, None)
    assert (span.messages_in, span.messages_out) == (None, None)


RESPONSES = [
    ("openinference-openai", "responses", "call_1"),
    # It gives the id of the item in place of the call's.
    ("openllmetry-openai", "responses", "fc_1"),
    ("pydantic-ai", "responses", "call_1"),
    ("openinference-agents", "chat", "call_1"),
]


@pytest.mark.parametrize(("name", "case", "call_id"), RESPONSES)
def test_the_other_interface_of_a_maker_is_read_alike(
    name: str, case: str, call_id: str, recordings: Recordings
) -> None:
    app = next(app for app in APPS if app.name == name)
    first, second = recordings.models(app, case)

    assert (first.provider, first.tokens_in, first.tokens_out) == ("openai", 120, 9)
    assert lines(first.messages_in) == TOLD
    assert lines(first.messages_out)[0][1][-1] == (call_id, *CALLED)
    assert lines(second.messages_in)[-1] == ("tool", [("call_1", SAID)])
    assert lines(second.messages_out) == [("assistant", [ANSWER])]


@pytest.mark.parametrize("name", ["openinference-langchain", "langsmith-langchain"])
def test_what_a_retriever_found_is_read(name: str, recordings: Recordings) -> None:
    app = next(app for app in APPS if app.name == name)
    (span,) = recordings.spans(app, "retrieve")

    assert (span.kind, span.input) == ("retriever", "Weather in Paris?")
    (document,) = span.output
    assert "Paris is mild" in (document.get("content"), document.get("page_content"))


def test_log_records_without_a_span_are_nobodys_messages(recordings: Recordings) -> None:
    app = App("openllmetry-anthropic-events", 2)
    (span,) = recordings.models(app, "stream")

    assert (span.messages_in, span.messages_out) == (None, None)
    assert (span.tokens_in, span.tokens_cached_in) == (120, 64)


def test_the_published_page_says_what_is_read(recordings: Recordings) -> None:
    published = {
        (cells[0].strip("`"), cells[2]): tuple(cells[4:])
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `")
        for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
        if len(cells) > 4
    }
    read = {(recordings.package(app), app.switched): cells_of(app) for app in APPS}

    assert published == read


def cells_of(app: App) -> tuple[str, ...]:
    told = {"all": "yes", "in": "yes, not a streamed answer", "none": "no"}[app.told]
    steps = [name for name, has in (("tool", app.tool_step), ("agent", app.agent_step)) if has]
    whose = [name for name, has in (("session", app.session), ("user", app.user)) if has]
    return (
        told,
        " and ".join(["model", *steps]),
        "yes" if app.cached is not None else "no",
        "yes" if app.first_chunk else "no",
        " and ".join(whose) or "no",
        {None: "–", "": "without text"}.get(app.embeds, "yes"),
    )
