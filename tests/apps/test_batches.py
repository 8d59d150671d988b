"""Every row of a file answered by one release: once, within limits, and found again."""

import csv
import time
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from lineside.apps import deploy, release_folder
from lineside.apps.batches import (
    Batch,
    batch_results,
    cancel_batch,
    check_export,
    export_batch,
    get_batch,
    list_batches,
    remove_batch,
    resume_batch,
    start_batch,
    wait_for_batch,
)
from lineside.core import Actor, Conflict, Denied, Invalid, NotFound
from lineside.evals import plan
from lineside.gateway import budgets
from lineside.traces import latest_calls, search
from lineside.trust import Scope, create_key, revoke_key, scope_for_key
from lineside.usecases import read_folder

ANSWER = {"output": {"topic": "card", "confidence": 0.9}, "confidence": 0.9}


def scripted(folder: Path, *answers: dict[str, Any]) -> Path:
    """Let the model of a folder also answer so; what is asked first comes first."""
    lines = [orjson.dumps(answer) for answer in answers]
    path = folder / "answers.jsonl"
    path.write_bytes(b"\n".join([*lines, path.read_bytes()]))
    return folder


@pytest.fixture
def live(scope: Scope, make_folder) -> Scope:
    release_folder(scope, read_folder(make_folder()))
    deploy(scope, "triage")
    return scope


def write_csv(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def run(scope: Scope, path: Path, **more: Any) -> Batch:
    return wait_for_batch(scope, start_batch(scope, "triage", path, **more))


@pytest.fixture
def rows_csv(tmp_path: Path) -> Path:
    rows = [[str(at), f"message {at}"] for at in range(50)]
    return write_csv(tmp_path / "rows.csv", [["id", "message"], *rows])


def test_every_row_is_answered_and_kept_beside_its_columns(live: Scope, rows_csv: Path) -> None:
    batch = run(live, rows_csv)

    assert (batch.state, batch.rows_answered, batch.rows_failed) == ("done", 50, 0)
    assert (batch.release, batch.spent.cost_usd) == ("v1", 0)
    found = batch_results(live, batch.id, after=6, limit=2)
    assert [(one.line, one.row, one.output and one.output["topic"]) for one in found] == [
        (9, {"id": "7", "message": "message 7"}, "card"),
        (10, {"id": "8", "message": "message 8"}, "refund"),
    ]
    [listed] = list_batches(live)
    assert listed == batch


def test_each_trace_says_which_batch_and_line_it_belongs_to(live: Scope, rows_csv: Path) -> None:
    batch = run(live, rows_csv, rows_max=3)
    calls = latest_calls(live, use_case="triage")

    assert {call.arm for call in calls} == {"batch"}
    assert {call.attributes["batch"] for call in calls} == {batch.id}
    assert {call.attributes["batch_line"] for call in calls} == {2, 3, 4}
    wanted = search.parse_query(f"attribute.batch = {batch.id}")
    assert len(search.list_traces(live, wanted).traces) == 3
    [first] = batch_results(live, batch.id, limit=1)
    assert first.trace_id in {call.trace_id for call in calls}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_results_are_written_as_a_file(
    live: Scope, rows_csv: Path, tmp_path: Path, suffix: str
) -> None:
    batch = run(live, rows_csv)
    out = tmp_path / f"out{suffix}"
    assert export_batch(live, batch.id, out) == 50
    with pytest.raises(Invalid, match="no folder"):
        check_export(tmp_path / "nowhere" / f"out{suffix}")

    if suffix == ".jsonl":
        first = orjson.loads(out.read_bytes().splitlines()[0])
        assert (first["row"]["id"], first["output"]["topic"]) == ("0", "refund")
        return
    names = "id, output_topic, batch_status, batch_line, batch_confidence, batch_hand_off"
    found = duckdb.read_csv(str(out)) if suffix == ".csv" else duckdb.read_parquet(str(out))
    found = found.order("batch_line").select(names).fetchall()
    assert len(found) == 50
    assert [str(cell) for cell in found[1]] == ["1", "card", "answered", "3", "0.9", "False"]
    assert list(tmp_path.glob(".out*")) == []


def test_json_lines_and_parquet_are_read_as_well(live: Scope, tmp_path: Path) -> None:
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"message": "message 1", "n": 1}\n\n{"message": "message 2", "n": 2.5}\n')
    parquet = tmp_path / "rows.parquet"
    duckdb.read_json(str(lines)).write_parquet(str(parquet))

    for path in (lines, parquet):
        batch = run(live, path)
        topics = [one.output and one.output["topic"] for one in batch_results(live, batch.id)]
        assert (batch.state, topics) == ("done", ["card", "refund"])


def test_a_field_is_read_from_the_column_that_is_named(live: Scope, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", [["text"], ["message 3"]])
    batch = run(live, path, mapping={"message": "text"})

    [result] = batch_results(live, batch.id)
    assert result.output
    assert result.output["topic"] == "card"
    with pytest.raises(Invalid, match="no input field `mesage`") as error:
        start_batch(live, "triage", path, mapping={"mesage": "text"})
    assert error.value.hint == "Did you mean `message`?"
    with pytest.raises(Invalid, match="no column `txt`"):
        start_batch(live, "triage", path, mapping={"message": "txt"})


def test_the_same_rows_are_not_paid_for_twice(live: Scope, rows_csv: Path) -> None:
    first = run(live, rows_csv)
    again = run(live, rows_csv)
    fresh = run(live, rows_csv, fresh=True)

    assert (again.id, again.is_reused) == (first.id, True)
    assert fresh.id != first.id
    for batch in (first, fresh):
        assert (batch.state, batch.failures, batch.rows_answered) == ("done", {}, 50)
    asked = [
        (call.attributes["batch"], call.attributes["batch_line"])
        for call in latest_calls(live, limit=500)
    ]
    wanted = [(batch.id, line) for batch in (first, fresh) for line in range(2, 52)]
    assert sorted(asked) == sorted(wanted)


def test_a_release_stands_fast_for_all_rows(live: Scope, make_folder, rows_csv: Path) -> None:
    release_folder(live, read_folder(make_folder(note="two", gate=["accuracy >= 0.5"])))

    assert run(live, rows_csv, release="v2").release == "v2"
    assert run(live, rows_csv).release == "v1"
    with pytest.raises(NotFound, match="no release `v9`"):
        start_batch(live, "triage", rows_csv, release="v9")
    with pytest.raises(NotFound, match="no use case `nobody`"):
        start_batch(live, "nobody", rows_csv)


def test_a_limit_of_money_stops_it_and_a_higher_one_goes_on(
    scope: Scope, make_folder, rows_csv: Path
) -> None:
    paid = {"when": {"contains": {"message": "message"}}, "cost_usd": 0.01} | ANSWER
    release_folder(scope, read_folder(scripted(make_folder(gate=["accuracy >= 0"]), paid)))
    deploy(scope, "triage")

    limits = plan.RunLimits(cost_usd_max=0.2, concurrency_max=1)
    stopped = run(scope, rows_csv, limits=limits)
    assert (stopped.state, stopped.rows_answered) == ("stopped: money", 20)
    assert "of 0.2 USD are spent" in str(stopped.reason)
    resumed = resume_batch(scope, stopped.id, limits=plan.RunLimits(cost_usd_max=1))
    done = wait_for_batch(scope, resumed)

    assert (done.state, done.rows_answered, done.attempt) == ("done", 50, 2)
    assert done.spent.cost_usd == pytest.approx(0.5)
    assert done.forecast_usd == pytest.approx(0.5)
    assert len(latest_calls(scope, limit=500)) == 50


def test_a_limit_of_time_stops_it(scope: Scope, make_folder, rows_csv: Path) -> None:
    slow = {"when": {"contains": {"message": "message"}}, "delay_ms": 100} | ANSWER
    release_folder(scope, read_folder(scripted(make_folder(gate=["accuracy >= 0"]), slow)))
    deploy(scope, "triage")

    stopped = run(scope, rows_csv, limits=plan.RunLimits(seconds_max=0.5, concurrency_max=1))
    assert stopped.state == "stopped: time"
    assert 0 < stopped.rows_answered < 50


def test_a_budget_that_is_used_up_stops_it_and_fails_no_row(live: Scope, rows_csv: Path) -> None:
    budgets.set_cap(live, "use_case", "triage", measure="requests", amount=12, every="ever")
    stopped = run(live, rows_csv)

    assert (stopped.state, stopped.rows_answered, stopped.rows_failed) == ("stopped: budget", 12, 0)
    assert "limit of 12 requests" in str(stopped.reason)
    budgets.set_cap(live, "use_case", "triage", measure="requests", amount=100, every="ever")
    done = wait_for_batch(live, resume_batch(live, stopped.id))
    assert (done.state, done.rows_answered) == ("done", 50)
    [use] = budgets.cap_uses(live)
    assert use.spent == 50


def test_failed_rows_are_kept_with_the_reason_and_asked_again(
    scope: Scope, make_folder, rows_csv: Path
) -> None:
    broken = {"when": {"message": "message 7"}, "fail": "invalid"}
    folder = scripted(make_folder(gate=["accuracy >= 0"]), broken)
    release_folder(scope, read_folder(folder))
    deploy(scope, "triage")
    batch = run(scope, rows_csv)

    assert (batch.state, batch.rows_answered, batch.rows_failed) == ("done", 49, 1)
    failure = batch.failures["invalid:model_refused_request"]
    assert (failure.rows, failure.lines) == (1, [9])
    [failed] = [one for one in batch_results(scope, batch.id) if one.status == "failed"]
    assert (failed.line, failed.output) == (9, None)
    assert failed.trace_id
    with pytest.raises(Conflict, match="has asked all of its 50 rows"):
        resume_batch(scope, batch.id)
    again = wait_for_batch(scope, resume_batch(scope, batch.id, failed=True))
    assert (again.state, again.rows_failed, again.attempt) == ("done", 1, 2)
    assert len(latest_calls(scope, limit=500)) == 51


def test_a_model_that_is_down_stops_it_before_all_rows_fail(
    scope: Scope, make_folder, tmp_path: Path
) -> None:
    down = {"when": {"contains": {"message": "other"}}, "fail": "unavailable"}
    folder = make_folder(gate=["accuracy >= 0"])
    release_folder(scope, read_folder(scripted(folder, down)))
    deploy(scope, "triage")
    rows = [[f"other {at}"] for at in range(50)]
    stopped = run(scope, write_csv(tmp_path / "rows.csv", [["message"], *rows]))

    assert stopped.state == "stopped: failing"
    assert stopped.rows_failed < 50
    assert stopped.rows_answered == 0


def test_it_is_cancelled_and_gone_on_with(scope: Scope, make_folder, rows_csv: Path) -> None:
    slow = {"when": {"contains": {"message": "message"}}, "delay_ms": 100} | ANSWER
    release_folder(scope, read_folder(scripted(make_folder(gate=["accuracy >= 0"]), slow)))
    deploy(scope, "triage")
    batch = start_batch(scope, "triage", rows_csv, limits=plan.RunLimits(concurrency_max=2))
    until = time.monotonic() + 20
    while not get_batch(scope, batch.id).rows_answered and time.monotonic() < until:
        time.sleep(0.05)
    with pytest.raises(Conflict, match="is under way"):
        remove_batch(scope, batch.id)
    cancelled = cancel_batch(scope, batch.id)
    assert cancelled.state == "cancelled"
    with pytest.raises(Conflict, match="is cancelled, not under way"):
        cancel_batch(scope, batch.id)
    scope.store.jobs.result(f"{batch.id}-1")
    assert get_batch(scope, batch.id).rows_answered < 50
    limits = plan.RunLimits(concurrency_max=50)
    done = wait_for_batch(scope, resume_batch(scope, batch.id, limits=limits))

    assert (done.state, done.rows_answered) == ("done", 50)
    assert remove_batch(scope, batch.id).id == batch.id
    assert list_batches(scope) == []
    with pytest.raises(NotFound, match="no batch"):
        get_batch(scope, batch.id)


def test_a_key_that_is_revoked_meanwhile_asks_no_more(
    scope: Scope, make_folder, rows_csv: Path
) -> None:
    slow = {"when": {"contains": {"message": "message"}}, "delay_ms": 200} | ANSWER
    release_folder(scope, read_folder(scripted(make_folder(gate=["accuracy >= 0"]), slow)))
    deploy(scope, "triage")
    key, secret = create_key(scope, "website", rights=["run"], use_cases=["triage"])
    caller = scope_for_key(scope.store, secret)
    batch = start_batch(caller, "triage", rows_csv, limits=plan.RunLimits(concurrency_max=1))
    revoke_key(scope, key.id)
    stopped = wait_for_batch(scope, batch)

    assert stopped.state == "stopped: error"
    assert "revoked" in str(stopped.reason)
    assert stopped.rows_answered < 50


def test_who_began_a_batch_sees_it_and_others_need_rights(live: Scope, rows_csv: Path) -> None:
    _, secret = create_key(live, "website", rights=["run"], use_cases=["triage"])
    caller = scope_for_key(live.store, secret)
    batch = wait_for_batch(caller, start_batch(caller, "triage", rows_csv))
    _, other = create_key(live, "other", rights=["run"], use_cases=["triage"])
    _, narrow = create_key(live, "narrow", rights=["run", "read"], use_cases=["another"])

    assert get_batch(caller, batch.id).rows_answered == 50
    for act in (get_batch, cancel_batch, resume_batch, remove_batch):
        with pytest.raises(Denied, match="lacks the right `read`"):
            act(scope_for_key(live.store, other), batch.id)
    with pytest.raises(Denied, match="may not `read`"):
        get_batch(scope_for_key(live.store, narrow), batch.id)
    with pytest.raises(Denied, match="may not `run`"):
        start_batch(scope_for_key(live.store, narrow), "triage", rows_csv)


def test_another_workspace_sees_nothing(live: Scope, rows_csv: Path) -> None:
    batch = run(live, rows_csv)
    person = Actor(kind="person", id="mem_other", name="bob")
    other = Scope(live.store, "elsewhere", person, live.rights)

    assert list_batches(other) == []
    for ask in (get_batch, cancel_batch, resume_batch, remove_batch, batch_results):
        with pytest.raises(NotFound, match="no batch"):
            ask(other, batch.id)
