"""Every door that answers for a use case, as the probes of its guards knock at it."""

from collections.abc import Callable
from typing import Any

import orjson
from starlette.types import ASGIApp, Message

from lineside.api import probed_answers, probed_places
from lineside.api.streaming import given
from lineside.guardrails import probes

_HOST = (b"host", b"127.0.0.1")
_PLAIN_MODEL = "openai/probe"
"""Stands for every plain model: the probe is answered before a provider is asked."""
Body = Callable[[str, str, str, bool], dict[str, Any]]


def _run(_use_case: str, field: str, text: str, _is_streamed: bool) -> dict[str, Any]:
    return {"input": {field: text}}


def _run_within(_use_case: str, field: str, text: str, _is_streamed: bool) -> dict[str, Any]:
    """Whichever door a question comes in by, passages are judged at one place behind it."""
    return {"input": {field: probes.for_passage(text)}}


def _words(field: str, text: str) -> str:
    """The text as a model is told it, or as the field of an app that takes several."""
    return orjson.dumps({field: text}).decode() if field else text


def _chat(use_case: str, field: str, text: str, is_streamed: bool) -> dict[str, Any]:
    said = _words(field, text)
    turns = [{"role": "user", "content": said}]
    return {"model": use_case, "messages": turns, "stream": is_streamed, "max_tokens": 64}


def _responses(use_case: str, field: str, text: str, is_streamed: bool) -> dict[str, Any]:
    said = _words(field, text)
    return {"model": use_case, "input": said, "stream": is_streamed, "store": False}


_DOORS: tuple[tuple[str, str, Body, tuple[bool, ...]], ...] = (
    ("/api/usecases/{name}/run", "lineside", _run, (False,)),
    ("/v1/chat/completions", "openai.chat", _chat, (False, True)),
    ("/v1/responses", "openai.responses", _responses, (False, True)),
    ("/v1/messages", "anthropic.messages", _chat, (False, True)),
)


def _texts(model: str, _field: str, text: str, _is_streamed: bool) -> dict[str, Any]:
    return {"model": model, "input": [text]}


# Asked of plain models alone, and answered by numbers: words come in and none go out.
_COUNTING: tuple[tuple[str, str, Body], ...] = (
    ("/v1/embeddings", "openai.embeddings", _texts),
    ("/v1/messages/count_tokens", "anthropic.count_tokens", _chat),
)
_WORDS_IN = ("input", "pre_model_call")
_WORDS_OUT = ("post_model_call", "output")

# A plain model is passed all that a caller writes; a use case only the fields of its input.
_PLACES: tuple[tuple[str, str, Body, Callable[[str], probed_places.Places]], ...] = (
    ("/v1/chat/completions", "openai.chat", _chat, probed_places.chat_places),
    ("/v1/responses", "openai.responses", _responses, probed_places.responses_places),
    ("/v1/messages", "anthropic.messages", _chat, probed_places.messages_places),
)

_ANSWERS: tuple[tuple[str, str, Body, Callable[[str], probed_answers.Answers]], ...] = (
    ("/v1/chat/completions", "openai.chat", _chat, probed_answers.chat_answers),
    ("/v1/responses", "openai.responses", _responses, probed_answers.responses_answers),
    ("/v1/messages", "anthropic.messages", _chat, probed_answers.messages_answers),
)


def door_paths(app: ASGIApp, fields_of: probes.FieldsOf) -> list[probes.ServedPath]:
    """The doors of a server, streamed and not; whoever adds a door adds it to the list above.

    Args:
        app: The whole server, so that a probe meets all that a caller's request meets.
        fields_of: Names of the input fields of a use case.
    """
    found = []
    for path, form, body, ways in _DOORS:
        for is_streamed in ways:
            one = _path(app, fields_of, path, form, body, is_streamed=is_streamed)
            found.append(one)
            if path.startswith("/v1/"):
                found.append(one.model_copy(update={"subject": _PLAIN_MODEL}))
    path, form, *_ = _DOORS[0]
    one = _path(app, fields_of, path, form, _run_within, is_streamed=False)
    found.append(one.model_copy(update=probes.WITHIN_PASSAGES))
    for path, form, body in _COUNTING:
        one = _path(app, fields_of, path, form, body, is_streamed=False)
        found.append(one.model_copy(update={"subject": _PLAIN_MODEL, "points": _WORDS_IN}))
    for path, form, body, places in _PLACES:
        for place in places(""):
            one = _path(app, fields_of, path, form, _placed(body, places, place), is_streamed=False)
            more = {"subject": _PLAIN_MODEL, "points": _WORDS_IN, "place": place}
            found.append(one.model_copy(update=more))
    for path, form, body, answers in _ANSWERS:
        for place in answers(""):
            for is_streamed in (False, True):
                asked = _answered(body, answers, place)
                one = _path(app, fields_of, path, form, asked, is_streamed=is_streamed)
                more = {"subject": _PLAIN_MODEL, "points": _WORDS_OUT, "place": place}
                found.append(one.model_copy(update=more))
    return found


def _placed(body: Body, places: Callable[[str], probed_places.Places], place: str) -> Body:
    def asked(model: str, field: str, text: str, is_streamed: bool) -> dict[str, Any]:
        return body(model, field, "-", is_streamed) | places(text)[place]

    return asked


def _answered(body: Body, answers: Callable[[str], probed_answers.Answers], place: str) -> Body:
    """A request whose last words are the answer that the probe is to get.

    The turn before them holds the probe whole: in the answer it may be cut. It is not the word
    alone, for what a provider repeats of a request is no longer judged.
    """

    def asked(model: str, field: str, text: str, is_streamed: bool) -> dict[str, Any]:
        answer = orjson.dumps(answers(text)[place]).decode()
        turns = [{"role": "user", "content": said} for said in (f"{text} -", answer)]
        whole = body(model, field, "-", is_streamed)
        return whole | {"messages" if "messages" in whole else "input": turns}

    return asked


def _path(
    app: ASGIApp,
    fields_of: probes.FieldsOf,
    path: str,
    form: str,
    body: Body,
    *,
    is_streamed: bool,
) -> probes.ServedPath:
    async def send(use_case: str, text: str) -> str:
        [field, *_] = [""] if use_case == _PLAIN_MODEL else await fields_of(use_case)
        asked = orjson.dumps(body(use_case, field, text, is_streamed))
        return await post(app, path.replace("{name}", use_case), asked)

    return probes.ServedPath(path=f"POST {path}", format=form, is_streamed=is_streamed, send=send)


async def post(app: ASGIApp, path: str, body: bytes) -> str:
    """What a server answers to a request, without a connection in between."""
    pieces: list[bytes] = []

    async def send(message: Message) -> None:
        pieces.append(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [_HOST, (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    await app(scope, given(body), send)
    return b"".join(pieces).decode(errors="replace")
