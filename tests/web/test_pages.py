"""Pages as a browser on this machine gets them, over a line that really ran."""

import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from lineside.web.render import KEPT_COOKIE
from web.small_case import first_link, html, words

pytestmark = pytest.mark.xdist_group("pages")


def ask(client: TestClient, message: str) -> str:
    answer = client.post("/usecases/triage/try", data={"message": message})
    return answer.text


def test_the_portfolio_says_verdict_accuracy_and_who_gets_what(client: TestClient) -> None:
    home = words(html(client, "/"))

    assert "Agents read every message before they can route it." in home
    assert "minutes to first reply" in home
    assert "Ship v1, live 95.0 % accuracy" in home, "what serves people comes first"
    assert "Hold newest: refused" in home
    assert re.search(r"95 % interval [\d.]+ to [\d.]+ %", home)
    assert "v1 · 100 %" in home


def test_a_cost_that_is_not_known_is_not_shown_as_free(client: TestClient) -> None:
    ask(client, "message 7")

    assert "unknown cost" in words(html(client, "/")) or "cost unknown" in words(html(client, "/"))


def test_the_use_case_page_tells_the_whole_story(client: TestClient) -> None:
    page = html(client, "/usecases/triage")
    text = words(page)

    assert "Ship Live: v1" in text
    assert "Hold Newest: refused" in text
    assert "40 support agents" in text
    assert "accuracy &gt;= 0.85" in text
    assert "hand_<wbr>off_<wbr>below" in page
    assert "Accuracy over releases" in text
    assert 'class="dot hollow"' in page, "the refused one is hollow"
    assert "curl http://127.0.0.1/api/usecases/triage/run" in text


def test_the_run_page_shows_wrong_answers_first(client: TestClient) -> None:
    page = html(client, first_link(html(client, "/runs"), "/runs/"))
    text = words(page)

    assert "Most often mistaken" in text
    assert "By channel" in text
    assert text.index("Wrong expected") < text.index("More cases")
    assert "Right expected" not in text, "the first page is full of wrong answers"


def test_results_are_filtered_by_slice_and_by_standing(client: TestClient) -> None:
    run = first_link(html(client, "/runs"), "/runs/")

    chat = words(html(client, f"{run}?only=wrong&slice=channel%3Dchat"))
    assert "c050" in chat
    assert "c000" not in chat
    assert "No case fits this filter" in words(html(client, f"{run}?only=failed"))
    assert "expected all, wrong, failed" in words(html(client, f"{run}?only=odd", 422))


def test_more_cases_go_on_where_the_page_ended(client: TestClient) -> None:
    page = html(client, first_link(html(client, "/runs"), "/runs/"))
    more = re.search(r'href="([^"]+)">More cases', page)

    assert more
    assert "c019" in page
    following = words(html(client, more[1].replace("&amp;", "&")))
    assert "c020" in following
    assert "c019" not in following


def test_two_runs_stand_side_by_side_with_what_flipped(client: TestClient) -> None:
    release = html(client, first_link(html(client, "/releases"), "/releases/"))
    link = re.search(r'href="(/compare[^"]+)"', release)
    assert link, "a refused release links to the comparison with what was live"
    text = words(html(client, link[1].replace("&amp;", "&")))

    assert "Accuracy is worse than the baseline by more than is allowed" in text
    assert "Lost 55 Won 0 Tied 45" in text
    assert "Baseline Right refund Candidate Wrong card" in text
    assert "Two runs are compared" in words(html(client, "/compare", 422))


def test_a_release_shows_its_content_gate_and_ledger_entry(client: TestClient) -> None:
    release = first_link(html(client, "/releases"), "/releases/")
    text = words(html(client, release))

    assert "May not be deployed" in text
    assert "usecase.yaml" in text
    assert "answers.jsonl" in text
    assert "release refused" in text
    assert "sha256:" in text


def test_a_file_of_a_release_can_be_read_and_is_escaped(client: TestClient) -> None:
    release = first_link(html(client, "/releases"), "/releases/")
    page = html(client, f"{release}/files/usecase.yaml")

    assert "&lt;worse&gt;" in page
    assert "<worse>" not in page
    assert "holds no file" in words(html(client, f"{release}/files/..%2Fsecret", 404))


def test_the_try_page_is_made_from_the_schema(client: TestClient) -> None:
    page = html(client, "/usecases/triage/try")

    assert 'textarea id="message"' in page
    assert 'select id="knob.autonomy"' in page
    assert "hand_off_below" not in page, "an operator's knob is not turned with a call"
    assert "message 5" in page, "an example it got right"
    assert 'rows="5">message 6<' in html(client, "/usecases/triage/try?example=1")


def test_an_answer_shows_confidence_and_takes_a_correction(client: TestClient) -> None:
    page = ask(client, "message 7")
    text = words(page)

    assert "Topic card" in text
    assert "90.0 %" in text
    assert "This answer may stand" in text
    call = first_link(page, "/traces/")
    sent = client.post(
        f"{call}/feedback",
        data={"thumb": "down", "correct.topic": "refund", "comment": "money back"},
    )
    kept = words(sent.text)
    assert "Thank you, it is kept" in kept
    assert "Wrong refund money back ann" in kept


def test_an_unsure_answer_is_explained_in_plain_words(client: TestClient) -> None:
    text = words(ask(client, "never seen"))

    assert "A person should decide this one" in text
    assert "Confidence 0.40 is below the 0.6" in text
    assert "a person decides below 0.6" in text


def test_what_does_not_fit_is_said_beside_what_was_typed(client: TestClient) -> None:
    answer = client.post("/usecases/triage/try", data={"message": "", "knob.autonomy": "suggest"})

    assert answer.status_code == 422
    assert "message is missing" in words(answer.text)
    assert "<option selected>suggest</option>" in answer.text
    assert ">act</option>" not in answer.text  # nobody has tested it


def test_what_waits_for_others_keeps_no_other_page_waiting(
    client: TestClient, nobody_waits: Callable[[TestClient], None]
) -> None:
    nobody_waits(client)

    assert client.get("/usecases/triage/guards").status_code == 200
    client.cookies.set(KEPT_COOKIE, "lsk_unknown")
    refused = client.post("/reviews/rev_unknown/close")
    client.cookies.delete(KEPT_COOKIE)
    assert refused.status_code in (401, 403)


def test_feedback_without_a_word_is_refused(client: TestClient) -> None:
    call = first_link(ask(client, "message 7"), "/traces/")

    assert client.post(f"{call}/feedback", data={}).status_code == 422
    assert client.post(f"{call}/feedback", data={"thumb": "sideways"}).status_code == 422


def test_the_calls_page_shows_the_newest_calls_and_filters(client: TestClient) -> None:
    ask(client, "message 8")
    ask(client, "never <b>seen</b>")

    text = html(client, "/traces")
    assert "never &lt;b&gt;seen" in text
    assert "Handed to a person" in words(text)
    assert "message 8" in words(html(client, "/traces?use_case=triage"))
    assert "No trace meets this" in words(html(client, "/traces?use_case=other"))


def test_a_call_shows_its_steps_and_settings(client: TestClient) -> None:
    text = words(html(client, first_link(ask(client, "message 8"), "/traces/")))

    assert "message 8" in text
    assert "scripted:answers.jsonl" in text
    assert "hand_off_below 0.6" in text


def test_the_ledger_shows_decisions_and_how_to_verify_them(client: TestClient) -> None:
    client.post("/api/keys", json={"name": "website", "rights": ["run"]})
    limits = {"team": "press", "models": ["play/*"]}
    client.post("/api/keys", json={"name": "writer", "rights": ["run"], **limits})
    text = words(html(client, "/ledger"))

    assert "release refused" in text
    assert "lineside.local/default" in text
    assert "lineside ledger verify" in text
    assert "website run everything never Works" in text
    assert "writer team press run play/* never Works" in text


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/usecases/nothing", "/runs/run_none", "/releases/rel_none", "/traces/abc"],
)
def test_what_is_not_here_is_a_404_page(client: TestClient, path: str) -> None:
    text = words(html(client, path, 404))

    assert "Not here" in text
    assert "Back to all use cases" in text


def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(client: TestClient) -> None:
    answer = client.get("/usecases/triage")

    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r'(src|href)="(https?:)?//', answer.text)
    assert " style=" not in answer.text
    assert not re.search(r"\son\w+=", answer.text)
    for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text):
        assert "immutable" in client.get(name).headers["cache-control"]


def test_the_navigation_shows_what_there_is_and_where_one_stands(client: TestClient) -> None:
    page = html(client, "/runs")

    assert re.findall(r'<li><a href="[^"]+"[^>]*>(\w+)</a></li>', page) == [
        "Evaluate",
        "Ship",
        "Watch",
        "Govern",
    ]
    assert '<a href="/runs" aria-current="page">Evaluate</a>' in page
    assert 'href="#main"' in page


@pytest.mark.parametrize(
    ("address", "station"),
    [("/leaderboard", "Evaluate"), ("/history", "Evaluate"), ("/budgets", "Watch")],
)
def test_every_page_of_a_station_says_which_it_is(
    client: TestClient, address: str, station: str
) -> None:
    assert f'aria-current="true">{station}</a>' in html(client, address)
