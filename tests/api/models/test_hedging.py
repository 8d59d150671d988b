"""A second target is asked while the first keeps silent: who wins, who is left, who pays."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from api.models.conftest import FakeUpstream
from api.models.fakes import trace_of
from api.models.test_faults import chunk, last_error

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
COUNTS = b'data: {"id":"c1","model":"small-1","created":1,"choices":[],"usage":{"prompt_tokens":5,'
COUNTS += b'"completion_tokens":4,"total_tokens":9}}\n\n'
DONE = [chunk("", finish="stop"), COUNTS, b"data: [DONE]\n\n"]
BUSY = b'{"error": {"message": "busy"}}'
ROUTES = 12


@pytest.fixture(scope="module")
def gateway_yaml(_upstream: FakeUpstream) -> dict[str, Any]:
    """Routes of two, with providers of their own, since a breaker remembers."""
    base = {"wire": "chat", "api_key_env": "FAKE_KEY"}
    names = [f"{role}-{at}" for at in range(ROUTES) for role in ("one", "two")]
    return {
        "providers": {name: base | {"base_url": f"{_upstream.url}/{name}/v1"} for name in names},
        "scripted": {"play": {"file": "play.jsonl"}},
        "routes": {
            f"hedged-{at}": {
                "targets": [f"one-{at}/m", f"two-{at}/m"],
                "hedge_after_s": 0.3,
                "retries_max": 0,
            }
            for at in range(ROUTES)
        }
        | {
            f"patient-{at}": {"targets": [f"one-{at}/m", f"two-{at}/m"], "hedge_after_s": 10}
            for at in range(ROUTES)
        },
    }


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return iter(range(ROUTES))


@pytest.fixture
def at(numbers: Iterator[int]) -> int:
    """Number of a route that no other test has asked."""
    return next(numbers)


@pytest.fixture
def key(server: str) -> tuple[str, str]:
    """Id and secret of a key that has 100,000 tokens."""
    wish = {"name": f"hedging {time.monotonic_ns()}", "rights": ["run"]}
    made = httpx.post(f"{server}/api/keys", json=wish, timeout=30).json()
    cap = {"about": "key", "subject": made["key"]["id"], "measure": "tokens", "amount": 100_000}
    assert httpx.post(f"{server}/api/budgets", json=cap | {"every": "ever"}, timeout=30).is_success
    return made["key"]["id"], made["secret"]


@pytest.fixture
def ask(server: str, key: tuple[str, str], at: int) -> Callable[..., httpx.Response]:
    def of(**more: Any) -> httpx.Response:
        body = {"model": f"hedged-{at}", "messages": HELLO, "max_tokens": 100, "stream": True}
        headers = {"authorization": f"Bearer {key[1]}"}
        url = f"{server}/v1/chat/completions"
        return httpx.post(url, json=body | more, headers=headers, timeout=20)

    return of


def use_of(server: str, key: tuple[str, str]) -> dict[str, Any]:
    uses = httpx.get(f"{server}/api/budgets", timeout=30).json()
    (use,) = [use for use in uses if use["cap"]["subject"] == key[0]]
    return dict(use)


def tries_of(server: str, answer: httpx.Response) -> dict[str, str]:
    [span] = trace_of(server, answer.headers["x-lineside-trace-id"])
    return {one["target"]: one["outcome"] for one in span["attributes"]["tries"]}


def test_the_second_answers_for_a_silent_first_which_is_left_and_paid_for(
    server: str, key: tuple[str, str], at: int, upstream: FakeUpstream
) -> None:
    upstream.answers_for(f"one-{at}", "hang")
    upstream.answers_for(f"two-{at}", chunk("Hello"), *DONE)
    client = openai.OpenAI(base_url=f"{server}/v1", api_key=key[1], max_retries=0, timeout=20)
    raw = client.chat.completions.with_raw_response.create(
        model=f"hedged-{at}", messages=HELLO, max_tokens=100, stream=True
    )
    said = "".join(one.choices[0].delta.content or "" for one in raw.parse() if one.choices)

    assert said == "Hello"
    assert raw.headers["x-lineside-provider"] == f"two-{at}"
    assert raw.headers["x-lineside-route"] == f"hedge, before one-{at}/m"
    assert upstream.left.wait(5)
    assert upstream.gone == [f"one-{at}"]
    assert upstream.asked[-1]["max_tokens"] == 100
    tries = tries_of(server, raw)
    assert tries == {f"one-{at}/m": "cancelled", f"two-{at}/m": "answered"}
    use = use_of(server, key)
    # 9 of the winner; of the loser all that was held: its 100 tokens, and more than 1,000 to read.
    assert 1_109 < use["spent"] < 1_400
    assert use["reserved"] == 0


def test_a_quick_first_is_the_only_one_asked_and_paid_for(
    ask: Callable[..., httpx.Response], server: str, key: tuple[str, str], at: int, upstream: Any
) -> None:
    upstream.answers_for(f"one-{at}", chunk("Hello"), *DONE)
    answer = ask(model=f"patient-{at}")

    assert "Hello" in answer.text
    assert "x-lineside-route" not in answer.headers
    assert upstream.asked_of(f"two-{at}") == 0
    assert use_of(server, key)["spent"] == 9


def test_a_first_that_answers_after_all_wins_over_the_second(
    ask: Callable[..., httpx.Response], server: str, at: int, upstream: FakeUpstream
) -> None:
    upstream.answers_for(f"one-{at}", 0.8, chunk("First"), *DONE)
    upstream.answers_for(f"two-{at}", "hang")
    answer = ask()

    assert "First" in answer.text
    assert answer.text.rstrip().endswith("[DONE]")
    assert upstream.left.wait(5)
    assert tries_of(server, answer) == {f"one-{at}/m": "answered", f"two-{at}/m": "cancelled"}


def test_what_happens_to_the_loser_later_does_not_touch_the_answer(
    ask: Callable[..., httpx.Response], at: int, upstream: FakeUpstream
) -> None:
    upstream.answers_for(f"one-{at}", 0.6, "reset")
    upstream.answers_for(f"two-{at}", chunk("Hel"), 0.6, chunk("lo"), *DONE)
    answer = ask()

    assert answer.text.rstrip().endswith("[DONE]")
    assert "error" not in answer.text


def test_a_winner_that_breaks_off_is_not_replaced(
    ask: Callable[..., httpx.Response], at: int, upstream: FakeUpstream
) -> None:
    upstream.answers_for(f"one-{at}", "hang")
    upstream.answers_for(f"two-{at}", chunk("Hel"), 0.1, "reset")
    answer = ask()

    assert "ended before its answer did" in last_error(answer)
    assert len(upstream.asked) == 2


def test_where_both_fail_the_last_failure_is_told_and_nothing_is_paid(
    ask: Callable[..., httpx.Response], server: str, key: tuple[str, str], at: int, upstream: Any
) -> None:
    upstream.answers_for(f"one-{at}", 2.0, "reset")
    upstream.answers_for(f"two-{at}", BUSY, status=500)
    answer = ask()

    assert answer.status_code == 503
    assert f"`m` at `one-{at}` did not answer" in answer.json()["error"]["message"]
    assert tries_of(server, answer) == {f"one-{at}/m": "model_down", f"two-{at}/m": "model_failed"}
    use = use_of(server, key)
    assert (use["spent"], use["reserved"]) == (0, 0)


def test_a_refusal_of_the_request_itself_ends_both(
    ask: Callable[..., httpx.Response], server: str, key: tuple[str, str], at: int, upstream: Any
) -> None:
    upstream.answers_for(f"one-{at}", "hang")
    upstream.answers_for(f"two-{at}", b'{"error": {"message": "no such knob"}}', status=400)
    answer = ask()

    assert (answer.status_code, "no such knob" in answer.text) == (400, True)
    assert upstream.left.wait(5)
    assert use_of(server, key)["spent"] > 1_000  # the one that was left


def test_calls_that_ask_two_at_once_do_not_overrun_a_limit_together(
    ask: Callable[..., httpx.Response], server: str, key: tuple[str, str], at: int, upstream: Any
) -> None:
    upstream.answers_for(f"one-{at}", "hang")
    upstream.answers_for(f"two-{at}", chunk("Hello"), *DONE)
    cap = {"about": "key", "subject": key[0], "measure": "tokens", "amount": 6_000, "every": "ever"}
    assert httpx.post(f"{server}/api/budgets", json=cap, timeout=30).is_success
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ask(), range(8)))

    codes = [answer.status_code for answer in answers]
    assert set(codes) == {200, 429}
    use = use_of(server, key)
    assert 1_109 * codes.count(200) < use["spent"] <= 6_000
    assert use["reserved"] == 0


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_caller_who_leaves_ends_both_and_is_counted_with_all_that_was_held(
    server: str, key: tuple[str, str], at: int, upstream: FakeUpstream, is_stream: bool
) -> None:
    for role in ("one", "two"):
        upstream.answers_for(f"{role}-{at}", "hang")
    client = openai.OpenAI(base_url=f"{server}/v1", api_key=key[1], max_retries=0, timeout=1.0)
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(
            model=f"hedged-{at}", messages=HELLO, max_tokens=100, stream=is_stream
        )

    until = time.monotonic() + 5
    while len(upstream.gone) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert sorted(upstream.gone) == [f"one-{at}", f"two-{at}"]
    while use_of(server, key)["reserved"] and time.monotonic() < until:
        time.sleep(0.05)
    assert use_of(server, key)["spent"] > 2_200


def test_where_all_are_left_alone_the_call_is_refused_without_asking(
    ask: Callable[..., httpx.Response], server: str, key: tuple[str, str], at: int, upstream: Any
) -> None:
    for role in ("one", "two"):
        upstream.answers_for(f"{role}-{at}", BUSY, status=500)
    for _ in range(5):
        assert ask().status_code == 503
    asked = len(upstream.asked)
    answer = ask()

    assert answer.status_code == 503
    assert "keeps failing and is left alone" in answer.json()["error"]["message"]
    assert len(upstream.asked) == asked == 10
    assert use_of(server, key)["spent"] == 0
