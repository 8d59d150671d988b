"""`/api/prices`: prices over HTTP."""

from starlette.testclient import TestClient


def test_a_price_is_set_quoted_and_removed(client: TestClient) -> None:
    wish = {"model": "house-7b", "rates": {"input": 2, "output": 4}, "valid_from": "2026-01-01"}

    made = client.post("/api/prices", json=wish)
    quoted = client.get("/api/prices/quote", params={"model": "house-7b"}).json()
    listed = client.get("/api/prices", params={"model": "house"}).json()

    assert made.status_code == 201
    assert (quoted["source"], quoted["steps"][0]["rates"]["input"]) == ("own 2026-01-01", 2)
    assert [one["model"] for one in listed["own"]] == ["house-7b"]
    assert listed["base"]["source"].startswith("genai-prices ")

    assert client.delete(f"/api/prices/{made.json()['id']}").status_code == 200
    again = client.get("/api/prices/quote", params={"model": "house-7b"}).json()
    assert (again["source"], again["reason"]) == (None, "ambiguous_provider")
    assert client.delete("/api/prices/price_none").status_code == 404


def test_prices_below_nothing_are_refused(client: TestClient) -> None:
    for rates in ({"input": -1}, {"input": "NaN"}, {"output": 1}):
        answer = client.post("/api/prices", json={"model": "house-7b", "rates": rates})
        assert answer.status_code == 422
