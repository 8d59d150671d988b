"""Every call by a model door takes one path: a use case, a plain model, and what stands around."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from lineside.apps import Serving, deploy, model_calls, release_folder
from lineside.core import Denied, Invalid
from lineside.gateway import calls, canonical
from lineside.traces import get_trace
from lineside.trust import Scope
from lineside.usecases import read_folder

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def asking(text: str, *, model: str = "triage", **more: object) -> canonical.ModelRequest:
    turn = canonical.Turn(role="user", parts=(canonical.TextPart(text=text),), is_plain=True)
    return canonical.ModelRequest(wire="chat", model=model, turns=(turn,), **more)


@pytest.fixture
def serving(scope: Scope, make_folder) -> Serving:
    release_folder(scope, read_folder(make_folder()))
    deploy(scope, "triage")
    return Serving(scope.store)


@pytest.fixture
def gateway(tmp_path: Path) -> calls.Gateway:
    line = {"when": {"default": True}, "output": {"text": "My card is 4111 1111."}}
    (tmp_path / "play.jsonl").write_text(json.dumps(line))
    (tmp_path / "gateway.yaml").write_text("scripted: {play: {file: play.jsonl}}")
    return calls.Gateway(tmp_path / "gateway.yaml")


@pytest.fixture
def caller(scope: Scope) -> model_calls.ModelCaller:
    place = model_calls.CallPlace.read(f"00-{TRACE_ID}-b7ad6b7169203331-01")
    return model_calls.ModelCaller(scope=scope, place=place, session="s1", user="u1")


async def test_the_live_release_answers_where_the_model_is_a_use_case(
    scope: Scope, serving: Serving, gateway: calls.Gateway, caller: model_calls.ModelCaller
) -> None:
    door = model_calls.ModelCalls(serving, gateway)
    opened = await door.open(caller, asking("message 1"))
    answer = await opened.whole()

    assert orjson.loads(answer.choices[0].turn.text) == {"topic": "card", "confidence": 0.9}
    assert (opened.call.served.release, opened.call.served.arm) == ("v1", "live")
    spans = get_trace(scope, TRACE_ID)
    assert {span.kind for span in spans} == {"app", "model"}
    assert {span.session_id for span in spans} == {"s1"}
    assert "triage" in await door.names(scope)
    kept = replace(scope, rights=frozenset({"run"}), use_cases=frozenset({"triage"}))
    assert await door.names(kept) == ["triage"]


async def test_a_use_case_takes_no_tools(
    serving: Serving, gateway: calls.Gateway, caller: model_calls.ModelCaller
) -> None:
    asked = asking("message 1").model_copy(
        update={"tools": (canonical.request.ToolOffer(name="search"),)}
    )
    with pytest.raises(Invalid, match="takes no tools"):
        await model_calls.ModelCalls(serving, gateway).open(caller, asked)


async def masking(call: calls.ModelCall, proceed: calls.Proceed) -> AsyncIterator:
    """A step that refuses a word and takes figures out of every answer."""
    if "forbidden" in "".join(turn.text for turn in call.request.all_turns):
        raise Denied("forbidden_word", "This word is not let through")
    async for event in proceed(call):
        if isinstance(event, canonical.PartGrew):
            figureless = "".join("#" if sign.isdigit() else sign for sign in event.text)
            yield event.model_copy(update={"text": figureless})
        else:
            yield event


@pytest.mark.parametrize(
    "part",
    [
        canonical.MediaPart(medium="image", mime_type="image/png", data="iVBORw0KGgo="),
        canonical.OtherPart(content={"type": "screen_shot", "of": "a card"}),
    ],
)
async def test_a_use_case_does_not_answer_as_if_it_had_seen_a_picture(
    scope: Scope, serving: Serving, gateway: calls.Gateway, part: canonical.Part
) -> None:
    request = asking("What is on it?")
    turn = request.turns[0].model_copy(
        update={"parts": (*request.turns[0].parts, part), "is_plain": False}
    )
    door = model_calls.ModelCalls(serving, gateway)
    caller = model_calls.ModelCaller(scope, model_calls.CallPlace())

    with pytest.raises(Invalid, match="such as a picture"):
        await door.open(caller, request.model_copy(update={"turns": (turn,)}))
    await door.close()


@pytest.mark.parametrize("is_stream", [True, False])
async def test_no_answer_gets_past_a_step_streamed_or_not(
    serving: Serving, gateway: calls.Gateway, caller: model_calls.ModelCaller, is_stream: bool
) -> None:
    door = model_calls.ModelCalls(serving, gateway, steps=[masking])
    opened = await door.open(caller, asking("Hello", model="play/any", is_stream=is_stream))

    assert (await opened.whole()).choices[0].turn.text == "My card is #### ####."


@pytest.mark.parametrize("model", ["triage", "play/any", "embedded/words"])
async def test_a_refused_call_reaches_no_model_and_is_traced(
    scope: Scope,
    serving: Serving,
    gateway: calls.Gateway,
    caller: model_calls.ModelCaller,
    model: str,
) -> None:
    door = model_calls.ModelCalls(serving, gateway, steps=[masking])
    said = "a forbidden word"
    calling = door.open(caller, asking(said, model=model))
    if model == calls.EMBEDDED:
        calling.close()
        calling = door.embed(caller, canonical.EmbeddingRequest(model=model, texts=(said,)))
    with pytest.raises(Denied, match="not let through"):
        await calling

    (span,) = get_trace(scope, TRACE_ID)
    assert (span.status, span.model) == ("error", None if model == "triage" else model)
    assert "forbidden_word" in (span.error or "")
