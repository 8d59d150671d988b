"""The page of prices."""

from starlette.testclient import TestClient

from lineside.core import Settings
from lineside.store import open_store
from lineside.traces import prices
from lineside.trust import local_scope
from web.small_case import html, words


def test_prices_are_listed_by_name_with_the_age_of_the_table(
    empty_client: TestClient, settings: Settings
) -> None:
    store = open_store(settings)
    prices.set_price(local_scope(store), "house-7b", rates=prices.Rates(input=0.2, output=0.6))
    store.close()

    everything = words(html(empty_client, "/prices"))
    found = words(html(empty_client, "/prices?model=google+gemini-2.5-pro"))

    assert "house-7b any 0.2 0.2 0.2 0.6" in everything
    assert "genai-prices" in everything
    assert "newest change" in everything
    assert "gemini-2.5-pro google 1.25 0.125 1.25 10" in found
    assert "where a call reads more than 200,000 tokens" in found
    assert "house-7b" not in found
