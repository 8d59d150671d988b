"""Use cases at the doors of models: one call, one step in the trace, however it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import anthropic
import openai
import pytest

from api.models.conftest import FakeUpstream
from api.models.fakes import trace_of
from conftest import folder_maker
from lineside.apps import deploy, open_line, release_folder
from lineside.core import Settings
from lineside.trust import local_scope
from lineside.usecases import read_folder

PARENT = "00f067aa0ba902b7"
CARD = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_760_000_000,
    "model": "small-1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": '{"topic": "card", "confidence": 0.9}'},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28},
}
GUARDS = "\nguards:\n  input: [{banned_phrases: [forbidden]}, mask_pii]\n"


@pytest.fixture(scope="module")
def gateway_yaml(gateway_yaml: dict[str, Any]) -> dict[str, Any]:
    hasty = gateway_yaml["providers"]["fake-chat"] | {"total_s": 1}
    one = {"house": {"targets": ["hasty/small"], "retries_max": 0}}
    return gateway_yaml | {"providers": {"hasty": hasty}, "routes": one}


@pytest.fixture(scope="module")
def home(home: Path, _upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the use case `triage` is live, behind a model of the upstream."""
    folder = folder_maker(tmp_path_factory.mktemp("folders"))(right=10, gate=["accuracy >= 0.05"])
    manifest = folder / "usecase.yaml"
    told = manifest.read_text().replace("scripted:answers.jsonl", "route:house")
    manifest.write_text(told + GUARDS)
    _upstream.answer(CARD)
    store = open_line(Settings(home=home))
    scope = local_scope(store)
    release_folder(scope, read_folder(folder))
    deploy(scope, "triage")
    store.close()
    return home


Asking = Callable[[str, str, dict[str, str]], Any]


@pytest.fixture
def ask(openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic) -> Asking:
    """Asks the use case by a door with the client that is made for it."""

    def asking(way: str, text: str, headers: dict[str, str]) -> Any:
        door, _, streamed = way.partition(" ")
        more: Any = {"stream": True} if streamed else {}
        turns: Any = [{"role": "user", "content": text}]
        if door == "messages":
            return anthropic_client.messages.with_raw_response.create(
                model="triage", max_tokens=9, messages=turns, extra_headers=headers, **more
            )
        if door == "responses":
            return openai_client.responses.with_raw_response.create(
                model="triage", input=turns, extra_headers=headers, **more
            )
        return openai_client.chat.completions.with_raw_response.create(
            model="triage", messages=turns, extra_headers=headers, **more
        )

    return asking


@pytest.mark.parametrize(
    ("way", "failing"),
    [  # so few that no breaker opens
        ("chat", "500"),
        ("chat streamed", "late"),
        ("responses", "guard"),
        ("responses streamed", "500"),
        ("messages", "late"),
        ("messages streamed", "guard"),
    ],
)
def test_a_call_of_a_use_case_that_fails_is_one_step_of_the_callers_trace(
    server: str, upstream: FakeUpstream, ask: Asking, way: str, failing: str
) -> None:
    if failing == "late":
        upstream.stream("hang")
    else:
        upstream.answer({"error": {"message": "broken"}}, status=500)
    text = "this is forbidden" if failing == "guard" else "Hello"
    trace_id = uuid4().hex

    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as failed:
        ask(way, text, {"traceparent": f"00-{trace_id}-{PARENT}-01"})

    spans = trace_of(server, trace_id)
    [app] = [one for one in spans if one["kind"] == "app"]
    assert (app["status"], app["parent_span_id"]) == ("error", PARENT)
    told = failed.value.response.headers
    assert told["traceparent"] == f"00-{trace_id}-{app['span_id']}-01"
    assert all(one["parent_span_id"] == app["span_id"] for one in spans if one is not app)


@pytest.mark.parametrize("way", ["chat", "responses streamed", "messages"])
def test_the_step_that_an_answer_names_is_the_one_that_the_trace_keeps(
    server: str, upstream: FakeUpstream, ask: Asking, way: str
) -> None:
    upstream.answer(CARD)
    trace_id = uuid4().hex
    answer = ask(way, "Hello", {"traceparent": f"00-{trace_id}-{PARENT}-01"})

    [app] = [one for one in trace_of(server, trace_id) if one["kind"] == "app"]
    assert answer.headers["traceparent"].split("-")[2] == app["span_id"]
    assert upstream.headers[0]["traceparent"] == answer.headers["traceparent"]


@pytest.mark.parametrize("streams", [False, True])
def test_a_response_of_a_use_case_is_kept_as_its_guards_let_it_pass_and_gone_on_from(
    openai_client: openai.OpenAI, upstream: FakeUpstream, streams: bool
) -> None:
    upstream.answer(CARD)
    before = [{"role": "user", "content": "I am bob@example.org"}]
    asked: list[Any] = [*before, {"role": "user", "content": "My card, to ann@example.com"}]
    said: Any = openai_client.responses.create(model="triage", input=asked, stream=streams)
    if streams:
        said = list(said)[-1].response

    assert openai_client.responses.retrieve(said.id) == said
    [item] = openai_client.responses.input_items.list(said.id)
    assert item.content[0].text == "My card, to [EMAIL_1]"
    more = openai_client.responses.create(
        model="triage", input="And another?", previous_response_id=said.id
    )
    assert more.output_text
    assert "And another?" in str(upstream.asked[-1])
    assert "ann@" not in str(upstream.asked)
    assert "bob@" not in str(upstream.asked)


@pytest.mark.parametrize("streams", [False, True])
def test_what_a_release_has_settled_is_named_to_who_asks_for_it(
    openai_client: openai.OpenAI, upstream: FakeUpstream, streams: bool
) -> None:
    upstream.answer(CARD)
    create = openai_client.chat.completions.with_raw_response.create
    asked: list[Any] = [{"role": "user", "content": "My card"}]
    plain = create(model="triage", messages=asked, max_tokens=50, stream=streams)
    assert "x-lineside-left-out" not in plain.headers

    before: list[Any] = [
        {"role": "system", "content": "Answer in French."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello"},
    ]
    told = create(model="triage", messages=[*before, *asked], temperature=0.5, stream=streams)
    assert told.headers["x-lineside-left-out"] == "system, earlier turns, temperature"
