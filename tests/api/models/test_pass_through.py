"""Files, batches, audio and images, which go to a provider as they came; by the stock client."""

import asyncio
import io
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from aiohttp import web

from api.models.fake_provider import HEARD, KEY, SOUND, WRITTEN, FakeProvider
from api.models.fakes import running
from lineside.core import Settings
from lineside.server import build

TRIES_MAX = 300


@pytest.fixture(scope="module")
def _provider() -> Iterator[FakeProvider]:
    provider = FakeProvider()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", provider.handle)
    with running(app) as address:
        provider.url = f"{address}/v1"
        yield provider


@pytest.fixture
def provider(_provider: FakeProvider) -> FakeProvider:
    _provider.seen.clear()
    _provider.left.clear()
    return _provider


@contextmanager
def serving(home: Path, **more: Any) -> Iterator[str]:
    app = build(Settings(home=home, flush_seconds=0.05, otlp_grpc_port=0, **more))
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def start(
    made_folder: Path, tmp_path_factory: pytest.TempPathFactory, _provider: FakeProvider
) -> Iterator[Callable[..., Any]]:
    """Starts a server whose providers pass on what a test says."""
    patch = pytest.MonkeyPatch()
    patch.setenv("FAKE_KEY", KEY)

    @contextmanager
    def of(
        passing: dict[str, dict[str, Any] | None],
        guards: str = "",
        *,
        total_s: float = 30,
        **more: Any,
    ) -> Iterator[str]:
        home = shutil.copytree(made_folder, tmp_path_factory.mktemp("passing") / "home")
        place = {"base_url": _provider.url, "api_key_env": "FAKE_KEY", "total_s": total_s}
        providers = {
            name: place | ({} if one is None else {"pass_through": one})
            for name, one in passing.items()
        }
        (home / "gateway.yaml").write_text(json.dumps({"providers": providers}))
        if guards:
            (home / "guards.yaml").write_text(guards)
        with serving(home, **more) as url:
            yield url

    yield of
    patch.undo()


@pytest.fixture(scope="module")
def server(start: Callable[..., Any]) -> Iterator[str]:
    with start(
        {"shop": {"teams": ["press"]}, "off": None}, pass_through_bytes_max=8_000_000
    ) as url:
        yield url


@pytest.fixture(scope="module")
def client(server: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server}/v1", api_key="local", max_retries=0)


def span_of(server: str, answer: Any) -> dict[str, Any]:
    trace_id = answer.headers["x-lineside-trace-id"]
    for _ in range(TRIES_MAX):
        found = httpx.get(f"{server}/api/traces/{trace_id}").json()
        if found:
            return found[0]
        time.sleep(0.02)
    raise AssertionError("no trace")


def key_for(server: str, **more: Any) -> str:
    asked = {"name": "program", "rights": ["run", "unguarded"], **more}
    return httpx.post(f"{server}/api/keys", json=asked).json()["secret"]


def test_a_file_goes_there_and_back_as_it_is(
    client: openai.OpenAI, server: str, provider: FakeProvider
) -> None:
    content = b'{"custom_id": "1"}\n' + bytes(range(256)) * 2000
    made = client.files.with_raw_response.create(file=("b.jsonl", content), purpose="batch")
    back = client.files.content("file-1").read()

    method, path, headers, body = provider.seen[0]
    assert (method, path) == ("POST", "/v1/files")
    assert content in body
    assert body == back
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert not [name for name in headers if name.startswith(("x-lineside", "x-stainless"))]
    assert made.headers["x-lineside-guards"] == "none"
    assert made.headers["x-lineside-provider"] == "shop"
    assert [one.id for one in client.files.list(limit=3)] == ["file-1"]
    assert provider.seen[-1][1] == "/v1/files?limit=3"
    assert client.files.delete("file-1").deleted
    span = span_of(server, made)
    assert (span["name"], span["kind"]) == ("POST /v1/files", "step")
    assert "custom_id" not in json.dumps(span)


def test_a_picture_is_made_by_the_model_that_is_named_and_its_usage_is_kept(
    client: openai.OpenAI, server: str, provider: FakeProvider
) -> None:
    made = client.images.with_raw_response.generate(model="shop/gpt-image-1", prompt="a red bike")
    span = span_of(server, made)

    assert json.loads(provider.seen[0][3]) == {"model": "gpt-image-1", "prompt": "a red bike"}
    assert made.parse().data[0].b64_json == "A" * 300_000
    assert (span["model"], span["tokens_in"], span["tokens_out"]) == ("gpt-image-1", 10, 50)
    assert span["attributes"]["usage"] == WRITTEN
    assert span["attributes"]["guards"] == "none"
    assert not [word for word in ("a red bike", "AAAA") if word in json.dumps(span)]


def test_what_has_no_price_of_words_costs_nobody_knows_what_and_never_nothing(
    client: openai.OpenAI, server: str, provider: FakeProvider
) -> None:
    heard = client.audio.transcriptions.with_raw_response.create(
        model="gpt-4o-transcribe", file=("a.wav", io.BytesIO(SOUND))
    )
    spoken = client.audio.speech.with_raw_response.create(
        model="shop/gpt-4o-mini-tts", voice="alloy", input="Hello"
    )

    assert SOUND in provider.seen[0][3]
    assert spoken.content == SOUND
    for answer, usage in ((heard, HEARD["total_tokens"]), (spoken, "not stated")):
        span = span_of(server, answer)
        assert (span["kind"], span["cost_usd"], span["tokens_in"]) == ("model", None, None)
        stated = span["attributes"]["usage"]
        assert (stated["total_tokens"] if isinstance(stated, dict) else stated) == usage


def test_a_batch_is_begun_and_an_error_of_the_provider_comes_without_its_key(
    client: openai.OpenAI, provider: FakeProvider
) -> None:
    batch = client.batches.create(
        input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
    )
    with pytest.raises(openai.NotFoundError) as error:
        client.audio.translations.create(model="whisper-1", file=("a.wav", io.BytesIO(SOUND)))

    assert batch.id == "batch_1"
    assert "no such thing" in str(error.value)
    assert KEY not in str(error.value)


def test_it_is_off_until_it_is_switched_on_and_says_how(
    client: openai.OpenAI, start: Callable[..., Any], provider: FakeProvider
) -> None:
    with pytest.raises(openai.PermissionDeniedError, match="write `pass_through"):
        client.files.list(extra_headers={"x-lineside-provider": "off"})
    with pytest.raises(openai.PermissionDeniedError, match="write `pass_through"):
        client.images.generate(model="off/gpt-image-1", prompt="a bike")
    with start({"shop": {"paths": ["audio"]}}) as url:
        other = openai.OpenAI(base_url=f"{url}/v1", api_key="local", max_retries=0)
        with pytest.raises(openai.PermissionDeniedError, match="write `pass_through"):
            other.files.list()
    assert provider.seen == []


def test_who_is_under_guard_may_not_send_what_no_guard_sees(
    server: str, start: Callable[..., Any], provider: FakeProvider
) -> None:
    def status(url: str, key: str) -> int:
        said = {"authorization": f"Bearer {key}"}
        return httpx.get(f"{url}/v1/files", headers=said, timeout=20).status_code

    assert status(server, key_for(server, rights=["run"])) == 403
    assert status(server, key_for(server, use_cases=["triage"])) == 403
    assert status(server, key_for(server, use_cases=["triage"], models=["*"])) == 403
    assert status(server, key_for(server, models=["shop/gpt-image-1"])) == 403
    assert status(server, key_for(server, team="sales")) == 403
    one = {"authorization": f"Bearer {key_for(server, models=['shop/gpt-4o-mini'])}"}
    said = {"model": "shop/gpt-4o-mini", "input_file_id": "file-1"}  # the file may name any
    refused = httpx.post(f"{server}/v1/batches", json=said, headers=one, timeout=20)
    assert refused.status_code == 403
    assert provider.seen == []
    assert status(server, key_for(server, team="press")) == 200
    assert status(server, key_for(server, models=["shop/*"])) == 200
    with start({"shop": {}}, "input: [mask_pii]") as url:
        refused = httpx.get(f"{url}/v1/files", timeout=20)
        assert refused.status_code == 403
        assert "despite_guards: true" in refused.text
    with start({"shop": {"despite_guards": True}}, "input: [mask_pii]") as url:
        assert httpx.get(f"{url}/v1/files", timeout=20).status_code == 200


def test_a_length_without_a_body_does_not_go_on(server: str, provider: FakeProvider) -> None:
    for method in ("DELETE", "GET"):
        answer = httpx.request(method, f"{server}/v1/files/file-1", content=b"{}", timeout=20)
        assert answer.status_code == 200
    assert [named.get("content-length", "0") for _, _, named, _ in provider.seen] == ["0", "0"]


def test_a_provider_that_falls_silent_in_its_error_is_given_up(
    start: Callable[..., Any], provider: FakeProvider
) -> None:
    with start({"shop": {}}, total_s=1) as url:
        answer = httpx.get(f"{url}/v1/batches/silent", timeout=20)

    assert answer.status_code == 504
    assert "gave no answer within 1 s" in answer.text


def test_a_page_that_somebody_stored_there_cannot_act_as_one_of_ours(
    server: str, provider: FakeProvider
) -> None:
    answer = httpx.get(f"{server}/v1/batches/page", timeout=20)

    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_two_providers_must_be_told_apart(
    start: Callable[..., Any], provider: FakeProvider
) -> None:
    with start({"one": {}, "two": {}}) as url:
        unclear = httpx.get(f"{url}/v1/files", timeout=20)
        named = httpx.get(f"{url}/v1/files", headers={"x-lineside-provider": "two"}, timeout=20)
        unknown = httpx.get(f"{url}/v1/files", headers={"x-lineside-provider": "x"}, timeout=20)
        health = httpx.get(f"{url}/healthz", timeout=20).json()
        coverage = httpx.post(f"{url}/api/guards/probe", timeout=60).json()
        page = httpx.get(f"{url}/guards", timeout=20).text

    assert (coverage["state"], coverage["proven"]) == ("enforced", 1.0)
    assert (coverage["ways_in"], coverage["ways_in_proven"]) == (16, 8)
    assert {one["provider"] for one in coverage["unguarded"]} == {"one", "two"}
    assert {one["path"] for one in coverage["results"]} >= {
        "POST /v1/embeddings",
        "POST /v1/messages/count_tokens",
    }
    assert "Of 16 ways in, 8 are proven guarded and 8 are unguarded by design" in page
    assert [one.status_code for one in (unclear, named, unknown)] == [400, 200, 404]
    assert "one, two" in unclear.text
    assert "/v1/files (one)" in health["guards"]["unguarded_by_design"]
    assert len(health["guards"]["unguarded_by_design"]) == 8
    assert "Unguarded by design" in page
    assert "/v1/audio (two)" in page


def test_limits_hold_and_what_cannot_be_bounded_is_refused_under_a_limit_of_money(
    server: str, provider: FakeProvider
) -> None:
    def limited(measure: str, most: float) -> dict[str, str]:
        made = httpx.post(
            f"{server}/api/keys", json={"name": measure, "rights": ["run", "unguarded"]}
        ).json()
        cap = {"about": "key", "subject": made["key"]["id"], "measure": measure, "amount": most}
        set_ = httpx.post(f"{server}/api/budgets", json=cap | {"every": "day"})
        assert set_.status_code < 300, set_.text
        return {"authorization": f"Bearer {made['secret']}"}

    few, poor = limited("requests", 1), limited("usd", 5)
    lists = [httpx.get(f"{server}/v1/files", headers=few, timeout=20) for _ in range(2)]
    asked = {"model": "gpt-image-1", "prompt": "a bike"}
    paid = httpx.post(f"{server}/v1/images/generations", headers=poor, json=asked, timeout=20)
    free = httpx.get(f"{server}/v1/files", headers=poor, timeout=20)

    assert [one.status_code for one in lists] == [200, 429]
    assert lists[0].headers["x-ratelimit-remaining-requests"] == "0"
    assert (paid.status_code, free.status_code) == (400, 200)
    assert "cannot be told ahead" in paid.text


def test_a_body_that_is_too_large_is_refused_though_it_does_not_say_its_size(
    server: str, provider: FakeProvider
) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield b"x" * 100_000

    said = {"content-type": "application/octet-stream"}
    answer = httpx.post(f"{server}/v1/files", content=endless(), headers=said, timeout=20)

    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"


def test_a_caller_who_hangs_up_ends_it_at_the_provider(server: str, provider: FakeProvider) -> None:
    with httpx.stream("GET", f"{server}/v1/batches/slow", timeout=20) as answer:
        next(answer.iter_bytes())
        trace = answer

    assert provider.left.wait(10)
    assert span_of(server, trace)["error"].startswith("caller_left")


@pytest.mark.parametrize("path", ["files/../models", "files/%2e%2e/models", "files/a%5c..%5cb"])
def test_a_path_leads_nowhere_else(server: str, provider: FakeProvider, path: str) -> None:
    host = server.removeprefix("http://")

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection(*host.split(":"))
        writer.write(
            f"GET /v1/{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode()
        )
        answer = await reader.read()
        writer.close()
        return answer

    assert asyncio.run(ask()).split()[1] in (b"400", b"404")
    assert provider.seen == []
