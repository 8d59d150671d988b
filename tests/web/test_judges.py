"""The pages of judges and their licences."""

from starlette.testclient import TestClient

from lineside.core import Settings
from lineside.evals import licences
from lineside.store import open_store
from lineside.trust import local_scope
from web.small_case import html, words


def test_judges_stand_against_people_with_the_bar(
    empty_client: TestClient, settings: Settings
) -> None:
    assert "No judge was held against people so far." in words(html(empty_client, "/judges"))
    rows = [{"verdict": "yes" if n % 2 or n < 8 else "no"} for n in range(80)]
    labelled = [
        row | {"label": ("yes" if n % 2 else "no") if n < 60 else ""} for n, row in enumerate(rows)
    ]
    store = open_store(settings)
    given = licences.licence_judge(
        local_scope(store),
        "polite",
        labelled,
        recorded=licences.RecordedJudge(model="m-1", family="letters"),
    )
    store.close()

    listed, shown = (words(html(empty_client, path)) for path in ("/judges", f"/judges/{given.id}"))

    assert "polite Refused letters 60" in listed
    assert "Judge: yes 30 4 Judge: no 0 26" in shown
    assert "True pass rate" in shown
    assert "No gate leans on it: says no where people do is 0.867" in shown
    assert "at least 0.9 Reached" in shown
    assert empty_client.get("/judges/lic_none").status_code == 404
