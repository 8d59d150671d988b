import pytest

from lineside.usecases import FitAnswers


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({"rule_would_do": True}, "A rule would do: consider not building"),
        ({"form_would_do": True}, "A form would do: consider asking people"),
        ({"needs_chat": False}, "Chat is not the right interface: the file says"),
        ({"needs_chat": True, "task": "classify"}, "A typed answer needs no conversation"),
        ({"task": "act"}, "An agent is the dearest way"),
        ({"mistakes_are_costly": True}, "Mistakes are costly"),
        ({"today": ""}, "What it costs today is not known"),
    ],
)
def test_the_answers_give_advice_in_plain_sentences(
    answers: dict[str, object], sentence: str
) -> None:
    advice = FitAnswers.model_validate({"today": "1 h a day", **answers}).advice()

    assert [text.startswith(sentence) for text in advice] == [True]


@pytest.mark.parametrize(
    ("answers", "template", "interface"),
    [
        ({}, "predict-classify", "inline"),
        ({"task": "extract"}, "predict-extract", "form"),
        ({"task": "answer", "needs_chat": True}, "answer", "chat"),
        ({"task": "act"}, "agent", "agent"),
        ({"in_batch": True}, "predict-classify", "batch"),
        ({"needs_chat": True}, "answer", "chat"),
    ],
)
def test_the_answers_choose_template_and_interface(
    answers: dict[str, object], template: str, interface: str
) -> None:
    given = FitAnswers.model_validate(answers)

    assert (given.template, given.interface) == (template, interface)
