"""What the address of a page asks that its filter does not have."""

import re
from html import unescape
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

FILTERED = (
    *("/traces", "/traces/charts", "/traces/live", "/sessions", "/users", "/quality", "/marks"),
    *("/prices", "/runs", "/datasets", "/leaderboard", "/history", "/releases", "/batches"),
    "/usecases/triage/knobs",
)
_REPEATED = "more than once; the last counts"
_NOT_KNOWN = "which this page does not know"


def test_a_mistyped_filter_is_said_on_the_page_with_the_one_that_was_meant(
    client: TestClient,
) -> None:
    shown = client.get("/traces?relase=v1&model=m").text

    assert "The address asks for <code>relase</code>, which this page does not know" in shown
    assert '<a href="/traces?release=v1&amp;model=m"><code>release</code></a>' in shown
    assert _NOT_KNOWN not in client.get("/traces?release=v1&model=m").text


@pytest.mark.parametrize("path", FILTERED)
def test_every_page_with_a_filter_says_what_it_does_not_know(client: TestClient, path: str) -> None:
    shown = client.get(path, params={"zzz": "<b>"})

    assert shown.status_code == 200
    assert "<code>zzz</code>, which this page does not know" in shown.text


def test_a_page_says_which_of_two_values_counts(client: TestClient) -> None:
    shown = client.get("/sessions?use_case=orders&use_case=refunds&days=7").text

    assert "asks for <code>use_case</code> more than once; the last counts, <code>refunds" in shown
    assert "<code>days</code> more than once" not in shown
    assert _REPEATED not in client.get("/traces?col=model&col=release").text
    assert client.get("/traces/export?release=v1&release=v2").status_code == 422


def test_a_page_knows_all_that_its_own_forms_and_links_ask(client: TestClient) -> None:
    run = re.search(r'"/runs/([\w-]+)"', client.get("/runs").text)
    dataset = re.search(r'"/datasets/([\w-]+)"', client.get("/datasets").text)
    assert run
    assert dataset
    paths = [*FILTERED, f"/runs/{run[1]}", f"/datasets/{dataset[1]}", "/", "/usecases/triage"]

    asked = [address for path in paths for address in _asked_by(client.get(path).text, path)]
    assert len(asked) > 20
    for address in sorted(set(asked)):
        answered = client.get(address).text
        assert _NOT_KNOWN not in answered, address
        assert _REPEATED not in answered, address


def test_a_download_is_refused_where_it_would_not_be_narrowed(client: TestClient) -> None:
    refused = client.get("/traces/export?relase=v1")

    assert refused.status_code == 422
    assert "Did you mean <code>release</code>?" in refused.text


def _asked_by(shown: str, path: str) -> list[str]:
    """Addresses that a page leads to by its links and, every field sent, by its forms."""
    links = [unescape(found) for found in re.findall(r'href="([^"]*\?[^"]*)"', shown)]
    found = [
        link if link.startswith("/") else path + link
        for link in links
        if not link.startswith(("/static", "http", "/traces/export", "/reviews"))
    ]
    for head, body in re.findall(r'<form ([^>]*method="get"[^>]*)>(.*?)</form>', shown, re.DOTALL):
        action = re.search(r'action="([^"]*)"', head)
        at = urlsplit(unescape(action[1])).path if action else path
        names = dict.fromkeys(re.findall(r'<(?:input|select)[^>]* name="([^"]+)"', body))
        if not at.endswith("/diff") and names:
            found.append(f"{at}?{'&'.join(f'{name}=' for name in names)}")
    return found
