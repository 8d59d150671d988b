"""A scripted model answers, waits and fails as its file says."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from lineside.core import Denied, Invalid, LinesideError, Unavailable
from lineside.gateway import Model, ModelSetup, provider_for

INPUT = {"type": "object", "properties": {"message": {"type": "string"}, "channel": {}}}
OUTPUT = {
    "type": "object",
    "properties": {"topic": {"enum": ["refund", "card", "other"]}},
    "required": ["topic"],
}

Lines = list[Any]


@pytest.fixture
def setup_of(folder: Any) -> Callable[..., ModelSetup]:
    def make(lines: Lines | bytes) -> ModelSetup:
        raw = lines if isinstance(lines, bytes) else "\n".join(map(json.dumps, lines)).encode()
        return ModelSetup(
            spec="scripted:answers.jsonl",
            input_schema=INPUT,
            output_schema=OUTPUT,
            read_file=folder({"answers.jsonl": raw}),
        )

    return make


@pytest.fixture
def model_of(setup_of: Any) -> Callable[[Lines], Model]:
    return lambda lines: provider_for("scripted:answers.jsonl").open(setup_of(lines))


def says(topic: str, **when: Any) -> dict[str, Any]:
    return {"when": when, "output": {"topic": topic}}


async def topic_of(model: Model, message: str, **more: str) -> Any:
    return (await model.answer({"message": message, **more})).output["topic"]


async def test_the_first_line_that_holds_answers(model_of: Any) -> None:
    model = model_of(
        [
            says("other", default=True),
            says("card", contains={"message": "CARD"}),
            says("refund", message="My card, and a refund"),
            says("refund", pattern={"message": r"^RF-\d+"}),
            says("refund", message="Hello", channel="mail"),
        ]
    )
    assert await topic_of(model, "My card, and a refund") == "card"
    assert await topic_of(model, "RF-12") == "refund"
    assert await topic_of(model, "Hello", channel="mail") == "refund"
    assert await topic_of(model, "Hello", channel="phone") == "other"
    assert await topic_of(model, "x RF-12") == "other"


async def test_an_exact_line_before_a_contains_line_answers(model_of: Any) -> None:
    model = model_of([says("refund", message="My card"), says("card", contains={"message": "car"})])
    assert await topic_of(model, "My card") == "refund"


async def test_a_reply_carries_the_figures_of_its_line(model_of: Any) -> None:
    line = {**says("card", default=True), "confidence": 0.9, "tokens_in": 12, "cost_usd": 0.001}
    reply = await model_of([line]).answer({"message": "x"})
    assert (reply.confidence, reply.tokens_in, reply.tokens_out) == (0.9, 12, None)
    assert (reply.cost_usd, reply.model) == (0.001, "scripted:answers.jsonl")


async def test_a_cost_that_is_not_scripted_is_unknown(model_of: Any) -> None:
    assert (await model_of([says("card", default=True)]).answer({"message": "x"})).cost_usd is None


async def test_changing_a_reply_does_not_change_the_next(model_of: Any) -> None:
    model = model_of([says("card", default=True)])
    (await model.answer({"message": "x"})).output["topic"] = "spoilt"
    assert await topic_of(model, "x") == "card"


async def test_slow_answers_wait_side_by_side(model_of: Any) -> None:
    model = model_of([{**says("card", default=True), "delay_ms": 100}])
    started_s = time.monotonic()
    await asyncio.gather(*(topic_of(model, str(number)) for number in range(20)))
    assert 0.1 <= time.monotonic() - started_s < 1.0


@pytest.mark.parametrize(
    ("fail", "kind"),
    [
        ("unavailable", Unavailable),
        ("invalid", Invalid),
        ("denied", Denied),
        ("nonsense", Invalid),
    ],
)
async def test_a_failure_is_played_as_its_kind_and_names_its_line(
    model_of: Any, fail: str, kind: type[LinesideError]
) -> None:
    model = model_of([says("card", message="y"), {"when": {"default": True}, "fail": fail}])
    with pytest.raises(kind) as caught:
        await model.answer({"message": "x"})
    assert "line 2 of `answers.jsonl`" in str(caught.value.hint)


async def test_an_input_nobody_scripted_is_named(model_of: Any) -> None:
    with pytest.raises(Unavailable, match=r"no answer for the input .*Where is it") as caught:
        await model_of([says("card", message="Hello")]).answer({"message": "Where is it?"})
    assert caught.value.code == "answer_not_scripted"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{broken", "line 3: not JSON"),
        (b'"text"', "line 3: "),
        (b'{"when": {"message": "x"}}', "expected either `output` or `fail`"),
        (b'{"when": {"message": "x"}, "outptu": {}}', "`outptu` is not known, did you mean `out"),
        (b'{"when": {"mesage": "x"}, "fail": "denied"}', "did you mean `message`"),
        (b'{"when": {"contains": "x"}, "fail": "denied"}', "`contains` takes input fields"),
        (b'{"when": {"pattern": {"message": "("}}, "fail": "denied"}', "no regular expression"),
        (b'{"when": {}, "fail": "denied"}', "`when` is empty"),
        (b'{"when": {"message": "x"}, "output": {"topic": "cat"}}', "does not fit the output"),
        (b'{"when": {"message": "x"}, "fail": "explode"}', "`fail`"),
        (b'{"when": {"message": "x"}, "fail": "denied", "delay_ms": -1}', "`delay_ms`"),
        (b'{"when": {"default": true}, "fail": "denied"}', "second default line, the first is"),
        (b'{"when": {"message": "\xff"}, "fail": "denied"}', "line 3: not JSON"),
    ],
)
def test_a_wrong_line_is_named_by_its_number(setup_of: Any, line: bytes, problem: str) -> None:
    good = b'{"when": {"default": true}, "output": {"topic": "card"}}\r\n'
    setup = setup_of(b"\xef\xbb\xbf" + good + b"\r\n" + line + b"\n")
    problems = provider_for(setup.spec).check(setup)
    assert any("`answers.jsonl`, line 3: " in text and problem in text for text in problems)
    with pytest.raises(Invalid, match="line 3"):
        provider_for(setup.spec).open(setup)


def test_ten_thousand_wrong_lines_give_a_short_list(setup_of: Any) -> None:
    setup = setup_of(b"nonsense\n" * 10_000)
    problems = provider_for(setup.spec).check(setup)
    assert len(problems) == 21
    assert "9980 more" in problems[-1]


def test_a_file_with_no_answer_is_refused(setup_of: Any) -> None:
    assert provider_for("scripted:x").check(setup_of(b"\n\n")) == [
        "`answers.jsonl` holds no answer"
    ]


def test_a_missing_file_is_named(folder: Any) -> None:
    setup = ModelSetup("scripted:gone.jsonl", INPUT, OUTPUT, folder({}))
    assert provider_for(setup.spec).check(setup) == ["No file `gone.jsonl` in the use case folder"]


def test_the_file_becomes_part_of_the_release(setup_of: Any) -> None:
    assert provider_for("scripted:x").files(setup_of([])) == ["answers.jsonl"]


async def test_three_thousand_exact_answers_are_found_quickly(model_of: Any) -> None:
    model = model_of([says("card", message=f"message {number}") for number in range(3000)])
    started_s = time.process_time()
    for number in range(3000):
        await topic_of(model, f"message {number}")
    assert time.process_time() - started_s < 1.0
