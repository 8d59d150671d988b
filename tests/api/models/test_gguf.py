"""A model of a file on this machine behind every door, asked by the stock clients."""

import json
import os
import threading
import time
from itertools import pairwise
from typing import Any

import anthropic
import httpx
import openai
import psutil
import pytest

from api.models.test_across import CHAT_TOOLS, PICTURE
from gateway.weights import SMALL, with_gguf

pytestmark = with_gguf
MODEL = "gguf/small"
SAID: Any = [{"role": "user", "content": "Name three colours."}]
FORM: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "topic",
        "schema": {
            "type": "object",
            "properties": {"topic": {"enum": ["refund", "card"]}},
            "required": ["topic"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def gateway_yaml() -> dict[str, Any]:
    return {
        "gguf": {
            "small": {"file": SMALL, "context_tokens": 1024, "threads": 1},
            "gone": {"file": "gone.gguf"},
        },
        "routes": {"near": {"targets": ["gguf/gone", MODEL], "fall_back_on": ["weights_missing"]}},
        "scripted": {"play": {"file": "play.jsonl"}},
    }


def test_it_answers_with_its_tokens_and_is_listed(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(
        model=MODEL, messages=SAID, max_tokens=12, temperature=0, seed=1
    )

    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 12
    assert answer.usage.prompt_tokens > 10
    assert MODEL in [model.id for model in openai_client.models.list()]


def test_a_stream_brings_the_same_words_piece_by_piece(openai_client: openai.OpenAI) -> None:
    asked: Any = {"model": MODEL, "messages": SAID, "max_tokens": 12, "temperature": 0}
    whole = openai_client.chat.completions.create(**asked).choices[0].message.content
    chunks = list(
        openai_client.chat.completions.create(
            **asked, stream=True, stream_options={"include_usage": True}
        )
    )

    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    said = [piece for piece in pieces if piece]
    assert "".join(said) == whole
    assert len(said) > 3
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens <= 12


def test_an_answer_is_held_to_its_schema(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "My money did not come back."}],
        response_format=FORM,
        max_tokens=60,
    )

    assert json.loads(answer.choices[0].message.content or "")["topic"] in ("refund", "card")


def test_an_anthropic_client_asks_it_too(anthropic_client: anthropic.Anthropic) -> None:
    answer = anthropic_client.messages.create(model=MODEL, max_tokens=8, messages=SAID)
    counted = anthropic_client.messages.count_tokens(model=MODEL, messages=SAID)

    assert answer.content[0].type == "text"
    assert answer.usage.output_tokens <= 8
    cached = answer.usage.cache_read_input_tokens or 0
    assert counted.input_tokens == answer.usage.input_tokens + cached


def test_a_call_costs_nothing_and_that_is_known(openai_client: openai.OpenAI, server: str) -> None:
    answer = openai_client.chat.completions.with_raw_response.create(
        model=MODEL, messages=SAID, max_tokens=4
    )

    trace_id = answer.headers["x-lineside-trace-id"]
    spans = httpx.get(f"{server}/api/traces/{trace_id}").json()
    assert [span["cost_usd"] for span in spans] == [0.0]
    assert spans[0]["provider"] == "gguf"


def test_one_answers_at_a_time_and_the_others_wait(openai_client: openai.OpenAI) -> None:
    spoke: list[tuple[int, float]] = []

    def ask(number: int) -> None:
        chunks = openai_client.chat.completions.create(
            model=MODEL, messages=SAID, max_tokens=24, stream=True
        )
        spoke.extend(
            (number, time.monotonic())
            for chunk in chunks
            if chunk.choices and chunk.choices[0].delta.content
        )

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    order = [number for number, _ in sorted(spoke, key=lambda one: one[1])]
    changes = sum(before != after for before, after in pairwise(order))
    assert set(order) == {0, 1, 2}
    assert changes == 2


def test_a_caller_who_leaves_stops_the_model(openai_client: openai.OpenAI) -> None:
    asked: Any = {"model": MODEL, "temperature": 0}
    long: Any = [{"role": "user", "content": "Count from one to a thousand, in words."}]
    openai_client.chat.completions.create(**asked, messages=SAID, max_tokens=2)
    began = cpu_s()
    openai_client.chat.completions.create(**asked, messages=long, max_tokens=48)
    for_48 = cpu_s() - began

    began = cpu_s()
    stream = openai_client.chat.completions.create(
        **asked, messages=long, max_tokens=900, stream=True
    )
    next(chunk for chunk in stream if chunk.choices and chunk.choices[0].delta.content)
    stream.close()
    openai_client.chat.completions.create(**asked, messages=SAID, max_tokens=2)

    # It answers in order: had it gone on, the 900 would have been written by now.
    assert cpu_s() - began < 3 * for_48


def cpu_s() -> float:
    """Seconds of CPU that the process of the model has used."""
    children = psutil.Process(os.getpid()).children(recursive=True)
    (process,) = (one for one in children if "serving.py" in " ".join(one.cmdline()))
    times = process.cpu_times()
    return float(times.user + times.system)


def test_a_file_that_is_not_there_is_said_and_a_route_goes_on(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="There is no model file `gone"):
        openai_client.chat.completions.create(model="gguf/gone", messages=SAID)
    with pytest.raises(openai.NotFoundError, match="gguf/small"):
        openai_client.chat.completions.create(model="gguf/smal", messages=SAID)

    answer = openai_client.chat.completions.create(model="near", messages=SAID, max_tokens=4)

    assert answer.choices[0].message.content


@pytest.mark.parametrize(
    ("said", "more", "words"),
    [
        (SAID, {"tools": CHAT_TOOLS}, "was not made to call tools"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}],
            {},
            "reads words alone",
        ),
        (SAID, {"n": 2}, "gives one answer to a call"),
    ],
)
def test_what_it_would_not_hear_is_refused(
    openai_client: openai.OpenAI, said: Any, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=words):
        openai_client.chat.completions.create(model=MODEL, messages=said, **more)


def test_tokens_of_tools_that_it_would_not_hear_are_not_counted(
    anthropic_client: anthropic.Anthropic,
) -> None:
    tool: Any = {"name": "weather", "input_schema": {"type": "object"}}
    said: Any = SAID
    with pytest.raises(anthropic.BadRequestError, match="was not made to call tools"):
        anthropic_client.messages.count_tokens(model=MODEL, messages=said, tools=[tool])


def test_what_only_its_engine_knows_goes_through_unless_it_undoes_a_limit(
    openai_client: openai.OpenAI,
) -> None:
    answer = openai_client.chat.completions.with_raw_response.create(
        model=MODEL,
        messages=SAID,
        max_tokens=9,
        extra_body={"grammar": 'root ::= "yes" | "no"', "n_predict": 500},
    )

    assert answer.parse().choices[0].message.content in ("yes", "no")
    assert answer.headers["x-lineside-left-out"] == "n_predict"


def test_what_does_not_fit_into_the_context_is_refused(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "one two three " * 900}]
        )

    assert caught.value.code == "context_too_long"
