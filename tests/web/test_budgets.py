"""The page of budgets."""

from starlette.testclient import TestClient

from lineside.core import Settings
from lineside.gateway import budgets
from lineside.store import open_store
from lineside.trust import local_scope
from web.small_case import html, words


def test_limits_are_shown_with_what_is_left_and_first_how_to_set_one(
    empty_client: TestClient, settings: Settings
) -> None:
    empty = words(html(empty_client, "/budgets"))
    store = open_store(settings)
    scope = local_scope(store)
    budgets.set_cap(scope, "team", "blue", measure="usd", amount=5, every="day")
    budgets.set_cap(scope, "session", "*", measure="requests", amount=100, every="ever")
    store.close()
    shown = html(empty_client, "/budgets")

    assert "lineside budgets set --all" in empty
    assert "team blue 0 % $0.00 $0.00 $5.00 every day" in words(shown)
    assert "each session 0 % 0 requests 0 requests 100 requests in all" in words(shown)
    assert 'aria-label="$0.00 spent, $0.00 reserved, of $5.00"' in shown


def test_of_many_limits_those_that_are_used_most_are_shown_and_the_others_counted(
    empty_client: TestClient, settings: Settings
) -> None:
    store = open_store(settings)
    for number in range(25):
        budgets.set_cap(
            local_scope(store), "team", f"t{number}", measure="usd", amount=5, every="day"
        )
    store.close()

    shown = words(html(empty_client, "/budgets"))

    assert shown.count("every day") == 20
    assert "The 20 of 25 of which most is used; lineside budgets ls has the others." in shown
