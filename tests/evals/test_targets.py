from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import orjson
import pytest

from evals.conftest import ScriptedTarget, rows
from evals.test_judges import declared, judge_file
from lineside.core import Invalid, now
from lineside.evals import Run, results_of
from lineside.evals.dataset import Dataset
from lineside.evals.forecast import forecast_run
from lineside.evals.plan import RunLimits, RunPlan, RunTarget
from lineside.evals.targets import ANSWER_BYTES_MAX, read_target, subject_of
from lineside.store import Store
from lineside.traces import Span, new_span_id, new_trace_id, open_traces, record_spans
from lineside.trust import Scope

RunCases = Callable[..., Run]


@pytest.fixture
def run_target(
    run_cases: RunCases, store: Store, target: ScriptedTarget, tmp_path: Path
) -> Callable[..., Run]:
    """Has cases judged against a target named as a person names it."""

    def run(text: str, cases: list[dict[str, object]], **options: str) -> Run:
        found = read_target(store, text, folder=tmp_path, **options)
        assert target.asked == []
        return run_cases(cases, subject=subject_of(found), plan=RunPlan(target=found))

    return run


def test_a_function_is_asked_and_asked_again_unless_it_has_a_version(
    run_target: Callable[..., Run], tmp_path: Path
) -> None:
    (tmp_path / "shopbot.py").write_text(
        "asked = []\ndef reply(given):\n    asked.append(given)\n    return {'topic': 'refund'}\n"
        "async def dear(given):\n    return {'output': {'topic': 'refund'}, 'cost_usd': 2}\n"
    )
    plain = [run_target("python:shopbot:reply", rows(5)) for _ in range(2)]
    versioned = [run_target("python:shopbot:dear", rows(5), version="1") for _ in range(2)]

    assert [run.spent.right for run in plain] == [5, 5]
    assert [run.is_reused for run in plain + versioned] == [False, False, False, True]
    assert versioned[0].spent.cost_usd == 10
    with pytest.raises(Invalid, match="`shopbot` has no function `replay`"):
        run_target("python:shopbot:replay", rows(1))


def test_an_endpoint_is_asked_and_its_refusals_fail_their_case_alone(
    run_target: Callable[..., Run],
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            given = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
            is_fine = given["input"]["message"] != "m2"
            right = {"output": {"topic": "refund"}, "tokens_in": 4}
            body = orjson.dumps(right if is_fine else {})
            if given["input"]["message"] == "m3":
                body = orjson.dumps(right | {"documents": ["x" * 1000] * 700})  # in many pieces
            if given["input"]["message"] == "m4":
                body = b" " * (ANSWER_BYTES_MAX + 1)
            self.send_response(200 if is_fine else 400)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    run = run_target(f"http://127.0.0.1:{server.server_port}/ask", rows(6))
    server.shutdown()

    assert (run.spent.right, run.spent.tokens) == (4, 16)
    assert set(run.failures) == {"invalid:endpoint_refused", "invalid:answer_too_large"}


def test_outputs_on_file_are_judged_with_their_own_times_and_repetitions(
    run_target: Callable[..., Run], scope: Scope, tmp_path: Path
) -> None:
    lines = [{"id": f"c{n}", "output": {"topic": "refund"}, "latency_ms": 7} for n in range(1, 4)]
    (tmp_path / "out.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)))

    run = run_target("out.jsonl", rows(4))

    assert (run.spent.right, list(run.failures)) == (3, ["not_found:no_output"])
    assert {result.latency_ms for result in results_of(scope, run.id)} == {None, 7}
    (tmp_path / "out.jsonl").write_text('{"id": "c1", "output": {}}\n{"output": {}}\n')
    with pytest.raises(Invalid, match=r"`out.jsonl`, line 2: expected an object with `id`"):
        run_target("out.jsonl", rows(4))


def test_outputs_that_would_be_left_out_are_refused(
    store: Store, read: Callable[..., Dataset], tmp_path: Path
) -> None:
    def lines(*names: str) -> None:
        written = [orjson.dumps({"id": name, "output": {"topic": "refund"}}) for name in names]
        (tmp_path / "out.jsonl").write_bytes(b"\n".join(written))

    def target() -> str:
        dataset = read(rows(4))
        return read_target(store, "out.jsonl", folder=tmp_path, dataset=dataset).reference

    lines("c1", "c2", "c1")
    with pytest.raises(Invalid, match=r"has more than one output of 1 case \(`c1`\)"):
        target()
    lines("c1", *(f"x{n}" for n in range(7)))
    with pytest.raises(Invalid, match=r"of 7 cases \(`x0`, .*`x4` and 2 more\) that the dataset"):
        target()
    lines("c1", "c3")
    assert target()


def test_answers_on_file_are_the_tries_and_none_is_judged_twice(
    store: Store,
    read: Callable[..., Dataset],
    run_cases: RunCases,
    target: ScriptedTarget,
    tmp_path: Path,
) -> None:
    def on_file(*lines: tuple[str, int | None], repetitions: int | None = None) -> RunTarget:
        written = [
            orjson.dumps(
                {"id": case_id, "output": {"topic": "refund" if number else "card"}}
                | ({} if number is None else {"repetition": number})
            )
            for case_id, number in lines
        ]
        (tmp_path / "out.jsonl").write_bytes(b"\n".join(written))
        dataset = read(rows(2))
        return read_target(
            store, "out.jsonl", folder=tmp_path, dataset=dataset, repetitions=repetitions
        )

    once = [("c1", None), ("c2", None)]
    with pytest.raises(Invalid, match=r"one answer of 2 cases \(`c1`, `c2`\), and 3 of each"):
        on_file(*once, repetitions=3)
    twice = on_file(*((case_id, number) for case_id in ("c1", "c2") for number in (0, 1)))
    assert twice.answers == 2
    run = run_cases(rows(2), subject=subject_of(twice), plan=RunPlan(target=twice), repetitions=2)
    assert (run.cases_total, run.spent.right, target.asked) == (
        4,
        2,
        [],
    )  # the second try of each is right
    assert on_file(*once, *once, repetitions=2).answers == 2
    with pytest.raises(Invalid, match="more than one output of 2 cases"):
        on_file(*once, *once)
    with pytest.raises(Invalid, match=r"one answer of 1 case \(`c2`\), and 2 of each"):
        on_file(("c1", 0), ("c1", 1), ("c2", 0))
    with pytest.raises(Invalid, match=r"leaves numbers out among the answers of 1 case \(`c1`\)"):
        on_file(("c1", 1), ("c2", 0))


def test_a_recorded_trace_is_not_judged_as_several_tries(run_cases: RunCases) -> None:
    traces = RunTarget(kind="traces")

    with pytest.raises(Invalid, match="hold one answer of each case, and 3 are to be judged"):
        run_cases(rows(2), subject="traces", plan=RunPlan(target=traces), repetitions=3)


def test_recorded_traces_are_judged_by_what_they_answered(
    run_target: Callable[..., Run], store: Store, scope: Scope
) -> None:
    open_traces(store)
    trace = new_trace_id()
    step = Span(
        trace_id=trace,
        span_id=new_span_id(),
        name="answer",
        started_at=now() - timedelta(seconds=1),
        duration_ms=321,
        output={"topic": "refund"},
    )
    record_spans(scope, [step])

    run = run_target("traces", rows(1, source=trace) + rows(2)[1:])

    assert (run.spent.right, list(run.failures)) == (1, ["not_found:no_trace"])
    assert {result.latency_ms for result in results_of(scope, run.id)} == {None, 321}


def test_a_forecast_says_what_the_rest_costs_and_which_limit_is_too_small(
    run_cases: RunCases,
    target: ScriptedTarget,
    scope: Scope,
    read: Callable[..., Dataset],
) -> None:
    wanted = {"use_case": "triage", "subject": "candidate", "dataset": read(rows(100))}
    unknown = forecast_run(scope, **wanted)
    priced = forecast_run(scope, **wanted, model="gpt-4o-mini")
    run_cases(rows(40))

    plan = RunPlan(limits=RunLimits(cost_usd_max=0.1))
    found = forecast_run(scope, **wanted, repetitions=2, plan=plan)

    assert (unknown.cost_usd, unknown.seconds) == (None, None)
    assert priced.cost_usd is not None
    assert 0 < priced.cost_usd < 0.01
    assert (found.answers, found.recalled) == (200, 40)
    assert found.cost_usd == pytest.approx(0.16)
    assert found.tokens == 1600
    assert found.exceeds == ["cost_usd_max"]
    assert len(target.asked) == 40


def test_a_forecast_counts_judges_by_what_their_calls_took_or_says_that_it_cannot(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope, read: Callable[..., Dataset]
) -> None:
    files = judge_file(cost_usd=0.01, tokens_in=9, tokens_out=1)
    plan = RunPlan(limits=RunLimits(cost_usd_max=1.0))
    wanted = {
        "use_case": "triage",
        "subject": "candidate",
        "dataset": read(rows(100)),
        "scorers": [declared(repeats=2)],
        "scorer_files": files,
        "plan": plan,
    }
    unknown = forecast_run(scope, **wanted)
    run_cases(rows(40), scorers=[declared()], scorer_files=files)

    found = forecast_run(scope, **wanted)

    assert unknown.judges is not None
    assert (unknown.judges.calls, unknown.judges.cost_usd) == (200, None)
    assert (unknown.judges.unknown, unknown.exceeds) == (["right"], [])
    assert found.judges is not None
    assert (found.judges.cost_usd, found.judges.tokens) == (pytest.approx(2.0), 2000)
    assert (found.cost_usd, found.exceeds) == (pytest.approx(0.06), ["cost_usd_max"])
    again = forecast_run(scope, **{**wanted, "scorers": [declared()]})
    assert again.judges is not None
    assert again.judges.calls == 60
