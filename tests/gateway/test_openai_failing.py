"""An endpoint that is down, slow, full or lost: what is tried again, and what is said."""

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import pytest

from gateway.small_model import GOOD, QUICK, Opened, ask, setup_of
from lineside.core import Invalid, Unavailable
from lineside.gateway.prompted import PromptedProvider
from lineside.gateway.retry import Pace, read_retry_after

pytestmark = pytest.mark.usefixtures("openai_key")


async def test_an_endpoint_that_is_down_is_tried_to_the_limit(folder: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        options = {"base_url": url, "retries_max": 2}
        model = PromptedProvider("openai", QUICK).open(setup_of(folder, options=options))
        with pytest.raises(
            Unavailable, match=r"did not answer: Cannot connect .*asked 3 times"
        ) as caught:
            await ask(model)
    assert not caught.value.is_paid


async def test_what_fails_after_a_first_answer_is_known_to_be_paid_for(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.answers("no JSON").fails(500, text="down")
    with pytest.raises(Unavailable) as caught:
        await ask(opened())
    assert caught.value.is_paid


async def test_a_slow_endpoint_is_given_up_on(endpoint: Any, opened: Opened) -> None:
    endpoint.answers(GOOD, delay_s=1.0)
    with pytest.raises(Unavailable, match=r"no answer within 0.1 s \(asked 2 times") as caught:
        await ask(opened(timeout_s=0.1, retries_max=1))
    assert caught.value.code == "model_slow"
    assert caught.value.is_paid  # nobody knows what it went on writing


async def test_an_endpoint_that_was_slow_once_answers(endpoint: Any, opened: Opened) -> None:
    endpoint.answers(GOOD, delay_s=1.0).answers(GOOD)
    assert (await ask(opened(timeout_s=0.2))).attempts == 2


async def test_a_rate_limit_is_waited_out_as_asked(endpoint: Any, opened: Opened) -> None:
    endpoint.fails(429, headers={"Retry-After": "0.3"}).answers(GOOD)
    reply = await ask(opened())
    first, second = (request["at_s"] for request in endpoint.requests)
    assert 0.3 <= second - first < 1.5
    assert (reply.output, reply.attempts, reply.tokens_in) == (GOOD, 2, 100)


async def test_a_rate_limit_for_ever_ends(endpoint: Any, opened: Opened) -> None:
    endpoint.fails(429, text="slow down")
    with pytest.raises(Unavailable, match=r"status 429: slow down \(asked 3 times") as caught:
        await ask(opened())
    assert caught.value.code == "model_rate_limited"


async def test_a_longer_wait_than_we_take_fails_at_once_and_says_how_long(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.fails(429, headers={"Retry-After": "3600"})
    with pytest.raises(Unavailable, match="asks to wait 3600 s") as caught:
        await ask(opened())
    assert "Try again in 3600 s" in str(caught.value.hint)
    assert len(endpoint.requests) == 1


async def test_a_quota_that_is_used_up_is_not_asked_again(endpoint: Any, opened: Opened) -> None:
    endpoint.fails(429, code="insufficient_quota", text="You exceeded your quota")
    with pytest.raises(Unavailable, match="quota is used up"):
        await ask(opened())
    assert len(endpoint.requests) == 1


async def test_a_gateway_page_is_retried_and_its_text_kept_short(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.plays("<html>Bad gateway</html>" + "x" * 5000, status=502)
    with pytest.raises(Unavailable, match="status 502: <html>Bad gateway</html>x") as caught:
        await ask(opened())
    assert len(endpoint.requests) == 3
    assert len(str(caught.value)) < 500


async def test_retries_and_the_re_ask_share_one_limit(endpoint: Any, opened: Opened) -> None:
    endpoint.fails(500).answers("nonsense").fails(500).fails(500)
    with pytest.raises(Unavailable, match="asked 2 times"):
        await ask(opened(retries_max=2))
    assert len(endpoint.requests) == 4


async def test_an_unknown_model_is_named_with_its_endpoint(endpoint: Any, opened: Opened) -> None:
    endpoint.fails(404, text="The model does not exist")
    with pytest.raises(Invalid, match=r"`small` at http://127.*is not there .*does not exist"):
        await ask(opened())
    assert len(endpoint.requests) == 1


async def test_a_redirect_is_not_followed_with_the_key(endpoint: Any, opened: Opened) -> None:
    endpoint.plays({}, status=307, headers={"Location": "http://127.0.0.1:1/v1"})
    with pytest.raises(Invalid, match="status 307"):
        await ask(opened())


def test_retry_after_is_read_as_seconds_or_date_and_rubbish_is_nothing() -> None:
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    date = format_datetime(moment + timedelta(seconds=20), usegmt=True)
    headers = ["7", "1.5", date, format_datetime(moment - timedelta(days=1), usegmt=True)]
    assert [read_retry_after(header, moment=moment) for header in headers] == [7, 1.5, 20, 0]
    for rubbish in (None, "", "soon", "-1", "nan", "inf", "Mon, 99 Foo"):
        assert read_retry_after(rubbish, moment=moment) is None


def test_waits_grow_to_a_limit_and_spread() -> None:
    pace = Pace(first_s=1.0, longest_s=8.0)
    longest = [max(pace.wait_s(retry, asked_s=None) for _ in range(400)) for retry in range(6)]
    assert all(before < after + 0.5 for before, after in pairwise(longest))
    assert 0.8 < longest[0] <= 1.0
    assert 6.4 < longest[5] <= 8.0
    assert 5.0 <= pace.wait_s(0, asked_s=5.0) <= 6.0
