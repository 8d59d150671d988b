"""What is kept of responses: as guards and rules let it pass, on every replica, until it goes."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import openai
import pytest
from starlette.testclient import TestClient

from lineside.apps import open_line
from lineside.core import Settings, now
from lineside.gateway import stored
from lineside.gateway.stored import queries
from lineside.server import build
from lineside.store import Store
from lineside.traces import privacy, rewriting
from lineside.trust import local_scope

MAIL = "ann@example.com"
OTHER = "bob@example.org"


def prepare(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "gateway.yaml").write_text("scripted: {play: {file: play.jsonl}}")
    lines = [
        {"when": {"contains": {"message": "EMAIL_2"}}, "output": {"text": "Two: [EMAIL_2]."}},
        {"when": {"contains": {"message": "EMAIL_1"}}, "output": {"text": "Hello [EMAIL_1]."}},
        {"when": {"contains": {"message": "secret"}}, "output": {"text": "They are forbidden."}},
        {"when": {"default": True}, "output": {"text": "Fine."}},
    ]
    (home / "play.jsonl").write_text("\n".join(map(json.dumps, lines)))


@contextmanager
def serving(settings: Settings) -> Iterator[openai.OpenAI]:
    prepare(settings.home)
    with TestClient(build(settings), base_url="http://127.0.0.1") as http:
        yield openai.OpenAI(
            base_url="http://127.0.0.1/v1", api_key="local", max_retries=0, http_client=http
        )


def create(client: openai.OpenAI, words: str, **more: Any) -> Any:
    return client.responses.create(model="play/any", input=words, **more)


def kept_of(settings: Settings) -> str:
    """All that stands in the table, in one text."""
    store = open_line(settings)
    with store.records.read() as connection:
        rows = connection.execute(queries.responses.select()).all()
    store.close()
    return " ".join(str(tuple(row)) for row in rows)


def test_another_replica_goes_on_from_a_response_and_shows_it(
    settings: Settings, tmp_path: Path
) -> None:
    with ExitStack() as servers:
        first = servers.enter_context(serving(settings))
        said = create(first, "Hello")
        if settings.is_embedded:  # then there is one server, and the next after it
            servers.close()
            other = settings
        else:
            other = replace(settings, home=tmp_path / "other")
        second = servers.enter_context(serving(other))
        more = create(second, "And now?", previous_response_id=said.id)

        assert second.responses.retrieve(said.id) == said
        last = second if settings.is_embedded else first
        items = list(last.responses.input_items.list(more.id, order="asc"))
        assert [item.content[0].text for item in items] == ["Hello", "Fine.", "And now?"]


@pytest.mark.parametrize("streams", [False, True])
def test_what_guards_mask_is_kept_masked_and_marks_of_two_calls_are_not_mixed_up(
    made_home: Path, streams: bool
) -> None:
    settings = Settings(home=made_home, flush_seconds=0.05, otlp_grpc_port=0)
    (made_home / "guards.yaml").write_text("input: [mask_pii]\n")
    with serving(settings) as client:

        def ask(words: str, **more: Any) -> Any:
            if not streams:
                return create(client, words, metadata={"who": MAIL}, **more)
            return list(create(client, words, stream=True, **more))[-1].response

        first = ask(f"I am {MAIL}", instructions=f"Help {MAIL}.")
        second = ask(f"I am also {OTHER}", previous_response_id=first.id)

        assert first.output_text == f"Hello {MAIL}."
        assert second.output_text == f"Two: {OTHER}."
        assert first.instructions == f"Help {MAIL}."
        again = client.responses.retrieve(first.id)
        assert again.instructions == "Help [EMAIL_1]."
        assert again.output_text == "Hello [EMAIL_1]."
    kept = kept_of(settings)
    assert "[EMAIL_1]" in kept
    assert "[EMAIL_2]" in kept
    assert MAIL not in kept
    assert OTHER not in kept


@pytest.mark.parametrize("streams", [False, True])
def test_what_a_guard_holds_back_is_not_kept(made_home: Path, streams: bool) -> None:
    settings = Settings(home=made_home, flush_seconds=0.05, otlp_grpc_port=0)
    (made_home / "guards.yaml").write_text(
        "input: [{banned_phrases: [unspeakable]}]\noutput: [{banned_phrases: [forbidden]}]\n"
    )
    with serving(settings) as client:
        for words in ("Unspeakable", "Tell your secret"):
            try:
                heard: Any = create(client, words, stream=streams)
                said = list(heard)[-1].code
            except openai.PermissionDeniedError as error:
                said = error.code
            assert said == "guard_denied"
    assert kept_of(settings) == ""


def test_rules_of_masking_reach_what_is_kept_and_a_conversation_goes_on(
    settings: Settings,
) -> None:
    store = open_line(settings)
    privacy.mask(local_scope(store), "email")
    store.close()
    with serving(settings) as client:
        said = create(client, f"I am {MAIL}")
        more = create(client, "And now?", previous_response_id=said.id)

        assert client.responses.retrieve(more.id).output_text == "Fine."
        [item] = client.responses.input_items.list(said.id)
        assert item.content[0].text == "I am [masked:email]"
        assert item.type == "message"


def test_erasing_a_user_takes_their_responses_and_says_how_many(settings: Settings) -> None:
    with serving(settings) as client:
        gone = create(client, "Hello", user="ann")
        more = create(client, "And now?", user="ann", previous_response_id=gone.id)
        stays = create(client, "Hello", user="bob")
        store = open_line(settings)
        looked = rewriting.erase(local_scope(store), user="ann", only_look=True)
        erased = rewriting.erase(local_scope(store), user="ann")
        store.close()

        assert looked.beside["stored responses"] == erased.beside["stored responses"] == 2
        for one in (gone, more):
            with pytest.raises(openai.NotFoundError):
                client.responses.retrieve(one.id)
        assert client.responses.retrieve(stays.id) == stays


def test_another_workspace_finds_nothing(store: Store) -> None:
    keep(store, "resp_" + "a" * 48)

    assert stored.find_response(store, "default", "resp_" + "a" * 48)
    assert stored.find_response(store, "other", "resp_" + "a" * 48) is None
    assert stored.find_chain(store, "other", "resp_" + "a" * 48) is None
    keep(store, "resp_" + "b" * 48, previous="resp_" + "a" * 48, workspace="other")
    chain = stored.find_chain(store, "other", "resp_" + "b" * 48)
    assert chain is not None
    assert ([one.id for one in chain.responses], chain.is_whole) == (["resp_" + "b" * 48], False)


def test_responses_go_when_they_are_over_and_stay_while_their_conversation_does(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, alone = ("resp_" + letter * 48 for letter in "abc")
    keep(store, first)
    keep(store, alone)
    began = now()
    monkeypatch.setattr(stored.responses, "now", lambda: began + timedelta(days=20))
    chain = stored.find_chain(store, "default", first)
    assert chain is not None
    keep(store, second, previous=first, expiring=chain.expiring)

    monkeypatch.setattr(stored.responses, "now", lambda: began + timedelta(days=40))
    assert stored.find_response(store, "default", alone) is None
    assert stored.responses.forget_expired(store) == 1
    kept = stored.find_chain(store, "default", second)
    assert kept is not None
    assert (kept.is_whole, len(kept.responses)) == (True, 2)


def test_a_workspace_that_keeps_too_many_loses_those_that_would_go_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_line(replace(settings, responses_max=3))
    began = now()
    for hour, letter in enumerate("abcde"):
        at = began + timedelta(hours=hour)
        monkeypatch.setattr(stored.responses, "now", lambda at=at: at)
        keep(store, "resp_" + letter * 48)
    keep(store, "resp_" + "f" * 48, workspace="other")

    assert stored.responses.forget_expired(store) == 2
    left = [
        letter
        for letter in "abcde"
        if stored.find_response(store, "default", "resp_" + letter * 48)
    ]
    assert left == ["c", "d", "e"]
    assert stored.find_response(store, "other", "resp_" + "f" * 48)
    store.close()


def test_one_that_is_too_large_says_that_it_is_not_kept(settings: Settings) -> None:
    with serving(replace(settings, response_bytes_max=2_000)) as client:
        said = create(client, "x" * 3_000)

        assert said.to_dict()["store"] is False
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(said.id)


def test_a_conversation_that_outgrows_a_request_is_refused(settings: Settings) -> None:
    with serving(replace(settings, model_bytes_max=20_000)) as client:
        said = create(client, "x" * 12_000)
        more = create(client, "y" * 12_000, previous_response_id=said.id)
        with pytest.raises(openai.BadRequestError, match="Begin anew") as refused:
            create(client, "z", previous_response_id=more.id)
        assert refused.value.code == "conversation_too_long"


def test_a_server_that_keeps_none_says_so(settings: Settings) -> None:
    with serving(replace(settings, response_days=0)) as client:
        said = client.responses.with_raw_response.create(
            model="play/any", input="Hello", store=True
        )
        assert said.headers["x-lineside-left-out"] == "store"
        assert said.parse().to_dict()["store"] is False
        with pytest.raises(openai.BadRequestError, match="LINESIDE_RESPONSE_DAYS"):
            create(client, "More", previous_response_id="resp_" + "0" * 48)


def keep(
    store: Store,
    response_id: str,
    *,
    previous: str | None = None,
    workspace: str = "default",
    expiring: tuple[str, ...] = (),
) -> None:
    response = stored.StoredResponse(
        workspace=workspace,
        id=response_id,
        previous_id=previous,
        trace_id="t" * 32,
        key="owner",
        use_case=None,
        items=[{"role": "user", "content": "Hello"}],
        answer={"id": response_id, "output": []},
    )
    assert stored.keep_response(store, response, expiring=expiring)
