"""`embedded:classifier` learns from the folder's examples and says what is wrong with them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lineside.core import Invalid
from lineside.gateway import ModelSetup, provider_for

SPEC = "embedded:classifier"
INPUT = {
    "type": "object",
    "properties": {
        "subject": {"type": "string"},
        "urgent": {"type": "boolean"},
        "message": {"type": "string"},
    },
    "required": ["message"],
}
OUTPUT = {
    "type": "object",
    "properties": {
        "topic": {"enum": ["refund", "delivery", "password"]},
        "confidence": {"type": "number"},
    },
    "required": ["topic", "confidence"],
}
MESSAGES = {
    "refund": [
        "I want my money back",
        "Please refund the second charge",
        "You charged me twice, give the money back",
        "When does the refund arrive on my account?",
        "The shoes are broken and I ask for a refund",
        "Refund my order please",
        "Money back for the cancelled order",
        "I was charged for something I returned",
    ],
    "delivery": [
        "Where is my parcel?",
        "The package has not arrived",
        "My delivery is three days late",
        "Can you tell me where the courier is?",
        "Parcel says delivered but nothing is here",
        "When will the package be delivered?",
        "The courier left my parcel in the rain",
        "Delivery to the wrong address",
    ],
    "password": [
        "I forgot my password",
        "The login page does not accept my password",
        "How do I reset the password?",
        "I cannot sign in any more",
        "Locked out of my account after three tries",
        "The password reset mail never comes",
        "Login fails on my phone",
        "Please unlock my sign in",
    ],
}


def example(topic: str, message: str, **more: str) -> dict[str, Any]:
    return {"input": {"message": message, **more}, "expected": {"topic": topic}}


EXAMPLES = [example(topic, text) for topic, texts in MESSAGES.items() for text in texts]


def lines(examples: list[Any]) -> str:
    return "\n".join(map(json.dumps, examples))


@pytest.fixture
def setup_of(folder: Any) -> Callable[..., ModelSetup]:
    def make(train: str | bytes | None = None, **changes: Any) -> ModelSetup:
        path = changes.get("options", {}).get("train", "datasets/train.jsonl")
        files = {path: lines(EXAMPLES) if train is None else train}
        defaults = {"spec": SPEC, "input_schema": INPUT, "output_schema": OUTPUT}
        return ModelSetup(**{**defaults, "read_file": folder(files), **changes})

    return make


def problem_with(setup: ModelSetup) -> str:
    """The one sentence `check` says; fitting must refuse with the same."""
    [problem] = provider_for(setup.spec).check(setup)
    with pytest.raises(Invalid) as caught:
        provider_for(setup.spec).fit(setup)
    assert caught.value.message == problem
    return problem


async def test_a_fitted_model_answers_in_the_form_of_the_output_schema(setup_of: Any) -> None:
    setup = setup_of()
    provider = provider_for(SPEC)
    assert provider.check(setup) == []
    artefact = provider.fit(setup)

    model = provider.open(setup_of(artefact=artefact))
    reply = await model.answer({"message": "my parcel never arrived", "urgent": True})
    await model.close()

    assert reply.output == {"topic": "delivery", "confidence": reply.confidence}
    assert reply.confidence is not None
    assert 0.4 < reply.confidence <= 1
    assert (reply.model, reply.cost_usd, reply.tokens_in) == (SPEC, 0.0, None)


async def test_every_text_field_of_the_input_is_read(setup_of: Any) -> None:
    examples = [
        example("refund", "see above", subject="money back"),
        example("refund", "see above", subject="money back please"),
        example("delivery", "see above", subject="parcel late"),
        example("delivery", "see above", subject="late parcel again"),
    ]
    provider = provider_for(SPEC)
    artefact = provider.fit(setup_of(lines(examples)))

    model = provider.open(setup_of(artefact=artefact))
    replies = [
        await model.answer({"message": "see above", "subject": text})
        for text in ("money back", "parcel late")
    ]

    assert [reply.output["topic"] for reply in replies] == ["refund", "delivery"]


async def test_confidence_stays_out_of_an_output_that_has_no_place_for_it(setup_of: Any) -> None:
    schema = {"type": "object", "properties": {"topic": OUTPUT["properties"]["topic"]}}  # type: ignore[index] # nested literal
    provider = provider_for(SPEC)
    artefact = provider.fit(setup_of())

    model = provider.open(setup_of(output_schema=schema, artefact=artefact))
    reply = await model.answer({"message": "I forgot my password"})

    assert reply.output == {"topic": "password"}
    assert reply.confidence is not None


def test_the_same_examples_give_the_same_bytes(setup_of: Any) -> None:
    provider = provider_for(SPEC)
    windows = lines(EXAMPLES).replace("\n", "\r\n\r\n").encode()

    assert provider.fit(setup_of()) == provider.fit(setup_of(b"\xef\xbb\xbf" + windows))


def test_the_training_file_is_part_of_the_release(setup_of: Any) -> None:
    provider = provider_for(SPEC)
    elsewhere = setup_of(options={"train": "more/examples.jsonl"})

    assert provider.files(setup_of()) == ["datasets/train.jsonl"]
    assert provider.files(elsewhere) == ["more/examples.jsonl"]
    assert provider.check(elsewhere) == []


def test_a_broken_line_is_named_and_nothing_is_learned(setup_of: Any) -> None:
    many = [json.dumps(EXAMPLES[number % len(EXAMPLES)]) for number in range(5_000)]
    many[1_731] = '{"input": {"message": "Where'

    problem = problem_with(setup_of("\n".join(many)))

    assert problem.startswith(
        '`datasets/train.jsonl`, line 1732: expected JSON, read `{"input": {"message": "Where`'
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'["a"]', "expected `{"),
        (b'"\xff"', "expected JSON"),
        (b'{"input": {"message": "a"}}', "`expected` is missing"),
        (b'{"inputs": {}, "expected": {}}', "`input` is missing (it has `inputs`)"),
        (b'{"input": "a", "expected": {}}', "`input` must be an object, read `'a'`"),
        (b'{"input": {"mesage": "a"}, "expected": {}}', "lacks the field `message` (it has `mes"),
        (b'{"input": {"message": 7}, "expected": {}}', "`input.message` must be a text, read `7`"),
        (b'{"input": {"message": " "}, "expected": {}}', "no text in `subject`, `message`"),
        (b'{"input": {"message": "a"}, "expected": {"tpic": "x"}}', "lacks the field `topic` (it"),
        (
            b'{"input": {"message": "a"}, "expected": {"topic": "refunds"}}',
            "`expected.topic` is `refunds`, expected one of the 3 labels, did you mean `refund`?",
        ),
        (
            b'{"input": {"message": "a"}, "expected": {"topic": null}}',
            "is `None`, expected `refund`, `delivery`, `password`",
        ),
    ],
)
def test_a_wrong_example_says_what_was_read_and_expected(
    setup_of: Any, line: bytes, said: str
) -> None:
    problem = problem_with(setup_of(lines(EXAMPLES).encode() + b"\n" + line))

    assert problem.startswith("`datasets/train.jsonl`, line 25: ")
    assert said in problem


def test_labels_without_examples_are_told_but_do_not_stop(setup_of: Any) -> None:
    setup = setup_of(lines([case for case in EXAMPLES if case["expected"]["topic"] != "refund"]))
    provider = provider_for(SPEC)

    assert provider.check(setup) == [
        "`datasets/train.jsonl` has no example of `refund`, so the model will never answer it"
    ]
    assert provider.fit(setup)


def test_examples_of_one_label_only_cannot_teach(setup_of: Any) -> None:
    setup = setup_of(lines(EXAMPLES[:5]))

    [problem] = provider_for(SPEC).check(setup)

    assert problem.endswith("must have examples of at least 2 labels, it has `refund`")
    with pytest.raises(Invalid, match="at least 2 labels"):
        provider_for(SPEC).fit(setup)


def test_an_empty_or_missing_training_file_is_told(setup_of: Any, folder: Any) -> None:
    assert problem_with(setup_of("\n\n")) == "`datasets/train.jsonl` holds no examples"
    assert provider_for(SPEC).check(setup_of(read_file=folder({}))) == [
        "No file `datasets/train.jsonl` in the use case folder"
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spec": "embedded:clasifier"}, "did you mean `classifier`?"),
        ({"spec": "embedded:gpt"}, "there are `embedded:classifier`, `embedded:quotes`"),
        ({"options": {"temperature": 0}}, "no option `temperature`"),
        ({"options": {"train": 7}}, "the path of a file, found `7`"),
        (
            {"input_schema": {"properties": {"amount": {"type": "number"}, "any": True}}},
            "has no text field, only `amount`",
        ),
        (
            {"output_schema": {"properties": {"reply": {"type": "string"}}}},
            "here none of `reply` has one",
        ),
        (
            {"output_schema": {"properties": {"a": {"enum": ["x", "y"]}, "b": {"enum": ["z"]}}}},
            "here `a`, `b` of `a`, `b` has one",
        ),
        ({"output_schema": {"properties": {"a": {"enum": [1, 2]}}}}, "different texts, found `1`"),
        (
            {"output_schema": {**OUTPUT, "required": ["topic", "reason"]}},
            "cannot fill the required output field `reason`",
        ),
    ],
)
def test_a_setup_that_no_classifier_fits_is_told(
    setup_of: Any, change: dict[str, Any], said: str
) -> None:
    assert said in problem_with(setup_of(**change))


def test_a_model_is_opened_only_with_what_was_fitted_for_it(setup_of: Any) -> None:
    provider = provider_for(SPEC)
    artefact = provider.fit(setup_of())
    narrowed = {"properties": {"topic": {"enum": ["refund", "delivery"]}}}

    with pytest.raises(Invalid, match="has not been fitted yet"):
        provider.open(setup_of())
    with pytest.raises(Invalid, match="answers `password`, which `topic` does not allow"):
        provider.open(setup_of(output_schema=narrowed, artefact=artefact))
    with pytest.raises(Invalid, match="cannot be used"):
        provider.open(setup_of(artefact=b"\x80\x04cos\nsystem\n"))
