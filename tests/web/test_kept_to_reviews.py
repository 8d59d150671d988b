"""A rater's browser over plain HTTP: it opens reviews, and nothing else."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from lineside.web.render import KEPT_COOKIE
from web.small_case import words

QUESTION = {"name": "right", "ask": "Right?", "kind": "choice", "options": ["yes", "no"]}


@pytest.fixture(scope="module", autouse=True)
def opened(client: TestClient) -> None:
    open_review(client, "topics")


@pytest.fixture
def rater(client: TestClient) -> Iterator[str]:
    """The secret of a rater who has begun in the client's browser."""
    link = client.post("/api/reviews/topics/invitations", json={"rater": "ben"}).json()["path"]
    address, _, secret = link.partition("?key=")
    assert "You rate as ben" in words(client.get(link).text)
    assert client.get("/runs").status_code == 200  # looking at the link begins nothing
    client.post(address, data={"key": secret}, follow_redirects=False)
    yield secret
    client.cookies.delete(KEPT_COOKIE)


def open_review(client: TestClient, name: str) -> None:
    run = client.get("/api/runs").json()[0]["id"]
    wish = {"name": name, "questions": [QUESTION], "source": {"run": run}, "items": 2}
    assert client.post("/api/reviews", json=wish).status_code == 201


def key_with(client: TestClient, rights: list[str], **more: list[str]) -> str:
    made = client.post("/api/keys", json={"name": "other", "rights": rights} | more).json()
    return str(made["secret"])


@pytest.mark.parametrize(
    "path",
    ["/", "/traces", "/runs", "/healthz", "/api/runs", "/api/docs", "/v1/models", "/reviewsx"],
)
def test_every_other_page_and_program_path_is_refused(
    client: TestClient, rater: str, path: str
) -> None:
    page = client.get(path, headers={"accept": "text/html"})
    program = client.get(path, headers={"authorization": f"Bearer {rater}"})

    assert (page.status_code, program.status_code) == (403, 403)
    assert "leave for good at /reviews/leave" in words(page.text)
    assert program.json()["error"]["code"] == "kept_to_reviews"
    assert client.post("/v1/chat/completions", json={}).status_code == 403


def test_a_key_that_may_more_only_rates_in_a_browser(client: TestClient) -> None:
    secret = key_with(client, ["review", "read", "test"])
    client.post("/reviews/topics/begin", data={"key": secret}, follow_redirects=False)
    statuses = [
        client.get(path).status_code
        for path in ("/reviews/topics/rate", "/reviews/topics", "/reviews/new", "/reviews/x/labels")
    ]
    client.cookies.delete(KEPT_COOKIE)

    assert statuses[:3] == [200, 403, 403]
    assert statuses[3] in (403, 404)


def test_a_revoked_link_does_not_make_the_browser_the_owners(
    client: TestClient, rater: str
) -> None:
    own = {"cookie": ""}  # the owner, in another browser
    key = client.get("/api/keys", headers=own).json()[-1]
    assert client.delete(f"/api/keys/{key['id']}", headers=own).status_code == 200

    refused = client.get("/reviews/topics/rate")

    assert refused.status_code == 403
    assert "Your link no longer works" in words(refused.text)
    assert client.get("/runs").status_code == 403
    client.post("/reviews/leave", follow_redirects=False)
    assert client.get("/runs").status_code == 200


def test_a_link_of_another_review_or_without_the_right_does_not_begin(
    client: TestClient,
) -> None:
    other = key_with(client, ["review"], use_cases=["elsewhere"])
    reader = key_with(client, ["read"])

    for secret in (other, reader, "lsk_none", ""):
        refused = client.post("/reviews/topics/begin", data={"key": secret})
        assert refused.status_code == 403
        assert KEPT_COOKIE not in client.cookies


def test_nobody_is_let_into_a_closed_review(client: TestClient) -> None:
    open_review(client, "over")
    client.post("/api/reviews/over/close")

    assert client.post("/reviews/over/invite", data={"rater": "ben"}).status_code == 409
    assert client.post("/api/reviews/over/invitations", json={"rater": "b"}).status_code == 409
    assert client.post("/reviews/topics/invite", data={"rater": " "}).status_code == 422
