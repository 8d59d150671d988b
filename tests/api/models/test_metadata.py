"""What clients say beside a call, `metadata` and whom it is for, is kept with its trace."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import anthropic
import httpx
import openai
import pytest

from api.models.conftest import FakeUpstream
from api.models.test_use_cases import CARD, GUARDS
from conftest import folder_maker
from lineside.apps import deploy, open_line, release_folder
from lineside.core import Settings
from lineside.trust import local_scope
from lineside.usecases import read_folder

ANNA = "anna@example.com"


@pytest.fixture(scope="module")
def gateway_yaml(gateway_yaml: dict[str, Any]) -> dict[str, Any]:
    one = {"house": {"targets": ["fake-chat/small"], "retries_max": 0}}
    return gateway_yaml | {"routes": one}


@pytest.fixture(scope="module")
def home(home: Path, _upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `triage` is live, which masks what is personal."""
    folder = folder_maker(tmp_path_factory.mktemp("folders"))(right=10, gate=["accuracy >= 0.05"])
    manifest = folder / "usecase.yaml"
    told = manifest.read_text().replace("scripted:answers.jsonl", "route:house")
    manifest.write_text(told + GUARDS)
    _upstream.answer(CARD)
    store = open_line(Settings(home=home))
    release_folder(local_scope(store), read_folder(folder))
    deploy(local_scope(store), "triage")
    store.close()
    return home


@pytest.fixture(autouse=True)
def _answers(upstream: FakeUpstream) -> None:
    upstream.answer(CARD)


@pytest.fixture
def ask(openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic) -> Any:
    """Asks by a door with the client made for it; gives the headers of the answer."""

    def asking(door: str, text: str = "Card declined", model: str = "triage", **more: Any) -> Any:
        turns: Any = [{"role": "user", "content": text}]
        if door == "messages":
            raw = anthropic_client.messages.with_raw_response
            return raw.create(model=model, max_tokens=9, messages=turns, extra_body=more).headers
        if door == "responses":
            made = openai_client.responses.with_raw_response.create(
                model=model, input=turns, **more
            )
            return made.headers
        done = openai_client.chat.completions.with_raw_response.create(
            model=model, messages=turns, **more
        )
        return done.headers

    return asking


def root(server: str, headers: Any) -> dict[str, Any]:
    return root_of(server, headers["x-lineside-trace-id"])


def root_of(server: str, trace_id: str) -> dict[str, Any]:
    steps = httpx.get(f"{server}/api/traces/{trace_id}").json()
    [first] = [step for step in steps if step["parent_span_id"] is None]
    return first


def found(server: str, query: str) -> list[str]:
    page = httpx.get(f"{server}/api/traces", params={"q": query}).json()
    return [one["trace_id"] for one in page["traces"]]


@pytest.mark.parametrize(
    ("door", "model"),
    [
        *(("chat", "triage"), ("responses", "triage"), ("messages", "triage")),
        *(("chat", "fake-chat/small"), ("messages", "fake-chat/small")),
    ],
)
def test_metadata_is_an_attribute_of_the_trace_and_finds_it(
    server: str, ask: Any, door: str, model: str
) -> None:
    ticket = uuid4().hex
    headers = ask(door, model=model, metadata={"ticket": ticket, "customer tier": "gold"})
    if model == "triage":
        assert "metadata" not in headers.get("x-lineside-left-out", "")

    attributes = root(server, headers)["attributes"]

    assert attributes["metadata.ticket"] == ticket
    assert attributes["metadata.customer tier"] == "gold"
    asked = f'attribute.metadata.ticket = "{ticket}"'
    assert found(server, asked) == [headers["x-lineside-trace-id"]]
    page = httpx.get(f"{server}/traces/{headers['x-lineside-trace-id']}").text
    assert f"<dt><code>ticket</code></dt><dd>{ticket}</dd>" in page


def test_what_is_personal_in_it_is_kept_as_a_mark_where_guards_mask(server: str, ask: Any) -> None:
    headers = ask("chat", metadata={"mail": ANNA, ANNA: "x", "plan": "gold"})
    failed = httpx.post(
        f"{server}/v1/chat/completions",
        json={
            "model": "triage",
            "messages": [{"role": "user", "content": "forbidden words"}],
            "metadata": {"mail": ANNA},
        },
        timeout=30,
    )

    assert failed.status_code >= 400
    attributes = root(server, headers)["attributes"]
    assert attributes["metadata.mail"] == "[masked:email]"
    assert attributes["metadata.[masked:email]"] == "x"
    assert attributes["metadata.plan"] == "gold"
    assert ANNA not in str(root(server, failed.headers))
    assert root(server, failed.headers)["attributes"]["metadata.mail"] == "[masked:email]"


@pytest.mark.parametrize("store", [True, False])
def test_a_response_of_a_use_case_gives_it_back_and_is_kept_with_marks(
    openai_client: openai.OpenAI, store: bool
) -> None:
    said = {"mail": ANNA, "plan": "gold"}
    answered = openai_client.responses.create(
        model="triage", input="Card declined", metadata=said, store=store
    )

    assert answered.metadata == said
    if store:
        kept = openai_client.responses.retrieve(answered.id)
        assert kept.metadata == {"mail": "[masked:email]", "plan": "gold"}


def test_a_rule_of_the_workspace_masks_it_by_its_name(server: str, ask: Any) -> None:
    httpx.put(f"{server}/api/privacy/rules/tickets", json={"field": "metadata.secret"})
    try:
        attributes = root(server, ask("chat", metadata={"secret": "s-1", "open": "o-1"}))[
            "attributes"
        ]
    finally:
        httpx.delete(f"{server}/api/privacy/rules/tickets")

    assert attributes["metadata.secret"] == "[masked:tickets]"
    assert attributes["metadata.open"] == "o-1"


def test_what_does_not_fit_is_left_out_and_named(server: str, ask: Any) -> None:
    long = {"note": "x" * 513, "of": {"its": "own"}, "count": 3, "is_vip": True}
    many = {f"name {at}": "x" for at in range(20)}

    some, first = ask("messages", metadata=long), ask("messages", metadata=many)

    assert "metadata" in some["x-lineside-left-out"]
    assert "metadata" in first["x-lineside-left-out"]
    said = root(server, some)["attributes"]
    assert (said["metadata.count"], said["metadata.is_vip"]) == (3, True)
    assert {"metadata.note", "metadata.of"}.isdisjoint(said)
    assert len([name for name in root(server, first)["attributes"] if "name " in name]) == 16


@pytest.mark.parametrize(
    ("door", "more"),
    [
        ("chat", {"user": "u-17"}),
        ("chat", {"safety_identifier": "u-17"}),
        ("responses", {"safety_identifier": "u-17"}),
        ("messages", {"metadata": {"user_id": "u-17"}}),
        ("messages", {"metadata": {"user_id": "u-17", "plan": "gold"}}),
    ],
)
def test_whom_a_call_is_for_is_read_from_whichever_field_its_wire_has(
    server: str, ask: Any, door: str, more: dict[str, Any]
) -> None:
    step = root(server, ask(door, **more))

    assert step["user_id"] == "u-17"
    assert "metadata.user_id" not in step["attributes"]


def test_whom_it_is_for_is_kept_by_alias_where_guards_mask(server: str, ask: Any) -> None:
    step = root(server, ask("responses", safety_identifier=ANNA))

    assert re.fullmatch(r"\[masked:email:[0-9a-f]{16}\]", step["user_id"])
    assert ANNA not in str(step)


def test_a_call_over_rest_says_it_too(server: str) -> None:
    call = {"input": {"message": "Card declined"}, "metadata": {"ticket": "T-9"}}
    answered = httpx.post(f"{server}/api/usecases/triage/run", json=call, timeout=30).json()
    misfit = httpx.post(
        f"{server}/api/usecases/triage/run",
        json=call | {"metadata": {"ticket": {"of": "it"}}},
        timeout=30,
    )

    assert root_of(server, answered["trace_id"])["attributes"]["metadata.ticket"] == "T-9"
    assert misfit.status_code == 422
    assert misfit.json()["error"]["message"].startswith("`metadata.ticket")
