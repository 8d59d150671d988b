"""What calls cost, held against figures that somebody else keeps."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from lineside.core import Denied, Invalid, NotFound
from lineside.store import Store
from lineside.traces import Span, prices
from lineside.traces.prices import Priced, PriceTable, Rates, Unpriced, Usage, base_table
from lineside.trust import Scope, ledger_entries, local_scope

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
MILLION = 1_000_000

# Dollars per million tokens (read, from the cache, written into it, answered) as the price file of
# litellm 1.110.2 has them, read on 2026-11-25.
ELSEWHERE = [
    ("openai", "gpt-4o", 2.5, 1.25, None, 10),
    ("openai", "gpt-4o-mini-2024-07-18", 0.15, 0.075, None, 0.6),
    ("openai", "gpt-5", 1.25, 0.125, None, 10),
    ("openai", "o3", 2, 0.5, None, 8),
    ("openai", "gpt-4.1", 2, 0.5, None, 8),
    ("azure.ai.openai", "gpt-4o", 2.5, 1.25, None, 10),
    ("anthropic", "claude-sonnet-4-5", 3, 0.3, 3.75, 15),
    ("anthropic", "claude-haiku-4-5", 1, 0.1, 1.25, 5),
    ("gcp.gemini", "gemini-2.5-pro", 1.25, 0.125, None, 10),
    ("gcp.vertex_ai", "gemini-2.5-flash", 0.3, 0.03, None, 2.5),
    ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3.3, 0.33, 4.125, 16.5),
    ("aws.bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", 3, 0.3, 3.75, 15),
    ("aws.bedrock", "amazon.nova-pro-v1:0", 0.8, 0.2, None, 3.2),
    ("cohere", "command-r-plus-08-2024", 2.5, None, None, 10),
    ("x_ai", "grok-4.3", 1.25, 0.2, None, 2.5),
]


@pytest.fixture
def scope(store: Store) -> Scope:
    return local_scope(store)


def usage(provider: str | None, model: str | None, **values: Any) -> Usage:
    usual = {"at": AT, "tokens_in": 1000, "tokens_out": 100}
    return Usage(provider, model, **(usual | values))


def cost(table: PriceTable, asked: Usage) -> float:
    priced = table.price(asked)
    assert isinstance(priced, Priced), priced
    return priced.usd


def reason(provider: str | None, model: str | None, **values: Any) -> str:
    priced = PriceTable((), base_table).price(usage(provider, model, **values))
    assert isinstance(priced, Unpriced), priced
    return priced.reason


@pytest.mark.parametrize(("provider", "model", "plain", "cached", "written", "out"), ELSEWHERE)
def test_a_price_is_the_one_that_others_know(
    provider: str,
    model: str,
    plain: float,
    cached: float | None,
    written: float | None,
    out: float,
) -> None:
    table = PriceTable((), base_table)
    tokens = {"tokens_in": 100_000, "tokens_out": 0}

    assert cost(table, usage(provider, model, **tokens)) == pytest.approx(plain / 10)
    if cached is not None:
        read = cost(table, usage(provider, model, tokens_cached_in=100_000, **tokens))
        assert read == pytest.approx(cached / 10)
    if written is not None:
        kept = cost(table, usage(provider, model, tokens_cache_written_in=100_000, **tokens))
        assert kept == pytest.approx(written / 10)
    answered = cost(table, usage(provider, model, tokens_in=1, tokens_out=MILLION))
    assert answered == pytest.approx(out, abs=1e-4)


def test_each_token_is_paid_once() -> None:
    asked = usage(
        "anthropic",
        "claude-sonnet-4-5-20250929",
        tokens_in=10_000,
        tokens_cached_in=6_000,
        tokens_cache_written_in=3_000,
        tokens_out=500,
        tokens_reasoning_out=400,
    )

    priced = cost(PriceTable((), base_table), asked)

    assert priced == pytest.approx((1000 * 3 + 6000 * 0.3 + 3000 * 3.75 + 500 * 15) / MILLION)


def test_an_embedding_needs_no_answer() -> None:
    asked = usage("openai", "text-embedding-3-small", tokens_out=None)

    assert cost(PriceTable((), base_table), asked) == pytest.approx(1000 * 0.02 / MILLION)


def test_the_day_of_the_call_decides() -> None:
    table = PriceTable((), base_table)
    tokens = {"tokens_in": MILLION, "tokens_out": MILLION}

    # OpenAI cut the price of o3 by four fifths on 2025-06-10.
    before = datetime(2025, 6, 9, 23, 59, tzinfo=UTC)
    east = datetime(2025, 6, 10, 1, tzinfo=UTC).astimezone()
    assert cost(table, usage("openai", "o3", at=before, **tokens)) == 50
    assert cost(table, usage("openai", "o3", at=before + timedelta(minutes=1), **tokens)) == 10
    assert cost(table, usage("openai", "o3", at=east, **tokens)) == 10


def test_the_hour_decides_where_nights_are_cheaper() -> None:
    table = PriceTable((), base_table)
    asked = [
        cost(table, usage("deepseek", "deepseek-v4-pro", at=AT.replace(hour=hour)))
        for hour in (2, 20, 2)
    ]

    assert asked[0] == asked[2] == pytest.approx(2 * asked[1])


def test_a_long_prompt_is_paid_by_its_own_price() -> None:
    table = PriceTable((), base_table)

    short = cost(table, usage("gcp.gemini", "gemini-2.5-pro", tokens_in=200_000, tokens_out=0))
    long = cost(table, usage("gcp.gemini", "gemini-2.5-pro", tokens_in=200_001, tokens_out=0))

    assert (short, long) == (pytest.approx(0.25), pytest.approx(0.5, rel=1e-4))


def test_a_service_tier_has_its_own_price_or_none() -> None:
    table = PriceTable((), base_table)
    tokens = {"tokens_in": MILLION, "tokens_out": 0}

    assert cost(table, usage("openai", "o3", service_tier="default", **tokens)) == 2
    assert cost(table, usage("openai", "o3", service_tier="flex", **tokens)) == 1
    assert reason("openai", "o3", service_tier="unheard-of") == "unknown_tier"
    # Nobody wrote down what priority calls cost that early.
    early = datetime(2026, 1, 1, tzinfo=UTC)
    assert reason("openai", "o3", service_tier="priority", at=early) == "unknown_tier"


@pytest.mark.parametrize(
    ("provider", "model", "same_as"),
    [
        (None, "gpt-4o-2024-08-06", ("openai", "gpt-4o")),
        (None, "models/gemini-2.5-pro", ("gcp.gemini", "gemini-2.5-pro")),
        ("litellm", "anthropic/claude-sonnet-4-5", ("anthropic", "claude-sonnet-4-5")),
        ("azure.ai.openai", "GPT-4o", ("openai", "gpt-4o")),
        (
            "gcp.vertex_ai",
            "projects/p/locations/us/publishers/google/models/gemini-2.5-pro",
            ("gcp.gemini", "gemini-2.5-pro"),
        ),
        ("gcp.vertex_ai", "claude-sonnet-4-5@20250929", ("anthropic", "claude-sonnet-4-5")),
        (
            "aws.bedrock",
            "arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            ("anthropic", "claude-sonnet-4-5"),
        ),
    ],
)
def test_a_model_is_known_by_its_other_names(
    provider: str | None, model: str, same_as: tuple[str, str]
) -> None:
    table = PriceTable((), base_table)

    assert cost(table, usage(provider, model)) == cost(table, usage(*same_as))


@pytest.mark.parametrize(
    ("provider", "model", "why"),
    [
        ("openai", None, "no_model"),
        ("openai", "gpt-99-ultra", "unknown_model"),
        ("openai", "claude-sonnet-4-5", "unknown_model"),
        ("anthropic", "claude-sonnet-4-5-turbo", "unknown_model"),
        ("azure.ai.openai", "our-deployment", "unknown_model"),
        ("openai", "ft:gpt-4.1-2025-04-14:acme::1", "unknown_model"),
        ("gcp.gemini", "tunedModels/ours-gemini-1.5-flash", "unknown_model"),
        ("aws.bedrock", "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "unknown_model"),
        ("aws.bedrock", "eu.amazon.nova-pro-v1:0", "unknown_model"),
        ("mistral_ai", "mistral-large-latest", "unknown_model"),
        ("ollama", "llama3.3", "unknown_provider"),
        (None, "llama-3.3-70b", "ambiguous_provider"),
        (None, "gpt-oss-120b", "ambiguous_provider"),
        ("openai", "whisper-1", "not_by_token"),
        ("openai", "gpt-4o-audio-preview", "by_media"),
        ("perplexity", "sonar", "by_request"),
    ],
)
def test_what_is_not_known_is_unknown_and_says_why(
    provider: str | None, model: str | None, why: str
) -> None:
    assert reason(provider, model) == why
    assert why in prices.REASONS


@pytest.mark.parametrize(
    ("tokens", "why"),
    [
        ({"tokens_in": None, "tokens_out": None}, "no_tokens"),
        ({"tokens_in": 0, "tokens_out": 0}, "no_tokens"),
        ({"tokens_in": None}, "no_tokens"),
        ({"tokens_out": None}, "no_tokens"),
        ({"tokens_cached_in": 1001}, "broken_tokens"),
        ({"tokens_cached_in": 600, "tokens_cache_written_in": 600}, "broken_tokens"),
    ],
)
def test_tokens_that_do_not_hold_together_have_no_price(tokens: dict[str, Any], why: str) -> None:
    assert reason("openai", "gpt-4o", **tokens) == why


def test_an_own_price_wins_from_its_day_on(scope: Scope) -> None:
    old = Rates(input=2, output=8)
    prices.set_price(scope, "gpt-4o", rates=old, valid_from=date(2026, 1, 1))
    prices.set_price(scope, "gpt-4o", rates=Rates(input=1, output=4), valid_from=date(2026, 7, 1))
    table = prices.price_table(scope)

    def asked(day: datetime) -> Priced | Unpriced:
        return table.price(usage("openai", "gpt-4o", at=day, tokens_in=MILLION, tokens_out=0))

    assert asked(datetime(2025, 12, 31, tzinfo=UTC)) == (2.5, base_table().source)
    assert asked(datetime(2026, 6, 30, tzinfo=UTC)) == (2, "own 2026-01-01")
    assert asked(AT) == (1, "own 2026-07-01")


def test_an_own_price_extends_the_table(scope: Scope) -> None:
    rates = Rates(input=0.5, cached=0.1, output=1, reasoning=2, request_usd=0.01)
    prices.set_price(scope, "House-*", provider="vllm", rates=rates, valid_from=date(2026, 1, 1))
    table = prices.price_table(scope)
    tokens = {"tokens_in": 1000, "tokens_cached_in": 400, "tokens_out": 100}

    paid = cost(table, usage("vllm", "house-7b", tokens_reasoning_out=50, **tokens))

    expected = 600 * 0.5 + 400 * 0.1 + 50 * 1 + 50 * 2
    assert paid == pytest.approx(expected / MILLION + 0.01)
    # More thought than written, where both have prices of their own, cannot be.
    assert table.price(usage("vllm", "house-7b", tokens_reasoning_out=101)) == ("broken_tokens",)
    assert isinstance(table.price(usage("groq", "house-7b")), Unpriced)


def test_the_closer_price_counts(scope: Scope) -> None:
    for number, (model, provider) in enumerate(
        [("*", None), ("gpt-*", None), ("gpt-4o*", None), ("gpt-4o", None), ("gpt-*", "azure")], 1
    ):
        rates = Rates(input=number, output=0)
        prices.set_price(
            scope, model, provider=provider, rates=rates, valid_from=date(2026, number, 1)
        )
    prices.set_price(
        scope,
        "gpt-4o",
        rates=Rates(input=9, output=0),
        valid_from=date(2026, 8, 1),
        valid_to=date(2026, 8, 31),
    )
    table = prices.price_table(scope)
    tokens = {"tokens_in": MILLION, "tokens_out": 0}

    assert cost(table, usage("openai", "gpt-4o", **tokens)) == 4
    assert (
        cost(table, usage("openai", "gpt-4o", at=datetime(2026, 8, 31, tzinfo=UTC), **tokens)) == 9
    )
    assert cost(table, usage("openai", "gpt-4o-mini", **tokens)) == 3
    assert cost(table, usage("openai", "gpt-5", **tokens)) == 2
    assert cost(table, usage("azure.ai.openai", "gpt-4o", **tokens)) == 5
    assert cost(table, usage(None, "o3", **tokens)) == 1


def test_the_ledger_keeps_what_a_price_was_before(scope: Scope) -> None:
    day = date(2026, 1, 1)
    prices.set_price(scope, "house", rates=Rates(input=1, output=2), valid_from=day)
    again = prices.set_price(scope, "house", rates=Rates(input=3, output=4), valid_from=day)
    assert [one.rates.input for one in prices.list_prices(scope)] == [3]

    prices.remove_price(scope, again.id)

    assert prices.list_prices(scope) == []
    _, changed, removed = ledger_entries(scope)
    assert (changed.kind, removed.kind) == ("price.set", "price.removed")
    assert changed.details["before"]["rates"]["input"] == 1
    assert changed.details["rates"]["input"] == 3
    with pytest.raises(NotFound, match="No own price"):
        prices.remove_price(scope, again.id)


def test_a_price_is_set_by_whoever_may_and_makes_sense(scope: Scope) -> None:
    reader = Scope(scope.store, scope.workspace, scope.actor, frozenset({"read", "deploy"}))
    rates = Rates(input=1, output=2)

    with pytest.raises(Denied, match="lacks the right `prices`"):
        prices.set_price(reader, "house", rates=rates)
    with pytest.raises(Invalid, match="Not the name of a model"):
        prices.set_price(scope, "my house", rates=rates)
    with pytest.raises(Invalid, match="neither dollars"):
        prices.set_price(scope, "house", rates=Rates(output=1))
    with pytest.raises(Invalid, match="begin on"):
        prices.set_price(scope, "house", rates=rates, valid_to=date(2020, 1, 1))


def test_the_flushers_table_follows_what_is_set(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineside.traces.prices.own._KNOWN_SECONDS", -1.0)
    tables = prices.PriceTables(scope.store)
    first = tables.of(scope.workspace)
    assert tables.of(scope.workspace) is first

    prices.set_price(scope, "house", rates=Rates(input=1, output=1), valid_from=date(2026, 1, 1))

    assert cost(tables.of(scope.workspace), usage("vllm", "house")) > 0
    assert isinstance(tables.of("elsewhere").price(usage("vllm", "house")), Unpriced)


def span(**values: Any) -> Span:
    usual: dict[str, Any] = {
        "trace_id": "1" * 32,
        "span_id": "1" * 16,
        "name": "chat",
        "kind": "model",
        "started_at": AT,
        "duration_ms": 1.0,
        "provider": "openai",
        "model": "gpt-4o",
        "tokens_in": 1000,
        "tokens_out": 100,
    }
    return Span(**(usual | values))


def test_a_step_says_where_its_cost_comes_from() -> None:
    table = PriceTable((), base_table)

    known = prices.price_span(span(), table)
    flex = span(model="o3", raw={"attributes": {"openai.response.service_tier": "flex"}})

    assert (known.cost_usd, known.cost_source) == (pytest.approx(0.0035), base_table().source)
    assert prices.price_span(flex, table).cost_usd == pytest.approx(0.0014)
    stated = prices.price_span(span(cost_usd=0.5), table)
    assert (stated.cost_usd, stated.cost_source) == (0.5, "sender")
    for unpriced in (span(kind="agent"), span(model="house"), span(tokens_in=None)):
        assert prices.price_span(unpriced, table) == unpriced


def test_the_base_table_says_how_old_it_is_and_loads_late() -> None:
    table = base_table()

    assert table.source.startswith("genai-prices ")
    assert date(2026, 1, 1) < table.newest_change <= datetime.now(UTC).date()
