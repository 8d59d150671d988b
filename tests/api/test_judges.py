"""`/api/judges`: judges against people over HTTP."""

from starlette.testclient import TestClient


def test_a_judge_is_licensed_and_its_licence_read_again(client: TestClient) -> None:
    said = ["yes" if n % 2 else "no" for n in range(60)]
    wish = {
        "judge": "polite",
        "labels": [{"verdict": word, "label": word} for word in said],
        "recorded": {"model": "m-1", "family": "letters"},
        "bar": {"kappa": 0.7},
    }

    made = client.post("/api/judges/licences", json=wish)
    again = client.get("/api/judges/licences/polite").json()
    listed = client.get("/api/judges/licences", params={"judge": "polite"}).json()

    assert made.status_code == 201
    assert (again["standing"], again["licence"]["bar"]["kappa"]) == ("granted", 0.7)
    assert again["sentence"].startswith("true pass rate 50 % ± ")
    assert listed == [again] == [made.json()]
    assert client.get("/api/judges/licences/rude").status_code == 404


def test_labels_of_one_class_or_for_no_run_are_refused(client: TestClient) -> None:
    one_class = {
        "judge": "polite",
        "labels": [{"verdict": "yes", "label": "yes"}] * 40,
        "recorded": {"model": "m-1", "family": "letters"},
    }
    refused = client.post("/api/judges/licences", json=one_class)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "one_class")
    assert client.get("/api/judges/polite/sample").status_code == 404
