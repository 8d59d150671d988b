"""The pages of judges and their licences."""

import orjson
from starlette.testclient import TestClient

from evals.conftest import INPUT, OUTPUT, ScriptedTarget, rows
from evals.test_judges import declared, judge_file
from lineside.core import Settings
from lineside.evals import keep_dataset, licences, read_dataset, register_runner, start_run
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


def test_the_page_of_a_run_tells_what_the_app_took_from_what_judges_took(
    empty_client: TestClient, settings: Settings
) -> None:
    store = open_store(settings)
    scope = local_scope(store)
    register_runner(store, lambda _run: ScriptedTarget({}))
    content = b"".join(orjson.dumps(row) + b"\n" for row in rows(20))
    schemas = {"input_schema": INPUT, "output_schema": OUTPUT}
    cases = read_dataset("golden.jsonl", content, **schemas, bytes_max=10**6)
    run = start_run(
        scope,
        use_case="triage",
        subject="candidate",
        dataset=keep_dataset(scope, "triage", cases),
        scorers=[declared()],
        scorer_files=judge_file(cost_usd=0.01, tokens_in=90, tokens_out=10),
    )
    store.jobs.result(run.id)
    store.close()

    shown = words(html(empty_client, f"/runs/{run.id}"))

    assert "right So it is." in shown
    assert "Cost of new answers 0.0200 USD Tokens 200 Cost of judges 0.200 USD" in shown
    assert "Tokens of judges 2,000 Together 0.220 USD" in shown
